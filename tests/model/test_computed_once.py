"""The identity whose gradient XLA computes once: it changes no number, whatever JAX makes of a function."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import BACKEND, array

from gpt2model.computed_once import computed_once

pytestmark = pytest.mark.skipif(BACKEND != "jax", reason="on other backends it is nothing")

X = np.array([[0.3, -1.2, 2.5], [0.7, np.pi, -0.1]], "float32")


def ways():
    import jax
    import jax.numpy as jnp

    return {
        "value": lambda f: f,
        "gradient": jax.grad,
        "forward": lambda f: lambda x: jax.jvp(f, (x,), (2 * x,))[1],
        "compiled": lambda f: jax.jit(jax.grad(f)),
        "each row": lambda f: jax.vmap(jax.grad(f)),
        "second": jax.hessian,
        "backward twice": lambda f: jax.grad(lambda x: jnp.sum(jax.grad(f)(x) ** 2)),
        "again": lambda f: jax.jit(jax.grad(jax.checkpoint(f))),
        "no rows": lambda f: lambda x: jax.grad(f)(x[:0]),
        "halves": lambda f: lambda x: jax.grad(f)(x.astype("bfloat16")).astype("float32"),
    }


@pytest.mark.parametrize(
    "numbers", [X, np.full_like(X, np.nan), np.where(X > 2, np.inf, X)], ids=["", "nan", "inf"]
)
@pytest.mark.parametrize("way", ways() if BACKEND == "jax" else ())
def test_it_is_the_identity(way, numbers):
    """Bit for bit what JAX gives without it."""
    import jax.numpy as jnp

    def function(same):
        return lambda x: jnp.sum(jnp.sin(same(x * 2) * same(x)))

    transformed = ways()[way]
    got = transformed(function(computed_once))(jnp.asarray(numbers))
    expected = transformed(function(lambda x: x))(jnp.asarray(numbers))
    assert got.dtype == expected.dtype
    assert np.array_equal(array(got), array(expected), equal_nan=True)


def test_the_way_back_is_a_loop_of_its_own():
    """XLA may do as it likes with anything else: the compiled gradient must hold the loop."""
    import jax
    import jax.numpy as jnp

    def gradient(same):
        function = jax.grad(lambda x: jnp.sum(same(x * x)))
        return jax.jit(function).lower(jnp.asarray(X)).compile().as_text()

    assert "while(" in gradient(computed_once)
    assert "while(" not in gradient(lambda x: x)
