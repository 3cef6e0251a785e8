"""How fast is encoding, beside tiktoken and tokenizers? `make bench` runs this; nothing here is a test.

Each library runs in processes of its own, one thread, pinned to the same core, the libraries taking turns; a figure is
the median over the rounds. Before anything is timed the ids of all libraries must be the same. A peer that is not
installed is said to be missing. Owns the measuring and the table; texts are `encode_workloads.py`'s.

    python tests/benchmarks/bench_encode.py [--text FILE ...] [--rounds N] [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from encode_worker import LIBRARIES
from encode_workloads import Workload, from_file, standard, worst

import gpt2tok
from gpt2tok import formats
from gpt2tok._core import gpt2_vocabulary

PHASES = ("first", "new", "repeat")
PEERS = ("tiktoken", "tokenizers")
HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Encoding speed of gpt2tok, tiktoken and tokenizers, in MB/s."
    )
    parser.add_argument(
        "--text", type=Path, action="append", default=[], help="JSON lines or plain text, may be gzipped"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="processes per library and workload (default 5)"
    )
    parser.add_argument("--core", type=int, help="the core to run on (default: the last one there is)")
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    parser.add_argument("--quick", action="store_true", help="one round: to see that it works, not to quote")
    parser.add_argument("--json", type=Path, help="write every figure here as well")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    given.rounds = 1 if given.quick else given.rounds
    return given


def main() -> int:
    given = arguments()
    missing = [peer for peer in PEERS if importlib.util.find_spec(peer) is None]
    libraries = [name for name in LIBRARIES if name not in missing]
    if importlib.util.find_spec("numpy") is None:
        libraries.remove("gpt2tok, arrays")
    for peer in missing:
        print(f"{peer} is not installed and so is left out (pip install {peer})")
    core = chosen_core(given.core)
    workloads = [*standard(), *map(from_file, given.text), *worst()]
    workloads = [workload for workload in workloads if given.only in workload.name]
    if not workloads:
        print(f"no workload's name holds {given.only!r}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_vocabulary(directory)
        for number, workload in enumerate(workloads):
            content = {"first": workload.first, "second": workload.second}
            (directory / f"{number}.json").write_text(json.dumps(content), "utf-8")
        if not same_ids(libraries, workloads, directory, core):
            return 1
        rates = measured(libraries, workloads, directory, core, given.rounds)
    start = starting(given.rounds, core)
    about = machine(libraries, core, given.rounds)
    print(table(libraries, workloads, rates))
    print(start_lines(start))
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    if given.json:
        report = {"machine": about, "start_ms": start, "missing": missing, "MB_per_second": rates}
        given.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def chosen_core(asked: int | None) -> str:
    """The core as the worker takes it; "-" where the system does not pin."""
    if not hasattr(os, "sched_getaffinity"):
        print("this system pins no process to a core: figures will vary more")
        return "-"
    cores = sorted(os.sched_getaffinity(0))
    if asked is not None and asked not in cores:
        raise SystemExit(f"core {asked} is not one of {cores}")
    return str(cores[-1] if asked is None else asked)


def write_vocabulary(directory: Path) -> None:
    """GPT-2's vocabulary in the peers' own formats."""
    vocab, merges = gpt2_vocabulary()
    tokens = gpt2tok.get_encoding("gpt2").token_bytes()
    (directory / "gpt2.tiktoken").write_bytes(formats.tiktoken_bytes(tokens))
    whole = formats.tokenizer_json_bytes(vocab, merges, [], False, True, None)
    (directory / "tokenizer.json").write_bytes(whole)


def ask(library: str, task: str, directory: Path, workload: int, core: str) -> Any:
    command = [sys.executable, HERE / "encode_worker.py", library, task, directory, str(workload), core]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{library} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def same_ids(libraries: list[str], workloads: list[Workload], directory: Path, core: str) -> bool:
    judge = next((peer for peer in PEERS if peer in libraries), "gpt2tok")
    for number, workload in enumerate(workloads):
        right = ask(judge, "ids", directory, number, core)
        for library in libraries:
            if library != judge and ask(library, "ids", directory, number, core) != right:
                print(
                    f"{workload.name}: {library} gives other ids than {judge}; nothing was timed",
                    file=sys.stderr,
                )
                return False
    print(f"ids: all equal to {judge}'s on {len(workloads)} workloads")
    return True


def measured(
    libraries: list[str], workloads: list[Workload], directory: Path, core: str, rounds: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Medians in MB/s by workload, library and phase. Libraries take turns, in another order each round."""
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for number, workload in enumerate(workloads):
        megabytes = [
            sum(len(text.encode()) for text in half) / 1e6 for half in (workload.first, workload.second)
        ]
        seconds: dict[str, list[list[float]]] = {library: [] for library in libraries}
        for turn in range(rounds):
            shift = turn % len(libraries)
            for library in libraries[shift:] + libraries[:shift]:
                seconds[library].append(ask(library, "time", directory, number, core))
        sizes = [megabytes[0], megabytes[1], megabytes[1]]
        rates[workload.name] = {
            library: {
                phase: size / median(row[place] for row in rows)
                for place, (phase, size) in enumerate(zip(PHASES, sizes, strict=True))
            }
            for library, rows in seconds.items()
        }
        print(f"measured {workload.name}", file=sys.stderr)
    return rates


def table(
    libraries: list[str], workloads: list[Workload], rates: dict[str, dict[str, dict[str, float]]]
) -> str:
    """A row a workload and phase: MB/s of each library, then gpt2tok's ratio to tiktoken and to the best peer."""
    peers = [peer for peer in PEERS if peer in libraries]
    english = rates.get(workloads[0].name) if not workloads[0].worst else None
    head = [
        "workload",
        "text",
        *libraries,
        *([f"x {peer}" for peer in peers[:1]]),
        "x best peer",
        "of English",
    ]
    rows = [head]
    for workload in workloads:
        for phase in PHASES:
            here = {library: values[phase] for library, values in rates[workload.name].items()}
            ours = here["gpt2tok"]
            ratios = [f"{ours / here[peer]:.1f}" for peer in peers[:1]]
            best = f"{ours / max(here[peer] for peer in peers):.1f}" if peers else "-"
            share = f"{ours / english['gpt2tok'][phase]:.2f}" if workload.worst and english else ""
            rates_shown = [f"{here[library]:.1f}" for library in libraries]
            rows.append(
                [workload.name if phase == "first" else "", phase, *rates_shown, *ratios, best, share]
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    title = "MB/s on one thread, medians. first: in a new process; new: other text afterwards; repeat: that text again"
    return "\n".join(["", title, "", *(line.rstrip() for line in lines), ""])


def starting(rounds: int, core: str) -> dict[str, float]:
    """Milliseconds: importing over bare Python (whole processes), and get_encoding inside a process."""
    pin = f"import os; os.sched_setaffinity(0, {{{core}}})\n" if core != "-" else ""
    clock = "from time import perf_counter\nstart = perf_counter()\n"
    stop = "print((perf_counter() - start) * 1e3)"
    inside = pin + clock + "import gpt2tok\n" + stop
    getting = pin + "import gpt2tok\n" + clock + "gpt2tok.get_encoding('gpt2')\n" + stop
    codes = {"bare": pin, "import": pin + "import gpt2tok"}
    times: dict[str, list[float]] = {"bare": [], "import": [], "import_inside": [], "get_encoding": []}
    from time import perf_counter

    for _ in range(5 * rounds):
        for name, code in codes.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times[name].append((perf_counter() - start) * 1e3)
        for name, code in (("import_inside", inside), ("get_encoding", getting)):
            done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            times[name].append(float(done.stdout))
    medians = {name: median(values) for name, values in times.items()}
    return {**medians, "import_over_bare": medians["import"] - medians["bare"]}


def start_lines(start: dict[str, float]) -> str:
    return (
        f"import gpt2tok: {start['import_over_bare']:.1f} ms over bare Python's {start['bare']:.1f} ms"
        f" ({start['import_inside']:.1f} ms by its own clock)\n"
        f"get_encoding('gpt2'): {start['get_encoding']:.1f} ms"
    )


def machine(libraries: list[str], core: str, rounds: int) -> dict[str, str]:
    names = dict.fromkeys(library.partition(",")[0] for library in libraries)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    where = "not pinned" if core == "-" else f"core {core} of {os.cpu_count()}"
    return {
        "libraries": versions,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {processor()}, {where}",
        "rounds": str(rounds),
        "load average": load(),
    }


def load() -> str:
    """What else ran meanwhile: figures of a busy machine are not worth quoting."""
    if not hasattr(os, "getloadavg"):
        return "unknown"
    minute = os.getloadavg()[0]
    return f"{minute:.1f}" + (" (busy: do not quote these figures)" if minute > 1.5 else "")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


if __name__ == "__main__":
    sys.exit(main())
