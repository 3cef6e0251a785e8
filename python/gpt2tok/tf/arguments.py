"""What may the in-graph tokenizer be given? The checks at the door.

Owns what is said about bad vocabularies, texts, lengths, ids and masks before they reach the graph. What only the
running graph can know, the graph says itself (`dense.py`, `detokens.py`, `pretokens.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .._core import SpecialTokenError, TokenizerError, VocabError
from ..hugging_face.added_tokens import FLAGS, AddedToken
from ..hugging_face.vocabulary_files import checked_merges, checked_vocab
from .graph_tables import MAX_ADDED

Tensor = Any
Added = Mapping[int, "AddedToken | Mapping[str, Any] | str"]

MAX_RANK = 2
_MAX_ID = 0x7FFFFFFF
_NARROW = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32)


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
        except json.JSONDecodeError as error:
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
        if not 0 <= token_id <= _MAX_ID:
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
        # A line of a file that begins like this tells its version; no merge has a second space.
        lines = (line.removesuffix("\r") for line in merges.split("\n"))
        return checked_merges([line for line in lines if line and not line.startswith("#version")], "merges")
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
        if not isinstance(token_id, int) or isinstance(token_id, bool):
            raise TypeError(f"added_tokens maps ids to tokens, but has the key {token_id!r}: ids are int")
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
        if not 0 <= token_id <= _MAX_ID:
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


def added_config(added: Mapping[int, AddedToken]) -> dict[str, dict[str, Any]]:
    """Added tokens as JSON holds them: `checked_vocabulary` reads this again, once the ids are int."""
    return {
        str(token_id): {"content": token.content, **{flag: bool(getattr(token, flag)) for flag in FLAGS}}
        for token_id, token in added.items()
    }


def checked_id_of(name: str, token: str | None, ids: Mapping[str, int]) -> int:
    """The id of the token that stands around rows.

    Raises:
        SpecialTokenError: there is none.
    """
    if token is None:
        raise SpecialTokenError(f"add_{name} needs a {name}_token: name one")
    if token not in ids:
        raise SpecialTokenError(
            f"{name}_token {token!r} has no id: add it to the vocabulary or to added_tokens"
        )
    return ids[token]


def checked_pad_id(pad_id: Any) -> int:
    """The id of padding.

    Raises:
        TypeError: it is no int.
        TokenizerError: it is no id.
    """
    if not isinstance(pad_id, int) or isinstance(pad_id, bool):
        raise TypeError(f"pad_token_id is an int, not {pad_id!r}")
    if not 0 <= pad_id <= _MAX_ID:
        raise TokenizerError(f"pad_token_id is {pad_id}: ids are 0 or greater, and have 31 bits")
    return pad_id


def checked_text(text: Any) -> Tensor:
    """Texts as a tensor of rank 0 to 2, or ragged.

    Raises:
        TypeError: they are no strings.
        TokenizerError: they have too many dimensions, an unknown number of them, or are no Unicode.
    """
    given = text
    if not isinstance(text, tf.RaggedTensor):
        try:
            text = tf.convert_to_tensor(given)
        except (TypeError, ValueError) as error:
            raise _unusable(given, error) from None
        if not tf.is_tensor(given) and text.dtype.is_floating and text.shape.num_elements() == 0:
            text = tf.zeros(text.shape, tf.string)  # an empty list says nothing of its type
    if text.dtype != tf.string:
        raise TypeError(no_strings(text.dtype.name))
    rank = text.shape.rank
    if rank is None:
        raise TokenizerError("texts of unknown rank: give them a shape, with tf.ensure_shape(text, [None])")
    if rank > MAX_RANK:
        raise TokenizerError(too_deep(rank))
    return text


def _unusable(given: Any, error: Exception) -> Exception:
    """Why TensorFlow makes no tensor of this."""
    for place, leaf in _leaves(given, ""):
        if not isinstance(leaf, (str, bytes)):
            return TypeError(no_strings(f"{type(leaf).__name__}{place and f' (at {place})'}"))
        if isinstance(leaf, str) and any("\ud800" <= char <= "\udfff" for char in leaf):
            return TokenizerError(
                f"a text{place and f' (at {place})'} holds half a surrogate pair, which is no Unicode: read it with"
                " errors='replace', or encode it with errors='replace'"
            )
    return TokenizerError(
        f"texts of these lists make no matrix ({error}): give a vector, or tf.ragged.constant of rows"
    )


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, (list, tuple)):
        yield place, value
        return
    for i, part in enumerate(value):
        yield from _leaves(part, f"{place}[{i}]")


def no_strings(found: object) -> str:
    return f"the tokenizer takes strings (tf.string, str or bytes), not {found}: give it the text itself"


def too_deep(rank: int) -> str:
    return f"texts come as one string, a vector or a matrix, not with {rank} dimensions: reshape them to [-1]"


def checked_length(length: Any) -> Any:
    """`max_length` as an int, or as a scalar tensor that the graph checks when it runs.

    Raises:
        TypeError: it is neither.
        TokenizerError: it is below 1, or greater than any row.
    """
    if tf.is_tensor(length):
        if not length.dtype.is_integer or length.shape.rank not in (0, None):
            raise TypeError(f"max_length is an int or a scalar integer tensor, not {length!r}")
        known = tf.get_static_value(length)
        length = length if known is None else int(known)
    if isinstance(length, bool) or not (tf.is_tensor(length) or hasattr(length, "__index__")):
        raise TypeError(f"max_length is an int or a scalar integer tensor, not {length!r}")
    if not tf.is_tensor(length):
        length = length.__index__()
        if not 1 <= length <= _MAX_ID:
            raise TokenizerError(
                f"max_length is {length}: give 1 or more (31 bits at most), or None for ragged rows"
            )
        return length
    scalar = tf.ensure_shape(length, [])
    message = "max_length must be 1 or more (leave it out for ragged rows); it is:"
    with tf.control_dependencies([tf.debugging.Assert(scalar >= 1, [message, scalar])]):
        return tf.identity(scalar)


def checked_default_length(length: Any) -> int | None:
    """The `max_length` of a layer, which its configuration must hold: no tensor.

    Raises:
        TypeError, TokenizerError: as `checked_length` has it.
    """
    if tf.is_tensor(length):
        raise TypeError("the max_length of a layer is an int: give a tensor to the call")
    return None if length is None else checked_length(length)


def checked_ids(ids: Any) -> Tensor:
    """Ids as a tensor, or ragged, of int32 or int64.

    Raises:
        TypeError: they are no integers.
        TokenizerError: they make no tensor.
    """
    given = ids
    if not isinstance(ids, tf.RaggedTensor):
        try:
            ids = tf.convert_to_tensor(given)
        except (TypeError, ValueError) as error:
            raise _not_ids(given, error) from None
        if not tf.is_tensor(given) and ids.dtype.is_floating and ids.shape.num_elements() == 0:
            ids = tf.cast(ids, tf.int32)  # an empty list says nothing of its type
    if not ids.dtype.is_integer:
        raise TypeError(f"detokenize takes ids as integers, not {ids.dtype.name}: cast them to int32")
    return tf.cast(ids, tf.int32 if ids.dtype in _NARROW else tf.int64)


def _not_ids(given: Any, error: Exception) -> Exception:
    for place, leaf in _leaves(given, ""):
        if not hasattr(leaf, "__index__"):
            return TypeError(
                f"detokenize takes ids as integers, not {type(leaf).__name__}{place and f' (at {place})'}"
            )
    return TokenizerError(
        f"these ids make no tensor ({error}): give rows of different lengths as ragged ones"
    )


def checked_mask(mask: Any, ids: Tensor) -> Tensor:
    """The attention mask that goes with ids, bool.

    Raises:
        TypeError: it holds no numbers, or ids or mask are ragged.
        TokenizerError: it has another shape, as far as shapes are known.
    """
    if isinstance(ids, tf.RaggedTensor) or isinstance(mask, tf.RaggedTensor):
        raise TypeError("ragged ids have no padding: leave attention_mask out, or make both dense")
    mask = tf.convert_to_tensor(mask)
    if not (mask.dtype.is_integer or mask.dtype.is_floating or mask.dtype.is_bool):
        raise TypeError(f"attention_mask holds 1 and 0, not {mask.dtype.name}")
    if not mask.shape.is_compatible_with(ids.shape):
        raise TokenizerError(
            f"attention_mask has the shape {mask.shape}, the ids have {ids.shape}: give them the same shape"
        )
    return tf.cast(mask, tf.bool)
