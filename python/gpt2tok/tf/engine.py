"""What does the layer run? The graph from strings to rows of ids, for one vocabulary and one set of options.

Owns the traced functions and the shapes that texts and ids may have. Refuses Keras (`layer.py`) and
files (`export.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ..hugging_face.added_tokens import AddedToken
from ..hugging_face.base_vocabulary import BaseVocabulary, bytes_of
from .added import AddedFinder
from .dense import RowLayout, dense, ragged
from .detokens import Spelling
from .graph_tables import graph_tables
from .merging import Merger
from .pretokens import find_pretokens

Tensor = Any

MAX_RANK = 2


class TokenizerEngine:
    """The graph of one tokenizer. Immutable, safe to share between threads. Final."""

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        added: Mapping[int, AddedToken],
        layout: RowLayout,
        *,
        split_special: bool,
        prefix_space: bool,
        errors: str,
    ) -> None:
        self._layout, self._errors = layout, errors
        tokens = list(added.values())
        self._finder = AddedFinder(
            tokens, split_special=split_special, prefix_space=prefix_space, errors=errors
        )
        self._merger = Merger(graph_tables(vocab, merges), list(added) if self._finder.makes_marks else [])
        self.special_ids = sorted(token_id for token_id, token in added.items() if token.special)
        self._spelling = Spelling(_spelt(vocab, merges, added))
        # Traced once each; whoever calls them in a graph of his own gets the ops inlined.
        self._flat = _graph(self._flat_ids, tf.TensorSpec([None], tf.string))

    def _flat_ids(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        marked, marks = self._finder(texts)
        return self._merger.ids(find_pretokens(marked, marks, self._errors), tf.size(texts))

    def rows(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Texts, string [batch], to ids int32 [ids] and row splits int64 [batch + 1], nothing put around them."""
        with tf.device("/CPU:0"):
            return self._flat(texts)

    def tokenize(self, texts: Tensor, max_length: Tensor | None, dtype: tf.DType) -> dict[str, Tensor]:
        """Texts of rank 0 to 2 or ragged to `input_ids` and `attention_mask` with one more dimension."""
        flat, shape = _flattened(texts)
        ids, splits = self.rows(flat)
        with tf.device("/CPU:0"):
            if max_length is not None:
                matrix, mask = dense(ids, splits, tf.cast(max_length, tf.int64), self._layout)
                if isinstance(max_length, int):
                    matrix, mask = (tf.ensure_shape(x, [None, max_length]) for x in (matrix, mask))
                return {
                    "input_ids": shape.dense(tf.cast(matrix, dtype)),
                    "attention_mask": shape.dense(tf.cast(mask, dtype)),
                }
            values, splits = ragged(ids, splits, self._layout)
            values = tf.cast(values, dtype)
            return {
                "input_ids": shape.ragged(values, splits),
                "attention_mask": shape.ragged(tf.ones_like(values), splits),
            }

    def tokenize_batch(self, texts: Tensor, max_length: int | None, dtype: tf.DType) -> dict[str, Tensor]:
        """Texts, string [batch], to matrices: as long as the longest row without `max_length`."""
        ids, splits = self.rows(texts)
        with tf.device("/CPU:0"):
            length = None if max_length is None else tf.constant(max_length, tf.int64)
            matrix, mask = dense(ids, splits, length, self._layout)
            return {"input_ids": tf.cast(matrix, dtype), "attention_mask": tf.cast(mask, dtype)}

    def detokenize(self, ids: Tensor, mask: Tensor | None, skip_special: bool) -> Tensor:
        """Ids of rank 0 and up, or ragged, to bytes: the last dimension is joined."""
        with tf.device("/CPU:0"):
            if isinstance(ids, tf.RaggedTensor):
                spelt = ids.with_flat_values(self._bytes(ids.flat_values, None, skip_special))
                return tf.strings.reduce_join(spelt, axis=-1)
            spelt = self._bytes(ids, mask, skip_special)
            return spelt if ids.shape.rank == 0 else tf.strings.reduce_join(spelt, axis=-1)

    def _bytes(self, ids: Tensor, mask: Tensor | None, skip_special: bool) -> Tensor:
        wanted = tf.ones_like(ids, tf.bool) if mask is None else tf.cast(mask, tf.bool)
        # What is masked may hold any number, -100 for one.
        spelt = self._spelling(tf.where(wanted, ids, tf.constant(self._layout.pad_id, ids.dtype)))
        if skip_special and self.special_ids:
            special = tf.constant(self.special_ids, ids.dtype)
            wanted &= ~tf.reduce_any(ids[..., None] == special, axis=-1)
        return spelt if mask is None and not skip_special else tf.where(wanted, spelt, "")


def _graph(function: Any, *signature: tf.TensorSpec) -> Any:
    # Wrapped: TensorFlow counts retracings by name, and would take many layers for one that traces again and again.
    return tf.function(lambda *t: function(*t), input_signature=signature, autograph=False)  # noqa: PLW0108


def _spelt(
    vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], added: Mapping[int, AddedToken]
) -> dict[int, bytes]:
    """The bytes of every id. What the merges do not make is text that stands for itself."""
    made = {left + right for left, right in merges}
    spelt = {
        token_id: bytes_of(token) if len(token) == 1 or token in made else token.encode()
        for token, token_id in vocab.items()
    }
    base = BaseVocabulary(vocab, merges)
    for token_id, token in added.items():
        if token_id not in spelt or not base.spells_bytes(token.content):
            spelt[token_id] = token.content.encode()
    return spelt


class _Shape:
    """How results get the dimensions of the texts back."""

    def __init__(self, texts: Tensor) -> None:
        self._texts = texts

    def ragged(self, values: Tensor, splits: Tensor) -> Tensor:
        texts = self._texts
        if isinstance(texts, tf.RaggedTensor):
            return texts.with_flat_values(tf.RaggedTensor.from_row_splits(values, splits, validate=False))
        if texts.shape.rank == 0:
            return values
        rows = tf.RaggedTensor.from_row_splits(values, splits, validate=False)
        if texts.shape.rank == 1:
            return rows
        size = tf.shape(texts, tf.int64)
        return tf.RaggedTensor.from_uniform_row_length(rows, size[1], nrows=size[0], validate=False)

    def dense(self, matrix: Tensor) -> Tensor:
        texts = self._texts
        if isinstance(texts, tf.RaggedTensor):
            return texts.with_flat_values(matrix)
        result = tf.reshape(matrix, tf.concat([tf.shape(texts), tf.shape(matrix)[1:]], 0))
        return tf.ensure_shape(result, texts.shape.as_list() + matrix.shape.as_list()[1:])


def _flattened(texts: Tensor) -> tuple[Tensor, _Shape]:
    if isinstance(texts, tf.RaggedTensor):
        return texts.flat_values, _Shape(texts)
    return tf.reshape(texts, [-1]), _Shape(texts)
