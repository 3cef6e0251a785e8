"""What does each position do by itself? The feed-forward half of a layer.

Owns two products with an activation between them. Refuses to look at other positions.
"""

from __future__ import annotations

from typing import Any, final

import keras

from .backend import Tensor
from .config import GPT2Config
from .dense import GPT2Dense
from .dropout import dropped
from .initialisation import residual_initializer, weight_initializer
from .learned_activation import GPT2Activation, activation_layer


@final
class GPT2MLP(keras.layers.Layer):
    """Feed-forward layer: n_embd to `inner_dim`, activation, and back.

    Example:
        >>> layer = GPT2MLP(GPT2Config(n_embd=8, n_head=2))
        >>> layer.build((None, None, 8))
        >>> layer(keras.ops.ones((1, 3, 8))).shape == (1, 3, 8)
        True
    """

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_embd, self.inner_dim = config.n_embd, config.inner_dim
        self.act = activation_layer(config.activation_function, self.dtype_policy, "act")
        self.c_fc = GPT2Dense(
            self.inner_dim,
            kernel_initializer=weight_initializer(config),
            dtype=self.dtype_policy,
            name="c_fc",
        )
        self.c_proj = GPT2Dense(
            self.n_embd,
            kernel_initializer=residual_initializer(config),
            dtype=self.dtype_policy,
            name="c_proj",
        )
        self.dropout = keras.layers.Dropout(config.resid_pdrop, dtype=self.dtype_policy, name="dropout")

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self.c_fc.build((None, None, self.n_embd))
        self.c_proj.build((None, None, self.inner_dim))
        if isinstance(self.act, GPT2Activation):
            self.act.build((None, None, self.inner_dim))
        self.built = True

    def call(self, hidden: Tensor, training: bool | None = None) -> Tensor:
        """(batch, positions, n_embd) to the same shape."""
        return dropped(self.dropout, self.c_proj(self.act(self.c_fc(hidden))), training)
