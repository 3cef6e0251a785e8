"""How do ids become text again?

Owns Hugging Face's decoding methods. Refuses to lose anything silently: an id that no token has is an error,
and the text comes back as it was unless the caller asks for less.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Mapping, Set
from typing import Any

from .._core import TokenizerError
from .arguments import described, flag, id_list, is_number, not_ids, plain, require_text, shown, token_list
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
            TypeError: something is not a whole number, or the ids come without an order (a set).
            TokenizerError: a mapping without `input_ids`.

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
        texts, many = self._decode_all(
            token_ids, "token_ids", skip_special_tokens, clean_up_tokenization_spaces
        )
        return texts if many else texts[0]

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
        _warn_of_unknown(kwargs, {"spaces_between_special_tokens", "use_source_tokenizer"})
        if hasattr(sequences, "__len__") and not isinstance(sequences, Mapping) and not len(sequences):
            return []
        return self._decode_all(sequences, "sequences", skip_special_tokens, clean_up_tokenization_spaces)[0]

    def convert_tokens_to_string(self, tokens: Iterable[str]) -> str:
        """The text that tokens spell.

        Args:
            tokens: as `tokenize` gives them.

        Raises:
            TypeError: `tokens` is one string, or holds something else.
            TokenizerError: a token holds half a surrogate pair.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").convert_tokens_to_string(["Hello", "Ġworld"])
            'Hello world'
        """
        spelt = [self._spelt(token, i) for i, token in enumerate(token_list(tokens, "tokens"))]
        return self._text(b"".join(spelt))

    def clean_up_tokenization(self, text: str) -> str:
        """`text` without the spaces before punctuation and English contractions.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").clean_up_tokenization("It 's me .")
            "It's me."
        """
        if not isinstance(text, str):
            raise TypeError(f"text is {described(text)}, not a str")
        for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
            text = text.replace(spaced, spaced.strip())
        return text

    def _decode_all(self, given: Any, name: str, skip: bool, clean_up: bool | None) -> tuple[list[str], bool]:
        """The texts of one sequence of ids or of several, and whether there were several."""
        skip = flag(skip, "skip_special_tokens")
        if clean_up is None:
            clean_up = (
                self.clean_up_tokenization_spaces
                and self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output
            )
        clean_up = flag(clean_up, "clean_up_tokenization_spaces")
        rows, many, name = _rows(given, name)
        texts = [self._decode(row, f"{name}[{i}]" if many else name, skip) for i, row in enumerate(rows)]
        return [self.clean_up_tokenization(text) for text in texts] if clean_up else texts, many

    def _decode(self, ids: list[Any], name: str, skip: bool) -> str:
        kept = ids
        if skip:
            special = {token_id for token_id, token in self._added.effective() if token.special}
            try:
                kept = [token_id for token_id in ids if token_id not in special]
            except TypeError:  # Something that cannot even be looked up.
                kept = id_list(ids, name)
            # The engines look at what is kept; 50256.0 would be left out as if it were an id.
            if len(kept) < len(ids) and not all(is_number(i) for i in ids if i in special):
                id_list(ids, name)
        try:
            data = self._engine.bytes_of(kept)
        except (TypeError, ValueError):
            # The engines know neither the argument nor the place before special tokens were left out.
            self._names.names(id_list(ids, name), f" of {name}")
            raise
        return self._text(data)

    def _text(self, data: bytes) -> str:
        return data.decode("utf-8", self.errors)

    def _spelt(self, token: str, place: int) -> bytes:
        require_text(token, f"tokens[{place}]")
        if token in self._added and not self._base.spells_bytes(token):
            return token.encode()
        return bytes_of(token)


def _rows(given: Any, name: str) -> tuple[list[list[Any]], bool, str]:
    """The sequences of ids, whether there were several, and what to call them.

    Ids are not looked at one by one: the engines do, and most of them are right.
    """
    if isinstance(given, Mapping):
        if "input_ids" not in given:
            found = ", ".join(map(shown, given)) or "nothing"
            raise TokenizerError(f"{name} is a mapping with {found}, but 'input_ids' are what can be decoded")
        given, name = given["input_ids"], f"{name}['input_ids']"
    ids = plain(given)
    if is_number(ids):
        return [[operator.index(ids)]], False, name
    if not isinstance(ids, (list, tuple)):
        if isinstance(ids, (str, bytes, bytearray, Set)) or not isinstance(ids, Iterable):
            raise not_ids(given, name)
        ids = list(ids)
    if not ids or ids[0].__class__ is int:
        return [list(ids)], False, name
    rows = [plain(row) for row in ids]
    if not isinstance(rows[0], (list, tuple)):
        return [id_list(rows, name)], False, name
    for i, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            raise TypeError(
                f"{name}[{i}] is {described(row)}, but {name}[0] is a list of ids: pass ids, or lists of ids, not both"
            )
    return [list(row) for row in rows], True, name


def _warn_of_unknown(arguments: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(arguments) - known)
    if unknown:
        warnings.warn(
            f"unknown arguments are not used: {', '.join(unknown)}; correct or remove them",
            UserWarning,
            stacklevel=3,
        )
