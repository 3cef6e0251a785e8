"""The whole proof set through the in-graph tokenizer, in every way it runs. Minutes, so no test: run it by hand.

    python tests/tf/whole_proof.py [TEXTS.jsonl[.gz] ...]

Every vocabulary entry, every Unicode scalar alone and between others, all strings of up to four nasty characters, byte
strings that are no UTF-8, the standard library's sources, and the {"text": ...} lines of the files. Judged by
`GPT2TokenizerFast`; run eagerly, in a `tf.function`, in `tf.data` and from a saved model in a clean process.
Prints how many texts each kind has and how many differ; ends with 1 if any does.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
from tf_proof_set import NASTY, bad_bytes, differences, flat, strings

import gpt2tok
from gpt2tok import GPT2TokenizerFast
from gpt2tok.tf import TFGPT2Tokenizer

Ids = tuple[np.ndarray, np.ndarray]
BATCH_BYTES = 1 << 18


def kinds(files: list[Path]) -> Iterator[tuple[str, list[bytes]]]:
    yield "vocabulary entries", [text for _, text in gpt2tok.get_encoding("gpt2").token_bytes()]
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    yield "scalars alone", [c.encode() for c in scalars]
    yield "scalars between others", [f" a{c}a 1{c}1 {c}'s".encode() for c in scalars]
    yield (
        "up to 4 nasty characters",
        ["".join(t).encode() for n in range(5) for t in itertools.product(NASTY, repeat=n)],
    )
    yield "bytes that are no UTF-8", bad_bytes(300_000)
    paths = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    yield "Python sources", [path.read_bytes() for path in paths if "site-packages" not in path.parts]
    for file in files:
        read = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        yield file.name, [json.loads(line)["text"].encode() for line in read.splitlines()]


def batches(texts: list[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text) + 1
        if size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def joined(parts: list[Ids]) -> Ids:
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([counts for _, counts in parts])


def ways(layer: TFGPT2Tokenizer, model: Path) -> dict[str, Callable[[list[bytes]], Ids]]:
    traced = tf.function(layer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])

    def by(run: Callable[[Any], Any]) -> Callable[[list[bytes]], Ids]:
        return lambda texts: joined([flat(run(strings(batch))) for batch in batches(texts)])

    def dataset(texts: list[bytes]) -> Ids:
        source = tf.data.Dataset.from_generator(
            lambda: map(strings, batches(texts)), output_signature=tf.TensorSpec([None], tf.string)
        )
        return joined([flat(rows) for rows in source.map(layer.tokenize, num_parallel_calls=2)])

    def reloaded(texts: list[bytes]) -> Ids:
        with tempfile.TemporaryDirectory() as scratch:
            np.save(f"{scratch}/texts.npy", np.array(texts, object))
            program = [sys.executable, "-I", str(Path(__file__).with_name("tf_clean_process.py")), str(model)]
            subprocess.run([*program, f"{scratch}/texts.npy", f"{scratch}/result.npz"], check=True)
            with np.load(f"{scratch}/result.npz", allow_pickle=True) as result:
                wrong = sum(
                    back != text.decode(errors="replace").encode()
                    for text, back in zip(texts, result["spelt"], strict=True)
                )
                if wrong:
                    raise SystemExit(f"{wrong} texts do not come back from detokenize")
                return result["ids"], result["counts"]

    return {
        "eager": by(lambda x: layer(x)["input_ids"]),
        "tf.function": by(traced),
        "tf.data": dataset,
        "clean process": reloaded,
    }


def main() -> int:
    fast = GPT2TokenizerFast.from_pretrained("gpt2")
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    total = wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        layer.export(f"{scratch}/1")
        found = ways(layer, Path(scratch) / "1")
        for kind, texts in kinds([Path(name) for name in sys.argv[1:]]):
            start = time.perf_counter()
            decoded = ([text.decode(errors="replace") for text in batch] for batch in batches(texts))
            rows = [row for batch in decoded for row in fast(batch)["input_ids"]]
            want = (np.array(list(itertools.chain(*rows)), np.int64), np.array([len(row) for row in rows]))
            counts = {way: len(differences(texts, want, *run(texts))) for way, run in found.items()}
            size = sum(map(len, texts))
            took = time.perf_counter() - start
            told = (
                f"{len(texts)} texts, {size} bytes, {len(want[0])} ids; differences: {counts} ({took:.0f} s)"
            )
            print(f"{kind}: {told}", flush=True)
            total += len(texts)
            wrong += sum(counts.values())
    print(f"{total} texts, {wrong} differences")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
