"""Which vocabulary `--vocab` and `convert` mean, and how it is found and loaded.

Owns the names and paths a user may give, and the file names inside a directory. Refuses to parse any format:
`Encoding` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gpt2tok._core import Encoding, VocabError
from gpt2tok.cli.problems import DataError, UsageError
from gpt2tok.encodings import get_encoding

Format = Literal["vocab", "tokenizer.json", "tiktoken"]

DEFAULT = "gpt2"

# As transformers names the two files, and as OpenAI published them.
_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
_ACCEPTED = (
    "a directory with vocab.json and merges.txt (or tokenizer.json), a tokenizer.json, a .tiktoken file,"
    f" or the name {DEFAULT}"
)


def load(name: str, special_tokens: Mapping[str, int] | None = None) -> Encoding:
    """The vocabulary that a user named.

    Args:
        name: `gpt2`, or the path of a directory or file (`./gpt2` for a path of that name).
        special_tokens: those of a `.tiktoken` file, which holds none itself.

    Raises:
        DataError: nothing usable is there, or it is broken; names the path.
        UsageError: special tokens for a format that has its own.
    """
    if name == DEFAULT:
        if special_tokens:
            raise UsageError(
                f"--special is for .tiktoken files, and {DEFAULT} has its own special token: leave it out"
            )
        return get_encoding(DEFAULT)
    kind, paths = _find(Path(name))
    if special_tokens and kind != "tiktoken":
        raise UsageError(f"--special is for .tiktoken files, and {paths[0]} brings its own: leave it out")
    try:
        if kind == "tokenizer.json":
            return Encoding.from_tokenizer_json(paths[0])
        if kind == "tiktoken":
            return Encoding.from_tiktoken(paths[0], special_tokens=special_tokens)
        return Encoding.from_files(*paths)
    except VocabError as error:
        raise DataError(str(error) if str(paths[0].parent) in str(error) else f"{name}: {error}") from error


def _find(path: Path) -> tuple[Format, tuple[Path, ...]]:
    """The format of what stands at a path, and the file or files to read."""
    if not path.exists():
        raise DataError(f"{path}: no such vocabulary: give {_ACCEPTED}")
    if path.is_dir():
        if (path / "tokenizer.json").exists():
            return "tokenizer.json", (path / "tokenizer.json",)
        pairs = [tuple(path / name for name in pair) for pair in _PAIRS]
    else:  # One file of a pair stands for both.
        pairs = [tuple(path.parent / name for name in pair) for pair in _PAIRS if path.name in pair]
    for pair in pairs:
        missing = [file for file in pair if not file.exists()]
        if not missing:
            return "vocab", pair
        if len(missing) == 1:
            raise DataError(
                f"{missing[0]}: missing: a vocabulary is {pair[0].name} and {pair[1].name} together"
            )
    kind = None if path.is_dir() else format_of_file(path)
    if kind is None:
        raise DataError(f"{path}: no vocabulary is known by this name: give {_ACCEPTED}")
    return kind, (path,)


def format_of_file(path: Path) -> Format | None:
    """The single-file format that a file's name tells."""
    if path.suffix == ".json":
        return "tokenizer.json"
    return "tiktoken" if path.suffix == ".tiktoken" else None
