"""Where in the text is the answer? GPT-2 with a head for the first and the last position of a span.

Owns the head and its loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import keras
from keras import ops

from .backend import Tensor, sides
from .base import GPT2PreTrainedModel
from .config import GPT2Config
from .dense import GPT2Dense
from .entry import entry, same
from .initialisation import weight_initializer
from .losses import by_name, clamped, counted, span_loss
from .model import GPT2Model
from .outputs import QuestionAnsweringModelOutput


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2ForQuestionAnswering(GPT2PreTrainedModel):
    """GPT-2 that finds a span.

    Arguments:
        config: the numbers of the model.
        dtype: Keras dtype or policy.

    Called as `GPT2Model` (no encoder, no cache), and with:
        start_positions, end_positions: (batch,), both or neither; positions outside the input do not count.

    Returns:
        `QuestionAnsweringModelOutput`.

    Example:
        >>> model = GPT2ForQuestionAnswering(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1,
        ... n_head=2))
        >>> model(ops.convert_to_tensor([[1, 2, 3]])).start_logits.shape == (1, 3)
        True
    """

    label_names = ("start_positions", "end_positions")
    ignores_labels = True

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = GPT2Model(config, dtype=self.dtype_policy, name="transformer")
        self.qa_outputs = GPT2Dense(
            2, kernel_initializer=weight_initializer(config), dtype=self.dtype_policy, name="qa_outputs"
        )
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        self.transformer.build()
        if not self.qa_outputs.built:
            self.qa_outputs.build((None, None, self.config.n_embd))
        self.built = True

    @entry
    def call(  # noqa: PLR0917  (Hugging Face's order, for callers who wrote it)
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> Any:
        """See the class."""
        inner = self.transformer(
            input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            head_mask=head_mask,
            inputs_embeds=inputs_embeds,
            use_cache=False,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            training=training,
        )
        scores = self.qa_outputs(inner.last_hidden_state)  # (batch, positions, 2)
        output = QuestionAnsweringModelOutput(
            start_logits=scores[..., 0],
            end_logits=scores[..., 1],
            hidden_states=inner.hidden_states,
            attentions=inner.attentions,
        )
        if (start_positions is None) != (end_positions is None):
            lone, other = "start_positions", "end_positions"
            lone, other = (lone, other) if end_positions is None else (other, lone)
            raise ValueError(f"{lone} came without {other}; the loss is of both ends: give both, or neither.")
        if start_positions is not None and end_positions is not None:
            output["loss"] = self.losses_of(output, (start_positions, end_positions))["loss"]
        return self._answer(output, return_dict)

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """The mean of both ends' losses; labels are a pair, or a mapping of start_positions and
        end_positions.
        """
        start, end = self._ends(labels)
        batch = output.start_logits.shape[0]
        if len(output.start_logits.shape) != 2:
            raise ValueError(
                "The input must be one text a row, (batch, positions), not "
                f"{sides(output.start_logits)}, where positions are learned."
            )
        for name, positions in (("start_positions", start), ("end_positions", end)):
            shape = tuple(positions.shape)
            if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or not same(shape[0], batch):
                raise ValueError(f"{name} has shape {shape}; it must be ({batch},): one position a row.")
            if "int" not in str(positions.dtype):
                raise TypeError(f"{name} must be integers, not {positions.dtype}.")
        return {"loss": span_loss(output.start_logits, output.end_logits, start, end)}

    def _ends(self, labels: Any) -> tuple[Tensor, Tensor]:
        start, end = (labels[name] for name in self.label_names) if isinstance(labels, Mapping) else labels
        return start, end

    def compared(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """Both ends, clamped; those outside of the text do not count."""
        length = ops.shape(scores["start_logits"])[1]
        ends = zip(("start_logits", "end_logits"), self._ends(labels), strict=True)
        return by_name({name: counted(clamped(end, length), scores[name], length) for name, end in ends})

    def scores_of(self, output: Any) -> Any:
        """Both logits, by name."""
        return {"start_logits": output["start_logits"], "end_logits": output["end_logits"]}
