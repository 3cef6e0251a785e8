"""Which merges may happen at once? The merge list, arranged so that a graph applies BPE in a few rounds.

Owns the internal numbering of tokens (bytes 0-255, then the product of merge r is 256 + r), the check that a
vocabulary fits this arrangement, and for each pair of neighbours three ranks. Refuses frameworks: NumPy only.

Byte-pair encoding joins the pair of lowest rank, again and again, the leftmost first. One pair at a time is too slow
where each step costs a hundred microseconds, so all pairs that are *safe* are joined in one round. Take neighbours
u v in a text:

- rank(u, v) is the rank of their merge, or NEVER;
- left_threat(u, v) is the lowest rank of a merge (y, v) where y is u or grows from u to the left (u is on the right
  edge of y's tree): before that rank nothing can take v away to the left;
- right_threat(u, v) is the lowest rank of a merge (u, w) where w is v or grows from v to the right.

A pair whose rank is below the left threat at its left border and at most the right threat at its right border stays
as it is until its turn comes, whatever happens elsewhere; so it may have its turn now. (In a tie the left pair wins,
hence "below" on one side.) This needs merges whose parts are made before them and tokens that are made in one way
only, which training guarantees and `merge_tables` checks. On real text in 194 languages pretokens are done after
at most 6 rounds; where no pair is safe, the lowest rank in reach of the longest token is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from .._core import VocabError
from ..formats import byte_alphabet
from ..hugging_face.base_vocabulary import bytes_of

Array = NDArray[Any]

NEVER = 1 << 30  # as a rank: this pair is never joined
_PART_BITS = 32


@final
@dataclass(frozen=True)
class MergeTables:
    """A merge list ready for the graph."""

    tokens: list[bytes]  # by internal number
    ids: Array  # int64 [tokens]: the id of an internal number
    left: Array  # int64 [pairs]: the pairs that occur in any of the three tables
    right: Array
    rank: Array  # int32 [pairs], as are the next two: NEVER if there is none
    left_threat: Array
    right_threat: Array

    @property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.tokens))


def merge_tables(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> MergeTables:
    """Arranges a vocabulary and its merges, both spelt in the byte alphabet.

    Raises:
        VocabError: a byte has no token; a merge names or makes a token that the vocabulary lacks, comes before a
            merge that makes one of its parts, or makes a token that an earlier one makes too.

    Example:
        >>> from gpt2tok._core import gpt2_vocabulary
        >>> len(merge_tables(*gpt2_vocabulary()).tokens)
        50256
    """
    numbers: dict[str, int] = {}
    for byte, char in byte_alphabet().items():
        if char not in vocab:
            raise VocabError(
                f"the vocabulary has no token for byte {byte:#04x} ({char!r}): the in-graph tokenizer has no unknown"
                " token, so all 256 bytes need one; add the missing ones"
            )
        numbers[char] = byte
    pairs = np.zeros((len(merges), 2), np.int64)
    for rank, (left, right) in enumerate(merges):
        made = left + right
        if made not in vocab:
            raise VocabError(
                f"merge {rank} ({left!r}, {right!r}) makes {made!r}, which the vocabulary lacks: add it"
            )
        for part in (left, right):
            if part not in numbers:
                raise VocabError(
                    f"merge {rank} ({left!r}, {right!r}) uses {part!r}, which is no byte and no product of an earlier"
                    " merge: the graph needs merges in the order in which training found them"
                )
        if made in numbers:
            raise VocabError(
                f"merge {rank} ({left!r}, {right!r}) makes {made!r} a second time: the graph needs merges that make"
                " each token in one way; remove the later merge if it never applies, or use GPT2TokenizerFast"
            )
        pairs[rank] = numbers[left], numbers[right]
        numbers[made] = 256 + rank
    # Bytes were numbered by value, in whatever order the alphabet lists them.
    names = sorted(numbers, key=numbers.__getitem__)
    keys, left_threats = _threats(pairs[:, 0], pairs[:, 1], right_edge=True)
    other_keys, right_threats = _threats(pairs[:, 1], pairs[:, 0], right_edge=False)
    every = np.union1d(keys, other_keys)
    table = np.full((3, len(every)), NEVER, np.int32)
    table[0, np.searchsorted(every, pairs[:, 0] << _PART_BITS | pairs[:, 1])] = np.arange(len(merges))
    table[1, np.searchsorted(every, keys)] = left_threats
    table[2, np.searchsorted(every, other_keys)] = right_threats
    return MergeTables(
        tokens=[bytes_of(name) for name in names],
        ids=np.array([vocab[name] for name in names], np.int64),
        left=every >> _PART_BITS,
        right=every & ((1 << _PART_BITS) - 1),
        rank=table[0],
        left_threat=table[1],
        right_threat=table[2],
    )


def _threats(grown: Array, fixed: Array, *, right_edge: bool) -> tuple[Array, Array]:
    """For each pair of neighbours, the lowest rank at which the `fixed` one goes away with what the other grows into.

    Args:
        grown: the part of each merge that may have grown: the left one for `right_edge`, else the right one.
        fixed: the other part.

    Returns:
        The pairs as left << 32 | right, sorted and distinct, and the ranks.
    """
    edge_part = np.concatenate([np.full(256, -1), fixed])
    edges, others, ranks = grown, fixed, np.arange(len(grown))
    keys, values = [], []
    while len(edges):
        left, right = (edges, others) if right_edge else (others, edges)
        keys.append(left << _PART_BITS | right)
        values.append(ranks)
        whole = edges >= 256
        edges, others, ranks = edge_part[edges[whole]], others[whole], ranks[whole]
    key = np.concatenate([*keys, np.empty(0, np.int64)]).astype(np.int64)
    value = np.concatenate([*values, np.empty(0, np.int64)])
    order = np.lexsort((value, key))
    key, value = key[order], value[order]
    first = np.ones(len(key), np.bool_)
    first[1:] = key[1:] != key[:-1]
    return key[first], value[first]


def whole_tokens(tables: MergeTables, numbers: Array, length: int) -> Array:
    """Which of these tokens does BPE make out of their own bytes? (In a vocabulary not from training, not all.)

    The plain way, one merge at a time: the lowest rank in each token, the leftmost first.

    Args:
        numbers: int64 [n], internal numbers of tokens of at most `length` bytes.

    Returns:
        bool [n].
    """
    end = len(tables.tokens)  # stands after the last part
    state = np.full((len(numbers), length + 1), end, np.int64)
    for row, number in enumerate(numbers):
        spelt = tables.tokens[number]
        state[row, : len(spelt)] = np.frombuffer(spelt, np.uint8)
    known = tables.rank < NEVER
    keys = tables.left[known] << _PART_BITS | tables.right[known]
    ranks = tables.rank[known]
    result = np.zeros(len(numbers), np.bool_)
    rows = np.arange(len(numbers))
    while len(rows) and len(keys):
        pair = state[:, :-1] << _PART_BITS | state[:, 1:]
        at = np.minimum(np.searchsorted(keys, pair), len(keys) - 1)
        rank = np.where(keys[at] == pair, ranks[at], NEVER)
        best = rank.argmin(axis=1)
        lowest = rank[np.arange(len(rows)), best]
        done = lowest == NEVER
        result[rows[done]] = (state[done, 0] == numbers[rows[done]]) & (state[done, 1] == end)
        rows, state, best, lowest = rows[~done], state[~done], best[~done], lowest[~done]
        place = np.arange(length + 1)
        shifted = np.concatenate([state[:, 1:], np.full((len(rows), 1), end)], axis=1)
        merged = np.where(place > best[:, None], shifted, state)
        merged[np.arange(len(rows)), best] = 256 + lowest
        # Columns that hold nothing any more cost time in every round.
        used = int((merged != end).sum(axis=1).max(initial=1))
        state, length = merged[:, : used + 1], used
    if not len(keys):
        result[:] = numbers < 256
    return result
