"""How large is the model, and how long does it learn?

Owns the two sizes of the demo: the real one, and a quick one that shows only that the road is passable, for tests. All
that changes the checkpoint stands here, so that a checkpoint can say what it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The numbers of a run.

    Args:
        train_bytes, held_out_bytes: how much of the corpus is taken; None: all.
        vocab_size: ids, with the end of text.
        n_positions, n_embd, n_layer, n_head: as in `GPT2Config`.
        batch: windows of `n_positions` tokens in a step.
        steps: of the optimizer.
        reports: how often the model is judged by held-out text meanwhile.
        learning_rate: at its height.
        seed: of weights and order.
    """

    train_bytes: int | None
    held_out_bytes: int | None
    vocab_size: int
    n_positions: int
    n_embd: int
    n_layer: int
    n_head: int
    batch: int
    steps: int
    reports: int
    learning_rate: float
    seed: int = 1


FULL = Settings(
    train_bytes=None,
    held_out_bytes=None,
    vocab_size=4096,
    n_positions=256,
    n_embd=192,
    n_layer=4,
    n_head=6,
    batch=8,
    steps=900,
    reports=9,
    learning_rate=3e-3,
)
QUICK = Settings(
    train_bytes=300_000,
    held_out_bytes=30_000,
    vocab_size=512,
    n_positions=96,
    n_embd=48,
    n_layer=1,
    n_head=3,
    batch=8,
    steps=120,
    reports=3,
    learning_rate=1e-2,
)
NEW_TOKENS = 64
