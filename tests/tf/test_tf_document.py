"""What docs/tensorflow.md shows, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

DOCUMENT = Path(__file__).parents[2] / "docs" / "tensorflow.md"


def test_its_python_blocks_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    shown: dict[str, Any] = {}
    for block in blocks:
        exec(block, shown)
    asked = tf.constant(["Hello world"])
    found = [
        tf.saved_model.load("models/gpt2tok/1").signatures["tokenize"](text=asked)["input_ids"],
        tf.saved_model.load("tokenizer").tokenize(asked)["input_ids"],
    ]
    assert [ids.numpy().tolist() for ids in found] == [[[15496, 995]]] * 2
    assert tf.saved_model.load("model").serve(asked).shape == (1, 2)
    assert (tmp_path / "model.keras").exists()
