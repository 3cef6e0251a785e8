"""What docs/tensorflow.md shows, run as it stands there."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli

DOCUMENT = Path(__file__).parents[2] / "docs" / "tensorflow.md"


def test_its_transcript_is_what_saved_model_cli_says(saved: Path, monkeypatch: Any, capsys: Any) -> None:
    transcript = re.search(r"```text\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert transcript is not None
    shown, run = transcript[1].split("[...]\n")
    commands = (["show", "--all"], ["run", "--tag_set", "serve", "--signature_def", "tokenize"])
    given = (), ("--input_exprs", "text=['Hello world', 'a  b']")
    for text, command, more in zip((shown, run), commands, given, strict=True):
        monkeypatch.setattr(
            sys, "argv", ["saved_model_cli", command[0], "--dir", str(saved), *command[1:], *more]
        )
        with contextlib.suppress(SystemExit):
            saved_model_cli.main()
        told = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
        wanted = [line.rstrip() for line in text.strip().splitlines() if not line.startswith(("$", "    --"))]
        assert told[: len(wanted)] == wanted


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
    model = tf.saved_model.load("model")
    assert model.serve(asked).shape == (1, 2)
    assert (tmp_path / "model.keras").exists()
