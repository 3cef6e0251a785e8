"""How does a vocabulary that was learned come to disk? As vocab.json + merges.txt, tokenizer.json or .tiktoken.

Owns which files an `Encoding` becomes, and `save`. Refuses to know what a format looks like (`formats.py` does) and how
a file comes to disk whole or not at all (`files.py` does).
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Literal

from gpt2tok import files, formats
from gpt2tok._core import Encoding, VocabError

Format = Literal["vocab", "tokenizer.json", "tiktoken"]

# What loaders look for first, or read together with vocab.json.
_BESIDE = ("tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json")


def save(encoding: Encoding, path: str | os.PathLike[str]) -> list[Path]:
    """Saves a vocabulary, whole or not at all, in the format that the name asks for.

    Args:
        encoding: what `gpt2tok.train` returned, or any other.
        path: `*.json` becomes a tokenizer.json; `*.tiktoken` a file of ranks, which has no place for special tokens (a
            `UserWarning` says so); a directory, or a name without an ending, gets vocab.json and merges.txt. A
            directory is made if it is not there.

    Returns:
        The files that were written.

    Raises:
        VocabError: the name asks for no format, the format cannot hold this vocabulary, or the directory holds another
            tokenizer's files, which would be read with these.
        OSError: a file cannot be written; nothing is then changed.
        TypeError: an argument is of another type.

    Example:
        >>> import gpt2tok, tempfile
        >>> from gpt2tok.training import save
        >>> encoding = gpt2tok.train(["low lower lowest"] * 3, 260)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file.name for file in save(encoding, folder)]
        ...     again = gpt2tok.Encoding.from_files(folder + "/vocab.json", folder + "/merges.txt")
        ...     again.merges() == encoding.merges()
        ['vocab.json', 'merges.txt']
        True
    """
    if not isinstance(encoding, Encoding):
        raise TypeError(f"encoding must be an Encoding, not {type(encoding).__name__}")
    target = Path(path)
    kind = _format_of(os.fspath(path))
    made = vocabulary_files(encoding, kind, target.name, [])
    if kind == "vocab":
        for name in _BESIDE:
            if (target / name).exists():
                raise VocabError(
                    f"{target}: a {name} stands there and would be read with it: remove it first"
                )
        with files.new_directory(target):
            files.write_files_atomically(target, made)
        return [target / name for name in made]
    files.write_atomically(target, made[target.name])
    if kind == "tiktoken" and encoding.special_tokens:
        warnings.warn(
            f".tiktoken files hold no special tokens: give special_tokens={encoding.special_tokens} whenever"
            f" {target} is read",
            UserWarning,
            stacklevel=2,
        )
    return [target]


def _format_of(name: str) -> Format:
    path = Path(name)
    if path.is_dir() or name.endswith(("/", os.sep)) or (name and not path.suffix):
        return "vocab"
    if path.suffix == ".tiktoken":
        return "tiktoken"
    if path.suffix == ".json" and path.name != "vocab.json":
        return "tokenizer.json"
    raise VocabError(
        f"{name!r} names no format: give a directory (vocab.json and merges.txt), *.json (a tokenizer.json) or"
        " *.tiktoken"
    )


def vocabulary_files(
    encoding: Encoding, kind: Format, name: str, added: list[dict[str, Any]]
) -> dict[str, bytes]:
    """The files to write: name to bytes. `added` are tokens of the encoding whose flags are known."""
    if kind == "tiktoken":
        return {name: formats.tiktoken_bytes(encoding.token_bytes(), encoding.merges())}
    alphabet = formats.byte_alphabet()

    def text(token: bytes) -> str:
        return "".join(map(alphabet.__getitem__, token))

    special = encoding.special_tokens
    vocab = {text(token): token_id for token_id, token in encoding.token_bytes()}
    both = sorted(token for token in special.keys() & vocab.keys() if special[token] != vocab[token])
    if both:
        raise VocabError(f"{both[0]!r} is an ordinary and a special token, which one vocabulary cannot hold")
    vocab |= special
    merges = [(text(left), text(right)) for left, right in encoding.merges()]
    if kind == "vocab":
        return {"vocab.json": formats.vocab_json_bytes(vocab), "merges.txt": formats.merges_txt_bytes(merges)}
    flags = {token["content"]: token for token in added}
    plain = [{"id": token_id, "content": token, "special": True} for token, token_id in special.items()]
    tokens = [flags.get(str(token["content"]), token) for token in plain]
    return {name: formats.tokenizer_json_bytes(vocab, merges, tokens, False, True, None)}
