"""What does a model answer? Its output types, with Hugging Face's field names.

Owns the types and their manners: a field is reached as an attribute, by its name, or by its place among the
fields that are there. Refuses computing. Being a mapping, an output is a structure to tf.nest; it is
registered as a pytree with keras.tree, JAX, torch and optree as far as each is loaded.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from .backend import BACKEND, Tensor


class ModelOutput(dict[str, Any]):
    """An ordered answer; fields that are None are absent from the mapping and the tuple, and None as
    attributes.

    Example:
        >>> output = CausalLMOutputWithCrossAttentions(logits="scores", loss="loss")
        >>> output.logits, output["logits"], output[0], output[:2], output.attentions
        ('scores', 'scores', 'loss', ('loss', 'scores'), None)
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.fields = tuple(inspect.get_annotations(cls))
        for field in cls.fields:
            if field in cls.__dict__:
                raise TypeError(
                    f"{cls.__name__}.{field} must be declared without a value: it would hide the field's."
                )
        _register(cls)

    def __init__(self, pairs: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **fields: Any) -> None:
        given = {**dict(pairs), **fields}
        unknown = given.keys() - set(self.fields)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no field {sorted(unknown)}; it has {', '.join(self.fields)}."
            )
        super().__init__((name, given[name]) for name in self.fields if given.get(name) is not None)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).fields:
            return dict.get(self, name)
        raise AttributeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(self.fields)}.")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            return dict.__getitem__(self, key)
        return self.to_tuple()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self.fields:
            raise KeyError(f"{type(self).__name__} has no field {key!r}; it has {', '.join(self.fields)}.")
        kept = {**self, key: value}
        dict.clear(self)
        dict.update(self, {name: kept[name] for name in self.fields if kept.get(name) is not None})

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are there, in order."""
        return tuple(self.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.items())})"


def _flatten(output: ModelOutput) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    return tuple(output.values()), tuple(output)


def _register(cls: type[ModelOutput]) -> None:
    """Make the type a node of the tree libraries that Keras and its backend use."""

    def build(names: Iterable[str], parts: Iterable[Any]) -> ModelOutput:
        # A tree library puts anything into the leaves, None among it, and wants the same structure back.
        output = cls()
        dict.update(output, dict(zip(names, parts, strict=True)))
        return output

    if BACKEND == "jax":
        sys.modules["jax"].tree_util.register_pytree_node(cls, _flatten, build)
    if BACKEND == "torch":
        pytree = sys.modules["torch"].utils._pytree
        pytree.register_pytree_node(
            cls,
            lambda output: (list(output.values()), list(output)),
            lambda parts, names: build(names, parts),
            serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        )
    try:
        import optree
    except ImportError:  # Keras then has another tree library, which takes a dict as it is
        return
    for namespace in ("keras", "gpt2model"):
        optree.register_pytree_node(
            cls,
            lambda output: (tuple(output.values()), tuple(output), tuple(output)),  # type: ignore[attr-defined]
            build,  # type: ignore[arg-type]
            namespace=namespace,
        )


@final
class BaseModelOutputWithPastAndCrossAttentions(ModelOutput):
    """Of `GPT2Model`: `last_hidden_state` (batch, positions, n_embd)."""

    last_hidden_state: Tensor
    past_key_values: Any
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None
    cross_attentions: tuple[Tensor, ...] | None


@final
class CausalLMOutputWithCrossAttentions(ModelOutput):
    """Of `GPT2LMHeadModel`: `logits` (batch, positions, vocab_size)."""

    loss: Tensor | None
    logits: Tensor
    past_key_values: Any
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None
    cross_attentions: tuple[Tensor, ...] | None


@final
class GPT2DoubleHeadsModelOutput(ModelOutput):
    """Of `GPT2DoubleHeadsModel`: `logits` (batch, choices, positions, vocab_size), `mc_logits` (batch,
    choices).
    """

    loss: Tensor | None
    mc_loss: Tensor | None
    logits: Tensor
    mc_logits: Tensor
    past_key_values: Any
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


@final
class SequenceClassifierOutputWithPast(ModelOutput):
    """Of `GPT2ForSequenceClassification`: `logits` (batch, num_labels)."""

    loss: Tensor | None
    logits: Tensor
    past_key_values: Any
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


@final
class TokenClassifierOutput(ModelOutput):
    """Of `GPT2ForTokenClassification`: `logits` (batch, positions, num_labels)."""

    loss: Tensor | None
    logits: Tensor
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


@final
class QuestionAnsweringModelOutput(ModelOutput):
    """Of `GPT2ForQuestionAnswering`: `start_logits` and `end_logits` (batch, positions)."""

    loss: Tensor | None
    start_logits: Tensor
    end_logits: Tensor
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


# Hugging Face's TensorFlow and Flax names of the same types.
TFBaseModelOutputWithPastAndCrossAttentions = BaseModelOutputWithPastAndCrossAttentions
TFCausalLMOutputWithCrossAttentions = CausalLMOutputWithCrossAttentions
TFGPT2DoubleHeadsModelOutput = GPT2DoubleHeadsModelOutput
TFSequenceClassifierOutputWithPast = SequenceClassifierOutputWithPast
TFTokenClassifierOutput = TokenClassifierOutput
TFQuestionAnsweringModelOutput = QuestionAnsweringModelOutput
FlaxBaseModelOutputWithPastAndCrossAttentions = BaseModelOutputWithPastAndCrossAttentions
FlaxCausalLMOutputWithCrossAttentions = CausalLMOutputWithCrossAttentions
