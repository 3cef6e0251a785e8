"""How token ids are written to a stream and read back: text, JSON, or raw little-endian integers.

Owns these formats, both ways, a bounded part at a time where the format allows (JSON is read whole). Refuses
to know the vocabulary: whether an id exists is `Encoding`'s to say.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from gpt2tok.cli.problems import DataError
from gpt2tok.cli.progress import Progress
from gpt2tok.cli.streams import Source

Dtype = Literal["uint16", "uint32"]

_TYPECODES: dict[str, str] = {"uint16": "H", "uint32": "I"}
_READ_BYTES = 1 << 20
_SEPARATORS = b" \t\n\r\v\f,"
_NOT_AN_ID = re.compile(rb"(?<![^\s,])(?![0-9]{1,10}(?![^\s,]))[^\s,]+")


@dataclass(frozen=True)
class Layout:
    """What stands before, between and after the ids of one input, and instead of them when there are none."""

    before: bytes
    between: str
    after: bytes
    none: bytes


def text_layout(one_a_line: bool) -> Layout:
    """Decimal numbers: one line for each input, or one line for each id."""
    return Layout(b"", "\n", b"\n", b"") if one_a_line else Layout(b"", " ", b"\n", b"\n")


def json_layout(path: str | None) -> Layout:
    """One JSON object for each input, on a line of its own: `{"file": "a.txt", "ids": [1, 2]}`."""
    before, after = f'{{"file": {json.dumps(path)}, "ids": ['.encode(), b"]}\n"
    return Layout(before, ", ", after, before + after)


def write_ids(lists: Iterable[list[int]], layout: Layout, write: Callable[[bytes], object]) -> None:
    """Write the ids of one input in decimal, list by list.

    Raises:
        DataError: the input's own; what was begun then ends with its line, so that another can follow.
    """
    opening = layout.before
    some = False
    try:
        for ids in filter(None, lists):
            write(opening + layout.between.join(map(str, ids)).encode())
            opening, some = layout.between.encode(), True
    except DataError:
        if some:
            write(b"\n")
        raise
    write(layout.after if some else layout.none)


def read_raw(source: Source, dtype: Dtype, progress: Progress) -> Iterator[list[int]]:
    """Read bare little-endian integers.

    Raises:
        DataError: the input cannot be read, or ends inside an integer.
    """
    rest = b""
    size = array(_TYPECODES[dtype]).itemsize
    with source.reader() as read:
        while data := read(_READ_BYTES):
            progress.add(len(data))
            data = rest + data
            whole = len(data) // size * size
            rest = data[whole:]
            yield _swapped(array(_TYPECODES[dtype], data[:whole])).tolist()
    if rest:
        raise DataError(
            f"{source.name}: not whole {dtype} ids: {len(rest)} of {size} bytes of the last one: give the --dtype"
            " they were written with, or write them again"
        )


def read_text(source: Source, progress: Progress) -> Iterator[list[int]]:
    """Read decimal ids separated by white space or commas; an input that starts like JSON is read as JSON.

    Raises:
        DataError: the input cannot be read, or holds something else; says where.
    """
    rest, position, first = b"", 0, True
    with source.reader() as read:
        while data := read(_READ_BYTES):
            progress.add(len(data))
            rest += data
            if first and rest.startswith(codecs.BOM_UTF8):  # As some editors begin any file.
                rest, position = rest.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
            if first and rest.lstrip()[:1] in (b"[", b"{"):
                while data := read(_READ_BYTES):
                    progress.add(len(data))
                    rest += data
                yield from _json_ids(rest, source.name)
                return
            first = False
            cut = _last_separator(rest)
            yield _text_ids(rest[:cut], source.name, position)
            rest, position = rest[cut:], position + cut
            if len(rest) > _READ_BYTES:
                _text_ids(rest, source.name, position)  # No id is that long: raises.
        yield _text_ids(rest, source.name, position)


def _last_separator(data: bytes) -> int:
    """The end of the last byte that separates ids, 0 when there is none."""
    return max(data.rfind(separator) for separator in _SEPARATORS) + 1


def _text_ids(data: bytes, name: str, position: int) -> list[int]:
    if not data.translate(None, b"0123456789" + _SEPARATORS):
        with suppress(ValueError):  # More digits than int() takes.
            return list(map(int, data.replace(b",", b" ").split()))
    wrong = _NOT_AN_ID.search(data)
    at, found = (wrong.start(), wrong[0]) if wrong else (0, data)
    raise DataError(
        f"{name}: byte {position + at}: {_short(found)} is not a token id: give decimal ids separated by"
        " spaces, lines or commas, JSON, or (with --raw or --dtype) raw integers"
    )


def _short(data: bytes) -> str:
    """The beginning of what was found, in quotes: what cannot be shown, as `\\xff` or `\\u200b`."""
    # 25 characters have at most 100 bytes: a character that is cut there is past the end of what is shown.
    parts = [
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in part)
        for part in re.findall(r"\\x[0-9a-f]{2}|.", data[:100].decode("utf-8", "backslashreplace"), re.DOTALL)
    ]
    return f"'{''.join(parts[:24])}{'...' if len(parts) > 24 else ''}'"


def _json_ids(data: bytes, name: str) -> Iterator[list[int]]:
    """The ids of JSON values, each a list of ids, a list of such lists, or an object that holds one."""
    mend = 'give [1, 2], {"ids": [1, 2]} or {"input_ids": [1, 2]}, as many as you like'
    line, counted = 1, 0
    try:
        text = data.decode("utf-8")
        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            line, counted = line + text.count("\n", counted, at), at
            value, at = decoder.raw_decode(text, at)
            yield from _id_lists(value, "")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: byte {error.start}: JSON must be UTF-8: {mend}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{name}: line {error.lineno}, column {error.colno}: not JSON ({error.msg}): {mend}"
        ) from error
    except RecursionError as error:
        raise DataError(f"{name}: JSON nested too deeply: {mend}") from error
    except ValueError as error:  # Python's own limit on the digits of a number.
        raise DataError(
            f"{name}: JSON without token ids (found a number of thousands of digits): {mend}"
        ) from error
    except TypeError as error:
        raise DataError(f"{name}: line {line}: JSON without token ids ({error}): {mend}") from error


def _id_lists(value: Any, where: str) -> Iterator[list[int]]:
    """The lists of ids in a JSON value; `where` it stands in the whole, as `["ids"][2]`."""
    at = f" at {where}" if where else ""
    if isinstance(value, dict):
        key = next((key for key in ("ids", "input_ids") if key in value), None)
        if key is None:
            raise TypeError(f"found an object{at} that has neither")
        value, where = value[key], f'{where}["{key}"]'
        at = f" at {where}"
    if not isinstance(value, list):
        raise TypeError(f"found {_json(value)}{at} where a list was expected")
    if any(isinstance(item, list | dict) for item in value):
        for place, item in enumerate(value):
            yield from _id_lists(item, f"{where}[{place}]")
        return
    for place, item in enumerate(value):
        if type(item) is not int:
            raise TypeError(f"found {_json(item)} at {where}[{place}] where an id was expected")
    yield value


def _json(value: object) -> str:
    return _short(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _swapped(numbers: array[int]) -> array[int]:
    """From this machine's order of bytes to little-endian, or back."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
