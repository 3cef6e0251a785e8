"""Is this a number, of the kind and in the range that belongs here?

Owns the words for a number that does not. Refuses to know what the number is for, and which error a door raises for a
range: it is told. Loads no framework.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def whole_number(
    name: str,
    value: Any,
    low: int | None = None,
    high: int | None = None,
    *,
    hint: str = "",
    error: type[ValueError] = ValueError,
) -> int:
    """An integer between borders that belong to the range; None: there is no such border.

    Arguments:
        name: what the caller calls it; the message begins with it.
        value: what was given. NumPy's integers are integers, True is none.
        low, high: the borders.
        hint: said behind "an integer", such as an example.
        error: raised for an integer out of range.

    Raises:
        TypeError: it is no integer.
        ValueError: it is out of range; `error`, which may be a kind of it.

    Example:
        >>> whole_number("n_head", 12, 1)
        12
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer{hint}, not {value!r}.")
    number = int(value)
    if (low is not None and number < low) or (high is not None and number > high):
        raise error(f"{name} must {_range(low, high)}, not {number}.")
    return number


def real_number(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    hint: str = "",
    error: type[ValueError] = ValueError,
) -> float:
    """A finite number between borders; `above`, `below`: that border itself is excluded.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range, or not finite; `error`, which may be a kind of it.

    Example:
        >>> real_number("top_p", 1, 0.0, 1.0, above=True)
        1.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number{hint}, not {value!r}.")
    number = float(value)
    good = (low < number if above else low <= number) and (number < high if below else number <= high)
    if not (good and math.isfinite(number)):
        raise error(f"{name} must {_range(low, high, above=above, below=below)}, not {value}.")
    return number


def _range(low: float | None, high: float | None, *, above: bool = False, below: bool = False) -> str:
    if high == math.inf:
        high = None
    if low is not None and high is not None and not above and not below:
        return f"lie between {low} and {high}"
    borders = []
    if low is not None:
        borders.append(f"{'more than' if above else 'at least'} {low}")
    if high is not None:
        borders.append(f"{'less than' if below else 'at most'} {high}")
    return f"be {' and '.join(borders)}"
