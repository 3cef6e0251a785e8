"""From the bytes of an input to its token ids, a bounded part of it at a time.

Owns the walk over a source in blocks (`blocks.py` proves the cuts), what special tokens in the text mean, and
saying where in the input something is wrong. Refuses to know what is done with the ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from gpt2tok._core import Encoding, SpecialTokenError, TokenizerError
from gpt2tok.blocks import exact_blocks
from gpt2tok.cli.id_formats import Dtype
from gpt2tok.cli.problems import DataError
from gpt2tok.cli.progress import Progress
from gpt2tok.cli.streams import Source

_BLOCKS_AT_A_TIME = 16  # of 256 KB each: work for the threads, and some 50 MB of ids

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class TextOptions:
    """How a text is to be read: the options that `encode`, `count` and `show` share."""

    special: Literal["refuse", "allow", "text"] = "refuse"
    errors: Literal["strict", "replace"] = "strict"
    threads: int | None = None

    def keywords(self) -> dict[str, Any]:
        """The same, as `Encoding`'s batch methods take it."""
        return {
            "allowed_special": "all" if self.special == "allow" else (),
            "disallowed_special": () if self.special == "text" else "all",
            "errors": self.errors,
            "num_threads": self.threads,
        }


def id_lists(
    encoding: Encoding, source: Source, options: TextOptions, progress: Progress
) -> Iterator[list[int]]:
    """The token ids of the source, in order, in lists of no particular length.

    Raises:
        DataError: the source cannot be read or encoded; says where.
    """
    keywords = options.keywords()
    for lists in _walk(encoding, source, lambda texts: encoding.encode_batch(texts, **keywords), progress):
        yield from lists


def raw_ids(
    encoding: Encoding, source: Source, options: TextOptions, dtype: Dtype, progress: Progress
) -> Iterator[bytes]:
    """The same ids as bare little-endian integers.

    Raises:
        DataError: as for `id_lists`.
    """
    keywords = options.keywords()
    return _walk(
        encoding, source, lambda texts: encoding._encode_raw(texts, dtype=dtype, **keywords), progress
    )


def count(encoding: Encoding, source: Source, options: TextOptions, progress: Progress) -> tuple[int, int]:
    """How many bytes and how many tokens the source holds.

    Raises:
        DataError: as for `id_lists`.
    """
    keywords = options.keywords()

    def sizes(texts: list[bytes]) -> tuple[int, int]:
        return sum(map(len, texts)), sum(encoding.count_batch(texts, **keywords))

    size = tokens = 0
    for more_bytes, more_tokens in _walk(encoding, source, sizes, progress):
        size += more_bytes
        tokens += more_tokens
    return size, tokens


def _walk(
    encoding: Encoding, source: Source, work: Callable[[list[bytes]], _Result], progress: Progress
) -> Iterator[_Result]:
    position, lines = 0, 1
    with source.reader() as read:
        blocks = exact_blocks(read, encoding.special_tokens_set)
        while texts := list(itertools.islice(blocks, _BLOCKS_AT_A_TIME)):
            try:
                result = work(texts)
            except (TokenizerError, UnicodeDecodeError) as error:
                text = b"".join(texts)
                at, reason = _explained(error, text, encoding.special_tokens_set)
                line = lines + text.count(b"\n", 0, at)
                raise DataError(f"{source.name}: byte {position + at} (line {line}): {reason}") from error
            yield result
            size = sum(map(len, texts))
            position += size
            lines += sum(text.count(b"\n") for text in texts)
            progress.add(size)


def _explained(error: ValueError, text: bytes, special_tokens: set[str]) -> tuple[int, str]:
    """Where in the text encoding failed, and why, in the words of the command line."""
    found_at = [(text.find(token.encode()), token) for token in special_tokens]
    found_at = [place for place in found_at if place[0] >= 0]
    if isinstance(error, SpecialTokenError) and found_at:
        at, token = min(found_at)
        return at, (
            f"the text holds the special token {token!r}: give --allow-special to encode it as that token, or"
            " --special-as-text to encode it as ordinary text"
        )
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as invalid:
        found = text[invalid.start : invalid.end].hex(" ")
        return invalid.start, (
            f"not UTF-8 ({found}: {invalid.reason}): give --errors replace to read such bytes as U+FFFD, or"
            " convert the text to UTF-8"
        )
    return 0, str(error)
