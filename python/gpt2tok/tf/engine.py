"""What does the layer run? The graph from strings to rows of ids, for one vocabulary and one set of options.

Owns the traced functions and the shapes that texts and ids may have. Refuses Keras (`layer.py`) and
files (`export.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, final

import tensorflow as tf

from .._core import TokenizerError
from ..hugging_face.added_tokens import AddedToken
from .added import AddedFinder
from .branches import traced
from .dense import MOST_PLACES, RowLayout, dense, ragged
from .detokens import Spelling
from .graph_tables import GraphTables, graph_tables
from .merging import Merger
from .pretokens import find_pretokens

Tensor = Any

# Of a batch. Its bytes are held eight times and more on the way: this many take 4 GB.
_MOST_BYTES = 1 << 28


@final
class TokenizerEngine:
    """The graph of one tokenizer. Immutable, safe to share between threads."""

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
        refuse_graphs_without_eager_mode("made")
        self._layout = layout
        tables = graph_tables(vocab, merges)
        self.special_ids = sorted(token_id for token_id, token in added.items() if token.special)
        listed = tuple(added.items())
        self._spelling = _spelling(tables, listed)
        self._flat = _flat_ids(tables, listed, split_special, prefix_space, errors)

    def rows(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Texts, string [batch], to ids int32 [ids] and row splits int64 [batch + 1], nothing put around them."""
        refuse_graphs_without_eager_mode("called")
        with tf.device("/CPU:0"):
            return self._flat(texts)

    def tokenize(self, texts: Tensor, max_length: Tensor | None, dtype: tf.DType) -> dict[str, Tensor]:
        """Texts of rank 0 to 2 or ragged to `input_ids` and `attention_mask` with one more dimension."""
        flat, shape = _flattened(texts)
        ids, splits = self.rows(flat)
        with tf.device("/CPU:0"):
            if max_length is not None:
                length = tf.cast(max_length, tf.int64)
                if tf.executing_eagerly():
                    matrix, mask = _dense_at_once(self._layout)(ids, splits, length)
                else:
                    matrix, mask = dense(ids, splits, length, self._layout)
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

    def tokenize_batch(
        self, texts: Tensor, max_length: int | None, dtype: tf.DType, most_places: int = MOST_PLACES
    ) -> dict[str, Tensor]:
        """Texts, string [batch], to matrices [batch, length]: as long as the longest row without `max_length`."""
        ids, splits = self.rows(texts)
        with tf.device("/CPU:0"):
            length = None if max_length is None else tf.constant(max_length, tf.int64)
            matrix, mask = dense(ids, splits, length, self._layout, most_places)
            return {"input_ids": tf.cast(matrix, dtype), "attention_mask": tf.cast(mask, dtype)}

    def detokenize(self, ids: Tensor, mask: Tensor | None, skip_special: bool) -> Tensor:
        """Ids of rank 0 and up, or ragged, to bytes: the last dimension is joined."""
        refuse_graphs_without_eager_mode("called")
        with tf.device("/CPU:0"):
            if isinstance(ids, tf.RaggedTensor):
                flat_mask = None if mask is None else mask.flat_values
                spelt = ids.with_flat_values(self._bytes(ids.flat_values, flat_mask, skip_special))
                return tf.strings.reduce_join(spelt, axis=-1)
            spelt = self._bytes(ids, mask, skip_special)
            return spelt if ids.shape.rank == 0 else tf.strings.reduce_join(spelt, axis=-1)

    def _bytes(self, ids: Tensor, mask: Tensor | None, skip_special: bool) -> Tensor:
        wanted = tf.ones_like(ids, tf.bool)
        if mask is not None:
            same = tf.reduce_all(tf.equal(tf.shape(ids), tf.shape(mask)))
            message = "attention_mask must have the shape of the ids; the shapes are:"
            told = [message, tf.shape(mask), tf.shape(ids)]
            with tf.control_dependencies([tf.debugging.Assert(same, told)]):
                wanted = tf.cast(mask, tf.bool)
        # What is masked may hold any number, -100 for one.
        spelt = self._spelling(tf.where(wanted, ids, tf.constant(self._spelling.some_id, ids.dtype)))
        if skip_special and self.special_ids:
            special = tf.constant(self.special_ids, ids.dtype)
            wanted &= ~tf.reduce_any(ids[..., None] == special, axis=-1)
        return spelt if mask is None and not skip_special else tf.where(wanted, spelt, "")


@lru_cache(maxsize=8)
def _flat_ids(
    tables: GraphTables,
    added: tuple[tuple[int, AddedToken], ...],
    split_special: bool,
    prefix_space: bool,
    errors: str,
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The graph from texts, string [batch], to ids and row splits.

    Kept and traced once: it takes a second, and Keras makes a layer anew at every load and clone. Layers that differ
    only in what stands around their ids share it.
    """
    tokens = [token for _, token in added]
    finder = AddedFinder(tokens, split_special=split_special, prefix_space=prefix_space, errors=errors)
    merger = Merger(tables, [token_id for token_id, _ in added] if finder.makes_marks else [])

    def flat_ids(texts: Tensor) -> tuple[Tensor, Tensor]:
        marked, marks = finder(_sane(texts))
        return merger.ids(find_pretokens(marked, marks, errors), tf.size(texts))

    return traced(flat_ids, tf.TensorSpec([None], tf.string))


def _sane(texts: Tensor) -> Tensor:
    size = tf.reduce_sum(tf.cast(tf.strings.length(texts), tf.int64))
    told = f"a batch may hold {_MOST_BYTES} bytes of text at most: give fewer texts at once; it holds:"
    with tf.control_dependencies([tf.debugging.Assert(size <= _MOST_BYTES, [told, size])]):
        return tf.identity(texts)


def refuse_graphs_without_eager_mode(done: str) -> None:
    """What is kept between calls is eager: a graph of TensorFlow 1 would leave its own tensors there.

    Raises:
        TokenizerError: this runs in one.
    """
    with tf.init_scope():
        if not tf.executing_eagerly():
            raise TokenizerError(
                f"the layer was {done} inside tf.Graph().as_default() or with eager execution off, as in TensorFlow 1:"
                " use it outside, or in a tf.function, or load an exported SavedModel there"
            )


@lru_cache(maxsize=32)
def _dense_at_once(layout: RowLayout) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """`dense` as one function: of a call outside of graphs, its thirty ops took nine tenths of the time, one by one."""
    vector, scalar = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)

    def dense_rows(ids: Tensor, splits: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        return dense(ids, splits, length, layout)

    return traced(dense_rows, tf.TensorSpec([None], tf.int32), vector, scalar)


@lru_cache(maxsize=8)
def _spelling(tables: GraphTables, added: tuple[tuple[int, AddedToken], ...]) -> Spelling:
    """The bytes of every id. An added token that no merge makes stands for its text."""
    made = set(tables.ids.tolist())
    return Spelling(
        {
            **tables.spelt,
            **{token_id: token.content.encode() for token_id, token in added if token_id not in made},
        }
    )


@final
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
