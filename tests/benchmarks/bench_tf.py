"""How fast is the tokenizer in the graph? Beside one tiktoken thread and keras-hub, on text that none has seen.

    python bench_tf.py [--english FILE.jsonl] [--multilingual FILE.jsonl] [--threads 1] [--rounds 15] [--json OUT.json]

Each round takes new texts, gives them to all three in turn, in an order that changes, and checks that the ids of this
project and of tiktoken are equal; the figures are medians over the rounds. Everything is pinned to as many cores as
`--threads` says, TensorFlow's pools too. On a busy machine `--clock cpu` counts the processor time of the whole process
instead of the wall's. Files hold {"text": ...} lines; without them, English is the docstrings of the standard library,
and the rest `tests/data/multilingual.jsonl`.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import os
import random
import re
import statistics
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
BATCH = 256
# Prose: documentation is full of names and code, which are not what a figure for English should measure.
_SENTENCE = re.compile(
    r"(?=.{70,200}\Z)[A-Z][a-z]*( [A-Za-z][a-z]*[,;:]?|'[a-z]+| [0-9]+,?|-[a-z]+| \([a-z ]+\)){4,}[.!?]"
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--english", type=Path)
    parser.add_argument("--multilingual", type=Path, default=DATA / "multilingual.jsonl")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def pin(threads: int) -> None:
    """Before TensorFlow is imported: its pools look at the cores they find."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))


def english_sentences(file: Path | None) -> list[str]:
    if file is not None:
        texts = [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]
    else:
        texts = list(_docstrings())
    sentences = [" ".join(s.split()) for text in texts for s in re.split(r"(?<=[.!?])\s+", text)]
    return sorted({s for s in sentences if _SENTENCE.fullmatch(s)})


def _docstrings() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (
                found := ast.get_docstring(node)
            ):
                yield found


def lines_of(file: Path) -> list[str]:
    texts = [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]
    return sorted({line.strip() for text in texts for line in text.splitlines() if len(line.strip()) > 20})


class Contest:
    """The three tokenizers, and how a round between them goes."""

    def __init__(self, clock: str) -> None:
        import keras_hub
        import tensorflow as tf
        import tiktoken
        from tiktoken_ext.openai_public import r50k_pat_str

        import gpt2tok
        from gpt2tok._core import gpt2_vocabulary
        from gpt2tok.tf import TFGPT2Tokenizer

        self._tf = tf
        self._now = time.perf_counter if clock == "wall" else time.process_time
        vocab, merges = gpt2_vocabulary()
        ranks = {token: rank for rank, token in gpt2tok.get_encoding("gpt2").token_bytes()}
        self.tiktoken = tiktoken.Encoding(
            "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={}
        )
        layer = TFGPT2Tokenizer(vocab, merges)
        signature = [tf.TensorSpec([None], tf.string)]

        # As a server runs them: plain tensors come out, no ragged ones are put together in Python.
        def plain(tokenize: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def run(texts: Any) -> tuple[Any, Any]:
                rows = tokenize(texts)
                return rows.flat_values, rows.row_splits

            return run

        self.ours = tf.function(plain(layer.tokenize), input_signature=signature, autograph=False)
        hub = keras_hub.tokenizers.BytePairTokenizer(vocab, [f"{a} {b}" for a, b in merges])
        self.hub = tf.function(plain(hub.tokenize), input_signature=signature)

    def tensor(self, texts: list[str]) -> Any:
        return self._tf.constant([text.encode() for text in texts])

    def check(self, texts: list[str]) -> int:
        """The number of tokens; stops the benchmark if a single id differs from tiktoken's."""
        ids, splits = (x.numpy().tolist() for x in self.ours(self.tensor(texts)))
        ours = [ids[a:b] for a, b in itertools.pairwise(splits)]
        want = [self.tiktoken.encode_ordinary(text) for text in texts]
        if ours != want:
            bad = next(text for text, a, b in zip(texts, ours, want, strict=True) if a != b)
            raise SystemExit(f"ids differ from tiktoken's on {bad!r}")
        return sum(map(len, want))

    def seconds(self, run: Callable[[], Any]) -> float:
        start = self._now()
        run()
        return self._now() - start

    def round(self, texts: list[str], turn: int) -> dict[str, float]:
        given = self.tensor(texts)
        runs: list[tuple[str, Callable[[], Any]]] = [
            ("gpt2tok.tf", lambda: self.ours(given)),
            ("tiktoken", lambda: [self.tiktoken.encode_ordinary(text) for text in texts]),
            ("keras-hub", lambda: self.hub(given)),
        ]
        turn %= len(runs)
        return {name: self.seconds(run) for name, run in runs[turn:] + runs[:turn]}


def race(contest: Contest, texts: list[str], rounds: int) -> dict[str, float]:
    """Medians over rounds of new texts, the first one left out (it warms up)."""
    rounds = min(rounds, len(texts) // BATCH - 1)
    if rounds < 1:
        raise SystemExit(f"{len(texts)} texts are too few: {2 * BATCH} are needed")
    results, tokens, size = [], 0, 0
    for i in range(rounds + 1):
        batch = texts[i * BATCH : (i + 1) * BATCH]
        times = contest.round(batch, i)
        count = contest.check(batch)
        if i:
            results.append(times)
            tokens += count
            size += sum(len(text.encode()) for text in batch)
    median = {name: statistics.median(r[name] for r in results) for name in results[0]}
    return {
        "rounds": rounds,
        "bytes_per_batch": size / rounds,
        "tokens_per_batch": tokens / rounds,
        **{f"{name} ms": seconds * 1e3 for name, seconds in median.items()},
        "of tiktoken": statistics.median(r["tiktoken"] / r["gpt2tok.tf"] for r in results),
        "times keras-hub": statistics.median(r["keras-hub"] / r["gpt2tok.tf"] for r in results),
    }


def single(contest: Contest, texts: list[str]) -> dict[str, float]:
    """Milliseconds for one sentence at a time, a different one each time."""
    times = []
    for text in texts[:300]:
        given = contest.tensor([text])
        times.append(contest.seconds(lambda given=given: contest.ours(given)) * 1e3)
    times = sorted(times[20:])
    return {"median ms": statistics.median(times), "90% ms": times[len(times) * 9 // 10]}


def long_run(contest: Contest, english: dict[str, float]) -> dict[str, float]:
    """200 KB of one letter, against the English rate per byte."""
    given = contest.tensor(["a" * 200_000])
    contest.check(["a" * 20_000])
    times = [contest.seconds(lambda: contest.ours(given)) * 1e3 for _ in range(8)][1:]
    rate = english["gpt2tok.tf ms"] / english["bytes_per_batch"]
    return {
        "median ms": statistics.median(times),
        "times the English time": statistics.median(times) / (rate * 200_000),
    }


def main() -> None:
    options = arguments()
    pin(options.threads)
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    chance = random.Random(0)
    sentences, lines = english_sentences(options.english), lines_of(options.multilingual)
    chance.shuffle(sentences)
    chance.shuffle(lines)

    contest = Contest(options.clock)
    report: dict[str, Any] = {
        "threads": options.threads,
        "clock": options.clock,
        "tensorflow": tf.__version__,
    }
    report["256 English sentences"] = race(contest, sentences, options.rounds)
    report["256 lines in many languages"] = race(contest, lines, options.rounds)
    report["one English sentence"] = single(contest, sentences[-600:])
    report["200 KB of one letter"] = long_run(contest, report["256 English sentences"])

    print(
        f"TensorFlow {tf.__version__}, {options.threads} thread(s) here, one for tiktoken, {options.clock} clock"
    )
    for name, figures in report.items():
        if isinstance(figures, dict):
            print(f"{name}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
