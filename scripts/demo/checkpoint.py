"""Is there a model from an earlier run, and is it of the same making? Then the next run starts at once.

Owns the checkpoint's directory: weights, tokenizer, and what they were made from. It is written under another name and
then renamed: Ctrl-C or a full disk leaves none, or the one that was there. Refuses to take one of another making.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpt2tok
from demo.corpus import Corpus
from demo.settings import Settings
from demo.training import History
from gpt2tok.training import save as save_vocabulary

MADE_FROM = "made_from.json"


@dataclass(frozen=True)
class Checkpoint:
    """A model, its tokenizer, and the way it was trained."""

    model: Any
    tokenizer: gpt2tok.GPT2TokenizerFast
    history: History


def origin(corpus: Corpus, encoding: gpt2tok.Encoding, settings: Settings) -> dict[str, Any]:
    """All that decides what training makes, as plain data."""
    from gpt2model.vocabulary import vocabulary_of

    return {
        "gpt2tok": gpt2tok.__version__,
        "corpus": corpus.sha256(),
        "vocabulary": vocabulary_of(encoding).sha256,
        **dataclasses.asdict(settings),
    }


def difference(folder: Path, wanted: Mapping[str, Any]) -> str | None:
    """Why the checkpoint in a folder is not the one that is wanted; None if it is."""
    if not folder.exists():
        return "none has been kept"
    try:
        found = json.loads((folder / MADE_FROM).read_text("utf-8"))["origin"]
        other = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"the one in {folder} does not say what it was made from"
    return f"the one in {folder} was made from something else ({', '.join(other)})" if other else None


def load(folder: Path) -> Checkpoint:
    """What `save` kept."""
    from gpt2model import GPT2LMHeadModel

    told = json.loads((folder / MADE_FROM).read_text("utf-8"))
    return Checkpoint(
        GPT2LMHeadModel.from_pretrained(folder),
        gpt2tok.GPT2TokenizerFast.from_pretrained(folder),
        History(**told["history"]),
    )


def save(
    folder: Path, model: Any, encoding: gpt2tok.Encoding, history: History, made_from: Mapping[str, Any]
) -> None:
    """Keep a model, whole or not at all, in place of what was there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        new.mkdir()
        save_vocabulary(encoding, new)
        tokenizer = gpt2tok.GPT2TokenizerFast.from_pretrained(new, model_max_length=model.config.n_positions)
        tokenizer.save_pretrained(new)
        model.save_pretrained(new)
        told = {"origin": dict(made_from), "history": dataclasses.asdict(history)}
        (new / MADE_FROM).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        try:
            if folder.exists():
                folder.replace(old)
            new.replace(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.replace(folder)
            raise
