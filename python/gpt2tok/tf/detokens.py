"""Which bytes do ids stand for? A gather from a table of strings.

Owns the table and the checks of ids. Refuses to decode the bytes: a row may end inside a character.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any


class Spelling:
    """The bytes of every id. Immutable. Final.

    Args:
        spelt: id to bytes. Ids may be missing: they are as wrong as those beyond the last.
    """

    def __init__(self, spelt: Mapping[int, bytes]) -> None:
        size = max(spelt) + 1
        table = np.full(size, b"", object)
        known = np.zeros(size, np.bool_)
        for token_id, text in spelt.items():
            table[token_id], known[token_id] = text, True
        self._size = size
        with tf.init_scope(), tf.device("/CPU:0"):
            self._table = tf.constant(table)
            self._known = None if known.all() else tf.constant(known)

    def __call__(self, ids: Tensor) -> Tensor:
        """The bytes of each id, string, shaped like `ids`.

        Fails with InvalidArgument where an id is none.
        """
        inside = (ids >= 0) & (ids < self._size)
        safe = tf.where(inside, ids, tf.zeros_like(ids))
        if self._known is not None:
            inside &= tf.gather(self._known, safe)
        message = f"ids to detokenize must be tokens of the vocabulary, which ends at {self._size - 1}; this is none:"
        flat = tf.reshape(ids, [-1])
        with tf.control_dependencies(
            [tf.debugging.Assert(tf.reduce_all(inside), [message, _first(flat, tf.reshape(inside, [-1]))])]
        ):
            return tf.gather(self._table, safe)


def _first(values: Tensor, good: Tensor) -> Tensor:
    return tf.gather(values, tf.where(~good)[:1, 0])
