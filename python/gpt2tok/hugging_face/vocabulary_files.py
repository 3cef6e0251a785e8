"""How is a base vocabulary given? As objects, as `vocab.json` and `merges.txt`, or not at all.

Owns the checks of the objects; the core reads the two files (`_core.read_vocab_json`, `_core.read_merges_txt`).
Refuses `tokenizer.json` (`tokenizer_json.py`).
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Set
from typing import Any

from .. import _core
from .._core import TokenizerError, VocabError
from .arguments import is_number, path_of, require_text, shown
from .base_vocabulary import BaseVocabulary, Merge

# The core knows what an id may be; this keeps from it what does not even fit its numbers.
_NO_ID = 1 << 63


def read_vocabulary(vocab: Any, merges: Any) -> BaseVocabulary:
    """The base vocabulary: GPT-2's if nothing is given.

    Args:
        vocab: a mapping, the path of a `vocab.json`, or None.
        merges: pairs or `"left right"` strings, the path of a `merges.txt`, or None.

    Raises:
        VocabError: one without the other, or a broken file.
        TypeError: something else than these.
        OSError: a file cannot be read.
    """
    if vocab is None and merges is None:
        return BaseVocabulary.gpt2()
    if vocab is None or merges is None:
        missing = "vocab" if vocab is None else "merges"
        raise VocabError(
            f"a vocabulary is tokens and merges, and {missing} is missing: give both, or neither for GPT-2's"
        )
    files: list[str] = []
    if isinstance(vocab, (str, os.PathLike)):
        files.append(path_of(vocab, "vocab"))
        vocab = _core.read_vocab_json(files[0])
    elif isinstance(vocab, Mapping):
        vocab = checked_vocab(vocab, "vocab")
    else:
        raise TypeError(f"vocab is a dict or a path, not {type(vocab).__name__}")
    if isinstance(merges, (str, os.PathLike)):
        files.append(path_of(merges, "merges"))
        merges = _core.read_merges_txt(files[-1])
    elif isinstance(merges, (bytes, Mapping, Set)) or not isinstance(merges, Iterable):
        raise TypeError(
            f"merges is a list or a path, not {type(merges).__name__}: list the pairs in the order of their ranks"
        )
    else:
        merges = checked_merges(merges, "merges")
    return BaseVocabulary(vocab, merges, tuple(files) if len(files) == 2 else ())


def checked_vocab(
    vocab: Mapping[Any, Any], what: str, wrong_type: type[Exception] = TypeError
) -> dict[str, int]:
    """Tokens and ids, as they should be.

    Args:
        vocab: token to id.
        what: its name, for messages.
        wrong_type: the error for what is no token or no id; in a file that is a `VocabError`.

    Raises:
        TypeError: a token is not str, or an id no whole number (or as `wrong_type` says).
        VocabError: a token that is no Unicode.
    """
    checked = dict(vocab)
    if not set(map(type, checked)) <= {str}:
        for token in checked:
            if not isinstance(token, str):
                raise wrong_type(f"{what} has the key {shown(token)}, but tokens are str: spell the token")
    ids = checked.values()
    if not set(map(type, ids)) <= {int} or max(map(abs, ids), default=0) >= _NO_ID:
        for token, token_id in checked.items():
            checked[token] = _id(token_id, f"{what}[{shown(token)}]", wrong_type)
    _require_unicode(checked, f"a key of {what}")
    return checked


def checked_merges(merges: Iterable[Any], what: str, wrong_type: type[Exception] = TypeError) -> list[Merge]:
    """Merges as pairs, of pairs or `"left right"` strings.

    Args:
        merges: in rank order.
        what: their name, for messages.
        wrong_type: the error for what is neither; in a file that is a `VocabError`.

    Raises:
        TypeError: a merge is neither str nor a pair of str (or as `wrong_type` says).
        VocabError: a merge is not two tokens, or no Unicode.
    """
    pairs = [_pair(merge, f"{what}[{rank}]", wrong_type) for rank, merge in enumerate(merges)]
    try:
        "".join(left + right for left, right in pairs).encode()
    except UnicodeEncodeError:
        for rank, pair in enumerate(pairs):
            _require_unicode(pair, f"{what}[{rank}]")
    return pairs


def _id(value: Any, where: str, wrong_type: type[Exception]) -> int:
    if isinstance(value, bool) or not is_number(value):
        mend = "write it without quotes" if isinstance(value, str) else "give each token its id"
        raise wrong_type(f"{where} is {shown(value)}, but an id is a whole number: {mend}")
    token_id = operator.index(value)
    if abs(token_id) >= _NO_ID:
        raise VocabError(
            f"{where} is {shown(token_id)}, far from any id of a vocabulary: renumber the tokens"
        )
    return token_id


def _pair(merge: Any, where: str, wrong_type: type[Exception]) -> Merge:
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(pair, (list, tuple)) or not all(isinstance(side, str) for side in pair):
        raise wrong_type(f"{where} is {shown(merge)}, but a merge is a pair of str, or one str 'left right'")
    if len(pair) != 2 or not all(pair):
        raise VocabError(
            f"{where} is {shown(merge)}, but a merge is two tokens with one space between: mend or remove it"
        )
    return pair[0], pair[1]


def _require_unicode(texts: Iterable[str], what: str) -> None:
    texts = list(texts)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        for text in texts:
            try:
                require_text(text, f"{what}, {shown(text)},")
            except TokenizerError as error:  # noqa: PERF203 - on the way to an error
                raise VocabError(str(error)) from None
