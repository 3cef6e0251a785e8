"""`gpt2tok convert`: the same vocabulary in another format.

Owns which format a name asks for, and the proof that nothing was lost: what is about to be saved is loaded
from a temporary directory and compared with what it came from. Refuses to save what a format would change.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from gpt2tok import files, formats
from gpt2tok._core import Encoding, VocabError
from gpt2tok.cli.problems import DONE, DataError, UsageError
from gpt2tok.cli.vocabularies import Format, format_of_file, load


def run(options: argparse.Namespace) -> int:
    """Convert as the options say; returns the exit code."""
    kind = options.to or _format_of(options.target)
    encoding = load(options.source, dict(options.special_tokens))
    target = Path(options.target)
    try:
        contents = _contents(encoding, kind, target.name)
        _prove(encoding, contents, kind)
    except VocabError as error:
        raise DataError(f"{options.source} cannot become {kind}: {error}") from error
    if kind != "vocab":
        files.write_atomically(target, contents[target.name])
        return DONE
    if (target / "tokenizer.json").exists():
        raise DataError(f"{target}: a tokenizer.json stands there and would be read instead: remove it first")
    new = not target.exists()
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{target}: cannot make this directory ({error.strerror}): correct the path"
        ) from error
    try:
        files.write_files_atomically(target, contents)
    except BaseException:
        if new:
            with suppress(OSError):
                target.rmdir()
        raise
    return DONE


def _format_of(name: str) -> Format:
    path = Path(name)
    if path.is_dir() or name.endswith(("/", os.sep)) or not path.suffix:
        return "vocab"
    kind = format_of_file(path)
    if kind is None:
        raise UsageError(
            f"{name!r} names no format: end it in .json, .tiktoken or / (a directory), or give --to"
        )
    return kind


def _contents(encoding: Encoding, kind: Format, name: str) -> dict[str, bytes]:
    """The files to write: name to bytes."""
    if kind == "tiktoken":
        return {name: formats.tiktoken_bytes(encoding.token_bytes(), encoding.merges())}
    alphabet = formats.byte_alphabet()

    def text(token: bytes) -> str:
        return "".join(map(alphabet.__getitem__, token))

    special = encoding.special_tokens
    vocab = {text(token): token_id for token_id, token in encoding.token_bytes()}
    both = sorted(special.keys() & vocab.keys())
    if both:
        raise VocabError(f"{both[0]!r} is an ordinary and a special token, which one vocabulary cannot hold")
    vocab |= special
    merges = [(text(left), text(right)) for left, right in encoding.merges()]
    if kind == "vocab":
        return {"vocab.json": formats.vocab_json_bytes(vocab), "merges.txt": formats.merges_txt_bytes(merges)}
    added = [{"id": token_id, "content": token, "special": True} for token, token_id in special.items()]
    return {name: formats.tokenizer_json_bytes(vocab, merges, added, False, True, None)}


def _prove(encoding: Encoding, contents: dict[str, bytes], kind: Format) -> None:
    """Load what will be written and compare; a difference is a VocabError that says where it lies."""
    with tempfile.TemporaryDirectory(prefix="gpt2tok-") as folder:
        files.write_files_atomically(folder, contents)
        paths = [Path(folder, name) for name in contents]
        if kind == "tiktoken":
            again = Encoding.from_tiktoken(paths[0], special_tokens=encoding.special_tokens)
        elif kind == "tokenizer.json":
            again = Encoding.from_tokenizer_json(paths[0])
        else:
            again = Encoding.from_files(*paths)
    for what, before, after in (
        ("special tokens", encoding.special_tokens, again.special_tokens),
        ("tokens", encoding.token_bytes(), again.token_bytes()),
        ("merges", encoding.merges(), again.merges()),
    ):
        if before != after:
            raise VocabError(f"read back from that format, its {what} would be others: use tokenizer.json")
