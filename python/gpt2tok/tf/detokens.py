"""Which bytes do ids stand for? A gather from a table of strings.

Owns the table and the checks of ids. Refuses to decode the bytes: a row may end inside a character.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import tensorflow as tf

Tensor = Any

# A table with a place for every id up to the last, where at least one place in so many is taken; else the ids are
# searched for. One id near 2**31 must not cost 16 GB.
_MOST_PLACES_PER_ID = 8


@final
class Spelling:
    """The bytes of every id. Immutable.

    Args:
        spelt: id to bytes. Ids may be missing: they are as wrong as those beyond the last.
    """

    def __init__(self, spelt: Mapping[int, bytes]) -> None:
        listed = np.array(sorted(spelt), np.int64)
        self.some_id, self._last = int(listed[0]), int(listed[-1])
        self._dense = self._last < _MOST_PLACES_PER_ID * len(listed)
        with tf.init_scope(), tf.device("/CPU:0"):
            if self._dense:
                table = np.full(self._last + 1, b"", object)
                known = np.zeros(self._last + 1, np.bool_)
                table[listed], known[listed] = [spelt[token_id] for token_id in listed.tolist()], True
                self._table = tf.constant(table)
                self._known = None if known.all() else tf.constant(known)
            else:
                self._table = tf.constant(np.array([spelt[token_id] for token_id in listed.tolist()], object))
                self._listed = tf.constant(listed)

    def __call__(self, ids: Tensor) -> Tensor:
        """The bytes of each id, string, shaped like `ids`.

        Fails with InvalidArgument where an id is none.
        """
        flat = tf.reshape(ids, [-1])
        place, known = self._places(flat)
        message = (
            f"ids to detokenize must be tokens of the vocabulary, which ends at {self._last};"
            " this is none, and there it stands:"
        )
        # `tf.where` takes no scalars.
        shaped, wrong = (ids, tf.reshape(~known, tf.shape(ids))) if ids.shape.rank else (flat, ~known)
        first = tf.where(wrong)[:1]  # [1 or 0, rank]
        asserted = tf.debugging.Assert(tf.reduce_all(known), [message, tf.gather_nd(shaped, first), first])
        with tf.control_dependencies([asserted]):
            return tf.reshape(tf.gather(self._table, place), tf.shape(ids))

    def _places(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Where in the table each id is, and which ids there are."""
        if not self._dense:
            ids = tf.cast(ids, tf.int64)
            place = tf.raw_ops.LowerBound(sorted_inputs=self._listed[None, :], values=ids[None, :])[0]
            place = tf.minimum(place, len(self._listed) - 1)
            return place, tf.gather(self._listed, place) == ids
        inside = (ids >= 0) & (ids <= self._last)
        place = tf.where(inside, ids, tf.zeros_like(ids))
        return place, inside if self._known is None else inside & tf.gather(self._known, place)
