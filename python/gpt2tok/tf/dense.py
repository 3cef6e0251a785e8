"""How do rows of ids become results? Ragged rows, or a matrix with padding and its mask.

Owns truncation, padding on either side, and the tokens put around each row. Refuses to know text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any


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


def dense(ids: Tensor, splits: Tensor, length: Tensor | None, layout: RowLayout) -> tuple[Tensor, Tensor]:
    """The rows as a matrix.

    Args:
        ids: int32 [ids].
        splits: int64 [rows + 1].
        length: int64 scalar, the columns; None for as many as the longest row needs. Rows that are longer lose ids,
            never the tokens around them.

    Returns:
        ids [rows, length] and the attention mask [rows, length], 1 where there is a token, of the type of `ids`.
    """
    count = splits[1:] - splits[:-1]
    if length is None:
        length = tf.reduce_max(tf.concat([count, tf.zeros([1], tf.int64)], 0)) + layout.around
    room = tf.maximum(length - layout.around, 0)
    kept = tf.minimum(count, room)
    first = splits[1:] - kept if layout.cut_left else splits[:-1]
    filled = kept + layout.around
    column = tf.range(length)[None, :]
    if layout.pad_left:
        column -= (length - filled)[:, None]  # [rows, length], negative in the padding
    inner = column - len(layout.before)
    real = (inner >= 0) & (inner < kept[:, None])
    # One id more, so that there is something to gather for padding.
    source = tf.concat([ids, tf.constant([layout.pad_id], ids.dtype)], 0)
    place = tf.where(real, first[:, None] + inner, tf.size(ids, tf.int64))
    matrix = tf.gather(source, place)
    for i, token in enumerate(layout.before):
        matrix = tf.where(column == i, tf.constant(token, ids.dtype), matrix)
    for i, token in enumerate(layout.after):
        matrix = tf.where(inner == kept[:, None] + i, tf.constant(token, ids.dtype), matrix)
    mask = (column >= 0) & (column < filled[:, None])
    return matrix, tf.cast(mask, ids.dtype)
