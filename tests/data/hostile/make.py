"""Writes the hostile files of this directory: each is wrong in one place. `expected.json` says what it must give.

    python tests/data/hostile/make.py

Deterministic but for HDF5, whose files hold the version of the library that wrote them.
"""

from __future__ import annotations

import base64
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np

HERE = Path(__file__).parent
VOCAB = {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "<unk>": 5}
MERGES = "#version: 0.2\na b\nab c\n"
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
CONFIG = {
    "model_type": "gpt2",
    "architectures": ["GPT2Model"],
    "n_layer": 1,
    "n_embd": 4,
    "n_head": 2,
    "n_positions": 8,
    "vocab_size": 6,
}


def file(case: str, name: str, content: Any) -> None:
    data = content if isinstance(content, bytes | str) else json.dumps(content)
    target = HERE / case / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


def vocabularies() -> None:
    vocabs: dict[str, Any] = {
        "not-utf8": b'{"a\xff": 1}',
        "utf16": json.dumps(VOCAB).encode("utf-16"),
        "empty": "",
        "cut-off": json.dumps(VOCAB)[:-9],
        "list": ["a", "b"],
        "null": "null",
        "trailing": json.dumps(VOCAB) + "x",
        "nested": '{"a":' * 3000,
        "lone-surrogate": '{"\\ud800": 1}',
        "id-float": {**VOCAB, "ab": 3.5},
        "id-negative": {**VOCAB, "ab": -1},
        "id-huge": json.dumps(VOCAB).replace("4", "9" * 400),
        "id-above-limit": {**VOCAB, "ab": 2**24},
        "id-twice": {**VOCAB, "ab": 0},
        "token-twice": '{"a": 0, "b": 1, "a": 2, "<unk>": 3}',
        "token-empty": {**VOCAB, "": 9},
        "token-long": {**VOCAB, "a" * 9000: 9},
        "no-unk": {token: n for token, n in VOCAB.items() if token != "<unk>"},
    }
    for name, vocab in vocabs.items():
        file(f"vocab-{name}", "vocab.json", vocab)
        file(f"vocab-{name}", "merges.txt", MERGES if name != "token-long" else "")
    merges = {
        "not-utf8": b"a b\n\xe4\xb8 c\n",
        "one-part": "a b\nab\n",
        "three-parts": "a b c\n",
        "two-spaces": "a  b\n",
        "blank-line": "a b\n\nab c\n",
        "other-vocabulary": "a b\nab zz\n",
        "no-product": "b a\n",
        "repeated": "a b\nab c\na b\n",
        "zeros": bytes(64),
    }
    for name, text in merges.items():
        file(f"merges-{name}", "vocab.json", VOCAB)
        file(f"merges-{name}", "merges.txt", text)


def tokenizer_json() -> None:
    def whole(model: Any = None, **top: Any) -> dict[str, Any]:
        good = {
            "type": "BPE",
            "unk_token": "<unk>",
            "vocab": VOCAB,
            "merges": ["a b", "ab c"],
            **(model or {}),
        }
        return {"added_tokens": [], "normalizer": None, "pre_tokenizer": BYTE_LEVEL, "model": good, **top}

    def added(**fields: Any) -> list[dict[str, Any]]:
        return [{"id": 6, "content": "<x>", "special": True, **fields}]

    cases: dict[str, Any] = {
        "not-utf8": b"{\x80}",
        "cut-off": json.dumps(whole())[:-20],
        "list": [],
        "no-model": {},
        "vocab-json": VOCAB,
        "wordpiece": whole({"type": "WordPiece"}),
        "normalizer": whole(normalizer={"type": "NFC"}),
        "whitespace": whole(pre_tokenizer={"type": "Whitespace"}),
        "dropout": whole({"dropout": 0.1}),
        "suffix": whole({"end_of_word_suffix": "</w>"}),
        "no-such-unk": whole({"unk_token": "<none>"}),
        "unk-merges": whole({"unk_token": "a"}),
        "merge-of-three": whole({"merges": [["a", "b", "c"]]}),
        "added-flag": whole(added_tokens=added(lstrip=True)),
        "added-id": whole(added_tokens=added(id=300)),
        "added-empty": whole(added_tokens=added(content="")),
        "added-negative": whole(added_tokens=added(id=-1)),
        "nested": '{"normalizer": ' + "[" * 3000,
        "nested-comment": '{"comment": ' + '{"a":' * 3000,
    }
    for name, content in cases.items():
        file(f"tokenizer-{name}", "tokenizer.json", content)


def tiktoken() -> None:
    def line(token: bytes, rank: object) -> str:
        return f"{base64.b64encode(token).decode()} {rank}\n"

    ranks = "".join(line(bytes([byte]), byte) for byte in range(256))
    cases: dict[str, Any] = {
        "empty": "",
        "zeros": bytes(64),
        "not-utf8": ranks.encode() + b"\xff 256\n",
        "no-rank": ranks + "YWI=\n",
        "no-base64": ranks + "Y 256\n",
        "rank-negative": ranks + line(b"ab", -1),
        "rank-huge": ranks + line(b"ab", 10**11),
        "rank-above-limit": ranks + line(b"ab", 2**24),
        "rank-twice": ranks + line(b"ab", 97),
        "token-twice": ranks + line(b"ab", 256) + line(b"ab", 257),
        "token-empty": ranks + " 256\n",
        "byte-missing": "".join(line(bytes([byte]), byte) for byte in range(255)),
    }
    for name, content in cases.items():
        file(f"tiktoken-{name}", "x.tiktoken", content)


def safetensors(header: Any, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def checkpoints() -> None:
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    name = "h.0.ln_1.bias"
    files: dict[str, bytes] = {
        "empty": b"",
        "seven-bytes": bytes(7),
        "header-too-long": safetensors({name: one}, bytes(16), size=2**63 - 1),
        "header-past-end": safetensors({name: one}, bytes(16), size=4096),
        "header-no-json": safetensors(b"{{{{", bytes(16)),
        "header-list": safetensors([name], bytes(16)),
        "header-nested": safetensors(b'{"a":' * 3000),
        "offsets-past-end": safetensors({name: {**one, "data_offsets": [0, 1 << 40]}}, bytes(16)),
        "offsets-backwards": safetensors({name: {**one, "data_offsets": [16, 0]}}, bytes(16)),
        "offsets-overlap": safetensors({name: one, "ln_f.bias": one}, bytes(16)),
        "shape-too-large": safetensors({name: {**one, "shape": [1 << 40, 1 << 40]}}, bytes(16)),
        "shape-negative": safetensors({name: {**one, "shape": [-4]}}, bytes(16)),
        "dtype-unknown": safetensors({name: {**one, "dtype": "Q7"}}, bytes(16)),
        "cut-off": safetensors({name: one}, bytes(15)),
    }
    for case, content in files.items():
        file(f"safetensors-{case}", "config.json", CONFIG)
        file(f"safetensors-{case}", "model.safetensors", content)
    for case, shard in {
        "outside": "../../secret.safetensors",
        "no-string": 7,
        "missing": "model-2.safetensors",
    }.items():
        file(f"index-{case}", "config.json", CONFIG)
        file(f"index-{case}", "model.safetensors.index.json", {"metadata": {}, "weight_map": {name: shard}})
    for case, text in {"no-json": "{", "list": "[]", "nested": "[" * 3000, "no-map": "{}"}.items():
        file(f"index-{case}", "config.json", CONFIG)
        file(f"index-{case}", "model.safetensors.index.json", text)
    for case, text in {"no-json": "{", "list": "[]", "nested": '{"a":' * 3000, "not-utf8": b"\xff{}"}.items():
        file(f"config-{case}", "config.json", text)
        file(f"config-{case}", "model.safetensors", safetensors({name: one}, bytes(16)))
    wrong = {"layers-negative": {"n_layer": -1}, "layers-text": {"n_layer": "x"}, "heads": {"n_head": 3}}
    for case, fields in wrong.items():
        file(f"config-{case}", "config.json", {**CONFIG, **fields})
        file(f"config-{case}", "model.safetensors", safetensors({name: one}, bytes(16)))
    for case, options in {"nested": "[" * 3000, "not-utf8": b"\xff", "unknown-option": {"top_x": 1}}.items():
        file(f"generation-{case}", "generation_config.json", options)
    for case, fields in {"nested": '{"a":' * 3000, "list": "[]", "cut-off": '{"n_layer": 1'}.items():
        file(f"gpt2config-{case}", "config.json", fields)
    flax: dict[str, bytes] = {
        "empty": b"",
        "list": b"\x90",
        "announces-more": b"\xdf\xff\xff\xff\xff",
        "array-of-bytes-that-lack": b"\x81\xa1a\xc7\x10\x01\x93\x91\x04",
        "nested": b"\x81\xa1a" * 2000,
        "object-type": b"\x81\xa1a\xc7\x0d\x01\x93\x91\x01\xa6object\xc4\x01x",
    }
    for case, content in flax.items():
        file(f"msgpack-{case}", "config.json", CONFIG)
        file(f"msgpack-{case}", "flax_model.msgpack", content)
    file("pickle", "config.json", CONFIG)
    file("pickle", "pytorch_model.bin", pickle.dumps(_Command(), protocol=2))


class _Command:
    """Were its pickle ever read, it would write a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return (os.system, ("touch pickle-was-run",))


def hdf5() -> None:
    for case, content in {
        "empty": b"",
        "signature-alone": b"\x89HDF\r\n\x1a\n",
        "text": b"<html></html>",
    }.items():
        file(f"h5-{case}", "config.json", CONFIG)
        file(f"h5-{case}", "tf_model.h5", content)
    place = "transformer/tfgpt2_model/transformer/wte/weight:0"
    for case in ("external-link", "external-data", "objects", "huge"):
        file(f"h5-{case}", "config.json", CONFIG)
        with h5py.File(HERE / f"h5-{case}" / "tf_model.h5", "w", libver="earliest") as written:
            if case == "external-link":
                written[place] = h5py.ExternalLink("/etc/secret.h5", "/x")
            elif case == "external-data":
                written.create_dataset(place, (6, 4), "float32", external=[("/etc/passwd", 0, 96)])
            elif case == "objects":
                written.create_dataset(place, data=np.array(["a", "b"], object), dtype=h5py.string_dtype())
            else:
                written.create_dataset(
                    place, (1 << 30, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip"
                )


def saved_models() -> None:
    told = {"vocabulary": {"size": 6, "sha256": "0" * 64}, "model": {"vocab_size": 6}, "options": {}}
    descriptions: dict[str, Any] = {
        "description-no-json": "{",
        "description-list": "[]",
        "description-nested": "[" * 3000,
        "description-other": {**told, "options": 7},
        "description-not-utf8": b"\xff",
        "vocabulary-of-another-size": {**told, "model": {"vocab_size": 5}},
    }
    for case, content in descriptions.items():
        file(f"generator-{case}", "assets.extra/gpt2model_generator.json", content)
    graphs = {"missing": None, "empty": b"", "garbage": b"\xff" * 64, "cut-off": b"\x08\x01\x12\xff\xff\x03"}
    for case, graph in graphs.items():
        file(f"generator-graph-{case}", "assets.extra/gpt2model_generator.json", told)
        if graph is not None:
            file(f"generator-graph-{case}", "saved_model.pb", graph)


if __name__ == "__main__":
    vocabularies()
    tokenizer_json()
    tiktoken()
    checkpoints()
    hdf5()
    saved_models()
