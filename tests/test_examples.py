"""Do the examples in the docstrings of the package do what they say? The in-graph tokenizer's are `tf/`'s."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import gpt2tok

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(gpt2tok.__path__, "gpt2tok.", onerror=lambda name: None)
    if not info.name.startswith("gpt2tok.tf") and not info.name.endswith(("__main__", "_core"))
)


@pytest.mark.parametrize("name", ["gpt2tok", *MODULES])
def test_examples(name: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=options)
    assert not failed, capsys.readouterr().out


def test_examples_are_there() -> None:
    for name in ("GPT2Tokenizer", "GPT2TokenizerFast", "BatchEncoding", "get_encoding"):
        assert ">>>" in (getattr(gpt2tok, name).__doc__ or ""), name
