"""How do rows of ids become results? Ragged rows, or a matrix with padding and its mask.

Owns truncation, padding on either side, and the tokens put around each row. Refuses to know text, and matrices that
would fill the memory of a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import tensorflow as tf

Tensor = Any

# Places of a matrix, padding included. One takes some 40 bytes on the way: this many take 10 GB.
MOST_PLACES = 1 << 28


@final
@dataclass(frozen=True)
class RowLayout:
    """What a row looks like beside its ids."""

    before: tuple[int, ...]  # ids put before each row
    after: tuple[int, ...]
    pad_id: int
    pad_left: bool
    cut_left: bool  # truncation takes the first ids away instead of the last

    @property
    def around(self) -> int:
        return len(self.before) + len(self.after)


def ragged(ids: Tensor, splits: Tensor, layout: RowLayout) -> tuple[Tensor, Tensor]:
    """The rows with the tokens around them: ids int32 [ids], row splits int64 [rows + 1]."""
    if not layout.around:
        return ids, splits
    rows = tf.RaggedTensor.from_row_splits(ids, splits, validate=False)

    def column(constant: tuple[int, ...]) -> Tensor:
        return tf.tile(tf.constant([constant], ids.dtype, [1, len(constant)]), [rows.nrows(), 1])

    whole = tf.concat([column(layout.before), rows, column(layout.after)], axis=1)
    return whole.values, whole.row_splits


def dense(
    ids: Tensor, splits: Tensor, length: Tensor | None, layout: RowLayout, most_places: int = MOST_PLACES
) -> tuple[Tensor, Tensor]:
    """The rows as a matrix.

    Args:
        ids: int32 [ids].
        splits: int64 [rows + 1].
        length: int64 scalar, the columns; None for as many as the longest row needs. Rows that are longer lose ids,
            never the tokens around them.
        most_places: of the matrix; more are refused with InvalidArgument before any memory is asked for.

    Returns:
        ids [rows, length] and the attention mask [rows, length], 1 where there is a token, of the type of `ids`.
    """
    count = splits[1:] - splits[:-1]  # [rows]
    if length is None:
        length = tf.reduce_max(tf.concat([count, tf.zeros([1], tf.int64)], 0)) + layout.around
    length = _sensible(length, tf.size(count, tf.int64), layout.around, most_places)
    kept = tf.minimum(count, length - layout.around)  # [rows]
    first = splits[1:] - kept if layout.cut_left else splits[:-1]  # [rows]
    filled = kept + layout.around  # [rows]
    column = tf.range(length)[None, :]  # [1, length]
    if layout.pad_left:
        column -= (length - filled)[:, None]  # [rows, length], negative in the padding
    inner = column - len(layout.before)
    real = (inner >= 0) & (inner < kept[:, None])  # [rows, length]
    # One id more, so that there is something to gather for padding.
    source = tf.concat([ids, tf.constant([layout.pad_id], ids.dtype)], 0)  # [ids + 1]
    place = tf.where(real, first[:, None] + inner, tf.size(ids, tf.int64))  # [rows, length]
    matrix = tf.gather(source, place)
    for i, token in enumerate(layout.before):
        matrix = tf.where(column == i, tf.constant(token, ids.dtype), matrix)
    for i, token in enumerate(layout.after):
        matrix = tf.where(inner == kept[:, None] + i, tf.constant(token, ids.dtype), matrix)
    mask = (column >= 0) & (column < filled[:, None])
    return matrix, tf.cast(mask, ids.dtype)


def _sensible(length: Tensor, rows: Tensor, around: int, most_places: int) -> Tensor:
    """The length, once it is known to have room for the tokens around a row, and the matrix to have a sane size."""
    told = (
        f"rows times max_length may be {most_places} at most: give fewer texts at once, or a smaller max_length;"
        " they are:"
    )
    # A product might overflow.
    checks = [tf.debugging.Assert(length <= most_places // tf.maximum(rows, 1), [told, rows, length])]
    if around:
        checks.append(tf.debugging.Assert(length >= around, [too_short(around), length]))
    with tf.control_dependencies(checks):
        return tf.identity(length)


def too_short(around: int) -> str:
    """What is said of a `max_length` without room for the tokens around each row."""
    return f"max_length must be {around} or more, for {around} tokens stand around each row; it is:"
