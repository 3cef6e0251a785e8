"""Does the SavedModel run where there is no Python? Through TensorFlow's C API, as TensorFlow Serving runs it.

Owns the building of `serve.c` against the installed wheel and the judging of what it writes. Skipped where there is no
C compiler.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tensorflow.core.protobuf import saved_model_pb2

from gpt2tok.tf import TFGPT2Tokenizer

HERE = Path(__file__).parent
COMPILER = shutil.which("gcc") or shutil.which("cc")
TEXTS = [
    b"Hello world",
    "it's 日本語 — Привет, \u00a0мир\u3000 ok".encode(),
    b"",
    b"a\0b\xff\xfe \xed\xa0\x80",
    b"a\n\nb   c unbelievably",
    b"x" * 3000,
]

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler on the PATH")


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("serve") / "serve"
    wheel = Path(tf.__file__).parent
    libraries = [str(wheel / f"libtensorflow_{part}.so.2") for part in ("cc", "framework")]
    flags = [
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-O1",
        f"-isystem{wheel / 'include'}",
        f"-Wl,-rpath,{wheel}",
    ]
    assert COMPILER is not None
    command = [COMPILER, *flags, "-o", str(program), str(HERE / "c_api" / "serve.c"), *libraries]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "1"
    TFGPT2Tokenizer.from_pretrained("gpt2").export(directory)
    return directory


@pytest.fixture(scope="module")
def answer(serve: Path, model: Path) -> Callable[[list[bytes], list[str]], bytes]:
    names = _tensor_names(model)

    def ask(texts: list[bytes], libraries: list[str]) -> bytes:
        given = struct.pack("I", len(texts)) + b"".join(struct.pack("I", len(text)) + text for text in texts)
        environment = {**os.environ, **names, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        run = subprocess.run(
            [serve, model, *libraries], input=given, capture_output=True, env=environment, check=False
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
def test_tokenize_and_detokenize_from_c(
    answer: Callable[[list[bytes], list[str]], bytes], tiktoken_gpt2: tiktoken.Encoding, with_text_ops: bool
) -> None:
    libraries = _text_op_libraries() if with_text_ops else []
    assert bool(libraries) == with_text_ops
    output = answer(TEXTS, libraries)

    rows, columns = struct.unpack_from("qq", output)
    at = 16
    ids, mask = (np.frombuffer(output, np.int32, rows * columns, at + i * rows * columns * 4) for i in (0, 1))
    at += 2 * rows * columns * 4
    decoded = [text.decode(errors="replace") for text in TEXTS]
    expected = tiktoken_gpt2.encode_ordinary_batch(decoded)
    assert rows == len(TEXTS)
    assert columns == max(map(len, expected))
    for row, row_mask, want in zip(ids.reshape(rows, -1), mask.reshape(rows, -1), expected, strict=True):
        assert row[row_mask == 1].tolist() == want
        assert row_mask.tolist() == [1] * len(want) + [0] * (columns - len(want))

    for want_text in decoded:
        (length,) = struct.unpack_from("I", output, at)
        assert output[at + 4 : at + 4 + length] == want_text.encode()
        at += 4 + length

    code, length = struct.unpack_from("iI", output, at)
    assert code == tf.errors.INVALID_ARGUMENT
    assert b"50256" in output[at + 8 : at + 8 + length]
    assert len(output) == at + 8 + length


def test_an_empty_batch_from_c(answer: Callable[[list[bytes], list[str]], bytes]) -> None:
    rows, columns = struct.unpack_from("qq", answer([], []))
    assert (rows, columns) == (0, 0)
