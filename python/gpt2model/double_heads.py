"""Which of several continuations? GPT-2 with a language-model head and a multiple-choice head.

Owns both heads and both losses. Refuses generation loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import keras
from keras import ops

from .backend import Tensor
from .bounds import poison
from .cache import KVCache
from .config import GPT2Config
from .entry import check_ids, check_labels, check_like, entry, same
from .language_model import LanguageModelHead
from .losses import by_name, counted, cross_entropy, language_model_loss
from .model import GPT2Model
from .outputs import GPT2DoubleHeadsModelOutput
from .summary import GPT2SequenceSummary


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2DoubleHeadsModel(LanguageModelHead):
    """GPT-2 with a language-model head and a multiple-choice head.

    Arguments:
        config: the numbers of the model; the multiple-choice head gives one score, so `num_labels` is 1 in its copy.
        dtype: Keras dtype or policy.

    Called as `GPT2Model` (no encoder), input_ids being (batch, choices, positions), and with:
        mc_token_ids: (batch, choices), the position that stands for each choice; the last when None.
        labels: as input_ids, for the language-model loss.
        mc_labels: (batch,), the right choice.

    Returns:
        `GPT2DoubleHeadsModelOutput`.

    Example:
        >>> model = GPT2DoubleHeadsModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1,
        ... n_head=2))
        >>> output = model(ops.convert_to_tensor([[[1, 2, 3], [1, 2, 4]]]))
        >>> output.logits.shape == (1, 2, 3, 11), output.mc_logits.shape == (1, 2)
        (True, True)
    """

    label_names = ("labels", "mc_labels")
    ignores_labels = True

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        config = self.config
        config.num_labels = 1  # as Hugging Face does
        self.transformer = GPT2Model(config, dtype=self.dtype_policy, name="transformer")
        self.lm_head = None if config.tie_word_embeddings else self._language_model_head()
        self.multiple_choice_head = GPT2SequenceSummary(
            config, dtype=self.dtype_policy, name="multiple_choice_head"
        )
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.transformer.build()
        if self.lm_head is not None and not self.lm_head.built:
            self.lm_head.build((None, None, self.config.n_embd))
        if not self.multiple_choice_head.built:
            self.multiple_choice_head.build((None, None, self.config.n_embd))
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
        mc_token_ids: Tensor | None = None,
        labels: Tensor | None = None,
        mc_labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> Any:
        """See the class."""
        inner = self.transformer(
            input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            head_mask=head_mask,
            inputs_embeds=inputs_embeds,
            use_cache=self._keeps_cache(use_cache, training),
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            training=training,
        )
        hidden = inner.last_hidden_state  # (batch, choices, positions, n_embd)
        stray = None
        if mc_token_ids is not None:
            check_like("mc_token_ids", mc_token_ids, tuple(hidden.shape)[:-2])
            stray = check_ids("mc_token_ids", mc_token_ids, ops.shape(hidden)[-2])
        scores = self.multiple_choice_head(hidden, mc_token_ids, training=training)  # (batch, choices, 1)
        if stray is not None and self.config.summary_type == "cls_index":  # the only one that looks at it
            scores = scores + ops.expand_dims(poison(stray, scores.dtype), -1)
        # (batch, choices); a head that is not projected to one score keeps the last axis, as Hugging Face's
        mc_logits = ops.squeeze(scores, -1) if scores.shape[-1] == 1 else scores
        output = GPT2DoubleHeadsModelOutput(
            logits=self.logits(hidden),
            mc_logits=mc_logits,
            past_key_values=inner.past_key_values,
            hidden_states=inner.hidden_states,
            attentions=inner.attentions,
        )
        for name, loss in self.losses_of(output, {"labels": labels, "mc_labels": mc_labels}).items():
            output[name] = loss
        return self._answer(output, return_dict)

    def value_limits(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """As with one head, and a choice is one of those that came, its position one of the input's."""
        limits = super().value_limits(inputs)
        shape: tuple[Any, ...] = tuple(getattr(inputs.get("input_ids"), "shape", ()))
        if len(shape) < 3 or not all(isinstance(side, int) for side in shape[-2:]):
            return limits
        choices = (
            self.config.summary_use_proj and self.config.summary_proj_to_labels
        )  # else: vectors, not scores
        return {**limits, "mc_token_ids": shape[-1], **({"mc_labels": shape[-2]} if choices else {})}

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """Both losses, as far as there are labels: a mapping of `labels` and `mc_labels`, or a pair."""
        labels = self._labels_by_name(labels)
        losses: dict[str, Tensor] = {}
        if labels.get("labels") is not None:
            check_labels("labels", labels["labels"], tuple(output.logits.shape)[:-1], self.config.vocab_size)
            losses["loss"] = language_model_loss(output.logits, labels["labels"])
        if labels.get("mc_labels") is not None:
            scores = output.mc_logits  # (batch, choices)
            choices = scores.shape[-1]
            scores = _rows_of_choices(scores)
            right = ops.reshape(labels["mc_labels"], (-1,))
            if not same(right.shape[0], scores.shape[0]):
                raise ValueError(
                    f"mc_labels has shape {tuple(labels['mc_labels'].shape)}; it must be "
                    f"({scores.shape[0]},): one right choice a row."
                )
            if choices is not None:
                check_labels("mc_labels", right, tuple(right.shape), choices)
            losses["mc_loss"] = cross_entropy(scores, right)
        return losses

    def _labels_by_name(self, labels: Any) -> Mapping[str, Any]:
        if isinstance(labels, tuple | list):
            return dict(zip(self.label_names, labels, strict=True))
        return labels if isinstance(labels, Mapping) else {"labels": labels}

    def compared(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """Each token with the logits of the place before it, and each choice, as far as there are labels."""
        labels, parts = self._labels_by_name(labels), {}
        if labels.get("labels") is not None:
            parts["logits"] = counted(labels["labels"][..., 1:], scores["logits"][..., :-1, :])
        if labels.get("mc_labels") is not None:
            right = ops.reshape(labels["mc_labels"], (-1,))
            parts["mc_logits"] = counted(right, _rows_of_choices(scores["mc_logits"]))
        return by_name(parts)

    def scores_of(self, output: Any) -> Any:
        """Both logits, by name."""
        return {"logits": output["logits"], "mc_logits": output["mc_logits"]}


def _rows_of_choices(scores: Tensor) -> Tensor:
    """(rows, choices), as in Hugging Face's: what is not projected to one score gives a row of every vector, and
    ids without an axis of choices are the choices of one row."""
    return scores if len(scores.shape) == 2 else ops.reshape(scores, (-1, scores.shape[-1]))
