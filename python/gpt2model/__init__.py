"""The GPT-2 family in Keras 3: one implementation for TensorFlow, JAX and PyTorch.

Owns the public names; nothing is public that is not here. Keras chooses the framework (KERAS_BACKEND, read
when Keras is first imported), and is imported only when a name that needs it is first asked for, so that the
command line and checkpoints go without. The TensorFlow and Flax names that Hugging Face once had are names of
the same classes.
"""

# ruff: noqa: F403, F405 (type checkers see the names of `family`; the test of names holds both lists equal)

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._registration import register_when_keras_comes
from .config import GPT2Config
from .errors import CheckpointError, ContextLengthError, GenerationConfigError
from .extras import extra_named
from .generation.config import GenerationConfig

if TYPE_CHECKING:
    from .export import TextGenerator, export_text_generator, load_text_generator
    from .family import *

__all__ = [
    "BaseModelOutputWithPastAndCrossAttentions",
    "CausalLMOutputWithCrossAttentions",
    "CheckpointError",
    "ContextLengthError",
    "GPT2Config",
    "GPT2DoubleHeadsModel",
    "GPT2DoubleHeadsModelOutput",
    "GPT2ForQuestionAnswering",
    "GPT2ForSequenceClassification",
    "GPT2ForTokenClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "GenerationConfig",
    "GenerationConfigError",
    "KVCache",
    "ModelOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutputWithPast",
    "TextGenerator",
    "TokenClassifierOutput",
    "export_text_generator",
    "keep_freed_memory",
    "load_text_generator",
]

# Hugging Face's names for TensorFlow and Flax. `from gpt2model import *` leaves them out: some warn, and are given to
# those who write them.
_OLD_NAMES = (
    "FlaxBaseModelOutputWithPastAndCrossAttentions",
    "FlaxCausalLMOutputWithCrossAttentions",
    "FlaxGPT2LMHeadModel",
    "FlaxGPT2Model",
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
)
_EXPORT = ("TextGenerator", "export_text_generator", "load_text_generator")  # no Keras is needed to load one
_HOMES = {"TFGPT2": "tensorflow", "FlaxGPT2": "jax"}  # by the beginnings of Hugging Face's names


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extra_named(f"{__name__}.{name}"):
        home = "export" if name in _EXPORT else "family"
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    if name.startswith(tuple(_HOMES)) and not name.endswith("Output"):
        _say_where(name, value.__name__)
    return value


def _say_where(name: str, ours: str) -> None:
    """Warn once of an old name that is asked for on another framework than it was of."""
    home = next(home for prefix, home in _HOMES.items() if name.startswith(prefix))
    backend = import_module(f"{__name__}.backend").BACKEND
    if backend != home:
        warnings.warn(
            f"{name} is another name of {ours}, which runs on Keras' backend, here {backend}: set KERAS_BACKEND={home}"
            f" before Python starts to go on with {home}, or write {ours}.",
            stacklevel=3,
        )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_OLD_NAMES})


register_when_keras_comes(__name__)
