"""Do the examples in the docstrings of the in-graph tokenizer do what they say?"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

import gpt2tok.tf

MODULES = sorted(info.name for info in pkgutil.walk_packages(gpt2tok.tf.__path__, "gpt2tok.tf."))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, capsys: Any) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert not failed, capsys.readouterr().out


def test_the_layer_has_examples() -> None:
    layer = gpt2tok.tf.TFGPT2Tokenizer
    public = [name for name, thing in vars(layer).items() if not name.startswith("_") and callable(thing)]
    assert {"call", "tokenize", "detokenize", "export"} <= set(public)
    for name in public:
        assert ">>>" in (getattr(layer, name).__doc__ or ""), name
