"""Which tokenizer lies beside a checkpoint, and how does another format want it? Byte for byte.

Owns the names of a GPT-2 tokenizer's files in each house: Hugging Face's, OpenAI's and keras-hub's. Refuses
to read them: what a vocabulary means is `gpt2tok`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .saving import json_bytes

_VOCABULARY, _MERGES = "vocab.json", "merges.txt"
# The two files that are a vocabulary: Hugging Face's names, OpenAI's, keras-hub's.
_SPELLINGS = {
    _VOCABULARY: ("vocab.json", "encoder.json", "assets/tokenizer/vocabulary.json"),
    _MERGES: ("merges.txt", "vocab.bpe", "assets/tokenizer/merges.txt"),
}
_HUGGING_FACE_ONLY = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                      "generation_config.json")  # fmt: skip
_MAX_BYTES = 256 * 1024 * 1024


def tokenizer_files(folder: Path, *, is_preset: bool, to_preset: bool) -> Mapping[str, bytes]:
    """The tokenizer beside a checkpoint as another directory wants it.

    Arguments:
        folder: the checkpoint's directory.
        is_preset: it is a keras-hub preset.
        to_preset: the files are for one.

    Returns:
        Paths relative to the new directory to contents; empty when there is no tokenizer. (A preset holds
        vocabulary and merges; other files are Hugging Face's alone and stay behind on the way into a preset.)
    """
    files: dict[str, bytes] = {}
    for name, spellings in _SPELLINGS.items():
        for spelling in spellings:
            if _is_small(folder / spelling):
                files[spellings[2] if to_preset else name] = (folder / spelling).read_bytes()
                break
    if to_preset:
        if len(files) < len(_SPELLINGS):
            return {}
        return {**files, "tokenizer.json": json_bytes(_PRESET_TOKENIZER)}
    if not is_preset:
        files |= {
            name: (folder / name).read_bytes() for name in _HUGGING_FACE_ONLY if _is_small(folder / name)
        }
    return files


def refuse_another(folder: Path, tokenizer: Mapping[str, bytes], name: str) -> None:
    """Refuse to replace the tokenizer of another model, beside which a file `name` is to be written.

    Raises:
        FileExistsError: naming the files.
    """
    others = [
        file
        for file in (_VOCABULARY, _MERGES, "tokenizer.json")
        if (folder / file).is_file() and (folder / file).read_bytes() != tokenizer.get(file)
    ]
    if others:
        raise FileExistsError(
            f"{folder} holds another tokenizer ({', '.join(others)}), and the one of the model would be written over"
            f" it: give {name} a directory of its own"
        )


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _MAX_BYTES


_PRESET_TOKENIZER: dict[str, Any] = {
    "module": "keras_hub.src.models.gpt2.gpt2_tokenizer",
    "class_name": "GPT2Tokenizer",
    "config": {
        "name": "gpt2_tokenizer",
        "trainable": True,
        "dtype": {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": "int32"},
            "registered_name": None,
        },
        "config_file": "tokenizer.json",
        "sequence_length": None,
        "add_prefix_space": False,
        "unsplittable_tokens": ["<|endoftext|>"],
    },
    "registered_name": "keras_hub>GPT2Tokenizer",
}
