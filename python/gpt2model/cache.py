"""What does attention remember? The key/value cache, of fixed shape, and Hugging Face's tuple form beside it.

Owns the cache's layout, its writing and reading, and the passage between both forms. Refuses to run the model
and to know text or padding: which positions count is the attention mask's business.

A `KVCache` is a named tuple of tensors, hence a pytree to JAX, optree, torch and tf.nest without being
registered, and may be carried by `jax.jit`, `jax.lax.while_loop` and `tf.while_loop`. Each layer has its own
buffer: a stacked one would have to be cut, that is copied, for every product. The last two axes are
(position, head_dim), which is how a single query reads them: one contiguous run per head.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, final

import keras
import numpy as np
from keras import ops

from .backend import BACKEND, Tensor, sides, static_int
from .config import GPT2Config
from .errors import ContextLengthError

# Hugging Face's form: per layer (key, value) or, with cross-attention, (key, value, cross key, cross value),
# each (batch, heads, positions, head_dim).
TuplePast = tuple[tuple[Tensor, ...], ...]

_overwriting: ContextVar[bool] = ContextVar("gpt2model_cache_overwriting", default=False)


@final
class KVCache(NamedTuple):
    """Keys and values of every layer, with room for `max_length` positions, filled up to `offset`.

    Attributes:
        keys, values: one tensor per layer, (batch, heads, max_length, head_dim).
        offset: how many positions are filled; an int or a scalar int32 tensor.
        cross_keys, cross_values: the encoder's, (batch, heads, encoder positions, head_dim), or empty: the
            first call with `encoder_hidden_states` fills them and later calls use them.

    A model call with a cache gives back another one, filled further; this one keeps its meaning (but see
    `overwriting`).

    Example:
        >>> config = GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2)
        >>> cache = KVCache.empty(config, batch_size=3)
        >>> cache.keys[0].shape == (3, 2, 8, 2), cache.max_length, cache.offset
        (True, 8, 0)
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    offset: int | Tensor
    cross_keys: tuple[Tensor, ...] = ()
    cross_values: tuple[Tensor, ...] = ()

    @classmethod
    def empty(
        cls, config: GPT2Config, batch_size: int, max_length: int | None = None, dtype: str | None = None
    ) -> KVCache:
        """A cache with nothing in it.

        Arguments:
            config: the model's configuration.
            batch_size: rows.
            max_length: room for so many positions; `n_positions` when None.
            dtype: of the tensors; Keras' `floatx` when None. A model that computes in another type casts an empty
                cache, and refuses a filled one.

        Raises:
            TypeError: sizes that are no integers.
            ValueError: no rows, or no room.
            ContextLengthError: `max_length` is more than `n_positions`.
        """
        max_length = config.n_positions if max_length is None else max_length
        for name, size in (("batch_size", batch_size), ("max_length", max_length)):
            if size is None or isinstance(size, str | bytes | bool | float):
                raise TypeError(f"KVCache.empty: {name} must be an integer, not {size!r}.")
            if isinstance(size, int | np.integer) and size < 1:  # a traced number is not known yet
                raise ValueError(f"KVCache.empty: {name} must be at least 1, not {size}.")
        if max_length > config.n_positions:
            raise ContextLengthError(
                f"KVCache.empty: max_length is {max_length}, but the model has n_positions={config.n_positions}; "
                "a cache beyond them could never be used."
            )
        shape = (batch_size, config.n_head, max_length, config.head_dim)
        # Separate buffers, not one shared: a compiled loop writes each in place.
        keys = tuple(ops.zeros(shape, dtype or keras.config.floatx()) for _ in range(config.n_layer))
        values = tuple(ops.zeros(shape, dtype or keras.config.floatx()) for _ in range(config.n_layer))
        return cls(keys, values, 0)

    @property
    def max_length(self) -> int:
        """Positions there is room for."""
        return int(self.keys[0].shape[2])

    @property
    def batch_size(self) -> int | None:
        """Rows (None when a traced shape leaves them open)."""
        rows = self.keys[0].shape[0]
        return None if rows is None else int(rows)

    def to_tuple(self) -> TuplePast:
        """Hugging Face's form, cut at the offset.

        Raises:
            ValueError: the offset is not known yet (the call stands inside a traced function).
        """
        filled = static_int(self.offset)
        if filled is None:
            raise ValueError(
                "KVCache.to_tuple: the offset is a traced value, so the length is unknown; call it outside."
            )
        layers: list[tuple[Tensor, ...]] = []
        for index, (key, value) in enumerate(zip(self.keys, self.values, strict=True)):
            cross = (self.cross_keys[index], self.cross_values[index]) if self.cross_keys else ()
            layers.append((key[:, :, :filled], value[:, :, :filled], *cross))
        return tuple(layers)

    @classmethod
    def from_tuple(cls, past: Sequence[Any], max_length: int) -> KVCache:
        """A cache with room for `max_length` positions that holds what Hugging Face's form holds.

        Raises:
            ContextLengthError: it holds more than `max_length` positions.
            TypeError, ValueError: it holds no tensors, or no layers.

        Example:
            >>> config = GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2)
            >>> past = KVCache.empty(config, 1, 3)._replace(offset=3).to_tuple()
            >>> KVCache.from_tuple(past, max_length=8).offset
            3
        """
        if past is None or len(past) == 0:
            raise ValueError(
                "KVCache.from_tuple: there are no layers; KVCache.empty makes a cache with nothing in it."
            )
        layers = check_tuple(past)  # each part (batch, heads, filled, head_dim)
        filled = int(layers[0][0].shape[2])
        if filled > max_length:
            raise ContextLengthError(
                f"KVCache.from_tuple: {filled} positions do not fit into max_length={max_length}."
            )
        room = [(0, 0), (0, 0), (0, max_length - filled), (0, 0)]
        cross = len(layers[0]) == 4
        return cls(
            tuple(ops.pad(layer[0], room) for layer in layers),
            tuple(ops.pad(layer[1], room) for layer in layers),
            filled,
            tuple(layer[2] for layer in layers) if cross else (),
            tuple(layer[3] for layer in layers) if cross else (),
        )

    def take_rows(self, rows: Tensor) -> KVCache:
        """The cache with its rows rearranged or repeated, as beam search does.

        Arguments:
            rows: (new batch,) integers.
        """

        def pick(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return tuple(ops.take(tensor, rows, axis=0) for tensor in tensors)

        return KVCache(
            pick(self.keys), pick(self.values), self.offset, pick(self.cross_keys), pick(self.cross_values)
        )


@contextlib.contextmanager
def overwriting() -> Iterator[None]:
    """Inside, the torch backend writes into the buffers it was given instead of copying them.

    For a loop that never looks back at an earlier cache. (XLA needs no such word: it sees that a buffer is
    not used again.)
    """
    token = _overwriting.set(True)
    try:
        yield
    finally:
        _overwriting.reset(token)


def writes_over() -> bool:
    """Whether the torch backend is inside `overwriting`."""
    return _overwriting.get()


def write(buffer: Tensor, new: Tensor, offset: int | Tensor) -> Tensor:
    """The buffer with new positions put in at `offset`.

    Arguments:
        buffer: (batch, heads, max_length, head_dim).
        new: (batch, heads, steps, head_dim).
    """
    new = ops.cast(new, buffer.dtype)
    if BACKEND == "torch" and _overwriting.get():
        steps = new.shape[2]
        buffer[:, :, int(offset) : int(offset) + steps] = new
        return buffer
    return ops.slice_update(buffer, (0, 0, offset, 0), new)


def in_dtype(cache: KVCache, dtype: str) -> KVCache:
    """An empty cache in the type that a model computes in, which `KVCache.empty` is not told; any other as it is."""
    if tuple(getattr(cache.offset, "shape", ())) or static_int(cache.offset) != 0:
        return cache

    def cast(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(
            ops.cast(part, dtype)
            if "float" in str(part.dtype) and keras.backend.standardize_dtype(part.dtype) != dtype
            else part
            for part in tensors
        )

    return cache._replace(keys=cast(cache.keys), values=cast(cache.values))


def check_cache(cache: KVCache, config: GPT2Config, batch: int | None, dtype: str) -> None:
    """Refuse a cache that is not this model's. Values are not looked at while tracing, shapes are.

    Arguments:
        batch: rows of the call, if known.
        dtype: that the model computes in.

    Raises:
        TypeError: tensors of another type than the model computes in, or an offset that is no integer.
        ValueError: naming the tensor, its shape and the wanted one, or the offset.
    """
    for name in ("keys", "values", "cross_keys", "cross_values"):
        tensors = getattr(cache, name)
        if len(tensors) != config.n_layer and (tensors or not name.startswith("cross")):
            raise ValueError(
                f"past_key_values.{name} has {len(tensors)} layers; the model has n_layer={config.n_layer}."
            )
    if len(cache.cross_keys) != len(cache.cross_values):
        raise ValueError(
            f"past_key_values has {len(cache.cross_keys)} cross_keys and {len(cache.cross_values)} cross_values."
        )
    check_layers(list(zip(cache.keys, cache.values, strict=True)), config, batch, dtype)
    check_layers(
        list(zip(cache.cross_keys, cache.cross_values, strict=True)), config, batch, dtype, "the encoder's "
    )
    offset = cache.offset
    kind = str(getattr(offset, "dtype", type(offset).__name__))
    shape = tuple(getattr(offset, "shape", ()))
    if "int" not in kind or shape:
        raise TypeError(
            f"past_key_values.offset must be one integer, not {kind if not shape else (kind, shape)}."
        )
    known = static_int(offset)
    if known is not None and not 0 <= known <= cache.max_length:
        raise ValueError(
            f"past_key_values.offset is {known}; it says how many of the {cache.max_length} positions are filled."
        )


def check_layers(
    layers: Sequence[tuple[Tensor, ...]], config: GPT2Config, batch: int | None, dtype: str, whose: str = ""
) -> None:
    """Refuse keys and values that are not this model's, or not of one length in all layers.

    Arguments:
        layers: (key, value) of each, (batch, heads, positions, head_dim).
        whose: they are, for messages.

    Raises:
        TypeError: another type than the model computes in.
        ValueError: another shape.
    """
    length = next((sides(key)[2] for key, _ in layers if len(key.shape) == 4), None)
    wanted = (batch, config.n_head, length, config.head_dim)
    for index, layer in enumerate(layers):
        for name, tensor in zip(("key", "value"), layer, strict=True):
            given = sides(tensor)
            if len(given) != 4 or any(
                isinstance(side, int) and isinstance(want, int) and side != want
                for side, want in zip(given, wanted, strict=True)
            ):
                raise ValueError(
                    f"past_key_values: {whose}{name} of layer {index} has shape {given}; it must be "
                    f"(batch {batch}, n_head {config.n_head}, positions {length}, head_dim {config.head_dim})."
                )
            kind = keras.backend.standardize_dtype(tensor.dtype)
            if kind != dtype:
                raise TypeError(
                    f"past_key_values: {whose}{name} of layer {index} is {kind}, but the model computes in {dtype}; "
                    "model.make_cache(batch_size) makes a cache that fits."
                )


def check_tuple(past: Any) -> list[tuple[Tensor, ...]]:
    """The layers of Hugging Face's form: a sequence of (key, value[, cross key, cross value]), or of
    TensorFlow's stacked (2, batch, heads, positions, head_dim).

    Raises:
        TypeError: no tensors.
        ValueError: something else.
    """
    layers: list[tuple[Tensor, ...]] = []
    for index, layer in enumerate(past):
        if layer is None:
            raise ValueError(f"past_key_values[{index}] is None; all layers have a past, or none.")
        if isinstance(layer, tuple | list):
            parts = tuple(layer)
        elif hasattr(layer, "shape"):
            parts = tuple(layer[i] for i in range(layer.shape[0]))
        else:
            raise _no_tensors(index, layer)
        strange = next((part for part in parts if not hasattr(part, "shape")), None)
        if strange is not None:
            raise _no_tensors(index, strange)
        if layers and len(parts) != len(layers[0]):
            raise ValueError(
                f"past_key_values[{index}] has {len(parts)} parts, but past_key_values[0] has {len(layers[0])}."
            )
        if len(parts) not in (2, 4) or any(len(part.shape) != 4 for part in parts):
            raise ValueError(
                f"past_key_values[{index}] must be (key, value) or (key, value, cross key, cross value), each of shape "
                "(batch, heads, positions, head_dim); "
                f"it has {len(parts)} parts of shapes {[tuple(part.shape) for part in parts]}."
            )
        layers.append(parts)
    return layers


def _no_tensors(index: int, given: Any) -> TypeError:
    return TypeError(
        f"past_key_values[{index}] must be tensors or arrays, (key, value), not {type(given).__name__}; "
        "np.asarray makes one of nested lists."
    )
