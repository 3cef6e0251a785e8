"""What kind of token is each? GPT-2 with a head over every position.

Owns the head and its loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import keras

from .backend import Tensor
from .base import GPT2PreTrainedModel
from .cache import KVCache
from .config import GPT2Config
from .dense import GPT2Dense
from .entry import check_labels, entry
from .initialisation import weight_initializer
from .losses import counted, cross_entropy
from .model import GPT2Model
from .outputs import TokenClassifierOutput


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2ForTokenClassification(GPT2PreTrainedModel):
    """GPT-2 that gives each token one of `num_labels` kinds.

    Arguments:
        config: the numbers of the model; `classifier_dropout`, else `hidden_dropout`, else 0.1 is dropped
            before the head.
        dtype: Keras dtype or policy.

    Called as `GPT2Model` (no encoder), and with:
        labels: (batch, positions) class numbers; -100 where none counts.

    Returns:
        `TokenClassifierOutput`.

    Example:
        >>> model = GPT2ForTokenClassification(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1,
        ... n_head=2))
        >>> model(ops.convert_to_tensor([[1, 2, 3]])).logits.shape == (1, 3, 2)
        True
    """

    ignores_labels = True

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = GPT2Model(config, dtype=self.dtype_policy, name="transformer")
        rates = (config.classifier_dropout, config.hidden_dropout, 0.1)
        rate = next(rate for rate in rates if rate is not None)
        self.dropout = keras.layers.Dropout(rate, dtype=self.dtype_policy, name="dropout")
        self.classifier = GPT2Dense(
            config.num_labels,
            kernel_initializer=weight_initializer(config),
            dtype=self.dtype_policy,
            name="classifier",
        )
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.transformer.build()
        if not self.classifier.built:
            self.classifier.build((None, None, self.config.n_embd))
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
        labels: Tensor | None = None,
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
            use_cache=False,  # the answer has no place for one
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            training=training,
        )
        output = TokenClassifierOutput(
            logits=self.classifier(self.dropout(inner.last_hidden_state, training=training)),
            hidden_states=inner.hidden_states,
            attentions=inner.attentions,
        )
        if labels is not None:
            output["loss"] = self.losses_of(output, labels)["loss"]
        return self._answer(output, return_dict)

    def value_limits(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """As of every model, and labels are classes."""
        return {**super().value_limits(inputs), "labels": self.config.num_labels}

    def compared(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """What is labelled -100 does not count."""
        return counted(labels["labels"] if isinstance(labels, Mapping) else labels, scores)

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """Cross-entropy over the positions that are not labelled -100."""
        if isinstance(labels, Mapping):
            labels = labels["labels"]
        check_labels("labels", labels, tuple(output.logits.shape)[:-1], self.config.num_labels)
        return {"loss": cross_entropy(output.logits, labels)}
