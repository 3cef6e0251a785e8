"""Which token comes next, when every row says for itself how it wants to be sampled?

Owns temperature, top-k and top-p as numbers of each row, known only when the graph runs, and chance by a seed of each
row: what a row gets depends on no other row of its batch, and is what `generate` gives that row alone. Refuses
Keras: this is TensorFlow's own.

Both cuts are thresholds, found bit by bit in the order of the floats: 32 passes over the logits, exact, where XLA's
sort of 50,257 numbers takes longer than a step of gpt2-small.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import tensorflow as tf

from ..generation.loop import FINE, NONE_LEFT, NOT_A_NUMBER
from ..generation.randomness import threefry

Tensor = Any


@final
class Manner(NamedTuple):
    """How each row is sampled; all (rows,).

    Attributes:
        temperature: float32; 0 takes the likeliest token.
        top_k: int32; 0 keeps all.
        top_p: float32; 1 keeps all.
        seed: int32.
    """

    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    seed: Tensor


def chosen(logits: Tensor, manner: Manner, step: Tensor, going: Tensor) -> tuple[Tensor, Tensor]:
    """The next token of each row, and what went wrong.

    Args:
        logits: (rows, vocabulary) float32.
        manner: of each row.
        step: tokens generated so far, scalar int32.
        going: (rows,) booleans: the logits of the others do not matter.

    Returns:
        (rows,) int32, and a fault as `generation.loop` numbers them.
    """
    drawn = manner.temperature > 0.0

    def sampled() -> Tensor:
        return tf.where(drawn[:, None], _noisy(logits, manner, step), logits)

    scores = tf.cond(tf.reduce_any(drawn & going), sampled, lambda: logits)
    broken = tf.reduce_any(tf.reduce_any(tf.math.is_nan(logits), axis=-1) & going)
    empty = tf.reduce_any((tf.reduce_max(logits, axis=-1) == float("-inf")) & going)
    fault = tf.where(broken, NOT_A_NUMBER, tf.where(empty, NONE_LEFT, FINE))
    return tf.argmax(scores, axis=-1, output_type=tf.int32), fault


def _noisy(logits: Tensor, manner: Manner, step: Tensor) -> Tensor:
    divisor = tf.where(manner.temperature > 0.0, manner.temperature, 1.0)
    scores = logits / divisor[:, None]
    order = _ordered(scores)
    lowest = tf.zeros_like(order[:, 0])  # (rows,)
    wanted = manner.top_k > 0

    def by_count() -> Tensor:
        def enough(border: Tensor) -> Tensor:
            kept = tf.reduce_sum(tf.cast(order >= border[:, None], tf.int32), axis=-1)
            return kept >= manner.top_k

        return tf.where(wanted, _largest(lowest, enough), lowest)

    border = tf.cond(tf.reduce_any(wanted), by_count, lambda: lowest)

    def by_mass() -> Tensor:
        top = tf.reduce_max(scores, axis=-1, keepdims=True)
        weight = tf.where(order >= border[:, None], tf.exp(scores - top), 0.0)
        spare = (1.0 - manner.top_p) * tf.reduce_sum(weight, axis=-1)

        def little(candidate: Tensor) -> Tensor:
            below = tf.reduce_sum(tf.where(order < candidate[:, None], weight, 0.0), axis=-1)
            return below <= spare

        found = tf.minimum(_largest(lowest, little), tf.reduce_max(order, axis=-1))
        return tf.where(manner.top_p < 1.0, tf.maximum(found, border), border)

    border = tf.cond(tf.reduce_any(manner.top_p < 1.0), by_mass, lambda: border)
    return tf.where(order < border[:, None], float("-inf"), scores) + _gumbel(manner.seed, step, logits)


def _ordered(numbers: Tensor) -> Tensor:
    """uint32 in the order of the floats; 0 is below all of them."""
    bits = tf.bitcast(numbers, tf.uint32)
    sign = tf.constant(1 << 31, tf.uint32)
    return tf.where(bits < sign, tf.bitwise.bitwise_or(bits, sign), tf.bitwise.invert(bits))


def _largest(lowest: Tensor, holds: Any) -> Tensor:
    """For each row the largest uint32 for which `holds`, which holds up to some number and not beyond."""

    def bit(place: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        one = tf.bitwise.left_shift(tf.constant(1, tf.uint32), tf.cast(31 - place, tf.uint32))
        candidate = tf.bitwise.bitwise_or(found, one)
        return place + 1, tf.where(holds(candidate), candidate, found)

    return tf.while_loop(lambda place, _: place < 32, bit, (tf.constant(0), lowest))[1]


def _gumbel(seed: Tensor, step: Tensor, logits: Tensor) -> Tensor:
    """`generation.randomness.gumbel` of every row by itself: (rows, vocabulary)."""
    size = int(logits.shape[1])
    counter = tf.cast(tf.range(-(-size // 2)), tf.uint32)[None]  # (1, half)
    key = (tf.cast(seed, tf.uint32)[:, None], tf.cast(step, tf.uint32))
    zeros = tf.zeros_like(counter) + tf.zeros_like(key[0])
    bits = tf.concat(threefry(key, (counter + zeros, zeros)), axis=1)[:, :size]
    high = tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32))
    return -tf.math.log(-tf.math.log((tf.cast(tf.cast(high, tf.int32), tf.float32) + 0.5) * 2.0**-23))
