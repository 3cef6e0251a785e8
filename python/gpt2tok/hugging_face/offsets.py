"""Which white space do offsets leave out?

Owns the option `trim_offsets` of a byte-level `tokenizer.json`: offsets without the space that opens a token.
GPT-2 itself does not trim. Refuses to make offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

Offsets = tuple[int, int]


@dataclass(frozen=True)
class Trimming:
    """Offsets move past white space at the ends of a token.

    Args:
        spare_first_space: the post-processor's `add_prefix_space`: one space that opens a sequence counts as
            put there by the tokenizer, and has nothing to trim.
    """

    spare_first_space: bool

    def trim(self, tokens: list[str], offsets: list[Offsets]) -> list[Offsets]:
        """The offsets of these tokens, trimmed.

        Example:
            >>> Trimming(False).trim(["Hello", "Ġworld"], [(0, 5), (5, 11)])
            [(0, 5), (6, 11)]
        """
        return [
            self._trim_one(token, span, i == 0)
            for i, (token, span) in enumerate(zip(tokens, offsets, strict=True))
        ]

    def _trim_one(self, token: str, span: Offsets, is_first: bool) -> Offsets:
        start, end = span
        leading = len(token) - len(token.lstrip(_SPACES))
        trailing = len(token) - len(token.rstrip(_SPACES))
        if leading:
            if self.spare_first_space and (is_first or start == 0):
                leading -= 1
            start = min(start + leading, end)
        if trailing and end >= trailing:
            end = max(end - trailing, start)
        return start, end


# In the byte alphabet a space is Ġ; added tokens hold white space itself, which is Unicode's White_Space.
_SPACES = (
    "Ġ\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
