"""How do the rates look? One picture for the README, as SVG, for light and dark pages alike.

Owns layout and colours. Refuses to choose: all workloads and all libraries of the run are drawn, from zero, to one
scale in each workload, where ours is slow as well as where it is quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import ceil

from encode_report import OURS, Row, shown

PASSES = ("first, set up", "new", "repeat")
MEANING = {
    "first, set up": "first text, in a new process",
    "new": "other text after it",
    "repeat": "that text again",
}
# Dark to light by pass, ours and theirs: (on a light page, on a dark one).
OUR_COLORS = {
    "first, set up": ("#0550ae", "#79c0ff"),
    "new": ("#218bff", "#388bfd"),
    "repeat": ("#a5d2ff", "#1c4a82"),
}
PEER_COLORS = {
    "first, set up": ("#57606a", "#b1bac4"),
    "new": ("#8c959f", "#768390"),
    "repeat": ("#d0d7de", "#3d444d"),
}
INK = {"page": ("#ffffff", "#0d1117"), "edge": ("#d1d9e0", "#30363d"), "text": ("#1f2328", "#e6edf3")}
MUTED = ("#59636e", "#9198a1")
SANS = "ui-sans-serif,-apple-system,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif"

WIDTH, PAD, HEAD, FOOT = 880, 24, 86, 58
LABEL, NUMBERS, LINE, BAR = (
    78,
    112,
    22,
    13,
)  # a panel: names, figures, height of a library's line and of its bar
COLUMNS = 2


def chart(rows: list[Row], machine: dict[str, str]) -> str:
    """The rates of one thread, a panel for each workload."""
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        if row.part == "encode" and row.threads == 1 and row.measure in PASSES:
            for library, (middle, _, _) in row.values.items():
                panels.setdefault(row.workload, {}).setdefault(library, {})[row.measure] = middle
    if not panels:
        raise SystemExit("there are no encoding rates on one thread to draw (--parts encode)")
    height = max(map(len, panels.values())) * LINE + 46
    total = HEAD + ceil(len(panels) / COLUMNS) * height + FOOT
    shapes = [
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{total - 1}" rx="12"/>',
        text("title", PAD, 34, "GPT-2 tokenization on one core: MB of UTF-8 a second, longer is faster"),
        *legend(),
    ]
    wide = (WIDTH - 2 * PAD - 28) / COLUMNS
    for number, (workload, libraries) in enumerate(panels.items()):
        x, y = PAD + number % COLUMNS * (wide + 28), HEAD + number // COLUMNS * height
        shapes += panel(workload, libraries, x, y, wide)
    shapes += foot(machine, total)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}"'
        f' role="img" aria-label="{escape(described(panels))}">\n<style>{style()}</style>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def described(panels: dict[str, dict[str, dict[str, float]]]) -> str:
    """The picture in words, for those who do not see it."""
    lines = []
    for workload, libraries in panels.items():
        rates = ", ".join(
            f"{name} " + "/".join(shown(passes[each]) for each in PASSES if each in passes)
            for name, passes in libraries.items()
        )
        lines.append(f"{workload}: {rates}")
    return "MB/s in the first pass, on new text, on repeated text. " + ". ".join(lines)


def short(measure: str) -> str:
    """As a class of the style sheet."""
    return measure.partition(",")[0]


def legend() -> Iterator[str]:
    x = float(PAD)
    for each in PASSES:
        for kind in ("ours", "peer"):
            yield f'<rect class="{kind}-{short(each)}" x="{x:g}" y="50" width="14" height="13" rx="2"/>'
            x += 16
        yield text("note", x + 4, 61, MEANING[each])
        x += 26 + 6.4 * len(MEANING[each])


def panel(
    workload: str, libraries: dict[str, dict[str, float]], x: float, y: float, wide: float
) -> Iterator[str]:
    """Each library's three rates as bars behind one another, the longest at the back, and as figures beside."""
    name, _, size = workload.rpartition(", ")
    yield text("name", x, y + 14, name or workload)
    if name:
        yield text("note", x + wide, y + 14, size, "end")
    longest = max(max(passes.values()) for passes in libraries.values())
    scale = (wide - LABEL - NUMBERS) / longest
    ordered = sorted(libraries, key=lambda library: -libraries[library].get("new", 0.0))
    for line, library in enumerate(ordered):
        passes, top = libraries[library], y + 26 + line * LINE
        kind = "ours" if library == OURS else "peer"
        yield text("name" if library == OURS else "label", x + LABEL - 8, top + 11, library, "end")
        for each in sorted(passes, key=lambda each: -passes[each]):
            yield (
                f'<rect class="{kind}-{short(each)}" x="{x + LABEL:g}" y="{top}" width="{passes[each] * scale:.1f}"'
                f' height="{BAR}" rx="2"/>'
            )
        figures = " / ".join(shown(passes[each]) if each in passes else "-" for each in PASSES)
        at = x + LABEL + max(passes.values()) * scale + 6
        yield text("name" if library == OURS else "label", at, top + 11, figures)


def foot(machine: dict[str, str], total: int) -> Iterator[str]:
    lines = [
        f"{machine['machine'].partition(', used')[0]}; Python {machine['python']};"
        f" medians of {machine['rounds']} processes each"
        + (", processor time" if machine["clock"] == "cpu" else ""),
        machine["libraries"],
    ]
    for number, line in enumerate(lines):
        yield text("small", PAD, total - 34 + 17 * number, line)


def text(kind: str, x: float, y: float, content: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(content)}</text>'


def style() -> str:
    """One style sheet for both kinds of page."""
    common = (
        f"text{{font-family:{SANS};font-size:11.5px}}.title{{font-size:17px;font-weight:600}}.name{{font-weight:600}}"
        ".small{font-size:10px}"
    )
    return f"{common}{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}"


def rules(side: int) -> str:
    bars = "".join(
        f".{kind}-{short(each)}{{fill:{colors[each][side]}}}"
        for kind, colors in (("ours", OUR_COLORS), ("peer", PEER_COLORS))
        for each in PASSES
    )
    return (
        f".page{{fill:{INK['page'][side]};stroke:{INK['edge'][side]}}}"
        f".title,.name,.label{{fill:{INK['text'][side]}}}.note,.small{{fill:{MUTED[side]}}}{bars}"
    )
