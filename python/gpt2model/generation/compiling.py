"""How does each backend run a pure function fastest? As a program of XLA's, or as it stands.

Owns compilation and the store of compiled programs: a program is kept for a function and a plan, and each
backend keeps one for every shape of its arguments. Weights are arguments, so models of a shape share programs.
Refuses to know what the functions do.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ..backend import BACKEND
from ..cache import overwriting

PROGRAMS = 64  # kept at most; the least used goes first


def program(function: Callable[..., Any], plan: Any, *, compile: bool, reuse: int | None = None) -> Any:
    """A function of everything but the plan.

    Arguments:
        function: pure; its first argument is the plan.
        plan: hashable.
        compile: through XLA (TensorFlow and JAX), or operation after operation.
        reuse: which of the remaining arguments is not needed afterwards, so that its memory may be taken.
    """
    if BACKEND == "torch":
        return _eager_torch(function, plan)
    return _compiled(function, plan, reuse) if compile else functools.partial(function, plan)


def _eager_torch(function: Callable[..., Any], plan: Any) -> Any:
    torch = sys.modules["torch"]

    def run(*arguments: Any) -> Any:
        with torch.inference_mode(), overwriting():
            return function(plan, *arguments)

    return run


@functools.lru_cache(maxsize=PROGRAMS)
def _compiled(function: Callable[..., Any], plan: Any, reuse: int | None) -> Any:
    bound = functools.partial(function, plan)
    if BACKEND == "jax":
        jax = sys.modules["jax"]
        return jax.jit(bound, donate_argnums=() if reuse is None else (reuse,))
    tensorflow = sys.modules["tensorflow"]
    return tensorflow.function(bound, jit_compile=True, autograph=False)
