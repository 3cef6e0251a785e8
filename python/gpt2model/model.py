"""What turns token ids into hidden states? The backbone.

Owns embeddings, the stack of layers, the last normalisation, and the passage of positions, masks and caches
through them. Refuses heads and losses.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, final

import keras
from keras import ops

from .backend import Tensor, sides, static_int
from .base import GPT2PreTrainedModel
from .block import GPT2Block, Pair, Past, layer_norm
from .bounds import assert_none, poison
from .cache import KVCache, TuplePast, check_cache, check_layers, check_tuple, in_dtype
from .config import GPT2Config
from .dropout import dropped
from .entry import check_ids, check_length, check_like, check_positions, check_tokens, entry, same
from .errors import ContextLengthError
from .initialisation import weight_initializer
from .masks import Visibility, check_padding, encoder_visibility, layer_head_masks, self_visibility
from .outputs import BaseModelOutputWithPastAndCrossAttentions


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2Model(GPT2PreTrainedModel):
    """GPT-2 without a head.

    Arguments:
        config: the numbers of the model.
        dtype: Keras dtype or policy ("float32", "bfloat16", "mixed_bfloat16", ...).

    Called with (all but the first by name, each optional):
        input_ids: (batch, positions) integers; or a mapping of all of these. Leading axes may be more,
            (batch, choices, positions).
        past_key_values: a `KVCache`, or Hugging Face's tuple form; the answer has the same form.
        attention_mask: (batch, cached + new positions), nonzero where a token counts.
        token_type_ids: as input_ids; looked up in the word embeddings and added.
        position_ids: (batch, positions) or (positions,); counted on from the cache when None.
        head_mask: (n_head,) or (n_layer, n_head), factors of the attention weights.
        inputs_embeds: (batch, positions, n_embd), instead of input_ids.
        encoder_hidden_states: (batch, encoder positions, n_embd), when the configuration has
            `add_cross_attention`. A cache keeps what attention needs of them: later steps may leave them out.
        encoder_attention_mask: (batch, encoder positions), in every step.
        use_cache, output_attentions, output_hidden_states, return_dict: as the configuration says when None.

    Returns:
        `BaseModelOutputWithPastAndCrossAttentions`, or its tuple when `return_dict` is False.

    Raises:
        ValueError, TypeError: misshapen inputs, ids out of the vocabulary.
        ContextLengthError: more positions than `n_positions` or than the cache has room for.

    Where values are known only when a compiled function runs, a TensorFlow graph raises InvalidArgumentError; under
    `jax.jit` and XLA, which cannot raise, a row with an id or a position that does not exist is NaN throughout, and
    so is the loss of labels that do not exist. `fit`, `evaluate` and `predict` look at each batch before its step
    and raise ValueError.

    Source: Radford et al. 2019; names and results of transformers' `GPT2Model`.

    Example:
        >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> model(ops.convert_to_tensor([[1, 2, 3]])).last_hidden_state.shape == (1, 3, 4)
        True
    """

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        policy = self.dtype_policy
        self.wte = self._word_embeddings(config.vocab_size)
        self.wpe = keras.layers.Embedding(
            config.n_positions,
            config.n_embd,
            embeddings_initializer=weight_initializer(config),
            dtype=policy,
            name="wpe",
        )
        self.drop = keras.layers.Dropout(config.embd_pdrop, dtype=policy, name="drop")
        self.h = [
            GPT2Block(config, index, dtype=policy, name=f"h_{index}") for index in range(config.n_layer)
        ]
        self.ln_f = layer_norm(config, policy, "ln_f")
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; shapes do not depend on the input's."""
        if self.built:  # type: ignore[has-type]
            return
        self.wte.build()
        self.wpe.build()
        for layer in (*self.h, self.ln_f):
            layer.build((None, None, self.config.n_embd))
        self.built = True

    @entry
    def call(  # noqa: PLR0917  (Hugging Face's order, for callers who wrote it)
        self,
        input_ids: Tensor | None = None,
        past_key_values: KVCache | Sequence[Any] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> Any:
        """See the class."""
        config = self.config
        keep = self._keeps_cache(use_cache, training)
        weights = config.output_attentions if output_attentions is None else output_attentions
        every = config.output_hidden_states if output_hidden_states is None else output_hidden_states

        shape = check_tokens(config, input_ids, inputs_embeds)
        outer = ops.shape(input_ids if input_ids is not None else inputs_embeds)[: len(shape)]
        strays = []  # booleans that broadcast to (rows, positions): ids that nobody could refuse
        if input_ids is not None:
            strays.append(check_ids("input_ids", input_ids, config.vocab_size))
        embedded = self.wte(_flat(input_ids, 2)) if input_ids is not None else _flat(inputs_embeds, 3)
        batch, steps = sides(embedded)[0], shape[-1]  # as far as known
        rows, length = ops.shape(embedded)[0], outer[-1]

        pasts, before, room = self._pasts(past_key_values, batch, steps)
        if position_ids is not None:
            strays.append(check_positions(config, position_ids, shape, batch))
        strays.append(self._overflow(before, length, room, counted=position_ids is None))
        hidden = embedded + self._positions(position_ids, before, length)
        if token_type_ids is not None:
            check_like("token_type_ids", token_type_ids, shape)
            strays.append(check_ids("token_type_ids", token_type_ids, config.vocab_size))
            hidden = hidden + self.wte(_flat(token_type_ids, 2))
        hidden = _poisoned(hidden, strays)
        hidden = dropped(self.drop, hidden, training)

        sight = self._sight(attention_mask, shape[:-1], rows, batch, length, steps, before, room)
        cached = None if pasts[0].cross is None else sides(pasts[0].cross[0])[2]
        encoder_sight = self._encoder_sight(
            encoder_hidden_states,
            encoder_attention_mask,
            batch,
            steps,
            cached,
            crossed=pasts[0].cross is not None,
        )
        known, prefilled = static_int(before), room is not None and static_int(before) != 0
        keys = room if prefilled else None if known is None or steps is None else known + steps
        encoded = sides(encoder_hidden_states)[1] if encoder_hidden_states is not None else cached
        head_masks = layer_head_masks(head_mask, config.n_layer, (batch, config.n_head, steps, keys), encoded)

        states, seen, cross_seen = [], [], []
        own: list[Pair | None] = []
        cross: list[Pair | None] = []
        for block, past, mask in zip(self.h, pasts, head_masks, strict=True):
            states.append(hidden)
            passed = block.passed(
                hidden,
                sight=sight,
                past=past,
                states=encoder_hidden_states,
                encoder_sight=encoder_sight,
                head_mask=mask,
                keep=keep,
                weights=weights,
                training=training,
            )
            hidden = passed.hidden
            own.append(passed.own)
            cross.append(passed.cross)
            seen.append(passed.weights)
            cross_seen.append(passed.cross_weights)
        hidden = self.ln_f(hidden)
        if len(shape) > 2:
            hidden = ops.reshape(hidden, (*outer, config.n_embd))
        states.append(hidden)
        output = BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden,
            past_key_values=_kept(past_key_values, own, cross, before, length) if keep else None,
            hidden_states=tuple(states) if every else None,
            attentions=tuple(seen) if weights else None,
            cross_attentions=tuple(cross_seen) if weights and encoder_sight is not None else None,
        )
        return self._answer(output, return_dict)

    def _pasts(
        self, past: KVCache | Sequence[Any] | None, batch: int | None, steps: int | None
    ) -> tuple[list[Past], int | Tensor, int | None]:
        """Each layer's past, how many positions lie before the new ones, and the room of a static cache."""
        config = self.config
        none = (
            isinstance(past, tuple | list) and not isinstance(past, KVCache) and len(past) == config.n_layer
        )
        if past is None or (none and all(layer is None for layer in past)):  # Hugging Face's first call, once
            check_length(config, 0, steps)
            return [Past(None, None, None)] * config.n_layer, 0, None
        if not isinstance(past, KVCache):
            layers = check_tuple(past)
            if len(layers) != config.n_layer:
                raise ValueError(
                    f"past_key_values has {len(layers)} layers; the model has n_layer={config.n_layer}."
                )
            check_layers([layer[:2] for layer in layers], config, batch, self.compute_dtype)
            if len(layers[0]) == 4:
                others = [layer[2:] for layer in layers]
                check_layers(others, config, batch, self.compute_dtype, "the encoder's ")
            before = ops.shape(layers[0][0])[2]
            check_length(config, static_int(before), steps)
            pairs = [(layer[0], layer[1]) for layer in layers]
            crosses = [(layer[2], layer[3]) if len(layer) == 4 else None for layer in layers]
            return [Past(own, cross, None) for own, cross in zip(pairs, crosses, strict=True)], before, None
        past = in_dtype(past, self.compute_dtype)
        check_cache(past, config, batch, self.compute_dtype)
        known = static_int(past.offset)
        offset = past.offset if known is None else known
        if known is not None and steps is not None and known + steps > past.max_length:
            raise ContextLengthError(
                f"The cache has room for {past.max_length} positions; {known} are filled and {steps} more came. "
                "Make it longer: KVCache.empty(config, batch_size, max_length)."
            )
        cross_pairs: Sequence[Pair | None] = [None] * config.n_layer
        if past.cross_keys:
            cross_pairs = list(zip(past.cross_keys, past.cross_values, strict=True))
        own_pairs = zip(past.keys, past.values, strict=True)
        pasts = [Past(own, cross, offset) for own, cross in zip(own_pairs, cross_pairs, strict=True)]
        return pasts, offset, past.max_length

    def _overflow(
        self, before: int | Tensor, length: int | Tensor, room: int | None, *, counted: bool
    ) -> Tensor | None:
        """Whether positions go beyond what there is, (1, 1), where that was not known until now.

        Arguments:
            room: of a static cache.
            counted: positions are embedded by their count, of which there are `n_positions`.
        """
        if static_int(before) is not None and isinstance(length, int):
            return None  # `check_length` and `_pasts` have looked
        limits = [
            limit for limit in (room, self.config.n_positions if counted else None) if limit is not None
        ]
        if not limits:
            return None
        first, last = ops.cast(before, "int32"), ops.cast(before + length, "int32")
        bad = ops.logical_or(ops.less(first, 0), ops.greater(last, min(limits)))
        message = f"more than {min(limits)} positions (n_positions, or the cache's max_length):"
        assert_none(bad, message, last)
        return ops.reshape(bad, (1, 1))

    def _positions(self, position_ids: Tensor | None, before: int | Tensor, length: int | Tensor) -> Tensor:
        """Position embeddings, (1 or batch, positions, n_embd)."""
        if position_ids is None:
            return self.wpe(ops.expand_dims(ops.arange(length, dtype="int32") + before, 0))
        return self.wpe(
            _flat(position_ids, 2) if len(position_ids.shape) > 1 else ops.expand_dims(position_ids, 0)
        )

    def _sight(  # noqa: PLR0917
        self,
        padding: Tensor | None,
        leading: tuple[int | None, ...],
        rows: int | Tensor,
        batch: int | None,
        length: int | Tensor,
        steps: int | None,
        before: int | Tensor,
        room: int | None,
    ) -> Visibility:
        known, rank = static_int(before), len(leading) + 1
        if padding is not None:
            if len(padding.shape) not in (2, rank):
                raise ValueError(
                    f"attention_mask has shape {tuple(padding.shape)}; it must be (batch, positions), one number for "
                    "each position, nonzero where a token counts: masks of queries by keys are not taken."
                )
            if len(padding.shape) == rank > 2 and not all(map(same, sides(padding)[:-1], leading)):
                raise ValueError(
                    f"attention_mask has shape {sides(padding)}; it must be as the input is: {leading} rows."
                )
            padding = _flat(padding, 2)
            check_padding(padding, batch, known, steps, room)
        if room is not None and known != 0:
            return self_visibility(padding, rows, length, before, room, static=True)
        if padding is not None and room is not None:
            padding = padding[:, :length]  # prefill: the new positions see only each other
        return self_visibility(padding, rows, length, before, before + length, static=False)

    def _encoder_sight(
        self,
        states: Tensor | None,
        mask: Tensor | None,
        batch: int | None,
        steps: int | None,
        cached: int | None,
        *,
        crossed: bool,
    ) -> Visibility | None:
        """What may be seen of the encoder, whose states came or whose keys (`cached` positions) a cache holds."""
        if states is None and not crossed:
            if mask is not None:
                raise ValueError(
                    "encoder_attention_mask came without encoder_hidden_states, and no cache holds the encoder's keys."
                )
            return None
        if not self.config.add_cross_attention:
            what = "encoder_hidden_states" if states is not None else "a cache with an encoder's keys"
            raise ValueError(
                f"{what} came, but this model has no cross-attention; "
                "make it with GPT2Config(add_cross_attention=True)."
            )
        if states is None:
            return encoder_visibility(mask, batch, steps, cached)
        shape = sides(states)
        if len(shape) != 3 or not same(shape[0], batch) or not same(shape[2], self.config.n_embd):
            raise ValueError(
                f"encoder_hidden_states has shape {shape}; it must be "
                f"({batch}, encoder positions, {self.config.n_embd})."
            )
        if crossed and not same(shape[1], cached):
            raise ValueError(
                f"encoder_hidden_states has shape {shape}, but the cache was filled from {cached} encoder positions; "
                "leave them out (the cache is used), or begin with an empty cache."
            )
        return encoder_visibility(mask, batch, steps, shape[1])


def _flat(tensor: Tensor, rank: int) -> Tensor:
    """Leading axes joined into one, so that `rank` axes are left."""
    shape = ops.shape(tensor)
    return tensor if len(shape) == rank else ops.reshape(tensor, (-1, *shape[len(shape) - rank + 1 :]))


def _poisoned(hidden: Tensor, strays: Sequence[Tensor | None]) -> Tensor:
    """The hidden states, NaN in each row that strays.

    Whole rows, because attention would spread a single position unlike on each backend.

    Arguments:
        hidden: (rows, positions, n_embd).
        strays: booleans that broadcast to (rows, positions), leading axes perhaps apart.
    """
    rows = [ops.any(_flat(stray, 2), axis=-1) for stray in strays if stray is not None]  # (1 or rows,)
    if not rows:
        return hidden
    bad = functools.reduce(ops.logical_or, rows)
    return hidden + ops.reshape(poison(bad, hidden.dtype), (-1, 1, 1))


def _kept(
    past: Any,
    own: Sequence[Pair | None],
    cross: Sequence[Pair | None],
    before: int | Tensor,
    length: int | Tensor,
) -> KVCache | TuplePast:
    """What the layers kept, in the form in which the past came; the tuple form when none came."""
    pairs = [pair for pair in own if pair is not None]
    crosses = [pair for pair in cross if pair is not None]
    if isinstance(past, KVCache):
        keys, values = zip(*pairs, strict=True)
        cross_keys, cross_values = zip(*crosses, strict=True) if crosses else ((), ())
        return KVCache(keys, values, before + length, cross_keys, cross_values)
    if crosses:
        return tuple((*pair, *other) for pair, other in zip(pairs, crosses, strict=True))
    return tuple(pairs)
