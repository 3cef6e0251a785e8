"""How is each library called? One function a library: from GPT-2's vocabulary on disk to its calls by name.

Owns fairness: each library is called in the quickest way that its own documentation shows and that gives these ids,
tried on English and Chinese before it was chosen; what was left is said beside it. Loads no library but the one asked
for. A call that a library lacks is absent. The calls:

    ids             a list of texts to ids in the library's quickest form, arrays or bytes where it has them
    lists           a list of texts to lists of Python ints
    one to array, one to list           a single text
    decode ...      list (of Python ints) or array or batch (of lists), to bytes or str
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

Calls = dict[str, Callable[..., Any]]
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def gpt2tok(_: Path, threads: int) -> Calls:
    import gpt2tok

    encoding = gpt2tok.get_encoding("gpt2")
    return {
        # In 16 bits, as corpora of GPT-2 are kept: half the memory to write is a fifth of the time.
        "ids": lambda texts: encoding.encode_ragged(
            texts, num_threads=threads, disallowed_special=(), dtype="uint16"
        ),
        "lists": lambda texts: encoding.encode_ordinary_batch(texts, num_threads=threads),
        "one to array": lambda text: encoding.encode_to_numpy(text, disallowed_special=()),
        "one to list": encoding.encode_ordinary,
        "decode list to bytes": encoding.decode_bytes,
        "decode list to str": encoding.decode,
        "decode array to bytes": encoding.decode_bytes,
        "decode array to str": encoding.decode,
        "decode batch to bytes": lambda batch: list(map(encoding.decode_bytes, batch)),
        "decode batch to str": lambda batch: encoding.decode_batch(batch, num_threads=threads),
    }


def tiktoken(files: Path, threads: int) -> Calls:
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = load_tiktoken_bpe(str(files / "gpt2.tiktoken"))
    encoding = tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})

    # Its batch call hands each text to a thread, and its arrays go through bytes: on one core a loop is quicker.
    def lists(texts: list[str]) -> list[list[int]]:
        if threads == 1:
            return [encoding.encode_ordinary(text) for text in texts]
        return encoding.encode_ordinary_batch(texts, num_threads=threads)

    return {
        "ids": lists,
        "lists": lists,
        "one to array": lambda text: encoding.encode_to_numpy(text, disallowed_special=()),
        "one to list": encoding.encode_ordinary,
        "decode list to bytes": encoding.decode_bytes,
        "decode list to str": encoding.decode,
        "decode batch to bytes": lambda batch: list(map(encoding.decode_bytes, batch)),
        "decode batch to str": lambda batch: list(map(encoding.decode, batch)),
    }


def tokenizers(files: Path, _: int) -> Calls:
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(files / "tokenizer.json"))
    many, one = tokenizer.encode_batch_fast, tokenizer.encode

    def lists(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in many(texts, add_special_tokens=False)]

    return {
        "ids": lists,
        "lists": lists,
        "one to list": lambda text: one(text, add_special_tokens=False).ids,
        "decode list to str": tokenizer.decode,
        "decode batch to str": tokenizer.decode_batch,
    }


def gigatoken(files: Path, threads: int) -> Calls:
    import awkward  # noqa: F401 - its first batch would import it, and that is no encoding
    import gigatoken

    tokenizer = gigatoken.Tokenizer(str(files / "tokenizer.json"))
    backend, parallel = tokenizer.backend, threads > 1
    return {
        # BytesSource is for buffers that are not cut into documents yet: it was no quicker here.
        "ids": lambda texts: backend.encode_batch(texts, parallel=parallel),
        "lists": lambda texts: backend.encode_batch_list(texts, parallel=parallel),
        "one to array": backend.encode,
        "one to list": lambda text: backend.encode(text).tolist(),
        "decode list to bytes": backend.decode,
        "decode list to str": lambda ids: backend.decode(ids).decode("utf-8", "replace"),
        "decode array to bytes": backend.decode,
        "decode array to str": lambda ids: backend.decode(ids).decode("utf-8", "replace"),
        "decode batch to bytes": lambda batch: list(map(backend.decode, batch)),
        "decode batch to str": lambda batch: [
            backend.decode(ids).decode("utf-8", "replace") for ids in batch
        ],
    }


def gigatoken_loop(files: Path, _: int) -> Calls:
    """The same text by text: quicker than its batches where texts are long, and in a first pass."""
    import gigatoken

    one = gigatoken.Tokenizer(str(files / "tokenizer.json")).backend.encode
    return {
        "ids": lambda texts: list(map(one, texts)),
        "lists": lambda texts: [one(text).tolist() for text in texts],
    }


def fastokens(files: Path, _: int) -> Calls:
    import fastokens
    import numpy

    # From the .tiktoken file it takes a slower way.
    tokenizer = fastokens.Tokenizer.from_file(str(files / "tokenizer.json"))
    return {
        "ids": tokenizer.encode_batch_flat,
        "lists": lambda texts: [encoding.ids for encoding in tokenizer.encode_batch(texts)],
        "one to array": lambda text: numpy.frombuffer(tokenizer.encode_batch_flat([text])[0], numpy.uint32),
        "one to list": lambda text: tokenizer.encode(text).ids,
        "decode list to str": tokenizer.decode,
        "decode batch to str": tokenizer.decode_batch,
    }


def kitoken(files: Path, _: int) -> Calls:
    import kitoken

    # Its own format, made from the .tiktoken file, loads quickest. It has no threads of its own.
    tokenizer = kitoken.Kitoken.from_file(str(files / "gpt2.kit"))
    return {
        "ids": tokenizer.encode_all,
        "lists": tokenizer.encode_all,
        "one to list": tokenizer.encode,
        "decode list to bytes": tokenizer.decode,
        "decode list to str": lambda ids: tokenizer.decode(ids).decode("utf-8", "replace"),
        "decode batch to bytes": tokenizer.decode_all,
        "decode batch to str": lambda batch: [
            row.decode("utf-8", "replace") for row in tokenizer.decode_all(batch)
        ],
    }


def riptoken(files: Path, _: int) -> Calls:
    import riptoken

    # The old spelling of the pattern: it takes its quick way through regex, not fancy-regex.
    ranks = riptoken.load_tiktoken_bpe(files / "gpt2.tiktoken")
    core = riptoken.CoreBPE(ranks, {}, PATTERN)
    return {
        "ids": core.encode_ordinary_batch,
        "lists": core.encode_ordinary_batch,
        "one to list": core.encode_ordinary,
        "decode list to bytes": core.decode_bytes,
        "decode list to str": core.decode,
        "decode batch to bytes": lambda batch: list(map(core.decode_bytes, batch)),
        "decode batch to str": lambda batch: list(map(core.decode, batch)),
    }


def splintr(files: Path, _: int) -> Calls:
    import numpy
    import splintr

    tokenizer = splintr.from_json(str(files / "tokenizer.json"))
    return {
        "ids": tokenizer.encode_batch_flat,
        "lists": tokenizer.encode_batch,
        "one to array": lambda text: numpy.frombuffer(tokenizer.encode_flat(text), numpy.uint32),
        "one to list": tokenizer.encode_ordinary,
        "decode list to str": tokenizer.decode,  # to bytes it decodes no such vocabulary
        "decode batch to str": tokenizer.decode_batch,
    }


# name in tables: (what makes its calls, the package to import, the distribution to install)
LIBRARIES: dict[str, tuple[Callable[[Path, int], Calls], str, str]] = {
    "gpt2tok": (gpt2tok, "gpt2tok", "gpt2tok"),
    "tiktoken": (tiktoken, "tiktoken", "tiktoken"),
    "tokenizers": (tokenizers, "tokenizers", "tokenizers"),
    "gigatoken": (gigatoken, "gigatoken", "gigatoken"),
    "gigatoken, loop": (gigatoken_loop, "gigatoken", "gigatoken"),
    "fastokens": (fastokens, "fastokens", "fastokens"),
    "kitoken": (kitoken, "kitoken", "kitoken"),
    "riptoken": (riptoken, "riptoken", "riptoken"),
    "splintr": (splintr, "splintr", "splintr-rs"),
}


def id_bytes(result: Any) -> bytes:
    """The ids of a batch, one after the other, as uint32 in this machine's order: every library has its own form."""
    if isinstance(result, tuple):  # ids, then where each text's begin
        result = result[0]
    if isinstance(result, bytes):
        return result
    if hasattr(result, "tobytes"):
        return bytes(result.astype("uint32").tobytes())
    if type(result).__module__.startswith("awkward"):
        awkward = sys.modules["awkward"]
        return bytes(awkward.to_numpy(awkward.flatten(result)).astype("uint32").tobytes())
    rows = (row.tolist() if hasattr(row, "tolist") else row for row in result)
    return b"".join(array("I", row).tobytes() for row in rows)
