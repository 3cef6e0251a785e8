"""Is the checkpoint of `make demo` whole or not there, and never taken for one of another making?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gpt2tok

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from demo import checkpoint, corpus, training
from demo.settings import QUICK


@pytest.fixture
def small() -> tuple[corpus.Corpus, gpt2tok.Encoding, dict[str, Any]]:
    own = corpus.Corpus(["low lower lowest"] * 3, ["slow"])
    encoding = gpt2tok.train(own.train, 262)
    return own, encoding, checkpoint.origin(own, encoding, QUICK)


class Model:
    """Stands for a model that saves itself, or is interrupted at it."""

    def __init__(self, weights: str, error: BaseException | None = None) -> None:
        self.config, self.weights, self.error = SimpleNamespace(n_positions=8), weights, error

    def save_pretrained(self, folder: Path) -> None:
        (folder / "model.safetensors").write_text(self.weights)
        if self.error is not None:
            raise self.error


HISTORY = training.History([(10, 3.0)], [(10, 3.1)], 1.0)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small: tuple[corpus.Corpus, gpt2tok.Encoding, dict[str, Any]],
) -> None:
    _, encoding, origin = small
    place = tmp_path / "kept" / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(place, Model("none", KeyboardInterrupt()), encoding, HISTORY, origin)
    assert list(place.parent.iterdir()) == []
    checkpoint.save(place, Model("first"), encoding, HISTORY, origin)
    assert checkpoint.difference(place, origin) is None
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device")):
        with pytest.raises(type(error)):
            checkpoint.save(place, Model("second", error), encoding, HISTORY, {**origin, "steps": 9})
    renamed: list[Path] = []
    rename = Path.replace

    def fails_at_the_new_one(self: Path, target: Path) -> Path:
        renamed.append(self)
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails_at_the_new_one)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(place, Model("second"), encoding, HISTORY, {**origin, "steps": 9})
    assert [path.name for path in renamed] == ["checkpoint", "new", "old"]
    assert (place / "model.safetensors").read_text() == "first"
    assert checkpoint.difference(place, origin) is None
    checkpoint.save(place, Model("second"), encoding, HISTORY, {**origin, "steps": 9})
    assert (place / "model.safetensors").read_text() == "second"
    assert list(place.parent.iterdir()) == [place]
    tokenizer = gpt2tok.GPT2TokenizerFast.from_pretrained(place)
    assert tokenizer.encode("lowest") == encoding.encode("lowest")


def test_a_checkpoint_of_another_making_is_not_taken(
    tmp_path: Path, small: tuple[corpus.Corpus, gpt2tok.Encoding, dict[str, Any]]
) -> None:
    own, encoding, origin = small
    place = tmp_path / "checkpoint"
    assert checkpoint.difference(place, origin) == "none has been kept"
    checkpoint.save(place, Model("x"), encoding, HISTORY, origin)
    others = {
        "corpus": checkpoint.origin(corpus.Corpus([*own.train, "more"], own.held_out), encoding, QUICK),
        "steps": checkpoint.origin(own, encoding, replace(QUICK, steps=QUICK.steps + 1)),
        "vocabulary": checkpoint.origin(own, gpt2tok.train(["slow slower"] * 3, 262), QUICK),
        "gpt2tok": {**origin, "gpt2tok": "0.0.1"},
        "new": {**origin, "new": 1},
    }
    for name, other in others.items():
        why = checkpoint.difference(place, other)
        assert why == f"the one in {place} was made from something else ({name})"
    assert checkpoint.difference(place, checkpoint.origin(own, encoding, QUICK)) is None
    for broken in ("", "[]", "{}", '{"origin": 1}'):
        (place / checkpoint.MADE_FROM).write_text(broken)
        assert "does not say what it was made from" in str(checkpoint.difference(place, origin))
    (place / checkpoint.MADE_FROM).unlink()
    assert "does not say what it was made from" in str(checkpoint.difference(place, origin))
