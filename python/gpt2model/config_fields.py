"""What may stand in a GPT-2 configuration? Names, defaults, aliases, ranges, the published sizes.

Owns the tables and the checks of single values and of values together. Refuses to hold a configuration
(`config.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from .number_checks import real_number, whole_number
from .old_names import config_hint

# All names that Hugging Face's activation table knows.
ACTIVATIONS = (
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh", "gelu_pytorch_tanh",
    "hardswish", "laplace", "leaky_relu", "linear", "mish", "prelu", "quick_gelu", "relu", "relu2", "relu6", "sigmoid",
    "silu", "sqrtsoftplus", "swish", "tanh", "xielu",
)  # fmt: skip

SUMMARY_TYPES = ("last", "first", "mean", "cls_index")
MOST_LABELS = 1_000_000  # that get a name each because a number says so
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

ALIASES: Mapping[str, str] = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
    "use_return_dict": "return_dict",
    "torch_dtype": "dtype",
}

# Entries of old and new config.json files that name code to import (True: dropped with a warning) or where
# files were (False: dropped in silence, since nearly every fine-tuned GPT-2 carries one). None is ever looked
# at.
CODE_AND_PATHS: Mapping[str, bool] = {
    "auto_map": True,
    "custom_pipelines": True,
    "trust_remote_code": True,
    "_name_or_path": False,
    "name_or_path": False,
    "_commit_hash": False,
    "_attn_implementation": False,
    "attn_implementation": False,
}

Check = Callable[[str, Any], Any]


def _whole(low: int) -> Check:
    return lambda name, value: whole_number(f"GPT2Config: {name}", value, low)


def _real(low: float, high: float, *, ends: bool = True) -> Check:
    return lambda name, value: real_number(
        f"GPT2Config: {name}", value, low, high, above=not ends, below=not ends
    )


def _dropout(name: str, value: Any) -> float:
    rate = _real(0.0, 1.0)(name, value)
    if rate == 1.0:
        raise ValueError(f"GPT2Config: {name} of 1.0 would drop everything; it must be below 1.")
    return float(rate)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"GPT2Config: {name} must be true or false, not {value!r}.")
    return value


def _one_of(*choices: str) -> Check:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"GPT2Config: {name} must be one of {', '.join(choices)}; not {value!r}.")
        return value

    return check


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"GPT2Config: {name} must be text, not {value!r}.")
    return value


def _sha256(name: str, value: Any) -> str:
    if re.fullmatch("[0-9a-f]{64}", _text(name, value)) is None:
        raise ValueError(f"GPT2Config: {name} must be 64 hexadecimal digits, not {value!r}.")
    return str(value)


def _names(name: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"GPT2Config: {name} must be a list of texts, not {value!r}.")
    return list(value)


def _token_id(name: str, value: Any) -> int:
    number = whole_number(f"GPT2Config: {name}", value)
    if number < 0:
        raise ValueError(
            f"GPT2Config: {name} must be at least 0, not {number}; None (null in a file) says that there is none."
        )
    return number


def _token_ids(name: str, value: Any) -> int | list[int]:
    if isinstance(value, list | tuple):
        return [_token_id(name, item) for item in value]
    return _token_id(name, value)


def _labels_by_id(name: str, value: Any) -> dict[int, str]:
    if not isinstance(value, Mapping) or not value:
        raise TypeError(
            f"GPT2Config: {name} must be a mapping from numbers to names with one entry at least."
        )
    try:
        return {int(index): str(label) for index, label in value.items()}  # JSON has no integer keys
    except (TypeError, ValueError) as error:
        raise ValueError(f"GPT2Config: the keys of {name} must be whole numbers ({error}).") from error


def _ids_by_label(name: str, value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise TypeError(f"GPT2Config: {name} must be a mapping from names to numbers.")
    try:
        return {str(label): int(index) for label, index in value.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"GPT2Config: the values of {name} must be whole numbers ({error}).") from error


def label_names(count: int) -> dict[int, str]:
    """Hugging Face's names for labels that have none: LABEL_0, LABEL_1, ..."""
    return {index: f"LABEL_{index}" for index in range(count)}


@final
@dataclass(frozen=True)
class Field:
    """A field: its default, how a value is checked, and whether None is a value."""

    default: Any
    check: Check
    optional: bool = False


FIELDS: Mapping[str, Field] = {
    "vocab_size": Field(50257, _whole(1)),
    "n_positions": Field(1024, _whole(1)),
    "n_embd": Field(768, _whole(1)),
    "n_layer": Field(12, _whole(1)),
    "n_head": Field(12, _whole(1)),
    "n_inner": Field(None, _whole(1), optional=True),
    "activation_function": Field("gelu_new", _one_of(*ACTIVATIONS)),
    "resid_pdrop": Field(0.1, _dropout),
    "embd_pdrop": Field(0.1, _dropout),
    "attn_pdrop": Field(0.1, _dropout),
    "layer_norm_epsilon": Field(1e-5, _real(0.0, 1.0, ends=False)),
    "initializer_range": Field(0.02, _real(0.0, 1e3)),
    "summary_type": Field("cls_index", _one_of(*SUMMARY_TYPES)),
    "summary_use_proj": Field(True, _flag),
    "summary_activation": Field(None, _one_of(*ACTIVATIONS), optional=True),
    "summary_proj_to_labels": Field(True, _flag),
    "summary_first_dropout": Field(0.1, _dropout),
    "summary_last_dropout": Field(0.0, _dropout),
    "scale_attn_weights": Field(True, _flag),
    "use_cache": Field(True, _flag),
    "bos_token_id": Field(50256, _token_id, optional=True),
    "eos_token_id": Field(50256, _token_ids, optional=True),
    "pad_token_id": Field(None, _token_id, optional=True),
    "scale_attn_by_inverse_layer_idx": Field(False, _flag),
    "reorder_and_upcast_attn": Field(False, _flag),
    "add_cross_attention": Field(False, _flag),
    "tie_word_embeddings": Field(True, _flag),
    # Fields that Hugging Face keeps for every kind of model.
    "id2label": Field(label_names(2), _labels_by_id),
    "label2id": Field({label: index for index, label in label_names(2).items()}, _ids_by_label),
    "problem_type": Field(None, _one_of(*PROBLEM_TYPES), optional=True),
    "classifier_dropout": Field(None, _dropout, optional=True),
    "hidden_dropout": Field(None, _dropout, optional=True),
    "output_attentions": Field(False, _flag),
    "output_hidden_states": Field(False, _flag),
    "return_dict": Field(True, _flag),
    "architectures": Field(None, _names, optional=True),
    "dtype": Field(None, _text, optional=True),
    "chunk_size_feed_forward": Field(0, _whole(0)),  # of no effect here: it only saves memory
    "is_encoder_decoder": Field(False, _flag),
    # This package's own: the tokenizer that the model was trained with; see vocabulary.py.
    "vocabulary_sha256": Field(None, _sha256, optional=True),
}

SIZES: Mapping[str, Mapping[str, int]] = {
    "distilgpt2": {"n_layer": 6, "n_head": 12, "n_embd": 768},
    "gpt2": {"n_layer": 12, "n_head": 12, "n_embd": 768},
    "gpt2-medium": {"n_layer": 24, "n_head": 16, "n_embd": 1024},
    "gpt2-large": {"n_layer": 36, "n_head": 20, "n_embd": 1280},
    "gpt2-xl": {"n_layer": 48, "n_head": 25, "n_embd": 1600},
}


def check_field(name: str, value: Any) -> Any:
    """The value as the field keeps it.

    Raises:
        TypeError, ValueError: naming the field.
    """
    field = FIELDS[name]
    if value is None:
        if field.optional:
            return None
        if name in ("id2label", "label2id"):  # Hugging Face writes null where nobody named the labels
            return field.default.copy()
        raise TypeError(f"GPT2Config: {name} must have a value, not None.")
    return field.check(name, value)


def check_together(values: Mapping[str, Any]) -> None:
    """What no field can tell alone.

    Raises:
        ValueError: naming the fields in conflict.
    """
    if values["n_embd"] % values["n_head"]:
        raise ValueError(
            f"GPT2Config: n_embd ({values['n_embd']}) must be a multiple of n_head ({values['n_head']}): "
            "each head takes an equal share."
        )


def unknown_field_message(name: str) -> str:
    """What to say of a field that does not exist, with the nearest names that do."""
    old = config_hint(name)
    if old is not None:
        return f"GPT2Config has no field {name!r}: {old}."
    near = difflib.get_close_matches(name, [*FIELDS, *ALIASES, "num_labels"], n=3, cutoff=0.7)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"GPT2Config has no field {name!r}.{hint}"
