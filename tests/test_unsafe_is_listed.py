"""Is every `unsafe` of the Rust code listed in docs/unsafe.md, and proven by a SAFETY comment where it stands?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTED = ROOT / "docs" / "unsafe.md"
SOURCES = [*(ROOT / "rust").glob("*/src/**/*.rs"), *(ROOT / "rust").glob("*/build.rs")]
WORD = re.compile(r"\bunsafe\b")
LITERAL = re.compile(r'"(?:\\.|[^"\\])*"')

pytestmark = pytest.mark.skipif(not SOURCES, reason="the Rust sources are not here")


def lines_of_code(source: str) -> list[str]:
    """The lines without strings and comments, which may speak of it."""
    return [LITERAL.sub('""', line).split("//")[0] for line in source.split("\n")]


def counts(source: str) -> int:
    return sum(len(WORD.findall(line)) for line in lines_of_code(source))


def unproven(source: str) -> list[int]:
    """The lines (from 1) with an `unsafe` that no SAFETY comment stands above, attributes and comments between."""
    lines, found = source.split("\n"), []
    for place, code in enumerate(lines_of_code(source)):
        if not WORD.search(code):
            continue
        above = place
        while above > 0 and re.match(r"\s*(//|#\[)", lines[above - 1]):
            above -= 1
        if not re.search(r"SAFETY:|# Safety", "\n".join(lines[above : place + 1])):
            found.append(place + 1)
    return found


def listed(document: str) -> dict[str, int]:
    rows = re.findall(r"^\| `([^`]+\.rs)` \| (\d+) \| [^|]{40,} \| [^|]+ \|$", document, re.MULTILINE)
    return {file: int(number) for file, number in rows}


def test_every_unsafe_is_listed() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): number
        for path in SOURCES
        if (number := counts(path.read_text("utf-8")))
    }
    assert listed(LISTED.read_text("utf-8")) == found


def test_every_unsafe_is_proven_where_it_stands() -> None:
    without = {path.name: lines for path in SOURCES if (lines := unproven(path.read_text("utf-8")))}
    assert without == {}


def test_the_reading_of_sources_and_document() -> None:
    source = """
        // unsafe in a comment, "unsafe" in a string:
        let text = "unsafe";
        // SAFETY: the index was checked above.
        #[inline]
        let byte = unsafe { *bytes.get_unchecked(0) };

        let other = unsafe { 1 };
    """
    assert counts(source) == 2
    assert unproven(source) == [8]
    row = "| `rust/core/src/x.rs` | 2 | the index is checked at the door, and the slice never shrinks | `encode` |"
    assert listed(row) == {"rust/core/src/x.rs": 2}
    assert listed("| `rust/core/src/x.rs` | 2 | short | `encode` |") == {}, "a row needs its reason"
