"""How is repetition kept down? Penalties of tokens that came before, and sequences that must not come twice.

Owns the processors that look at all that was said. Refuses tokens named in advance (`tokens.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from keras import ops

from ..backend import Tensor
from .history import NOTHING, History, occurrences
from .processor import REFUSED, Processor


@final
@dataclass(frozen=True)
class RepetitionPenalty(Processor):
    """Divides positive logits of tokens that came before by the penalty, and multiplies negative ones.

    Source: Keskar et al. 2019, "CTRL", section 4.1. Prompt and new tokens count, padding does not.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("penalty",)
    penalty: float

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        seen = history.counts(logits.shape[-1]) > 0
        damped = ops.where(logits < 0, logits * self.penalty, logits / self.penalty)
        return ops.where(seen, damped, logits)


@final
@dataclass(frozen=True)
class CountPenalties(Processor):
    """Takes `frequency` times its count, and `presence` once, from the logit of every new token that came.

    Source: OpenAI's API reference, `frequency_penalty` and `presence_penalty`. The prompt does not count.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("frequency", "presence")
    frequency: float
    presence: float

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        counts = ops.cast(history.counts(logits.shape[-1], only_new=True), "float32")
        return logits - counts * self.frequency - ops.cast(counts > 0, "float32") * self.presence


@final
@dataclass(frozen=True)
class NoRepeatNGram(Processor):
    """No sequence of `size` tokens comes twice.

    Source: Paulus et al. 2017, "A Deep Reinforced Model for Abstractive Summarization", section 2.5; Klein et
    al. 2017, "OpenNMT". Every window of the history is compared with the end at once, so that the shapes are
    static; padding is in no window.
    """

    size: int

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        ids, before = history.ids, self.size - 1
        windows = int(ids.shape[1]) - before
        if windows <= 0:
            return logits
        end = history.last(before)  # (rows, size - 1)
        fits = ids[:, before:] != NOTHING  # (rows, windows): what completes each window is there
        for place in range(before):
            token = ids[:, place : place + windows]
            same = ops.equal(token, end[:, place : place + 1])
            fits = ops.logical_and(fits, ops.logical_and(same, token != NOTHING))
        completing = ops.where(fits, ids[:, before:], NOTHING)
        return ops.where(occurrences(completing, logits.shape[-1]) > 0, REFUSED, logits)
