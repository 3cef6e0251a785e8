"""What TensorFlow says while it is imported: notes are dropped, errors pass, and who asks for all gets all.

A package of that name stands in for it, which says what TensorFlow 2.21 says and imports in no time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTES = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795408720.113623    5030 port.cc:153] oneDNN custom operations are on.",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
    "W0000 00:00:1795408720.113997    5030 gpu_device.cc:2342] Cannot dlopen some GPU libraries.",
    "2026-11-23 04:44:44.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
]
ERRORS = [
    "E0000 00:00:1795408728.014703    5068 cuda_platform.cc:52] failed call to cuInit",
    "F0000 00:00:1795408728.014703    5068 cpu.cc:1] this processor has no AVX",
    "ImportWarning: a line of Python's",
]
RUN = """
import os, sys
from gpt2tok.cli.quiet import keep_tensorflow_quiet
keep_tensorflow_quiet()
import tensorflow as tf
import tensorflow.core
os.write(2, b"I0000 00:00:1 after the import\\n")
print(tf.__name__, tf.__spec__.name, tf.core.__name__, tf.__file__ is not None, len(os.listdir("/proc/self/fd")))
"""


def said(
    folder: Path, lines: list[str], end: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    (folder / "tensorflow").mkdir()
    (folder / "tensorflow" / "core.py").touch()
    text = "".join(f"{line}\n" for line in lines)
    (folder / "tensorflow" / "__init__.py").write_text(f"import os\nos.write(2, {text.encode()!r})\n{end}\n")
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", RUN],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**kept, "PYTHONPATH": path, **environment},
    )


AFTER = "I0000 00:00:1 after the import\n"


def test_notes_are_dropped_and_errors_pass(tmp_path: Path) -> None:
    done = said(tmp_path, [line for pair in zip(NOTES, [*ERRORS, *ERRORS], strict=False) for line in pair])
    passed = [*ERRORS, *ERRORS][: len(NOTES)]
    assert done.stderr == "".join(f"{line}\n" for line in passed) + AFTER
    assert done.stdout.startswith("tensorflow tensorflow tensorflow.core True ")


def test_who_sets_the_level_hears_all(tmp_path: Path) -> None:
    done = said(tmp_path, NOTES, TF_CPP_MIN_LOG_LEVEL="0")
    assert done.stderr == "".join(f"{line}\n" for line in NOTES) + AFTER


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os.abort()", ""),
        ("raise ImportError('no libcuda')", "ImportError: no libcuda\n"),
        ("os._exit(3)", ""),
    ],
)
def test_the_last_words_of_a_process_that_dies_pass(end: str, told: str, tmp_path: Path) -> None:
    done = said(tmp_path, [NOTES[0], ERRORS[1]], end)
    assert done.returncode != 0 and done.stdout == ""
    assert (
        done.stderr.startswith(f"{ERRORS[1]}\n")
        and done.stderr.endswith(told)
        and NOTES[0] not in done.stderr
    )


def test_a_process_without_stderr(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("import os\n")
    (tmp_path / "tensorflow" / "core.py").touch()
    command = f"import os\nos.close(2)\n{RUN.replace('os.write', '(lambda *_: 0)')}"
    done = subprocess.run(
        [sys.executable, "-c", command],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env={
            **{k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        },
    )
    assert done.returncode == 0 and done.stdout.startswith("tensorflow ")
