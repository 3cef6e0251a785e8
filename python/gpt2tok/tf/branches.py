"""How does a graph skip work that is rarely needed? Branches that cost nothing when not taken.

Owns two helpers. TensorFlow lowers `tf.cond` into switches, and the executor walks the dead branch node by node: with
some 600 nodes of merges and Unicode, a plain English sentence paid 0.2 ms for work it did not do. A function that is
never inlined is one node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any


def apart(function: Callable[..., Any], *signature: tf.TensorSpec) -> Callable[..., Any]:
    """The same, as one node of the graph that uses it."""
    attributes = {"_noinline": True}
    return tf.function(
        function, input_signature=signature, autograph=False, experimental_attributes=attributes
    )


def either(condition: Tensor, usual: Callable[[], Any], rare: Callable[[], Any]) -> Any:
    """`tf.cond(condition, usual, rare)` for a `rare` branch of many nodes."""
    return tf.cond(condition, usual, apart(rare))
