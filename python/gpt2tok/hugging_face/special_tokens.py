"""Which token plays which part: bos, eos, unk, sep, pad, cls, mask, and the extra ones?

Owns the names, and the properties that let a tokenizer say `tokenizer.pad_token = ...` and `tokenizer.pad_token_id`.
Refuses to add anything to a vocabulary: giving a part to a token does not make it known (`add_special_tokens`
does both), just as in transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core import SpecialTokenError
from .added_tokens import AddedToken
from .arguments import require_text, shown

TokenLike = str | AddedToken

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class SpecialTokens:
    """The parts and who plays them. Final.

    Beside the seven `NAMES`, a model may have parts of its own (`image_token`), as transformers 5 has it.
    """

    def __init__(self) -> None:
        self._named: dict[str, TokenLike | None] = dict.fromkeys(NAMES)
        self.extra: list[TokenLike] = []

    def __contains__(self, name: str) -> bool:
        return name in self._named

    @property
    def names(self) -> list[str]:
        """All the parts, in the order in which transformers lists them."""
        return list(self._named)

    def get(self, name: str) -> TokenLike | None:
        return self._named[name]

    def put(self, name: str, token: object) -> None:
        """Gives a part to a token, or to none.

        Raises:
            TypeError: it is neither a string nor an AddedToken nor None.
            TokenizerError: it holds half a surrogate pair.
        """
        self._named[name] = None if token is None else _token_like(token, name)

    def put_extra(self, tokens: object) -> None:
        """Replaces the extra special tokens.

        Raises:
            TypeError: it is no sequence of strings and AddedTokens.
        """
        if tokens is None:
            tokens = ()
        if not isinstance(tokens, (list, tuple)):
            raise TypeError(
                f"extra_special_tokens is a list of tokens, not {type(tokens).__name__}: pass [...]"
            )
        self.extra = [_token_like(token, f"extra_special_tokens[{i}]") for i, token in enumerate(tokens)]

    def set_map(self) -> dict[str, str]:
        """The parts that are given, by name."""
        return {name: str(token) for name, token in self._named.items() if token is not None}

    def every(self) -> list[TokenLike]:
        """Every token that has a part, in order, extra ones last, each text once."""
        tokens: dict[str, TokenLike] = {}
        for token in (*self._named.values(), *self.extra):
            if token is not None:
                tokens.setdefault(str(token), token)
        return list(tokens.values())

    def take(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Takes the tokens out of a constructor's arguments and returns the other arguments.

        Raises:
            TypeError: a token is neither a string nor an AddedToken.
        """
        rest: dict[str, Any] = {}
        own = arguments.get("model_specific_special_tokens")
        extra = arguments.get("extra_special_tokens") or arguments.get("additional_special_tokens")
        for name, value in arguments.items():
            if name in ("model_specific_special_tokens", "extra_special_tokens", "additional_special_tokens"):
                continue
            if name in NAMES or (name.endswith("_token") and _is_token(value)):
                self.put(name, value)
            else:
                rest[name] = value
        # transformers 5 also takes a mapping for the extra ones: those are parts with names of their own.
        for named in (own, extra):
            if isinstance(named, Mapping):
                for name, value in named.items():
                    if not isinstance(name, str):
                        raise TypeError(
                            f"extra_special_tokens has the key {shown(name)}, but its keys are names like 'image_token'"
                        )
                    self.put(name, value)
        if not isinstance(extra, Mapping):
            self.put_extra(extra)
        return rest


def checked_mapping(tokens: object, known: Iterable[str]) -> dict[str, Any]:
    """The argument of `add_special_tokens`, with transformers 4's name for the extra tokens turned into 5's.

    Raises:
        TypeError: it is no mapping.
        SpecialTokenError: a key is no part that a token can play.
    """
    if not isinstance(tokens, Mapping):
        raise TypeError(
            f"special tokens come as a dict like {{'pad_token': '<pad>'}}, not {type(tokens).__name__}"
        )
    allowed = [*known, "extra_special_tokens"]
    checked = dict(tokens)
    if "additional_special_tokens" in checked and not checked.get("extra_special_tokens"):
        checked["extra_special_tokens"] = checked.pop("additional_special_tokens")
    for key in checked:
        if key not in allowed:
            raise SpecialTokenError(
                f"{shown(key)} is no part that a special token plays: choose from {', '.join(allowed)}"
            )
    return checked


class NamedToken:
    """The property `pad_token` and its like: a string or None to read, a string, AddedToken or None to set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, tokenizer: Any, owner: type | None = None) -> Any:
        if tokenizer is None:
            return self
        token = tokenizer._special.get(self._name)
        return None if token is None else str(token)

    def __set__(self, tokenizer: Any, token: object) -> None:
        tokenizer._special.put(self._name, token)
        tokenizer._special_tokens_changed()


class NamedTokenId:
    """The property `pad_token_id` and its like: an id or None. Setting it gives the part to that id's token."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name.removesuffix("_id")

    def __get__(self, tokenizer: Any, owner: type | None = None) -> Any:
        if tokenizer is None:
            return self
        token = tokenizer._special.get(self._name)
        return None if token is None else tokenizer.convert_tokens_to_ids(str(token))

    def __set__(self, tokenizer: Any, token_id: int | None) -> None:
        token = None if token_id is None else tokenizer.convert_ids_to_tokens(token_id)
        tokenizer._special.put(self._name, token)
        tokenizer._special_tokens_changed()


def _is_token(value: object) -> bool:
    return isinstance(value, (str, AddedToken)) or hasattr(value, "single_word")


def _token_like(value: object, name: str) -> TokenLike:
    if isinstance(value, str):
        require_text(value, name)
        return value
    return AddedToken.of(value, name)
