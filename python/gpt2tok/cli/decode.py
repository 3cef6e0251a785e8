"""`gpt2tok decode`: token ids in, the exact bytes of their text out.

Owns the choice of how the ids are read and saying where an id is none. Refuses to mend the text: half a
character comes out as the bytes it is, but for JSON, which has no place for them.
"""

from __future__ import annotations

import argparse
import codecs
import itertools
import json
from collections.abc import Iterable, Iterator

from gpt2tok._core import Encoding, TokenizerError
from gpt2tok.cli import id_formats
from gpt2tok.cli.encode import raw_dtype
from gpt2tok.cli.problems import DONE, DataError, UsageError
from gpt2tok.cli.progress import progress
from gpt2tok.cli.stdout import is_terminal
from gpt2tok.cli.streams import output, sources
from gpt2tok.cli.vocabularies import load


def run(options: argparse.Namespace) -> int:
    """Decode as the options say; returns the exit code."""
    raw = options.raw or options.dtype is not None
    if raw and options.text is not None:
        raise UsageError("--ids takes numbers, not raw integers: leave out --raw and --dtype, or give a file")
    inputs = sources(options.files, options.text, "--ids")
    encoding = load(options.vocab, options.special_tokens)
    total = sum(source.size() for source in inputs)
    with progress(total, is_terminal(options.output)) as line, output(options.output) as write:
        for source in inputs:
            if raw:
                lists = id_formats.read_raw(source, raw_dtype(encoding, options.dtype), line)
            else:
                lists = id_formats.read_text(source, line)
            texts = _texts(encoding, lists, source.name)
            for text in _json_string(texts) if options.json else texts:
                write(text)
    return DONE


def _json_string(texts: Iterable[bytes]) -> Iterator[bytes]:
    """A text that comes in parts as one JSON string on a line of its own."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    opening = '"'
    for text in itertools.chain(texts, [None]):  # At the end, what half a character left behind.
        part = decoder.decode(b"", final=True) if text is None else decoder.decode(text)
        yield (opening + json.dumps(part, ensure_ascii=False)[1:-1]).encode()
        opening = ""
    yield b'"\n'


def _texts(encoding: Encoding, lists: Iterable[list[int]], name: str) -> Iterator[bytes]:
    before = 0
    for ids in lists:
        try:
            yield encoding.decode_bytes(ids)
        except (TokenizerError, OverflowError) as error:
            at = next(place for place, token_id in enumerate(ids) if not _exists(encoding, token_id))
            raise DataError(
                f"{name}: id number {before + at + 1} is {ids[at]}, and this vocabulary has no such id (its"
                f" last is {encoding.max_token_value}): give the --vocab (and for raw ids the --dtype) they"
                " were made with"
            ) from error
        before += len(ids)


def _exists(encoding: Encoding, token_id: int) -> bool:
    try:
        encoding.decode_bytes([token_id])
    except (TokenizerError, OverflowError):
        return False
    return True
