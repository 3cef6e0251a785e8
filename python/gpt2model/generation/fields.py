"""What may a generation configuration say? Names, defaults, ranges.

Owns the table of options, under Hugging Face's names and defaults, and the check of each single value. Refuses
to judge options together (`conflicts.py`) and to hold them (`config.py`). Loads no framework.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

from ..config import GPT2Config
from ..errors import GenerationConfigError
from ..number_checks import real_number, whole_number
from ..old_names import generate_hint

Check = Callable[[str, Any], Any]


def _whole(low: int) -> Check:
    return lambda name, value: whole_number(name, value, low, error=GenerationConfigError)


LARGEST = 3.4028234663852886e38  # of float32, in which logits are computed


def _real(low: float, high: float = LARGEST, *, above: bool = False, below: bool = False) -> Check:
    """A number between `low` and `high`; `above`, `below`: that border itself is excluded."""
    return lambda name, value: real_number(
        name, value, low, high, above=above, below=below, error=GenerationConfigError
    )


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}.")
    return value


def _early(name: str, value: Any) -> bool | str:
    if value != "never" and not isinstance(value, bool):
        raise GenerationConfigError(f'{name} must be True, False or "never", not {value!r}.')
    return value


def token(name: str, value: Any) -> int:
    """A token id."""
    return int(_whole(0)(name, value))


def _tokens(name: str, value: Any) -> tuple[int, ...]:
    """One token id or several; always a tuple of different ones."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(dict.fromkeys(token(name, item) for item in value))
    return (token(name, value),)


def _sequence(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name}: {value!r} is no list of token ids.{_ids_of(value)}")
    if not value:
        raise GenerationConfigError(f"{name} holds an empty list of token ids, which would match everywhere.")
    if texts := [item for item in value if isinstance(item, str)]:
        raise TypeError(f"{name}: {value!r} holds a text where token ids belong.{_ids_of(texts[0])}")
    return tuple(token(name, item) for item in value)


def _ids_of(value: Any) -> str:
    """How a text becomes what was wanted."""
    return f" tokenizer({value!r})['input_ids'] is one." if isinstance(value, str) else ""


def _sequences(name: str, value: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of lists of token ids, not {value!r}.")
    return tuple(dict.fromkeys(_sequence(name, item) for item in value))


def _biases(name: str, value: Any) -> tuple[tuple[tuple[int, ...], float], ...]:
    """{(ids): bias} or [[[ids], bias]], as tuples."""
    if isinstance(value, str) or not isinstance(value, Mapping | Sequence):
        raise TypeError(f"{name} must map lists of token ids to numbers, not {value!r}.")
    pairs = list(value.items() if isinstance(value, Mapping) else value)
    if any(isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2 for pair in pairs):
        raise TypeError(f"{name} must be a list of [[token ids], bias], not {value!r}.")
    found: dict[tuple[int, ...], float] = {}
    for ids, bias in pairs:
        if isinstance(bias, bool) or not isinstance(bias, Real):
            raise TypeError(f"{name}: the bias of {list(ids)} must be a number, not {bias!r}.")
        if bias != -math.inf and not abs(float(bias)) <= LARGEST:
            raise GenerationConfigError(
                f"{name}: the bias of {list(ids)} must be -inf, or lie between {-LARGEST} and {LARGEST}, not {bias}."
            )
        found[_sequence(name, ids)] = float(bias)
    return tuple(found.items())


def _decay(name: str, value: Any) -> tuple[int, float]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} must be (start, factor), not {value!r}.")
    return int(_whole(0)(name, value[0])), float(_real(0.0, above=True)(name, value[1]))


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a text or a list of texts, not {value!r}.")
    if not all(texts):
        raise GenerationConfigError(f"{name} holds an empty text, which would stop before the first token.")
    return tuple(texts)


@final
@dataclass(frozen=True)
class Option:
    """An option: what it is when nobody says, how a value is checked, whether None is a value."""

    default: Any
    check: Check
    optional: bool = False


def _or_none(check: Check) -> Option:
    return Option(None, check, optional=True)


_SHARE = _real(0.0, 1.0)

OPTIONS: Mapping[str, Option] = {
    # how long
    "max_length": _or_none(_whole(1)),  # prompt and new tokens; 20 new tokens when neither is said
    "max_new_tokens": _or_none(_whole(1)),
    "min_length": Option(0, _whole(0)),
    "min_new_tokens": _or_none(_whole(0)),
    "early_stopping": Option(False, _early),
    "max_time": _or_none(_real(0.0, above=True)),
    "stop_strings": _or_none(_texts),
    "sliding_window": Option(False, flag),  # past n_positions, as sliding.py says; otherwise that is refused
    "window_stride": _or_none(_whole(1)),  # tokens dropped at once; half of n_positions when nobody says
    # which way
    "do_sample": Option(False, flag),
    "num_beams": Option(1, _whole(1)),
    "num_beam_groups": Option(1, _whole(1)),
    "diversity_penalty": Option(0.0, _real(0.0)),
    "penalty_alpha": _or_none(_real(0.0, 1.0)),
    "use_cache": Option(True, flag),
    # what becomes of the logits
    "temperature": Option(1.0, _real(0.0, above=True)),
    "top_k": Option(50, _whole(0)),
    "top_p": Option(1.0, _SHARE),
    "min_p": _or_none(_SHARE),
    "typical_p": Option(1.0, _real(0.0, 1.0, above=True)),
    "epsilon_cutoff": Option(0.0, _real(0.0, 1.0, below=True)),
    "eta_cutoff": Option(0.0, _real(0.0, 1.0, below=True)),
    "repetition_penalty": Option(1.0, _real(0.0, above=True)),
    "frequency_penalty": Option(0.0, _real(-LARGEST)),
    "presence_penalty": Option(0.0, _real(-LARGEST)),
    "length_penalty": Option(1.0, _real(-LARGEST)),
    "no_repeat_ngram_size": Option(0, _whole(0)),
    "bad_words_ids": _or_none(_sequences),
    "sequence_bias": _or_none(_biases),
    "renormalize_logits": Option(False, flag),
    "forced_bos_token_id": _or_none(token),
    "forced_eos_token_id": _or_none(_tokens),
    "remove_invalid_values": Option(False, flag),
    "exponential_decay_length_penalty": _or_none(_decay),
    "suppress_tokens": _or_none(_tokens),
    "begin_suppress_tokens": _or_none(_tokens),
    # what comes back
    "num_return_sequences": Option(1, _whole(1)),
    "output_scores": Option(False, flag),
    "output_logits": Option(False, flag),
    "return_dict_in_generate": Option(False, flag),
    # special tokens
    "pad_token_id": _or_none(token),
    "bos_token_id": _or_none(token),
    "eos_token_id": _or_none(_tokens),
    # a faster model guesses
    "num_assistant_tokens": Option(5, _whole(1)),
    "prompt_lookup_num_tokens": _or_none(_whole(1)),
    "max_matching_ngram_size": Option(2, _whole(1)),
}

# Entries of generation_config.json files that say nothing about generation.
NOTES = frozenset(["transformers_version", "_from_model_config", "_commit_hash", "_name_or_path"])


def check_option(name: str, value: Any) -> Any:
    """The value of an option in its one form (lists become tuples).

    Raises:
        GenerationConfigError: no such option, or a value out of range.
        TypeError: a value of the wrong type.

    Example:
        >>> check_option("eos_token_id", 50256)
        (50256,)
    """
    option = OPTIONS.get(name)
    if option is None:
        raise GenerationConfigError(unknown(name))
    if value is None:  # in Hugging Face's files: nothing was said
        return option.default
    return option.check(f"GenerationConfig: {name}", value)


def unknown(name: str) -> str:
    """What to say of an option that does not exist, with the nearest names that do."""
    if (old := generate_hint(name)) is not None:
        return f"There is no generation option {name!r}: {old}."
    near = difflib.get_close_matches(name, OPTIONS, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " `gpt2model.generation.OPTIONS` lists all."
    return f"There is no generation option {name!r}.{hint}"


def unknown_token(name: str, token: int, vocabulary: int) -> str:
    """What to say of an option that names a token which the model does not have."""
    told = f"{name} names token {token}, but the model's vocabulary ends at {vocabulary - 1}"
    if token < 0:
        return f"{name} names token {token}, but ids begin at 0."
    if token == GPT2Config().eos_token_id and name in ("eos_token_id", "pad_token_id"):
        # Nobody said it: a configuration that says no more than its vocab_size has GPT-2's own end.
        return (
            f"{told}. It is GPT-2's, and this vocabulary is another: set model.config.{name} to tokenizer.{name} (or"
            f" None) and save the model again; for one call, pass {name}=."
        )
    return f"{told}."
