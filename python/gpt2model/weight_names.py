"""Which Keras variable is which Hugging Face tensor? The names, the slots, both directions.

Owns the mapping between a model's variables and the names and orientation that Hugging Face's GPT-2
checkpoints use, and the value of a slot as such a checkpoint holds it (LoRA merged, int8 turned back to real
numbers). Refuses files: reading and writing them is `gpt2model.checkpoints`' business.

Kernels of a block have the same shape here and there, (inputs, outputs), because Hugging Face's Conv1D has;
kernels of heads are torch Linear weights there, (outputs, inputs): `WeightSlot.transposed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import keras
import numpy as np
from numpy.typing import NDArray

from .activation_weights import activation_weights
from .learned_activation import GPT2Activation


@final
@dataclass(frozen=True)
class WeightSlot:
    """The place of one tensor of a checkpoint in a model.

    Attributes:
        variable: the Keras variable that holds it (for a quantized layer: the int8 numbers).
        transposed: whether Hugging Face stores the variable's transpose.
        layer: the Keras layer whose weight it is.
    """

    variable: keras.Variable
    transposed: bool
    layer: keras.layers.Layer

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor in a Hugging Face checkpoint."""
        shape = tuple(int(side) for side in self.variable.shape)
        return shape[::-1] if self.transposed else shape

    def read(self) -> NDArray[Any]:
        """The value as a Hugging Face checkpoint holds it: LoRA merged in, int8 turned back to real numbers.

        Returns:
            A NumPy array of `shape`, of the variable's dtype (float32 for bfloat16 and for quantized layers,
            which NumPy alone cannot hold).
        """
        value = _plain_value(self.layer, self.variable)
        return np.ascontiguousarray(value.T) if self.transposed else value

    def assign(self, value: Any) -> None:
        """Put a tensor of a Hugging Face checkpoint in its place.

        Arguments:
            value: an array of `shape`.

        Raises:
            ValueError: another shape, or a quantized layer (whose scales would no longer fit: load first,
                quantize then).
        """
        if tuple(value.shape) != self.shape:
            raise ValueError(
                f"{self.variable.path} takes a tensor of shape {self.shape}, not {tuple(value.shape)}; "
                "the checkpoint belongs to another configuration."
            )
        if self.variable.dtype == "int8":
            raise ValueError(
                f"{self.variable.path} is quantized to int8; load the weights into a fresh model and quantize "
                "afterwards."
            )
        self.variable.assign(value.T if self.transposed else value)


def named_weights(model: keras.Model) -> dict[str, WeightSlot]:
    """The slots of a model by Hugging Face's names, in the order of a Hugging Face state dict.

    Arguments:
        model: a `GPT2Model` (names without prefix: "h.0.attn.c_attn.weight") or a model with a head (its
            backbone's names open with "transformer."). A tied head has no slot of its own.

    Example:
        >>> from gpt2model import GPT2Config, GPT2LMHeadModel
        >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> slots = named_weights(model)
        >>> list(slots)[:3], slots["transformer.h.0.attn.c_attn.weight"].shape
        (['transformer.wte.weight', 'transformer.wpe.weight', 'transformer.h.0.ln_1.weight'], (4, 12))
    """
    return dict(_slots(model))


def _slots(model: keras.Model) -> Iterator[tuple[str, WeightSlot]]:
    backbone = getattr(model, "transformer", model)
    prefix = "" if backbone is model else "transformer."
    yield from _embedding(f"{prefix}wte", backbone.wte)
    yield from _embedding(f"{prefix}wpe", backbone.wpe)
    for index, block in enumerate(backbone.h):
        yield from _block(f"{prefix}h.{index}", block)
    yield from _norm(f"{prefix}ln_f", backbone.ln_f)
    for name in ("lm_head", "score", "classifier", "qa_outputs"):
        head = getattr(model, name, None)
        if isinstance(head, keras.layers.Layer):  # `score` is a method, too, of the models that generate
            yield from _dense(name, head, transposed=True)
    summary = getattr(model, "multiple_choice_head", None)
    if summary is not None:
        if summary.summary is not None:
            yield from _dense("multiple_choice_head.summary", summary.summary, transposed=True)
        yield from _activation("multiple_choice_head.activation", summary.activation)


def _block(name: str, block: Any) -> Iterator[tuple[str, WeightSlot]]:
    yield from _norm(f"{name}.ln_1", block.ln_1)
    yield from _dense(f"{name}.attn.c_attn", block.attn.c_attn)
    yield from _dense(f"{name}.attn.c_proj", block.attn.c_proj)
    yield from _norm(f"{name}.ln_2", block.ln_2)
    if block.crossattention is not None:
        yield from _dense(f"{name}.crossattention.c_attn", block.crossattention.c_attn)
        yield from _dense(f"{name}.crossattention.q_attn", block.crossattention.q_attn)
        yield from _dense(f"{name}.crossattention.c_proj", block.crossattention.c_proj)
        yield from _norm(f"{name}.ln_cross_attn", block.ln_cross_attn)
    yield from _dense(f"{name}.mlp.c_fc", block.mlp.c_fc)
    yield from _dense(f"{name}.mlp.c_proj", block.mlp.c_proj)
    yield from _activation(f"{name}.mlp.act", block.mlp.act)


def _activation(name: str, act: Any) -> Iterator[tuple[str, WeightSlot]]:
    if isinstance(act, GPT2Activation):
        for own, variable in zip(activation_weights(act.function), act.numbers, strict=True):
            yield f"{name}.{own}", WeightSlot(variable, False, act)


def _embedding(name: str, layer: Any) -> Iterator[tuple[str, WeightSlot]]:
    yield f"{name}.weight", WeightSlot(layer._embeddings, False, layer)


def _norm(name: str, layer: Any) -> Iterator[tuple[str, WeightSlot]]:
    yield f"{name}.weight", WeightSlot(layer.gamma, False, layer)
    yield f"{name}.bias", WeightSlot(layer.beta, False, layer)


def _dense(name: str, layer: Any, *, transposed: bool = False) -> Iterator[tuple[str, WeightSlot]]:
    # `layer.kernel` is a tensor made anew when LoRA or quantization is on; `_kernel` is the variable in every
    # case.
    yield f"{name}.weight", WeightSlot(layer._kernel, transposed, layer)
    if layer.bias is not None:
        yield f"{name}.bias", WeightSlot(layer.bias, False, layer)


def _plain_value(layer: Any, variable: keras.Variable) -> NDArray[Any]:
    """The variable's numbers with quantization undone and LoRA merged; (inputs, outputs) for a kernel."""
    value = to_numpy(variable)
    is_kernel = variable is getattr(layer, "_kernel", None)
    is_table = variable is getattr(layer, "_embeddings", None)
    if not (is_kernel or is_table):
        return value
    part = "kernel" if is_kernel else "embeddings"
    mode = layer.quantization_mode
    if mode == "int8":
        scale = to_numpy(getattr(layer, f"{part}_scale"))  # (outputs,) of a kernel, (rows,) of a table
        value = value.astype("float32") / (scale if is_kernel else scale[:, None])
    elif mode is not None:
        raise ValueError(
            f"{variable.path} is quantized to {mode}, and only int8 can be turned back into a checkpoint: save it"
            " before it is quantized, or with model.save('model.keras'), which keras.saving.load_model reads as it is."
        )
    if getattr(layer, "lora_enabled", False):
        low, high = to_numpy(getattr(layer, f"lora_{part}_a")), to_numpy(getattr(layer, f"lora_{part}_b"))
        value = (value + (layer.lora_alpha / layer.lora_rank) * (low @ high)).astype(value.dtype)
    return value


def to_numpy(variable: Any) -> NDArray[Any]:
    """A variable's value in NumPy; bfloat16, which NumPy alone lacks, as float32."""
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":
        variable = keras.ops.cast(variable, "float32")
    return np.asarray(keras.ops.convert_to_numpy(variable))
