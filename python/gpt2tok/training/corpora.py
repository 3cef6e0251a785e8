"""How does text get from files and iterators to the trainer? In bounded portions.

Owns JSON lines, and the handing over of iterators with progress in between. Refuses to open anything: it is given
functions that read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from gpt2tok._core import TokenizerError, Trainer
from gpt2tok.training.progress import Progress

READ_SIZE = 1 << 18


def feed_texts(
    trainer: Trainer, items: Iterator[Any], errors: str, line: Progress, *, lines: bool = False
) -> tuple[Any] | None:
    """Feeds texts from an iterator: None at its end, or the first item that is no text, in a tuple."""
    while (found := trainer.feed(items, lines=lines, errors=errors)) is True:
        line.read(trainer.bytes)
    return found


def size_of(path: os.PathLike[str] | os.PathLike[bytes]) -> int:
    """The size of a file, 0 where it cannot be known beforehand."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - of any kind of path
    except OSError:
        return 0


class JsonLines:
    """JSON objects, one on each line, of which one field is text.

    Args:
        field: which one. It must be there, and be a string.
        errors: "strict" or "replace".
        name: how messages call the file.
    """

    def __init__(self, field: str, errors: str, name: str) -> None:
        self._field, self._errors, self._name = field, errors, name

    def feed(self, trainer: Trainer, read: Callable[[int], bytes], line: Progress) -> None:
        """Feeds all texts to the trainer.

        Raises:
            TokenizerError: a line is no such object; it says which.
        """
        if (other := feed_texts(trainer, self.texts(read), self._errors, line)) is not None:
            raise TypeError(f"{self._name}: {type(other[0]).__name__} is no text")

    def texts(self, read: Callable[[int], bytes]) -> Iterator[str]:
        """The text of every line. Empty lines are passed over."""
        for number, content in enumerate(_lines(read), 1):
            stripped = content.strip()
            if not stripped:
                continue
            try:
                found = json.loads(stripped.decode("utf-8-sig", self._errors))
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise self._wrong(
                    number,
                    f"not UTF-8: byte 0x{byte:02x} at offset {error.start}; convert the file, or read it with"
                    " errors='replace'",
                ) from None
            except RecursionError:
                raise self._wrong(number, "nested too deeply; is this the right file?") from None
            except ValueError as error:
                raise self._wrong(number, f"not JSON ({error}); is this the right file?") from None
            if not isinstance(found, dict):
                raise self._wrong(number, f"a JSON {type(found).__name__}, not an object with a field")
            if self._field not in found:
                known = ", ".join(repr(key) for key in list(found)[:5])
                raise self._wrong(
                    number, f"no field {self._field!r}; it has {known or 'none'}: name one of those"
                )
            text = found[self._field]
            if not isinstance(text, str):
                raise self._wrong(number, f"field {self._field!r} is {type(text).__name__}, not a string")
            # Only an escape can stand for half a character.
            yield self._whole(number, text) if b"\\u" in stripped else text

    def _whole(self, number: int, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            if self._errors == "strict":
                raise self._wrong(
                    number,
                    f"field {self._field!r} has a lone surrogate, U+{ord(text[error.start]):04X}, at character"
                    f" {error.start}; mend the file, or read it with errors='replace'",
                ) from None
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _wrong(self, number: int, what: str) -> TokenizerError:
        return TokenizerError(f"{self._name}, line {number}: {what}")


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    while block := read(READ_SIZE):
        *whole, rest = block.split(b"\n")
        for piece in whole:
            parts.append(piece)
            yield b"".join(parts)
            parts = []
        parts.append(rest)
    if last := b"".join(parts):
        yield last
