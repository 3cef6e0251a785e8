"""Training among signals, threads and terminals."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from training_oracle import corpus

import gpt2tok
from gpt2tok.cli import main

MAKE = """
import os, random, signal, sys, threading, time
import gpt2tok
generator = random.Random(0)
letters = [chr(0x4e00 + n) for n in range(3000)]
text = "".join(generator.choices(letters, k=3_000_000))
texts = [text[i:i + 20] for i in range(0, len(text), 20)]
def interrupt(after):
    threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
"""


def run(code: str, timeout: float = 120) -> str:
    command = [sys.executable, "-c", MAKE + textwrap.dedent(code)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("part", ["reading", "learning"])
def test_ctrl_c_answers(threads: int, part: str) -> None:
    """Within 200 ms of CPU time on a quiet machine; the bound here only tells it from not answering."""
    code = f"""
        import itertools
        corpus = itertools.cycle(texts) if {part == "reading"} else texts
        if {part == "learning"}:
            gpt2tok.train(texts[:2000], 400, show_progress=False)
        sent = []
        def interrupt_when_ready():
            time.sleep(0.5)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        def endless():
            yield from texts * 3
            threading.Thread(target=interrupt_when_ready).start()
        threading.Thread(target=interrupt_when_ready).start() if {part == "reading"} else None
        try:
            source = corpus if {part == "reading"} else endless()
            gpt2tok.train(source, 60_000, num_threads={threads}, show_progress=False)
            print("done")
        except KeyboardInterrupt:
            print(time.perf_counter() - sent[0])
    """
    answered = run(code).strip()
    assert answered != "done"
    assert float(answered) < 2.0


def test_other_threads_run_meanwhile() -> None:
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    ticker = threading.Thread(target=tick)
    texts = ["".join(corpus("python"))]
    ticker.start()
    start = time.perf_counter()
    gpt2tok.train(texts, 8000, show_progress=False)
    spent = time.perf_counter() - start
    stop.set()
    ticker.join()
    assert ticks > spent * 20, (ticks, spent)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_progress_goes_to_a_terminal_and_nowhere_else() -> None:
    code = "gpt2tok.train(texts + texts, 20_000)"
    command = [
        sys.executable,
        "-c",
        MAKE + "import gpt2tok.training.progress as p; p._FIRST_SECONDS = 0\n" + code,
    ]
    quiet = subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert (quiet.stdout, quiet.stderr) == (b"", b"")
    master, slave = os.openpty()
    process = subprocess.Popen(command, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    assert process.wait(timeout=120) == 0
    assert b"read " in shown and b" MB" in shown and b" of 19,743 merges" in shown
    assert shown.endswith(b"\r\x1b[K")


def test_the_command_leaves_nothing_behind_when_it_is_stopped(tmp_path: Path) -> None:
    letters = [chr(0x4E00 + n) for n in range(3000)]
    text = "".join(random.Random(1).choices(letters, k=2_000_000)).encode()
    for stop, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        for pause in (0.0, 0.3):
            command = ["train", "-", "-o", tmp_path / "made", "--vocab-size", "60000", "--whole-files"]
            process = subprocess.Popen(
                [sys.executable, "-m", "gpt2tok", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert process.stdin is not None
            process.stdin.write(
                text
            )  # returns when nearly all of it has been read: first Ctrl-C while reading ...
            if pause:
                process.stdin.close()  # ... then while learning
                process.stdin = None
            time.sleep(pause)
            process.send_signal(stop)
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out, err) == (code, b"", b"")
            assert list(tmp_path.iterdir()) == []


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, directories too."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("to", ["made", "made.json", "made.tiktoken"])
@pytest.mark.parametrize("old", [False, True])
def test_ctrl_c_while_saving_leaves_all_as_it_was(
    to: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at every step to the disk, before and after it: making the directory, flushing, renaming."""
    text, place = tmp_path / "text.txt", tmp_path / "place"
    text.write_text("low lower lowest\n" * 9, "utf-8")
    place.mkdir()
    command = ["train", str(text), "-o", str(place / to), "--overwrite", "--vocab-size"]
    if old:
        assert main([*command, "258"]) == 0
    before = contents(tmp_path)
    system = {name: getattr(os, name) for name in ("fsync", "replace", "mkdir")}
    moments, stop = 0, 0

    def moment() -> None:
        nonlocal moments
        moments += 1
        if moments == stop:
            raise KeyboardInterrupt

    def step(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "mkdir" and not str(arguments[0]).startswith(str(place)):
            return system[name](*arguments, **more)  # a temporary directory: its module has a gap of its own
        moment()
        done = system[name](*arguments, **more)
        # After the last rename all is saved: the rest is the flushing of the directory.
        moment()
        return done

    for name in system:
        monkeypatch.setattr(os, name, functools.partial(step, name))
    code, undone = 130, 0
    while code == 130:
        moments, stop = 0, stop + 1
        code = main([*command, "260"])
        if code == 130 and contents(tmp_path) == before:
            undone += 1
        elif code == 130:
            break
    # Before the last rename everything is as it was. After it everything is new, and nothing lies beside it.
    files = ["merges.txt", "tokenizer_config.json", "vocab.json"] if to == "made" else [to]
    folder = place / to if to == "made" else place
    assert undone > 5
    assert sorted(path.name for path in folder.iterdir()) == files
    assert sorted(contents(tmp_path)) == sorted(
        {*before, str(folder), *(str(folder / name) for name in files)}
    )
    new = contents(place)
    assert main([*command, "260"]) == 0 and contents(place) == new
