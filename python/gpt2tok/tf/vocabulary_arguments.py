"""Which vocabulary may the in-graph tokenizer be given? The checks of tokens, merges and added tokens.

Owns what is said about a bad vocabulary before tables are made of it. Whether its merges fit the graph is for
`graph_merges.py` to say. Refuses options, texts and ids (`arguments.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from .._core import SpecialTokenError, VocabError
from ..hugging_face.added_tokens import FLAGS, AddedToken
from ..hugging_face.vocabulary_files import checked_merges, checked_vocab
from .graph_tables import MAX_ADDED

Added = Mapping[int, "AddedToken | Mapping[str, Any] | str"]

VERSION = "#version"  # a line of merges.txt that begins like this tells its version, and is no merge
MAX_ID = 0x7FFFFFFF


@final
@dataclass(frozen=True, eq=False)
class Given:
    """The vocabulary of a layer. In an object of its own: Keras wraps and watches every dict and list of a layer,
    which took longer than all else in making one."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]
    added: dict[int, AddedToken]

    @property
    def ids(self) -> dict[str, int]:
        return {**self.vocab, **{token.content: token_id for token_id, token in self.added.items()}}


def checked_vocabulary(
    vocab: Mapping[str, int] | str, merges: Sequence[tuple[str, str]] | str, added: Added
) -> Given:
    """Vocabulary, merges and added tokens, as objects or as the texts of their files.

    Raises:
        TypeError: something is not of its kind.
        VocabError: tokens without an id of their own, merges that are none.
        SpecialTokenError: an added token does not fit the vocabulary.
    """
    tokens = _vocab_of(vocab)
    return Given(tokens, _merges_of(merges), _added_of(added, tokens))


def _vocab_of(vocab: Mapping[str, int] | str) -> dict[str, int]:
    if isinstance(vocab, str):
        try:
            vocab = json.loads(vocab, object_pairs_hook=_without_doubles)
        except VocabError:
            raise
        except (
            ValueError,
            RecursionError,
        ) as error:  # no JSON, a number of thousands of digits, brackets without end
            raise VocabError(
                f"the vocabulary is a string, but not the JSON of a vocab.json: {error}"
            ) from None
    if not isinstance(vocab, Mapping):
        raise TypeError(
            f"vocab is a mapping of tokens to ids or the text of a vocab.json, not {type(vocab).__name__}"
        )
    checked = checked_vocab(vocab, "vocab")
    seen: dict[int, str] = {}
    for token, token_id in checked.items():
        if not 0 <= token_id <= MAX_ID:
            raise VocabError(f"token {token!r} has the id {token_id}: ids are 0 or greater, and have 31 bits")
        if seen.setdefault(token_id, token) != token:
            raise VocabError(
                f"tokens {seen[token_id]!r} and {token!r} share the id {token_id}: give each its own"
            )
    return checked


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise VocabError(f"the vocabulary has {double!r} twice: remove one of them")
    return found


def _merges_of(merges: Sequence[tuple[str, str]] | str) -> list[tuple[str, str]]:
    if isinstance(merges, str):
        lines = (line.removesuffix("\r") for line in merges.removeprefix("\ufeff").split("\n"))
        return checked_merges([line for line in lines if line and not line.startswith(VERSION)], "merges")
    if isinstance(merges, (bytes, Mapping)) or not hasattr(merges, "__iter__"):
        raise TypeError(f"merges is a list of pairs or the text of a merges.txt, not {type(merges).__name__}")
    return checked_merges(merges, "merges")


def _added_of(added: Added, vocab: Mapping[str, int]) -> dict[int, AddedToken]:
    if not isinstance(added, Mapping):
        raise TypeError(f"added_tokens maps ids to tokens, and is a dict, not a {type(added).__name__}")
    if len(added) > MAX_ADDED:
        raise SpecialTokenError(
            f"{len(added)} added tokens are too many: the graph knows {MAX_ADDED} at most"
        )
    for token_id in added:
        if isinstance(token_id, bool) or not hasattr(token_id, "__index__"):
            raise TypeError(f"added_tokens maps ids to tokens, but has the key {token_id!r}: ids are int")
    added = {token_id.__index__(): token for token_id, token in added.items()}
    holders = {token_id: token for token, token_id in vocab.items()}
    tokens: dict[int, AddedToken] = {}
    seen: dict[str, int] = {}
    for token_id, given in sorted(added.items()):
        if isinstance(given, Mapping):
            token = AddedToken.from_dict(given)
        else:
            token = AddedToken.of(given, special=isinstance(given, str))
        name = f"added token {token.content!r}"
        if not token.content:
            raise SpecialTokenError(f"added token {token_id} has no text: give it one, or leave it out")
        if not 0 <= token_id <= MAX_ID:
            raise SpecialTokenError(f"{name} has the id {token_id}: ids are 0 or greater, and have 31 bits")
        elsewhere = seen.setdefault(token.content, vocab.get(token.content, token_id))
        if elsewhere != token_id:
            raise SpecialTokenError(
                f"{name} is given the id {token_id}, but has {elsewhere} already: choose one"
            )
        if holders.get(token_id, token.content) != token.content:
            raise SpecialTokenError(
                f"{name} is given the id {token_id}, which is that of {holders[token_id]!r}: give it another"
            )
        tokens[token_id] = token
    return tokens


def checked_added_ids(added: Any) -> dict[int, Any]:
    """The added tokens of a configuration, which went through JSON: its keys are text.

    Raises:
        TypeError: it maps no ids.
    """
    if added is not None and not isinstance(added, Mapping):
        raise TypeError(
            f"added_tokens of a configuration maps ids to tokens, and is no {type(added).__name__}"
        )
    ids: dict[int, Any] = {}
    for key, token in (added or {}).items():
        if not (isinstance(key, str) and key.isdecimal()) and (
            isinstance(key, bool) or not isinstance(key, int)
        ):
            raise TypeError(
                f"added_tokens of a configuration maps ids to tokens, and {key!r} is no id: ids are numbers"
            )
        ids[int(key)] = token
    return ids


def added_config(added: Mapping[int, AddedToken]) -> dict[str, dict[str, Any]]:
    """Added tokens as JSON holds them: `checked_vocabulary` reads this again, once the ids are int."""
    return {
        str(token_id): {"content": token.content, **{flag: bool(getattr(token, flag)) for flag in FLAGS}}
        for token_id, token in added.items()
    }
