"""What is one layer of GPT-2? Attention and feed-forward, each after a normalisation, each added to its
input.

Owns the order of the parts. Refuses their insides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast, final

import keras

from .attention import GPT2Attention
from .backend import Tensor
from .computed_once import computed_once
from .config import GPT2Config
from .masks import Visibility
from .mlp import GPT2MLP
from .recomputing import is_recomputed, recomputed

Pair = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True)
class Past:
    """What one layer remembers: key and value, the encoder's key and value, and where new positions are
    written.

    (Not a tuple: Keras takes tuples apart, and refuses those in which tensors and numbers meet.)
    """

    own: Pair | None
    cross: Pair | None
    offset: int | Tensor | None


@final
class Passed(NamedTuple):
    """What one layer gives back."""

    hidden: Tensor
    own: Pair | None
    cross: Pair | None
    weights: Tensor | None
    cross_weights: Tensor | None


def layer_norm(config: GPT2Config, dtype: Any, name: str) -> keras.layers.LayerNormalization:
    """A normalisation over the last axis, with GPT-2's epsilon."""
    return keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, dtype=dtype, name=name)


@final
class GPT2Block(keras.layers.Layer):
    """One layer, pre-normalised (Radford et al. 2019, section 2.3).

    Arguments:
        config: the model's configuration.
        index: which layer, from 0.
    """

    def __init__(self, config: GPT2Config, index: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_embd = config.n_embd
        self._made_in = getattr(self, "_remat_mode", None)  # keras.RematScope, as Keras notes it
        policy = self.dtype_policy
        self.ln_1 = layer_norm(config, policy, "ln_1")
        self.attn = GPT2Attention(config, index, dtype=policy, name="attn")
        self.crossattention = self.ln_cross_attn = None
        if config.add_cross_attention:
            self.crossattention = GPT2Attention(
                config, index, cross=True, dtype=policy, name="crossattention"
            )
            self.ln_cross_attn = layer_norm(config, policy, "ln_cross_attn")
        self.ln_2 = layer_norm(config, policy, "ln_2")
        self.mlp = GPT2MLP(config, dtype=policy, name="mlp")

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        for layer in (self.ln_1, self.attn, self.crossattention, self.ln_cross_attn, self.ln_2, self.mlp):
            if layer is not None:
                layer.build((None, None, self.n_embd))
        self.built = True

    def passed(self, hidden: Tensor, *, states: Tensor | None = None, **given: Any) -> Passed:
        """A call; in training, where `keras.RematScope` says so, one that is computed again for gradients."""
        past: Past = given["past"]
        fresh = past.own is None and past.cross is None
        if not (given["training"] and fresh and is_recomputed(self, self._made_in, hidden.shape)):
            return cast(Passed, self(hidden, states=states, **given))
        mask = given.pop("head_mask")
        own = {id(weight) for weight in self.weights}
        return cast(
            Passed,
            recomputed(
                lambda hidden, states, mask: self(hidden, states=states, head_mask=mask, **given),
                [variable for variable in self.variables if id(variable) not in own],
                *(hidden, states, mask),
            ),
        )

    def call(
        self,
        hidden: Tensor,
        *,
        sight: Visibility,
        past: Past,
        states: Tensor | None = None,
        encoder_sight: Visibility | None = None,
        head_mask: Tensor | None = None,
        keep: bool = False,
        weights: bool = False,
        training: bool | None = None,
    ) -> Passed:
        """(batch, positions, n_embd) to the same shape, with what attention kept and saw."""
        looked, own, seen = self.attn(
            self.ln_1(hidden),
            sight=sight,
            past=past.own,
            offset=past.offset,
            head_mask=head_mask,
            keep=keep,
            weights=weights,
            training=training,
        )
        hidden = computed_once(hidden + looked)
        cross, cross_seen = past.cross, None
        encoded = states is not None or cross is not None  # a cache has the encoder's keys
        if encoded and self.crossattention is not None and self.ln_cross_attn is not None:
            looked, cross, cross_seen = self.crossattention(
                self.ln_cross_attn(hidden),
                sight=encoder_sight,
                past=past.cross,
                states=states,
                head_mask=head_mask,
                keep=keep,
                weights=weights,
                training=training,
            )
            hidden = computed_once(hidden + looked)
        hidden = computed_once(hidden + self.mlp(self.ln_2(hidden), training=training))
        return Passed(hidden, own, cross, seen, cross_seen)
