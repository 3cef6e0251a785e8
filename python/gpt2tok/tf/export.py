"""How does the tokenizer come to a server? As a SavedModel with two signatures and a warm-up file.

Owns the signatures, the warm-up requests and the writing of the directory, which appears whole or not at all. Refuses
models: a model with the layer in it is exported by Keras (`model.export`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import tensorflow as tf

from .arguments import checked_default_length, checked_mask, checked_places, checked_warm_up
from .branches import traced
from .serving_warmup import prediction_log

if TYPE_CHECKING:
    from .layer import TFGPT2Tokenizer

# One request that takes every branch of the graph: pretokens not in the table, characters beyond ASCII, wide white
# space, a contraction, a run, nothing at all.
_WARM_UP = (
    b"A warm-up sentence: it's unbelievably wonderful.",
    "Ünïcödé, \u3000日本語, \u00a0Привет 123".encode(),
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"",
)
_BROKEN = b"\xff\xfe broken \xc3"  # if it may be: bytes that are no UTF-8
MOST_PLACES = 1 << 25
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"


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
        warm_up_texts: the requests that a server runs before it takes traffic. None: some that take every branch of
            the graph; an empty list: no warm-up file.
        most_places: rows times columns that an answer of `tokenize` may have, padding included. One long text among
            many short ones makes a matrix far larger than the request; a request for more is refused, with
            InvalidArgument, and the server lives on. Each place takes some 40 bytes while it is made.
        overwrite: replace a directory that is there.

    Raises:
        TypeError: `max_length` or `most_places` is no int, or a warm-up text no text.
        TokenizerError: `max_length` or `most_places` is too small or too large.
        FileExistsError: something is there, and `overwrite` is False; or it is no directory.
        OSError: the directory cannot be written. Nothing is left behind.

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
    if warm_up_texts is None:
        warm_up_texts = (*_WARM_UP, *([_BROKEN] if layer._options["errors"] == "replace" else []))
    else:
        warm_up_texts = checked_warm_up(warm_up_texts)
    target = Path(directory)
    if (target.exists() or target.is_symlink()) and not _is_empty_directory(target):
        if not overwrite:
            raise FileExistsError(
                f"{target} is there already: choose another directory, or say overwrite=True"
            )
        if not target.is_dir():
            raise FileExistsError(
                f"{target} is a file, and a SavedModel is a directory: choose another place, or remove it"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that a rename puts it in place; hidden, so that a server that watches sees no version.
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        written = scratch / "new"
        module, signatures = _served(layer, max_length, skip_special_tokens, most_places)
        tf.saved_model.save(module, str(written), signatures=signatures)
        if warm_up_texts:
            texts = [text.encode() if isinstance(text, str) else text for text in warm_up_texts]
            _write_warm_up(written / WARM_UP_FILE, texts, signatures)
        if target.is_dir() and not target.is_symlink():
            target.rename(scratch / "old")
        written.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
            _, signatures = _served(layer, layer.max_length, False, MOST_PLACES)
            self._made = {**signatures, "_default_save_signature": signatures["tokenize"]}
        return self._made


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _served(
    layer: TFGPT2Tokenizer, max_length: int | None, skip_special: bool, most_places: int
) -> tuple[tf.Module, dict[str, Any]]:
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


def _write_warm_up(path: Path, texts: list[bytes], signatures: dict[str, Any]) -> None:
    batch = tf.constant(texts, tf.string)
    rows = signatures["tokenize"](batch)
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(prediction_log("gpt2tok", "tokenize", {"text": _tensor(batch)}))
        file.write(prediction_log("gpt2tok", "detokenize", {name: _tensor(rows[name]) for name in rows}))


def _tensor(value: Any) -> bytes:
    return tf.make_tensor_proto(value.numpy()).SerializeToString()
