"""How is OpenAI's own checkpoint read? A TensorFlow 1 checkpoint with an `hparams.json`.

Owns the translation of its names (`model/h0/attn/c_attn/w`) and of `hparams.json`; TensorFlow's checkpoint
reader reads. Weights of a convolution have a leading axis of 1 in it. Refuses to follow the paths in
TensorFlow's `checkpoint` note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .names import canonical
from .tensors import Array, Checkpoint, Tensor

_LEAVES = {"g": "weight", "b": "bias", "w": "weight"}
# What optimizers and TensorFlow itself keep beside the weights.
_SLOTS = re.compile(
    r".*/(?:Adam(?:_\d+)?|Momentum|RMSProp(?:_\d+)?|ExponentialMovingAverage|\.ATTRIBUTES/.*)"
)
# What the reader raises for broken bytes, beside TensorFlow's own errors.
_FAILURES = (RuntimeError, ValueError, LookupError, TypeError)
# GPT-2's <|endoftext|> is the last token of its vocabulary; hparams.json does not say it.
_END_OF_TEXT = 50256
_HPARAMS = {
    "n_vocab": "vocab_size",
    "n_ctx": "n_positions",
    "n_embd": "n_embd",
    "n_head": "n_head",
    "n_layer": "n_layer",
}


def fields_of_hparams(hparams: Mapping[str, Any], place: str) -> dict[str, Any]:
    """An `hparams.json` under Hugging Face's names.

    Raises:
        CheckpointError: one of the five numbers is missing.

    Example:
        >>> hparams = {"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}
        >>> fields_of_hparams(hparams, "hparams.json")["n_positions"]
        1024
    """
    missing = [name for name in _HPARAMS if type(hparams.get(name)) is not int]
    if missing:
        raise CheckpointError(
            f"{place}: it lacks the number of {', '.join(missing)}: copy OpenAI's file again"
        )
    fields = {ours: hparams[theirs] for theirs, ours in _HPARAMS.items()}
    end = min(_END_OF_TEXT, max(0, fields["vocab_size"] - 1))
    return {"model_type": "gpt2", **fields, "bos_token_id": end, "eos_token_id": end}


def read_openai(index: Path, fields: dict[str, Any] | None, place: str) -> Checkpoint:
    """The tensors of a TensorFlow 1 checkpoint.

    Arguments:
        index: its `.index` file; the `.data-...` files lie beside it.
        fields: the configuration, from `fields_of_hparams`.
        place: the checkpoint's name in messages.

    Raises:
        ImportError: TensorFlow, whose reader is used, is not installed.
        CheckpointError: a broken or incomplete checkpoint.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            f"{index}: OpenAI's checkpoints are read by TensorFlow, which is not installed: pip install"
            " 'gpt2tok[tf]', or"
            " convert the checkpoint once where it is (gpt2model convert FROM TO)"
        ) from error
    prefix = str(index).removesuffix(".index")
    data = sorted(index.parent.glob(f"{index.name.removesuffix('.index')}.data-*"))
    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, *_FAILURES) as error:
        raise _broken(index, error) from error
    checkpoint = Checkpoint("openai", place, (index, *data), fields)
    for stored in sorted(shapes):
        if not stored.startswith("model/") or _SLOTS.fullmatch(stored):
            checkpoint.ignored.append(stored)
            continue
        name, shape = _name(stored), tuple(shapes[stored])
        if name.endswith(".weight") and len(shape) == 3 and shape[0] == 1:
            shape = shape[1:]
        rows = partial(_rows, reader=reader, index=index, stored=stored, shape=shape)
        checkpoint.add(
            Tensor(name, shape, dtypes[stored].name, f"{index.with_suffix('')}: {stored}", rows, whole=True)
        )
    return checkpoint


def _name(stored: str) -> str:
    *scopes, leaf = re.sub(r"/h(\d+)/", r"/h/\1/", stored).split("/")[1:]
    parts = [leaf, "weight"] if not scopes else [*scopes, _LEAVES.get(leaf, leaf)]
    return canonical(".".join(parts)) or stored


def _rows(start: int, stop: int, *, reader: Any, index: Path, stored: str, shape: tuple[int, ...]) -> Array:
    import tensorflow as tf

    try:
        value: Array = reader.get_tensor(stored)
    except (tf.errors.OpError, *_FAILURES) as error:
        raise _broken(index, error) from error
    return value.reshape(shape)[start:stop]


def _broken(index: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{index}: no whole TensorFlow checkpoint ({error}): its .data files are missing, cut off or of"
        " another checkpoint;"
        " copy all of it again"
    )
