"""`gpt2tok show`: a text as its tokens, each in a colour, with ids and bytes below them if wanted.

Owns where the tokens of an input end up on the terminal. Refuses to know how a token looks (`cells.py`).
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
from collections.abc import Iterator

from gpt2tok.cli.cells import Cell, Style, flow, table, token_cell
from gpt2tok.cli.problems import DONE
from gpt2tok.cli.progress import progress
from gpt2tok.cli.stdout import is_terminal, print_text, stdout_encoding
from gpt2tok.cli.streams import sources
from gpt2tok.cli.text_ids import TextOptions, id_lists
from gpt2tok.cli.vocabularies import load


def run(options: argparse.Namespace) -> int:
    """Show as the options say; returns the exit code."""
    inputs = sources(options.files, options.text)
    encoding = load(options.vocab, options.special_tokens)
    width = options.width or shutil.get_terminal_size().columns
    style = Style(_colored(options.color), stdout_encoding())
    text_options = TextOptions(options.special, options.errors, options.threads)
    with progress(sum(source.size() for source in inputs), to_terminal=is_terminal(None)) as line:
        for source in inputs:
            lists = id_lists(encoding, source, text_options, line)
            ids = itertools.islice(itertools.chain.from_iterable(lists), options.limit)

            def cells(ids: Iterator[int] = ids) -> Iterator[Cell]:
                for number, token_id in enumerate(ids):
                    token = encoding.decode_bytes([token_id])
                    yield token_cell(
                        number, token_id, token, style, with_id=options.ids, with_bytes=options.bytes
                    )

            if len(inputs) > 1:
                print_text(f"{source.name}:")
            rows = table if options.ids or options.bytes else flow
            for row in rows(cells(), style, width):
                print_text(row)
    return DONE


def _colored(choice: str) -> bool:
    if choice == "auto":
        return is_terminal(None) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return choice == "always"
