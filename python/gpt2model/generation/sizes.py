"""For which lengths are programs made? For a few, so that another prompt does not mean another program.

Owns the rounding up of prompt and new tokens. Refuses nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import BACKEND
from .history import NOTHING

_STEPS = ((64, 16), (256, 32), (1 << 62, 128))  # up to so many tokens, multiples of so many


def rounded(tokens: int) -> int:
    """The length that a program is made for: the next of few; the same on PyTorch, which has no programs.

    Example:
        >>> rounded(100) in (100, 128)
        True
    """
    if BACKEND == "torch":
        return tokens
    step = next(step for most, step in _STEPS if tokens <= most)
    return -(-tokens // step) * step


def padded(ids: np.ndarray[Any, Any], width: int) -> np.ndarray[Any, Any]:
    """Ids with `NOTHING` put before them: (rows, n) to (rows, width)."""
    return np.pad(ids, ((0, 0), (width - ids.shape[1], 0)), constant_values=NOTHING)
