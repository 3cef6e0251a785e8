"""How many tokens a second, beside transformers, keras-hub and CTranslate2? `make bench-model` runs this.

gpt2-small with random weights, greedy, every library in its own fastest documented way. One process at a time,
the libraries taking turns, the order turned round each time; figures are medians. A ratio is ours over the best
peer of the same run; the share of the bound is the bytes of the weights that one step reads, times steps a
second, over what this machine streams from memory, measured at the start. Owns the turns and the table;
`generate_worker.py` owns each library's use. Who is not installed is said to be missing.

    python tests/benchmarks/bench_generate.py [--task "1 x 32 + 128"] [--turns N] [--only NAME] [--json FILE]

A whole run takes most of an hour. It can be done in parts, each with `--json`, wherever the machine is quiet; then
`--turns 0 --from PART.json ...` shows them as one table (ratios then compare different minutes).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TASKS = {"1 x 32 + 128": (1, 32, 128), "8 x 32 + 128": (8, 32, 128), "1 x 896 + 128": (1, 896, 128)}
CONTENDERS = {
    "ours, TensorFlow": ("ours", "tensorflow", "float32"),
    "ours, JAX": ("ours", "jax", "float32"),
    "ours, PyTorch": ("ours", "torch", "float32"),
    "ours, JAX, bfloat16": ("ours", "jax", "bfloat16"),
    "ours, JAX, int8": ("ours", "jax", "int8"),
    "ours, TensorFlow, bfloat16": ("ours", "tensorflow", "bfloat16"),
    "ours, TensorFlow, int8": ("ours", "tensorflow", "int8"),
    "ours, PyTorch, bfloat16": ("ours", "torch", "bfloat16"),
    "transformers, PyTorch": ("transformers", "torch", "float32"),
    "keras-hub, TensorFlow": ("keras-hub", "tensorflow", "float32"),
    "keras-hub, JAX": ("keras-hub", "jax", "float32"),
    "CTranslate2": ("ctranslate2", "torch", "float32"),
    "CTranslate2, oneDNN": ("ctranslate2", "torch", "float32"),
}
# On a processor of Intel's it takes MKL, which may be the slower of its two libraries for products.
ENVIRONMENT = {"CTranslate2, oneDNN": {"CT2_USE_MKL": "0"}}
MODULES = {"ours": "gpt2model", "keras-hub": "keras_hub"}
PACKAGES = ("keras", "tensorflow", "jax", "torch", "transformers", "keras-hub", "ctranslate2")
PARAMETERS = 12 * (12 * 768 * 768) + 50257 * 768  # what a step reads of gpt2-small, biases left out


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tokens per second of greedy generation with gpt2-small.")
    parser.add_argument("--turns", type=int, default=2, help="processes per library and task (default 2)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="timed generations in each process (default 3)"
    )
    parser.add_argument("--task", choices=TASKS, help="only this one")
    parser.add_argument(
        "--only",
        default="",
        help="these contenders, or those whose names hold one of these; semicolons between",
    )
    parser.add_argument("--json", type=Path, help="write every figure here as well")
    parser.add_argument(
        "--from", dest="earlier", type=Path, nargs="+", default=[], metavar="JSON",
        help="figures of earlier runs, where none is measured now; of several the last",
    )  # fmt: skip
    return parser.parse_args()


def bandwidth() -> float:
    """Bytes a second that NumPy's sum of 512 MB gets from memory on one core, times the cores."""
    numbers = np.ones(1 << 27, "float32")
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - start)
    return numbers.nbytes / best * len(os.sched_getaffinity(0))


def run(name: str, task: str, repeats: int) -> list[dict[str, float]]:
    library, backend, form = CONTENDERS[name]
    sizes = [str(number) for number in TASKS[task]]
    process = subprocess.run(
        [sys.executable, str(HERE / "generate_worker.py"), library, *sizes, str(repeats), form],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **ENVIRONMENT.get(name, {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        sys.exit(f"{name}, {task}: the process ended with {process.returncode}\n{process.stderr[-3000:]}")
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


def earlier(files: list[Path]) -> tuple[dict[str, dict[str, Any]], float]:
    """Figures by task and contender, and the fastest stream from memory that any of these runs saw."""
    found: dict[str, dict[str, Any]] = {task: {} for task in TASKS}
    stream = 0.0
    for file in files:
        part = json.loads(file.read_text())
        stream = max(stream, part["stream"])
        for task, figures in part["results"].items():
            if task not in found or not figures.keys() <= CONTENDERS.keys():
                sys.exit(
                    f"{file} is of another version of this benchmark: it has {task}, {', '.join(figures)}"
                )
            found[task] |= figures
    return found, stream


def measure(task: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    chosen = [part for part in given.only.split(";") if part]
    names = [
        name
        for name, (library, _, _) in CONTENDERS.items()
        if given.turns > 0
        and importlib.util.find_spec(MODULES.get(library, library))
        and (not chosen or any(part == name if part in CONTENDERS else part in name for part in chosen))
    ]
    lines: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    first: dict[str, list[float]] = {name: [] for name in names}
    rows, _, new = TASKS[task]
    for turn in range(given.turns):
        for name in names if turn % 2 == 0 else names[::-1]:
            preparation, *steps = run(name, task, given.repeats)
            first[name].append(preparation["first"])
            lines[name] += steps
            speeds = [round(rows * new / step["seconds"], 1) for step in steps]
            print(f"  {name}: {speeds}", file=sys.stderr, flush=True)
    return {
        name: {
            "tokens_per_second": rows * new / median(step["seconds"] for step in steps),
            "cpu_seconds": median(step["cpu"] for step in steps),
            "first_call_seconds": median(first[name]),
            "peak_mb": max(step["peak_mb"] for step in steps),
            "all_seconds": [step["seconds"] for step in steps],
        }
        for name, steps in lines.items()
    }


def show(task: str, figures: dict[str, dict[str, Any]], stream: float) -> None:
    peers = [row["tokens_per_second"] for name, row in figures.items() if not name.startswith("ours")]
    rows = TASKS[task][0]
    print(
        f"\n{task:28}{'tokens/s':>10}{'x best peer':>13}{'of the bound':>14}{'CPU s':>8}"
        f"{'first call':>12}{'peak MB':>10}"
    )
    for name, row in figures.items():
        row["ratio"] = row["tokens_per_second"] / max(peers) if peers else float("nan")
        size = {"bfloat16": 2, "int8": 1}.get(CONTENDERS[name][2], 4)
        row["of_bound"] = row["tokens_per_second"] / rows * PARAMETERS * size / stream
        print(
            f"{name:28}{row['tokens_per_second']:10.1f}{row['ratio']:13.2f}{row['of_bound']:14.0%}"
            f"{row['cpu_seconds']:8.1f}{row['first_call_seconds']:12.1f}{row['peak_mb']:10.0f}"
        )


def main() -> int:
    given = arguments()
    versions = {
        name: importlib.metadata.version(name)
        for name in PACKAGES
        if importlib.util.find_spec(name.replace("-", "_"))
    }
    before, stream = earlier(given.earlier)
    stream = max(stream, bandwidth())
    print(f"gpt2-small, greedy, {len(os.sched_getaffinity(0))} cores, {stream / 1e9:.0f} GB/s; {versions}")
    missing = sorted({name for name in PACKAGES if name not in versions})
    if missing:
        print(f"not installed, so not compared: {', '.join(missing)} (make bench-model installs all)")
    results = {}
    for task in (given.task,) if given.task else TASKS:
        results[task] = before[task] | measure(task, given)
        if not results[task]:
            continue
        results[task] = {name: results[task][name] for name in CONTENDERS if name in results[task]}
        show(task, results[task], stream)
    if given.json:
        given.json.write_text(
            json.dumps({"versions": versions, "stream": stream, "results": results}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
