"""The slow tokenizer: GPT-2 in plain Python that can be read from end to end.

Owns `GPT2Tokenizer` and the engine below it: added tokens are cut out (`added_matching.py`), what lies
between goes through the pattern and the merges (`slow_bpe.py`). Its surface is shared with the fast one
(`surface.py`); its algorithm shares nothing with it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import final

from .._core import UnknownTokenError
from .added_matching import AddedMatcher
from .added_tokens import AddedVocabulary
from .arguments import require_text, shown
from .base_vocabulary import BaseVocabulary, bytes_of
from .engine import Engine, Offsets
from .slow_bpe import SlowBPE
from .surface import TokenizerSurface


@final
class SlowEngine(Engine):
    """The plain Python algorithm."""

    def __init__(
        self,
        base: BaseVocabulary,
        added: AddedVocabulary,
        unknown: tuple[str, int] | None,
        add_prefix_space: bool,
    ) -> None:
        base.compiled(
            unknown
        )  # The core's loader checks a vocabulary for both tokenizers, in the same words.
        self._base = base
        self._bpe = _bpe(base, unknown[1] if unknown and base.lacks_bytes else None)
        self._matcher = AddedMatcher(added.effective())
        self._added = {
            i: token.content.encode() for i, token in added if not base.spells_bytes(token.content)
        }
        self._add_prefix_space = add_prefix_space

    def ids(self, text: str, split_special: bool) -> list[int]:
        require_text(text, "text")
        ids: list[int] = []
        for start, end, token_id in self._matcher.split(text, split_special=split_special):
            if token_id is not None:
                ids.append(token_id)
            else:
                ids += self._bpe.encode(self._prefixed(text[start:end]))
        return ids

    def ids_of_all(self, texts: Sequence[str], split_special: bool) -> list[list[int]]:
        for i, text in enumerate(texts):
            require_text(text, f"text[{i}]")
        return [self.ids(text, split_special) for text in texts]

    def trace(self, text: str, split_special: bool) -> tuple[list[int], list[Offsets], list[int]]:
        require_text(text, "text")
        ids: list[int] = []
        offsets: list[Offsets] = []
        pretokens: list[int] = []
        for start, end, token_id in self._matcher.split(text, split_special=split_special):
            number = pretokens[-1] + 1 if pretokens else 0
            if token_id is not None:
                ids.append(token_id)
                offsets.append((start, end))
                pretokens.append(number)
                continue
            stretch = text[start:end]
            prefixed = self._prefixed(stretch)
            found, places, numbers = self._bpe.encode_traced(prefixed)
            if len(prefixed) > len(stretch):
                # The space put in front touches the first character, and everything else moves back by one.
                places = [(max(first - 1, 0), max(last - 1, 1)) for first, last in places]
            ids += found
            offsets += [(start + first, start + last) for first, last in places]
            pretokens += [number + n for n in numbers]
        return ids, offsets, pretokens

    def bytes_of(self, ids: Sequence[int]) -> bytes:
        return b"".join(
            self._token_bytes(_index(token_id, place), place) for place, token_id in enumerate(ids)
        )

    def _token_bytes(self, token_id: int, place: int) -> bytes:
        added = self._added.get(token_id)
        if added is not None:
            return added
        token = self._base.id_to_token(token_id)
        if token is None:
            raise UnknownTokenError(
                f"id {shown(token_id)} at position {place} is not in the vocabulary, whose ids are 0 to"
                f" {self._base.next_id - 1}; were these ids made by another vocabulary?"
            )
        return bytes_of(token)

    def _prefixed(self, text: str) -> str:
        return " " + text if self._add_prefix_space and not text.startswith(" ") else text


@lru_cache(maxsize=4)
def _bpe(base: BaseVocabulary, unk_id: int | None) -> SlowBPE:
    """One for all tokenizers of a vocabulary: added tokens do not change it, and its cache stays warm."""
    return SlowBPE(base.vocab, base.merges, unk_id)


def _index(token_id: object, place: int) -> int:
    try:
        return operator.index(token_id)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"ids must be int, not {type(token_id).__name__} (at position {place})") from None


@final
class GPT2Tokenizer(TokenizerSurface):
    """GPT-2's tokenizer in plain Python, with Hugging Face's surface.

    Equal to `GPT2TokenizerFast` in every argument and result, ten to thirty times slower, and short enough to
    read. See `TokenizerSurface` for the arguments.

    Example:
        >>> from gpt2tok import GPT2Tokenizer
        >>> tokenizer = GPT2Tokenizer.from_pretrained("gpt2")
        >>> tokenizer("Hello world")
        {'input_ids': [15496, 995], 'attention_mask': [1, 1]}
        >>> tokenizer.decode([15496, 995])
        'Hello world'
    """

    @property
    def is_fast(self) -> bool:
        """False: this is the readable one."""
        return False

    def _make_engine(
        self,
        base: BaseVocabulary,
        added: AddedVocabulary,
        unknown: tuple[str, int] | None,
        add_prefix_space: bool,
    ) -> Engine:
        return SlowEngine(base, added, unknown, add_prefix_space)
