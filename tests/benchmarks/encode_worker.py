"""One library, one task, one process: what a benchmark's job asks for, as JSON on standard output. Run by encode_run.

Owns the clock and the state that the library is in when it starts: nothing is called before a first pass, and all texts
are read. Loads no library but the one under test.

    python encode_worker.py '{"library": "gpt2tok", "task": "passes", ...}'
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

CALLS = 300  # of a short text in one go: a few hundred microseconds at least
Job = dict[str, Any]


clock = perf_counter  # or process_time, as the job says


def timed(call: Callable[[Any], Any], argument: Any) -> float:
    gc.collect()
    gc.disable()
    start = clock()
    result = call(argument)
    seconds = clock() - start
    gc.enable()
    del result
    return seconds


def ids(job: Job, calls: Any) -> list[str]:
    """A digest of the ids of each half."""
    from encode_libraries import id_bytes

    halves = json.loads(Path(job["texts"]).read_text("utf-8"))
    return [hashlib.sha256(id_bytes(calls[job["form"]](texts))).hexdigest() for texts in halves]


def passes(job: Job, calls: Any) -> list[float]:
    """Seconds: the first half cold, the second half new to a warm library, the second half again (the median of 3)."""
    first, second = json.loads(Path(job["texts"]).read_text("utf-8"))
    call = calls[job["form"]]
    return [timed(call, first), timed(call, second), median(timed(call, second) for _ in range(3))]


def prepared(job: Job, calls: Any) -> list[float]:
    """Seconds for the first half after one call on one letter: what a library sets up once is then done."""
    first, _ = json.loads(Path(job["texts"]).read_text("utf-8"))
    call = calls[job["form"]]
    call(["a"])
    return [timed(call, first)]


def short(job: Job, calls: Any) -> dict[str, float]:
    """Seconds for one call on a short text, or on its ids, after thousands of them."""
    from encode_workloads import SHORT

    numbers = calls["one to list"](SHORT)
    arguments: dict[str, Any] = {"one": SHORT, "decode list": numbers}
    with suppress(ImportError):
        import numpy

        arguments["decode array"] = numpy.array(numbers, numpy.uint32)
    found = {}
    for kind, argument in arguments.items():
        for name in [name for name in calls if name.startswith(f"{kind} to ")]:
            call = calls[name]

            def many(argument: Any, call: Callable[[Any], Any] = call) -> None:
                for _ in range(CALLS):
                    call(argument)

            many(argument)
            found[name] = median(timed(many, argument) for _ in range(30)) / CALLS
    return found


def decoding(job: Job, calls: Any) -> dict[str, float]:
    """Seconds for decoding all texts of both halves: as one batch, and as one list or array of all ids."""
    texts = [text for half in json.loads(Path(job["texts"]).read_text("utf-8")) for text in half]
    batch = calls["lists"](texts)
    whole = [number for row in batch for number in row]
    arguments: dict[str, Any] = {"decode list": whole, "decode batch": batch}
    with suppress(ImportError):
        import numpy

        arguments["decode array"] = numpy.array(whole, numpy.uint32)
    found, right = {}, "".join(texts)
    for kind, argument in arguments.items():
        for name in [name for name in calls if name.startswith(f"{kind} to ")]:
            answer = calls[name](argument)
            joined = answer if kind != "decode batch" else type(answer[0])().join(answer)
            if (joined if isinstance(joined, str) else joined.decode()) != right:
                found[name] = -1.0  # decodes to another text: not to be compared
                continue
            del answer, joined
            found[name] = median(timed(calls[name], argument) for _ in range(3))
    return found


def memory(job: Job, calls: Any) -> list[float]:
    """Growth in bytes after each million of distinct words, the peak last."""
    import resource

    from encode_worst import distinct_words

    calls["ids"](["a"])
    start, found, peak = resident(), [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for million in range(job["millions"]):
        for part in range(10):
            calls["ids"]([distinct_words(10 * million + part)])
        found.append(float(resident() - start))
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [*found, float(max(0, highest - max(peak, start)))]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def worst(job: Job, calls: Any) -> list[float]:
    """Seconds per byte for different texts of one kind, n bytes each, then 2n bytes each."""
    from encode_worst import made

    found = []
    for size in (job["size"], 2 * job["size"]):
        count = max(1, min(50, 200_000 // size))
        texts = [made(job["kind"], size, seed) for seed in range(count)]
        call = calls["ids"]
        call(["a"])
        seconds = sum(timed(call, [text]) for text in texts)
        found.append(seconds / sum(len(text.encode()) for text in texts))
    return found


def start(job: Job, make: Callable[[], Any], package: str) -> list[float]:
    """Seconds: importing the package, loading GPT-2's vocabulary, the first call on a short text."""
    from encode_workloads import SHORT

    begin = clock()
    importlib.import_module(package)
    imported = clock()
    calls = make()
    loaded = clock()
    calls["one to list"](SHORT)
    return [imported - begin, loaded - imported, clock() - loaded]


TASKS = {task.__name__: task for task in (ids, passes, prepared, short, decoding, memory, worst)}


def main() -> None:
    global clock  # noqa: PLW0603 - a process has one job, and that one clock
    job: Job = json.loads(sys.argv[1])
    clock = process_time if job["clock"] == "cpu" else perf_counter
    if job["cores"]:
        os.sched_setaffinity(0, job["cores"])
    # What the libraries' own thread pools go by; they read it when they start.
    os.environ["RAYON_NUM_THREADS"] = os.environ["FASTOKENS_BPE_THREADS"] = str(job["threads"])
    # NumPy's own threads would turn in circles for the first 30 ms of the process, on cores that are measured.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if job["threads"] > 1 else "false"
    from encode_libraries import LIBRARIES

    make, package, _ = LIBRARIES[job["library"]]
    if job["task"] == "start":
        answer: Any = start(job, lambda: make(Path(job["files"]), job["threads"]), package)
    else:
        with suppress(ImportError):
            import numpy  # noqa: F401 - a first call would import it, and that is no encoding
        answer = TASKS[job["task"]](job, make(Path(job["files"]), job["threads"]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
