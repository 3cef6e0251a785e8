"""May this prompt be continued so far? The door of generation.

Owns what a caller may hand in (ids of any framework, ragged lists, padding, texts with a tokenizer) and turns
it into one `Prompt`; counts positions before any work. Refuses options (`config.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from keras import ops

from ..config import GPT2Config
from ..errors import ContextLengthError, GenerationConfigError
from ..vocabulary import fitted
from .config import GenerationConfig
from .fields import unknown_token
from .history import NOTHING

Array = np.ndarray[Any, Any]
DEFAULT_NEW = 20  # tokens when nobody says how many, as in transformers


@final
@dataclass(frozen=True)
class Prompt:
    """Prompts of one batch.

    Attributes:
        ids: (rows, width) int32, padded on the left with `NOTHING`.
        given: (rows, width), as the caller gave them: what the answer opens with.
    """

    ids: Array
    given: Array

    @property
    def width(self) -> int:
        """Columns, padding included: what Hugging Face counts as the prompt's length."""
        return int(self.ids.shape[1])

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int((self.ids != NOTHING).sum(axis=1).max(initial=0))

    def repeated(self, times: int) -> Prompt:
        """Every row so often, one after the other."""
        return Prompt(np.repeat(self.ids, times, axis=0), np.repeat(self.given, times, axis=0))


def prompt_of(
    inputs: Any, mask: Any, config: GenerationConfig, model: GPT2Config, tokenizer: Any = None
) -> Prompt:
    """The prompts that a caller hands in.

    Arguments:
        inputs: ids (rows, width) or (width,), lists of lists of any lengths, a text or texts.
        mask: as `inputs`, nonzero where a token counts; None: everything but pad tokens, if there is a pad
            token that is no end.

    Raises:
        ValueError: an empty prompt, ids out of the vocabulary, padding on the right.
        TypeError: neither ids nor texts, or texts without a tokenizer.
    """
    if is_text(inputs):
        rows = encoded([inputs] if isinstance(inputs, str) else list(inputs), tokenizer, model)
    elif isinstance(inputs, Sequence) and inputs and all(map(_is_row, inputs)):
        rows = [
            list(row) if isinstance(row, Sequence) else _whole_numbers(f"input_ids[{index}]", row).tolist()
            for index, row in enumerate(inputs)
        ]
    else:
        return _of_array(_whole_numbers("input_ids", inputs), mask, config, model)
    if mask is not None and len({len(row) for row in rows}) > 1:
        raise ValueError(
            "attention_mask came with prompts of several lengths, which are padded here: leave it out."
        )
    for index, row in enumerate(rows):
        if not row:
            raise ValueError(f"Prompt {index} is empty: give it one token at least, such as bos_token_id.")
    if len({len(row) for row in rows}) == 1:
        return _of_array(_whole_numbers("input_ids", rows), mask, config, model)
    width = max(len(row) for row in rows)
    pad = pad_of(config)
    filled = np.full((len(rows), width), pad, "int32")
    real = np.zeros((len(rows), width), "int32")
    for index, row in enumerate(rows):
        filled[index, width - len(row) :] = _whole_numbers(f"input_ids[{index}]", row)
        real[index, width - len(row) :] = 1
    return _of_array(filled, real, config, model)


def _is_row(row: Any) -> bool:
    """Whether this is a list of ids, or an array or a tensor of one axis."""
    return isinstance(row, Sequence) or len(getattr(row, "shape", ())) == 1


def functions(name: str, given: Any) -> list[Any]:
    """A caller's list of functions.

    Raises:
        TypeError: it is no list.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{name} must be a list of functions, not {given!r}: put it in brackets.")
    return list(given)


def is_text(inputs: Any) -> bool:
    """Whether this is a text or a list of texts."""
    if isinstance(inputs, str):
        return True
    return isinstance(inputs, Sequence) and bool(inputs) and all(isinstance(text, str) for text in inputs)


def encoded(texts: list[str], tokenizer: Any, model: GPT2Config) -> list[list[int]]:
    """Ids of texts, through the caller's tokenizer.

    Raises:
        TypeError: there is none.
        VocabError: it is another model's.
    """
    if tokenizer is None:
        raise TypeError(
            "The prompt is text: pass tokenizer=gpt2tok.GPT2TokenizerFast.from_pretrained(...), or ids."
        )
    check_tokenizer(tokenizer)
    fitted(tokenizer, model)
    return [[int(token) for token in tokenizer.encode(text)] for text in texts]


def check_tokenizer(tokenizer: Any) -> None:
    """Refuse what is no tokenizer.

    Raises:
        TypeError: it is none.
    """
    if isinstance(tokenizer, str) or not (hasattr(tokenizer, "encode") and hasattr(tokenizer, "decode")):
        raise TypeError(
            f"tokenizer must be a tokenizer, not {tokenizer!r}: gpt2tok.GPT2TokenizerFast.from_pretrained(directory)."
        )


def readable(config: GenerationConfig, tokenizer: Any, model: GPT2Config) -> GenerationConfig:
    """The options, with every row of the model suppressed that the tokenizer has no id for: a table may be padded.

    Raises:
        VocabError: the tokenizer is another model's.
    """
    known = None if tokenizer is None or isinstance(tokenizer, str) else fitted(tokenizer, model)
    if known is None or known == model.vocab_size:
        return config
    beyond = range(known, model.vocab_size)
    return config.update(suppress_tokens=(*(config.suppress_tokens or ()), *beyond))


def pad_of(config: GenerationConfig) -> int:
    """What stands where nothing is said any more: the pad token, or the first end."""
    if config.pad_token_id is not None:
        return int(config.pad_token_id)
    return int(config.eos_token_id[0]) if config.eos_token_id else 0


def _whole_numbers(name: str, values: Any) -> Array:
    try:
        array = np.asarray(values if isinstance(values, Sequence) else ops.convert_to_numpy(values))
    except (ValueError, TypeError) as error:
        raise TypeError(f"{name} must be token ids: integers in an array or in lists ({error}).") from error
    if array.size and array.dtype.kind not in "iu":
        mend = ": decode the bytes to a str" if array.dtype.kind == "S" else ""
        raise TypeError(f"{name} must hold integers, not {array.dtype}{mend}.")
    if array.size and int(array.max()) >= 1 << 63:  # of uint64
        raise ValueError(f"{name} holds {int(array.max())}, which is no token id.")
    return array.astype("int64")


def _mask_of(name: str, mask: Any) -> Array:
    """Numbers or booleans, as booleans.

    Raises:
        TypeError: they are none.
        ValueError: lists of several lengths, or NaN.
    """
    try:
        seen = np.asarray(mask if isinstance(mask, Sequence) else ops.convert_to_numpy(mask))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} must be numbers or booleans, of the shape of what it masks ({error})."
        ) from error
    if seen.size and seen.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers or booleans, not {seen.dtype}.")
    if np.isnan(seen).any():
        raise ValueError(f"{name} holds NaN; it must be 0 where a token does not count and 1 elsewhere.")
    return seen != 0


def _of_array(given: Array, mask: Any, config: GenerationConfig, model: GPT2Config) -> Prompt:
    given = given[None] if given.ndim == 1 else given
    if given.ndim != 2:
        raise ValueError(f"input_ids has shape {given.shape}; it must be (rows, tokens).")
    if given.shape[0] == 0:
        raise ValueError("input_ids has no row: there is nothing to continue.")
    real = np.ones(given.shape, bool)
    if mask is not None:
        seen = _mask_of("attention_mask", mask)
        seen = seen[None] if seen.ndim == 1 else seen
        if seen.shape != given.shape:
            raise ValueError(
                f"attention_mask has shape {seen.shape}; it must have that of input_ids, {given.shape}."
            )
        real = seen
    elif config.pad_token_id is not None and config.pad_token_id not in (config.eos_token_id or ()):
        real = given != config.pad_token_id
    for row, columns in enumerate(real):
        if not columns.any():
            raise ValueError(f"Prompt {row} is empty: give it one token at least, such as bos_token_id.")
        if not columns[int(columns.argmax()) :].all():
            raise ValueError(
                f"Prompt {row} has padding after its first token: new tokens would follow padding. Pad on the left "
                "(tokenizer.padding_side = 'left')."
            )
    wrong = real & ((given < 0) | (given >= model.vocab_size))
    if wrong.any():
        row, column = (int(place[0]) for place in np.nonzero(wrong))
        raise ValueError(
            f"input_ids[{row}, {column}] is {given[row, column]}; ids must lie between 0 and {model.vocab_size - 1} "
            f"(vocab_size={model.vocab_size})."
        )
    return Prompt(np.where(real, given, NOTHING).astype("int32"), given.astype("int32"))


def encoder_of(states: Any, mask: Any, rows: int, model: GPT2Config) -> tuple[Array, Array] | None:
    """An encoder's hidden states (rows, places, n_embd) float32, and which of them count (rows, places).

    Raises:
        ValueError: the model does not look at any, or they have another shape.
        TypeError: they are no numbers.
    """
    if states is None:
        if mask is not None:
            raise ValueError("encoder_attention_mask came without encoder_hidden_states.")
        return None
    if not model.add_cross_attention:
        raise ValueError(
            "encoder_hidden_states came, but this model has no cross-attention; make it with "
            "GPT2Config(add_cross_attention=True)."
        )
    found = np.asarray(states if isinstance(states, Sequence) else ops.convert_to_numpy(states))
    if found.dtype.kind not in "fV" and "float" not in str(found.dtype):
        raise TypeError(f"encoder_hidden_states must be floating-point vectors, not {found.dtype}.")
    if found.ndim != 3 or found.shape[0] != rows or found.shape[2] != model.n_embd or found.shape[1] == 0:
        raise ValueError(
            f"encoder_hidden_states has shape {found.shape}; it must be ({rows}, encoder positions, {model.n_embd}): "
            "as many rows as there are prompts."
        )
    if mask is None:
        return found.astype("float32"), np.ones(found.shape[:2], bool)
    real = _mask_of("encoder_attention_mask", mask)
    if real.shape != found.shape[:2]:
        raise ValueError(
            f"encoder_attention_mask has shape {real.shape}; it must be {found.shape[:2]}, as encoder_hidden_states."
        )
    if not real.any(axis=1).all():
        row = int((~real).all(axis=1).argmax())
        raise ValueError(
            f"encoder_attention_mask hides every encoder position of row {row}: leave one at least."
        )
    return found.astype("float32"), real


def window_stride(config: GenerationConfig, model: GPT2Config) -> int:
    """How many tokens a sliding window drops at once; 0 where it does not slide.

    Raises:
        GenerationConfigError: more than there are positions.
    """
    if not config.sliding_window:
        return 0
    stride = max(1, model.n_positions // 2) if config.window_stride is None else int(config.window_stride)
    if stride > model.n_positions:
        raise GenerationConfigError(
            f"window_stride={stride} is more than n_positions={model.n_positions}: the window would be empty."
        )
    return stride


def new_tokens(prompt: Prompt, config: GenerationConfig, model: GPT2Config) -> int:
    """How many tokens may come at most.

    Raises:
        ContextLengthError: with the prompt they are more than `n_positions`.
        GenerationConfigError: `max_length` leaves none, or less than the least asked for.
    """
    left = model.n_positions - prompt.longest
    if config.max_new_tokens is not None:
        most = int(config.max_new_tokens)
    elif config.max_length is not None:
        most = int(config.max_length) - prompt.width
        if most < 1:
            raise GenerationConfigError(
                f"max_length={config.max_length} counts the prompt, which has {prompt.width} tokens already: "
                "raise it, or say max_new_tokens."
            )
    else:
        most = DEFAULT_NEW if config.sliding_window else max(1, min(DEFAULT_NEW, left))
    if most > left and not config.sliding_window:
        ways = f"set max_new_tokens to {left} or less" if left > 0 else "keep its end"
        raise ContextLengthError(
            f"The prompt has {prompt.longest} tokens and {most} new ones would follow, but the model has "
            f"n_positions={model.n_positions}: shorten the prompt, {ways}, or say sliding_window=True."
        )
    if (config.min_new_tokens or 0) > most:
        raise GenerationConfigError(
            f"min_new_tokens={config.min_new_tokens} is more than the {most} tokens that may come."
        )
    if config.min_length > prompt.width + most:
        raise GenerationConfigError(
            f"min_length={config.min_length} is more than the {prompt.width + most} tokens there can be."
        )
    return most


def check_tokens(config: GenerationConfig, vocabulary: int) -> None:
    """Refuse options that name tokens the model does not have.

    Raises:
        GenerationConfigError: naming the option and the token.
    """
    named: dict[str, Sequence[int]] = {
        name: getattr(config, name) or ()
        for name in ("eos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens")
    }
    named |= {
        name: () if getattr(config, name) is None else (getattr(config, name),)
        for name in ("pad_token_id", "forced_bos_token_id")
    }
    named["bad_words_ids"] = [token for ids in config.bad_words_ids or () for token in ids]
    named["sequence_bias"] = [token for ids, _ in config.sequence_bias or () for token in ids]
    for name, tokens in named.items():
        check_ids(name, tokens, vocabulary)


def check_ids(name: str, tokens: Sequence[int], vocabulary: int) -> None:
    """Refuse tokens that the model does not have.

    Raises:
        GenerationConfigError: naming who named them, and the token.
    """
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise GenerationConfigError(unknown_token(name, token, vocabulary))
