"""The GPT-2 family in Keras 3: one implementation for TensorFlow, JAX and PyTorch.

Owns the public names; nothing is public that is not here. Keras chooses the framework (KERAS_BACKEND, read
when Keras is first imported). The TensorFlow and Flax names that Hugging Face once had are names of the same
classes.
"""

from .cache import KVCache
from .config import GPT2Config
from .double_heads import GPT2DoubleHeadsModel
from .errors import CheckpointError, ContextLengthError, GenerationConfigError
from .language_model import GPT2LMHeadModel
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

TFGPT2Model = FlaxGPT2Model = GPT2Model
TFGPT2LMHeadModel = FlaxGPT2LMHeadModel = GPT2LMHeadModel
TFGPT2DoubleHeadsModel = GPT2DoubleHeadsModel
TFGPT2ForSequenceClassification = GPT2ForSequenceClassification

__all__ = [
    "BaseModelOutputWithPastAndCrossAttentions",
    "CausalLMOutputWithCrossAttentions",
    "CheckpointError",
    "ContextLengthError",
    "FlaxBaseModelOutputWithPastAndCrossAttentions",
    "FlaxCausalLMOutputWithCrossAttentions",
    "FlaxGPT2LMHeadModel",
    "FlaxGPT2Model",
    "GPT2Config",
    "GPT2DoubleHeadsModel",
    "GPT2DoubleHeadsModelOutput",
    "GPT2ForQuestionAnswering",
    "GPT2ForSequenceClassification",
    "GPT2ForTokenClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "GenerationConfigError",
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
]
