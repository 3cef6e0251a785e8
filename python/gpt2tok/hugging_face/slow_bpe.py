"""How does GPT-2 turn text into ids? The readable answer, in plain Python: the pattern, the byte alphabet, the merges.

Owns an implementation of its own beside the Rust core; only the tables of Unicode classes are shared, so that
both know the same letters. Refuses added tokens (`added_matching.py`) and files. A test holds it equal to the
core, to tiktoken and to tokenizers.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from .._core import UnknownTokenError, unicode_ranges
from ..formats import byte_alphabet

Merge = tuple[str, str]

# Up to this many symbols, looking at every pair again after every merge is faster than keeping a heap.
_SHORT = 64
# Pretokens of natural text repeat. Hostile text does not: the cache starts anew when it holds this many.
_CACHE_SIZE = 1 << 16


@cache
def pretoken_pattern() -> re.Pattern[str]:
    r"""GPT-2's pattern, with the classes written out.

    The original is `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Python's
    `re` knows no `\p{...}`, and its `\s` is another set than Unicode's White_Space.

    Example:
        >>> pretoken_pattern().findall("I've  2 cats!")
        ['I', "'ve", ' ', ' 2', ' cats', '!']
    """
    letter, number, space = (_class_of(name) for name in ("letter", "number", "space"))
    return re.compile(
        f"'(?:[sdmt]|ll|ve|re)| ?[{letter}]+| ?[{number}]+"
        f"| ?[^{space}{letter}{number}]+|[{space}]+(?![^{space}])|[{space}]+"
    )


def _class_of(name: str) -> str:
    ranges = unicode_ranges(name)  # type: ignore[arg-type]
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def merge_plainly(symbols: Sequence[str], ranks: Mapping[Merge, int]) -> list[str]:
    """Joins the leftmost pair of the lowest rank, again and again, until no two neighbours are a merge.

    This is the definition of byte-pair encoding. It looks at all pairs after each merge, so it is quadratic.

    Args:
        symbols: one symbol for each byte, in the byte alphabet.
        ranks: the pairs that may be joined; the lowest rank goes first.

    Example:
        >>> merge_plainly("lower", {("e", "r"): 0, ("l", "o"): 1})
        ['lo', 'w', 'er']
    """
    parts = list(symbols)
    never = len(ranks)
    while len(parts) > 1:
        rank, at = min((ranks.get((parts[i], parts[i + 1]), never), i) for i in range(len(parts) - 1))
        if rank == never:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def merge_with_a_heap(symbols: Sequence[str], ranks: Mapping[Merge, int]) -> list[str]:
    """The same result in O(n log n): all pairs wait in a heap, and a merge adds the two new pairs that it makes.

    The symbols are a linked list: `following[i]` and `preceding[i]` are places, and a joined symbol stands
        where its left half stood. A pair in the heap is out of date when the symbols at its place are no
        longer the ones it names.

    Example:
        >>> merge_with_a_heap("lower", {("e", "r"): 0, ("l", "o"): 1})
        ['lo', 'w', 'er']
    """
    parts: list[str | None] = list(symbols)
    end = len(parts)
    following = list(range(1, end + 1))
    preceding = list(range(-1, end - 1))

    def pairs_at(*places: int) -> Iterator[tuple[int, int, str, str]]:
        """(rank, place of the left symbol, left, right) for those places whose pair is a merge."""
        for place in places:
            if place >= 0 and (other := following[place]) < end:
                left, right = parts[place], parts[other]
                if left is not None and right is not None and (left, right) in ranks:
                    yield ranks[left, right], place, left, right

    waiting = list(pairs_at(*range(end)))
    heapq.heapify(waiting)
    while waiting:
        _, place, left, right = heapq.heappop(waiting)
        other = following[place]
        if parts[place] != left or other == end or parts[other] != right:
            continue
        parts[place], parts[other] = left + right, None
        following[place] = after = following[other]
        if after < end:
            preceding[after] = place
        for pair in pairs_at(preceding[place], place):
            heapq.heappush(waiting, pair)
    return [part for part in parts if part is not None]


class SlowBPE:
    """Byte-level BPE over one vocabulary. Immutable but for its cache. Final.

    Args:
        vocab: token in the byte alphabet to id.
        merges: pairs of tokens, the first to be joined first.
        unk_id: the id for a byte that the vocabulary does not have, or None to refuse such text.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[Merge], unk_id: int | None) -> None:
        self._vocab = vocab
        # The first of two equal merges counts, hence backwards.
        self._ranks = {merges[rank]: rank for rank in range(len(merges) - 1, -1, -1)}
        self._unk_id = unk_id
        self._alphabet = byte_alphabet()
        self._cache: dict[str, tuple[list[int], list[int]]] = {}

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return [
            token_id
            for pretoken in pretoken_pattern().findall(text)
            for token_id in self._merged(pretoken)[0]
        ]

    def encode_traced(self, text: str) -> tuple[list[int], list[tuple[int, int]], list[int]]:
        """The ids, the characters (start, end) that each one touches, and the number of its pretoken.

        A character whose bytes are split over several tokens belongs to each of them.
        """
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        pretokens: list[int] = []
        for number, match in enumerate(pretoken_pattern().finditer(text)):
            pretoken, start = match[0], match.start()
            found, sizes = self._merged(pretoken)
            ids += found
            pretokens += [number] * len(found)
            # holder[b] is the character that byte b belongs to
            holder = [start + i for i, char in enumerate(pretoken) for _ in range(len(char.encode()))]
            byte = 0
            for size in sizes:
                offsets.append((holder[byte], holder[byte + size - 1] + 1))
                byte += size
        return ids, offsets, pretokens

    def _merged(self, pretoken: str) -> tuple[list[int], list[int]]:
        """The ids of a pretoken and how many bytes each stands for."""
        known = self._cache.get(pretoken)
        if known is None:
            symbols = [self._alphabet[byte] for byte in pretoken.encode()]
            merge = merge_plainly if len(symbols) <= _SHORT else merge_with_a_heap
            tokens = merge(symbols, self._ranks)
            # In the byte alphabet a token has one character for each byte.
            known = [self._id(token, pretoken) for token in tokens], [len(token) for token in tokens]
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            if len(symbols) <= _SHORT:
                self._cache[pretoken] = known
        return known

    def _id(self, token: str, pretoken: str) -> int:
        token_id = self._vocab.get(token, self._unk_id)
        if token_id is None:
            byte = {char: value for value, char in self._alphabet.items()}[token]
            raise UnknownTokenError(
                f"the vocabulary has no token for byte 0x{byte:02X} of {pretoken[:40]!r}: add it to the vocabulary,"
                " or name an unk_token that the vocabulary has"
            )
        return token_id
