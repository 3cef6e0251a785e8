"""Which names need Keras? The six classes, their outputs and the cache, imported and registered together.

Owns the gathering: importing this module imports Keras and registers every class with it, so that
`keras.saving.load_model` finds them: each registers itself by this package and its name, as `.keras` files have it,
and here by its name alone, which is all that Keras' old `.h5` files hold. Refuses definitions; `gpt2model` publishes
what stands here, when it is first asked for.
"""

import keras

from .cache import KVCache
from .double_heads import GPT2DoubleHeadsModel
from .language_model import GPT2LMHeadModel
from .memory import keep_freed_memory
from .model import GPT2Model
from .outputs import (
    BaseModelOutputWithPastAndCrossAttentions,
    CausalLMOutputWithCrossAttentions,
    FlaxBaseModelOutputWithPastAndCrossAttentions,
    FlaxCausalLMOutputWithCrossAttentions,
    GPT2DoubleHeadsModelOutput,
    ModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutputWithPast,
    TFBaseModelOutputWithPastAndCrossAttentions,
    TFCausalLMOutputWithCrossAttentions,
    TFGPT2DoubleHeadsModelOutput,
    TFQuestionAnsweringModelOutput,
    TFSequenceClassifierOutputWithPast,
    TFTokenClassifierOutput,
    TokenClassifierOutput,
)
from .question_answering import GPT2ForQuestionAnswering
from .sequence_classification import GPT2ForSequenceClassification
from .token_classification import GPT2ForTokenClassification

# Hugging Face's TensorFlow and Flax names of the same classes.
TFGPT2Model = FlaxGPT2Model = GPT2Model
TFGPT2LMHeadModel = FlaxGPT2LMHeadModel = GPT2LMHeadModel
TFGPT2DoubleHeadsModel = GPT2DoubleHeadsModel
TFGPT2ForSequenceClassification = GPT2ForSequenceClassification

for _model in (
    GPT2DoubleHeadsModel, GPT2ForQuestionAnswering, GPT2ForSequenceClassification, GPT2ForTokenClassification,
    GPT2LMHeadModel, GPT2Model,
):  # fmt: skip
    keras.saving.get_custom_objects().setdefault(_model.__name__, _model)

__all__ = [
    "BaseModelOutputWithPastAndCrossAttentions",
    "CausalLMOutputWithCrossAttentions",
    "FlaxBaseModelOutputWithPastAndCrossAttentions",
    "FlaxCausalLMOutputWithCrossAttentions",
    "FlaxGPT2LMHeadModel",
    "FlaxGPT2Model",
    "GPT2DoubleHeadsModel",
    "GPT2DoubleHeadsModelOutput",
    "GPT2ForQuestionAnswering",
    "GPT2ForSequenceClassification",
    "GPT2ForTokenClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "KVCache",
    "ModelOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutputWithPast",
    "TFBaseModelOutputWithPastAndCrossAttentions",
    "TFCausalLMOutputWithCrossAttentions",
    "TFGPT2DoubleHeadsModel",
    "TFGPT2DoubleHeadsModelOutput",
    "TFGPT2ForSequenceClassification",
    "TFGPT2LMHeadModel",
    "TFGPT2Model",
    "TFQuestionAnsweringModelOutput",
    "TFSequenceClassifierOutputWithPast",
    "TFTokenClassifierOutput",
    "TokenClassifierOutput",
    "keep_freed_memory",
]
