"""`gpt2tok train`: texts in, a vocabulary out.

Owns the reading of what the command line names, and the saving in any of the formats, proved before it is put in
place. Refuses to begin what could not be saved, and leaves nothing behind when it is stopped.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gpt2tok import files
from gpt2tok._core import Encoding, TokenizerError, Trainer, VocabError
from gpt2tok.cli.convert import (
    format_of_name,
    prove,
    without_special_tokens,
)
from gpt2tok.cli.overwriting import refuse_replacing
from gpt2tok.cli.problems import DONE, DataError, UsageError, note
from gpt2tok.cli.streams import Source, sources
from gpt2tok.cli.vocabularies import Format
from gpt2tok.training.corpora import READ_SIZE, JsonLines
from gpt2tok.training.progress import Progress
from gpt2tok.training.saving import CONFIG, MERGES, VOCAB, refuse_beside, tokenizer_config, vocabulary_files
from gpt2tok.training.training import END_OF_TEXT, learn, new_trainer

_DIRECTORY = (VOCAB, MERGES, CONFIG)


def run(options: argparse.Namespace) -> int:
    """Train as the options say; returns the exit code."""
    inputs = sources(options.files, None, None)
    if options.output == "-":
        raise UsageError("--output names a directory or a file, and - is neither: give one")
    kind = options.to or format_of_name(options.output)
    target = Path(options.output)
    _refuse_target(kind, target, overwrite=options.overwrite)
    if options.field == "":
        raise UsageError("--field is empty: give the name of the field that holds the text")
    special = [] if options.no_special else options.special_tokens or [END_OF_TEXT]
    trainer = new_trainer(
        options.vocab_size,
        special,
        min_frequency=options.min_frequency,
        max_token_length=options.max_token_length,
        max_pretokens=options.max_pretokens,
        num_threads=options.threads,
    )
    with Progress(sum(source.size() for source in inputs), shown=True) as line:
        for source in inputs:
            _feed(trainer, source, options, line)
        training = learn(trainer, target.name, line)
    _save(training.encoding, kind, target)
    for shortfall in training.shortfalls():
        note(shortfall)
    if kind == "tiktoken" and training.encoding.special_tokens:
        note(without_special_tokens(options.output, training.encoding.special_tokens))
    return DONE


def _feed(trainer: Trainer, source: Source, options: argparse.Namespace, line: Progress) -> None:
    try:
        with source.reader() as read:
            if options.field is not None:
                JsonLines(options.field, options.errors, source.name).feed(trainer, read, line)
                return
            trainer.begin(lines=not options.whole_files, errors=options.errors)
            while block := read(READ_SIZE):
                trainer.block(block)
                line.read(trainer.bytes)
            trainer.end()
    except TokenizerError as error:
        what = str(error).replace("errors='replace'", "--errors replace")
        raise DataError(what if what.startswith(source.name) else f"{source.name}: {what}") from error


def _refuse_target(kind: Format, target: Path, *, overwrite: bool) -> None:
    """What would fail when all is learned had better fail now."""
    if kind == "vocab":
        if target.exists() and not target.is_dir():
            raise DataError(
                f"{target}: a file stands there, not a directory: remove it or choose another place"
            )
        refuse_beside(target, _DIRECTORY)
    elif target.is_dir():
        raise DataError(f"{target}: a directory stands there: give the path of a file, or --to vocab")
    if kind == "tokenizer.json" and target.name == "vocab.json":
        raise UsageError(
            f"vocab.json is one of two files: give a directory ({target.parent}{os.sep}) to get it with its merges.txt,"
            " or name a tokenizer.json"
        )
    written = [target / name for name in _DIRECTORY] if kind == "vocab" else [target]
    refuse_replacing(written, overwrite=overwrite)
    if not target.parent.is_dir():
        raise DataError(f"{target}: the directory {target.parent} does not exist: create it first")
    folder = target if target.is_dir() else target.resolve().parent
    straight = target.exists() and not target.is_file() and not target.is_dir()  # a device or a pipe
    if not straight and not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(
            f"{target}: no permission to write in {folder}: choose another place, or change its permissions"
        )


def _save(encoding: Encoding, kind: Format, target: Path) -> None:
    try:
        made = vocabulary_files(encoding, kind, target.name, [])
        if kind == "vocab":
            made[CONFIG] = tokenizer_config(encoding)
        prove(encoding, made, kind)
    except VocabError as error:
        raise DataError(f"what was learned cannot become {kind}: {error}") from error
    if kind == "vocab":
        refuse_beside(target, _DIRECTORY)
        with files.new_directory(target):
            files.write_files_atomically(target, made)
    else:
        files.write_atomically(target, made[target.name])
