"""Is an argument what it must be? The checks at the door that several surfaces share, and their wording.

Owns questions about a single value: a whole number, a flag, a side, a path, text, a list of ids. Refuses to know what
the values are for.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Set
from typing import Any

from .._core import TokenizerError

_LONGEST_SHOWN = 60


def described(value: object) -> str:
    """How messages speak of a value of the wrong type.

    Example:
        >>> described(None), described(1.5)
        ('None', 'of type float')
    """
    return "None" if value is None else f"of type {type(value).__name__}"


def shown(value: object) -> str:
    """How messages show a value: as Python writes it, but never thousands of characters or digits.

    Example:
        >>> shown("<x>"), shown(10**5000)
        ("'<x>'", 'a number of 16610 bits')
    """
    if isinstance(value, int) and value.bit_length() > 4 * _LONGEST_SHOWN:
        return f"a number of {value.bit_length()} bits"
    text = repr(value[:_LONGEST_SHOWN] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def require_text(text: str, what: str) -> bytes:
    """The UTF-8 of `text`.

    Raises:
        TokenizerError: a lone surrogate: it names the place and the mend.

    Example:
        >>> require_text("é", "the text")
        b'\\xc3\\xa9'
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = ord(text[error.start])
        raise TokenizerError(
            f"{what} is not valid Unicode: lone surrogate U+{found:04X} at character {error.start}; read the text with"
            ' errors="replace", or put "?" in its place with text.encode("utf-8", "replace").decode()'
        ) from None


def index_of(value: object, name: str, *, what: str = "a whole number") -> int:
    """A number given as an argument: an int, or a NumPy number that is one.

    Raises:
        TypeError: it is no whole number.
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} is {described(value)}, not {what}: pass an int") from None


def whole_number(value: object, name: str) -> int | None:
    """A count given as an argument, or None.

    Raises:
        TypeError: it is no whole number.
        TokenizerError: it is negative.
    """
    if value is None:
        return None
    try:
        # True would pass for 1; nobody means a length by it.
        number = operator.index(None if isinstance(value, bool) else value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{name} is a whole number or None, not {type(value).__name__}: pass an int"
        ) from None
    if number < 0:
        raise TokenizerError(f"{name}={number} is negative: give 0 or more")
    return number


def flag(value: object, name: str) -> bool:
    """Yes or no; None is no, as everywhere in transformers.

    Raises:
        TypeError: it is neither True nor False. Not even a word: "no" would be true.
    """
    if value is True or value is False or value is None:
        return bool(value)
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError(f"{name} is True or False, not {shown(value)}: pass a bool")


def side(value: object, name: str) -> str:
    """ "left" or "right".

    Raises:
        TypeError: it is no str.
        TokenizerError: it is neither.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is 'left' or 'right', not {described(value)}")
    if value not in ("left", "right"):
        raise TokenizerError(f"{name} is 'left' or 'right', not {shown(value)}")
    return str(value)


def path_of(value: object, name: str) -> str:
    """A path, given as a str or os.PathLike.

    Raises:
        TypeError: it is something else.
        TokenizerError: it holds NUL, which no path can.
    """
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        mend = ": decode it with os.fsdecode" if isinstance(path, bytes) else ""
        raise TypeError(f"{name} is a path (str or os.PathLike), not {type(value).__name__}{mend}")
    if "\0" in path:
        raise TokenizerError(f"{name} is {shown(path)}, and no path can hold NUL: remove it")
    return path


def is_number(value: object) -> bool:
    """Whether it is an int, or a NumPy number that is one; True and False pass for 1 and 0, as everywhere in Python."""
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def plain(value: Any) -> Any:
    """An array or tensor as lists; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "numpy"):  # TensorFlow
        return value.numpy().tolist()
    return value


def id_list(value: Any, name: str) -> list[int]:
    """A sequence of ids, as a list of int.

    Args:
        value: a list, tuple, array, tensor or other iterable of whole numbers.
        name: the argument, for messages.

    Raises:
        TypeError: it is no sequence, or something in it is no whole number: the message says where.
    """
    ids = plain(value)
    if not isinstance(ids, (list, tuple)):
        if isinstance(ids, (str, bytes, bytearray, Mapping, Set)) or not isinstance(ids, Iterable):
            raise not_ids(value, name)
        ids = list(ids)
    if set(map(type, ids)) <= {int}:
        return list(ids)
    found: list[int] = []
    for place, token_id in enumerate(ids):
        try:
            found.append(operator.index(plain(token_id)))
        except TypeError:  # noqa: PERF203 - on the way to an error
            raise not_ids(token_id, f"{name}[{place}]", one=True) from None
    return found


def token_list(value: Any, name: str) -> list[str]:
    """A sequence of tokens, as a list of str.

    Args:
        value: a list, tuple, array or other iterable of str.
        name: the argument, for messages.

    Raises:
        TypeError: it is no sequence, or something in it is no str: the message says where.
    """
    tokens = plain(value)
    if isinstance(tokens, (str, bytes, bytearray, Mapping, Set)) or not isinstance(tokens, Iterable):
        mend = ": put it in a list" if isinstance(tokens, str) else ""
        raise TypeError(f"{name} is {described(value)}, not a list of str{mend or ': pass a list'}")
    found = list(tokens)
    for place, token in enumerate(found):
        if not isinstance(token, str):
            mend = ": ids become tokens by convert_ids_to_tokens" if isinstance(token, int) else ""
            raise TypeError(f"{name}[{place}] is {described(token)}, but tokens are str{mend}")
    return found


def not_ids(value: object, name: str, *, one: bool = False) -> TypeError:
    """The error for something that stands where an id (`one`) or a list of ids should."""
    mend = "" if one else ": pass a list of int"
    if isinstance(value, str):
        mend = ": tokens become ids by convert_tokens_to_ids, text by encode"
    elif isinstance(value, (bytes, bytearray)):
        mend = ": decode bytes by bytes.decode, and encode the text"
    elif isinstance(value, float):
        mend = ": make it one with int()"
    elif isinstance(value, Set):
        mend = ": a set has no order"
    elif one and isinstance(value, (list, tuple)):
        mend = ": there is one list too many around the ids"
    wanted = "an id (a whole number)" if one else "ids (a list of whole numbers)"
    return TypeError(f"{name} is {described(value)}, not {wanted}{mend}")
