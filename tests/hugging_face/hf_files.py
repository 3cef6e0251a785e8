"""Files of tokenizers, as the tests of loading and saving need them. Owns their making; refuses to test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
from hf_oracle import small_files, small_oracle

from gpt2tok import AddedToken

TEXT = "Hello <user> world<x> <mask>  a<pad><|endoftext|>日本 <img>"


def rich(make: Any, **more: Any) -> Any:
    """A tokenizer of either side with something of everything."""
    token = AddedToken if make is not small_oracle else tokenizers.AddedToken
    tokenizer = make(
        pad_token="<pad>",
        padding_side="left",
        truncation_side="left",
        model_max_length=77,
        extra_special_tokens=["<x>"],
        image_token="<img>",
        **more,
    )
    tokenizer.add_tokens([token("<user>", lstrip=True)])
    tokenizer.add_special_tokens({"mask_token": token("<mask>", lstrip=True)})
    return tokenizer


def write(folder: Path, **files: Any) -> Path:
    """Writes JSON files (`tokenizer_config=...`) and texts into a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = (
            content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        )
        (folder / (f"{name}.txt" if name == "merges" else f"{name}.json")).write_text(text, encoding="utf-8")
    return folder


def base_files() -> dict[str, Any]:
    vocab, merges = small_files()
    return {"vocab": vocab, "merges": "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)}


def token_object(content: str, **flags: bool) -> dict[str, Any]:
    return {
        "content": content,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
        **flags,
    }


def by_tokenizers(path: Path, **options: Any) -> tokenizers.Tokenizer:
    """A byte-level BPE as the tokenizers library saves it."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(*small_files(), **options.pop("model", {})))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=options.pop("prefix", False))
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    for name, value in options.items():
        setattr(made, name, value)
    made.save(str(path))
    return made
