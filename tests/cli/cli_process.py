"""The command `gpt2tok` as a process, for the tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GPT2TOK = [sys.executable, "-m", "gpt2tok"]
END_OF_TEXT = "<|endoftext|>"
SAMPLE = Path(__file__).parents[1] / "data" / "multilingual.jsonl"


def run(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    command = [*GPT2TOK, *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, cwd=cwd, env=variables, timeout=60
    )


def output(*arguments: object, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> bytes:
    done = run(*arguments, stdin=stdin, cwd=cwd, **environment)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout


def assert_error(done: subprocess.CompletedProcess[bytes], code: int, *parts: str) -> None:
    """One line on stderr that holds the parts; nothing of Python shows."""
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert message.startswith("gpt2tok: error: ") and message.count("\n") == 1, message
    for part in parts:
        assert part in message, message


def noted(arguments: list[str], folder: Path, *parts: str) -> str:
    """Done, with one line on stderr that holds the parts."""
    done = run(*arguments, cwd=folder)
    shown = done.stderr.decode()
    assert done.returncode == 0 and done.stdout == b"", shown
    assert shown.startswith("gpt2tok: note: ") and shown.count("\n") == 1, shown
    for part in parts:
        assert part in shown, shown
    return shown


def listing(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())
