"""How long does each row of a batch become, and what fills it up?

Owns padding: of rows while they are made, and of finished features (`tokenizer.pad`). Refuses to shorten anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from .._core import TokenizerError

T = TypeVar("T")


class PaddingStrategy(str, Enum):
    """Values of the argument `padding`."""

    LONGEST = "longest"
    MAX_LENGTH = "max_length"
    DO_NOT_PAD = "do_not_pad"


@dataclass(frozen=True)
class Padding:
    """How to fill up.

    Args:
        length: the length to reach, or None for the longest row's.
        multiple_of: round that length up to a multiple of this; None or 0 does not.
        side: "right" or "left".
        token_id: what to fill ids with.
        token: the same as text.
        type_id: what to fill token types with.
    """

    length: int | None
    multiple_of: int | None
    side: str
    token_id: int
    token: str
    type_id: int

    def target(self, lengths: Iterable[int]) -> int:
        """The length that rows of these lengths are filled up to."""
        return round_up(max(lengths, default=0) if self.length is None else self.length, self.multiple_of)

    def fill(self, values: list[T], count: int, value: T) -> list[T]:
        """`values` with `count` times `value` on the padding side."""
        if count <= 0:
            return values
        return values + [value] * count if self.side == "right" else [value] * count + values


def round_up(length: int, multiple_of: int | None) -> int:
    """The next multiple, as `pad_to_multiple_of` asks.

    Example:
        >>> round_up(5, 8), round_up(8, 8), round_up(5, None)
        (8, 8, 5)
    """
    return -(-length // multiple_of) * multiple_of if multiple_of else length


def pad_features(
    features: Mapping[str, Any], main: str, padding: Padding, target: int, *, mask: bool
) -> dict[str, Any]:
    """One example's features, filled up to `target`: ids, attention mask, token types, special tokens mask.

    Other features are left as they are, as in transformers.

    Args:
        features: names to lists of one value a token.
        main: the feature that gives the length.
        padding: how.
        target: the length to reach. A longer example stays as it is.
        mask: whether an attention mask is wanted; it is made when there is none.

    Raises:
        TokenizerError: a feature has another length than the ids.
    """
    padded = dict(features)
    length = len(features[main])
    if mask:
        padded.setdefault("attention_mask", [1] * length)
    fillers = {main: padding.token_id, "token_type_ids": padding.type_id, "special_tokens_mask": 1}
    if mask:
        fillers["attention_mask"] = 0
    for name, filler in fillers.items():
        if name in padded:
            if len(padded[name]) != length:
                raise TokenizerError(
                    f"{name} has {len(padded[name])} values for {length} tokens: give one for each"
                )
            padded[name] = padding.fill(list(padded[name]), target - length, filler)
    return padded
