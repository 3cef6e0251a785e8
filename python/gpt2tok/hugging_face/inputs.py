"""What texts did the caller pass?

Owns the reading of `text` and `text_pair`: one text or many, pairs in either of the two ways, words already
split. Refuses everything that is not text, by name and place.
"""

from __future__ import annotations

from typing import Any

from .._core import TokenizerError
from .arguments import described, require_text

# One sequence is a text, or a list of words; an example is one sequence or two.
Sequence = str | list[str]
Example = tuple[Sequence, Sequence | None]


TEXTS = ("text", "text_pair")


def read_inputs(
    text: Any, text_pair: Any, *, split_into_words: bool, names: tuple[str, str] = TEXTS
) -> tuple[list[Example], bool]:
    """The examples, and whether there were many (a batch) or one.

    As in transformers, an empty second sequence of a single example is no second sequence, while in a batch
    it is one without tokens.

    Args:
        text: one sequence, a batch of them, or a batch of pairs.
        text_pair: the second sequence of each.
        split_into_words: a sequence is a list of words.
        names: what the caller's arguments are called, for messages.

    Raises:
        TypeError: something is not text; the message names it and its place.
        TokenizerError: a batch and its pairs differ in length.
    """
    one, two = names
    many = isinstance(text, (list, tuple))
    if many and split_into_words:
        many = bool(text) and isinstance(text[0], (list, tuple))
    if not many:
        first = _sequence(text, one, split_into_words)
        # An array has no truth, and must come to the check that says so.
        without = text_pair is None or (isinstance(text_pair, (str, list, tuple)) and not text_pair)
        return [(first, None if without else _sequence(text_pair, two, split_into_words))], False
    if text_pair is None:
        if not split_into_words and all(item.__class__ is str for item in text):
            return [
                (item, None) for item in text
            ], True  # The usual batch; the line below would find the same.
        return [_example(item, f"{one}[{i}]", split_into_words) for i, item in enumerate(text)], True
    if not isinstance(text_pair, (list, tuple)):
        raise TypeError(
            f"{one} is a batch, so {two} must be one too (a list of {len(text)}), not {type(text_pair).__name__}"
        )
    if len(text) != len(text_pair):
        raise TokenizerError(
            f"{one} holds {len(text)} examples, {two} {len(text_pair)}: give a pair for each"
        )
    return [
        (
            _sequence(first, f"{one}[{i}]", split_into_words),
            _sequence(second, f"{two}[{i}]", split_into_words),
        )
        for i, (first, second) in enumerate(zip(text, text_pair, strict=True))
    ], True


def refuse_surrogates(text: Any, text_pair: Any, names: tuple[str, str] = TEXTS) -> None:
    """Names the place of the first lone surrogate in inputs that `read_inputs` took; nothing if there is none.

    Raises:
        TokenizerError: there is one: it says in which text, at which character, and how to mend it.
    """
    for value, place in zip((text, text_pair), names, strict=True):
        if isinstance(value, str):
            require_text(value, place)
        elif isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                refuse_surrogates(item, None, (f"{place}[{i}]", ""))


def _example(item: Any, place: str, split_into_words: bool) -> Example:
    """One item of a batch: a sequence, or two of them in a list or tuple."""
    if isinstance(item, str) or not isinstance(item, (list, tuple)):
        return _sequence(item, place, split_into_words), None
    is_pair = len(item) == 2 and (not split_into_words or isinstance(item[0], (list, tuple)))
    if is_pair:
        return (
            _sequence(item[0], f"{place}[0]", split_into_words),
            _sequence(item[1], f"{place}[1]", split_into_words),
        )
    return _sequence(item, place, split_into_words), None


def _sequence(value: Any, place: str, split_into_words: bool) -> Sequence:
    if not split_into_words:
        if isinstance(value, str):
            return value
        raise TypeError(f"{place} is {described(value)}, not a str{_mend(value)}")
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            f"{place} is {described(value)}, but is_split_into_words=True asks for a list of words"
        )
    for i, word in enumerate(value):
        if not isinstance(word, str):
            raise TypeError(f"{place}[{i}] is {described(word)}, but words are str")
    return list(value)


def _mend(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return ": decode it first, as in text.decode('utf-8')"
    if isinstance(value, int) and not isinstance(value, bool):
        return ": ids are prepared by prepare_for_model and padded by pad"
    if isinstance(value, (list, tuple)):
        return ": for lists of words pass is_split_into_words=True"
    if hasattr(value, "tolist"):
        return ": pass a list, as in texts.tolist()"
    if value is not None and hasattr(value, "__iter__"):
        return ": pass a list, as in list(texts)"
    return ": pass a str, or a list of them"
