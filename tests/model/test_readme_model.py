"""What the README shows of the model is what happens, on every backend.

Owns the README's blocks that name `gpt2model`; `tests/test_readme.py` has the others.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import keras
import pytest

import gpt2model

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    if "gpt2model" in block
]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_python_of_the_readme_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block by itself, as it is pasted: nothing of another one is there."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    claims = 0
    for line in ast.parse(block).body:
        source = ast.get_source_segment(block, line) or ""
        comment = block.splitlines()[(line.end_lineno or 1) - 1].rpartition("  # ")[2]
        if isinstance(line, ast.Expr) and comment.startswith("("):
            assert eval(source, names) == ast.literal_eval(comment)
            claims += 1
        else:
            exec(source, names)
    assert claims
    if 'save_pretrained("tiny")' in block:
        assert {path.name for path in (tmp_path / "tiny").iterdir()} >= {"config.json", "model.safetensors"}


def test_the_names_of_the_table_are_there() -> None:
    named = set(re.findall(r"from gpt2model import (\w+)", README))
    assert len(named) > 3
    for name in named:
        assert isinstance(getattr(gpt2model, name), type)
    rows = [row for row in README.splitlines() if row.startswith("| `")]
    assert len(rows) > 10
    for row in rows:
        if "PyTorch" in row and keras.backend.backend() != "torch":
            continue
        old, new = row.strip("| ").split(" | ")
        # What is the same stands on the left; else the left has what is not here any more.
        for method in re.findall(r"`model\.(\w+)\(", old if new.startswith("the same") else new):
            assert hasattr(gpt2model.GPT2LMHeadModel, method), row
