"""What is known of one encoded row: its tokens, where they came from, and back?

Owns one row's details and the look-ups between characters, pretokens, tokens and sequences, as
`tokenizers.Encoding` offers them. Refuses batches (`batch_encoding.py`).

Hugging Face's names say "word" for a pretoken (`word_ids`, `token_to_word`). With `is_split_into_words` it is the
caller's word, whatever pretokens it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .._core import TokenizerError
from .arguments import index_of


class CharSpan(NamedTuple):
    """Characters of the original text, from `start` to before `end`."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens of an encoded row, from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, repr=False)
class SequenceEncoding:
    """One row of a `BatchEncoding`: what `batch[0]` gives. All lists have one value for each token.

    Look-ups raise TypeError for what is no whole number, and TokenizerError for a sequence that is neither 0 nor 1.

    Args:
        ids: token ids.
        type_ids: token types.
        tokens: token names.
        offsets: characters (start, end) of the sequence that the token came from; (0, 0) for special and
            padding tokens.
        word_ids: number of the pretoken, or of the word if words were passed; None for special and padding tokens.
        sequence_ids: 0 or 1; None for special and padding tokens.
        special_tokens_mask: 1 for special and padding tokens.
        attention_mask: 0 for padding.
        overflowing: the other rows of the same input, if it was truncated.
    """

    ids: list[int]
    type_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]
    word_ids: list[int | None]
    sequence_ids: list[int | None]
    special_tokens_mask: list[int]
    attention_mask: list[int]
    n_sequences: int
    overflowing: list[SequenceEncoding] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"SequenceEncoding(num_tokens={len(self)}, attributes=[ids, type_ids, tokens, offsets, attention_mask,"
            " special_tokens_mask, overflowing])"
        )

    @property
    def words(self) -> list[int | None]:
        """The older name of `word_ids`."""
        return self.word_ids

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The first token that touches a character, or None."""
        char_pos = index_of(char_pos, "char_index")
        sequence_index = _sequence(sequence_index)
        for token, (sequence, (start, end)) in enumerate(zip(self.sequence_ids, self.offsets, strict=True)):
            if sequence == sequence_index and start <= char_pos < end:
                return token
        return None

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The number of the pretoken (or word passed) that a character belongs to, or None."""
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.word_ids[token]

    def token_to_chars(self, token_index: int) -> CharSpan | None:
        """The characters that a token touches, or None for special and padding tokens and past the end."""
        return None if self.token_to_sequence(token_index) is None else CharSpan(*self.offsets[token_index])

    def token_to_sequence(self, token_index: int) -> int | None:
        """The sequence that a token came from, or None for special and padding tokens and past the end."""
        token_index = index_of(token_index, "token_index")
        return self.sequence_ids[token_index] if 0 <= token_index < len(self) else None

    def token_to_word(self, token_index: int) -> int | None:
        """The number of a token's pretoken (or word passed); None for special and padding tokens and past the end."""
        token_index = index_of(token_index, "token_index")
        return self.word_ids[token_index] if 0 <= token_index < len(self) else None

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> TokenSpan | None:
        """The tokens of a pretoken (or word passed), or None if the row has none of it."""
        word_index = index_of(word_index, "word_index")
        sequence_index = _sequence(sequence_index)
        places = [
            token
            for token, (sequence, word) in enumerate(zip(self.sequence_ids, self.word_ids, strict=True))
            if sequence == sequence_index and word == word_index
        ]
        return TokenSpan(places[0], places[-1] + 1) if places else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> CharSpan | None:
        """The characters of a pretoken (or word passed), or None if the row has none of it."""
        span = self.word_to_tokens(word_index, sequence_index)
        if span is None:
            return None
        return CharSpan(self.offsets[span.start][0], self.offsets[span.end - 1][1])


def _sequence(value: object) -> int:
    """0 or 1."""
    index = index_of(value, "sequence_index")
    if index not in (0, 1):
        raise TokenizerError(f"sequence_index={index}: it is 0, or 1 for the second sequence of a pair")
    return index
