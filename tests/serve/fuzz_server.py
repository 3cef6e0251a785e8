"""Mutated requests: to a server over HTTP, and to the signatures of a loaded model: `python tests/serve/fuzz_server.py`

Every answer must be a result or a refusal with its reason, and the process must live on and still answer rightly.
Sends 10,000 of each unless `--requests` says otherwise; the test suite sends a few hundred.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

SEEDS: list[Any] = [
    {"instances": ["def f(x):"]},
    {"instances": [{"text": "class A"}, {"text": {"b64": "/w=="}}]},
    {"inputs": ["x", "return the text"]},
    {
        "signature_name": "generate",
        "inputs": {
            "text": ["a", "b c"],
            "max_new_tokens": [3, 5],
            "temperature": [0.0, 1.0],
            "top_k": [0, 5],
            "top_p": [1.0, 0.5],
            "seed": [1, 2],
        },
    },
    {
        "signature_name": "generate",
        "instances": [
            {"text": "a b", "max_new_tokens": 2, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 0}
        ],
    },
    {"signature_name": "score", "instances": ["some text", "more of it"]},
    {"signature_name": "tokenize", "instances": ["some text", ""]},
    {"signature_name": "detokenize", "instances": [{"input_ids": [65, 66], "attention_mask": [1, 1]}]},
]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 13, 49, 300, 2**31 - 1, 2**31, -(2**63), 10**400, 0.0, -0.0, 0.5, 1e-30, 1e39,
    float("nan"), float("inf"), "", "a", "\x00", "\ud800", "é" * 50, "ab " * 60, "<|endoftext|>", "日本語",
    [], [[]], ["a"], ["a"] * 7, [1, 2], {}, {"b64": "/w=="}, {"b64": "?"}, {"b64": ""}, "generate", "score",
]  # fmt: skip


def mutated(chance: random.Random) -> bytes:
    """A request like those of `SEEDS`, but not quite."""
    told = copy.deepcopy(chance.choice(SEEDS))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        _change(told, chance)
    body = bytearray(json.dumps(told).encode())
    if chance.random() < 0.25:
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(body) + 1)
            kind = chance.randrange(4)
            if kind == 0:
                body[place:place] = bytes([chance.randrange(256)])
            elif kind == 1:
                del body[place : place + chance.randrange(1, 9)]
            elif kind == 2:
                body[place:place] = body[place : place + chance.randrange(40)]
            else:
                del body[place:]
    return bytes(body)


def _change(told: Any, chance: random.Random) -> None:
    """One value somewhere within becomes another, goes, or comes."""
    place = told
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = chance.choice(keys)
        inner = place[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            place = inner
            continue
        break
    kind = chance.random()
    if kind < 0.7:
        place[key] = copy.deepcopy(chance.choice(VALUES))
    elif kind < 0.85:
        del place[key]
    elif isinstance(place, list):
        place.insert(key, copy.deepcopy(chance.choice(VALUES)))
    else:
        place[chance.choice(["x", "text", "inputs", "instances"])] = copy.deepcopy(chance.choice(VALUES))


def judged(status: int, body: bytes, sent: bytes) -> bool:
    """Whether it was a result; a refusal with its reason is the other thing it may be."""
    told = json.loads(body)
    if status == 200:
        assert ("predictions" in told) != ("outputs" in told), (sent, body)
        return True
    assert 400 <= status < 500, (status, sent, body)
    assert len(told["error"]) > 10, (sent, body)
    return False


def over_http(server: Any, count: int, seed: int) -> int:
    """Sends so many; gives the number of results."""
    chance, results = random.Random(seed), 0
    for _ in range(count):
        sent = mutated(chance)
        answer = server.post(content=sent)
        results += judged(answer.status_code, answer.content, sent)
        assert server.process.poll() is None, sent
    return results


def to_signatures(directory: Path, count: int, seed: int) -> int:
    """Tensors of the right kinds, with any numbers and shapes, to loaded signatures; gives the number of results."""
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(str(directory))
    chance, results = random.Random(seed), 0
    numbers = [value for value in VALUES if isinstance(value, int)]
    floats = [value for value in VALUES if isinstance(value, float)]
    texts = [value.encode(errors="surrogatepass") for value in VALUES if isinstance(value, str)] + [b"\xff"]
    for _ in range(count):
        signature = chance.choice(sorted(loaded.signatures))
        function = loaded.signatures[signature]
        rows = chance.choice((0, 1, 1, 2, 2, 3, 5))
        given = {}
        for name, spec in function.structured_input_signature[1].items():
            size = rows if chance.random() < 0.95 else chance.randrange(4)
            shape = [size, chance.randrange(4)][: spec.shape.rank]
            total = int(np.prod(shape))
            if spec.dtype == tf.string:
                values: Any = np.array([chance.choice(texts) for _ in range(total)], object)
            elif spec.dtype == tf.float32:
                with np.errstate(over="ignore"):
                    values = np.array(
                        [chance.choice((0.0, 0.5, 1.0, *floats)) for _ in range(total)], "float32"
                    )
            else:
                values = np.array(
                    [
                        chance.choice((0, 1, 1, 3, *(n for n in numbers if abs(n) < 2**31)))
                        for _ in range(total)
                    ]
                )
                values = values.astype(spec.dtype.as_numpy_dtype)
            given[name] = tf.constant(values.reshape(shape), spec.dtype)
        try:
            outputs = function(**given)
            rows = next(iter(given.values())).shape[0]
            assert all(value.shape[0] == rows for value in outputs.values()), (signature, given)
            results += 1
        except tf.errors.InvalidArgumentError as error:
            assert len(str(error.message)) > 10
    return results


def main() -> None:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    from server_process import Server, made

    with tempfile.TemporaryDirectory() as folder:
        directory = made("generator", Path(folder) / "tiny" / "1")
        server = Server(directory, "--max-body", "20000")
        try:
            before = server.post(SEEDS[0]).json()
            results = over_http(server, options.requests, options.seed)
            assert server.post(SEEDS[0]).json() == before
        finally:
            server.stop()
        print(f"HTTP: {options.requests} requests, {results} results, the others refused with a reason")
        results = to_signatures(directory, options.requests, options.seed)
        print(f"signatures: {options.requests} calls, {results} results, the others InvalidArgument")


if __name__ == "__main__":
    main()
