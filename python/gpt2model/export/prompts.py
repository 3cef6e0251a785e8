"""From texts to the matrix that a program takes: cut, padded, and of few sizes.

Owns the sizes there are programs for, the rule that cuts, and the refusal of what no program takes: InvalidArgument,
before any work. Refuses models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import tensorflow as tf

Tensor = Any


@final
class Prompts(NamedTuple):
    """What a prefill is given.

    Attributes:
        ids: (rows, width) int32, at the right end of each row; rows and width are sizes there are programs for.
        padding: (rows,) int32, columns before each prompt.
        most: (rows,) int32, new tokens each row may have; 0 for rows that only fill up.
    """

    ids: Tensor
    padding: Tensor
    most: Tensor


def refuse_unless(condition: Tensor, reason: str, *values: Tensor) -> Any:
    """Inside `with`, what follows runs only where the condition holds; else InvalidArgument with the reason."""
    return tf.control_dependencies([tf.debugging.Assert(condition, [reason, *values], summarize=8)])


def size_of(count: Tensor, least: int, most: int) -> Tensor:
    """The next of few sizes: `least` times a power of two, or one and a half of it, up to `most`.

    Example:
        >>> [int(size_of(tf.constant(n), 16, 100)) for n in (0, 17, 25, 40, 97)]
        [16, 24, 32, 48, 100]
    """
    sizes, size = [], least
    while size < most:
        sizes += [size, size * 3 // 2]
        size *= 2
    return _next(count, [*sizes, most], most)


def row_size(count: Tensor, most: int) -> Tensor:
    """The next power of two, up to `most`."""
    return _next(count, [1 << bit for bit in range(most.bit_length() + 1)], most)


def _next(count: Tensor, sizes: Sequence[int], most: int) -> Tensor:
    """The least of some sizes that holds so many, none of them above `most`."""
    table = tf.constant(sorted({min(size, most) for size in sizes}), tf.int32)
    return tf.gather(table, tf.minimum(tf.searchsorted(table, [count])[0], table.shape[0] - 1))


def prompts(  # noqa: PLR0917
    ids: Tensor, splits: Tensor, most: Tensor, positions: int, most_prompt: int, most_rows: int, *, cut: bool
) -> Prompts:
    """The prompts of a batch.

    Args:
        ids: int32 [ids] of all texts.
        splits: int64 [batch + 1].
        most: new tokens of each row, int32 [batch].
        positions: of the model: prompt and new tokens together.
        most_prompt: tokens of a prompt.
        most_rows: texts of a batch.
        cut: a prompt that is too long loses its beginning; else it is refused.
    """
    ends = tf.cast(splits[1:], tf.int32)
    lengths = ends - tf.cast(splits[:-1], tf.int32)
    room = tf.minimum(most_prompt, positions - most)  # (batch,)
    nothing = "the prompt is empty: give text, or the text of a special token (such as <|endoftext|>) to begin; text"
    with refuse_unless(tf.reduce_all(lengths > 0), nothing, least(lengths)):
        kept = tf.identity(lengths)
    if cut:
        kept = tf.minimum(kept, room)
    else:
        told = "a prompt has more tokens than there are places beside the new ones: shorten it, or ask for fewer new"
        worst = least(room - lengths)
        facts = ["tokens; text:", worst, "tokens:", _at(lengths, worst), "places:", _at(room, worst)]
        with refuse_unless(tf.reduce_all(lengths <= room), told, *facts):
            kept = tf.identity(kept)
    batch = tf.size(kept)
    rows = row_size(batch, most_rows)
    kept, ends, most = (
        tf.pad(part, [[0, rows - batch]], constant_values=value)
        for part, value in ((kept, 1), (ends, 0), (most, 0))
    )
    width = size_of(tf.reduce_max(kept), 16, most_prompt)
    column = tf.range(width)[None] - width  # from the end, negative
    inside = (column >= -kept[:, None]) & (ends[:, None] > 0)
    place = tf.where(inside, ends[:, None] + column, 0)
    found = tf.gather(tf.concat([ids, [0]], 0), place)  # there may be no id at all
    return Prompts(tf.where(inside, found, 0), width - kept, most)


def least(values: Tensor) -> Tensor:
    """Where the least of some int32 is; 0 where there is none."""
    return tf.argmin(tf.concat([values, [tf.int32.max]], 0))


def _at(values: Tensor, index: Tensor) -> Tensor:
    """One number, 0 where there is none."""
    return tf.gather(tf.concat([values, [0]], 0), index)
