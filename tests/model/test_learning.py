"""Do models really learn? Real text and small real tasks, from scratch."""

from __future__ import annotations

import io
import sysconfig
import time
import tokenize
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import STILL, prepared

import gpt2model
from gpt2model import GPT2Config

LIBRARY = Path(sysconfig.get_path("stdlib"))
PAD = 127  # DEL stands in no source
# Narrow models begin too still with GPT-2's 0.02.
WIDE = {"initializer_range": 0.1}


def source(*names):
    """The text of some modules of the standard library, ASCII alone."""
    text = "".join(LIBRARY.joinpath(name).read_text("utf-8") for name in names)
    return "".join(char for char in text if ord(char) < PAD)


def small(**fields):
    return GPT2Config(
        vocab_size=128, n_embd=32, n_layer=2, n_head=2, pad_token_id=PAD, **WIDE, **STILL, **fields
    )


def test_sequence_classification_overfits():
    """Of which module is this line? Two modules, lines of many lengths, padded."""
    rows, labels = [], []
    for label, name in enumerate(("cmd.py", "bisect.py")):
        lines = [line.strip() for line in source(name).splitlines()]
        lines = list(dict.fromkeys(line for line in lines if 10 <= len(line) <= 40))[:12]
        rows += [list(line.encode()) for line in lines]
        labels += [label] * len(lines)
    ids = np.array([row + [PAD] * (40 - len(row)) for row in rows], "int32")
    labels = np.array(labels, "int32")
    assert len(ids) == 24
    x = {"input_ids": ids, "attention_mask": (ids != PAD).astype("int32")}
    model = gpt2model.GPT2ForSequenceClassification(small(n_positions=40, num_labels=2))
    prepared(model, keras.optimizers.Adam(0.003))
    again = {name: np.tile(value, (20, 1)) for name, value in x.items()}
    model.fit(again, np.tile(labels, 20), epochs=3, batch_size=24, verbose=0)
    got = model.predict(x, verbose=0, batch_size=24)["logits"].argmax(-1)
    assert (got == labels).mean() > 0.95


def test_token_classification_overfits():
    """What does Python's tokenizer call this byte? Name, number, operator, text, comment, or none of them."""
    text = source("colorsys.py")
    starts = np.cumsum([0] + [len(line) for line in text.splitlines(keepends=True)])
    kinds = np.zeros(len(text), "int32")
    known = [tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING, tokenize.COMMENT]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in known:
            (row, column), (last, end) = token.start, token.end
            kinds[starts[row - 1] + column : starts[last - 1] + end] = known.index(token.type) + 1
    ids = np.frombuffer(text.encode(), "uint8").astype("int32")
    ids, labels = (values[: 32 * 48].reshape(-1, 48) for values in (ids, kinds))
    assert len(np.unique(labels)) == 6
    model = gpt2model.GPT2ForTokenClassification(small(n_positions=48, num_labels=6, classifier_dropout=0.0))
    prepared(model, keras.optimizers.Adam(0.01))
    model.fit(np.tile(ids, (100, 1)), np.tile(labels, (100, 1)), epochs=1, batch_size=32, verbose=0)
    got = model.predict(ids, verbose=0, batch_size=32)["logits"].argmax(-1)
    assert (got == labels).mean() > 0.95


def language_model(rows, held_out, seconds, layers, **options):
    """Train for some seconds at least one epoch; the loss on text never seen, and a unigram model's there."""
    counts = np.bincount(rows.ravel(), minlength=128) + 1.0
    unigram = -np.log(counts / counts.sum())[held_out].mean()
    config = GPT2Config(
        vocab_size=128, n_positions=rows.shape[1], n_embd=48, n_layer=layers, n_head=4, **WIDE, **STILL
    )
    model = prepared(
        gpt2model.GPT2LMHeadModel(config),
        keras.optimizers.AdamW(0.005, weight_decay=0.01, clipnorm=1.0),
        **options,
    )
    end = time.monotonic() + seconds
    while True:
        model.fit({"input_ids": rows, "labels": rows}, batch_size=32, epochs=1, verbose=0)
        if time.monotonic() >= end:
            break
    return model.evaluate({"input_ids": held_out, "labels": held_out}, batch_size=32, verbose=0), unigram


def text_rows(length, *names):
    data = np.frombuffer(source(*names).encode(), "uint8").astype("int32")
    return data[: len(data) // length * length].reshape(-1, length)


def test_learns_real_text():
    """Bytes of the standard library's sources: on a file it never saw, well under what letter frequencies give."""
    rows = text_rows(32, "argparse.py", "ast.py", "calendar.py", "cmd.py")[:5120]
    loss, unigram = language_model(rows, text_rows(32, "bisect.py"), 0, 1)
    assert 2.8 < unigram < 3.8 and loss < unigram - 0.4, (unigram, loss)


@pytest.mark.long
def test_a_minute_of_real_text():
    """The same for a minute, over more text: a loss far under a unigram model's."""
    names = [path.name for path in sorted(LIBRARY.glob("[a-m]*.py")) if path.name != "bisect.py"]
    loss, unigram = language_model(
        text_rows(64, *names), text_rows(64, "bisect.py"), 60, 2, jit_compile="auto"
    )
    assert loss < unigram - 0.8, (unigram, loss)
