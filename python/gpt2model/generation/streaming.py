"""How does text come out while it is made? As whole characters, as soon as they are whole.

Owns the feeding of a streamer (transformers' `put` and `end`) and `streamed`, an iterator of text. Refuses to
generate.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any, final

from .loop import State
from .request import Request
from .stopping import bytes_of
from .watched import tokens_of


def feed(request: Request, states: Iterator[State], streamer: Any) -> Iterator[State]:
    """The same states, each token put into the streamer on the way.

    Raises:
        TypeError: the streamer has no `put` and `end`.
        ValueError: more than one row.
    """
    if streamer is None:
        yield from states
        return
    if not hasattr(streamer, "put") or not hasattr(streamer, "end"):
        raise TypeError(f"A streamer has the methods put(ids) and end(); {streamer!r} has not.")
    check_single(request)
    streamer.put(request.prompt.given)
    for state in states:
        streamer.put(tokens_of(request, state)[0, -1:])
        yield state
    streamer.end()


def check_single(request: Request) -> None:
    """Refuse several rows: their texts would come out mixed.

    Raises:
        ValueError: there are several.
    """
    rows = request.prompt.ids.shape[0]
    if rows != 1:
        raise ValueError(f"Streaming takes one prompt at a time, not {rows}: their texts would be mixed.")


@final
class Characters:
    """Bytes in, whole characters out; a broken character becomes U+FFFD.

    Example:
        >>> characters = Characters()
        >>> [characters.step(part) for part in (b"a", bytes([0xC3]), bytes([0xA9]))], characters.finish()
        (['a', '', 'é'], '')
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def step(self, data: bytes) -> str:
        """What has become whole."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What will not become whole any more."""
        return self._decoder.decode(b"", final=True)


def streamed(request: Request, states: Iterator[State], tokenizer: Any) -> Iterator[str]:
    """The new text, in whole characters; empty texts are left out. An end token is no text."""
    check_single(request)
    characters = Characters()
    for state in states:
        token = int(tokens_of(request, state)[0, -1])
        if token in request.ends:
            break
        text = characters.step(bytes_of(tokenizer, [token]))
        if text:
            yield text
    rest = characters.finish()
    if rest:
        yield rest
