"""How is a file of any size encoded into a file of ids? Owns the walk from one to the other, in bounded memory.

A part of the text is read, encoded and written before the next one is read; `blocks.py` proves that the cuts change no
id. Memory is bounded by the longest stretch of text without a place to cut (one run of letters, of digits, of other
marks or of white space), whatever the size of the file. The ids appear under their name when all are there, or not at
all (`files.py`). `Encoding.encode_file` is the door; nothing here prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Literal

from gpt2tok import files
from gpt2tok._core import Encoding, SpecialTokenError, TokenizerError
from gpt2tok.blocks import BLOCK_BYTES, exact_blocks

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_BLOCKS_AT_A_TIME = 16  # of 256 KB each: enough work for the threads, and not much to hold


def encode_file(
    encoding: Encoding, path: Path, out: Path, *, dtype: Literal["uint16", "uint32"] | None, **options: Any
) -> int:
    """What `Encoding.encode_file` does; `options` are those of `Encoding.encode_batch`.

    Raises:
        As `Encoding.encode_file`.
    """
    path, out = os.fsdecode(path), os.fsdecode(out)
    encoding._encode_raw([], dtype=dtype, **options)  # a mistake in the options, before any file is touched
    ids = 0
    # One system call for each block, so that Ctrl-C is answered between two of them.
    with open(path, "rb", buffering=0) as text, files.open_atomically(out) as file:  # noqa: PTH123
        for integers, count in raw_ids(encoding, text.read, path, dtype, options):
            file.write(integers)
            ids += count
    return ids


def raw_ids(  # noqa: PLR0917 - a stream, its name, and how
    encoding: Encoding,
    read: Callable[[int], bytes],
    name: str,
    dtype: Literal["uint16", "uint32"] | None,
    options: dict[str, Any],
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[bytes, int]]:
    """The ids of a stream as little-endian integers, part by part, with the number of ids in each.

    Args:
        read: reads at most so many bytes, b"" at the end (`file.read`).
        name: how errors call the stream.
        dtype: None for uint16 where every id of the vocabulary fits, else uint32.
        options: of `Encoding.encode_batch`.
        block_bytes: how much is read at a time; 16 such blocks are encoded together.

    Raises:
        As `Encoding.encode_file`.
    """
    size = {None: 2 if encoding.n_vocab <= 1 << 16 else 4, "uint16": 2}.get(dtype, 4)
    names = options.get("disallowed_special")
    unwanted = set() if names is None or isinstance(names, str) else set(names)
    blocks = exact_blocks(read, encoding.special_tokens_set | unwanted, block_bytes)
    position = 0
    for texts in _groups(blocks, _BLOCKS_AT_A_TIME * block_bytes):
        try:
            integers = encoding._encode_raw(texts, dtype=dtype, **options)
        except SpecialTokenError as error:
            allowed = options.get("allowed_special") or ()
            suspects = unwanted or encoding.special_tokens_set.difference(() if allowed == "all" else allowed)
            raise SpecialTokenError(f"{name}: {_placed(error, texts, position, suspects)}") from error
        except TokenizerError as error:
            raise TokenizerError(f"{name}: {_not_utf8(texts, position) or error}") from error
        yield integers, len(integers) // size
        position += sum(map(len, texts))


def _groups(blocks: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Neighbouring blocks, until together they have so many bytes."""
    group: list[bytes] = []
    held = 0
    for block in blocks:
        group.append(block)
        held += len(block)
        if held >= size:
            yield group
            group, held = [], 0
    if group:
        yield group


def _not_utf8(texts: list[bytes], position: int) -> str | None:
    text = b"".join(texts)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"byte {position + error.start} is not UTF-8 (0x{text[error.start]:02x}, {error.reason}); "
            "convert the file to UTF-8, or pass errors='replace' to read such bytes as U+FFFD"
        )
    return None


def _placed(error: SpecialTokenError, texts: list[bytes], position: int, suspects: set[str]) -> str:
    """The message of the error about one of these texts, with the place in the stream."""
    text = b"".join(texts)
    found = [(text.find(name.encode()), name) for name in suspects]
    at, special = min((place for place in found if place[0] >= 0), default=(-1, ""))
    if at < 0:
        return str(error)
    return (
        f"byte {position + at}: the text holds the special token {special!r}; pass allowed_special={{{special!r}}} to "
        "encode it as one token, or disallowed_special=() to encode it as ordinary text"
    )
