"""From which tokens is one drawn? Temperature and the ways to cut the tail of the distribution off.

Owns the processors that look at probabilities only. Each cut is a threshold that every logit is compared with:
ties at the border stay together, and nothing has to be scattered back from sorted order. Refuses history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from keras import ops

from ..backend import Tensor
from .history import History
from .processor import REFUSED, Processor


@final
@dataclass(frozen=True)
class Temperature(Processor):
    """Divides the logits: below 1 sharper, above 1 flatter.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("temperature",)
    temperature: float

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return logits / self.temperature


def _kth(logits: Tensor, k: int) -> Tensor:
    """The k-th largest of each row, (rows, 1)."""
    k = min(k, int(logits.shape[-1]))
    return ops.top_k(logits, k)[0][:, k - 1 :]


def _at(ordered: Tensor, index: Tensor) -> Tensor:
    """One number of each row: (rows, n) and (rows,) to (rows, 1)."""
    return ops.take_along_axis(ordered, ops.expand_dims(ops.cast(index, "int32"), 1), axis=1)


@final
@dataclass(frozen=True)
class TopK(Processor):
    """Keeps the k likeliest tokens.

    Source: Fan, Lewis and Dauphin 2018, "Hierarchical Neural Story Generation".
    """

    k: int
    least: int = 1  # tokens kept whatever happens

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return ops.where(logits < _kth(logits, max(self.k, self.least)), REFUSED, logits)


@final
@dataclass(frozen=True)
class TopP(Processor):
    """Keeps the likeliest tokens whose probabilities sum up to p.

    Source: Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("p",)
    p: float
    least: int = 1

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        ordered = ops.sort(logits, axis=-1)  # from the least likely on
        below = ops.cumsum(ops.softmax(ordered, axis=-1), axis=-1)
        removed = ops.sum(ops.cast(below <= 1.0 - self.p, "int32"), axis=-1)
        most = max(int(logits.shape[-1]) - self.least, 0)
        return ops.where(logits < _at(ordered, ops.minimum(removed, most)), REFUSED, logits)


@final
@dataclass(frozen=True)
class MinP(Processor):
    """Keeps tokens at least p times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("p",)
    p: float
    least: int = 1

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        likely = ops.softmax(logits, axis=-1)
        rare = likely < self.p * ops.max(likely, axis=-1, keepdims=True)
        return _cut(logits, rare, self.least)


def _cut(logits: Tensor, rare: Tensor, least: int) -> Tensor:
    """Rare tokens refused, but for the `least` likeliest."""
    return ops.where(ops.logical_and(rare, logits < _kth(logits, least)), REFUSED, logits)


def _entropy(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities (rows, vocabulary), and the entropy (rows, 1) in nats."""
    log = ops.log_softmax(logits, axis=-1)
    share = ops.where(ops.isfinite(log), log * ops.exp(log), 0.0)
    return log, -ops.sum(share, axis=-1, keepdims=True)


@final
@dataclass(frozen=True)
class Typical(Processor):
    """Keeps the tokens whose information is nearest to the entropy, up to a probability of `mass`.

    Source: Meister et al. 2022, "Locally Typical Sampling".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("mass",)
    mass: float
    least: int = 1

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        log, entropy = _entropy(logits)
        distance = ops.absolute(-log - entropy)  # infinite for tokens that were refused
        order = ops.argsort(distance, axis=-1)
        distances = ops.take_along_axis(distance, order, axis=1)
        below = ops.cumsum(ops.take_along_axis(ops.exp(log), order, axis=1), axis=-1)
        last = ops.sum(ops.cast(below < self.mass, "int32"), axis=-1)
        last = ops.clip(last, min(self.least, int(logits.shape[-1])) - 1, int(logits.shape[-1]) - 1)
        return ops.where(distance > _at(distances, last), REFUSED, logits)


@final
@dataclass(frozen=True)
class Epsilon(Processor):
    """Keeps tokens at least as likely as epsilon.

    Source: Hewitt, Manning and Liang 2022, "Truncation Sampling as Language Model Desmoothing".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("epsilon",)
    epsilon: float
    least: int = 1

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return _cut(logits, ops.softmax(logits, axis=-1) < self.epsilon, self.least)


@final
@dataclass(frozen=True)
class Eta(Processor):
    """Keeps tokens at least as likely as min(epsilon, sqrt(epsilon) exp(-entropy)).

    Source: Hewitt, Manning and Liang 2022, "Truncation Sampling as Language Model Desmoothing".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("epsilon",)
    epsilon: float
    least: int = 1

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        log, entropy = _entropy(logits)
        epsilon: Any = ops.cast(self.epsilon, "float32")
        border = ops.minimum(epsilon, ops.sqrt(epsilon) * ops.exp(-entropy))
        return _cut(logits, ops.exp(log) < border, self.least)


@final
@dataclass(frozen=True)
class Normalize(Processor):
    """Logits become log-probabilities (`renormalize_logits`)."""

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        return ops.log_softmax(logits, axis=-1)
