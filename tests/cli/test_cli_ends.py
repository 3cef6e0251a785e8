"""How the command ends when the world fails it: pipes, signals, disks, and the file that was there."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import END_OF_TEXT, GPT2TOK, assert_error, listing, output, run

OLD = b"old content\n"


@pytest.mark.parametrize(
    "command", [["encode"], ["encode", "--raw"], ["encode", "--json"], ["show"], ["show", "--ids"]]
)
def test_a_closed_pipe_ends_quietly(command: list[str]) -> None:
    with subprocess.Popen(
        [*GPT2TOK, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        try:
            process.stdin.write(b"hello world\n" * 100_000)
            process.stdin.close()
        except BrokenPipeError:
            process.stdin = None
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["encode", "-t", "x"], ["count", "-t", "x"]]
)
def test_short_output_into_a_closed_pipe(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*GPT2TOK, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("arguments", [["encode", "-t", "x"], ["count", "-t", "x"], ["show", "-t", "x"]])
def test_standard_output_full_or_closed(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*GPT2TOK, *arguments], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert_error(done, 1, "standard output: cannot write (No space left on device)")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *GPT2TOK, *arguments],
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert_error(closed, 1, "standard output is closed")


def interrupted(
    command: list[str], number: int, ready: Callable[[], bool], **pipes: int
) -> tuple[int, bytes]:
    with subprocess.Popen(
        [*GPT2TOK, *command], stdin=subprocess.PIPE, stderr=subprocess.PIPE, **pipes
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"hello world\n" * 600_000)  # beyond the first part: the command is at work
        process.stdin.flush()
        while not ready():
            time.sleep(0.01)
        process.send_signal(number)
        # Standard input stays open: nothing but the signal can end the command.
        code = process.wait(timeout=60)
        return code, process.stderr.read()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_without_a_traceback_and_leave_the_old_file(
    tmp_path: Path, number: int, code: int
) -> None:
    target = tmp_path / "ids.bin"
    target.write_bytes(OLD)
    command = ["encode", "--raw", "-o", str(target)]
    assert interrupted(command, number, lambda: len(listing(tmp_path)) > 1) == (code, b"")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"ids.bin": OLD}


def test_kill_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "ids.bin"
    target.write_bytes(OLD)
    code, _ = interrupted(["encode", "-o", str(target)], signal.SIGKILL, lambda: len(listing(tmp_path)) > 1)
    assert code == -signal.SIGKILL
    assert target.read_bytes() == OLD


@pytest.mark.parametrize("bad", [b"\xff", END_OF_TEXT.encode()])
def test_an_error_in_the_input_leaves_the_old_output(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "in").write_bytes(b"hello world\n" * 500_000 + bad)
    (tmp_path / "out").write_bytes(OLD)
    assert_error(
        run("encode", "--raw", "-o", tmp_path / "out", tmp_path / "in"), 1, "in: byte 6000000 (line 500001)"
    )
    assert listing(tmp_path) == ["in", "out"] and (tmp_path / "out").read_bytes() == OLD


def test_a_full_disk_leaves_the_old_output(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(OLD)
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from gpt2tok.cli import main; sys.exit(main())"
    )
    for arguments in (["encode", "-o", tmp_path / "out"], ["convert", "gpt2", tmp_path / "new.json"]):
        command = [sys.executable, "-c", limited, *arguments]
        done = subprocess.run(
            command, input=b"hello\n" * 100_000, capture_output=True, check=False, timeout=60
        )
        assert_error(done, 1, "cannot save (File too large)", os.strerror(errno.EFBIG))
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"out": OLD}
    assert_error(run("encode", "-t", "x", "-o", tmp_path / "out/under"), 1, "a part of the path is a file")
    assert_error(run("encode", "-t", "x", "-o", "/proc/gpt2tok"), 1, "/proc/gpt2tok: cannot save")
    # No old file is spoken of where there is none.
    for target in ("/dev/full", tmp_path / "missing/x"):
        nowhere = run("encode", "-t", "x", "-o", target)
        assert_error(nowhere, 1, f"{target}: cannot save")
        assert b"old file" not in nowhere.stderr
    assert output("encode", "-t", "x", "-o", os.devnull) == b""


def test_the_help_tells_the_exit_codes_of_signals() -> None:
    told = subprocess.run([*GPT2TOK, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "0 done, 1 bad data" in told
    assert (
        f"Ctrl-C end the command without a word, as a shell reports those signals: {128 + signal.SIGPIPE} and"
        f" {128 + signal.SIGINT}." in told
    )


def test_unreadable_inputs(tmp_path: Path) -> None:
    for command in ("encode", "decode", "count", "show"):
        assert_error(
            run(command, tmp_path / "missing"), 1, f"{tmp_path}/missing: cannot read it (No such file"
        )
        assert_error(run(command, tmp_path), 1, f"{tmp_path}: cannot read it (Is a directory)")
    # A text where a file is wanted.
    for command, option in (
        ("count", "--text before it if it is meant as text"),
        ("decode", "--ids before it if it is meant as ids"),
    ):
        mend = f"check the path, or put {option}"
        assert_error(
            run(command, "15496 995"), 1, f"15496 995: cannot read it (No such file or directory): {mend}"
        )
        assert_error(run(command, "15496 " * 1000), 1, f"(File name too long): {mend}")
    assert_error(run("encode", "/proc/self/mem"), 1, "/proc/self/mem: cannot read it (Input/output error)")


def test_starting_up_imports_little() -> None:
    listing = "import sys; from gpt2tok.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    for arguments, limit in ((["--version"], 100), (["encode", "-t", "x"], 150)):
        command = [sys.executable, "-I", "-c", listing, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        modules = set(done.stdout.splitlines()[-1].split())
        assert not modules & {
            "numpy",
            "transformers",
            "tokenizers",
            "tensorflow",
            "torch",
            "asyncio",
            "logging",
        }
        assert len(modules) < limit
