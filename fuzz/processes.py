#!/usr/bin/env python3
"""What processes do to each other, counted in thousands: kills while saving, forks after threads, Ctrl-C, threads.

    python fuzz/processes.py                                       # a few of each, in seconds
    python fuzz/processes.py --kills 1000 --model-kills 1000 --forks 1000 --interrupts 200 --minutes 10

Prints a line for each count, with its figures; ends with 1 if any is not as promised in SECURITY.md. What happens
once in each of these is `tests/test_processes.py`'s and `tests/test_files.py`'s. A count of 0 leaves its part out.
Needs no package beside gpt2tok; --model-kills needs gpt2tok[model,torch]. Unix only.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import gpt2tok
from gpt2tok.cli import main as command

TEXTS = ["the quick brown fox 123 " * 40] * 500
Save = Callable[[Path, int], object]

# What `save_pretrained` of a model is asked for.
MODEL_FORMATS: dict[str, dict[str, Any]] = {
    "safetensors": {},
    "shards": {"max_shard_size": 250_000},
    "keras": {"format": "keras"},
    "weights.h5": {"format": "weights.h5"},
    "keras-hub": {"format": "keras-hub"},
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=20, metavar="N", help="kill -9 while saving, of each kind"
    )
    parser.add_argument(
        "--model-kills",
        type=int,
        default=0,
        metavar="N",
        help="kill -9 while a model is saved, of each kind (0)",
    )
    parser.add_argument(
        "--model-formats",
        nargs="+",
        choices=MODEL_FORMATS,
        default=list(MODEL_FORMATS),
        metavar="FORMAT",
        help=f"of those: {', '.join(MODEL_FORMATS)} (all)",
    )
    parser.add_argument("--forks", type=int, default=3, metavar="N", help="children of each start method")
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["fork", "spawn", "forkserver"],
        metavar="METHOD",
        help="start methods (all)",
    )
    parser.add_argument("--interrupts", type=int, default=3, metavar="N", help="Ctrl-C in a long batch")
    parser.add_argument(
        "--minutes", type=float, default=0.02, metavar="N", help="of 32 threads on one object"
    )
    return parser.parse_args()


# -- kill -9 while saving


def savers() -> Iterator[tuple[str, Save]]:
    """Everything that saves: `save(directory, version)` writes one of two versions of the same files."""
    tokenizers = [gpt2tok.GPT2TokenizerFast.from_pretrained("gpt2")]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "text").write_text("low lower lowest\n" * 9, "utf-8")
        _quietly(["train", f"{folder}/text", "-o", f"{folder}/small", "--vocab-size", "262"])
        tokenizers.append(gpt2tok.GPT2TokenizerFast.from_pretrained(f"{folder}/small"))
    yield "save_vocabulary", lambda place, version: tokenizers[version].save_vocabulary(str(place))
    yield "save_pretrained", lambda place, version: tokenizers[version].save_pretrained(str(place))

    corpus = ["the quick brown fox\n" * 20_000, "jumps over the lazy dog\n" * 20_000]

    def encode(place: Path, version: int) -> None:
        _quietly(["encode", "--raw", "-o", str(place / "ids.bin"), str(place.parent / f"text{version}")])

    def train(place: Path, version: int) -> None:
        text = str(place.parent / f"text{version}")
        _quietly(["train", text, "-o", str(place), "--overwrite", "--vocab-size", "290"])

    for name, save in (("gpt2tok encode -o", encode), ("gpt2tok train -o", train)):
        yield name, partial(_with_corpus, save, corpus)


def model_savers(formats: list[str]) -> Iterator[tuple[str, Save]]:
    """Saves a small model that has one of two weights; "shards" are three, and an index."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "torch")  # the backend whose process may be forked
    import keras

    from gpt2model import GPT2Config, GPT2LMHeadModel

    keras.utils.disable_interactive_logging()
    config = GPT2Config(vocab_size=300, n_positions=16, n_embd=64, n_layer=2, n_head=2)
    models = [GPT2LMHeadModel(config) for _ in range(2)]

    def save(options: dict[str, Any], place: Path, version: int) -> None:
        models[version].save_pretrained(place, **options)

    for name in formats:
        yield f"a model's save_pretrained, {name}", partial(save, MODEL_FORMATS[name])


def _quietly(arguments: list[str]) -> None:
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        if command(arguments) != 0:
            raise RuntimeError(f"gpt2tok {' '.join(arguments)} failed")


def _with_corpus(save: Save, corpus: list[str], place: Path, version: int) -> None:
    for number, text in enumerate(corpus):
        file = place.parent / f"text{number}"
        if not file.exists():
            file.write_text(text, "utf-8")
    save(place, version)


def content(place: Path) -> dict[str, bytes]:
    """The files under their own names; what a killed save leaves beside them has a name that says so."""
    return {path.name: _said(path) for path in place.iterdir() if not path.name.startswith(".")}


def _said(path: Path) -> bytes:
    """What is in a file, but for the moment of its saving, which a Keras archive notes."""
    if path.suffix != ".keras":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["metadata.json"] = members["metadata.json"].partition(b'"date_saved"')[0]
    except (zipfile.BadZipFile, KeyError) as error:
        return f"no whole archive: {error}".encode()
    return repr(sorted(members.items())).encode()


def kills(name: str, save: Save, count: int) -> bool:
    """Kills a process that saves two versions by turns, at any moment; each file must be whole, old or new."""
    with tempfile.TemporaryDirectory() as folder:
        place, versions, turn = Path(folder, "saved"), [], 0.0
        place.mkdir()
        for number, version in enumerate((0, 1, 0, 1)):
            start = time.perf_counter()
            save(place, version)
            turn += time.perf_counter() - start if number > 1 else 0  # the first ones load things
            versions.append(content(place))
        chance = random.Random(name)
        broken = mixed = midst = 0
        for _ in range(count):
            child = os.fork()
            if not child:
                tempfile.tempdir = folder  # Where libraries leave theirs when they are killed.
                with contextlib.suppress(BaseException):
                    while True:
                        for version in (0, 1):
                            save(place, version)
                os._exit(1)
            _wait_for_a_moment(place, turn, chance)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            found = content(place)
            whole = all(
                any(data == version.get(file) for version in versions) for file, data in found.items()
            )
            broken += not whole or not os.WIFSIGNALED(status) or found.keys() != versions[-1].keys()
            mixed += whole and found not in versions
            hidden = _hidden(place)
            midst += bool(hidden)
            for path in hidden:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(
        f"kill -9 in {name}: {count} kills, {broken} broken or half files, {mixed} times old files beside new"
        f" ({midst} in the midst of a save)"
    )
    # A child that only waits, for a lock that a thread had at the fork, shows nothing.
    return not broken and (midst > 0 or count < 20)


def _wait_for_a_moment(place: Path, turn: float, chance: random.Random) -> None:
    """Any moment of a turn, or, as most of a turn goes by before anything is written, one soon after that began."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, 1.5 * turn))
        return
    end = time.monotonic() + 20 * turn + 5
    while not _hidden(place) and time.monotonic() < end:
        time.sleep(0.0002)
    time.sleep(chance.uniform(0, 0.03))


def _hidden(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.name.startswith(".")]


# -- processes after threads


def work() -> int:
    encoding = gpt2tok.get_encoding("gpt2")
    ids = encoding.encode_batch(TEXTS, num_threads=2)
    return sum(map(len, ids)) + len(encoding.decode_batch(ids, num_threads=2))


def answer(right: int) -> None:
    sys.exit(0 if work() == right else 1)


def starts(method: str, count: int) -> bool:
    right, hung, wrong = work(), 0, 0
    context = multiprocessing.get_context(method)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(count):
            assert work() == right
            process = context.Process(target=answer, args=(right,))
            process.start()
            process.join(120)
            if process.exitcode is None:
                hung += 1
                process.kill()
            else:
                wrong += process.exitcode != 0
    print(f"{method} after threads: {count} children, {hung} hangs, {wrong} wrong, {len(warned)} warnings")
    return not (hung or wrong or warned)


# -- threads and signals


def many_threads(minutes: float) -> bool:
    encoding = gpt2tok.get_encoding("gpt2")
    chance = random.Random(0)
    texts = [
        "".join(chance.choices("the quick brown fox 123 中文\n'", k=chance.randrange(3000)))
        for _ in range(200)
    ]
    right = [encoding.encode_ordinary(text) for text in texts]
    end = time.monotonic() + 60 * minutes

    def one(seed: int) -> tuple[int, int]:
        own, calls, errors = random.Random(seed), 0, 0
        while time.monotonic() < end:
            some = own.sample(range(200), own.randrange(1, 100))
            ids = encoding.encode_batch([texts[i] for i in some], num_threads=1 + seed % 3)
            stream = encoding.decode_stream()
            streamed = "".join(map(stream.step, ids[0])) + stream.finish()
            calls += 1
            errors += ids != [right[i] for i in some] or streamed != texts[some[0]]
        return calls, errors

    with ThreadPoolExecutor(32) as pool:
        done = list(pool.map(one, range(32)))
    calls, errors = (sum(column) for column in zip(*done, strict=True))
    print(f"32 threads on one encoding: {minutes:g} minutes, {calls} batches, {errors} wrong")
    return not errors


def interrupts(count: int) -> bool:
    """Ctrl-C at a random moment of a batch that would go on for seconds; how long until the exception is there."""
    encoding = gpt2tok.get_encoding("gpt2")
    chance = random.Random(0)
    digits = "".join(chance.choices("0123456789", k=100_000))
    batch = [digits] * 1200
    encoding.encode_batch(batch[:20], num_threads=2)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    answers = []
    for number in range(count):
        delay = chance.uniform(0.02, 0.3)
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, delay)
        try:
            encoding.encode_ragged(batch, num_threads=1 + number % 2) if _numpy() else encoding.count_batch(
                batch
            )
            print("the batch was done before Ctrl-C")
            return False
        except KeyboardInterrupt:
            answers.append(time.perf_counter() - start - delay)
    signal.signal(signal.SIGALRM, before)
    last = sorted(answers)[max(0, round(0.99 * count) - 1)]
    print(
        f"Ctrl-C in a long batch: {count} times, median {1000 * statistics.median(answers):.0f} ms,"
        f" 99th percentile {1000 * last:.0f} ms"
    )
    return last <= 0.2


def _numpy() -> bool:
    try:
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True


BATCH = """
import random, gpt2tok
chance = random.Random(0)
digits = ["".join(chance.choices("0123456789", k=100_000)) for _ in range(100)]
encoding = gpt2tok.get_encoding("gpt2")
"""


def released() -> bool:
    """The rate of a thread of Python's beside a batch, and beside the same batch in a process of its own: what the
    second costs is the machine's (shared cores), the rest the interpreter's lock. Where the system tells how long a
    thread ran or waited for a core, the rest is what it waited for the lock; a call that keeps the lock shows how much
    that would be here."""
    names: dict[str, Any] = {}
    exec(BATCH, names)
    encode = partial(names["encoding"].count_batch, names["digits"], num_threads=1)
    other = BATCH + "while True: encoding.count_batch(digits, num_threads=1)"
    with subprocess.Popen([sys.executable, "-c", other]) as process:
        time.sleep(1)
        apart, _ = _rate(partial(time.sleep, 1.0))
        process.kill()
    alone, _ = _rate(partial(time.sleep, 1.0))
    # Three times, for a process that somebody else stops for a while is not ready either.
    beside, locked_out = min((_rate(encode) for _ in range(3)), key=lambda found: found[1] or 0)
    _, kept_out = _rate(lambda: [sum(range(10**7)) for _ in range(3)])
    print(
        f"the interpreter's lock: beside a batch on one thread Python keeps {beside / alone:.0%} of its rate;"
        f" beside that batch in another process {apart / alone:.0%}"
    )
    if locked_out is None or kept_out is None:
        return True
    print(
        f"the interpreter's lock: beside the batch a thread waited for it {max(locked_out, 0):.1%} of the time,"
        f" beside a call that keeps it {kept_out:.1%}"
    )
    return locked_out <= kept_out / 4


def _rate(call: Callable[[], object]) -> tuple[float, float | None]:
    """How often a second a thread counts meanwhile, and the share of the time that it had nothing to run with."""
    stop, counted = threading.Event(), [0]

    def count() -> None:
        while not stop.is_set():
            for _ in range(1000):
                pass
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    start, before, ready = time.perf_counter(), counted[0], _ready(thread)
    call()
    took, counts = time.perf_counter() - start, counted[0] - before
    now = _ready(thread)
    locked_out = None if ready is None or now is None else 1 - (now - ready) / took
    stop.set()
    thread.join()
    return counts / took, locked_out


def _ready(thread: threading.Thread) -> float | None:
    """Seconds in which a thread ran or waited for a core (Linux)."""
    try:
        told = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text("ascii").split()
    except OSError:
        return None
    return (int(told[0]) + int(told[1])) / 1e9


def main() -> int:
    options = parse()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    fine = []
    if options.kills:
        fine += [kills(name, save, options.kills) for name, save in savers()]
    if options.model_kills:
        savers_of_models = model_savers(options.model_formats)
        fine += [kills(name, save, options.model_kills) for name, save in savers_of_models]
    if options.forks:
        fine += [starts(method, options.forks) for method in options.methods]
    if options.minutes:
        fine.append(many_threads(options.minutes))
    if options.interrupts:
        fine.append(interrupts(options.interrupts))
    fine.append(released())
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
