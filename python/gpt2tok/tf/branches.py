"""How does a graph skip work that is rarely needed? Branches that cost nothing when not taken.

Owns three helpers. TensorFlow lowers `tf.cond` into switches, and the executor walks the dead branch node by node: with
some 600 nodes of merges and Unicode, a plain English sentence paid 0.2 ms for work it did not do. A function that is
never inlined is one node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

Tensor = Any


def traced(
    function: Callable[..., Any], *signature: tf.TensorSpec, attributes: Mapping[str, Any] | None = None
) -> Any:
    """The same as a `tf.function`: traced once, and saved once however many graphs call it."""
    # A partial has no code object. TensorFlow counts retracings by code objects, and would take the functions of many
    # layers for one that traces again and again.
    named = partial(function)
    named.__name__ = getattr(function, "__name__", "branch").strip("_<>")  # type: ignore[attr-defined]
    return tf.function(
        named, input_signature=signature, autograph=False, experimental_attributes=dict(attributes or {})
    )


def apart(function: Callable[..., Any], *signature: tf.TensorSpec) -> Callable[..., Any]:
    """The same, as one node of the graph that uses it."""
    return traced(function, *signature, attributes={"_noinline": True})


def either(condition: Tensor, usual: Callable[[], Any], rare: Callable[[], Any]) -> Any:
    """`tf.cond(condition, usual, rare)` for a `rare` branch of many nodes."""
    return tf.cond(condition, usual, apart(rare))
