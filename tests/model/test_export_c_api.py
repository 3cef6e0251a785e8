"""Does an exported generator run where there is no Python? Through TensorFlow's C API, XLA and all.

Owns the judging of what `tests/serve/c_api/generate.c` writes.
Skipped where there is no C compiler.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from exported import NEW, ROWS, TEXTS, model, tokenizer
from helpers import BACKEND, array

from c_programs import batch_of, built, needs_a_compiler

SOURCE = Path(__file__).parents[1] / "serve" / "c_api" / "generate.c"
INVALID_ARGUMENT = 3

pytestmark = [
    needs_a_compiler,
    pytest.mark.skipif(BACKEND != "tensorflow", reason="the same on every backend: once is enough"),
]


def names(directory: Path) -> list[str]:
    """The tensors of `serving_default`: C has no protobuf."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    definition = saved.meta_graphs[0].signature_def["serving_default"]
    return [definition.inputs["text"].name, definition.outputs["continuation_bytes"].name]


def test_a_server_in_c(directory: Path, tmp_path: Path) -> None:
    batches: list[list[str]] = [TEXTS, [], [""], TEXTS[:2], ["a"] * (ROWS + 1), TEXTS[3:]]
    given = b"".join(batch_of([text.encode() for text in texts]) for texts in batches)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command: list[Any] = [built(SOURCE, tmp_path / "generate"), directory, *names(directory)]
    run = subprocess.run(command, input=given, capture_output=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr.decode(errors="replace")[-2000:]

    at, output = 0, run.stdout
    expected = {text: _continued(text) for text in TEXTS}
    for texts in batches:
        (code,) = struct.unpack_from("i", output, at)
        at += 4
        good = all(text in expected for text in texts)
        found = []
        for _ in texts if code == 0 else [0]:
            (length,) = struct.unpack_from("I", output, at)
            found.append(output[at + 4 : at + 4 + length])
            at += 4 + length
        if good:
            assert (code, [text.decode(errors="replace") for text in found]) == (
                0,
                [expected[t] for t in texts],
            )
        else:
            reason = b"the prompt is empty" if len(texts) == 1 else b"4 texts at most"
            assert code == INVALID_ARGUMENT and reason in found[0]
    assert at == len(output)


def _continued(text: str) -> str:
    ids = tokenizer().encode(text)
    found = array(model().generate([ids], max_new_tokens=NEW))[0, len(ids) :].tolist()
    return tokenizer().decode(found[: found.index(299)] if 299 in found else found)
