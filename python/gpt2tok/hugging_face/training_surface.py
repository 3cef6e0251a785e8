"""How does a tokenizer learn another vocabulary? `train_new_from_iterator`.

Owns the carrying over: which special tokens and settings the new tokenizer inherits. Refuses to learn:
`gpt2tok.training` does, the same for the slow tokenizer and the fast one.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from .._core import TokenizerError
from ..formats import byte_alphabet
from ..training.training import run
from .added_tokens import AddedToken
from .arguments import shown, whole_number
from .pretrained import PretrainedSurface
from .special_tokens import NAMES, TokenLike
from .template import Part, Template

T = TypeVar("T", bound="TrainingSurface")

# Arguments of tokenizers' BpeTrainer that say what is so anyway.
_GIVEN: dict[str, Any] = {"continuing_subword_prefix": ("", None), "end_of_word_suffix": ("", None)}
_OPTIONS = ("min_frequency", "max_token_length", "max_pretokens", "num_threads", "show_progress")


class TrainingSurface(PretrainedSurface):
    """Learning a new vocabulary. Abstract."""

    def train_new_from_iterator(
        self: T,
        text_iterator: Iterable[str | Sequence[str]],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[TokenLike] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> T:
        """A tokenizer of the same kind with a vocabulary learned from these texts.

        Special tokens and settings are this tokenizer's. The merges are those that transformers' method learns;
        ids are laid out as GPT-2's, special tokens last, where transformers puts them first.

        Args:
            text_iterator: texts, or lists of texts. It is read once.
            vocab_size: ids in all, bytes and special tokens included.
            length: how many items the iterator has; of no use here.
            new_special_tokens: special tokens that the new tokenizer has beside this one's.
            special_tokens_map: this tokenizer's special tokens that get another text, old to new.
            kwargs: `min_frequency`, `max_token_length`, `show_progress`, `initial_alphabet` (every byte is in it
                anyway); and `max_pretokens`, `num_threads` as for `gpt2tok.train`.

        Raises:
            TokenizerError: as for `gpt2tok.train`; a special token that is to be renamed does not exist.
            TypeError: an argument, or something in the iterator, is of another type.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> old = GPT2TokenizerFast.from_pretrained("gpt2")
            >>> new = old.train_new_from_iterator([["low lower lowest"] * 3], 260)
            >>> new.tokenize("lowest"), new.eos_token_id
            (['low', 'e', 's', 't'], 259)
        """
        options = _options(kwargs)
        whole_number(length, "length")
        rename = _mapping(special_tokens_map)
        special = [token for _, token in self._added if token.special]
        unknown = [old for old in rename if old not in {token.content for token in special}]
        if unknown:
            raise TokenizerError(
                f"special_tokens_map renames {shown(unknown[0])}, which is no special token of this tokenizer; it has"
                f" {', '.join(repr(token.content) for token in special) or 'none'}"
            )
        if isinstance(new_special_tokens, str | AddedToken):
            raise TypeError("new_special_tokens must be a list of tokens, not one; put it in a list")
        renamed = [dataclasses.replace(t, content=rename.get(t.content, t.content)) for t in special]
        new = [AddedToken.of(token, special=True) for token in new_special_tokens or ()]
        training = run(
            self._prefixed_texts(text_iterator),
            vocab_size,
            special_tokens=[token.content for token in (*renamed, *new)],
            whole_files=False,
            field=None,
            errors="strict",
            name="trained",
            **options,
        )
        for shortfall in training.shortfalls():
            warnings.warn(shortfall, UserWarning, stacklevel=2)
        encoding = training.encoding
        alphabet = byte_alphabet()

        def spelled(token: bytes) -> str:
            return "".join(alphabet[byte] for byte in token)

        ids = encoding.special_tokens
        vocab = {spelled(token): token_id for token_id, token in encoding.token_bytes()} | ids
        merges = [(spelled(left), spelled(right)) for left, right in encoding.merges()]
        added = {ids[token.content]: token for token in (*renamed, *new)}
        make: Any = type(self)  # `TokenizerSurface` has the constructor
        tokenizer: T = make(vocab, merges, added_tokens_decoder=added, **self._inherited(rename, new))
        tokenizer._extras = dict(self._extras)
        if self._own_template is not None:
            single, pair = (
                tuple(_moved(part, rename, tokenizer) for part in parts)
                for parts in (self._own_template.single, self._own_template.pair)
            )
            tokenizer._own_template = Template(single, pair)
            tokenizer._template_changed()
        return tokenizer

    def _inherited(self, rename: Mapping[str, str], new: Sequence[AddedToken]) -> dict[str, Any]:
        """The arguments that make a tokenizer with this one's settings."""
        settings = dict(self.init_kwargs)
        computed = ("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens")
        for unwanted in (*computed, *self._extras):
            settings.pop(unwanted, None)

        def carried(token: TokenLike) -> TokenLike:
            text = rename.get(str(token), str(token))
            return dataclasses.replace(token, content=text) if isinstance(token, AddedToken) else text

        for name in (*NAMES, *(name for name in self._special.names if name not in NAMES)):
            token = self._special.get(name)
            settings[name] = None if token is None else carried(token)
        extra = [carried(token) for token in self.extra_special_tokens]
        settings["extra_special_tokens"] = [*extra, *new]
        return settings

    def _prefixed_texts(self, texts: Iterable[str | Sequence[str]]) -> Iterable[Any]:
        if not self.add_prefix_space:
            return texts
        if isinstance(texts, str | bytes):
            raise TypeError("text_iterator must be an iterable of texts, not one; put it in a list")
        return _with_prefix(texts)


def _moved(part: Part, rename: Mapping[str, str], tokenizer: TrainingSurface) -> Part:
    """A place of a template, with the ids of another vocabulary."""
    tokens = tuple(rename.get(token, token) for token in part.tokens)
    ids: list[int] = []
    for token in tokens:
        token_id = tokenizer.get_vocab().get(token)
        if token_id is None:
            raise TokenizerError(
                f"the post_processor puts in {token!r}, which the new vocabulary lacks; name it in new_special_tokens"
            )
        ids.append(token_id)
    return dataclasses.replace(part, tokens=tokens, ids=tuple(ids))


def _with_prefix(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        yield list(_with_prefix(item)) if isinstance(item, list | tuple) else _prefixed(item)


def _prefixed(text: Any) -> Any:
    return text if not isinstance(text, str) or text.startswith(" ") else " " + text


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "min_frequency": 0,
        "max_token_length": None,
        "max_pretokens": None,
        "num_threads": None,
        "show_progress": True,
    }
    for name, value in kwargs.items():
        if name in _OPTIONS:
            options[name] = value
        elif name in _GIVEN and value in _GIVEN[name]:
            continue
        elif name == "initial_alphabet":
            outside = sorted(set(value) - set(byte_alphabet().values()))
            if outside:
                raise TokenizerError(
                    f"initial_alphabet has {outside[0]!r}, which is not in the byte alphabet; leave the argument out:"
                    " every byte is a token"
                )
        else:
            raise TypeError(
                f"train_new_from_iterator has no argument {name!r} here; it takes {', '.join(_OPTIONS)}"
            )
    return options


def _mapping(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(new, str) for key, new in value.items()
    ):
        raise TypeError("special_tokens_map must be a dict from str to str, as {'<|endoftext|>': '</s>'}")
    return dict(value)
