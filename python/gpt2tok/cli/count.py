"""`gpt2tok count`: how many tokens each input holds, and all together.

Owns the table, which reads like that of `wc`, and going on past an input that fails. Refuses to count it as
nothing: the exit code says that something is missing.
"""

from __future__ import annotations

import argparse
import json

from gpt2tok.cli.problems import DATA_ERROR, DONE, DataError, explain
from gpt2tok.cli.progress import progress
from gpt2tok.cli.stdout import print_text
from gpt2tok.cli.streams import sources
from gpt2tok.cli.text_ids import TextOptions, count
from gpt2tok.cli.vocabularies import load


def run(options: argparse.Namespace) -> int:
    """Count as the options say; returns the exit code."""
    inputs = sources(options.files, options.text)
    encoding = load(options.vocab, options.special_tokens)
    text_options = TextOptions(options.special, options.errors, options.threads)
    total_size = sum(source.size() for source in inputs)
    width = len(str(total_size))  # A token has at least one byte, so no count is longer, but for a pipe.
    code, rows = DONE, []
    total = {"bytes": 0, "tokens": 0}
    with progress(total_size, to_terminal=False) as line:
        for source in inputs:
            try:
                size, tokens = count(encoding, source, text_options, line)
            except DataError as error:
                line.wipe()
                code = explain(error, DATA_ERROR)
                continue
            rows.append({"file": source.path, "bytes": size, "tokens": tokens})
            total["bytes"] += size
            total["tokens"] += tokens
            line.wipe()
            if not options.json:
                print_text(_row(tokens, width, source.path if options.files else None))
    if options.json:
        print_text(json.dumps({"files": rows, "total": total}))
    elif len(inputs) > 1:
        print_text(_row(total["tokens"], width, "total"))
    return code


def _row(tokens: int, width: int, name: str | None) -> str:
    return str(tokens) if name is None else f"{tokens:>{width}} {name}"
