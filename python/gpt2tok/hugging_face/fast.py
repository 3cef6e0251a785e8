"""The fast tokenizer: Hugging Face's surface over the Rust core.

Owns `GPT2TokenizerFast` and the engine that hands texts to `_core.Encoding`. Decides nothing: the surface is
shared with the slow one (`surface.py`), and the algorithm is the core's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from .. import _core
from .added_tokens import AddedVocabulary
from .base_vocabulary import BaseVocabulary
from .engine import Engine, Offsets
from .surface import TokenizerSurface


@final
class FastEngine(Engine):
    """The Rust core."""

    def __init__(
        self,
        base: BaseVocabulary,
        added: AddedVocabulary,
        unknown: tuple[str, int] | None,
        add_prefix_space: bool,
    ) -> None:
        self._encoding = base.compiled(unknown)
        self._rules = _core.AddedTokens(added.matching_rules())
        # What the core's table does not say: tokens beyond the base vocabulary, and texts in it that only
        # look like bytes. ASCII spells itself.
        self._own: dict[int, bytes] = {
            i: token.content.encode()
            for i, token in added
            if i >= base.next_id
            or base.token_to_id(token.content) is None
            or not (token.content.isascii() or base.spells_bytes(token.content))
        }
        self._add_prefix_space = add_prefix_space

    def ids(self, text: str, split_special: bool) -> list[int]:
        return self._encoding.encode_added(
            text, self._rules, add_prefix_space=self._add_prefix_space, split_special_tokens=split_special
        )

    def ids_of_all(self, texts: Sequence[str], split_special: bool) -> list[list[int]]:
        return self._encoding.encode_added_batch(
            texts, self._rules, add_prefix_space=self._add_prefix_space, split_special_tokens=split_special
        )

    def trace(self, text: str, split_special: bool) -> tuple[list[int], list[Offsets], list[int]]:
        return self._encoding.encode_added_with_offsets(
            text, self._rules, add_prefix_space=self._add_prefix_space, split_special_tokens=split_special
        )

    def bytes_of(self, ids: Sequence[int]) -> bytes:
        own = self._own
        if not own or own.keys().isdisjoint(ids):
            return self._encoding.decode_bytes(ids)
        # Any id that the core knows keeps the others' places right in its messages.
        known = self._encoding.max_token_value
        parts = self._encoding.decode_tokens_bytes([known if i in own else i for i in ids])
        return b"".join([own.get(i, part) for i, part in zip(ids, parts, strict=True)])


@final
class GPT2TokenizerFast(TokenizerSurface):
    """GPT-2's tokenizer on the Rust core, with Hugging Face's surface.

    Equal to `GPT2Tokenizer` in every argument and result. See `TokenizerSurface` for the arguments.

    Example:
        >>> from gpt2tok import GPT2TokenizerFast
        >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
        >>> tokenizer("Hello world")
        {'input_ids': [15496, 995], 'attention_mask': [1, 1]}
        >>> tokenizer("Hello world", return_offsets_mapping=True)["offset_mapping"]
        [(0, 5), (5, 11)]
    """

    @property
    def is_fast(self) -> bool:
        """True: the Rust core does the work."""
        return True

    def _make_engine(
        self,
        base: BaseVocabulary,
        added: AddedVocabulary,
        unknown: tuple[str, int] | None,
        add_prefix_space: bool,
    ) -> Engine:
        return FastEngine(base, added, unknown, add_prefix_space)
