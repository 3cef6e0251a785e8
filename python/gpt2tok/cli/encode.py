"""`gpt2tok encode`: texts in, token ids out.

Owns the choice of the output's form and what does not fit it. Refuses raw integers on a terminal, and to go on
past an input that fails where nobody could tell whose ids the rest are.
"""

from __future__ import annotations

import argparse

from gpt2tok._core import Encoding
from gpt2tok.cli import id_formats
from gpt2tok.cli.problems import DATA_ERROR, DONE, DataError, UsageError, explain
from gpt2tok.cli.progress import progress
from gpt2tok.cli.stdout import is_terminal
from gpt2tok.cli.streams import output, sources
from gpt2tok.cli.text_ids import TextOptions, id_lists, raw_ids
from gpt2tok.cli.vocabularies import load


def run(options: argparse.Namespace) -> int:
    """Encode as the options say; returns the exit code."""
    inputs = sources(options.files, options.text)
    raw = options.raw or options.dtype is not None
    if raw and (options.json or options.ids_per_line):
        raise UsageError("--dtype asks for raw integers: leave out --json and --ids-per-line, or --dtype")
    to_terminal = is_terminal(options.output)
    if raw and to_terminal:
        raise UsageError("raw integers would garble the terminal: give --output FILE, or pipe them somewhere")
    encoding = load(options.vocab, options.special_tokens)
    dtype = raw_dtype(encoding, options.dtype)
    text_options = TextOptions(options.special, options.errors, options.threads)
    code = DONE
    with (
        progress(sum(source.size() for source in inputs), to_terminal) as line,
        output(options.output) as write,
    ):
        for source in inputs:
            if raw:
                for integers in raw_ids(encoding, source, text_options, dtype, line):
                    write(integers)
                continue
            if options.json:
                layout = id_formats.json_layout(source.path)
            else:
                layout = id_formats.text_layout(options.ids_per_line)
            try:
                id_formats.write_ids(id_lists(encoding, source, text_options, line), layout, write)
            except DataError as error:
                # Only the objects name their file, and a file is written whole or not at all.
                if not options.json or options.output not in (None, "-") or len(inputs) == 1:
                    raise
                line.wipe()
                code = explain(error, DATA_ERROR)
    return code


def raw_dtype(encoding: Encoding, wanted: id_formats.Dtype | None) -> id_formats.Dtype:
    """The integers for this vocabulary's ids: the smallest that hold every one, unless others are wanted.

    Raises:
        UsageError: the wanted ones are too small for the vocabulary.
    """
    fits = encoding.max_token_value < 1 << 16
    if wanted == "uint16" and not fits:
        raise UsageError(
            f"uint16 holds ids up to 65535, and this vocabulary's go up to {encoding.max_token_value}:"
            " give --dtype uint32"
        )
    return wanted or ("uint16" if fits else "uint32")
