"""`gpt2tok show`: a text as its tokens, each in a colour, with ids and bytes below them if wanted, or as JSON.

Owns where the tokens of an input end up, and going on past an input that fails. Refuses to know how a token looks
(`cells.py`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator

from gpt2tok._core import Encoding
from gpt2tok.cli.cells import Cell, Style, flow, table, token_cell
from gpt2tok.cli.problems import DATA_ERROR, DONE, DataError, UsageError, explain
from gpt2tok.cli.progress import progress
from gpt2tok.cli.stdout import is_terminal, print_text, stdout_encoding
from gpt2tok.cli.streams import output, sources
from gpt2tok.cli.text_ids import TextOptions, id_lists
from gpt2tok.cli.vocabularies import load


def run(options: argparse.Namespace) -> int:
    """Show as the options say; returns the exit code."""
    if options.json and (options.ids or options.bytes):
        raise UsageError("--json gives ids and bytes of every token: leave out --ids and --bytes")
    inputs = sources(options.files, options.text)
    encoding = load(options.vocab, options.special_tokens)
    width = options.width or shutil.get_terminal_size().columns
    style = Style(_colored(options.color), stdout_encoding())
    text_options = TextOptions(options.special, options.errors, options.threads)
    code = DONE
    with progress(sum(source.size() for source in inputs), to_terminal=is_terminal(None)) as line:
        for source in inputs:
            lists = id_lists(encoding, source, text_options, line)
            if options.json:
                # A list says nothing of its file, so none may be missing: the first that fails is the last.
                _write_json(encoding, _up_to(options.limit, lists))
                continue

            def cells(ids: Iterable[int]) -> Iterator[Cell]:
                for number, token_id in enumerate(ids):
                    token = encoding.decode_bytes([token_id])
                    yield token_cell(
                        number, token_id, token, style, with_id=options.ids, with_bytes=options.bytes
                    )

            try:
                first = next(lists, [])  # Before the heading, so that none stands over nothing.
                if len(inputs) > 1:
                    print_text(f"{source.name}:")
                rows = table if options.ids or options.bytes else flow
                ids = _up_to(options.limit, itertools.chain([first], lists))
                for row in rows(cells(ids), style, width):
                    print_text(row)
            except DataError as error:
                if len(inputs) == 1:
                    raise
                line.wipe()
                code = explain(error, DATA_ERROR)
    return code


def _up_to(limit: int | None, lists: Iterable[list[int]]) -> Iterator[int]:
    return itertools.islice(itertools.chain.from_iterable(lists), limit)


def _write_json(encoding: Encoding, ids: Iterable[int]) -> None:
    """The tokens of one input as a list of objects, on a line of its own."""
    with output(None) as write:
        opening, end = "[", 0
        for token_id in ids:
            token = encoding.decode_bytes([token_id])
            start, end = end, end + len(token)
            text = token.decode("utf-8", "replace")
            shown = {"id": token_id, "bytes": token.hex(), "text": text, "start": start, "end": end}
            write((opening + json.dumps(shown, ensure_ascii=False)).encode())
            opening = ", "
        write(b"[]\n" if opening == "[" else b"]\n")


def _colored(choice: str) -> bool:
    if choice == "auto":
        return is_terminal(None) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return choice == "always"
