"""In which order do libraries and processes run, and what is asked of each? From workloads to figures.

Owns the processes: a new one for each library and round, all on the same cores, the libraries in another order each
round, and the ids of each library held against tiktoken's first. Refuses to judge: `encode_report.py` does.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from encode_libraries import LIBRARIES
from encode_workloads import Workload
from encode_worst import WORST

WORKER = Path(__file__).with_name("encode_worker.py")
PASSES = ("first", "new", "repeat")
JUDGES = ("tiktoken", "tokenizers")


@dataclass
class Figure:
    """What one library did in one row, all rounds of it."""

    part: str
    workload: str
    measure: str
    library: str
    unit: str
    threads: int = 1
    values: list[float] = field(default_factory=list)


@dataclass
class Run:
    """A running benchmark: what it measures with, and all it has found so far."""

    libraries: list[str]
    files: Path
    cores: list[int]
    rounds: int
    clock: str = "wall"
    figures: dict[tuple[Any, ...], Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, value: float, **row: Any) -> None:
        figure = self.figures.setdefault(tuple(sorted(row.items())), Figure(**row))
        figure.values.append(value)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, file=sys.stderr)

    def ask(
        self, library: str, task: str, *, threads: int = 1, seconds: float | None = None, **job: Any
    ) -> Any:
        """What a new process answers; None where it fails or takes longer, which is noted."""
        whole = {"library": library, "task": task, "files": str(self.files), "threads": threads, **job}
        whole["cores"] = self.cores[-threads:]
        whole["clock"] = "wall" if threads > 1 else self.clock
        try:
            done = subprocess.run(
                [sys.executable, WORKER, json.dumps(whole)],
                check=False,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            self.note(f"{library}: {task} {job.get('kind', '')} was given up after {seconds:g} s")
            return None
        if done.returncode:
            self.note(
                f"{library}: {task} failed: {(done.stderr.strip().splitlines() or ['no word'])[-1][:300]}"
            )
            return None
        return json.loads(done.stdout.splitlines()[-1])

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(figure) for figure in self.figures.values()]


def simple(libraries: list[str]) -> list[str]:
    """Without the second way ("name, way") to call one in batches."""
    return [name for name in libraries if "," not in name]


def turns(libraries: list[str], rounds: int) -> Iterator[str]:
    """Each library once a round, in another order each round."""
    for turn in range(rounds):
        order = list(libraries)
        random.Random(turn).shuffle(order)
        yield from order


def texts_file(run: Run, workload: Workload) -> str:
    path = run.files / f"{abs(hash((workload.name, workload.sizes)))}.json"
    if not path.exists():
        path.write_text(json.dumps([workload.first, workload.second]), "utf-8")
    return str(path)


def exact(run: Run, workload: Workload, form: str, threads: int) -> list[str]:
    """The libraries whose ids are the judge's; the others are named and left out."""
    texts = texts_file(run, workload)

    def answer(library: str) -> Any:
        return run.ask(library, "ids", threads=threads, form=form, texts=texts)

    judge = next((library for library in JUDGES if library in run.libraries), "gpt2tok")
    right, found = answer(judge), []
    for library in run.libraries:
        got = right if library == judge else answer(library)
        if got == right and right is not None:
            found.append(library)
        elif got is not None:
            run.note(f"{library} gives other ids than {judge} on {workload.name}: left out there")
    return found


def encoding(run: Run, workload: Workload, form: str = "ids", threads: int = 1) -> None:
    """The three passes, and the first one again in processes that have encoded one letter before."""
    libraries, texts = exact(run, workload, form, threads), texts_file(run, workload)
    part = "lists" if form == "lists" else "encode"
    name = f"{workload.name}, {'+'.join(f'{size / 1e6:.2f}' for size in workload.sizes)} MB"
    for library in turns(libraries, run.rounds):
        tasks: list[tuple[str, tuple[str, ...]]] = [("passes", PASSES)]
        if threads == 1:
            tasks.append(("prepared", ("first, set up",)))
        for task, measures in tasks:
            seconds = run.ask(library, task, threads=threads, form=form, texts=texts)
            for measure, value in zip(measures, seconds or (), strict=False):
                size = workload.sizes[0 if measure.startswith("first") else 1]
                row = {"part": part, "workload": name, "measure": measure, "library": library, "unit": "MB/s"}
                run.add(size / 1e6 / value, threads=threads, **row)


def decoding(run: Run, workload: Workload) -> None:
    """All ids of a workload to bytes and to str, as one list, as one array, as a batch."""
    libraries, texts = exact(run, workload, "lists", 1), texts_file(run, workload)
    for library in turns(simple(libraries), run.rounds):
        for measure, seconds in (run.ask(library, "decoding", texts=texts) or {}).items():
            if seconds < 0:
                run.note(f"{library}: {measure} gives another text")
                continue
            rate = sum(workload.sizes) / 1e6 / seconds
            run.add(
                rate, part="decode", workload=workload.name, measure=measure, library=library, unit="MB/s"
            )


def short_calls(run: Run) -> None:
    for library in turns(simple(run.libraries), run.rounds):
        for measure, seconds in (run.ask(library, "short") or {}).items():
            run.add(
                seconds * 1e6, part="call", workload="114 bytes", measure=measure, library=library, unit="us"
            )


def starting(run: Run) -> None:
    measures = ("import", "load GPT-2", "first call")
    for library in turns(simple(run.libraries), 3 * run.rounds):
        seconds = run.ask(library, "start") or ()
        for measure, value in zip(measures, seconds, strict=False):
            run.add(
                value * 1e3, part="start", workload="new process", measure=measure, library=library, unit="ms"
            )


def worst(run: Run, libraries: list[str], sizes: list[int], seconds: float) -> None:
    """MB/s at each size and, from n to 2n bytes, how many times as long."""
    for size in sizes:
        for kind in WORST:
            for library in turns(libraries, run.rounds):
                answer = run.ask(library, "worst", kind=kind, size=size, seconds=seconds)
                if answer is None:
                    continue
                row = {"part": "worst", "workload": f"{kind}, {of_bytes(size)}", "library": library}
                run.add(1e-6 / answer[0], measure="rate", unit="MB/s", **row)
                run.add(2 * answer[1] / answer[0], measure="time(2n)/time(n)", unit="x", **row)


def growing(run: Run, millions: int, seconds: float) -> None:
    for library in turns(simple(run.libraries), 1):
        answer = run.ask(library, "memory", millions=millions, seconds=seconds)
        if answer is None:
            continue
        row = {"part": "memory", "workload": "distinct words", "library": library, "unit": "MiB"}
        for million in {1, millions // 2, millions}:
            run.add(answer[million - 1] / 2**20, measure=f"after {million} million", **row)
        run.add(answer[-1] / 2**20, measure="peak", **row)


def of_bytes(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1000} KB"


def installed() -> tuple[list[str], list[str]]:
    """The libraries there are, and the distributions that are missing."""
    import importlib.util

    there = [name for name, (_, package, _) in LIBRARIES.items() if importlib.util.find_spec(package)]
    missing = [LIBRARIES[name][2] for name in LIBRARIES if name not in there]
    return there, list(dict.fromkeys(missing))


def progress(what: str, work: Callable[[], None]) -> None:
    from time import perf_counter

    begin = perf_counter()
    work()
    print(f"measured {what} in {perf_counter() - begin:.0f} s", file=sys.stderr)
