#!/usr/bin/env python3
"""Draws docs/show.svg: how a text becomes token ids, every merge of it.

    python scripts/draw_show.py [FILE]

Owns the picture's layout and colours, for light and dark pages alike. Refuses to invent: pretokens, merges,
ids and bytes are what the installed gpt2tok makes of the text. One column stands for one byte, from the text
down to the bytes: what stands in line belongs together.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gpt2tok import Encoding, get_encoding
from gpt2tok._core import AddedTokens
from gpt2tok.cli.cells import Style, token_cell

TEXT = "You'll tokenize naïve 日 🙂"

COLUMN, GAP, LEFT, RIGHT = 27, 11, 118, 30  # of a byte, between pretokens, beside it all
LEVEL = 27  # between one merge and the next
Y_TEXT, Y_PRETOKENS, Y_LEAVES = 54, 124, 178
BOX = 36  # height of a token

# Each unlike its neighbours: fill and edge on a light page, fill and edge on a dark one.
HUES = (
    ("#dbeafe", "#3b82f6", "#172c54", "#5b9bff"),
    ("#ffedd5", "#ea8a1f", "#47290c", "#f0a04b"),
    ("#dcfce7", "#22a355", "#0f3a22", "#43c478"),
    ("#fce7f3", "#d6498f", "#4a1735", "#f07ab5"),
    ("#fef3c7", "#b8901a", "#40330b", "#dcb94a"),
    ("#ede9fe", "#8262e6", "#2b2060", "#a08bff"),
)
INK = {  # name: (light, dark)
    "page": ("#ffffff", "#0d1117"),
    "edge": ("#d1d9e0", "#30363d"),
    "strong": ("#1f2328", "#e6edf3"),
    "muted": ("#6e7781", "#8b949e"),
    "panel": ("#f6f8fa", "#161b22"),
}
MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans CJK SC',monospace"
SANS = "ui-sans-serif,-apple-system,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif"


@dataclass(frozen=True)
class Part:
    """Bytes start..end of the text as one part of a merge: a byte, or two parts joined at a rank."""

    start: int
    end: int
    rank: int = -1
    halves: tuple[Part, ...] = ()

    @property
    def height(self) -> int:
        """How many merges deep it is."""
        return 1 + max(half.height for half in self.halves) if self.halves else 0


def draw(text: str = TEXT) -> str:
    """The picture of a text as SVG."""
    encoding = get_encoding("gpt2")
    pretokens = list(_pretokens(encoding, text))
    data = text.encode()
    x = _columns(pretokens, len(data))
    tokens = [part for start, end in pretokens for part in _merged(encoding, data, start, end)]
    ids = encoding.encode_ordinary(text)
    if [data[part.start : part.end] for part in tokens] != encoding.decode_tokens_bytes(ids):
        raise RuntimeError("merging by rank gave other tokens than encode did: one of the two is wrong")
    depth = max(part.height for part in tokens)
    y_tokens = Y_LEAVES + LEVEL * (depth + 1)
    width, height = x[-1] + COLUMN + RIGHT, y_tokens + 118
    shapes = [
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12"/>',
        *_labels(y_tokens),
        *_text_row(text, x),
        *_pretoken_row(text, pretokens, x),
    ]
    for number, (part, token_id) in enumerate(zip(tokens, ids, strict=True)):
        hue = number % len(HUES)
        shapes += _tree(part, hue, x, y_tokens)
        shapes += _token(part, token_id, data[part.start : part.end], hue=hue, x=x, y=y_tokens)
    title = (
        f"{text!r} becomes pretokens, their bytes are merged by rank, and the tokens left have the ids {ids}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-label="{escape(title)}">',
            f"<style>{_style()}</style>",
            *shapes,
            "</svg>\n",
        ]
    )


def _pretokens(encoding: Encoding, text: str) -> Iterator[tuple[int, int]]:
    """(start, end) in bytes of each pretoken."""
    ids, _, splits = encoding.encode_added_with_offsets(
        text, AddedTokens([]), add_prefix_space=False, split_special_tokens=False
    )
    start = at = 0
    for token, split, following in zip(
        encoding.decode_tokens_bytes(ids), splits, [*splits[1:], None], strict=True
    ):
        at += len(token)
        if split != following:
            yield start, at
            start = at


def _merged(encoding: Encoding, data: bytes, start: int, end: int) -> list[Part]:
    """The tokens of a pretoken, each with the merges that made it: the plain method, lowest rank first."""
    ranks = {pair: rank for rank, pair in enumerate(encoding.merges())}
    parts = [Part(at, at + 1) for at in range(start, end)]
    while True:
        pairs = [
            (ranks[pair], at)
            for at, (left, right) in enumerate(itertools.pairwise(parts))
            if (pair := (data[left.start : left.end], data[right.start : right.end])) in ranks
        ]
        if not pairs:
            return parts
        rank, at = min(pairs)
        left, right = parts[at : at + 2]
        parts[at : at + 2] = [Part(left.start, right.end, rank, (left, right))]


def _columns(pretokens: list[tuple[int, int]], size: int) -> list[int]:
    """The left edge of each byte's column, and of one more."""
    starts = {start for start, _ in pretokens[1:]}
    x, edges = LEFT, []
    for at in range(size):
        x += GAP if at in starts else 0
        edges.append(x)
        x += COLUMN
    return edges


def _middle(part: Part, x: list[int]) -> float:
    """Where the line to a part ends: above its middle."""
    if not part.halves:
        return x[part.start] + COLUMN / 2
    return (x[part.start] + x[part.end - 1] + COLUMN) / 2


def _text(  # noqa: PLR0917 - SVG's own attributes, in SVG's order
    kind: str, x: float, y: float, text: str, size: float, anchor: str = "middle"
) -> str:
    where = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{escape(text)}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'


def _labels(y_tokens: int) -> Iterator[str]:
    rows = (
        (Y_TEXT, "text", ""),
        (Y_PRETOKENS, "pretokens", "by GPT-2's pattern"),
        (Y_LEAVES + 6, "merges", "of bytes,"),
        (Y_LEAVES + 35, "", "lowest rank first"),
        (y_tokens + BOX / 2, "tokens", ""),
        (y_tokens + BOX + 24, "ids", ""),
        (y_tokens + BOX + 52, "bytes", ""),
    )
    for y, name, note in rows:
        if name:
            yield _text("label", 22, y + 5 - (5 if note else 0), name, 14, "start")
        if note:
            yield _text("note", 22, y + (14 if name else 0), note, 9.5, "start")


def _characters(text: str, x: list[int], y: float, size: float) -> Iterator[str]:
    at = 0
    for character in text:
        end = at + len(character.encode())
        centre = (x[at] + x[end - 1] + COLUMN) / 2
        yield _text("faint" if character == " " else "strong", centre, y, character.replace(" ", "·"), size)
        at = end


def _text_row(text: str, x: list[int]) -> Iterator[str]:
    width = x[-1] + COLUMN - LEFT
    yield _rect("panel", LEFT - 6, Y_TEXT - 22, width + 12, 44)
    yield from _characters(text, x, Y_TEXT + 7, 20)


def _pretoken_row(text: str, pretokens: list[tuple[int, int]], x: list[int]) -> Iterator[str]:
    for start, end in pretokens:
        left, right = x[start] + 1, x[end - 1] + COLUMN - 1
        middle = (left + right) / 2
        yield f'<path class="flow" d="M{middle:g} {Y_TEXT + 25}V{Y_PRETOKENS - 24}m-4 -5l4 5l4 -5"/>'
        yield _rect("frame", left, Y_PRETOKENS - 19, right - left, 38)
    yield from _characters(text, x, Y_PRETOKENS + 6, 17)


def _y(part: Part) -> int:
    return Y_LEAVES + LEVEL * part.height


def _tree(part: Part, hue: int, x: list[int], y_tokens: int) -> Iterator[str]:
    """The merges of a token, growing down from its bytes into its box; the lines first, to lie under."""
    lines, ranks = [f"M{_middle(part, x):g} {_y(part)}V{y_tokens}"], []
    waiting = [part]
    while waiting:
        node = waiting.pop()
        middle, y = _middle(node, x), _y(node)
        if not node.halves:
            ranks.append(f'<circle class="leaf{hue}" cx="{middle:g}" cy="{y}" r="3.6"/>')
            lines.append(f"M{middle:g} {y}V{Y_PRETOKENS + 19}")
            continue
        for half in node.halves:
            own = _middle(half, x)
            bend = own + max(-9.0, min(9.0, middle - own))  # where the rounded corner below it ends
            lines.append(f"M{own:g} {_y(half)}V{y - 9}Q{own:g} {y} {bend:g} {y}H{middle:g}")
        label = str(node.rank)
        wide = 6.1 * len(label) + 9
        ranks.append(_rect(f"rank{hue}", middle - wide / 2, y - 8, wide, 16))
        ranks.append(_text("small", middle, y + 3.6, label, 10))
        waiting += node.halves
    yield f'<path class="line{hue}" d="{"".join(lines)}"/>'
    yield from ranks


def _token(part: Part, token_id: int, token: bytes, *, hue: int, x: list[int], y: int) -> Iterator[str]:
    left, right = x[part.start] + 1.5, x[part.end - 1] + COLUMN - 1.5
    middle = (left + right) / 2
    shown = token_cell(0, token_id, token, Style(colored=False)).text
    size = min(16.0, (right - left - 4) / 0.61 / len(shown))
    yield _rect(f"box{hue}", left, y, right - left, BOX)
    yield _text("strong", middle, y + BOX / 2 + size * 0.35, shown, round(size, 1))
    yield _text("id", middle, y + BOX + 24 + 5, str(token_id), 13.5)
    for at, byte in enumerate(token, part.start):
        yield _text("byte", x[at] + COLUMN / 2, y + BOX + 52 + 4, f"{byte:02x}", 11.5)


def _style() -> str:
    """One style sheet for both kinds of page."""
    common = (
        f"text{{font-family:{MONO}}}.label,.note{{font-family:{SANS}}}.label,.id{{font-weight:600}}"
        "path{fill:none;stroke-linecap:round;stroke-linejoin:round}.frame{fill:none}"
    )
    return f"{common}{_rules(0)}@media (prefers-color-scheme:dark){{{_rules(1)}}}"


def _rules(side: int) -> str:
    ink = {name: colors[side] for name, colors in INK.items()}
    rules = (
        f".page{{fill:{ink['page']};stroke:{ink['edge']}}}.panel{{fill:{ink['panel']};stroke:{ink['edge']}}}"
        f".frame{{stroke:{ink['muted']};stroke-width:1.3}}.flow{{stroke:{ink['muted']};stroke-width:1.3}}"
        f".strong,.label,.id,.small{{fill:{ink['strong']}}}.faint,.note,.byte{{fill:{ink['muted']}}}"
    )
    for number, hue in enumerate(HUES):
        fill, edge = hue[2 * side : 2 * side + 2]
        rules += (
            f".box{number},.rank{number}{{fill:{fill};stroke:{edge};stroke-width:1.3}}"
            f".line{number}{{stroke:{edge};stroke-width:1.6}}.leaf{number}{{fill:{edge}}}"
        )
    return rules


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "docs" / "show.svg"
    Path(sys.argv[1] if len(sys.argv) > 1 else default).write_text(draw(), "utf-8")
