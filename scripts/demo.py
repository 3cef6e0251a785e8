#!/usr/bin/env python3
"""What `make demo` shows: real text becoming GPT-2 token ids, exactly and fast.

Owns the choice of texts (the interpreter's own standard library, the sample of many languages in tests/data)
and the proofs on the spot: the slow tokenizer agrees with the fast one, decode gives the text back. Refuses
to print a figure that it has not just measured. Exits 1 if a proof fails.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import gpt2tok
from gpt2tok.cli.cells import Style, table, token_cell
from gpt2tok.cli.stdout import is_terminal, print_text, stdout_encoding

SAMPLE = Path(__file__).resolve().parent.parent / "tests" / "data" / "multilingual.jsonl"
GREETING = "Hello, naïve world! 日本語 🙂"
SOURCE_BYTES = 8_000_000  # of the standard library for the fast tokenizer
SLOW_BYTES = 400_000  # of each text for the slow one: it is there to be read, not to be fast
RUNS = 3
WIDTH = 100


def main() -> int:
    """Show, prove and measure; the exit code says whether the proofs held."""
    style = Style(is_terminal(None) and not os.environ.get("NO_COLOR"), stdout_encoding())
    print_text(f"gpt2tok {gpt2tok.__version__}, Python {sys.version.split()[0]}\n")
    show(GREETING, style)
    texts = {"the standard library of Python": library_sources(), "193 languages": multilingual()}
    ok = [compare(name, documents) for name, documents in texts.items()]
    return 0 if all(ok) else 1


def show(text: str, style: Style) -> None:
    """The tokens of a text in colours, their ids and bytes below them."""
    encoding = gpt2tok.get_encoding("gpt2")
    ids = encoding.encode(text)
    cells = (
        token_cell(number, token_id, token, style, with_id=True, with_bytes=True)
        for number, (token_id, token) in enumerate(zip(ids, encoding.decode_tokens_bytes(ids), strict=True))
    )
    for row in table(cells, style, WIDTH):
        print_text(row)
    print_text("")


def compare(name: str, documents: list[str]) -> bool:
    """Encode with the fast tokenizer, time it, and hold it against the slow one and the text itself."""
    encoding = gpt2tok.get_encoding("gpt2")
    # Whole files are longer than GPT-2's context, which is what model_max_length would warn of.
    fast = gpt2tok.GPT2TokenizerFast.from_pretrained("gpt2", model_max_length=SOURCE_BYTES)
    slow = gpt2tok.GPT2Tokenizer.from_pretrained("gpt2", model_max_length=SOURCE_BYTES)
    size = sum(len(text.encode()) for text in documents)

    ids, seconds = timed(lambda: fast(documents)["input_ids"], RUNS)
    tokens = sum(map(len, ids))
    print_text(f"{name}: {len(documents):,} texts, {size / 1e6:.2f} MB")
    print_text(f"  GPT2TokenizerFast    {tokens:,} tokens at {size / seconds / 1e6:,.1f} MB/s")
    for threads in sorted({1, os.cpu_count() or 1}):
        encode = partial(encoding.encode_ordinary_batch, documents, num_threads=threads)
        batch, seconds = timed(encode, RUNS)
        core = "1 thread" if threads == 1 else f"{threads} threads"
        print_text(
            f"  Encoding, {core:<10} {sum(map(len, batch)):,} tokens at {size / seconds / 1e6:,.1f} MB/s"
        )

    few = first(documents, SLOW_BYTES)
    few_size = sum(len(text.encode()) for text in few)
    slow_ids, seconds = timed(lambda: slow(few)["input_ids"])
    same = check(
        f"slow == fast on {few_size / 1e6:.2f} MB ({few_size / seconds / 1e6:.2f} MB/s)", few, slow_ids, ids
    )
    decoded, _ = timed(lambda: fast.batch_decode(ids))
    back = check(f"decode(encode(x)) == x on {size / 1e6:.2f} MB", documents, decoded, documents)
    print_text("")
    return same and back


def check(claim: str, texts: Iterable[str], found: Iterable[object], expected: Iterable[object]) -> bool:
    """Print whether the claim holds for every text, and the first for which it does not."""
    for number, (text, one, other) in enumerate(zip(texts, found, expected, strict=False)):
        if one != other:
            print_text(f"  DIFFERENT: {claim}: not for text {number}, which starts {text[:60]!r}")
            return False
    print_text(f"  proven: {claim}")
    return True


def library_sources() -> list[str]:
    """Whole files of the interpreter's standard library."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    own = (path for path in paths if not {"site-packages", "test", "tests"} & set(path.parts))
    return first((path.read_text("utf-8", errors="replace") for path in own), SOURCE_BYTES)


def multilingual() -> list[str]:
    """The Universal Declaration of Human Rights, a few lines in each of 193 languages."""
    return [json.loads(line)["text"] for line in SAMPLE.read_text("utf-8").splitlines()]


def first(documents: Iterable[str], size: int) -> list[str]:
    """Whole documents from the first on, until there are so many bytes."""
    taken: list[str] = []
    for text in documents:
        if size <= 0:
            break
        taken.append(text)
        size -= len(text.encode())
    return taken


def timed(work: Callable[[], Any], runs: int = 1) -> tuple[Any, float]:
    """What the work gives, and the seconds that the best of some runs took."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return result, best


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
