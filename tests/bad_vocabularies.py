"""How a test makes a vocabulary that is wrong in one place: each function returns a loader that takes a directory.

Owns the good parts around the mistake. Refuses to know what is wrong with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpt2tok import Encoding
from small_vocabularies import BYTES, spell

BASE = {spell(token): number for number, token in enumerate(BYTES)}
VOCAB = {**BASE, "ab": 256, "abc": 257}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
END = "<|endoftext|>"


def encoded(token: bytes) -> str:
    return base64.b64encode(token).decode()


RANKS = "".join(f"{encoded(token)} {number}\n" for number, token in enumerate(BYTES))


def vocab_json(content: Any) -> Callable[[Path], Encoding]:
    """Loads a vocab.json of this content (text, bytes, or what json writes) with good merges."""
    return lambda directory: Encoding.from_files(
        put(directory, "vocab.json", content), put(directory, "merges.txt", "a b\n")
    )


def merges_txt(content: str | bytes) -> Callable[[Path], Encoding]:
    return lambda directory: Encoding.from_files(
        put(directory, "vocab.json", VOCAB), put(directory, "merges.txt", content)
    )


def tiktoken_file(content: str | bytes, **more: Any) -> Callable[[Path], Encoding]:
    return lambda directory: Encoding.from_tiktoken(put(directory, "x.tiktoken", content), **more)


def tokenizer_json(content: Any = None, model: Any = None, **top: Any) -> Callable[[Path], Encoding]:
    """A good tokenizer.json with these parts changed, or this content."""
    good = {"type": "BPE", "vocab": VOCAB, "merges": [["a", "b"], ["ab", "c"]], **(model or {})}
    whole = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": BYTE_LEVEL,
        "model": good,
        **top,
    }
    return lambda directory: Encoding.from_tokenizer_json(
        put(directory, "tokenizer.json", whole if content is None else content)
    )


def with_options(**options: Any) -> Callable[[Path], Encoding]:
    return lambda directory: Encoding.from_files(
        put(directory, "v.json", VOCAB), put(directory, "m.txt", "a b\n"), **options
    )


def in_memory(vocab: Any, merges: Any = (), **options: Any) -> Callable[[Path], Encoding]:
    return lambda directory: Encoding.from_vocab_and_merges(vocab, merges, **options)


def put(directory: Path, name: str, content: Any) -> Path:
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    (directory / name).write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    )
    return directory / name


def added(*tokens: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"id": number, "content": content, "special": True} for number, content in tokens]
