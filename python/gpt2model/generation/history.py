"""What was said so far? The ids that a processor may look at, in arrays of fixed shape.

Owns the layout and the two ways in which every processor reads it: the last tokens, and how often each token
came. Refuses logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from keras import ops

from ..backend import Tensor

NOTHING = -1  # stands where there is no token: padding, and positions that are not filled yet


@final
@dataclass(frozen=True)
class History:
    """The prompt and the new tokens of every row.

    Attributes:
        ids: (rows, room) int32, `NOTHING` where no token is.
        filled: columns in use; an int or a scalar tensor.
        new: tokens generated so far.
        prompt: the prompt's length as the caller gave it, padding included, which is what Hugging Face
            counts as length.
    """

    ids: Tensor
    filled: int | Tensor
    new: int | Tensor
    prompt: int | Tensor

    @property
    def length(self) -> int | Tensor:
        """Prompt and new tokens, as Hugging Face counts them."""
        return self.prompt + self.new

    def last(self, count: int) -> Tensor:
        """The last `count` tokens, (rows, count); `NOTHING` where there are fewer."""
        columns = ops.arange(count, dtype="int32") + (self.filled - count)
        found = ops.take(self.ids, ops.maximum(columns, 0), axis=1)
        return ops.where(ops.expand_dims(columns >= 0, 0), found, NOTHING)

    def counts(self, vocabulary: int, *, only_new: bool = False) -> Tensor:
        """How often each token came, (rows, vocabulary) int32."""
        ids = self.ids
        if only_new:
            column = ops.arange(ids.shape[1], dtype="int32")
            ids = ops.where(ops.expand_dims(column >= self.filled - self.new, 0), ids, NOTHING)
        return occurrences(ids, vocabulary)


def occurrences(ids: Tensor, vocabulary: int) -> Tensor:
    """How often each id stands in each row: (rows, columns) to (rows, vocabulary) int32.

    Example:
        >>> import numpy as np
        >>> ops.convert_to_numpy(occurrences(np.array([[2, 0, 2, -1]], "int32"), 3)).tolist()
        [[1, 0, 2]]
    """
    rows, columns = ids.shape
    slots = vocabulary + 1  # the last one takes what does not count
    inside = ops.logical_and(ids >= 0, ids < vocabulary)
    place = ops.where(inside, ids, vocabulary) + ops.expand_dims(ops.arange(rows, dtype="int32") * slots, 1)
    ones = ops.ones((rows * columns,), "int32")
    found = ops.segment_sum(ones, ops.reshape(place, (-1,)), num_segments=rows * slots)
    return ops.reshape(found, (rows, slots))[:, :vocabulary]
