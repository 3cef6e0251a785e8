"""Which tokens and merges is a tokenizer made of, before anything is added?

Owns the base vocabulary as Python sees it (token to id, id to token, the merges) and the compiled
`_core.Encoding` made from it. The embedded GPT-2 vocabulary is unpacked only when somebody looks into it.
Refuses added tokens (`added_tokens.py`) and files (`pretrained.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from .. import _core
from ..encodings import get_encoding
from ..formats import byte_alphabet

Merge = tuple[str, str]
END_OF_TEXT = "<|endoftext|>"


class BaseVocabulary:
    """Tokens, ids and merges. Immutable, shared by copies, pickled as its contents (GPT-2: as its name). Final.

    Args:
        vocab: token, spelt in the byte alphabet, to id.
        merges: pairs of tokens, the first to be joined first.
        files: where they were read, for messages: a `vocab.json` and a `merges.txt`, or one file with both.

    Example:
        >>> BaseVocabulary({"a": 0, "b": 1, "ab": 2}, [("a", "b")]).token_to_id("ab")
        2
    """

    def __init__(
        self, vocab: Mapping[str, int], merges: Sequence[Merge], files: tuple[str, ...] = ()
    ) -> None:
        # None: GPT-2's, still packed.
        self._given: tuple[dict[str, int], list[Merge]] | None = (dict(vocab), [(a, b) for a, b in merges])
        self._files = files
        self._encodings: dict[tuple[str, int] | None, _core.Encoding] = {}

    @staticmethod
    @cache
    def gpt2() -> BaseVocabulary:
        """OpenAI's vocabulary of 50,257 tokens, embedded in the compiled module.

        Example:
            >>> BaseVocabulary.gpt2().size
            50257
        """
        vocabulary = BaseVocabulary({}, [])
        vocabulary._given = None
        return vocabulary

    @property
    def is_gpt2(self) -> bool:
        """Whether this is the embedded vocabulary."""
        return self._given is None

    @cached_property
    def _unpacked(self) -> tuple[dict[str, int], list[Merge]]:
        return _core.gpt2_vocabulary() if self._given is None else self._given

    @property
    def vocab(self) -> dict[str, int]:
        """Token to id. Do not change it."""
        return self._unpacked[0]

    @property
    def merges(self) -> list[Merge]:
        """The merges in rank order. Do not change them."""
        return self._unpacked[1]

    @cached_property
    def tokens(self) -> dict[int, str]:
        """Id to token. Do not change it."""
        return {token_id: token for token, token_id in self.vocab.items()}

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self.compiled(None).n_vocab if self._given is None else len(self.vocab)

    @cached_property
    def next_id(self) -> int:
        """The first id after all of them."""
        return self.size if self._given is None else max(self.vocab.values(), default=-1) + 1

    def token_to_id(self, token: str) -> int | None:
        # Every tokenizer asks for this one when it is made; it is no reason to unpack 50,000 entries.
        if self._given is None and token == END_OF_TEXT:
            return self.size - 1
        return self.vocab.get(token)

    def id_to_token(self, token_id: int) -> str | None:
        return self.tokens.get(token_id)

    def spells_bytes(self, token: str) -> bool:
        """Whether this is an entry that the BPE makes, spelt otherwise than the text it stands for (`Ġthe`, `é`)."""
        if token.isascii() or token not in self.vocab:
            return False
        return token in self._made and bytes_of(token) != token.encode()

    @cached_property
    def _made(self) -> frozenset[str]:
        """What the BPE can make: single bytes and products of merges."""
        return frozenset([*byte_alphabet().values(), *(left + right for left, right in self.merges)])

    @cached_property
    def lacks_bytes(self) -> bool:
        """Whether some byte has no token, so that text may need the unknown token."""
        return self._given is not None and any(char not in self.vocab for char in byte_alphabet().values())

    def compiled(self, unknown: tuple[str, int] | None) -> _core.Encoding:
        """The vocabulary as the Rust core runs it.

        Args:
            unknown: the token and id for bytes that the vocabulary lacks. It may be a token added later.

        Raises:
            VocabError: the vocabulary is wrong in itself: the message says where.
        """
        if self._given is None:
            return get_encoding("gpt2")
        if not self.lacks_bytes:
            unknown = None
        if unknown not in self._encodings:
            vocab, merges = self._given
            # Entries that no bytes spell are text of their own, as `<s> ` would be.
            spelt = set(byte_alphabet().values())
            texts = {token for token in vocab if not spelt.issuperset(token)}
            if unknown is not None and unknown[0] not in vocab:
                vocab = {**vocab, unknown[0]: unknown[1]}
                texts.add(unknown[0])
            try:
                self._encodings[unknown] = _core.Encoding.from_vocab_and_merges(
                    vocab, merges, special_tokens=texts, unk_token=unknown[0] if unknown else None
                )
            except _core.VocabError as error:
                raise self._located(error, texts, unknown) from None
        return self._encodings[unknown]

    def _located(
        self, error: _core.VocabError, texts: set[str], unknown: tuple[str, int] | None
    ) -> _core.VocabError:
        """The same error with the file that it is about."""
        if len(self._files) == 2 and (unknown is None or unknown[0] in self.vocab):
            try:  # The core's own loader knows the line too.
                name = unknown[0] if unknown else None
                _core.Encoding.from_files(*self._files, special_tokens=texts, unk_token=name)
            except _core.VocabError as located:
                return located
        return _core.VocabError(f"{' with '.join(self._files)}: {error}") if self._files else error

    def __copy__(self) -> BaseVocabulary:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BaseVocabulary:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (BaseVocabulary.gpt2, ()) if self._given is None else (BaseVocabulary, self._given)


@cache
def _bytes_by_char() -> dict[str, int]:
    return {char: byte for byte, char in byte_alphabet().items()}


def bytes_of(token: str) -> bytes:
    """The bytes that a token in the byte alphabet spells; one with other characters is text, and spells its UTF-8.

    Example:
        >>> bytes_of("Ġthe"), bytes_of("日")
        (b' the', b'\\xe6\\x97\\xa5')
    """
    alphabet = _bytes_by_char()
    try:
        return bytes(alphabet[char] for char in token)
    except KeyError:
        return token.encode()
