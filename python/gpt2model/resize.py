"""How does a vocabulary grow or shrink? Word embeddings of another number of rows.

Owns the exchange of the layer that holds them (and of an untied head) within a built model. Refuses to
reorder rows.
"""

from __future__ import annotations

from typing import Any

import keras

from .lora import forget_compiled
from .number_checks import whole_number
from .weight_names import to_numpy


def resize_word_embeddings(model: Any, rows: int | None, multiple: int | None) -> keras.layers.Layer:
    """Put a layer with `rows` rows, rounded up to a multiple, in the place of the word embeddings.

    Raises:
        TypeError: a number of rows that is no integer.
        ValueError: fewer than one row, a quantized model, a head with LoRA, or an optimizer with state for the
            old rows.
    """
    backbone, config = getattr(model, "transformer", model), model.config
    for argument, given, low, hint in (
        ("new_num_tokens", rows, None, ", the size of the vocabulary (len(tokenizer))"),
        ("pad_to_multiple_of", multiple, 1, " such as 64"),
    ):
        if given is not None:
            whole_number(f"resize_token_embeddings: {argument}", given, hint=hint, low=low)
    rows = config.vocab_size if rows is None else int(rows)
    if multiple is not None:
        rows = -(-rows // multiple) * multiple
    if rows < 1:
        raise ValueError(f"resize_token_embeddings: a vocabulary has at least 1 token, not {rows}.")
    if rows == config.vocab_size:
        return backbone.wte
    if backbone.wte.quantization_mode is not None:
        raise ValueError(
            "resize_token_embeddings: the model is quantized; resize first and quantize afterwards."
        )
    if getattr(model, "optimizer", None) is not None and model.optimizer.built:
        raise ValueError(
            "resize_token_embeddings: the optimizer has state for the old rows; resize before training, or compile the "
            "model again first."
        )
    old, head = backbone.wte, getattr(model, "lm_head", None)
    if old.lora_enabled or (head is not None and head.lora_enabled):
        raise ValueError(
            "resize_token_embeddings: the embeddings or the head have LoRA, which fits the old vocabulary only; resize "
            "before enable_lora."
        )
    config.vocab_size = rows
    config.vocabulary_sha256 = None  # the tokenizer is another one from now on
    new = backbone._word_embeddings(rows)
    _exchange(backbone, "wte", old, new, ())
    _copy(old._embeddings, new._embeddings, axis=0)
    if head is not None:
        fresh = model._language_model_head()
        _exchange(model, "lm_head", head, fresh, ((None, None, config.n_embd),))
        _copy(head._kernel, fresh._kernel, axis=1)
    forget_compiled(model)
    return new


def _exchange(owner: Any, name: str, old: Any, new: Any, shape: tuple[Any, ...]) -> None:
    """Replace a layer of a built one in its place: the order of the weights is that of a saved file."""
    new.dtype_policy = old.dtype_policy
    owner._tracker.replace_tracked_value("layers", old, new)
    setattr(owner, name, new)
    with owner._open_name_scope():
        new.build(*shape)
    new.trainable = old.trainable


def _copy(old: keras.Variable, new: keras.Variable, axis: int) -> None:
    """The rows (or columns) that both have keep their values."""
    values = to_numpy(new).copy()
    shared = min(int(old.shape[axis]), int(new.shape[axis]))
    cut = (slice(None),) * axis + (slice(0, shared),)
    values[cut] = to_numpy(old)[cut]
    new.assign(values)
    new.trainable = old.trainable
