"""What kind of text is it? GPT-2 with a head over the last token of each row.

Owns the head and its losses. Refuses to guess where a padded row ends when no padding id is configured.
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
from .entry import check_labels, entry, same
from .initialisation import weight_initializer
from .losses import problem_of, sequence_loss
from .model import GPT2Model
from .outputs import SequenceClassifierOutputWithPast
from .pooling import last_token


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2ForSequenceClassification(GPT2PreTrainedModel):
    """GPT-2 that sorts texts into `num_labels` kinds, or gives them numbers.

    Arguments:
        config: the numbers of the model; `num_labels`, `problem_type` and `pad_token_id` matter here.
        dtype: Keras dtype or policy.

    Called as `GPT2Model` (no encoder), and with:
        labels: (batch,) class numbers; (batch, num_labels) zeros and ones for several labels at once; or the
            numbers to be met, for regression.

    Returns:
        `SequenceClassifierOutputWithPast`.

    Example:
        >>> config = GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2, pad_token_id=0)
        >>> model = GPT2ForSequenceClassification(config)
        >>> model(ops.convert_to_tensor([[1, 2, 3], [4, 0, 0]])).logits.shape == (2, 2)
        True
    """

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = GPT2Model(config, dtype=self.dtype_policy, name="transformer")
        self.score = GPT2Dense(
            config.num_labels,
            use_bias=False,
            kernel_initializer=weight_initializer(config),
            dtype=self.dtype_policy,
            name="score",
        )
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.transformer.build()
        if not self.score.built:
            self.score.build((None, self.config.n_embd))
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
            use_cache=self._keeps_cache(use_cache, training),
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            training=training,
        )
        # Pooling first: the head has no use for the other positions.
        pooled = last_token(self.config, inner.last_hidden_state, input_ids)  # (batch, n_embd)
        logits = self.score(pooled)  # (batch, num_labels)
        output = SequenceClassifierOutputWithPast(
            logits=logits,
            past_key_values=inner.past_key_values,
            hidden_states=inner.hidden_states,
            attentions=inner.attentions,
        )
        if labels is not None:
            output["loss"] = self.losses_of(output, labels)["loss"]
        return self._answer(output, return_dict)

    def value_limits(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """As of every model, and labels are classes if each row has one."""
        labels = inputs.get("labels")
        one = hasattr(labels, "dtype") and problem_of(self.config, labels) == "single_label_classification"
        return {**super().value_limits(inputs), **({"labels": self.config.num_labels} if one else {})}

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """The loss of the problem type that the configuration names or the labels imply."""
        if isinstance(labels, Mapping):
            labels = labels["labels"]
        self._check(labels, output.logits.shape[0])
        return {"loss": sequence_loss(self.config, output.logits, labels)}

    def _check(self, labels: Tensor, batch: int | None) -> None:
        problem, shape, classes = problem_of(self.config, labels), tuple(labels.shape), self.config.num_labels
        one_each = (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) and same(shape[0], batch)
        one_per_class = len(shape) == 2 and same(shape[0], batch) and same(shape[1], classes)
        if problem == "single_label_classification":
            good, wanted = one_each, f"({batch},) class numbers"
        elif problem == "regression" and classes == 1:
            good, wanted = one_each, f"({batch},) numbers"
        else:
            good, wanted = one_per_class, f"({batch}, {classes}) numbers"
        if not good:
            raise ValueError(f"labels has shape {shape}; {problem} of {classes} labels takes {wanted}.")
        if problem == "single_label_classification":
            check_labels("labels", labels, shape, classes)
