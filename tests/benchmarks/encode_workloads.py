"""Which texts does the encoding benchmark encode? Real ones, that every machine has or that the user names.

Owns texts: the standard library's sources and docstrings, the samples that the project ships, the user's files. Refuses
to make text up (`encode_worst.py` does) and to measure.
"""

from __future__ import annotations

import ast
import gzip
import json
import random
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
MOST = 6_000_000  # bytes taken of what every machine has more of: a pass should last, not drag on
CUT = 10_000  # characters of a document, where a file of plain text has none

# One line of 114 bytes: a short call.
SHORT = (
    "The quick brown fox jumps over the lazy dog, while 3 wizards (aged 41, 57 & 103) wait;"
    " nobody else does. Really?!\n"
)


@dataclass(frozen=True)
class Workload:
    """Two halves of like text: the first one is met cold and warms up, the second one is new after it."""

    name: str
    first: list[str]
    second: list[str]

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of each half."""
        return size(self.first), size(self.second)


def size(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def chosen(only: str = "", files: Sequence[str] = ()) -> list[Workload]:
    """The standard ones and the user's files ([NAME=]FILE) whose name holds `only`, in any case."""
    makers: dict[str, Callable[[], list[str]]] = dict(STANDARD)
    for argument in files:
        name, given, file = argument.partition("=")
        path = Path(file if given else argument)
        makers[name if given else path.name] = lambda path=path: documents(path)
    return [halves(name, make()) for name, make in makers.items() if only.lower() in name.lower()]


def documents(path: Path) -> list[str]:
    """JSON lines with a "text" each, or plain text; either may be gzipped."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return [json.loads(line)["text"] for line in text.split("\n") if line.strip()]
    return [text[start : start + CUT] for start in range(0, len(text), CUT)]


def halves(name: str, texts: list[str]) -> Workload:
    """Every other text, shuffled the same way each time, so that the halves are alike and share nothing."""
    unique = list(dict.fromkeys(text for text in texts if text))
    random.Random(0).shuffle(unique)
    if len(unique) < 2:
        raise SystemExit(f"{name}: needs at least two different texts, has {len(unique)}")
    return Workload(name, unique[::2], unique[1::2])


def modules() -> Iterator[bytes]:
    """The sources of the standard library without its tests (not installed everywhere), in an order of their own."""
    library = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "test", "tests", "idle_test"}
    paths = [path for path in sorted(library.rglob("*.py")) if others.isdisjoint(path.parts)]
    random.Random(0).shuffle(paths)
    for path in paths:
        content = path.read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            continue  # the standard library tests its own reading of such files
        yield content


def sources() -> list[str]:
    return list(taken(content.decode("utf-8") for content in modules()))


def docstrings() -> list[str]:
    """The docstrings of each module of the standard library, a document a module: English, with names among it."""
    return list(taken(filter(None, map(docstrings_of, modules()))))


def docstrings_of(source: bytes) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
    return "\n\n".join(text for text in texts if text)


def taken(texts: Iterator[str]) -> Iterator[str]:
    """As many as hold MOST bytes."""
    left = MOST
    for text in texts:
        yield text
        left -= len(text.encode())
        if left <= 0:
            return


# Real text that is on every machine.
STANDARD: dict[str, Callable[[], list[str]]] = {
    "English (speeches, docstrings)": lambda: [*documents(DATA / "english.jsonl.gz"), *docstrings()],
    "Python code (standard library)": sources,
    "Chinese (poems)": lambda: documents(DATA / "chinese.jsonl.gz"),
    "193 languages (UDHR)": lambda: documents(DATA / "multilingual.jsonl"),
}
