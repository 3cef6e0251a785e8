"""Which vocabulary `--vocab` and `convert` mean, and how it is found and loaded.

Owns the names and paths a user may give, and the file names inside a directory. Refuses to parse any format:
`Encoding` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gpt2tok._core import Encoding, TokenizerError, VocabError
from gpt2tok.cli.problems import DataError, UsageError
from gpt2tok.cli.streams import refuse_no_name
from gpt2tok.encodings import get_encoding

Format = Literal["vocab", "tokenizer.json", "tiktoken"]

DEFAULT = "gpt2"

# As transformers names the two files, and as OpenAI published them.
_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
# Where transformers keeps what these two do not say.
_BESIDE = ("tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")
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
    kind, paths = find(name)
    if special_tokens and kind != "tiktoken":
        raise UsageError(f"--special is for .tiktoken files, and {paths[0]} brings its own: leave it out")
    try:
        if kind == "tokenizer.json":
            return Encoding.from_tokenizer_json(paths[0])
        if kind == "tiktoken":
            return Encoding.from_tiktoken(paths[0], special_tokens=special_tokens)
        added = {token["content"]: token["id"] for token in added_tokens(name)}
        return Encoding.from_files(*paths, special_tokens=added or None)
    except VocabError as error:
        raise DataError(str(error) if str(paths[0].parent) in str(error) else f"{name}: {error}") from error


def added_tokens(name: str) -> list[dict[str, Any]]:
    """The added tokens of a directory in the layout of transformers 4, beside its vocab.json and merges.txt.

    As `tokenizer.json` would say them, each with its id and its flags; none where no file says any.

    Raises:
        DataError: a broken file, or one that asks for more than tokens.
    """
    folder = Path(name)
    if not folder.is_dir() or (folder / "tokenizer.json").exists() or not (folder / "vocab.json").exists():
        return []
    if not any((folder / beside).exists() for beside in _BESIDE):
        return []
    # The whole surface of Hugging Face, 0.1 s of imports, for its reading of these files: three layouts in one.
    from gpt2tok.hugging_face.fast import GPT2TokenizerFast

    try:
        tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    except (TokenizerError, TypeError, ValueError) as error:
        raise DataError(str(error) if str(folder) in str(error) else f"{name}: {error}") from error
    if tokenizer.add_prefix_space:
        raise DataError(
            f"{folder / 'tokenizer_config.json'}: it asks for add_prefix_space, which the command line does not do:"
            " give the path of its vocab.json to go without, or use GPT2TokenizerFast in Python"
        )
    for token in tokenizer.added_tokens_decoder.values():
        for flag in ("lstrip", "rstrip", "single_word"):
            if getattr(token, flag):
                raise DataError(
                    f'{name}: added token "{token}" has {flag}, which the command line does not do: take the flag away,'
                    " or use GPT2TokenizerFast in Python"
                )
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return [
        {"id": token_id, **{flag: getattr(token, flag) for flag in flags}}
        for token_id, token in tokenizer.added_tokens_decoder.items()
    ]


def find(name: str) -> tuple[Format, tuple[Path, ...]]:
    """The format of what stands at a path, and the file or files to read.

    Raises:
        DataError: nothing that is a vocabulary.
        UsageError: the path is empty.
    """
    refuse_no_name(name, _ACCEPTED)
    path = Path(name)
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
