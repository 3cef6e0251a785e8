"""How a token looks on a terminal, and how tokens fill its lines.

Owns what is printed for each character (spaces, line ends, half characters and control codes become visible),
the colours, and the columns a text takes. Refuses to know where tokens come from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Pale backgrounds of the 256-colour palette, each unlike its neighbours, under black letters: they read the
# same on a dark and a light terminal.
_BACKGROUNDS = (153, 223, 157, 219, 229, 189)
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_SIGNS = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"}


@dataclass(frozen=True)
class Style:
    """What the output can show."""

    colored: bool
    encoding: str = "utf-8"

    def can_say(self, text: str) -> bool:
        """Whether the output's encoding has these characters."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


@dataclass(frozen=True)
class Cell:
    """One token as it is shown: its text, what stands below it, and whether the line ends after it."""

    number: int
    text: str
    below: tuple[str, ...]
    ends_line: bool

    @property
    def columns(self) -> int:
        """The width of its text and of what stands below."""
        return max(map(columns, (self.text, *self.below)))


def token_cell(
    number: int, token_id: int, token: bytes, style: Style, *, with_id: bool = False, with_bytes: bool = False
) -> Cell:
    """The cell of the token that stands at place `number`.

    Example:
        >>> token_cell(0, 995, b" world", Style(colored=False), with_id=True)
        Cell(number=0, text='·world', below=('995',), ends_line=False)
        >>> token_cell(0, 162, b"\\xe6\\n", Style(colored=False)).text
        '\\\\xe6↵'
    """
    below = ((str(token_id),) if with_id else ()) + ((token.hex(" "),) if with_bytes else ())
    return Cell(number, _visible(token, style), below, b"\n" in token)


def flow(cells: Iterable[Cell], style: Style, width: int) -> Iterator[str]:
    """Lines of cells set close, told apart by colour or `|`, broken where the text breaks and at `width`."""
    between = "" if style.colored else "|"
    for row in _rows(cells, width, len(between)):
        yield between.join(_painted(cell, cell.text, style) for cell in row)


def table(cells: Iterable[Cell], style: Style, width: int) -> Iterator[str]:
    """The same with what stands below each cell in lines of its own, and an empty line between rows."""
    first = True
    for row in _rows(cells, width, 1 if style.colored else 2):
        if not first:
            yield ""
        first = False
        between = " " if style.colored else "  "
        padded = [cell.text + " " * (cell.columns - columns(cell.text)) for cell in row]
        yield between.join(
            _painted(cell, text, style) for cell, text in zip(row, padded, strict=True)
        ).rstrip(" ")
        for depth in range(len(row[0].below)):
            line = between.join(f"{cell.below[depth]:<{cell.columns}}" for cell in row).rstrip(" ")
            yield f"{_DIM}{line}{_RESET}" if style.colored else line


def columns(text: str) -> int:
    """The columns that a terminal gives a text without control characters.

    Example:
        >>> columns("naïve"), columns("日本"), columns("e\\u0301")
        (5, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns_of_character, text))


def _columns_of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _rows(cells: Iterable[Cell], width: int, between: int) -> Iterator[list[Cell]]:
    row: list[Cell] = []
    used = 0
    for cell in cells:
        if row and used + between + cell.columns > width:
            yield row
            row, used = [], 0
        used += cell.columns + (between if row else 0)
        row.append(cell)
        if cell.ends_line:
            yield row
            row, used = [], 0
    if row:
        yield row


def _painted(cell: Cell, text: str, style: Style) -> str:
    if not style.colored:
        return text
    return f"\x1b[30;48;5;{_BACKGROUNDS[cell.number % len(_BACKGROUNDS)]}m{text}{_RESET}"


def _visible(token: bytes, style: Style) -> str:
    text = "".join(_sign(character, style) for character in token.decode("utf-8", "backslashreplace"))
    # A mark with nothing before it would settle on the neighbour.
    return "◌" + text if unicodedata.category(text[0]) in ("Mn", "Me") else text


def _sign(character: str, style: Style) -> str:
    if character == " " and style.colored:
        return " "  # The background shows it.
    sign = _SIGNS.get(character, character)
    if not style.can_say(sign):
        sign = character
    if sign == " " or (sign.isprintable() and style.can_say(sign)):
        return sign
    return character.encode("unicode_escape").decode("ascii")
