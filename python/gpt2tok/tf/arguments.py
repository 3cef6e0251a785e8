"""What may the in-graph tokenizer be told to do, and be called with? The checks at the door.

Owns what is said about bad options, texts, lengths, ids and masks before they reach the graph. What only the running
graph can know, the graph says itself (`dense.py`, `detokens.py`, `pretokens.py`). Refuses vocabularies
(`vocabulary_arguments.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from .._core import SpecialTokenError, TokenizerError
from ..hugging_face.added_tokens import AddedToken
from .dense import MOST_PLACES, too_short
from .vocabulary_arguments import MAX_ID

Tensor = Any

MAX_RANK = 2
_NARROW = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32)


def checked_switch(name: str, value: Any) -> bool:
    """An option that is on or off.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} is True or False, not {value!r}")


def checked_token(name: str, token: Any) -> str | None:
    """The text of a token that may stand around rows, or None.

    Raises:
        TypeError: it is no text.
    """
    if token is None or isinstance(token, str):
        return token
    if isinstance(token, AddedToken):
        return token.content
    raise TypeError(f"{name} is the text of a token or None, not {token!r}")


def checked_dtype(dtype: Any) -> str:
    """The name of the type of ids, from whatever TensorFlow, NumPy or Keras call it. None: int32.

    Raises:
        TokenizerError: it is neither int32 nor int64.
    """
    try:
        name = "int32" if dtype is None else tf.as_dtype(getattr(dtype, "name", dtype)).name
    except TypeError:
        name = ""
    if name not in ("int32", "int64"):
        raise TokenizerError(f"dtype is {dtype!r}: choose 'int32' or 'int64'")
    return name


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
    if isinstance(pad_id, bool) or not hasattr(pad_id, "__index__"):
        raise TypeError(f"pad_token_id is an int, not {pad_id!r}")
    pad_id = pad_id.__index__()
    if not 0 <= pad_id <= MAX_ID:
        raise TokenizerError(f"pad_token_id is {pad_id}: ids are 0 or greater, and have 31 bits")
    return pad_id


def checked_text(text: Any) -> Tensor:
    """Texts as a tensor of rank 0 to 2, or ragged.

    Raises:
        TypeError: they are no strings.
        TokenizerError: they have too many dimensions, an unknown number of them, or are no Unicode.
    """
    given = text
    if isinstance(text, tf.RaggedTensor):
        text = text.with_row_splits_dtype(tf.int64)
    else:
        if isinstance(text, (bytearray, memoryview)):
            raise TypeError(no_strings(type(text).__name__))  # TensorFlow would take them for numbers
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
        known = (
            "give the RaggedTensorSpec a shape"
            if isinstance(text, tf.RaggedTensor)
            else ("give them a shape, with tf.ensure_shape(text, [None])")
        )
        raise TokenizerError(f"texts of unknown rank: {known}")
    if rank > MAX_RANK:
        raise TokenizerError(too_deep(rank))
    return text


def _unusable(given: Any, error: Exception) -> Exception:
    """Why TensorFlow makes no tensor of this."""
    for place, leaf in _leaves(given, ""):
        if not isinstance(leaf, (str, bytes)):
            return TypeError(no_strings(f"{type(leaf).__name__}{place and f' (at {place})'}"))
        if isinstance(leaf, str) and _half_a_pair(leaf):
            return TokenizerError(
                f"a text{place and f' (at {place})'} holds half a surrogate pair, which is no Unicode: read it with"
                " errors='replace', or encode it with errors='replace'"
            )
    return TokenizerError(
        f"texts of these lists make no matrix ({error}): give a vector, or tf.ragged.constant of rows"
    )


def _half_a_pair(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        yield place, value
        return
    for i, part in enumerate(value):
        yield from _leaves(part, f"{place}[{i}]")


def no_strings(found: object) -> str:
    mend = "give it the text itself"
    if str(found).startswith("float"):
        mend += (
            "; where Keras guesses floats, tell it: keras.Input((), dtype='string'), or for model.export"
            " input_signature=[tf.TensorSpec([None], tf.string)]"
        )
    return f"the tokenizer takes strings (tf.string, str or bytes), not {found}: {mend}"


def too_deep(rank: int) -> str:
    return f"texts come as one string, a vector or a matrix, not with {rank} dimensions: reshape them to [-1]"


def checked_length(length: Any, around: int) -> Any:
    """`max_length` as an int, or as a scalar tensor that the graph checks when it runs.

    Args:
        around: how many tokens stand around each row, which must have room.

    Raises:
        TypeError: it is neither.
        TokenizerError: it is below 1, without room for the tokens around a row, or greater than any row.
    """
    if tf.is_tensor(length):
        length = tf.convert_to_tensor(length)  # variables are tensors, too
        if not length.dtype.is_integer or length.shape.rank not in (0, None):
            raise TypeError(
                f"max_length is an int or a scalar integer tensor, not {length!r} (a label of a dataset? Then map"
                " lambda text, label: (tokenizer(text), label))"
            )
        known = tf.get_static_value(length)
        length = length if known is None else int(known)
    if isinstance(length, bool) or not (tf.is_tensor(length) or hasattr(length, "__index__")):
        raise TypeError(f"max_length is an int or a scalar integer tensor, not {length!r}")
    if not tf.is_tensor(length):
        try:
            length = length.__index__()
        except TypeError:  # an array of several
            raise TypeError(f"max_length is an int or a scalar integer tensor, not {length!r}") from None
        if not 1 <= length <= MAX_ID:
            raise TokenizerError(
                f"max_length is {length}: give 1 or more (31 bits at most), or None for ragged rows"
            )
        if length < around:
            raise TokenizerError(f"{too_short(around)} {length}")
        return length
    scalar = tf.ensure_shape(length, [])
    message = "max_length must be 1 or more (leave it out for ragged rows); it is:"
    with tf.control_dependencies([tf.debugging.Assert(scalar >= 1, [message, scalar])]):
        return tf.identity(scalar)


def checked_default_length(length: Any, around: int) -> int | None:
    """The `max_length` of a layer or a SavedModel, which a file must hold: no tensor.

    Raises:
        TypeError, TokenizerError: as `checked_length` has it.
    """
    if tf.is_tensor(length):
        raise TypeError("the max_length of a layer or an export is an int: give a tensor to the call")
    return None if length is None else checked_length(length, around)


def checked_places(most: Any) -> None:
    """The greatest matrix that a SavedModel may answer with.

    Raises:
        TypeError: it is no int.
        TokenizerError: it is too small or too large.
    """
    if isinstance(most, bool) or not hasattr(most, "__index__"):
        raise TypeError(f"most_places is an int, not {most!r}")
    if not 1 <= most <= MOST_PLACES:
        raise TokenizerError(f"most_places is {most}: give 1 to {MOST_PLACES}")


def checked_warm_up(texts: Any) -> list[str | bytes]:
    """The texts of a warm-up file.

    Raises:
        TypeError: they are no list of texts.
    """
    if isinstance(texts, (str, bytes, Mapping)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"warm_up_texts is a list of texts, not {texts!r}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"warm_up_texts[{i}] is a text (str or bytes), not {type(text).__name__}")
        if isinstance(text, str) and _half_a_pair(text):
            raise TokenizerError(f"warm_up_texts[{i}] holds half a surrogate pair, which is no Unicode")
    return texts


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
        mend = "give it ids" if ids.dtype == tf.string else "cast them to int32"
        raise TypeError(f"detokenize takes ids as integers, not {ids.dtype.name}: {mend}")
    if ids.shape.rank is None:
        raise TokenizerError(
            "ids of unknown rank: give them a shape, with tf.ensure_shape(ids, [None, None])"
        )
    return tf.cast(ids, tf.int32 if ids.dtype in _NARROW else tf.int64)


def _not_ids(given: Any, error: Exception) -> Exception:
    for place, leaf in _leaves(given, ""):
        if not hasattr(leaf, "__index__"):
            mend = ": give it its 'input_ids'" if isinstance(leaf, Mapping) else ""
            return TypeError(
                f"detokenize takes ids as integers, not {type(leaf).__name__}{place and f' (at {place})'}{mend}"
            )
    return TokenizerError(
        f"these ids make no tensor ({error}): give rows of different lengths as tf.ragged.constant(rows)"
    )


def checked_mask(mask: Any, ids: Tensor) -> Tensor:
    """The attention mask that goes with ids, bool, ragged if they are.

    Raises:
        TypeError: it holds no numbers, or one of ids and mask is ragged.
        TokenizerError: it makes no tensor, or has another shape, as far as shapes are known.
    """
    if isinstance(ids, tf.RaggedTensor) and isinstance(mask, tf.RaggedTensor):
        if ids.ragged_rank != mask.ragged_rank:
            raise TokenizerError(
                f"attention_mask has {mask.ragged_rank} ragged dimensions, the ids have {ids.ragged_rank}: give them"
                " the same rows"
            )
        # Row splits that differ may be of equal number, but never equal.
        same = [
            tf.reduce_all(tf.equal(tf.cast(a, tf.int64), tf.cast(b, tf.int64)))
            if a.shape.is_compatible_with(b.shape)
            else tf.constant(False)
            for a, b in zip(ids.nested_row_splits, mask.nested_row_splits, strict=True)
        ]
        message = "attention_mask must have rows of the same lengths as the ids"
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(tf.stack(same)), [message])]):
            return ids.with_flat_values(checked_mask(tf.identity(mask.flat_values), ids.flat_values))
    if isinstance(ids, tf.RaggedTensor) or isinstance(mask, tf.RaggedTensor):
        raise TypeError("one of ids and attention_mask is ragged: give both so, or both dense")
    try:
        mask = tf.convert_to_tensor(mask)
    except (TypeError, ValueError) as error:
        raise _no_mask(mask, error) from None
    if not (mask.dtype.is_integer or mask.dtype.is_floating or mask.dtype.is_bool):
        raise TypeError(f"attention_mask holds 1 and 0, not {mask.dtype.name}")
    if not mask.shape.is_compatible_with(ids.shape):
        raise TokenizerError(
            f"attention_mask has the shape {mask.shape}, the ids have {ids.shape}: give them the same shape"
        )
    if mask.dtype.is_bool:
        return mask
    known = (mask == 0) | (mask == 1)
    # `tf.where` takes no scalars.
    shaped, wrong = (mask, ~known) if mask.shape.rank else (tf.reshape(x, [-1]) for x in (mask, ~known))
    first = tf.where(wrong)[:1]  # [1 or 0, rank]
    told = ["attention_mask must hold 1 and 0 only; this is something else, and there it stands:"]
    asserted = tf.debugging.Assert(tf.reduce_all(known), [*told, tf.gather_nd(shaped, first), first])
    with tf.control_dependencies([asserted]):
        return mask == 1


def _no_mask(given: Any, error: Exception) -> Exception:
    for place, leaf in _leaves(given, ""):
        if not isinstance(leaf, (bool, int, float, np.generic)):
            return TypeError(
                f"attention_mask holds 1 and 0, not {type(leaf).__name__}{place and f' (at {place})'}"
            )
    return TokenizerError(f"this attention_mask makes no tensor ({error}): give it the shape of the ids")
