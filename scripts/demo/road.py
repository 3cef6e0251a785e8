"""What comes after what? The parts of the road, from text to text.

Owns their order, and what each hands on to the next. Refuses every detail: the files beside this one.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import gpt2tok
from demo import chatter, checkpoint, completing, corpus, tokenizing, vocabulary
from demo.completing import shown_path
from demo.corpus import Corpus
from demo.settings import Settings
from demo.shown import flush, heading, proven
from gpt2tok.cli.stdout import print_text

TOKENIZED_BYTES = 8_000_000
_NEEDED = ("tensorflow", "keras", "matplotlib")


def walk(settings: Settings, folder: Path) -> bool:
    """Show, prove and measure everything; whether all proofs held.

    Args:
        settings: of the model.
        folder: where the checkpoint, the picture and the SavedModel are kept.
    """
    print_text(f"gpt2tok {gpt2tok.__version__}, Python {sys.version.split()[0]}")
    files = corpus.library()
    heading("1. The embedded GPT-2 vocabulary: text to ids and back")
    tokenizing.show(tokenizing.GREETING)
    texts = {
        "the standard library of Python": corpus.first((text for _, text in files), TOKENIZED_BYTES),
        "193 languages": corpus.multilingual(),
    }
    ok = [tokenizing.compare(name, documents) for name, documents in texts.items()]
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print_text(
            f"\nThe rest of the road, a model of one's own, needs {', '.join(missing)}, which this environment lacks: "
            "make demo with PYTHON=python3.11, python3.12 or python3.13 installs them."
        )
        return all(ok)

    heading("2. A vocabulary of one's own, from the standard library of Python")
    own = corpus.split(files, settings.train_bytes, settings.held_out_bytes)
    encoding, back = vocabulary.learn(own, settings.vocab_size)
    with chatter.into(folder / "tensorflow.log"):
        return all([*ok, back, *_model(settings, folder, own, encoding)])


def _model(settings: Settings, folder: Path, own: Corpus, encoding: gpt2tok.Encoding) -> list[bool]:
    from demo import curve, held_out, training

    heading("3. A small GPT-2, trained on it from nothing")
    place, made_from = folder / "checkpoint", checkpoint.origin(own, encoding, settings)
    ids = held_out.stream(encoding, own.held_out)
    why = checkpoint.difference(place, made_from)
    if why is not None:
        print_text(f"training a checkpoint, since {why}")
        flush()
        model, history = training.train(encoding, own.train, ids, settings)
        checkpoint.save(place, model, encoding, history, made_from)
        print_text(f"  kept: {shown_path(place)}, for the next run")
    else:
        print_text(f"from an earlier run on the same corpus with the same settings: {shown_path(place)}")
    found = checkpoint.load(place)
    found.model.compile()
    lengths = held_out.byte_lengths(encoding)
    judged = held_out.cut(ids, lengths, settings.n_positions, settings.batch)
    loss = judged.bits_per_byte(training.loss_of(found.model, judged, settings))
    learned_from = held_out.stream(encoding, own.train)
    unigram = judged.bits_per_byte(held_out.unigram_loss(learned_from, judged, encoding.n_vocab))
    picture = folder / "loss.png"
    title = f"{found.model.count_params():,} weights learn Python's standard library"
    curve.draw(found.history, unigram, title, picture)
    print_text(f"  drawn: {shown_path(picture)}, what it learned from step to step")
    better = learned(loss, unigram, judged.tokens)

    heading("4. One SavedModel, from string to string, in a process with TensorFlow alone")
    directory = folder / "savedmodel" / "1"
    completing.export(found, directory)
    done = completing.complete(directory, encoding, own.held_out)
    return [better, done]


def learned(loss: float, unigram: float, tokens: int) -> bool:
    """Whether the model foresees held-out text better than the simplest forecast, both in bits per byte."""
    claim = f"{loss:.3f} bits per byte on {tokens:,} held-out tokens, under the {unigram:.3f} of knowing how common"
    return proven(f"{claim} each token is", loss < unigram, "it has learned nothing")
