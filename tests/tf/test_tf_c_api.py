"""Does the SavedModel run where there is no Python? Through TensorFlow's C API, as TensorFlow Serving runs it.

Owns the judging of what `serve.c` writes. Skipped where there is no
C compiler.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tensorflow.core.protobuf import saved_model_pb2

from c_programs import batch_of, built, needs_a_compiler

HERE = Path(__file__).parent
TEXTS = [
    b"Hello world",
    "it's 日本語 — Привет, \u00a0мир\u3000 ok".encode(),
    b"",
    b"a\0b\xff\xfe \xed\xa0\x80",
    b"a\n\nb   c unbelievably",
    b"x" * 3000,
]

pytestmark = needs_a_compiler


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(HERE / "c_api" / "serve.c", tmp_path_factory.mktemp("serve") / "serve")


@pytest.fixture(scope="module")
def answer(serve: Path, saved: Path) -> Callable[[list[list[bytes]], list[str]], bytes]:
    names = _tensor_names(saved)

    def ask(batches: list[list[bytes]], libraries: list[str]) -> bytes:
        given = b"".join(map(batch_of, batches))
        environment = {**os.environ, **names, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        run = subprocess.run(
            [serve, saved, *libraries], input=given, capture_output=True, env=environment, check=False
        )
        assert run.returncode == 0, run.stderr.decode(errors="replace")[-2000:]
        return run.stdout

    return ask


def _tensor_names(model: Path) -> dict[str, str]:
    saved = saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    names = {}
    for signature in ("tokenize", "detokenize"):
        definition = saved.meta_graphs[0].signature_def[signature]
        for tensors in (definition.inputs, definition.outputs):
            names.update({f"{signature}_{name}".upper(): info.name for name, info in tensors.items()})
    return names


def _text_op_libraries() -> list[str]:
    """Every op library of TensorFlow Text, found without importing it."""
    from importlib.util import find_spec

    spec = find_spec("tensorflow_text")
    if spec is None or spec.origin is None:
        pytest.skip("tensorflow_text is not installed")
    return sorted(str(path) for path in (Path(spec.origin).parent / "python" / "ops").glob("_*.so"))


@pytest.mark.parametrize("with_text_ops", [False, True], ids=["core-ops-only", "with-tensorflow-text"])
def test_a_server_in_c(
    answer: Callable[[list[list[bytes]], list[str]], bytes],
    tiktoken_gpt2: tiktoken.Encoding,
    with_text_ops: bool,
) -> None:
    libraries = _text_op_libraries() if with_text_ops else []
    assert bool(libraries) == with_text_ops
    batches: list[list[bytes]] = [TEXTS, [], TEXTS[3:4]]
    output = answer(batches, libraries)

    at = 0
    for texts in batches:
        rows, columns = struct.unpack_from("qq", output, at)
        size = rows * columns
        ids, mask = (np.frombuffer(output, np.int32, size, at + 16 + i * size * 4) for i in (0, 1))
        at += 16 + 2 * size * 4
        decoded = [text.decode(errors="replace") for text in texts]
        expected = tiktoken_gpt2.encode_ordinary_batch(decoded)
        assert rows == len(texts)
        assert columns == max(map(len, expected), default=0)
        for row, row_mask, want in zip(
            ids.reshape(rows, columns), mask.reshape(rows, columns), expected, strict=True
        ):
            assert row[row_mask == 1].tolist() == want
            assert row_mask.tolist() == [1] * len(want) + [0] * (columns - len(want))
        for want_text in decoded:
            (length,) = struct.unpack_from("I", output, at)
            assert output[at + 4 : at + 4 + length] == want_text.encode()
            at += 4 + length

    for reason in (b"50256", b"attention_mask must have the shape", b"not compatible with expected shape"):
        code, length = struct.unpack_from("iI", output, at)
        assert code == tf.errors.INVALID_ARGUMENT
        assert reason in output[at + 8 : at + 8 + length]
        at += 8 + length
    assert len(output) == at
