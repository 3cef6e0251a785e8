"""How are a few rows multiplied with a big kernel? Whatever its form, without a second copy of it.

Owns the product for every form of the weights and every backend. Refuses to choose the form (`weights.py`).

Milliseconds for one row of 768 numbers against 50,257 rows; minima, since other work ran on the two cores (the row or
its copies stand left of the kernel where nothing else is said). Inside a loop, JAX 0.10:
    float32, one row                               21.2   15.5   (taken)
    float32, the row eight times                   36.3
    bfloat16, the row twice                        22.5   26.3
    bfloat16, the row eight times                  20.9   22.7
    int8, turned to float32 in the product         37.0          (whole kernel turned, before the loop)
    int8 by int8, one row                          31.5          (whole kernel turned to int32)
    int8 by int8, the row twice                    12.2    5.8
    int8 by int8, the row eight times               9.8    4.6
In the loop of a model of two layers and gpt2-small's width and vocabulary, 16 tokens, medians per token of programs
called by turns, JAX 0.10, kernel on the right and on the left:
    bfloat16, one row  14.4   9.0        eight rows  16.7  12.6
    int8, one row       4.9   3.5        eight rows  13.7   8.6
    (without the barrier XLA puts the kernel back on the right: no difference)
Alone, JAX 0.10 (one column, one run; bytes of bfloat16 at the memory's speed, 35 GB/s, take 2.2):
    float32, one row                                6.4
    bfloat16, one row, to bfloat16 or float32     119.0          (whole kernel turned to float32 first)
    ... with oneDNN, without XNNPACK, fast math   144.0          (the same)
    bfloat16, turned to float32 in the product    119.3          (the same, by shifting its bits, too)
    bfloat16 turned round, (768, 50,257)          131.9          twice 19.9
    bfloat16, multiply and sum                      6.5          in lanes of 16 to 256 first: 150 to 200
    bfloat16, the row twice                         6.2
    bfloat16, kernel on the left, the row once    216.7
    bfloat16, kernel on the left, the row twice     1.9          (taken) 3 times 1.9, 4 to 16 times 2.1
    int8 by int8, the row four times                2.8
    int8 by int8, kernel on the left, twice         2.1          4 times 2.1, 8 times 1.2 (taken)
    int8, kernel on the left, turned to bfloat16   53.9          to float32 100
    float32, kernel on the left, one row            9.9          twice 13.6
Alone, TensorFlow 2.21 (unsharded: one core):
    float32, one row                               11.1
    bfloat16, one row                              10.4          on the right 14.4, turned to float32 18.0
    bfloat16, the row twice, left or right         61.7
    bfloat16, multiply and sum                     78.7          lanes 86.7, pairs as uint32 36.9
    int8, turned to float32 in the product          8.0          (hoisted out of a loop: a float32 copy)
    int8 by int8, the row four times               13.0          on the right 8.4
TensorFlow's XLA has no product of bfloat16: it turns the kernel to float32, and does so before a loop. So a step reads
float32 whatever is asked, and the row twice was only slower (25.6 tokens a second of gpt2-small, once 44; float32 46).
Inside a loop of 24 kernels of 3,072 by 768, one row, microseconds, JAX 0.10.2 (its XLA calls YNNPACK), two cores of
an AMD EPYC with AVX512-BF16, the kernel on the right and on the left (bytes at the memory's speed, 43 GB/s):
    float32, the row once                         225     -      (219)
    float32, the row twice                        407   309
    bfloat16, the row twice                       198   293      (110; taken there: the right) 4 times 205, 293
    bfloat16, turned round, (768, 3,072), twice   249
    int8 by int8, the row twice                   102   101      (55) in two shards 110, 93; 4 times 128, 99
gpt2-small in bfloat16 generates 83 tokens a second with the kernel on the right there, 63 with it on the left.
On the processor of the other figures no flag had XLA call such a library (YNNPACK, XNNPACK, oneDNN). Microseconds for
one row against a kernel of 3,072 by 768 inside a loop there, on two cores:
    float32, in three shards                        317          (taken) 295 to 340
    bfloat16 kept in the loop (its bits combined with a nought that XLA cannot know), turned round, multiplied and
    summed 8 or 12 rows at a time                   310          4 rows 440, 16 and more 1,000, in tiles 390 to 470
    int8 likewise, 12 rows at a time                203          4 rows 299, 8 rows 230, 16 to 48 rows 230 to 320
    int8 by int8, in two shards, the row 4 times    257          8 times 226 (taken); in three shards 257
There TensorFlow 2.21 calls YNNPACK, too. All products of a step in a loop, in two shards, milliseconds, the kernel on
the right and on the left (behind a barrier; without one XLA turns the product round again: 8 rows 29):
    float32: 1 row 13.0, 12.8; 2 rows 66, 16; 4 rows 64, 17; 8 rows 67, 17 (taken); 16 rows 72, 21; 32 rows 136, 56;
    256 rows 216, 189; 896 rows 622, 624 (8 rows in one shard 99, 21; on the left 3 19, 4 17; inputs halved 55)
    int8: 1 row twice 6.7, 5.1 (taken); 4 times on the left 5.3; 8 times 9.0, 7.6; 8 rows 9.4, 8.1 (taken)
    bfloat16: 1 row 15.0, twice 30, 17; asked for float32 twice 14.6, 15.0
gpt2-small in float32, 8 rows, in TensorFlow: 225 tokens a second with the kernel on the right, 353 with it on the left.
In the loop of a step of gpt2-small (products only, kernels in shards, JAX 0.10, two cores), milliseconds of all its
products in float32, the kernel on the right and on the left: 1 row 18.3, 18.0; 2 rows 31.2, 24.1; 4 rows 37.9, 25.6;
8 rows 51.9, 28.5; 16 rows 43.7, 34.3; 32 rows 53.6, 44.7; 128 rows 175, 121; 896 rows 969, 843 (whole on the right: 8
rows 54, 32 rows 56, 128 rows 138, 896 rows 1,029). int8, one row, 8 times 7.1, 4 times 7.1, twice 6.3 (taken).
PyTorch 2.15, a step's products, one row, two cores, medians: layers and head (at 35 GB/s they take 9.7 and 4.4):
    float32, (inputs, outputs) as the model has it 12.6   5.7   (taken)
    float32, (outputs, inputs)                     13.5   5.7   as vectors (addmv) the same; in large pages 3% less
    float32, oneDNN, packed                        16.3   5.9   MKL, packed 13.8 (minimum)
    float32, compiled (24 of 48 products), 8 to 13 s first, C++ wrapper or autotuned: 2% less; traced, frozen 12%
    bfloat16                                        9.2   3.4   (taken; as the model has it twice that)
    int8 by int8, _int_mm                           9.7   4.7   (taken; once turned to float32 in each step: 70 in all)
    int8, _weight_int8pack_mm, bfloat16             9.9   3.0   float32 38.5, 18.1
    int8, quantized.linear_dynamic (deprecated)     4.6
On the processor of AMD's, layers and head: (inputs, outputs) 16.1, 5.6; (outputs, inputs) 18.8, 9.1; rows multiplied
and summed, 1 MB at a time 14.7, 5.3, 4 MB 16.8, 4.2 (taken for the head: 33.7 to 40.6 tokens a second), whole 14.8, 50.
The head for several rows, left of the kernel and right of it: 2 rows 13.6, 6.4; 4 rows 13.7, 12.6; 8 rows 12.4, 19.7;
16 rows 11.2, 14.5.
"""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from typing import Any

import keras
from keras import ops

from ..backend import BACKEND, Tensor
from .places import only_core_operations
from .weights import Kernel

# One row is multiplied so often: a lone one has no kernel but float32's.
_ROWS = {"bfloat16": 2, "int8": 2} if BACKEND == "jax" else {"bfloat16": 1, "int8": 8}

_FEW = 16
_MUCH = 1 << 23  # numbers of a kernel, 32 MB: more than the cache that MKL would read them through
_PART = 1 << 20  # numbers, 4 MB
_ALIKE = 4  # up to so many rows MKL multiplies on either side alike


def product(left: Tensor, kernel: Kernel) -> Tensor:
    """(..., inputs) to (..., outputs), float32.

    With an int8 kernel the left side is rounded to int8, too, each row by its largest number.
    """
    if BACKEND == "torch":
        return _in_torch(left, kernel)
    shape = ops.shape(left)[:-1]
    flat = ops.reshape(left, (-1, left.shape[-1]))  # (m, inputs)
    parts = [_of_shard(flat, rows) for rows in kernel.rows]
    found = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
    if not isinstance(kernel.scale, tuple):
        found = found * kernel.scale
    if not isinstance(kernel.bias, tuple):
        found = found + kernel.bias
    return ops.reshape(found, (*shape, found.shape[1]))


def _of_shard(flat: Tensor, rows: Tensor) -> Tensor:
    """(m, inputs) and (n, inputs) to (m, n)."""
    form = keras.backend.standardize_dtype(rows.dtype)
    if form == "float32":
        if BACKEND == "jax" and flat.shape[0] > 1:
            return _on_left(sys.modules["jax"].lax, flat, rows, "float32")
        return _by_xla(flat, rows) if BACKEND == "tensorflow" and flat.shape[0] != 1 else of_rows(flat, rows)
    count = ops.shape(flat)[0]
    least = 2 if form == "int8" and _halves_by_amd() else _ROWS[form]
    if not isinstance(count, int):  # an exported graph, which XLA is given with the number in its place
        missing = ops.zeros((ops.maximum(least - count, 0), flat.shape[1]), flat.dtype)
        flat = ops.concatenate([flat, missing])
    elif count == 1:
        flat = ops.broadcast_to(flat, (least, flat.shape[1]))
    return (_of_bytes if form == "int8" else _of_halves)(flat, rows)[:count]


def of_rows(left: Tensor, right: Tensor) -> Tensor:
    """Every row of the left against every row of the right: (..., m, d) and (..., n, d) to (..., m, n); int8 to
    int32.

    On TensorFlow not by einsum, which turns the right side round; for a lone row XLA then does so in memory, at
    every step: about 115 ms for two layers of gpt2-small, and 38 to 46 without.
    """
    if BACKEND == "tensorflow":
        whole = {"output_type": "int32"} if right.dtype == "int8" else {}
        return sys.modules["tensorflow"].linalg.matmul(left, right, transpose_b=True, **whole)
    return ops.einsum("md,nd->mn" if len(left.shape) == 2 else "gmd,gnd->gmn", left, right)


def _in_torch(left: Tensor, kernel: Kernel) -> Tensor:
    """`product` in PyTorch's own operations: around each of them Keras' spend as long as one takes."""
    torch = sys.modules["torch"]
    linear = torch.nn.functional.linear
    (rows,), scale, bias = kernel
    flat = left.reshape(-1, left.shape[-1])  # (m, inputs)
    on_cpu = rows.device.type == "cpu"
    if rows.dtype == torch.float32:
        if _ALIKE < len(flat) <= _FEW and rows.is_contiguous() and on_cpu:
            found = torch.mm(rows, flat.t()).t().contiguous()
        elif len(flat) == 1 and rows.is_contiguous() and rows.numel() > _MUCH and on_cpu and _by_amd():
            found = _summed(torch, flat, rows)
        else:
            return linear(left, rows, None if isinstance(bias, tuple) else bias)
    elif rows.dtype == torch.bfloat16:
        found = linear(flat.bfloat16(), rows).float()
    elif on_cpu:
        size = flat.abs().amax(1, keepdim=True).clamp_min_(1e-12).div_(127.0)  # (m, 1)
        found = torch._int_mm((flat / size).round_().to(torch.int8), rows.t()).float().mul_(size)
    else:
        found = linear(flat, rows.float())
    if not isinstance(scale, tuple):
        found.mul_(scale)
    if not isinstance(bias, tuple):
        found.add_(bias)
    return found.view(*left.shape[:-1], -1)


def _summed(torch: Any, flat: Tensor, rows: Tensor) -> Tensor:
    """(1, inputs) and (outputs, inputs) to (1, outputs), by parts of the rows that stay in the processor's cache."""
    part = _PART // rows.shape[1]
    room, found = rows.new_empty((part, rows.shape[1])), rows.new_empty(len(rows))
    for some, answer in zip(rows.split(part), found.split(part), strict=True):
        torch.sum(torch.mul(some, flat, out=room[: len(some)]), 1, out=answer)
    return found[None]


def _of_halves(flat: Tensor, rows: Tensor) -> Tensor:
    flat = ops.cast(flat, "bfloat16")
    if BACKEND == "jax":
        lax = sys.modules["jax"].lax
        return (_kernel_right if _halves_by_amd() else _kernel_left)(lax, flat, rows, "float32")
    return ops.cast(of_rows(flat, rows), "float32")


@functools.cache
def _processor() -> frozenset[str]:
    """The words that Linux has for the first processor, its maker and what it can do among them; elsewhere none."""
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    return frozenset(known.partition("\n\n")[0].split())


def _by_amd() -> bool:
    """Whether this is a processor of AMD's: there MKL reads a kernel for a lone row at half of the memory's speed."""
    return "AuthenticAMD" in _processor()


def _halves_by_amd() -> bool:
    """Whether it also multiplies bfloat16: XLA is faster the other way round there."""
    return _by_amd() and "avx512_bf16" in _processor()


def _kernel_right(lax: Any, flat: Tensor, rows: Tensor, result: str) -> Tensor:
    """(m, inputs) and (n, inputs) to (m, n), as they stand."""
    return lax.dot_general(flat, rows, (((1,), (1,)), ((), ())), preferred_element_type=result)


def _kernel_left(lax: Any, flat: Tensor, rows: Tensor, result: str) -> Tensor:
    """(m, inputs) and (n, inputs) to (m, n), for few rows of bfloat16 or int8; the same for many."""
    if flat.shape[0] > _FEW:  # a matrix by a matrix, for which XLA has a kernel either way
        return _kernel_right(lax, flat, rows, result)
    return _on_left(lax, flat, rows, result)


def _on_left(lax: Any, flat: Tensor, rows: Tensor, result: str) -> Tensor:
    """(m, inputs) and (n, inputs) to (m, n), multiplied as (n, m).

    The barrier keeps XLA from turning a transposed product back into one with the kernel on the right.
    """
    found = lax.dot_general(rows, flat, (((1,), (1,)), ((), ())), preferred_element_type=result)
    return lax.optimization_barrier(found).T


def _by_xla(flat: Tensor, rows: Tensor) -> Tensor:
    """`_on_left` on TensorFlow; as they stand in a graph that is to run without XLA."""
    if only_core_operations():
        return of_rows(flat, rows)
    return ops.transpose(_barrier()(of_rows(rows, flat))[0])


@functools.cache
def _barrier() -> Any:
    return importlib.import_module("tensorflow.compiler.tf2xla.python.xla").optimization_barrier


def _of_bytes(flat: Tensor, rows: Tensor) -> Tensor:
    scale = ops.maximum(ops.max(ops.absolute(flat), axis=1, keepdims=True), 1e-12) / 127.0  # (m, 1)
    whole = ops.cast(ops.round(flat / scale), "int8")
    jax = sys.modules["jax"] if BACKEND == "jax" else None
    if jax is not None:
        found = _kernel_left(jax.lax, whole, rows, "int32")
    else:
        found = (_by_xla if _halves_by_amd() else of_rows)(whole, rows)
    return ops.cast(found, "float32") * scale
