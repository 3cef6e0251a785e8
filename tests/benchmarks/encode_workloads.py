"""What the encoding benchmark encodes: real text, and the texts that are worst for a tokenizer.

Owns texts, made from what every machine has (the standard library, the sample that the project ships) or read from
files that the user names. Refuses to measure.
"""

from __future__ import annotations

import ast
import base64
import gzip
import json
import random
import sysconfig
from dataclasses import dataclass
from pathlib import Path

MULTILINGUAL = Path(__file__).parents[1] / "data" / "multilingual.jsonl"
WORST_SIZE = 1_000_000


@dataclass(frozen=True)
class Workload:
    """Two halves of like text: the first one is met cold and warms up, the second one is new after it."""

    name: str
    first: list[str]
    second: list[str]
    worst: bool = False


def standard() -> list[Workload]:
    """Real text that is on every machine."""
    return [
        halves("English (docstrings)", docstrings()),
        halves("Python (standard library)", sources()),
        halves("193 languages (UDHR)", documents(MULTILINGUAL)),
    ]


def worst() -> list[Workload]:
    """One pretoken of a megabyte, or nearly: what a careless method takes quadratic time for."""
    chinese = [run for text in documents(MULTILINGUAL) for run in ideographs(text)]
    makers = {
        "one letter": lambda generator: generator.choice("ae") * WORST_SIZE,
        "spaces": lambda generator: " " * (WORST_SIZE - generator.randrange(99)),
        "Chinese without spaces": lambda generator: filled(generator, chinese, WORST_SIZE // 3),
        "base64": lambda generator: base64.b64encode(generator.randbytes(WORST_SIZE * 3 // 4)).decode(),
        "random letters": lambda generator: filled(generator, "abcdefghijklmnopqrstuvwxyz", WORST_SIZE),
        "random digits": lambda generator: filled(generator, "0123456789", WORST_SIZE),
        "random ideographs": lambda generator: "".join(
            chr(generator.randrange(0x4E00, 0x9FA6)) for _ in range(WORST_SIZE // 3)
        ),
    }
    return [
        Workload(f"1 MB: {name}", [make(random.Random(1))], [make(random.Random(2))], worst=True)
        for name, make in makers.items()
    ]


def from_file(path: Path) -> Workload:
    """A file of JSON lines with a "text" each, or of plain text; either may be gzipped."""
    return halves(path.name, documents(path))


def documents(path: Path) -> list[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        return [json.loads(line)["text"] for line in text.splitlines() if line.strip()]
    return [text[start : start + 10_000] for start in range(0, len(text), 10_000)]


def halves(name: str, texts: list[str]) -> Workload:
    """Every other text, shuffled the same way each time, so that the halves are alike and share nothing."""
    unique = list(dict.fromkeys(text for text in texts if text))
    random.Random(0).shuffle(unique)
    if len(unique) < 2:
        raise SystemExit(f"{name}: needs at least two different texts, has {len(unique)}")
    return Workload(name, unique[::2], unique[1::2])


def sources() -> list[str]:
    return [
        path.read_text("utf-8", errors="replace")
        for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    ]


def docstrings() -> list[str]:
    """The docstrings of each module of the standard library, a document a module: English, with names among it."""
    found = []
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted([*library.glob("*.py"), *library.glob("[a-su-z]*/*.py")]):
        if "site-packages" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        texts = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
        found.append("\n\n".join(text for text in texts if text))
    return found


def ideographs(text: str) -> list[str]:
    spaced = "".join(character if "\u4e00" <= character <= "\u9fff" else " " for character in text)
    return [run for run in spaced.split() if len(run) > 1]


def filled(generator: random.Random, parts: list[str] | str, size: int) -> str:
    text = "".join(generator.choices(parts, k=size // min(map(len, parts)) + 1))
    return text[:size]
