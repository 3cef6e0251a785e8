"""Programs in C against the installed TensorFlow, for the tests of what runs where there is no Python.

Owns the compiler and its flags, and the form of a program's input. Refuses to know what a program does, and to import
TensorFlow.
"""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_COMPILER = shutil.which("gcc") or shutil.which("cc")

needs_a_compiler = pytest.mark.skipif(_COMPILER is None, reason="no C compiler on the PATH")


def built(source: Path, program: Path) -> Path:
    """The program of a source, linked to the libraries of the wheel."""
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None and spec.origin is not None and _COMPILER is not None
    wheel = Path(spec.origin).parent
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
    if shutil.which("ld.gold"):
        flags.append("-fuse-ld=gold")  # reads the wheel's huge libraries in a quarter of the time
    command = [_COMPILER, *flags, "-o", str(program), str(source), *libraries]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return program


def batch_of(texts: Sequence[bytes]) -> bytes:
    """A batch as the programs read it: uint32 count, then uint32 length and bytes of each text."""
    return struct.pack("I", len(texts)) + b"".join(struct.pack("I", len(text)) + text for text in texts)
