"""What is an added token, and which does a tokenizer have?

Owns `AddedToken`, Hugging Face's description of a token that is found in text as it stands, and the list of
those that one tokenizer knows, with their ids. Refuses to look for them in text (`added_matching.py` does,
and the Rust core) and to know what they are for (`special_tokens.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .._core import TokenizerError, VocabError
from .arguments import flag, require_text, shown

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
# The core counts ids below this, and no model has as many tokens.
IDS_END = 1 << 24


@dataclass(frozen=True)
class AddedToken:
    """A token that is cut out of the text before the BPE sees it.

    Args:
        content: the text itself.
        single_word: match only where no letter, digit, mark or connecting punctuation touches it on either side.
        lstrip: the white space to its left belongs to it.
        rstrip: the white space to its right belongs to it.
        normalized: look for it in the text after normalisation. GPT-2 has none, so all that this decides is
            the order: tokens that are not normalized are cut out first. Left out, it is `not special`.
        special: skipped by `decode(..., skip_special_tokens=True)`, ignored in text by `split_special_tokens`.

    Raises:
        TypeError: the content is not a string, or a flag is neither True nor False.
        TokenizerError: the content holds half a surrogate pair, which no text can.

    Example:
        >>> AddedToken("<mask>", lstrip=True, special=True)
        AddedToken("<mask>", rstrip=False, lstrip=True, single_word=False, normalized=False, special=True)
        >>> str(AddedToken("<mask>"))
        '<mask>'
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool | None = None
    special: bool = False
    # Whether `normalized` was said or follows `special`: a token that becomes special later needs to know.
    _normalized_follows: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.content, str):
            raise TypeError(f"the content of an added token is a str, not {type(self.content).__name__}")
        require_text(self.content, f"added token {shown(self.content)}")
        for name in FLAGS:
            value = getattr(self, name)
            if not (value is None and name == "normalized"):
                object.__setattr__(self, name, flag(value, name))
        if self.normalized is None:
            object.__setattr__(self, "_normalized_follows", True)
            object.__setattr__(self, "normalized", not self.special)

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        return (
            f'AddedToken("{self.content}", rstrip={self.rstrip}, lstrip={self.lstrip},'
            f" single_word={self.single_word}, normalized={self.normalized}, special={self.special})"
        )

    @classmethod
    def of(cls, value: object, name: str = "a token", *, special: bool = False) -> AddedToken:
        """`value` as an AddedToken: a string, one of ours, or `tokenizers.AddedToken`; made special when asked.

        Args:
            value: the token.
            name: what messages call it.
            special: whether to make it special.

        Raises:
            TypeError: it is none of these.

        Example:
            >>> AddedToken.of("<x>", special=True).normalized
            False
        """
        if isinstance(value, str):
            return cls(value, special=special)
        if isinstance(value, cls):
            token = value
        else:
            try:
                content, flags = value.content, {flag: getattr(value, flag) for flag in FLAGS}  # type: ignore[attr-defined]
            except AttributeError:
                mend = ": decode it first" if isinstance(value, bytes) else ""
                raise TypeError(
                    f"{name} is a str or an AddedToken, not {type(value).__name__}{mend}"
                ) from None
            # The other library's token always has a value here; where it is the default, take it as unsaid.
            if flags["normalized"] == (not flags["special"]):
                del flags["normalized"]
            token = cls(content, **flags)
        if special and not token.special:
            normalized = None if token._normalized_follows else token.normalized
            token = cls(token.content, token.single_word, token.lstrip, token.rstrip, normalized, True)
        return token

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], *, special: bool = False) -> AddedToken:
        """The token that Hugging Face's files write as an object; keys that it does not know are left alone.

        Raises:
            VocabError: there is no content, or one that is no Unicode, or a flag that is not true or false.

        Example:
            >>> AddedToken.from_dict({"content": "<x>", "lstrip": True}).lstrip
            True
        """
        if not isinstance(saved, Mapping):
            raise VocabError(
                f"an added token is {shown(saved)}: it must be an object with a string `content`"
            )
        content = saved.get("content")
        flags = {flag: saved[flag] for flag in FLAGS if saved.get(flag) is not None}
        if not isinstance(content, str) or not all(isinstance(value, bool) for value in flags.values()):
            raise VocabError(
                f"{shown(dict(saved))} is no added token: it needs a string `content`, and {', '.join(FLAGS)} are"
                " true or false"
            )
        try:
            return cls(content, **{**flags, "special": special or flags.get("special", False)})
        except TokenizerError as error:
            raise VocabError(str(error)) from None

    def as_dict(self) -> dict[str, Any]:
        """The token as `tokenizer.json` and `tokenizer_config.json` write it.

        Example:
            >>> AddedToken("<x>").as_dict()["normalized"]
            True
        """
        return {"content": self.content, **{flag: bool(getattr(self, flag)) for flag in FLAGS}}


class KnownTokens(Protocol):
    """What the added tokens need to know of the vocabulary they are added to."""

    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, token_id: int) -> str | None: ...
    def spells_bytes(self, token: str) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def next_id(self) -> int: ...


class AddedVocabulary:
    """The added tokens of one tokenizer: ids to tokens, and back. Final.

    A token whose text is an entry of the base vocabulary keeps that entry's id, as in Hugging Face's
    libraries; any other gets the next id, counted from the size of the base vocabulary and the tokens added before.

    A token that is added again takes the new flags, but once it was special it stays so, as in tokenizers, whatever
    its newest flag says.
    """

    def __init__(self) -> None:
        self._tokens: dict[int, AddedToken] = {}
        self._ids: dict[str, int] = {}
        self._special: set[str] = set()  # Texts of tokens that were special at any time.

    def __len__(self) -> int:
        return len(self._tokens)

    def __iter__(self) -> Iterator[tuple[int, AddedToken]]:
        return iter(sorted(self._tokens.items()))

    def __contains__(self, content: str) -> bool:
        return content in self._ids

    def id_of(self, content: str) -> int | None:
        return self._ids.get(content)

    def effective(self) -> Iterator[tuple[int, AddedToken]]:
        """Ids and tokens, in id order; those that were special at any time are."""
        for token_id, token in self:
            stays = token.content in self._special and not token.special
            yield token_id, replace(token, special=True) if stays else token

    def get(self, token_id: int) -> AddedToken | None:
        return self._tokens.get(token_id)

    def beyond(self, base: KnownTokens) -> int:
        """How many of the tokens are not entries of the base vocabulary."""
        return sum(base.token_to_id(content) is None for content in self._ids)

    def add(self, tokens: Iterable[AddedToken], base: KnownTokens) -> int:
        """Takes tokens up and returns how many were new or changed their flags; empty ones are passed over."""
        count = 0
        for token in tokens:
            token_id = self._ids.get(token.content)
            if not token.content or (token_id is not None and self._tokens[token_id] == token):
                continue
            if token_id is None:
                token_id = base.token_to_id(token.content)
                if token_id is None:
                    token_id = self._next_id(base)
                elif base.spells_bytes(token.content):
                    warnings.warn(
                        f"added token {token.content!r} is also how the vocabulary spells other bytes (its entry"
                        f" {token_id}), and decoding that id gives those bytes: choose another text for it",
                        UserWarning,
                        stacklevel=3,
                    )
            self._put(token_id, token)
            count += 1
        return count

    def place(self, token_id: int, token: AddedToken, base: KnownTokens) -> None:
        """Puts a token at the id that a file gives it.

        Raises:
            VocabError: the id belongs to another token, or the token has another id.
        """
        if token_id < 0:
            raise VocabError(
                f"added token {token.content!r} has the negative id {token_id}: ids count from 0"
            )
        if token_id >= IDS_END:
            raise VocabError(
                f"added token {token.content!r} has the id {shown(token_id)}, but ids must be below {IDS_END}:"
                " renumber it"
            )
        if not token.content:
            raise VocabError(f"added token {token_id} is empty: leave it out")
        elsewhere = self._ids.get(token.content, base.token_to_id(token.content))
        if elsewhere is not None and elsewhere != token_id:
            raise VocabError(
                f"added token {token.content!r} is to have id {token_id}, but that text has id {elsewhere} already:"
                " leave one of them out"
            )
        holder = self._tokens.get(token_id)
        taken = holder.content if holder is not None else base.id_to_token(token_id)
        if taken is not None and taken != token.content:
            raise VocabError(
                f"added token {token.content!r} is to have id {token_id}, but that is the id of {taken!r}:"
                " correct one of them"
            )
        self._put(token_id, token)

    def _next_id(self, base: KnownTokens) -> int:
        """As tokenizers counts, but never the id of another token: that library looks at none in a gap of the base."""
        after = max(self._tokens, default=-1) + 1
        counted = max(base.size, after)
        if counted < base.next_id and base.id_to_token(counted) is not None:
            return max(base.next_id, after)
        return counted

    def matching_rules(self) -> list[tuple[str, int, bool, bool, bool, bool, bool]]:
        """Every token as `_core.AddedTokens` takes them."""
        return [
            (t.content, i, t.single_word, t.lstrip, t.rstrip, bool(t.normalized), t.special)
            for i, t in self.effective()
        ]

    def copy(self) -> AddedVocabulary:
        other = AddedVocabulary()
        other._tokens.update(self._tokens)
        other._ids.update(self._ids)
        other._special |= self._special
        return other

    def _put(self, token_id: int, token: AddedToken) -> None:
        if token.special:
            self._special.add(token.content)
        self._tokens[token_id] = token
        self._ids[token.content] = token_id
