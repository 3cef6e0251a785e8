"""In which form do the weights generate fastest? Each kernel turned round once, float32, bfloat16 or int8.

Owns the making of that form from a model and its keeping until the model changes. Refuses to compute with it
(`decoder.py`).

A step of generation multiplies one row with every kernel, so it takes as long as reading them. XLA on a CPU
reads a kernel of shape (outputs, inputs) row by row at nearly the memory's speed, and Keras' (inputs, outputs)
at little more than half of it: 24 and 38 ms for a step of gpt2-small in float32, on two cores, JAX 0.10.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, final
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import ops

from ..backend import BACKEND, Tensor, on_cpu
from ..errors import GenerationConfigError
from ..learned_activation import GPT2Activation
from ..weight_names import named_weights

Weights: TypeAlias = dict[str, Any]  # a pytree of tensors

FORMS = ("float32", "bfloat16", "int8")


def check_form(form: Any) -> None:
    """Refuse what is none of the `FORMS`.

    Raises:
        GenerationConfigError: naming it.
    """
    if form not in FORMS:
        raise GenerationConfigError(f"weights must be one of {', '.join(FORMS)}, not {form!r}.")


@final
class Kernel(NamedTuple):
    """The kernel of a product, turned round.

    Attributes:
        rows: shards of (outputs, inputs), one after the other; on PyTorch one. Before they are `cut`, on TensorFlow,
            one NumPy array that the shards are views of.
        scale: (outputs,), what the product is multiplied by; empty but for int8.
        bias: (outputs,), or empty.
    """

    rows: tuple[Tensor, ...]
    scale: Tensor | tuple[()]
    bias: Tensor | tuple[()]


def quantized(rows: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows, and the scale of each: the largest absolute value becomes 127."""
    rows = ops.cast(rows, "float32")
    scale = ops.maximum(ops.max(ops.absolute(rows), axis=1), 1e-12) / 127.0
    return ops.cast(ops.round(rows / ops.expand_dims(scale, 1)), "int8"), scale


def kernel(rows: Tensor, bias: Tensor | None, form: str, *, borrowed: bool = False) -> Kernel:
    """(outputs, inputs) in one of the `FORMS`, or as it is; on TensorFlow not cut into shards yet.

    Arguments:
        borrowed: the rows are the model's own array, which a float32 kernel may be without a copy.
    """
    scale: Tensor | tuple[()] = ()
    if form == "int8":
        rows, scale = quantized(rows)
    elif form == "bfloat16":
        rows = ops.cast(rows, "bfloat16")
    if BACKEND == "torch" and form != "float32":
        rows = rows.contiguous()  # a copy anyway; as it was turned, a step takes twice as long
    added = () if bias is None else ops.cast(bias, "float32")
    if BACKEND == "jax":
        own = not borrowed or form != "float32"
        return Kernel(_shards_of_jax(rows, form) if own else (rows,), scale, added)
    whole = _lying(rows) if _shard_count(form, None) > 1 else rows
    return Kernel((whole,), scale, added)


def _shards_of_jax(rows: Tensor, form: str) -> tuple[Tensor, ...]:
    """The shards that JAX multiplies fastest on a CPU, whatever the number of rows on the other side.

    Its XLA shares out a product among the cores, but with shards none waits for the other at the end of each. A step
    of gpt2-small, products only, in a loop, milliseconds, JAX 0.10, two cores, by turns; shards of query, key and
    value (2,304 by 768), projection (768 by 768), first (3,072 by 768) and second product of the network in a layer
    (768 by 3,072), head (50,257 by 768):
        float32   1,1,1,1,1 20.4   2,2,2,2,2 23.0   3,1,3,1,3 18.0   3,1,4,1,4 18.1   3,2,4,2,3 20.2   4,1,6,1,8 25.2
                  (in another minute 3,1,3,1,3 20.7   3,1,3,1,1 20.9: a head that is the model's own table stays whole)
        bfloat16  1,1,1,1,1 13.3   2,2,2,2,2 11.8   2,1,2,2,2 11.8   2,2,2,2,4 12.2   4,2,4,2,2 12.3
        int8      1,1,1,1,1  7.6   2,2,2,2,2  7.1   2,1,2,2,2  7.3   2,2,2,2,4  7.3   2,1,2,1,2  8.0
    Eight rows: float32 35.1, 29.4 with 2,2,2,2,2 and 28.5 with 3,1,3,1,3; bfloat16 21.2 and 13.1.
    """
    if not on_cpu() or len(rows.sharding.device_set) > 1:
        return (rows,)
    cores = min(os.cpu_count() or 1, 8)
    shards = cores
    if form == "float32":  # long rows are read fast as they are
        shards = cores + 1 if cores > 1 and rows.shape[0] > rows.shape[1] else 1
    shards = shards if len(rows) >= 64 * shards else 1
    return tuple(rows[start:end] for start, end in pairwise(_borders(len(rows), shards)))


def _shard_count(form: str, rows: int | None) -> int:
    """How many shards a kernel is cut into, for so many rows.

    TensorFlow's XLA multiplies a lone row on one core, but runs products that do not need each other at once. Whoever
    takes part late has less to do where there is a shard more than cores; several rows it shares out itself. Tokens
    a second of gpt2-small on two cores, TensorFlow 2.21, each alone: float32, one row: 2 shards 40.3, 3 shards 45.2,
    4 shards 40.4, 6 shards 33 (2 unequal ones, 4 to 6: 42.6; 3 unequal ones 41 to 45); eight rows: 1 shard 156, 2
    shards 162, 3 shards 143. int8, microseconds for one row against 3,072: 2 shards 226, 3 shards 257.
    """
    if BACKEND != "tensorflow" or not on_cpu():
        return 1
    cores = min(os.cpu_count() or 1, 8)
    return cores + 1 if rows == 1 and cores > 1 and form != "int8" else cores


def _borders(count: int, shards: int) -> list[int]:
    """Where shards begin and end: at multiples of 64 rows, so that each lies as XLA wants it."""
    return [count * place // shards // 64 * 64 for place in range(shards)] + [count]


def _lying(rows: Tensor) -> np.ndarray[Any, Any]:
    """The numbers of a TensorFlow tensor, once, where views can be cut out of them; NumPy asks for large pages."""
    bits = ops.convert_to_numpy(rows)
    room = np.empty(bits.nbytes + 64, "uint8")
    start = -room.ctypes.data % 64
    lying = room[start : start + bits.nbytes].view(bits.dtype).reshape(bits.shape)
    lying[...] = bits
    return lying


def _seen(lying: np.ndarray[Any, Any], start: int, end: int) -> Tensor:
    """Rows of it as a TensorFlow tensor, not copied."""
    tensorflow = sys.modules["tensorflow"]
    part = lying[start:end]
    if part.dtype.name != "bfloat16":
        return tensorflow.experimental.dlpack.from_dlpack(part.__dlpack__())
    bits = tensorflow.experimental.dlpack.from_dlpack(part.view("uint16").__dlpack__())
    return tensorflow.bitcast(bits, "bfloat16")


def cut(weights: Weights, shards: int) -> Weights:
    """Weights whose kernels have as many shards, not copied; those with few rows stay whole."""

    def of(kernel: Kernel) -> Kernel:
        lying = kernel.rows[0]
        if not isinstance(lying, np.ndarray):
            return kernel
        borders = _borders(len(lying), shards if len(lying) >= 64 * shards else 1)
        return kernel._replace(rows=tuple(_seen(lying, start, end) for start, end in pairwise(borders)))

    def each(parts: Weights) -> Weights:
        return {name: of(part) if isinstance(part, Kernel) else part for name, part in parts.items()}

    return {**each(weights), "layers": [each(layer) for layer in weights["layers"]]}


def prepared(model: Any, form: str = "float32", rows: int | None = None) -> Weights:
    """A model's weights for generation, made once and again whenever the model's have changed.

    Arguments:
        model: a model with a language-model head.
        form: of the kernels, one of `FORMS`; everything else stays float32.
        rows: that a step multiplies with each kernel, if known; the numbers are the same ones for any.
    """
    marks = _marks(model)
    kept: dict[str, tuple[list[Any], dict[int, Weights]]] = _prepared.setdefault(model, {})
    if form not in kept or not _same(kept[form][0], marks):
        whole = _made(model, form)
        kept.clear()  # one form at a time: a second one is a second model in memory
        kept[form] = (marks, {_WHOLE: whole})
    cuts, shards = kept[form][1], _shard_count(form, rows)
    if shards not in cuts:
        cuts[shards] = cut(cuts[_WHOLE], shards)
    return cuts[shards]


_WHOLE = 0
_prepared: WeakKeyDictionary[Any, dict[str, tuple[list[Any], dict[int, Weights]]]] = WeakKeyDictionary()


def _marks(model: Any) -> list[Any]:
    """What tells whether a variable has changed. It keeps the old values alive, so that an address never
    comes twice."""
    values = [variable.value for variable in model.variables]
    if BACKEND == "jax":
        return values  # immutable: another value is another object
    if BACKEND == "torch":
        return [(value, value.data_ptr(), value._version) for value in values]
    # A read shares its buffer with the variable until the variable is assigned to.
    return [value.read_value() if hasattr(value, "read_value") else value for value in values]


def _same(old: list[Any], new: list[Any]) -> bool:
    if len(old) != len(new):
        return False
    if BACKEND == "torch":
        return all(a[0] is b[0] and a[1:] == b[1:] for a, b in zip(old, new, strict=True))
    if BACKEND == "tensorflow":
        return all(_address(a) == _address(b) for a, b in zip(old, new, strict=True))
    return all(a is b for a, b in zip(old, new, strict=True))


def _address(tensor: Any) -> Any:
    """Where a TensorFlow tensor's numbers lie; for one on an accelerator, something that never comes twice."""
    try:
        return np.asarray(memoryview(tensor)).__array_interface__["data"][0]
    except (TypeError, ValueError, BufferError):
        return object()


def _made(model: Any, form: str) -> Weights:
    backbone = model.transformer
    tensors = _tensors(model)

    def get(variable: Any) -> Tensor:
        return tensors(variable)

    def dense(layer: Any) -> Kernel:
        rows = _turned(_kernel_of(layer, get))
        return kernel(rows, None if layer.bias is None else get(layer.bias), form)

    def norm(layer: Any) -> tuple[Tensor, Tensor]:
        return ops.cast(get(layer.gamma), "float32"), ops.cast(get(layer.beta), "float32")

    def learned(act: Any) -> tuple[Tensor, ...]:
        numbers = act.numbers if isinstance(act, GPT2Activation) else ()
        return tuple(ops.cast(get(number), "float32") for number in numbers)

    def crossing(block: Any) -> Weights:
        return {
            "ln_cross": norm(block.ln_cross_attn),
            "cross_q": dense(block.crossattention.q_attn),
            "cross_kv": dense(block.crossattention.c_attn),
            "cross_proj": dense(block.crossattention.c_proj),
        }

    layers = [
        {
            "ln_1": norm(block.ln_1),
            "qkv": dense(block.attn.c_attn),
            "proj": dense(block.attn.c_proj),
            "ln_2": norm(block.ln_2),
            "fc": dense(block.mlp.c_fc),
            "act": learned(block.mlp.act),
            "out": dense(block.mlp.c_proj),
            **({} if block.crossattention is None else crossing(block)),
        }
        for block in backbone.h
    ]
    words = get(backbone.wte.embeddings)  # (vocabulary, n_embd): rows already
    table = kernel(words, None, form, borrowed=True)
    head = table if model.lm_head is None else dense(model.lm_head)
    return {
        "wte": table,
        "wpe": ops.cast(get(backbone.wpe.embeddings), "float32"),
        "layers": layers,
        "ln_f": norm(backbone.ln_f),
        "head": () if model.lm_head is None else head,
    }


def _tensors(model: Any) -> Any:
    """From a variable to its value: its own, or, where the layer is quantized, what its numbers mean."""
    quantized_layers = [
        layer for layer in model._flatten_layers() if getattr(layer, "quantization_mode", None) is not None
    ]
    if not quantized_layers:
        return _value
    meant = {id(slot.variable): slot for slot in named_weights(model).values()}

    def get(variable: Any) -> Tensor:
        slot = meant.get(id(variable))
        if slot is None or variable.dtype != "int8":
            return _value(variable)
        value = slot.read()
        return ops.convert_to_tensor(value.T if slot.transposed else value)

    return get


def _kernel_of(layer: Any, get: Any) -> Tensor:
    if getattr(layer, "lora_enabled", False) and layer.quantization_mode is None:
        return ops.convert_to_tensor(layer.kernel)  # with the addition merged in
    return get(layer._kernel)


def _value(variable: Any) -> Tensor:
    value = variable.value if isinstance(variable, keras.Variable) else variable
    if BACKEND == "tensorflow" and hasattr(value, "read_value"):
        return value.read_value()
    return value.detach() if BACKEND == "torch" else value


def _turned(rows: Tensor) -> Tensor:
    """The transpose, as numbers that lie in that order."""
    if BACKEND == "torch":
        return rows.t()  # MKL reads both ways alike; no second model in memory
    return ops.transpose(rows)


def nbytes(weights: Weights) -> int:
    """Bytes that a step of generation reads, the position embeddings left out."""
    total = 0
    for leaf in keras.tree.flatten({name: part for name, part in weights.items() if name != "wpe"}):
        size = {"int8": 1, "bfloat16": 2}.get(keras.backend.standardize_dtype(leaf.dtype), 4)
        total += size * int(np.prod(leaf.shape))
    return total
