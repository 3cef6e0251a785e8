"""What does a tokenizer know of its tokens? Names, ids, added tokens and the parts that special tokens play.

Owns Hugging Face's methods and attributes about the vocabulary, and the rebuilding of the engine when it
changes. Refuses to encode and decode text.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Set
from typing import Any, overload

from .._core import SpecialTokenError
from .added_tokens import AddedToken, AddedVocabulary
from .arguments import flag, id_list, is_number, plain, token_list
from .base_vocabulary import BaseVocabulary
from .engine import Engine
from .rows import Plan
from .special_tokens import NamedToken, NamedTokenId, SpecialTokens, TokenLike, checked_mapping
from .template import Template, framed
from .token_names import TokenNames


class VocabularySurface(ABC):
    """The vocabulary side of a tokenizer. Abstract."""

    bos_token = NamedToken()
    eos_token = NamedToken()
    unk_token = NamedToken()
    sep_token = NamedToken()
    pad_token = NamedToken()
    cls_token = NamedToken()
    mask_token = NamedToken()
    bos_token_id = NamedTokenId()
    eos_token_id = NamedTokenId()
    unk_token_id = NamedTokenId()
    sep_token_id = NamedTokenId()
    pad_token_id = NamedTokenId()
    cls_token_id = NamedTokenId()
    mask_token_id = NamedTokenId()

    pad_token_type_id = 0

    _base: BaseVocabulary
    _added: AddedVocabulary
    _special: SpecialTokens
    # The unk_token inside a tokenizer.json's model: it stands for bytes, and is no special token by that.
    _model_unknown: str | None
    _add_prefix_space: bool
    _add_bos_token: bool
    _add_eos_token: bool
    # A template that came with a file and is none that the two flags above describe.
    _own_template: Template | None
    # Made when needed, dropped when something changes that they depend on.
    _engine_now: Engine | None
    _names_now: TokenNames | None
    _template_now: Template | None
    _simple_plan_now: Plan | None

    @abstractmethod
    def _make_engine(
        self,
        base: BaseVocabulary,
        added: AddedVocabulary,
        unknown: tuple[str, int] | None,
        add_prefix_space: bool,
    ) -> Engine:
        """The algorithm, for this vocabulary."""

    @property
    @abstractmethod
    def is_fast(self) -> bool:
        """Whether the Rust core does the work."""

    # --- the vocabulary ---

    @property
    def vocab_size(self) -> int:
        """How many tokens the base vocabulary has, added tokens left out (`len(tokenizer)` counts them)."""
        return self._base.size

    def __len__(self) -> int:
        return self._base.size + self._added.beyond(self._base)

    def __bool__(self) -> bool:
        # Otherwise truth would ask len(): a tokenizer is never false.
        return True

    def get_vocab(self) -> dict[str, int]:
        """Token to id, added tokens included, in id order: a new dict that you may change.

        Example:
            >>> from gpt2tok import GPT2Tokenizer
            >>> GPT2Tokenizer.from_pretrained("gpt2").get_vocab()["Ġworld"]
            995
        """
        vocab = self._base.vocab | self.get_added_vocab()
        return dict(sorted(vocab.items(), key=operator.itemgetter(1)))

    @property
    def vocab(self) -> dict[str, int]:
        """The same as `get_vocab()`."""
        return self.get_vocab()

    @property
    def encoder(self) -> dict[str, int]:
        """The base vocabulary alone, as transformers 4's slow tokenizer had it: a copy."""
        return dict(self._base.vocab)

    @property
    def bpe_ranks(self) -> dict[tuple[str, str], int]:
        """Each merge and its rank, as transformers 4's slow tokenizer had it: a copy."""
        merges = self._base.merges
        return {merges[rank]: rank for rank in range(len(merges) - 1, -1, -1)}

    # A str is an iterable of str too; the first signature that fits counts.
    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int | None: ...  # type: ignore[overload-overlap]
    @overload
    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int | None]: ...
    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> Any:
        """The id of a token, or the ids of several; what the vocabulary does not have becomes `unk_token_id`.

        Args:
            tokens: spelt as `vocab.json` spells them (`"Ġworld"`), or the text of added tokens.

        Raises:
            TypeError: something is not a string.

        Example:
            >>> from gpt2tok import GPT2Tokenizer
            >>> GPT2Tokenizer.from_pretrained("gpt2").convert_tokens_to_ids(["Hello", "Ġworld", "no such"])
            [15496, 995, 50256]
        """
        if isinstance(tokens, str):
            return self._id_or_unknown(tokens)
        return [self._id_or_unknown(token) for token in token_list(tokens, "tokens")]

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = False) -> list[str]: ...
    def convert_ids_to_tokens(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> Any:
        """The token of an id, or the tokens of several.

        Args:
            ids: one id, or any iterable of them.
            skip_special_tokens: leave out the ids of `all_special_ids`.

        Raises:
            UnknownTokenError: an id that no token has (transformers gives None).
            TypeError: something is not a whole number.

        Example:
            >>> from gpt2tok import GPT2Tokenizer
            >>> GPT2Tokenizer.from_pretrained("gpt2").convert_ids_to_tokens([15496, 995])
            ['Hello', 'Ġworld']
        """
        ids = plain(ids)  # An array or tensor of a single element would pass for a number.
        if is_number(ids):
            return self._names.name(operator.index(ids))  # type: ignore[arg-type]
        numbers = id_list(ids, "ids")
        names = self._names.names(numbers)
        if not flag(skip_special_tokens, "skip_special_tokens"):
            return names
        skipped = set(self.all_special_ids)
        return [name for token_id, name in zip(numbers, names, strict=True) if token_id not in skipped]

    # --- added tokens ---

    def add_tokens(self, new_tokens: TokenLike | Iterable[TokenLike], special_tokens: bool = False) -> int:
        """Adds tokens that are found in text as they stand, before the BPE.

        A token whose text is an entry of the vocabulary keeps that entry's id; any other gets the next free
        one. Adding a token again with other flags changes the flags.

        Args:
            new_tokens: one token or several, as strings or `AddedToken`s. An empty string is passed over.
            special_tokens: whether they are special, so that `decode` can skip them.

        Returns:
            How many tokens were new or changed.

        Raises:
            TypeError: something is neither a string nor an AddedToken, or the tokens come without an order (a set):
                it decides their ids.

        Example:
            >>> from gpt2tok import GPT2Tokenizer
            >>> tokenizer = GPT2Tokenizer.from_pretrained("gpt2")
            >>> tokenizer.add_tokens(["<user>", "<bot>"]), len(tokenizer)
            (2, 50259)
            >>> tokenizer.tokenize("<user>Hello")
            ['<user>', 'Hello']
        """
        special = flag(special_tokens, "special_tokens")
        if isinstance(new_tokens, (Set, Mapping)):
            raise TypeError(
                f"new_tokens is of type {type(new_tokens).__name__}, but the order of tokens decides their ids: pass a"
                " list, as in sorted(tokens)"
            )
        if isinstance(new_tokens, (str, bytes)) or not isinstance(new_tokens, Iterable):
            tokens = [AddedToken.of(new_tokens, "new_tokens", special=special)]
        else:
            tokens = [
                AddedToken.of(token, f"new_tokens[{i}]", special=special)
                for i, token in enumerate(new_tokens)
            ]
        count = self._added.add(tokens, self._base)
        if count:
            self._tokens_changed()
        return count

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, TokenLike | list[TokenLike] | tuple[TokenLike, ...]],
        replace_extra_special_tokens: bool = True,
        replace_additional_special_tokens: bool | None = None,
    ) -> int:
        """Gives tokens their parts and adds them to the vocabulary where it lacks them.

        Args:
            special_tokens_dict: part (`"pad_token"`, ...) to token, and `"extra_special_tokens"` (in
                transformers 4 `"additional_special_tokens"`) to a list of tokens.
            replace_extra_special_tokens: whether that list takes the place of the one before; those tokens
                stay in the vocabulary either way.
            replace_additional_special_tokens: transformers 4's name for the same.

        Returns:
            How many tokens were new or changed.

        Raises:
            SpecialTokenError: no such part.
            TypeError: a token is neither a string nor an AddedToken.

        Example:
            >>> from gpt2tok import GPT2Tokenizer
            >>> tokenizer = GPT2Tokenizer.from_pretrained("gpt2")
            >>> tokenizer.add_special_tokens({"pad_token": "<pad>"}), tokenizer.pad_token_id
            (1, 50257)
        """
        if replace_additional_special_tokens is not None:
            replace_extra_special_tokens = replace_additional_special_tokens
        checked = checked_mapping(special_tokens_dict, self._special.names)
        replace = flag(replace_extra_special_tokens, "replace_extra_special_tokens")
        # All of them are looked at before the first is put anywhere.
        tokens = {name: _as_special(name, value) for name, value in checked.items()}
        new: list[AddedToken] = []
        for name, given in tokens.items():
            if name != "extra_special_tokens":
                self._special.put(name, given[0])
                new += given
                continue
            known: list[TokenLike] = [] if replace and given else self._special.extra
            texts = {str(token) for token in known}
            extra = [token for token in given if token.content not in texts]
            self._special.extra = [*known, *extra]
            new += extra
        self._special_tokens_changed()
        return self.add_tokens(new, special_tokens=True) if new else 0

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id to added token, in id order."""
        return dict(self._added)

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """Text of an added token to its id, in id order."""
        return {token.content: token_id for token_id, token in self._added}

    def get_added_vocab(self) -> dict[str, int]:
        """The same as `added_tokens_encoder`; tokens that are entries of the base vocabulary are in it too."""
        return self.added_tokens_encoder

    # --- the parts of special tokens ---

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Part to token, for the parts that are given; extra special tokens are not in it."""
        return self._special.set_map()

    @property
    def special_tokens_map_extended(self) -> dict[str, TokenLike]:
        """The same with the tokens as they were given, AddedTokens with their flags."""
        tokens = ((name, self._special.get(name)) for name in self._special.names)
        return {name: token for name, token in tokens if token is not None}

    @property
    def all_special_tokens(self) -> list[str]:
        """Every token that has a part, extra ones last, each once."""
        return [str(token) for token in self._special.every()]

    @property
    def all_special_tokens_extended(self) -> list[TokenLike]:
        """The same with the tokens as they were given."""
        return self._special.every()

    @property
    def all_special_ids(self) -> list[int]:
        """Their ids."""
        return self.convert_tokens_to_ids(self.all_special_tokens)  # type: ignore[return-value]

    @property
    def extra_special_tokens(self) -> list[str]:
        """Special tokens without a named part."""
        return [str(token) for token in self._special.extra]

    @extra_special_tokens.setter
    def extra_special_tokens(self, tokens: list[TokenLike] | None) -> None:
        self._special.put_extra(tokens)

    @property
    def extra_special_tokens_ids(self) -> list[int]:
        """Their ids."""
        return self.convert_tokens_to_ids(self.extra_special_tokens)  # type: ignore[return-value]

    # transformers 4's names for the same.
    additional_special_tokens = extra_special_tokens
    additional_special_tokens_ids = extra_special_tokens_ids

    # --- what the encoding depends on ---

    @property
    def add_prefix_space(self) -> bool:
        """Whether a space is put before every text (and every stretch between added tokens) that opens without one.

        Setting it takes effect at once; in transformers it changes nothing after construction.
        """
        return self._add_prefix_space

    @add_prefix_space.setter
    def add_prefix_space(self, value: bool) -> None:
        self._add_prefix_space = flag(value, "add_prefix_space")
        self._engine_changed()

    @property
    def add_bos_token(self) -> bool:
        """Whether each sequence opens with `bos_token`."""
        return self._add_bos_token

    @add_bos_token.setter
    def add_bos_token(self, value: bool) -> None:
        self._frame(flag(value, "add_bos_token"), self._add_eos_token)

    @property
    def add_eos_token(self) -> bool:
        """Whether each sequence ends with `eos_token`."""
        return self._add_eos_token

    @add_eos_token.setter
    def add_eos_token(self, value: bool) -> None:
        self._frame(self._add_bos_token, flag(value, "add_eos_token"))

    def update_post_processor(self) -> None:  # noqa: B027 - not for subclasses to fill in
        """Nothing: here a new `bos_token` or `eos_token` counts at once. Kept for callers of transformers."""

    def _frame(self, bos: bool, eos: bool) -> None:
        for wanted, name in ((bos, "bos_token"), (eos, "eos_token")):
            if wanted and self._special.get(name) is None:
                raise SpecialTokenError(f"add_{name}=True needs a {name}: set one first")
        self._add_bos_token, self._add_eos_token = bos, eos
        self._own_template = None
        self._template_changed()

    def _id_or_unknown(self, token: str) -> int | None:
        token_id = self._names.find(token)
        return self._unknown_id() if token_id is None else token_id

    def _unknown_id(self) -> int | None:
        unknown = self._special.get("unk_token")
        return None if unknown is None else self._names.find(str(unknown))

    def _unknown_bytes(self) -> tuple[str, int] | None:
        """The token, and its id, for bytes that the vocabulary lacks."""
        named = self._special.get("unk_token") if self._model_unknown is None else self._model_unknown
        token_id = None if named is None else self._names.find(str(named))
        return None if token_id is None else (str(named), token_id)

    def _tokens_changed(self) -> None:
        self._names_now = None
        self._engine_changed()

    def _engine_changed(self) -> None:
        self._engine_now = None
        self._template_changed()

    def _template_changed(self) -> None:
        self._template_now = self._simple_plan_now = None

    def _special_tokens_changed(self) -> None:
        self._template_changed()
        if (
            self._base.lacks_bytes
        ):  # Only then does the engine need to know which token stands for the unknown.
            self._engine_now = None

    @property
    def _engine(self) -> Engine:
        engine = self._engine_now
        if engine is None:
            engine = self._make_engine(
                self._base, self._added.copy(), self._unknown_bytes(), self._add_prefix_space
            )
            self._engine_now = engine
        return engine

    @property
    def _names(self) -> TokenNames:
        if self._names_now is None:
            self._names_now = TokenNames(self._base, self._added)
        return self._names_now

    @property
    def _template(self) -> Template:
        if self._template_now is None:
            self._template_now = self._own_template or framed(
                self._framing("bos_token") if self._add_bos_token else None,
                self._framing("eos_token") if self._add_eos_token else None,
            )
        return self._template_now

    def _framing(self, name: str) -> tuple[int, str]:
        token = self._special.get(name)
        token_id = None if token is None else self._names.find(str(token))
        if token_id is None:
            raise SpecialTokenError(
                f"add_{name}=True, but {name} is {None if token is None else str(token)!r}, which the vocabulary does"
                " not have: add it with add_special_tokens"
            )
        return token_id, str(token)


def _as_special(name: str, value: Any) -> list[AddedToken]:
    """The tokens of one entry of `add_special_tokens`: one, or for the extra ones a list."""
    if name != "extra_special_tokens":
        return [AddedToken.of(value, name, special=True)]
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} is a list of tokens, not {type(value).__name__}: pass [...]")
    return [AddedToken.of(token, f"{name}[{i}]", special=True) for i, token in enumerate(value)]
