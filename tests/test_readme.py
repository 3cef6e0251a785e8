"""What the README shows is what happens: its Python says what it makes, and its command lines run.

Owns the blocks without a framework (`tests/tf/` and `tests/model/` have those) and without an installation. The
comments are the judges: an expression is compared with the Python literal that its comment begins with.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def claimed(line: str) -> list[Any]:
    """The literal that a line's comment begins with, in a list; an empty list where the comment is prose."""
    parts = line.rpartition("  # ")[2].split(", ")
    for end in range(len(parts), 0, -1):
        with suppress(ValueError, SyntaxError):
            return [ast.literal_eval(", ".join(parts[:end]))]
    return []


def test_the_python_of_the_readme_makes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    seen = []
    for language, block in BLOCKS:
        others = ("gpt2tok.tf", "gpt2model", "ranks.tiktoken")
        if language != "python" or any(name in block for name in others):
            continue
        for statement in ast.parse(block).body:
            source = ast.get_source_segment(block, statement) or ""
            if not isinstance(statement, ast.Expr):
                exec(source, names)
                continue
            value = eval(source, names)
            claim = claimed(block.splitlines()[(statement.end_lineno or 1) - 1])
            assert claim in ([], [value]), source
            seen += claim
    assert len(seen) >= 6
    assert names["text"] == "naïve 👍🏽"
    assert names["ids"] == names["enc"].encode(names["text"])
    assert sorted(path.name for path in (tmp_path / "my-model").iterdir()) == ["merges.txt", "vocab.json"]


def test_the_command_lines_of_the_readme_run(tmp_path: Path) -> None:
    for name in ("CHANGELOG.md", "LICENSE", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path)
    lines = [
        line
        for language, block in BLOCKS
        if language == "sh"
        for line in block.splitlines()
        if "gpt2tok " in line
    ]
    assert len(lines) >= 5
    for line in lines:
        command = re.sub(r"\bgpt2tok (?=[a-z])", f"'{sys.executable}' -m gpt2tok ", line, count=1)
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), line
        assert ("Hello, world!" in done.stdout) == ("echo" in line)
    assert (tmp_path / "tokenizer.json").exists()


def test_every_path_that_the_documents_name_is_there() -> None:
    """Moved folders leave stale names behind."""
    for document in ("README.md", "CONTRIBUTING.md", "tests/data/README.md", "docs/tensorflow.md"):
        text = (ROOT / document).read_text("utf-8")
        paths = re.findall(r"`((?:python|rust|tests|scripts|fuzz|docs)/[\w./*-]*)`|\]\(([\w./-]+)\)", text)
        assert paths or document == "docs/tensorflow.md"
        for code, link in paths:
            folder = (ROOT / document).parent if link else ROOT
            assert list(folder.glob(code or link)), f"{document}: {code or link}"
