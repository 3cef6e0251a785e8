"""What checkpoint is a live model? Its variables under Hugging Face's names, read when asked.

Owns the view of a Keras model as a `Checkpoint`, so that every writer takes models and files alike. Refuses
to copy: a tensor is fetched from the model when it is read, with LoRA merged and int8 turned back to real
numbers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..weight_names import WeightSlot, named_weights
from .names import PREFIX, is_backbone
from .tensors import DTYPES, Array, Checkpoint, Tensor

if TYPE_CHECKING:
    import keras


def checkpoint_of_model(
    model: keras.Model, *, place: str = "the model", format: str = "keras", files: tuple[Path, ...] = ()
) -> Checkpoint:
    """A model as a checkpoint.

    Arguments:
        model: one of the six classes.
        place, format, files: where the model came from, for messages.

    Example:
        >>> from gpt2model import GPT2Config, GPT2Model
        >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> checkpoint_of_model(model).shape("transformer.h.0.attn.c_attn.weight")
        (4, 12)
    """
    fields: dict[str, Any] = {**model.config.to_dict(), "architectures": [type(model).__name__]}
    checkpoint = Checkpoint(format, place, files, fields)
    for name, slot in slots_of(model).items():
        dtype = str(slot.variable.dtype)
        known = dtype if dtype in DTYPES else "float32"  # int8 comes back as real numbers
        checkpoint.add(
            Tensor(name, slot.shape, known, f"{place}: {name}", partial(_rows, slot, known), whole=True)
        )
    return checkpoint


def slots_of(model: keras.Model) -> dict[str, WeightSlot]:
    """The model's variables by canonical name: also a bare `GPT2Model`'s have the prefix `transformer.`."""
    return {
        f"{PREFIX}{name}" if is_backbone(f"{PREFIX}{name}") else name: slot
        for name, slot in named_weights(model).items()
    }


def _rows(slot: WeightSlot, dtype: str, start: int, stop: int) -> Array:
    return np.atleast_1d(slot.read())[start:stop].astype(DTYPES[dtype], copy=False)
