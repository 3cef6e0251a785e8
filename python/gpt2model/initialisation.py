"""With which numbers does a fresh model begin? GPT-2's own scheme.

Owns the initializers: normal numbers of `initializer_range`, and for the projections that end a residual
branch the same divided by sqrt(2 n_layer) (Radford et al. 2019, section 2.3: there are two branches a layer).
Refuses to touch weights that exist.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, final

import keras

from .backend import BACKEND
from .config import GPT2Config

_blank: ContextVar[bool] = ContextVar("gpt2model_blank", default=False)


@contextlib.contextmanager
def blank() -> Iterator[None]:
    """Models made inside begin with numbers of no meaning: quicker, for weights that a checkpoint overwrites
    at once.

    Example:
        >>> from gpt2model import GPT2Config, GPT2Model
        >>> with blank():
        ...     model = GPT2Model(GPT2Config(vocab_size=5, n_positions=4, n_embd=4, n_layer=1, n_head=1))
        >>> model.wte.embeddings.shape == (5, 4)
        True
    """
    token = _blank.set(True)
    try:
        yield
    finally:
        _blank.reset(token)


def weight_initializer(config: GPT2Config) -> keras.initializers.Initializer:
    """For kernels and embeddings; a new one each time, since one with a fixed seed repeats its numbers."""
    return _normal(config.initializer_range)


def residual_initializer(config: GPT2Config) -> keras.initializers.Initializer:
    """For the projections whose output is added to the residual stream."""
    return _normal(config.initializer_range / math.sqrt(2 * config.n_layer))


def _normal(deviation: float) -> keras.initializers.Initializer:
    if _blank.get():
        return _Blank()
    return keras.initializers.RandomNormal(mean=0.0, stddev=deviation)


@final
class _Blank(keras.initializers.Initializer):
    """Room for numbers, not the numbers."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if BACKEND == "tensorflow":
            # TensorFlow keeps what it once touched: zeros here, then the numbers of gpt2-xl, took 1.39 times
            # its size.
            return sys.modules["tensorflow"].raw_ops.Empty(
                shape=shape, dtype=dtype or keras.config.floatx(), init=False
            )
        return keras.ops.zeros(shape, dtype)
