"""`gpt2tok convert`: the same vocabulary in another format.

Owns which format a name asks for, and the proof that nothing was lost: what is about to be saved is loaded
from a temporary directory, compared with what it came from, and given every token to encode. Refuses to save
what would encode otherwise, and says on stderr what else a format has no place for.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

from gpt2tok import files
from gpt2tok._core import Encoding, UnknownTokenError, VocabError
from gpt2tok.cli.overwriting import refuse_replacing
from gpt2tok.cli.problems import DONE, DataError, UsageError, note
from gpt2tok.cli.streams import output, refuse_no_name
from gpt2tok.cli.vocabularies import DEFAULT, Format, added_tokens, find, format_of_file, load
from gpt2tok.training.saving import CONFIG, MERGES, VOCAB, refuse_beside, vocabulary_files

# Characters whose UTF-8 holds, together, every byte that UTF-8 has: what becomes of those without a token.
_ALL_BYTES = "".join(
    map(chr, [*range(0x800), *range(0x800, 0xD800, 0x400), *range(0xE000, 0x110000, 0x1000)])
)
_SHOWN = 3


def run(options: argparse.Namespace) -> int:
    """Convert as the options say; returns the exit code."""
    kind = options.to or format_of_name(options.target)
    if kind == "vocab" and options.target == "-":
        raise UsageError(
            "- is standard output, which holds one file: give --to tokenizer.json or --to tiktoken, or ./- for a"
            " directory of that name"
        )
    if kind == "tokenizer.json" and Path(options.target).name == "vocab.json":
        raise UsageError(
            f"vocab.json is one of two files: give a directory ({Path(options.target).parent}{os.sep}) to get it with"
            " its merges.txt, or name a tokenizer.json"
        )
    target = Path(options.target)
    if kind == "vocab":
        refuse_beside(target)
    if options.target != "-":
        written = [target / VOCAB, target / MERGES] if kind == "vocab" else [target]
        refuse_replacing(written, overwrite=options.overwrite)
    encoding = load(options.source, options.special_tokens)
    source = None if options.source == DEFAULT else find(options.source)
    try:
        if source is not None and source[0] == kind != "vocab":
            contents = {target.name: source[1][0].read_bytes()}  # All that it says, also what we do not read.
        else:
            contents = vocabulary_files(encoding, kind, target.name, added_tokens(options.source))
        prove(encoding, contents, kind)
    except VocabError as error:
        raise DataError(f"{options.source} cannot become {kind}: {error}") from error
    if kind == "vocab":
        save_directory(target, contents)
    elif options.target == "-":
        with output("-") as write:
            write(contents[target.name])
    else:
        files.write_atomically(target, contents[target.name])
    if kind == "tiktoken" and encoding.special_tokens:
        note(without_special_tokens(options.target, encoding.special_tokens))
    if (
        source is not None
        and source[0] == "tokenizer.json" != kind
        and (more := _more_than_vocabulary(source[1][0]))
    ):
        note(
            f"{options.target} has no place for what {source[1][0]} says beside the vocabulary: {', '.join(more)}"
        )
    return DONE


def format_of_name(name: str) -> Format:
    """The format that the name of a target asks for.

    Raises:
        UsageError: it asks for none.
    """
    refuse_no_name(name, "a directory, *.json or *.tiktoken")
    path = Path(name)
    if path.is_dir() or name.endswith(("/", os.sep)) or not path.suffix:
        return "vocab"
    kind = format_of_file(path)
    if kind is None:
        raise UsageError(
            f"{name!r} names no format: end it in .json, .tiktoken or / (a directory), or give --to"
        )
    return kind


def prove(encoding: Encoding, contents: dict[str, bytes], kind: Format) -> None:
    """Load what will be written and compare; a difference is a VocabError that says where it lies."""
    with tempfile.TemporaryDirectory(prefix="gpt2tok-") as folder:
        files.write_files_atomically(folder, contents)
        paths = [Path(folder, name) for name in contents]
        try:
            if kind == "tiktoken":
                again = Encoding.from_tiktoken(paths[0], special_tokens=encoding.special_tokens)
            elif kind == "tokenizer.json":
                again = Encoding.from_tokenizer_json(paths[0])
            elif CONFIG in contents:
                again = load(folder)
            else:
                again = Encoding.from_files(*paths)
        except VocabError as error:  # About files that nobody will ever see.
            raise VocabError(str(error).replace(os.path.join(folder, ""), "")) from error  # noqa: PTH118
    for what, before, after in (
        ("special tokens", encoding.special_tokens, again.special_tokens),
        ("tokens", encoding.token_bytes(), again.token_bytes()),
        ("merges", _merges(encoding), _merges(again)),
    ):
        if before != after:
            raise VocabError(f"read back from that format, its {what} would be others: use tokenizer.json")
    # Tokens and merges leave two things open, and no file but tokenizer.json can say them: whether a token is taken
    # whole where merging would not make it, and what stands for a byte without a token.
    for text in [*_texts(encoding), *_ALL_BYTES]:
        if _ids(encoding, text) != _ids(again, text):
            raise VocabError(
                f"read back from that format, {text!r} would become {_ids(again, text)}, and not"
                f" {_ids(encoding, text)}: copy the tokenizer.json that says so"
            )


def _texts(encoding: Encoding) -> list[str]:
    """The tokens that are text: only these can be whole pretokens."""
    texts = []
    for _, token in encoding.token_bytes():
        with suppress(UnicodeDecodeError):
            texts.append(token.decode())
    return texts


def _ids(encoding: Encoding, text: str) -> list[int] | None:
    try:
        return encoding.encode_ordinary(text)
    except UnknownTokenError:
        return None


def _merges(encoding: Encoding) -> list[tuple[bytes, bytes]] | None:
    try:
        return encoding.merges()
    except VocabError:  # Some .tiktoken files merge as no list of merges does.
        return None


def save_directory(target: Path, contents: dict[str, bytes]) -> None:
    """Save vocab.json and merges.txt; a directory that is made for them goes again if that fails."""
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


def without_special_tokens(target: str, special_tokens: dict[str, int]) -> str:
    """What to say of a .tiktoken file."""
    given = [f"--special {shlex.quote(f'{token}={token_id}')}" for token, token_id in special_tokens.items()]
    more = f" ... ({len(given)} in all)" if len(given) > _SHOWN else ""
    return (
        f".tiktoken files hold no special tokens: give them whenever {target} is read, here with"
        f" {' '.join(given[:_SHOWN])}{more}"
    )


def _more_than_vocabulary(path: Path) -> list[str]:
    """What a tokenizer.json says and the other formats do not."""
    content = json.loads(path.read_bytes().decode("utf-8-sig"))
    found = [name for name in ("truncation", "padding") if content.get(name)]
    processor = content.get("post_processor")
    if isinstance(processor, dict) and processor.get("type") != "ByteLevel":
        found.insert(0, f"post_processor ({processor.get('type')})")
    return found
