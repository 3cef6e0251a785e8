"""How does a sequence become one vector? The summary head of the multiple-choice model.

Owns Hugging Face's summary types and their projection. Refuses losses.
"""

from __future__ import annotations

from typing import Any, final

import keras
from keras import ops

from .backend import Tensor
from .config import GPT2Config
from .dense import GPT2Dense
from .initialisation import weight_initializer
from .learned_activation import GPT2Activation, activation_layer


@final
class GPT2SequenceSummary(keras.layers.Layer):
    """Take one position (or the mean) of the hidden states, project it, apply an activation.

    `summary_type` is "last", "first" or "mean", over the second axis whatever the rank (as Hugging Face
    does), or "cls_index": the position that the caller names, the last one by default.

    Example:
        >>> layer = GPT2SequenceSummary(GPT2Config(n_embd=8, n_head=2, num_labels=1))
        >>> layer.build((None, None, 8))
        >>> layer(ops.ones((2, 3, 5, 8)), ops.zeros((2, 3), "int32")).shape == (2, 3, 1)
        True
    """

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summary_type, self.n_embd = config.summary_type, config.n_embd
        self.summary = None
        if config.summary_use_proj:
            units = config.num_labels if config.summary_proj_to_labels else config.n_embd
            self.summary = GPT2Dense(
                units, kernel_initializer=weight_initializer(config), dtype=self.dtype_policy, name="summary"
            )
        self.activation = activation_layer(config.summary_activation, self.dtype_policy, "activation")
        self.first_dropout = keras.layers.Dropout(config.summary_first_dropout, dtype=self.dtype_policy)
        self.last_dropout = keras.layers.Dropout(config.summary_last_dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        if self.summary is not None:
            self.summary.build((None, self.n_embd))
        if isinstance(self.activation, GPT2Activation):
            self.activation.build(None)
        self.built = True

    def call(self, hidden: Tensor, cls_index: Tensor | None = None, training: bool | None = None) -> Tensor:
        """Summarise.

        Arguments:
            hidden: (..., positions, n_embd).
            cls_index: (...) positions, for "cls_index".
        """
        if self.summary_type == "last":
            vector = hidden[:, -1]
        elif self.summary_type == "first":
            vector = hidden[:, 0]
        elif self.summary_type == "mean":
            vector = ops.mean(hidden, axis=1)
        elif cls_index is None:
            vector = hidden[..., -1, :]
        else:
            place = ops.expand_dims(ops.cast(cls_index, "int32"), (-2, -1))  # (..., 1, 1)
            vector = ops.squeeze(ops.take_along_axis(hidden, place, axis=-2), -2)  # (..., n_embd)
        vector = self.first_dropout(vector, training=training)
        if self.summary is not None:
            vector = self.summary(vector)
        return self.last_dropout(self.activation(vector), training=training)
