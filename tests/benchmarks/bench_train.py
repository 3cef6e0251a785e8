"""How fast does a vocabulary train, beside the other trainers? `make bench-train` runs this; nothing here is a test.

Each library learns from the same file in processes of its own, on the same two cores, the libraries taking turns: a
figure is the median over the rounds, a ratio the median of the rounds' own ratios, and peak memory that of the whole
process. Before anything is timed, the merges of those libraries that promise tokenizers' must be tokenizers'; the
others cut or break ties their own way. A peer that is not installed is said to be missing.

    python tests/benchmarks/bench_train.py [--english FILE] [--chinese FILE] [--text FILE ...] [--size N]
                                           [--rounds N] [--peers NAME,...] [--json FILE] [--quick]

Without files the corpora are 31 MB of Python sources (the standard library and what is installed) and 21 MB of Chinese
drawn from the bigrams of tests/data/chinese.jsonl.gz: nearly all its pretokens are distinct, as in real Chinese.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from bench_machine import load, processor
from train_worker import LIBRARIES

HERE = Path(__file__).parent
EXACT = ("gpt2tok", "tokenizers", "gigabpe")
Figures = dict[str, list[dict[str, Any]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training speed and memory of gpt2tok and its peers.")
    parser.add_argument(
        "--english", type=Path, help="English: JSON lines with 'text' or plain text, may be gzipped"
    )
    parser.add_argument("--chinese", type=Path, help="Chinese, instead of the drawn one")
    parser.add_argument("--text", type=Path, action="append", default=[], help="any other corpus")
    parser.add_argument("--only", default="", help="corpora whose name holds this")
    parser.add_argument("--peers", default="", help="only these peers, with commas between")
    parser.add_argument("--size", type=int, default=32_000, help="ids to learn (default 32000)")
    parser.add_argument("--threads", type=int, default=2, help="threads for each library (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per library and corpus (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round: to see that it works, not to quote")
    parser.add_argument("--json", type=Path, help="write every figure here as well")
    given = parser.parse_args()
    if given.rounds < 1 or given.threads < 1 or given.size < 256:
        parser.error("--rounds and --threads must be at least 1, --size at least 256")
    given.rounds = 1 if given.quick else given.rounds
    return given


def main() -> int:
    given = arguments()
    wanted = [name for name in LIBRARIES if not given.peers or name in ("gpt2tok", *given.peers.split(","))]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    libraries = [name for name in wanted if name not in missing]
    for peer in missing:
        print(f"{peer} is not installed and so is left out (pip install 'gpt2tok[bench-train]')")
    cores = chosen_cores(given.threads)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in corpora(given, Path(folder)).items():
            figures: Figures = {library: [] for library in libraries}
            if not same_merges(libraries, path, given, cores, name):
                return 1
            for turn in range(given.rounds):
                shift = turn % len(libraries)
                for library in libraries[shift:] + libraries[:shift]:
                    figures[library].append(ask(library, path, given, cores))
                print(f"round {turn + 1} of {given.rounds} on {name}", file=sys.stderr)
            report[name] = summary(figures, path.stat().st_size)
            print(table(name, report[name]))
    about = {
        "libraries": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {processor()}, cores {cores}, {given.threads} threads",
        "ids": str(given.size),
        "rounds": str(given.rounds),
        "load average": load(given.threads),
    }
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    if given.json:
        content = {"machine": about, "missing": missing, "corpora": report}
        given.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return 0


def chosen_cores(threads: int) -> str:
    if not hasattr(os, "sched_getaffinity"):
        print("this system pins no process to a core: figures will vary more")
        return "-"
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[-threads:]))


def corpora(given: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """The corpora, each as one file of text."""
    named = {"English": given.english, "Chinese": given.chinese} | {path.name: path for path in given.text}
    texts = {name: plain_text(path) for name, path in named.items() if path is not None}
    if not texts or "Python".find(given.only) >= 0 or "drawn".find(given.only) >= 0:
        texts["Python sources"] = python_sources(31_000_000)
        if "Chinese" not in texts:
            texts["Chinese, drawn"] = drawn_chinese(21_000_000)
    paths = {}
    for number, (name, text) in enumerate(texts.items()):
        if given.only in name:
            paths[name] = folder / f"{number}.txt"
            paths[name].write_bytes(text)
    if not paths:
        raise SystemExit(f"no corpus's name holds {given.only!r}")
    return paths


def plain_text(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if ".jsonl" in path.name:
        content = "\n".join(json.loads(line)["text"] for line in content.splitlines()).encode()
    return content


def python_sources(most: int) -> bytes:
    parts, size = [], 0
    for folder in ("stdlib", "purelib"):
        for path in sorted(Path(sysconfig.get_path(folder)).rglob("*.py")):
            content = path.read_bytes()
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                continue  # the standard library tests its own reading of such files
            parts.append(content)
            size += len(content)
            if size >= most:
                return b"".join(parts)
    return b"".join(parts)


def drawn_chinese(most: int) -> bytes:
    """Text in which each character follows the one before as often as in the poems."""
    poems = plain_text(HERE.parent / "data" / "chinese.jsonl.gz").decode()
    following: dict[str, list[str]] = defaultdict(list)
    for first, second in zip(poems, poems[1:] + poems[:1], strict=True):
        following[first].append(second)
    generator = random.Random(0)
    character, drawn = poems[0], []
    for _ in range(most // 3):
        character = generator.choice(following[character])
        drawn.append(character)
    return "".join(drawn).encode()


def ask(library: str, path: Path, given: argparse.Namespace, cores: str) -> Any:
    command = [sys.executable, HERE / "train_worker.py", library, path, given.size, given.threads, cores]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{library} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def same_merges(libraries: list[str], path: Path, given: argparse.Namespace, cores: str, name: str) -> bool:
    exact = [library for library in EXACT if library in libraries]
    found = {library: ask(library, path, given, cores)["digests"] for library in exact}
    differing = [library for library in exact if found[library] != found[exact[-1]]]
    if differing:
        print(
            f"{name}: {', '.join(differing)}: other merges than {exact[-1]}; nothing was timed",
            file=sys.stderr,
        )
        return False
    print(f"{name}: the merges of {', '.join(exact)} are equal")
    return True


def summary(figures: Figures, size: int) -> dict[str, Any]:
    """Medians; the best peer is the quickest in the median."""
    rows = {
        library: {
            "seconds": median(run["seconds"] for run in runs),
            "peak_MB": median(run["peak"] for run in runs) / 1e6,
        }
        for library, runs in figures.items()
    }
    peers = [library for library in rows if library != "gpt2tok"]
    result: dict[str, Any] = {"MB": size / 1e6, "libraries": rows}
    if peers:
        best = min(peers, key=lambda peer: rows[peer]["seconds"])
        pairs = zip(figures[best], figures["gpt2tok"], strict=True)
        result["best_peer"] = best
        result["times_best_peer"] = median(peer["seconds"] / ours["seconds"] for peer, ours in pairs)
        result["lowest_peer_MB"] = min(rows[peer]["peak_MB"] for peer in peers)
    return result


def table(name: str, result: dict[str, Any]) -> str:
    lines = ["", f"{name}, {result['MB']:.1f} MB"]
    for library, row in sorted(result["libraries"].items(), key=lambda item: item[1]["seconds"]):
        lines.append(f"  {library:<12}{row['seconds']:8.2f} s {row['peak_MB']:8.0f} MB")
    if "best_peer" in result:
        ours = result["libraries"]["gpt2tok"]["peak_MB"]
        lines.append(
            f"  gpt2tok is {result['times_best_peer']:.2f} times as fast as {result['best_peer']} and needs"
            f" {ours / result['lowest_peer_MB']:.2f} times the memory of the most frugal peer"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
