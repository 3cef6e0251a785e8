"""Which tokens may come, and which must? Suppression, forcing, biases, least lengths.

Owns the processors that act on tokens named in advance. Refuses those that look at probabilities
(`warpers.py`) or count repetitions (`repetition.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, final

import numpy as np
from keras import ops

from ..backend import Tensor
from .history import History
from .processor import REFUSED, Processor


def one_of(tokens: Sequence[int], vocabulary: int) -> np.ndarray[Any, Any]:
    """(1, vocabulary) booleans, true at these tokens."""
    mask = np.zeros((1, vocabulary), bool)
    mask[0, [token for token in tokens if token < vocabulary]] = True
    return mask


def _refuse(logits: Tensor, tokens: Sequence[int], when: Any) -> Tensor:
    """These tokens refused if `when`, a boolean that may be traced."""
    refused = ops.logical_and(one_of(tokens, logits.shape[-1]), when)
    return ops.where(refused, REFUSED, logits)


@final
@dataclass(frozen=True)
class SuppressTokens(Processor):
    """These tokens never come (transformers' `suppress_tokens`)."""

    tokens: tuple[int, ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _refuse(logits, self.tokens, True)


@final
@dataclass(frozen=True)
class SuppressTokensAtBegin(Processor):
    """These tokens do not come first, or second where the first was forced (`begin_suppress_tokens`)."""

    tokens: tuple[int, ...]
    forced: bool

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        later = ops.logical_and(history.prompt <= 1, self.forced)
        begin = history.prompt + ops.cast(later, "int32")
        return _refuse(logits, self.tokens, ops.equal(history.length, begin))


@final
@dataclass(frozen=True)
class MinLength(Processor):
    """No end before prompt and new tokens are so many (`min_length`)."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("least",)
    least: float
    ends: tuple[int, ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _refuse(logits, self.ends, ops.cast(history.length, "float32") < self.least)


@final
@dataclass(frozen=True)
class MinNewTokens(Processor):
    """No end before so many new tokens (`min_new_tokens`)."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("least",)
    least: float
    ends: tuple[int, ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _refuse(logits, self.ends, ops.cast(history.new, "float32") < self.least)


def _force(logits: Tensor, tokens: Sequence[int], when: Any) -> Tensor:
    forced = np.where(one_of(tokens, logits.shape[-1]), np.float32(0), np.float32(REFUSED))
    return ops.where(when, forced, logits)


@final
@dataclass(frozen=True)
class ForcedBos(Processor):
    """This token comes first after a prompt of one token (`forced_bos_token_id`)."""

    token: int

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _force(logits, [self.token], ops.equal(history.length, 1))


@final
@dataclass(frozen=True)
class ForcedEos(Processor):
    """One of these tokens comes last when the greatest length is reached (`forced_eos_token_id`)."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("most",)
    most: float  # new tokens
    tokens: tuple[int, ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _force(logits, self.tokens, ops.equal(ops.cast(history.new, "float32"), self.most - 1))


@final
@dataclass(frozen=True)
class SequenceBias(Processor):
    """Adds a bias to the token that would complete a sequence (`sequence_bias`; with -inf: `bad_words_ids`).

    A sequence of one token is biased always, a longer one when all its tokens but the last stand at the end.
    """

    biases: tuple[tuple[tuple[int, ...], float], ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        vocabulary = logits.shape[-1]
        always = np.zeros((1, vocabulary), "float32")
        for (token,), bias in (pair for pair in self.biases if len(pair[0]) == 1):
            always[0, token] = bias
        total: Tensor = ops.convert_to_tensor(always)
        longer = sorted((pair for pair in self.biases if len(pair[0]) > 1), key=lambda pair: len(pair[0]))
        for length, pairs in groupby(longer, key=lambda pair: len(pair[0])):
            group = list(pairs)
            opening = np.array([ids[:-1] for ids, _ in group], "int32")  # (sequences, length - 1)
            last = np.array([ids[-1] for ids, _ in group], "int32")
            size = np.array([bias for _, bias in group], "float32")[:, None]  # (sequences, 1)
            end = ops.expand_dims(history.last(length - 1), 0)  # (1, rows, length - 1)
            fits = ops.all(ops.equal(end, opening[:, None, :]), axis=-1)  # (sequences, rows)
            found = ops.where(fits, size, 0.0)
            # A sum by token, because several sequences may end alike; a product would make NaN of -inf times 0.
            added = ops.segment_sum(found, ops.convert_to_tensor(last), num_segments=vocabulary)
            total = total + ops.transpose(added)  # (rows, vocabulary)
        return logits + ops.cast(total, logits.dtype)


def bad_words(sequences: Sequence[tuple[int, ...]], ends: Sequence[int]) -> SequenceBias:
    """The bias that lets no such sequence come. (An end alone is none, as in transformers.)"""
    return SequenceBias(tuple((ids, REFUSED) for ids in sequences if not (len(ids) == 1 and ids[0] in ends)))


@final
@dataclass(frozen=True)
class ExponentialDecay(Processor):
    """From so many new tokens on, the end grows likelier: its logit gains |logit| (factor^n - 1)
    (`exponential_decay_length_penalty`)."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("start", "factor")
    start: float
    factor: float
    ends: tuple[int, ...]

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        beyond = ops.cast(history.new, "float32") - self.start
        gain = ops.power(ops.cast(self.factor, "float32"), ops.maximum(beyond, 0.0)) - 1.0
        # What was refused stays so, also where `RemoveInvalid` has made a number of it.
        known = ops.absolute(logits) < float(np.finfo("float32").max)
        finite = ops.logical_and(one_of(self.ends, logits.shape[-1]), known)
        absolute = ops.where(finite, ops.absolute(ops.where(finite, logits, 0.0)), 0.0)
        return logits + absolute * gain


@final
@dataclass(frozen=True)
class RemoveInvalid(Processor):
    """NaN becomes 0, infinity the largest number there is (`remove_invalid_values`)."""

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        largest = float(np.finfo("float32").max)
        logits = ops.where(ops.isnan(logits), 0.0, logits)
        return ops.clip(logits, -largest, largest)
