"""Which plain settings does a tokenizer have, and is each what it must be?

Owns the check of each setting, the same whether it comes as an argument, is set later or stands in a
`tokenizer_config.json`. Refuses to act on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._core import TokenizerError
from .arguments import described, flag, shown, side, whole_number
from .strategies import NO_LIMIT


def _errors(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a way to decode bytes, a str like 'replace', not {type(value).__name__}")
    try:
        b"\xff".decode("utf-8", value)
    except UnicodeDecodeError:
        pass  # What "strict" is for.
    except (LookupError, TypeError, ValueError):  # Unknown, for encoding only, or no name at all.
        raise TokenizerError(
            f"{name} is a way to decode bytes ('replace', 'strict', 'ignore', 'backslashreplace'), not {shown(value)}"
        ) from None
    return value


def _limit(value: object, name: str) -> int:
    """A length. None and infinity are no limit; JSON also writes large numbers with a point."""
    if value is None or value == math.inf:
        return NO_LIMIT
    if isinstance(value, bool):
        raise TypeError(f"{name} is a whole number or None, not bool: pass an int")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole_number(value, name) or 0


def _names(value: object, name: str) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            f"{name} is a list of str like ['input_ids', 'attention_mask'], not {described(value)}"
        )
    for place, item in enumerate(value):
        if not isinstance(item, str):
            raise TypeError(f"{name}[{place}] is {described(item)}, but names are str")
    if not value:
        raise TokenizerError(f"{name} is empty: name at least 'input_ids'")
    return list(value)


def _count(value: object, name: str) -> int:
    return whole_number(value, name) or 0


CHECKS: dict[str, Callable[[object, str], Any]] = {
    "errors": _errors,
    "model_max_length": _limit,
    "model_input_names": _names,
    "padding_side": side,
    "truncation_side": side,
    "pad_token_type_id": _count,
    "split_special_tokens": flag,
    "clean_up_tokenization_spaces": flag,
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": flag,
    "verbose": flag,
}
"""Setting to the function that gives its value as the tokenizer keeps it, or raises.

Each takes the value and the name for messages, and raises TypeError for a wrong type, TokenizerError for a wrong value.
"""
