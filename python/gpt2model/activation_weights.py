"""Which activations have weights? Their names, shapes and first values, as transformers has them.

Owns the table. Refuses frameworks: what a checkpoint must hold is known from it before a model is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, final


@final
class Weight(NamedTuple):
    """One weight of an activation: its shape, its first value, and whether it learns."""

    shape: tuple[int, ...]
    first: float
    learns: bool = True


# In the order in which the functions take them. The numbers of xielu are those that transformers computes in bfloat16,
# of 0.8, 0.8, 0.5 and -1e-6.
LEARNED: Mapping[str, Mapping[str, Weight]] = {
    "prelu": {"weight": Weight((1,), 0.25)},
    "xielu": {
        "alpha_p": Weight((1,), 0.2041015625),
        "alpha_n": Weight((1,), -1.046875),
        "beta": Weight((), 0.5, learns=False),
        "eps": Weight((), -9.98377799987793e-07, learns=False),
    },
}


def activation_weights(name: str | None) -> Mapping[str, Weight]:
    """The weights of an activation by name; none for most.

    Example:
        >>> list(activation_weights("prelu")), list(activation_weights("gelu"))
        (['weight'], [])
    """
    return LEARNED.get(name or "", {})
