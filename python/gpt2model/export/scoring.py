"""How likely is each text? The windows of `generation/scoring.py`, inside the graph.

Owns the loop over texts and windows. Refuses the model (`programs.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .prompts import least, refuse_unless, size_of

Tensor = Any


def scored(
    judge: Callable[[Tensor], Tensor], ids: Tensor, splits: Tensor, positions: int, most: int
) -> dict[str, Tensor]:
    """Log-probability, tokens and perplexity of every text, each of a batch's by itself.

    Args:
        judge: ids (1, n) to log-probabilities (n - 1,).
        ids: int32 [ids] of all texts.
        splits: int64 [batch + 1].
        positions: of the model; a window has so many, and the next begins half of it further on.
        most: tokens that a text may have.
    """
    splits = tf.cast(splits, tf.int32)
    lengths = splits[1:] - splits[:-1]
    short = "a text has fewer than two tokens, and the first of a text has no probability; text"
    long = f"a text has more than {most} tokens, all that this model was exported to score: score it in parts; text"
    with (
        refuse_unless(tf.reduce_all(lengths >= 2), short, least(lengths)),
        refuse_unless(tf.reduce_all(lengths <= most), long, least(-lengths)),
    ):
        lengths = tf.identity(lengths)
    stride = max(1, positions // 2)

    def text(row: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        begin, length = splits[row], lengths[row]

        def window(done: Tensor, end: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            start = tf.maximum(end - positions, 0)
            count = end - start
            size = size_of(count, 16, positions)
            part = tf.pad(ids[begin + start : begin + end], [[0, size - count]])
            log = judge(part[None])[done - start - 1 : count - 1]
            total += tf.reduce_sum(tf.cast(log, tf.float64))
            return end, tf.minimum(end + stride, length), total

        first = (tf.constant(1), tf.minimum(length, positions), tf.constant(0.0, tf.float64))
        _, _, total = tf.while_loop(
            lambda done, _end, _total: done < length, window, first, parallel_iterations=1
        )
        return row + 1, tf.tensor_scatter_nd_update(totals, [[row]], [total])

    batch = tf.size(lengths)
    begin = (tf.constant(0), tf.zeros([batch], tf.float64))
    _, totals = tf.while_loop(lambda row, _: row < batch, text, begin, parallel_iterations=1)
    return {
        "log_probability": tf.cast(totals, tf.float32),
        "token_count": lengths,
        "perplexity": tf.cast(tf.exp(-totals / tf.cast(lengths - 1, tf.float64)), tf.float32),
    }
