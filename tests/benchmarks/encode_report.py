"""How do the figures read? From figures to rows: medians, ranges, the best peer, the ratio to it, the ratio to reach.

Owns the arithmetic, the aims and the table. Refuses to measure and to draw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "gpt2tok"
ENGLISH = "English"

# Ratios to the best peer: (kind of workload, measure) to what to reach. Rates at least, times at most.
ENCODE = {
    ("english", "first"): 2.5,
    ("english", "new"): 1.3,
    ("english", "repeat"): 1.0,
    ("python", "first"): 2.5,
    ("python", "new"): 1.2,
    ("python", "repeat"): 1.0,
    ("chinese", "first"): 4.0,
    ("chinese", "new"): 4.0,
    ("chinese", "repeat"): 2.0,
    ("languages", "first"): 3.0,
    ("languages", "new"): 3.0,
    ("languages", "repeat"): 1.3,
}
LISTS = {("english", "first"): 2.0, ("english", "repeat"): 1.2}
CALL, DECODE, THREADS = 0.6, 2.0, 1.9
# In themselves: milliseconds, MiB, the share of English, the growth of time.
ABSOLUTE = {"load GPT-2": 5.0, "import": 30.0, "memory": 64.0, "of English": 0.25, "time(2n)/time(n)": 2.2}


@dataclass(frozen=True)
class Row:
    """One line of the table: (median, least, most) by library; the ways to call one library are one entry."""

    part: str
    workload: str
    measure: str
    unit: str
    threads: int
    values: dict[str, tuple[float, float, float]]
    best: str | None  # the peer to be compared with
    ratio: float | None  # ours to it, or ours in itself where that is what is to be reached
    reach: float | None

    @property
    def rate(self) -> bool:
        """More is better."""
        return self.unit == "MB/s" or self.measure in ("of English", "two threads over one")

    @property
    def reached(self) -> bool | None:
        if self.ratio is None or self.reach is None:
            return None
        return self.ratio >= self.reach if self.rate else self.ratio <= self.reach


def rows(figures: Iterable[dict[str, Any]]) -> list[Row]:
    """The rows in the order of their figures; then what follows from two rows: threads, shares of English."""
    grouped: dict[tuple[str, str, str, str, int], dict[str, list[float]]] = {}
    for figure in figures:
        key = (figure["part"], figure["workload"], figure["measure"], figure["unit"], figure["threads"])
        grouped.setdefault(key, {})[figure["library"]] = figure["values"]
    found = [finished(*key, folded(key[3], libraries)) for key, libraries in grouped.items()]
    return [*found, *two_threads(found), *shares(found)]


def folded(unit: str, libraries: dict[str, list[float]]) -> dict[str, tuple[float, float, float]]:
    """Median, least and most; of several ways to call a library ("name, way") the best one."""
    values: dict[str, tuple[float, float, float]] = {}
    for name, numbers in libraries.items():
        figure, library = (median(numbers), min(numbers), max(numbers)), name.partition(",")[0]
        held = values.get(library)
        if held is None or (figure[0] > held[0]) == (unit == "MB/s"):
            values[library] = figure
    return values


def finished(  # noqa: PLR0917 - a row's own fields, in their order
    part: str,
    workload: str,
    measure: str,
    unit: str,
    threads: int,
    values: dict[str, tuple[float, float, float]],
) -> Row:
    """With the best peer, and what ours is to it; an absolute aim needs no peer."""
    peers = {name: figure[0] for name, figure in values.items() if name != OURS}
    choose = max if unit == "MB/s" or measure == "two threads over one" else min
    best = choose(peers, key=lambda name: peers[name]) if peers else None
    reach, absolute = aim(part, workload, measure)
    if threads > 1 and part in ("encode", "lists"):
        reach = None  # the aim for two threads is what they do over one
    ratio = None
    if OURS in values and absolute:
        ratio = values[OURS][0]
    elif OURS in values and best is not None:
        ratio = values[OURS][0] / peers[best]
    return Row(part, workload, measure, unit, threads, values, best, ratio, reach)


def aim(part: str, workload: str, measure: str) -> tuple[float | None, bool]:
    """What is to be reached, and whether it is a figure in itself rather than a ratio to a peer."""
    kind = next(
        (kind for kind in ("english", "python", "chinese", "languages") if kind in workload.lower()), ""
    )
    if measure == "two threads over one":
        return THREADS, True
    if part == "memory":
        return (ABSOLUTE["memory"], True) if measure != "peak" else (None, True)
    if measure in ABSOLUTE:
        own = workload.startswith(ENGLISH) and measure == "of English"
        return (None if own else ABSOLUTE[measure]), True
    if part == "encode":
        return ENCODE.get((kind, measure)), False
    if part == "lists":
        return LISTS.get((kind, measure)), False
    if measure.startswith("decode"):
        return (DECODE if part == "decode" else 1 / DECODE), False
    return (CALL if part == "call" else None), False


def two_threads(found: list[Row]) -> list[Row]:
    """How many times as fast each library is with two threads, by its own rate with one."""
    alone = {(row.part, row.workload, row.measure): row for row in found if row.threads == 1}
    derived = []
    for both in found:
        one = alone.get((both.part, both.workload, both.measure))
        if both.threads == 2 and one is not None:
            values = {
                name: (figure[0] / one.values[name][0],) * 3
                for name, figure in both.values.items()
                if name in one.values
            }
            workload = f"{both.workload}, {both.measure}"
            derived.append(finished("threads", workload, "two threads over one", "x", 2, values))
    return derived


def shares(found: list[Row]) -> list[Row]:
    """What part of its rate on English each library keeps on the worst texts of the same size."""
    rates = [row for row in found if row.part == "worst" and row.measure == "rate"]
    english = {size_of(row): row for row in rates if row.workload.startswith(ENGLISH)}
    derived = []
    for each in rates:
        base = english.get(size_of(each))
        if base is None or base is each:
            continue
        values = {
            name: (figure[0] / base.values[name][0],) * 3
            for name, figure in each.values.items()
            if name in base.values
        }
        derived.append(finished("worst", each.workload, "of English", "x", each.threads, values))
    return derived


def size_of(row: Row) -> str:
    return row.workload.rpartition(", ")[2]


def table(found: list[Row]) -> str:
    """All rows, a column for each library; ours with the range over the rounds."""
    names = list(dict.fromkeys(name for each in found for name in each.values))
    peers = [name for name in names if name != OURS]
    blocks: list[str] = []
    for part in dict.fromkeys(each.part for each in found):
        these = [each for each in found if each.part == part]
        here = [name for name in peers if any(name in each.values for each in these)]
        lines = [["", "", OURS, "(least-most)", *here, "best peer", "ours", "reach", ""]]
        before = ""
        for each in these:
            ours = each.values.get(OURS)
            title = each.workload + (
                f", {each.threads} threads" if each.threads > 1 and part != "threads" else ""
            )
            lines.append(
                [
                    "" if title == before else title,
                    f"{each.measure}, {each.unit}",
                    shown(ours[0]) if ours else "-",
                    f"({shown(ours[1])}-{shown(ours[2])})" if ours else "",
                    *(shown(each.values[name][0]) if name in each.values else "-" for name in here),
                    each.best or "-",
                    f"x {each.ratio:.2f}" if each.ratio is not None else "-",
                    f"{'>=' if each.rate else '<='} {each.reach:.3g}" if each.reach is not None else "",
                    {True: "reached", False: "NOT YET", None: ""}[each.reached],
                ]
            )
            before = title
        blocks.append(TITLES[part] + "\n\n" + aligned(lines))
    return "\n\n".join(blocks)


TITLES = {
    "encode": "Ids in each library's quickest form. first: in a new process that has encoded nothing; 'first, set up':"
    " after one letter; new:\nother text afterwards; repeat: that text again. Ours: times the best peer's rate",
    "lists": "The same to lists of Python ints",
    "call": "One call: microseconds. Ours: times the best peer's time",
    "decode": "Decoding. Ours: times the best peer's rate",
    "start": "Starting: milliseconds in a new process. Ours where an aim stands beside it: milliseconds",
    "memory": "Growth of resident memory while distinct words are encoded: MiB",
    "worst": "The worst texts",
    "threads": "Two threads over one",
}


def shown(number: float) -> str:
    return (
        f"{number:.0f}" if abs(number) >= 100 else f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
    )


def aligned(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
