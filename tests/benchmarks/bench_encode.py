"""How fast are encoding and decoding, beside the other GPT-2 tokenizers? `make bench` runs this; it tests nothing.

Each library runs in processes of its own, all on the same core (the same two for two threads), in another order each
round; a figure is the median over the rounds, with the least and the most beside ours. Before anything is timed its ids
must be tiktoken's: a library with other ids is named and left out of that row. One that is not installed is said to be
missing. Owns the command line; workloads, calls, processes, table and chart have files of their own (`encode_*.py`).

    python tests/benchmarks/bench_encode.py --text Chinese=zh.jsonl.gz --json figures.json --chart docs/speed.svg
    python tests/benchmarks/bench_encode.py --parts worst --sizes 1000,1000000,100000000
    python tests/benchmarks/bench_encode.py --from figures.json more.json --chart docs/speed.svg
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import encode_run
from bench_machine import Clock, chosen_cores, load, machine
from encode_chart import chart
from encode_libraries import LIBRARIES
from encode_report import rows, table
from encode_run import Run, installed, progress
from encode_workloads import Workload, chosen

import gpt2tok
from gpt2tok import formats
from gpt2tok._core import gpt2_vocabulary

PARTS = ("encode", "threads", "lists", "call", "decode", "start", "worst", "memory")
USUAL = PARTS[:-1]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Encoding and decoding speed of gpt2tok beside tiktoken, tokenizers, gigatoken, fastokens, kitoken,"
        " riptoken and splintr: those that are installed (pip install 'gpt2tok[bench]').",
        epilog="A quarter of an hour with everything; figures of a busy machine are worth little.",
    )
    add = parser.add_argument
    add(
        "--text",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="also encode this file of JSON lines with a 'text' each, or of plain text, gzipped or not (repeatable)",
    )
    add("--only", default="", metavar="NAME", help="only workloads whose name holds this, in any case")
    add(
        "--libraries",
        default="",
        metavar="NAME,...",
        help="only these beside gpt2tok and tiktoken, which judges ids",
    )
    add(
        "--parts",
        default=",".join(USUAL),
        help=f"what to measure, of {','.join(PARTS)} (default: all but memory)",
    )
    add("--rounds", type=int, default=5, help="processes for each library and row (default 5)")
    add("--quick", action="store_true", help="one round: to see that it works, not to quote")
    add(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="with cpu the processor time of the process counts, for one thread: for a machine that is never quiet",
    )
    add("--core", type=int, help="the core for one thread (default: the last one there is)")
    add(
        "--sizes",
        default="1000,100000,1000000",
        help="bytes of the worst texts (default 1000,100000,1000000)",
    )
    add("--worst-peers", action="store_true", help="try the worst texts on the peers, too: some take minutes")
    add("--patience", type=float, default=60, help="seconds for a process of worst or memory (default 60)")
    add("--millions", type=int, default=20, help="millions of distinct words for memory (default 20)")
    add("--memory", action="store_true", help="only the growth of memory: --parts memory")
    add("--worst", action="store_true", help="only the worst texts, up to 100 MB, on all libraries")
    add("--json", type=Path, metavar="FILE", help="write the machine, the versions and every figure here")
    add("--chart", type=Path, metavar="FILE.svg", help="draw the encoding rates on one thread here")
    add(
        "--from",
        dest="earlier",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="measure nothing: read earlier runs",
    )
    options = parser.parse_args(given)
    if options.memory or options.worst:
        options.parts = "memory" if options.memory else "worst"
    if options.worst:
        options.sizes, options.worst_peers = "1000,10000,100000,1000000,10000000,100000000", True
    options.parts = options.parts.split(",")
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"--parts: {part!r} is none of {', '.join(PARTS)}")
    try:
        options.sizes = [int(size) for size in options.sizes.split(",")]
    except ValueError:
        parser.error(f"--sizes: {options.sizes!r} is no list of numbers with commas between")
    if options.rounds < 1 or options.millions < 2 or min(options.sizes) < 200:
        parser.error("--rounds must be at least 1, --millions 2, --sizes 200")
    options.rounds = 1 if options.quick else options.rounds
    return options


def main() -> int:
    options = arguments()
    report = read(options.earlier) if options.earlier else measured(options)
    if report is None:
        return 2
    print("\n" + table(rows(report["figures"])) + "\n")
    print("\n".join(f"{name}: {value}" for name, value in report["machine"].items()))
    print("\n".join(report["notes"]))
    if options.json:
        options.json.write_text(written(report), "utf-8")
    if options.chart:
        options.chart.write_text(chart(rows(report["figures"]), report["machine"]), "utf-8")
    return 0


def written(report: dict[str, Any]) -> str:
    """JSON with a line for each figure."""
    lines = ",\n".join(json.dumps(figure) for figure in report["figures"])
    return (
        json.dumps({**report, "figures": []}, indent=1).replace('"figures": []', f'"figures": [\n{lines}\n]')
        + "\n"
    )


def read(paths: list[Path]) -> dict[str, Any]:
    """Several runs as one, on the machine of the first."""
    reports = [json.loads(path.read_text("utf-8")) for path in paths]
    machines = {report["machine"]["machine"] for report in reports}
    if len(machines) > 1:
        raise SystemExit(f"these runs are of {len(machines)} machines: one table cannot hold them")
    return {
        "machine": {
            key: "; ".join(dict.fromkeys(report["machine"][key] for report in reports))
            for key in reports[0]["machine"]
        },
        "notes": list(dict.fromkeys(note for report in reports for note in report["notes"])),
        "figures": [figure for report in reports for figure in report["figures"]],
    }


def measured(options: argparse.Namespace) -> dict[str, Any] | None:
    libraries, missing = installed()
    if options.libraries:
        wanted = {"gpt2tok", "tiktoken", *options.libraries.split(",")}
        libraries = [name for name in libraries if name.partition(",")[0] in wanted]
    workloads = chosen(options.only, options.text)
    if not workloads:
        print(f"no workload's name holds {options.only!r}", file=sys.stderr)
        return None
    cores, begin = chosen_cores(2, options.core), Clock.now()
    with tempfile.TemporaryDirectory() as folder:
        write_vocabulary(Path(folder))
        run = Run(libraries, Path(folder), cores, options.rounds, options.clock)
        for name in missing:
            run.note(f"{name} is not installed and so is missing here (pip install {name})")
        if not cores:
            run.note("this system pins no process to a core: figures vary more")
        measure(run, workloads, options)
        distributions = dict.fromkeys(LIBRARIES[name][2] for name in libraries)
        about = {
            **machine(distributions, cores),
            "rounds": str(options.rounds),
            "clock": options.clock,
            "others meanwhile": begin.others(),
            "load average": load(2),
        }
        return {"machine": about, "notes": run.notes, "figures": run.as_json()}


def measure(run: Run, workloads: list[Workload], options: argparse.Namespace) -> None:
    parts = options.parts
    english = next((workload for workload in workloads if "english" in workload.name.lower()), workloads[0])
    for workload in workloads:
        if "encode" in parts or "threads" in parts:
            progress(workload.name, lambda workload=workload: encode_run.encoding(run, workload))
        if "threads" in parts and len(run.cores) == 2:
            progress(
                f"{workload.name}, 2 threads",
                lambda workload=workload: encode_run.encoding(run, workload, threads=2),
            )
    sizes, worst_libraries = options.sizes, run.libraries if options.worst_peers else ["gpt2tok"]
    rest = {
        "lists": lambda: encode_run.encoding(run, english, "lists"),
        "call": lambda: encode_run.short_calls(run),
        "decode": lambda: encode_run.decoding(run, english),
        "start": lambda: encode_run.starting(run),
        "worst": lambda: encode_run.worst(run, worst_libraries, sizes, options.patience),
        "memory": lambda: encode_run.growing(run, options.millions, 5 * options.patience),
    }
    for part, work in rest.items():
        if part in parts:
            progress(part, work)


def write_vocabulary(directory: Path) -> None:
    """GPT-2's vocabulary, the one inside gpt2tok, in the peers' own formats: nothing is downloaded."""
    vocab, merges = gpt2_vocabulary()
    tokens = gpt2tok.get_encoding("gpt2").token_bytes()
    (directory / "gpt2.tiktoken").write_bytes(formats.tiktoken_bytes(tokens))
    whole = formats.tokenizer_json_bytes(vocab, merges, [], False, True, None)
    (directory / "tokenizer.json").write_bytes(whole)
    with suppress(ImportError):
        import kitoken

        kitoken.Kitoken.from_tiktoken_file(str(directory / "gpt2.tiktoken")).to_file(
            str(directory / "gpt2.kit")
        )


if __name__ == "__main__":
    sys.exit(main())
