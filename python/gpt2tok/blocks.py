r"""Where a long text may be cut without changing its tokens.

Owns the reading of a stream in blocks whose tokens, one after the other, are exactly the tokens of the whole.
Refuses to cut anywhere that it cannot prove: a stream that offers no such place comes as one block.

The proof. GPT-2's pattern is matched from left to right, each match starting where the last one ended, and it
looks back at nothing. So a cut at p is exact when a match of the whole text ends at p, and when no match
before p would have come out differently had the text ended at p. Two kinds of places have both properties:

1. Between a character that is no white space and one that is. No alternative of the pattern goes from a
   character that is no white space on to white space (` ?\p{L}+` takes a space only first), so a match ends
   there. Before p, greedy classes and contractions stop at white space as they stop at the end, and the
   lookahead of `\s+(?!\S)` never sees p: white space before p is followed by the character at p - 1 at the
   latest. Where the white space goes on to is of no concern: all of it is on the far side.
2. Between a CJK ideograph and a CJK comma, stop, colon or mark (Chinese and Japanese write long lines without
   a space). The ideograph is a letter outside ASCII, so the match that holds it is ` ?\p{L}+`, which ends at
   the mark and at the end alike, and every match before it ends before the ideograph.

3. Between a letter and a character that is none, and between a number and a character that is none: only an
   apostrophe or a space ever joins a run of another class, and only in front of it. Telling these classes
   needs the tables of the core (`last_cut`), which is asked when a block has outgrown its size without a cut
   of the other kinds: base64, numbers, identifiers.

White space is told from the bytes: no byte of an ASCII character occurs inside a longer UTF-8 sequence, so
such a cut splits no character, and in invalid UTF-8 it splits no sequence that becomes one U+FFFD. A special
token that could hold such a place is not cut either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from gpt2tok._core import last_cut

BLOCK_BYTES = 1 << 18
_OUTGROWN = 4  # so many times its size, and a block is cut where only the core can tell

# A match starts at the cut. It opens with one set of bytes, which `re` scans for fast, and then looks back
# over it. The white space of Unicode is U+0009-000D, 0020, 0085, 00A0, 1680, 2000-200A, 2028, 2029, 202F,
# 205F, 3000: those beyond ASCII must not stand before the cut either. Lookbehinds have a fixed width, hence
# one for each shape.
_CUT = re.compile(
    rb"[\t-\r \xe3\xef](?:"
    rb"(?<=[^\t-\r ][\t-\r ])(?<!\xc2\x85.)(?<!\xc2\xa0.)(?<!\xe1\x9a\x80.)"
    rb"(?<!\xe2\x80[\x80-\x8a\xa8\xa9\xaf].)(?<!\xe2\x81\x9f.)(?<!\xe3\x80\x80.)"
    # U+5000-8FFF, letters since Unicode 1.1, before U+3001, 3002, FF01, FF0C, FF1A, FF1B, FF1F.
    rb"|(?<=[\xe5-\xe8][\x80-\xbf][\x80-\xbf]\xe3)\x80[\x81\x82]"
    rb"|(?<=[\xe5-\xe8][\x80-\xbf][\x80-\xbf]\xef)\xbc[\x81\x8c\x9a\x9b\x9f])",
    re.DOTALL,
)
_LONGEST_SIGHT = 3  # bytes that the pattern sees on either side of a cut


def exact_blocks(
    read: Callable[[int], bytes], special_tokens: Collection[str] = (), size: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """The stream in blocks of about `size` bytes, none empty, that may be encoded one by one.

    Args:
        read: reads at most so many bytes, b"" at the end (`file.read`).
        special_tokens: none of these is cut in two.
        size: bytes to read at a time; a block is longer where no cut is found.

    Example:
        >>> import io
        >>> list(exact_blocks(io.BytesIO(b"in  the   beginning").read, size=6))
        [b'in', b'  the', b'   beginning']
    """
    tokens = [token.encode("utf-8", "surrogatepass") for token in special_tokens]
    whole = [token for token in tokens if re.search(rb"[\t-\r \xe3\xef]", token[1:])]
    sight = max([_LONGEST_SIGHT, *map(len, whole)])
    pending = bytearray()
    searched = 0  # no cut of the first two kinds up to here
    outgrown = 0  # nor of the third
    while data := read(size):
        pending += data
        end = len(pending) - sight + 1
        cut = _last_cut(pending, searched, end, whole)
        if not cut and len(pending) > _OUTGROWN * size:
            cut, outgrown = _last_cut_between_classes(pending, outgrown, tokens)
        if cut:
            yield bytes(pending[:cut])
            del pending[:cut]
            outgrown = max(0, outgrown - cut)
        searched = max(0, end - cut)
    if pending:
        yield bytes(pending)


def _last_cut(buffer: bytearray, start: int, end: int, whole: list[bytes]) -> int:
    """The last exact cut in start < cut < end, or 0."""
    window = 64
    while end > start:
        # Backwards in growing windows: the first nearly always holds a space, and no byte is looked at twice.
        begin = max(start, end - window)
        cuts = [
            match.start() for match in _CUT.finditer(buffer, begin, min(len(buffer), end + _LONGEST_SIGHT))
        ]
        for cut in reversed(cuts):
            if begin <= cut < end and cut and not _splits(buffer, cut, whole):
                return cut
        end = begin
        window *= 8
    return 0


def _last_cut_between_classes(buffer: bytearray, start: int, tokens: list[bytes]) -> tuple[int, int]:
    """The last exact cut of the third kind after `start`, or 0; and how far has been searched."""
    # The character before `start` is looked at again: it may be the left side of a cut.
    for _ in range(3):
        if start and buffer[start] & 0xC0 == 0x80:
            start -= 1
    end = max(start, len(buffer) - max(map(len, tokens), default=0))
    cut = last_cut(bytes(buffer[start:end]), 0)
    found = start + cut if cut and not _splits(buffer, start + cut, tokens) else 0
    return found, max(start, end - 4)


def _splits(buffer: bytearray, cut: int, whole: list[bytes]) -> bool:
    return any(buffer.find(token, max(0, cut - len(token) + 1), cut + len(token) - 1) >= 0 for token in whole)
