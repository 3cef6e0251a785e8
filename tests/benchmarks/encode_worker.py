"""One library, one workload, one process: builds the encoder, times three passes or shows the ids. Run by bench_encode.

Owns how each library is called: the quickest way it has to encode a list of documents on one thread into lists of ids.
Loads no library but the one under test.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

Encoder = Callable[[list[str]], "list[list[int]]"]


def gpt2tok_lists(_: Path) -> Encoder:
    import gpt2tok

    encoding = gpt2tok.get_encoding("gpt2")
    return lambda texts: encoding.encode_ordinary_batch(texts, num_threads=1)


def gpt2tok_arrays(_: Path) -> Encoder:
    import numpy  # noqa: F401 - the first call would import it, and that is no encoding

    import gpt2tok

    encoding = gpt2tok.get_encoding("gpt2")
    return lambda texts: [encoding.encode_ragged(texts, num_threads=1, disallowed_special=())[0]]


def tiktoken_lists(files: Path) -> Encoder:
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = load_tiktoken_bpe(str(files / "gpt2.tiktoken"))
    encoding = tiktoken.Encoding("gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})
    # Its own batch call hands each text to a thread; on one core a loop is quicker.
    return lambda texts: [encoding.encode_ordinary(text) for text in texts]


def tokenizers_lists(files: Path) -> Encoder:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(files / "tokenizer.json"))
    fast = tokenizer.encode_batch_fast
    return lambda texts: [encoding.ids for encoding in fast(texts, add_special_tokens=False)]


LIBRARIES = {
    "gpt2tok": gpt2tok_lists,
    "gpt2tok, arrays": gpt2tok_arrays,
    "tiktoken": tiktoken_lists,
    "tokenizers": tokenizers_lists,
}


def digest(rows: list[list[int]]) -> str:
    """The ids alone: one library gives a list a text, another one array for all."""
    total = hashlib.sha256()
    for row in rows:
        total.update(array("I", row).tobytes())
    return total.hexdigest()


def timed(encode: Encoder, texts: list[str]) -> float:
    gc.collect()
    gc.disable()
    start = perf_counter()
    rows = encode(texts)
    seconds = perf_counter() - start
    gc.enable()
    del rows
    return seconds


def main() -> None:
    library, task, directory, workload, core = sys.argv[1:]
    if core != "-":
        os.sched_setaffinity(0, {int(core)})
    texts = json.loads((Path(directory) / f"{workload}.json").read_text("utf-8"))
    encode = LIBRARIES[library](Path(directory))
    if task == "ids":
        print(json.dumps([digest(encode(texts["first"])), digest(encode(texts["second"]))]))
        return
    # In this order: the first half cold, the second half new to a warm encoder, the second half again.
    print(json.dumps([timed(encode, texts[half]) for half in ("first", "second", "second")]))


if __name__ == "__main__":
    main()
