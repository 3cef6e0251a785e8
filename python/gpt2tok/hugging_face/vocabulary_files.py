"""How is a base vocabulary given? As objects, as `vocab.json` and `merges.txt`, or not at all.

Owns the reading of those two files. Refuses `tokenizer.json` (`tokenizer_json.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from .._core import VocabError
from .base_vocabulary import BaseVocabulary, Merge
from .tokenizer_json import checked_vocab, read_bounded, read_json

AnyPath = str | os.PathLike[str]


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
    if isinstance(vocab, (str, os.PathLike)):
        vocab = checked_vocab(read_json(vocab), os.fspath(vocab))
    elif not isinstance(vocab, Mapping):
        raise TypeError(f"vocab is a dict or a path, not {type(vocab).__name__}")
    if isinstance(merges, (str, os.PathLike)):
        return BaseVocabulary(vocab, read_merges_txt(merges))
    if not isinstance(merges, Iterable):
        raise TypeError(f"merges is a list or a path, not {type(merges).__name__}")
    return BaseVocabulary(vocab, [_pair(merge, f"merges[{rank}]") for rank, merge in enumerate(merges)])


def read_merges_txt(path: AnyPath) -> list[Merge]:
    """The merges of a `merges.txt`: one `left right` a line, after an optional `#version` line.

    Only the first line can be a version: GPT-2 itself has merges that begin with `#`.

    Raises:
        VocabError: a line that is no merge, or no UTF-8.
        OSError: the file cannot be read.
    """
    data = read_bounded(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VocabError(
            f"{os.fspath(path)} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}; save it as UTF-8"
        ) from None
    # Not splitlines(): that also splits at characters like U+0085.
    lines = text.rstrip("\r\n").split("\n")
    # A trained vocabulary may begin with the merge of "#version" and something: that is two tokens and no colon.
    first = lines[0].rstrip("\r")
    header = first.startswith("#version:") or (first.startswith("#version") and first.count(" ") != 1)
    start = 1 if header else 0
    return [
        _pair(line.removesuffix("\r"), f"{os.fspath(path)}, line {number}")
        for number, line in enumerate(lines[start:], start + 1)
        if line or len(lines) > 1
    ]


def _pair(merge: Any, where: str) -> Merge:
    pair = merge.split(" ") if isinstance(merge, str) else merge
    if (
        not isinstance(pair, (list, tuple))
        or len(pair) != 2
        or not all(isinstance(p, str) and p for p in pair)
    ):
        raise VocabError(f"{where} is {merge!r}, not two tokens with one space between")
    return pair[0], pair[1]
