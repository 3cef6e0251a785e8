"""How does a small GPT-2 learn to write? From random weights, by Keras' own `fit`.

Owns the model, the order of the windows and the schedule. Refuses to keep what was learned (`checkpoint.py`), and to
say when it is good (`held_out.py`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import gpt2tok
from demo.held_out import HeldOut, Ids, byte_lengths, cut, stream
from demo.progress import Bar
from demo.settings import Settings
from demo.shown import flush
from gpt2tok.cli.stdout import print_text

SOME_ROWS = 64  # of the held-out windows for the reports on the way
EVERY = 10  # steps for a point of the curve


@dataclass(frozen=True)
class History:
    """The way that the model came, in bits per byte.

    Args:
        training: step and mean since the row before, every `EVERY` steps.
        held_out: step and where the model stood on some held-out windows.
        seconds: that it took.
    """

    training: list[tuple[int, float]]
    held_out: list[tuple[int, float]]
    seconds: float


def train(
    encoding: gpt2tok.Encoding, texts: list[str], held_out_ids: Ids, settings: Settings
) -> tuple[Any, History]:
    """A model that has learned from the texts, and the way there.

    Args:
        encoding: its vocabulary.
        texts: to learn from.
        held_out_ids: the stream that judges it.
        settings: how large, how long.
    """
    import keras
    import numpy as np

    lengths = byte_lengths(encoding)
    ids = stream(encoding, texts)
    bits = len(ids) / int(lengths[ids].sum()) / math.log(2)  # per byte, of a nat per token
    some = cut(held_out_ids, lengths, settings.n_positions, settings.batch, SOME_ROWS)
    rows = order(ids, settings)
    keras.utils.set_random_seed(settings.seed)
    model = new_model(encoding, settings)
    seen = settings.steps * settings.batch * settings.n_positions
    print_text(
        f"{model.count_params():,} weights: {settings.n_layer} layers of {settings.n_embd}, {settings.n_positions} "
        f"positions; {settings.steps} steps see {seen / 1e6:.2f} million tokens, the corpus has {len(ids) / 1e6:.2f}"
    )
    flush()
    watch = _watch(settings, bits)
    history = History([], [], 0.0)
    start, done = time.perf_counter(), 0
    try:
        for part in np.array_split(rows, settings.reports):
            windows = part.reshape(-1, settings.n_positions)
            model.fit(
                {"input_ids": windows, "labels": windows},
                batch_size=settings.batch,
                shuffle=False,  # they are
                verbose=0,
                callbacks=[watch],
            )
            done += len(part)
            history.training.extend(watch.taken())
            history.held_out.append((done, some.bits_per_byte(loss_of(model, some, settings))))
            watch.bar.wipe()
            print_text(
                f"  step {done:>5}   {time.perf_counter() - start:5.0f} s   bits per byte: "
                f"{history.training[-1][1]:.3f} in training, {history.held_out[-1][1]:.3f} held out"
            )
            flush()
    finally:
        watch.bar.wipe()
    return model, History(history.training, history.held_out, time.perf_counter() - start)


def _watch(settings: Settings, bits: float) -> Any:
    """What Keras tells of every step: it moves the bar and takes the curve's points."""
    import keras

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        """Of all parts, one after another."""

        def __init__(self) -> None:
            super().__init__()
            self.bar = Bar(settings.steps)
            self.done, self.points = 0, []  # type: int, list[tuple[int, float]]
            self.counted, self.total = 0, 0.0

        def on_train_begin(self, logs: Any = None) -> None:
            self.counted, self.total = 0, 0.0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.done += 1
            now, total = (
                batch + 1,
                (batch + 1) * float(logs["loss"]),
            )  # Keras gives the mean since the part began
            if now - self.counted >= EVERY:
                self.points.append((self.done, (total - self.total) / (now - self.counted) * bits))
                self.counted, self.total = now, total
            self.bar.step(f"{self.points[-1][1]:.2f} bits per byte" if self.points else "")

        def taken(self) -> list[tuple[int, float]]:
            """The points since the last call."""
            points, self.points = self.points, []
            return points

    return Watch()


def new_model(encoding: gpt2tok.Encoding, settings: Settings) -> Any:
    """Random weights, and the optimizer: AdamW, warmed up, then cooled along a cosine."""
    import keras

    from gpt2model import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=encoding.n_vocab,
        n_positions=settings.n_positions,
        n_embd=settings.n_embd,
        n_layer=settings.n_layer,
        n_head=settings.n_head,
        bos_token_id=encoding.eot_token,
        eos_token_id=encoding.eot_token,
        # Hardly any token is seen twice: there is nothing to be learned by heart that dropout could keep it from.
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config)
    warm_up = max(1, settings.steps // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        settings.steps - warm_up,
        alpha=0.05,
        warmup_target=settings.learning_rate,
        warmup_steps=warm_up,
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.95, clipnorm=1.0))
    return model


def order(ids: Ids, settings: Settings) -> Ids:
    """The batches in which the stream is read, (steps, batch, n_positions): its windows shuffled, each time round cut
    elsewhere.
    """
    import numpy as np

    random = np.random.default_rng(settings.seed)
    wanted, positions = settings.steps * settings.batch, settings.n_positions
    rows: list[Ids] = []
    while sum(map(len, rows)) < wanted:
        start = int(random.integers(positions))
        count = (len(ids) - start) // positions
        windows = ids[start : start + count * positions].reshape(count, positions)
        rows.append(windows[random.permutation(count)])
    return np.concatenate(rows)[:wanted].reshape(settings.steps, settings.batch, positions)


def loss_of(model: Any, held_out: HeldOut, settings: Settings) -> float:
    """Nats per token, over the windows."""
    given = {"input_ids": held_out.windows, "labels": held_out.windows}
    return float(model.evaluate(given, batch_size=settings.batch, verbose=0, return_dict=True)["loss"])
