"""How do ids become text again?

Owns Hugging Face's decoding methods. Refuses to lose anything silently: an id that no token has is an error,
and the text comes back as it was unless the caller asks for less.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from .base_vocabulary import bytes_of
from .vocabulary_surface import VocabularySurface


class DecodingSurface(VocabularySurface):
    """The decoding side of a tokenizer. Abstract."""

    errors: str
    clean_up_tokenization_spaces: bool
    clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: bool

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The text of ids; of several sequences of ids, the list of their texts.

        Args:
            token_ids: one id, a sequence of ids, several sequences, an array or tensor of 0 to 2 dimensions,
                or a mapping with `input_ids`.
            skip_special_tokens: leave special added tokens out.
            clean_up_tokenization_spaces: remove spaces before punctuation and contractions. Off by default:
                GPT-2's ids say every space, so this changes the text. Passed as True it is done, as in
                transformers 4 (transformers 5 ignores it for BPE tokenizers).
            kwargs: `spaces_between_special_tokens` is accepted and does nothing, as in transformers' fast tokenizer.

        Returns:
            str, or list[str] for several sequences. Bytes that are no UTF-8 are treated by `tokenizer.errors`.

        Raises:
            UnknownTokenError: an id that no token has (transformers leaves it out).
            UnicodeDecodeError: the bytes are no UTF-8, and `tokenizer.errors` is "strict".
            TypeError: something is not a whole number.

        An added token decodes to its text. (transformers takes characters like é in it for bytes.)

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
            >>> tokenizer.decode([15496, 995, 50256])
            'Hello world<|endoftext|>'
            >>> tokenizer.decode([[15496], [995, 50256]], skip_special_tokens=True)
            ['Hello', ' world']
        """
        _warn_of_unknown(kwargs, {"spaces_between_special_tokens", "use_source_tokenizer"})
        ids = _listed(token_ids)
        if ids and isinstance(ids[0], list):
            return [self._decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids]
        return self._decode(ids, skip_special_tokens, clean_up_tokenization_spaces)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """The texts of several sequences of ids: `decode`, but always a list. No sequences give no texts.

        Args and errors as for `decode`.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").batch_decode([[15496], [995]])
            ['Hello', ' world']
        """
        if isinstance(sequences, (list, tuple)) and not sequences:
            return []
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces, **kwargs)
        return [texts] if isinstance(texts, str) else texts

    def convert_tokens_to_string(self, tokens: Iterable[str]) -> str:
        """The text that tokens spell.

        Args:
            tokens: as `tokenize` gives them.

        Raises:
            TypeError: `tokens` is one string, or holds something else.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").convert_tokens_to_string(["Hello", "Ġworld"])
            'Hello world'
        """
        if isinstance(tokens, str):
            raise TypeError("tokens come as a list of str, not one str: put it in a list")
        return self._text(b"".join(self._spelt(token) for token in tokens))

    def clean_up_tokenization(self, text: str) -> str:
        """`text` without the spaces before punctuation and English contractions.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").clean_up_tokenization("It 's me .")
            "It's me."
        """
        for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
            text = text.replace(spaced, spaced.strip())
        return text

    def _decode(self, ids: list[Any], skip_special_tokens: bool, clean_up: bool | None) -> str:
        if skip_special_tokens:
            special = {token_id for token_id, token in self._added if token.special}
            ids = [token_id for token_id in ids if token_id not in special]
        text = self._text(self._engine.bytes_of(ids))
        if clean_up is None:
            clean_up = (
                self.clean_up_tokenization_spaces
                and self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output
            )
        return self.clean_up_tokenization(text) if clean_up else text

    def _text(self, data: bytes) -> str:
        return data.decode("utf-8", self.errors)

    def _spelt(self, token: str) -> bytes:
        if not isinstance(token, str):
            raise TypeError(f"tokens are str, not {type(token).__name__}")
        if token in self._added and not self._base.spells_bytes(token):
            return token.encode()
        return bytes_of(token)


def _listed(ids: Any) -> list[Any]:
    """Ids as a list of int, or a list of such lists."""
    if isinstance(ids, Mapping):
        ids = ids["input_ids"]
    ids = _plain(ids)
    if not isinstance(ids, (list, tuple)):
        if isinstance(ids, (str, bytes)):
            raise TypeError(f"ids are whole numbers, not {type(ids).__name__}: see convert_tokens_to_string")
        try:
            return [operator.index(ids)]
        except TypeError:
            ids = list(ids)
    if not ids or type(ids[0]) is int:
        return list(ids)
    rows = [_plain(row) for row in ids]
    return [list(row) if isinstance(row, (list, tuple)) else operator.index(row) for row in rows]


def _plain(value: Any) -> Any:
    """An array or tensor as lists; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "numpy"):  # TensorFlow
        return value.numpy().tolist()
    return value


def _warn_of_unknown(arguments: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(arguments) - known)
    if unknown:
        warnings.warn(
            f"unknown arguments are not used: {', '.join(unknown)}; correct or remove them",
            UserWarning,
            stacklevel=3,
        )
