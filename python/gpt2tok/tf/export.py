"""How does the tokenizer come to a server? As a SavedModel with two signatures and a warm-up file.

Owns the signatures and the warm-up requests. Refuses the writing of the directory (`directories.py`), and models: one
with the layer in it is exported by Keras (`model.export`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import tensorflow as tf

from .._core import TokenizerError
from ..serving.conventions import reason_of
from .arguments import (
    checked_default_length,
    checked_mask,
    checked_places,
    checked_switch,
    checked_warm_up,
)
from .branches import traced
from .directories import new_saved_model, write_warm_up
from .serving_warmup import prediction_log

if TYPE_CHECKING:
    from .layer import TFGPT2Tokenizer

# Requests that between them take every branch of the graph, which are run, and slow, when first taken. What is not
# there by default is added below: bytes that are no UTF-8, an added token.
_WARM_UP: tuple[tuple[bytes, ...], ...] = (
    (b"the cat", b""),  # pretokens of the table only
    (b"A warm-up sentence: it's unbelievably wonderful.",),  # a contraction, merges
    ("Ünïcödé, 日本語, Привет 123".encode(),),  # characters beyond ASCII
    ("wide\u3000white\u00a0 space".encode(),),
    (b"a" * 300,),  # a run, which takes more rounds of merges
    (b"ab" * 40 + b"aab" * 80 + b"xqzj" * 30,),  # and more
    tuple(b"q%dx zv%dk" % (i, 7 * i) for i in range(600)),  # many merges
)
_BROKEN = b"\xff\xfe broken \xc3"
MOST_PLACES = 1 << 25


def export_tokenizer(
    layer: TFGPT2Tokenizer,
    directory: str | os.PathLike[str],
    *,
    max_length: int | None = None,
    skip_special_tokens: bool = False,
    warm_up_texts: Sequence[str | bytes] | None = None,
    most_places: int = MOST_PLACES,
    overwrite: bool = False,
) -> None:
    """Writes a SavedModel with the signatures `tokenize` and `detokenize`, for TensorFlow Serving or the C API.

    `tokenize(text: string [batch])` gives `input_ids` and `attention_mask`, both [batch, length];
    `detokenize(input_ids, attention_mask: [batch, length])` gives `text_bytes`, string [batch], and leaves out what
    the mask says is padding. All ops are TensorFlow's own.

    Args:
        layer: the tokenizer.
        directory: made by this call. Servers expect a number as its last part: `models/gpt2tok/1`.
        max_length: the length of every row. None: the layer's own, else as long as the longest row of each batch.
        skip_special_tokens: leave special tokens out of detokenized text.
        warm_up_texts: what a server is asked before it takes traffic. None: requests that take every branch of the
            graph (those of them that `most_places` allows); an empty list: no warm-up file.
        most_places: rows times columns that an answer of `tokenize` may have, padding included. One long text among
            many short ones makes a matrix far larger than the request; a request for more is refused, with
            InvalidArgument, and the server lives on. Each place takes some 40 bytes while it is made.
        overwrite: replace a SavedModel that is there. A directory of other things is never replaced.

    Raises:
        TypeError: `max_length` or `most_places` is no int, a warm-up text no text, a switch no bool.
        TokenizerError: `max_length` or `most_places` is too small or too large, or `warm_up_texts` are refused by what
            is exported.
        FileExistsError: a SavedModel is there, and `overwrite` is False; or something else is.
        OSError: the directory cannot be written. Nothing is left behind, and what was there is there.

    Example:
        >>> import tempfile
        >>> from gpt2tok.tf import TFGPT2Tokenizer
        >>> directory = tempfile.mkdtemp() + "/gpt2tok/1"
        >>> export_tokenizer(TFGPT2Tokenizer.from_pretrained("gpt2"), directory, max_length=128)
        >>> sorted(tf.saved_model.load(directory).signatures)
        ['detokenize', 'tokenize']
    """
    max_length = layer.max_length if max_length is None else checked_default_length(max_length, layer._around)
    checked_places(most_places)
    skip_special_tokens = checked_switch("skip_special_tokens", skip_special_tokens)
    overwrite = checked_switch("overwrite", overwrite)
    given = None if warm_up_texts is None else checked_warm_up(warm_up_texts)
    with new_saved_model(directory, overwrite=overwrite) as written:
        module, signatures = tokenizer_signatures(layer, max_length, skip_special_tokens, most_places)
        tf.saved_model.save(module, str(written), signatures=signatures)
        write_warm_up(
            written, _default_warm_up(layer, signatures) if given is None else _warm_up_of(given, signatures)
        )


@final
class SavedFunctions:
    """The functions of a layer that TensorFlow saves with it: made when first asked for, then always the same.

    Not the layer's own attributes: Keras would make every checkpoint depend on them.
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __call__(self, layer: TFGPT2Tokenizer) -> dict[str, Any]:
        """`tokenize` and `detokenize` as `export_tokenizer` has them; the former is the default signature, too."""
        if not self._made:
            _, signatures = tokenizer_signatures(layer, layer.max_length, False, MOST_PLACES)
            self._made = {**signatures, "_default_save_signature": signatures["tokenize"]}
        return self._made


def tokenizer_signatures(
    layer: TFGPT2Tokenizer, max_length: int | None, skip_special: bool, most_places: int
) -> tuple[tf.Module, dict[str, Any]]:
    """What is saved: a module that holds the two signatures, and both by name."""
    engine, dtype = layer._engine, tf.as_dtype(layer.dtype)

    def tokenize(text: Any) -> Any:
        # Sessions take tensors of any rank, whatever the signature says.
        return engine.tokenize_batch(tf.ensure_shape(text, [None]), max_length, dtype, most_places)

    def detokenize(input_ids: Any, attention_mask: Any) -> Any:
        input_ids = tf.ensure_shape(input_ids, [None, None])
        mask = checked_mask(attention_mask, input_ids)
        return {"text_bytes": engine.detokenize(input_ids, mask, skip_special)}

    rows = [tf.TensorSpec([None, None], dtype, name) for name in ("input_ids", "attention_mask")]
    signatures = {
        "tokenize": traced(tokenize, tf.TensorSpec([None], tf.string, "text")).get_concrete_function(),
        "detokenize": traced(detokenize, *rows).get_concrete_function(),
    }
    # Concrete functions: saving would trace others again, and the model would hold everything twice.
    module = tf.Module()
    for name, function in signatures.items():
        setattr(module, name, function)
    return module, signatures


def _default_warm_up(layer: TFGPT2Tokenizer, signatures: dict[str, Any]) -> list[bytes]:
    requests = [list(texts) for texts in _WARM_UP]
    if layer._options["errors"] == "replace":
        requests.append([_BROKEN])
    if added := next(iter(layer._given.added.values()), None):
        requests.append([f"{added.content} and {added.content}".encode()])
    records = []
    for texts in requests:
        # A model that refuses one of these, which may be larger than it allows, needs no warm-up by it.
        with contextlib.suppress(tf.errors.InvalidArgumentError):
            records += _asked(texts, signatures)
    return records


def _warm_up_of(texts: list[str | bytes], signatures: dict[str, Any]) -> list[bytes]:
    if not texts:
        return []
    try:
        return _asked([text.encode() if isinstance(text, str) else text for text in texts], signatures)
    except tf.errors.InvalidArgumentError as error:
        reason = reason_of(str(error.message))
        raise TokenizerError(
            f"the exported model refuses warm_up_texts ({reason}): give others, or none, or another most_places"
        ) from None


def _asked(texts: list[bytes], signatures: dict[str, Any]) -> list[bytes]:
    """The texts as a request to `tokenize`, and its answer as one to `detokenize`."""
    batch = tf.constant(np.array(texts, object), tf.string)
    rows = signatures["tokenize"](batch)
    return [
        prediction_log("gpt2tok", "tokenize", {"text": tensor_bytes(batch)}),
        prediction_log("gpt2tok", "detokenize", {name: tensor_bytes(rows[name]) for name in rows}),
    ]


def tensor_bytes(value: Any) -> bytes:
    """An eager tensor as a serialized `TensorProto`."""
    return tf.make_tensor_proto(value.numpy()).SerializeToString()
