"""One library learns one vocabulary in one process: its seconds, its peak memory, its merges. Run by bench_train.

Owns how each library is called: from a text file on disk to merges or ranks in Python, each text being a line, on the
threads asked for. Loads no library but the one under test.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

# (file, vocabulary size, threads) to a function that gives the merges as pairs of strings, or None where a library
# has only ranks.
Learn = Callable[[Path, int, int], Callable[[], "list[tuple[str, str]] | None"]]


def lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from file


def gpt2tok_train(path: Path, size: int, threads: int) -> Any:
    import gpt2tok
    from gpt2tok.formats import byte_alphabet

    encoding = gpt2tok.train(path, size, special_tokens=(), num_threads=threads, show_progress=False)
    merges = encoding.merges()
    alphabet = byte_alphabet()
    return lambda: [tuple("".join(map(alphabet.__getitem__, part)) for part in merge) for merge in merges]


def tokenizers_train(path: Path, size: int, threads: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train(
        [str(path)], trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )
    return lambda: [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


def gigabpe_train(path: Path, size: int, threads: int) -> Any:
    import gigabpe

    _, merges = gigabpe.train_bpe([str(path)], size, pretokenizer="bytelevel", threads=threads)
    return lambda: merges


def gigatoken_train(path: Path, size: int, threads: int) -> Any:
    import gigatoken

    gigatoken.train_bpe(path, size, [])
    return lambda: None


def rustbpe_train(path: Path, size: int, threads: int) -> Any:
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(lines(path), size, pattern=PATTERN)
    tokenizer.get_mergeable_ranks()
    return lambda: None


def bpeasy_train(path: Path, size: int, threads: int) -> Any:
    import bpeasy

    bpeasy.train_bpe(lines(path), PATTERN, 128, size)
    return lambda: None


LIBRARIES: dict[str, Learn] = {
    "gpt2tok": gpt2tok_train,
    "tokenizers": tokenizers_train,
    "gigabpe": gigabpe_train,
    "gigatoken": gigatoken_train,
    "rustbpe": rustbpe_train,
    "bpeasy": bpeasy_train,
}


def peak_memory() -> int:
    """Bytes. Linux counts the process that started this one into ru_maxrss, so there it is read elsewhere."""
    status = Path("/proc/self/status")
    if status.exists():
        found = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
        return int(found.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    library, path, size, threads, cores = sys.argv[1:]
    if cores != "-":
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    for name in ("RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        os.environ[name] = threads if name.startswith("RAYON") else "true"
    __import__(library)  # importing is no training
    start = perf_counter()
    learned = LIBRARIES[library](Path(path), int(size), int(threads))
    seconds = perf_counter() - start
    peak = peak_memory()
    merges = learned()
    digests = []
    if merges is not None:
        # Libraries that leave bytes out that the corpus lacks learn more merges; the first ones must be the same.
        total = hashlib.sha256()
        for left, right in merges[: int(size) - 256]:
            total.update(f"{left} {right}\n".encode())
        digests.append(total.hexdigest())
    print(json.dumps({"seconds": seconds, "peak": peak, "digests": digests}))


if __name__ == "__main__":
    main()
