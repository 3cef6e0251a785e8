"""What do `padding`, `truncation` and `max_length` ask for, taken together?

Owns the reading of those arguments, with transformers' rules and defaults. Refuses to act on them
(`padding.py`, `truncation.py`).
"""

from __future__ import annotations

import warnings
from enum import Enum
from typing import TypeVar

from .._core import TokenizerError
from .arguments import shown, whole_number
from .padding import PaddingStrategy
from .truncation import TruncationStrategy

# transformers' stand-in for "no limit", and from where on it takes a limit for none.
NO_LIMIT = int(1e30)
LARGE = int(1e20)

E = TypeVar("E", bound=Enum)


def resolve(
    padding: bool | str | None,
    truncation: bool | str | None,
    max_length: int | None,
    model_max_length: int,
    pad_to_multiple_of: int | None,
    *,
    verbose: bool,
) -> tuple[PaddingStrategy, TruncationStrategy, int | None]:
    """The two strategies and the length they aim at.

    `max_length` alone truncates. Strategies that need a length take the model's, and do nothing if it has no limit.

    Raises:
        TokenizerError: an unknown strategy, a negative length, or a length that padding would have to exceed.
        TypeError: a length that is no whole number, or a strategy that is neither a bool nor a str.
    """
    max_length = whole_number(max_length, "max_length")
    pad_to_multiple_of = whole_number(pad_to_multiple_of, "pad_to_multiple_of")
    if max_length is not None and padding in (False, None) and truncation is None:
        truncation = "longest_first"
    pads = _strategy(PaddingStrategy, padding, "padding", PaddingStrategy.LONGEST, PaddingStrategy.DO_NOT_PAD)
    cuts = _strategy(
        TruncationStrategy,
        truncation,
        "truncation",
        TruncationStrategy.LONGEST_FIRST,
        TruncationStrategy.DO_NOT_TRUNCATE,
    )
    if verbose and padding is True and max_length is not None and cuts is TruncationStrategy.DO_NOT_TRUNCATE:
        warnings.warn(
            "max_length is not used with padding=True and no truncation: pass padding='max_length' to pad up to it",
            UserWarning,
            stacklevel=4,
        )
    if max_length is None and (
        pads is PaddingStrategy.MAX_LENGTH or cuts is not TruncationStrategy.DO_NOT_TRUNCATE
    ):
        if model_max_length <= LARGE:
            max_length = model_max_length
        else:
            cuts = TruncationStrategy.DO_NOT_TRUNCATE
            pads = PaddingStrategy.DO_NOT_PAD if pads is PaddingStrategy.MAX_LENGTH else pads
    both = pads is not PaddingStrategy.DO_NOT_PAD and cuts is not TruncationStrategy.DO_NOT_TRUNCATE
    if both and max_length is not None and pad_to_multiple_of and max_length % pad_to_multiple_of:
        raise TokenizerError(
            f"max_length={max_length} is not a multiple of pad_to_multiple_of={pad_to_multiple_of}: rows truncated to"
            " the one could not be padded to the other; change one of them"
        )
    return pads, cuts, max_length


def _strategy(kind: type[E], value: object, name: str, if_true: E, if_false: E) -> E:
    if value is True:
        return if_true
    if value is False or value is None:
        return if_false
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(strategy.value) for strategy in kind)
        error = TokenizerError if isinstance(value, (str, Enum)) else TypeError
        raise error(f"{name} is True, False or one of {known}, not {shown(value)}") from None
