"""How does a vocabulary that was learned come to disk? As vocab.json + merges.txt, tokenizer.json or .tiktoken.

Owns which files an `Encoding` becomes, and `save`. Refuses to know what a format looks like (`formats.py` does) and how
a file comes to disk whole or not at all (`files.py` does).
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any, Literal

from gpt2tok import files, formats
from gpt2tok._core import Encoding, VocabError

Format = Literal["vocab", "tokenizer.json", "tiktoken"]

VOCAB, MERGES, CONFIG = "vocab.json", "merges.txt", "tokenizer_config.json"
# What loaders look for first, or read together with vocab.json.
_BESIDE = ("tokenizer.json", CONFIG, "added_tokens.json", "special_tokens_map.json")
_END_OF_TEXT = "<|endoftext|>"


def save(encoding: Encoding, path: str | os.PathLike[str]) -> list[Path]:
    """Saves a vocabulary, whole or not at all, in the format that the name asks for.

    Args:
        encoding: what `gpt2tok.train` returned, or any other.
        path: `*.json` becomes a tokenizer.json; `*.tiktoken` a file of ranks, which has no place for special tokens (a
            `UserWarning` says so); a directory, or a name without an ending, gets vocab.json, merges.txt and the
            tokenizer_config.json that transformers' `AutoTokenizer` asks for. A directory is made if it is not there,
            and files of these names are replaced.

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
        ...     tokenizer = gpt2tok.GPT2TokenizerFast.from_pretrained(folder)
        ['vocab.json', 'merges.txt', 'tokenizer_config.json']
        >>> again.merges() == encoding.merges(), tokenizer("low")["input_ids"] == encoding.encode("low")
        (True, True)
    """
    if not isinstance(encoding, Encoding):
        raise TypeError(f"encoding must be an Encoding, not {type(encoding).__name__}")
    target = Path(path)
    kind = _format_of(os.fspath(path))
    made = vocabulary_files(encoding, kind, target.name, [])
    if kind == "vocab":
        made[CONFIG] = tokenizer_config(encoding)
        refuse_beside(target, made)
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


def refuse_beside(target: Path, written: Container[str] = ()) -> None:
    """Another layout's files in the directory would be read with what is saved there.

    Args:
        target: the directory.
        written: names that will be written, and so replaced.

    Raises:
        VocabError: there is one.
    """
    for name in _BESIDE:
        if name not in written and (target / name).exists():
            raise VocabError(f"{target}: a {name} stands there and would be read with it: remove it first")


def tokenizer_config(encoding: Encoding) -> bytes:
    """The settings beside vocab.json and merges.txt, without which transformers knows neither class nor special tokens.

    `<|endoftext|>` begins and ends texts where it is a special token; the others have no part but are special.
    """
    special = encoding.special_tokens
    end = _END_OF_TEXT if _END_OF_TEXT in special else None
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    by_id = sorted(special.items(), key=lambda item: item[1])
    settings = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(token_id): {"content": token, **flags} for token, token_id in by_id},
        "bos_token": end,
        "eos_token": end,
        "errors": "replace",
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": end,
    }
    if others := [token for token, _ in by_id if token != end]:
        settings["additional_special_tokens"] = others
    return (json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


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
        return {VOCAB: formats.vocab_json_bytes(vocab), MERGES: formats.merges_txt_bytes(merges)}
    flags = {token["content"]: token for token in added}
    plain = [{"id": token_id, "content": token, "special": True} for token, token_id in special.items()]
    tokens = [flags.get(str(token["content"]), token) for token in plain]
    return {name: formats.tokenizer_json_bytes(vocab, merges, tokens, False, True, None)}
