"""From which tokens is one drawn? Temperature and the ways to cut the tail of the distribution off.

Owns the processors that look at probabilities only. Each cut is a threshold that every logit is compared with:
ties at the border stay together, and nothing has to be scattered back from sorted order. Refuses history.

A threshold is looked for among the `HEAD` likeliest tokens first, and in the whole vocabulary only if it is not
there. Milliseconds for one row of 50,257 logits, two cores, XLA of JAX 0.10 and TensorFlow 2.21: sorting all 22 and
21, the 256 largest 0.17 and 0.45, the 1,024 largest 0.47 and 0.75, the 4,096 largest 1.6 and 1.9. (A whole step of
gpt2-small takes about 20.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from keras import ops

from ..backend import Tensor, concrete
from .history import History
from .processor import REFUSED, Processor

HEAD = 1024
_LARGEST = float(np.finfo("float32").max)


@final
@dataclass(frozen=True)
class Temperature(Processor):
    """Divides the logits: below 1 sharper, above 1 flatter.

    A temperature that float32 has no quotient for is raised to the least one that it has; the largest logit is all
    that counts at either. (Infinite quotients would all be equally likely.)

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("temperature",)
    temperature: float

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        size = ops.absolute(logits)
        # What is refused has no say, also where `RemoveInvalid` has made a number of it.
        largest = ops.max(ops.where(size < _LARGEST, size, 0.0), axis=-1, keepdims=True)
        least = ops.clip(largest / (0.99 * _LARGEST), 1e-37, 1.0)  # (rows, 1); the quotient may be rounded up
        return logits / ops.maximum(ops.cast(self.temperature, "float32"), least)


def _kth(logits: Tensor, k: int) -> Tensor:
    """The k-th largest of each row, (rows, 1)."""
    k = min(k, int(logits.shape[-1]))
    return ops.top_k(logits, k)[0][:, k - 1 :]


def _at(ordered: Tensor, index: Tensor) -> Tensor:
    """One number of each row: (rows, n) and (rows,) to (rows, 1)."""
    return ops.take_along_axis(ordered, ops.expand_dims(ops.cast(index, "int32"), 1), axis=1)


def _either(condition: Tensor, true: Callable[[], Tensor], false: Callable[[], Tensor]) -> Tensor:
    """One of two computations, and not the other. Where the condition has a value already, Python chooses: an
    eager `cond` of JAX would be compiled anew at every call."""
    known = concrete(condition)
    if known is None:
        return ops.cond(condition, true, false)
    return true() if bool(known) else false()


@final
@dataclass(frozen=True)
class TopKTopP(Processor):
    """Keeps the k likeliest tokens (0: all), and of these the likeliest whose probabilities sum up to p (1: all).

    Both at once, because the second needs the order that the first found, and both always, so that other values of
    k and p, even those that mean nothing, need no other program.

    Source: Fan, Lewis and Dauphin 2018, "Hierarchical Neural Story Generation"; Holtzman et al. 2019, "The Curious
    Case of Neural Text Degeneration".
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ("k", "p")
    k: float
    p: float
    least: int = 1  # tokens kept whatever happens

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        rows, vocabulary = logits.shape
        p: Any = ops.cast(self.p, "float32")
        k: Any = ops.cast(self.k, "int32")
        k = ops.where(k > 0, ops.clip(ops.maximum(k, self.least), 1, vocabulary), vocabulary)
        idle = ops.logical_and(ops.equal(k, vocabulary), p >= 1.0)

        def whole() -> Tensor:
            return _border(logits, ops.flip(ops.sort(logits, axis=-1), axis=-1), k, p, self.least)[0]

        def wanted() -> Tensor:
            if vocabulary <= HEAD:
                return whole()
            found, there = _border(logits, ops.top_k(logits, HEAD)[0], k, p, self.least)
            return _either(there, lambda: found, whole)

        border = _either(idle, lambda: ops.full((rows, 1), REFUSED, "float32"), wanted)
        return ops.where(logits < border, REFUSED, logits)


def _border(logits: Tensor, ordered: Tensor, k: Tensor, p: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """The smallest logit that is kept, (rows, 1), and whether it is known, a boolean.

    Arguments:
        logits: (rows, vocabulary).
        ordered: (rows, n), the n largest of them, from the largest on.
    """
    count, vocabulary = int(ordered.shape[1]), int(logits.shape[1])
    everything = ops.equal(k, vocabulary)
    kth = ops.take(ordered, ops.expand_dims(ops.minimum(k, count) - 1, 0), axis=1)  # (rows, 1)
    kth = ops.where(everything, REFUSED, kth)
    largest = ordered[:, :1]
    mass = ops.where(logits >= kth, ops.exp(logits - largest), 0.0)  # of the tokens that k keeps
    share = ops.where(ordered >= kth, ops.exp(ordered - largest), 0.0)
    share = share / ops.sum(mass, axis=-1, keepdims=True)  # (rows, n)
    upto = ops.cumsum(share, axis=-1)
    kept = 1 + ops.sum(ops.cast(upto[:, :-1] < p, "int32"), axis=-1)  # what comes before it is less than p
    nucleus = ops.maximum(_at(ordered, ops.maximum(kept, min(least, count)) - 1), kth)
    enough = ops.logical_or(ops.all(upto[:, -1] >= p), ops.all(ordered[:, -1:] < kth))
    known = ops.logical_and(
        ops.logical_or(k <= count, everything),
        ops.logical_or(p >= 1.0, ops.logical_or(enough, count == vocabulary)),
    )
    return ops.where(p < 1.0, nucleus, kth), known


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
        count = int(logits.shape[-1])

        def border(nearest: Tensor) -> tuple[Tensor, Tensor]:
            """The largest distance that is kept (rows, 1), among the nearest (rows, n), and whether it is there."""
            distances = ops.take_along_axis(distance, nearest, axis=1)
            below = ops.cumsum(ops.take_along_axis(ops.exp(log), nearest, axis=1), axis=-1)
            last = ops.sum(ops.cast(below < self.mass, "int32"), axis=-1)
            size = int(nearest.shape[1])
            there = ops.all(last < size)
            return _at(distances, ops.clip(last, min(self.least, size) - 1, size - 1)), there

        def whole() -> Tensor:
            return border(ops.argsort(distance, axis=-1))[0]

        if count <= HEAD:
            found = whole()
        else:
            first, there = border(ops.top_k(-distance, HEAD)[1])
            found = _either(there, lambda: first, whole)
        return ops.where(distance > found, REFUSED, logits)


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
        none = ops.max(logits, axis=-1, keepdims=True) == REFUSED  # the loop tells of it; NaN would hide it
        return ops.where(none, REFUSED, ops.log_softmax(logits, axis=-1))
