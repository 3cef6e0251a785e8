#!/usr/bin/env python3
"""Writes small seed inputs for the fuzz targets into fuzz/seeds.

Valid files of every format, and texts that meet every branch of the scanner. They are made, not committed, so that
they always match the formats.

    python fuzz/make_seeds.py
"""

import base64
import json
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"


def byte_alphabet() -> list[str]:
    """vocab.json's spelling of every byte, by byte value."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def main() -> None:
    alphabet = byte_alphabet()
    vocab = {symbol: i for i, symbol in enumerate([*alphabet, "Ġt", "he", "Ġthe", "<unk>", "<|endoftext|>"])}
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he")]
    lines = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)
    ranks = [bytes([byte]) for byte in range(256)] + [b" t", b"he", b" the"]
    tiktoken = b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(ranks))
    tokenizer = {
        "added_tokens": [{"id": vocab["<|endoftext|>"], "content": "<|endoftext|>", "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    }
    # Short files are quick to load, and a change to one more often means something: the rest is the unknown token.
    small = {
        symbol: i for i, symbol in enumerate(["a", "b", "Ġ", "ab", "Ġa", "Ġab", "<unk>", "<|endoftext|>"])
    }
    few = [("a", "b"), ("Ġ", "a"), ("Ġ", "ab")]
    few_lines = "".join(f"{left} {right}\n" for left, right in few)
    short = {"model": {"type": "BPE", "unk_token": "<unk>", "vocab": small, "merges": few}}
    short = {"pre_tokenizer": {"type": "ByteLevel"}, "added_tokens": [], **short}
    seeds = {
        "load/small_tiktoken": b"\x81IHQ= 256\naGU= 257\nIHRoZQ== 258\n",
        "load/small_tokenizer_json": b"\x01" + json.dumps(short).encode(),
        "load/small_vocab_merges": b"\xfe" + json.dumps(small).encode() + b"\xff" + few_lines.encode(),
        "load/tiktoken": b"\x00" + tiktoken,
        "load/tokenizer_json": b"\x01" + json.dumps(tokenizer).encode(),
        "load/vocab_merges": b"\x02" + json.dumps(vocab).encode() + b"\xff" + lines.encode(),
        "load/vocab_merges_unk": b"\xfe"
        + json.dumps(dict(list(vocab.items())[90:])).encode()
        + b"\xff"
        + lines.encode(),
        "encode/english": b"It's the state's 42nd  address,\n\n we'll see!",
        "encode/scripts": "naïve 日本語 Ⅷ ²  x 😀👍🏽 नमस्ते".encode(),
        "encode/runs": b"a" * 60 + b" " * 40 + b"=-" * 40 + "é".encode() * 30,
    }
    for name, data in seeds.items():
        path = SEEDS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
