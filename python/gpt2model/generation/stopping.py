"""When does a row end besides at its end token? Texts and callers' rules, as functions of ids.

Owns stop strings, found across token borders, and the manners of `stopping_criteria`. The tokenizer is the
caller's and is used here only, at the door: what the loop sees are functions from ids to booleans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from ..errors import GenerationConfigError
from . import door
from .history import NOTHING
from .request import Request
from .watched import Array, Stop


def rules(request: Request, criteria: Sequence[Callable[..., Any]], tokenizer: Any) -> list[Stop]:
    """The rules of a request.

    Raises:
        TypeError: a rule that is no function, or stop strings without a tokenizer.
    """
    found: list[Stop] = []
    if request.config.stop_strings:
        if tokenizer is None:
            raise TypeError(
                "stop_strings are text: pass the tokenizer that turns ids into text (tokenizer=...)."
            )
        if isinstance(tokenizer, str) or not hasattr(tokenizer, "decode"):
            raise TypeError(f"tokenizer must be a tokenizer, which turns ids into text, not {tokenizer!r}.")
        found.append(stop_strings(request.config.stop_strings, tokenizer))
    for rule in door.functions("stopping_criteria", criteria):
        if not callable(rule):
            raise TypeError(f"A stopping criterion must be a function of ids (and scores), not {rule!r}.")
        found.append(_of_caller(rule, request))
    if found and request.config.num_beams > 1:
        raise GenerationConfigError(
            "stop_strings and stopping_criteria need num_beams=1: beams are one program."
        )
    return found


def _of_caller(rule: Callable[..., Any], request: Request) -> Stop:
    pad = request.plan().pad

    def stop(ids: Array) -> Array:
        said = rule(np.where(ids == NOTHING, pad, ids), None)
        if said is None:
            raise TypeError(
                "A stopping criterion gave None; it must return one boolean, or one for each row."
            )
        ended = np.asarray(said if isinstance(said, bool | Sequence) else ops.convert_to_numpy(said), bool)
        if ended.size not in {1, len(ids)}:
            raise ValueError(
                f"A stopping criterion gave {ended.size} booleans; it must be one, or one for each of {len(ids)} rows."
            )
        return ended.reshape(-1)

    return stop


def bytes_of(tokenizer: Any, ids: Sequence[int]) -> bytes:
    """The bytes that ids stand for, for any tokenizer that can `decode`."""
    if hasattr(tokenizer, "decode_bytes"):
        return bytes(tokenizer.decode_bytes(list(ids)))
    encoding = getattr(tokenizer, "encoding", None)
    if encoding is not None and hasattr(encoding, "decode_bytes"):
        return bytes(encoding.decode_bytes(list(ids)))
    return str(tokenizer.decode(list(ids))).encode()


def stop_strings(texts: Sequence[str], tokenizer: Any) -> Stop:
    """A rule: a row ends when its last token completes one of the texts, wherever the texts' tokens begin.

    Example:
        >>> class Letters:
        ...     def decode(self, ids):
        ...         return "".join("abc"[i] for i in ids)
        >>> stop_strings(["ca"], Letters())(np.array([[0, 2, 0], [2, 0, 1]])).tolist()
        [True, False]
    """
    wanted = [text.encode() for text in texts]
    reach = max(len(text) for text in wanted)  # a token is a byte at least

    def stop(ids: Array) -> Array:
        ended = np.zeros(len(ids), bool)
        for row, tokens in enumerate(ids):
            tail = [int(token) for token in tokens[-reach:] if token != NOTHING]
            whole = bytes_of(tokenizer, tail)
            before = len(bytes_of(tokenizer, tail[:-1]))
            # What ends before the last token was there before, in the prompt perhaps.
            ended[row] = any(text in whole[max(0, before - len(text) + 1) :] for text in wanted)
        return ended

    return stop
