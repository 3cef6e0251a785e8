"""How fast are a forward pass and a training step of gpt2-small, beside transformers and keras-hub? `make
bench-model` runs this.

8 x 512 tokens, random weights, float32, every library as its own documentation uses it: transformers in
PyTorch with its default attention, keras-hub and this package compiled by TensorFlow and by JAX, there both as it comes
and with freed memory kept (`gpt2model.keep_freed_memory()`, which serves every library on JAX). One process
at a time, the libraries taking turns, the order turned round each time; figures are medians. Beside the wall
clock stands the CPU time, which other work on the machine disturbs less. Owns the turns and the table;
`model_worker.py` owns each library's use.

    python tests/benchmarks/bench_model.py [--turns N] [--repeats N] [--shape 8x512] [--json FILE] [--quick]
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
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
TASKS = ("forward", "train")
CONTENDERS = {
    "ours, TensorFlow": ("ours", "tensorflow", False),
    "ours, JAX": ("ours", "jax", False),
    "ours, JAX, memory kept": ("ours", "jax", True),
    "transformers, PyTorch": ("transformers", "torch", False),
    "keras-hub, TensorFlow": ("keras-hub", "tensorflow", False),
    "keras-hub, JAX": ("keras-hub", "jax", False),
    "keras-hub, JAX, memory kept": ("keras-hub", "jax", True),
}
PACKAGES = ("keras", "tensorflow", "jax", "torch", "transformers", "keras-hub")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Forward pass and training step of gpt2-small, in seconds.")
    parser.add_argument("--turns", type=int, default=2, help="processes per library and task (default 2)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="timed repetitions in each process (default 3)"
    )
    parser.add_argument("--shape", default="8x512", help="rows x positions (default 8x512)")
    parser.add_argument("--task", choices=TASKS, help="only this one")
    parser.add_argument(
        "--only", default="", help="contenders whose name holds one of these, between semicolons"
    )
    parser.add_argument(
        "--quick", action="store_true", help="2x128, once: to see that it works, not to quote"
    )
    parser.add_argument("--json", type=Path, help="write every figure here as well")
    given = parser.parse_args()
    if given.quick:
        given.turns, given.repeats, given.shape = 1, 1, "2x128"
    return given


def run(name: str, task: str, given: argparse.Namespace) -> list[dict[str, float]]:
    """One process of a contender: the lines it prints, the preparation first."""
    library, backend, kept = CONTENDERS[name]
    process = subprocess.run(
        [sys.executable, str(HERE / "model_worker.py"), library, task, str(given.repeats)],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "BENCH_SHAPE": given.shape,
            "BENCH_KEEP_MEMORY": "1" if kept else "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        sys.exit(f"{name}, {task}: the process ended with {process.returncode}\n{process.stderr[-3000:]}")
    return [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]


def measure(task: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Every contender's figures for a task."""
    wanted = given.only.split(";")
    names = [
        name
        for name in CONTENDERS
        if any(part in name for part in wanted) and importlib.util.find_spec(package(name))
    ]
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    first: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(given.turns):
        for name in names if turn % 2 == 0 else names[::-1]:
            preparation, *steps = run(name, task, given)
            first[name].append(preparation["first"])
            taken[name] += steps
            seconds = ", ".join(f"{step['seconds']:.2f}" for step in steps)
            print(f"  {name}: {seconds} s", file=sys.stderr, flush=True)
    return {
        name: {
            "seconds": median(step["seconds"] for step in steps),
            "cpu_seconds": median(step["cpu"] for step in steps),
            "first_call_seconds": median(first[name]),
            "peak_mb": max(step["peak_mb"] for step in steps),
            "all_seconds": [step["seconds"] for step in steps],
        }
        for name, steps in taken.items()
    }


def package(name: str) -> str:
    """The module a contender cannot do without."""
    return {"ours": "gpt2model", "transformers": "transformers", "keras-hub": "keras_hub"}[
        CONTENDERS[name][0]
    ]


def show(task: str, figures: dict[str, dict[str, Any]]) -> None:
    """The table of a task. A ratio above 1 means faster than the best peer."""
    peers = [row for name, row in figures.items() if not name.startswith("ours")]
    print(
        f"\n{task:28}{'seconds':>10}{'x best peer':>13}{'CPU s':>9}{'x best peer':>13}{'first call':>12}{'peak MB':>10}"
    )
    for name, row in figures.items():
        wall = min(peer["seconds"] for peer in peers) / row["seconds"] if peers else float("nan")
        cpu = min(peer["cpu_seconds"] for peer in peers) / row["cpu_seconds"] if peers else float("nan")
        row |= {"ratio": wall, "cpu_ratio": cpu}
        print(
            f"{name:28}{row['seconds']:10.2f}{wall:13.2f}{row['cpu_seconds']:9.2f}{cpu:13.2f}"
            f"{row['first_call_seconds']:12.1f}{row['peak_mb']:10.0f}"
        )


def main() -> int:
    given = arguments()
    versions = {
        name: importlib.metadata.version(name)
        for name in PACKAGES
        if importlib.util.find_spec(name.replace("-", "_"))
    }
    print(
        f"gpt2-small, {given.shape} tokens, float32, {len(os.sched_getaffinity(0))} cores, {platform.machine()}; "
        f"{versions}"
    )
    results = {}
    for task in (given.task,) if given.task else TASKS:
        results[task] = measure(task, given)
        show(task, results[task])
    if given.json:
        given.json.write_text(
            json.dumps({"shape": given.shape, "versions": versions, "results": results}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
