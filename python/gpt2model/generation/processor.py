"""What is a logits processor? The one class that all of them extend.

Owns the contract, and how a processor is divided into what a compiled program is made for and what it is given
at each call. Refuses any processor of its own.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from ..backend import Tensor
from .history import History

Processor_ = TypeVar("Processor_", bound="Processor")

REFUSED = float("-inf")  # the logit of a token that must not come


@dataclasses.dataclass(frozen=True)
class Processor(ABC):
    """Abstract: logits to logits, in view of what was said so far. Subclasses are frozen dataclasses.

    Pure and of static shapes, in `keras.ops`, so that one definition runs eagerly and compiled on every
    backend. Fields named in `NUMBERS` may be tensors: another value needs no other program. All other fields
    are hashable and become part of the program.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """(rows, vocabulary) float32 to the same shape; `REFUSED` where a token must not come."""


def split(processors: Sequence[Processor]) -> tuple[tuple[Processor, ...], list[float]]:
    """Processors without their numbers, hence equal for one program; and the numbers in order."""
    bare, numbers = [], []
    for processor in processors:
        numbers += [float(getattr(processor, name)) for name in processor.NUMBERS]
        bare.append(dataclasses.replace(processor, **dict.fromkeys(processor.NUMBERS, 0.0)))
    return tuple(bare), numbers


def join(processors: Sequence[Processor], numbers: Any) -> list[Processor]:
    """The processors with their numbers, which may be one traced vector."""
    whole, index = [], 0
    for processor in processors:
        values = {name: numbers[index + place] for place, name in enumerate(processor.NUMBERS)}
        index += len(values)
        whole.append(dataclasses.replace(processor, **values))
    return whole


def apply(processors: Sequence[Processor], history: History, logits: Tensor) -> Tensor:
    """All of them, one after the other."""
    for processor in processors:
        logits = processor(history, logits)
    return logits
