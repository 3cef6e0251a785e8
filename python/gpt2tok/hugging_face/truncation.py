"""Which tokens stay when an input is too long, and which overflow?

Owns lengths and windows only: numbers in, numbers out, so that the same answer cuts ids, offsets and pretoken
numbers alike. Refuses to see tokens, but for `truncate_sequences`, transformers' old method on lists of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .._core import TokenizerError

Window = tuple[int, int]  # first token, one after the last

# Windows of two sequences combine. More rows than this are a mistake, and would fill the memory before anything fails.
_MOST_ROWS = 1 << 22


class TruncationStrategy(str, Enum):
    """Values of the argument `truncation`."""

    ONLY_FIRST = "only_first"
    ONLY_SECOND = "only_second"
    LONGEST_FIRST = "longest_first"
    DO_NOT_TRUNCATE = "do_not_truncate"


@dataclass(frozen=True)
class Truncation:
    """How to shorten.

    Args:
        strategy: which sequence gives way.
        max_length: tokens that an input may have, special ones included.
        stride: tokens that a window shares with the one before.
        side: "right" to drop the end, "left" to drop the beginning.
    """

    strategy: TruncationStrategy
    max_length: int
    stride: int = 0
    side: str = "right"


def windows_of(
    truncation: Truncation, added: int, first: int, second: int | None, *, overflow: bool = True
) -> tuple[list[Window], list[Window] | None]:
    """The windows of both sequences: the first window of each stays, the others overflow.

    Args:
        truncation: how to shorten.
        added: how many special tokens the template puts in.
        first: tokens of the first sequence.
        second: tokens of the second, or None.
        overflow: whether the windows that overflow are wanted.

    Raises:
        TokenizerError: there is no room: the message says for what.
    """
    room = truncation.max_length - added
    if room < 0:
        raise TokenizerError(
            f"max_length={truncation.max_length} is less than the {added} special tokens of the input:"
            " raise it, or pass add_special_tokens=False"
        )
    total = first + (second or 0)
    if total <= room:
        return [(0, first)], None if second is None else [(0, second)]
    if room == 0:
        lengths: tuple[int, int] = (0, 0)
    elif truncation.strategy is TruncationStrategy.LONGEST_FIRST:
        lengths = _share(room, first, second)
    else:
        lengths = _give_way(truncation, total - room, first, second)
    cut = [
        _windows(length, kept, truncation, overflow)
        for length, kept in zip((first, second or 0), lengths, strict=True)
    ]
    return cut[0], None if second is None else cut[1]


def combine(firsts: list[Window], seconds: list[Window] | None) -> Iterator[tuple[Window, Window | None]]:
    """The rows of an input: what stays, then every overflow, in the order in which tokenizers gives them.

    Raises:
        TokenizerError: there are millions of them.
    """
    if seconds is None:
        yield from ((first, None) for first in firsts)
        return
    if len(firsts) * len(seconds) > _MOST_ROWS:
        raise TokenizerError(
            f"this pair overflows into {len(firsts)} times {len(seconds)} rows: raise max_length, lower stride, or"
            " truncate one sequence only ('only_first', 'only_second')"
        )
    yield firsts[0], seconds[0]
    for first in firsts[1:]:
        yield from ((first, second) for second in seconds)
    yield from ((firsts[0], second) for second in seconds[1:])


def _share(room: int, first: int, second: int | None) -> tuple[int, int]:
    """longest_first: the longer sequence gives way until both are equal, then both do."""
    if second is None:
        return room, 0
    short, long = sorted((first, second))
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room - room // 2
    return (short, long) if first <= second else (long, short)


def _give_way(truncation: Truncation, excess: int, first: int, second: int | None) -> tuple[int, int]:
    """only_first and only_second: one sequence gives way, and something of it must stay."""
    by_first = truncation.strategy is TruncationStrategy.ONLY_FIRST
    if not by_first and second is None:
        raise TokenizerError(
            "truncation='only_second' needs a second sequence: pass text_pair, or use 'only_first'"
        )
    length = first if by_first else second or 0
    if length <= excess:
        raise TokenizerError(
            f"truncation={truncation.strategy.value!r} would have to drop {excess} tokens of a sequence of {length}:"
            f" raise max_length={truncation.max_length}, or use 'longest_first'"
        )
    return (first - excess, second or 0) if by_first else (first, length - excess)


def _windows(length: int, kept: int, truncation: Truncation, overflow: bool) -> list[Window]:
    """A sequence of `length` tokens in windows of `kept`, each sharing `stride` with the one before."""
    if kept >= length:
        return [(0, length)]
    if kept == 0:
        return [(0, 0), (0, length)]
    stride = truncation.stride
    if stride >= kept:
        raise TokenizerError(
            f"stride={stride} leaves no progress: each window holds {kept} tokens of the sequence (max_length"
            " less special"
            " tokens and the other sequence); choose a smaller stride or a larger max_length"
        )
    windows: list[Window] = []
    for start in range(0, length, kept - stride):
        windows.append((start, min(start + kept, length)))
        if start + kept >= length or not overflow:
            break
    if truncation.side == "left":
        windows = [(length - end, length - start) for start, end in windows]
    return windows


def truncate_sequences(  # noqa: PLR0917
    ids: list[int],
    pair_ids: list[int] | None,
    excess: int,
    strategy: TruncationStrategy,
    stride: int,
    side: str,
) -> tuple[list[int], list[int] | None, list[int]]:
    """transformers' method of that name: drops `excess` ids and returns both lists and what overflowed, with `stride`.

    Raises:
        TokenizerError: the sequence that should give way is shorter than `excess`, or is not there.
    """
    if excess <= 0 or strategy is TruncationStrategy.DO_NOT_TRUNCATE:
        return ids, pair_ids, []
    if strategy is TruncationStrategy.LONGEST_FIRST and pair_ids is not None:
        total = len(ids) + len(pair_ids)
        if excess > total:
            raise TokenizerError(f"cannot drop {excess} of {total} tokens: raise max_length")
        lost, pair_lost = _drop_from_longest(len(ids), len(pair_ids), excess)
        return _without(ids, lost, side), _without(pair_ids, pair_lost, side), []
    second = strategy is TruncationStrategy.ONLY_SECOND
    victim = pair_ids if second else ids
    if victim is None:
        raise TokenizerError(
            "truncation='only_second' needs a second sequence: pass pair_ids, or use 'only_first'"
        )
    if excess > len(victim):
        raise TokenizerError(
            f"truncation={strategy.value!r} would have to drop {excess} of {len(victim)} tokens: raise"
            " max_length, or use 'longest_first'"
        )
    overflow = min(len(victim), stride + excess)
    overflowing = victim[:overflow] if side == "left" else victim[len(victim) - overflow :]
    kept = _without(victim, excess, side)
    return (ids, kept, overflowing) if second else (kept, pair_ids, overflowing)


def _drop_from_longest(first: int, second: int, excess: int) -> tuple[int, int]:
    """How many tokens each of two sequences loses: the difference comes off the longer one, the rest off both."""
    difference = min(abs(second - first), excess)
    both = excess - difference
    if first > second:
        return difference + both // 2, both - both // 2
    return both // 2, difference + both - both // 2


def _without(ids: list[int], count: int, side: str) -> list[int]:
    return ids[count:] if side == "left" else ids[: len(ids) - count]
