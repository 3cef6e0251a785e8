"""Do the examples in the docstrings of the package do what they say?"""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import keras
import pytest
from helpers import BACKEND

import gpt2model

MODULES = sorted(info.name for info in pkgutil.walk_packages(gpt2model.__path__, "gpt2model."))


@pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")
@pytest.mark.parametrize("name", MODULES)
def test_examples(name, capsys):
    module = importlib.import_module(name)
    known = {"ops": keras.ops, "GPT2Config": gpt2model.GPT2Config}
    failed, _ = doctest.testmod(module, extraglobs=known, optionflags=doctest.ELLIPSIS)
    assert not failed, capsys.readouterr().out


def test_examples_are_there():
    """Every public class has one; the outputs of the heads share that of their base."""
    for name in gpt2model.__all__:
        thing = getattr(gpt2model, name)
        if (
            not isinstance(thing, type)
            or not issubclass(thing, gpt2model.ModelOutput)
            or thing is gpt2model.ModelOutput
        ):
            assert ">>>" in (thing.__doc__ or ""), name
