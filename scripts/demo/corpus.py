"""Which text is the road paved with? Files that every Python has: its own standard library.

Owns what belongs to the corpus, and which files are held out of training: whole ones, chosen by their names' hashes, so
that they are the same ones on every machine. Refuses to download anything.
"""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "multilingual.jsonl"
# Not the library's own code: what was installed into it, its tests, and its tables of characters and of help texts.
_LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "encodings",
    "pydoc_data",
}
_HELD_OUT = 12 / 256  # of the files
_LEAST = 1_000_000


@dataclass(frozen=True)
class Corpus:
    """Whole files, to learn from and to be judged by."""

    train: list[str]
    held_out: list[str]

    def sha256(self) -> str:
        """Tells this corpus from any other."""
        return hashlib.sha256(json.dumps([self.train, self.held_out]).encode()).hexdigest()


def library() -> list[tuple[str, str]]:
    """Name and text of the files of the interpreter's standard library.

    Raises:
        SystemExit: this interpreter has come without them.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    own = [name for name in names if not _LEFT_OUT & set(name.split("/"))]
    files = [(name, (folder / name).read_text("utf-8", errors="replace")) for name in own]
    if sum(len(text) for _, text in files) < _LEAST:
        sys.exit(
            f"{folder} holds next to no sources of Python's standard library, which the demo is about: "
            "choose another interpreter, make demo PYTHON=/path/to/python3"
        )
    return files


def split(files: Iterable[tuple[str, str]], train_bytes: int | None, held_out_bytes: int | None) -> Corpus:
    """The files to learn from and those to be judged by, of each the first ones up to so many bytes."""
    train: list[str] = []
    held_out: list[str] = []
    for name, text in files:
        held = hashlib.sha256(name.encode()).digest()[0] < 256 * _HELD_OUT
        (held_out if held else train).append(text)
    return Corpus(first(train, train_bytes), first(held_out, held_out_bytes))


def multilingual() -> list[str]:
    """The Universal Declaration of Human Rights, a few lines in each of 193 languages."""
    return [json.loads(line)["text"] for line in SAMPLE.read_text("utf-8").splitlines()]


def first(documents: Iterable[str], size: int | None) -> list[str]:
    """Whole documents from the first on, until there are so many bytes; None takes all."""
    taken: list[str] = []
    left = float("inf") if size is None else size
    for text in documents:
        if left <= 0:
            break
        taken.append(text)
        left -= bytes_of([text])
    return taken


def bytes_of(documents: Iterable[str]) -> int:
    """Their length in UTF-8."""
    return sum(len(text.encode()) for text in documents)
