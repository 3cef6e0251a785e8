#!/usr/bin/env python3
"""Does encoding grow with the text and nothing else? Time on the worst known inputs as they double, and memory.

    python fuzz/growth.py --time --most 100000000      # each input from 1 KB up to 100 MB
    python fuzz/growth.py --memory --texts 10000000    # so many distinct pretokens, then half as many again

--time prints nanoseconds a byte and time(2n)/time(n) of each doubling, and ends with 1 if a ratio of a run that takes 2
ms or more is over 2.2 (processor time, the best of three counts or more), and which takes longest beside English.
--memory prints how the resident memory grew, and ends with 1 if that is 64 MiB or more.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gpt2tok

SEED = random.Random(0)
LETTERS = "".join(SEED.choices("abcdefghijklmnopqrstuvwxyz", k=1 << 16))
DIGITS = "".join(SEED.choices("0123456789", k=1 << 16))

# One pretoken each, but for the last four: what made other tokenizers quadratic.
WORST: dict[str, str] = {
    "one letter": "a",
    "two letters by turns": "ab",
    "random letters": LETTERS,
    "random digits": DIGITS,
    "spaces": " ",
    "line ends": "\n",
    "spaces of many kinds": " \t\u00a0\u2003\n",
    "punctuation": "=-",
    "exclamation marks": "!",
    "accents": "\u0301",
    "Chinese": "\u4e2d\u6587",
    "emoji": "\U0001f44d\U0001f3fd",
    "zero bytes": "\x00",
    "apostrophes": "'s",
    "letters and digits by turns": "a1",
    "special tokens, disallowed as such": "<|endoftext|",
    "one sentence": "the quick brown fox jumps over the lazy dog. ",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time", action="store_true", help="time as texts double")
    parser.add_argument("--most", type=int, default=4_000_000, metavar="BYTES", help="longest text (4 MB)")
    parser.add_argument("--memory", action="store_true", help="memory over distinct pretokens")
    parser.add_argument(
        "--texts", type=int, default=1_000_000, metavar="N", help="distinct pretokens (1 million)"
    )
    options = parser.parse_args()
    if not (options.time or options.memory):
        parser.error("ask for --time, --memory or both")
    return options


def english() -> str:
    """Real text, several hundred KB."""
    path = Path(__file__).parents[1] / "tests" / "data" / "english.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return "\n\n".join(json.loads(line)["text"] for line in lines)


def best(call: Callable[[str], int], text: str) -> float:
    """Processor time, for what else the machine does is not ours."""
    times = []
    for _ in range(3):
        start = time.process_time()
        call(text)
        times.append(time.process_time() - start)
    return min(times)


def times(most: int) -> bool:
    encoding = gpt2tok.get_encoding("gpt2")
    inputs = {"English": english(), **WORST}
    worst, slowest = 0.0, (0.0, "")
    usual: dict[int, float] = {}
    for name, unit in inputs.items():
        size, before, shown, ratios = 1000, 0.0, [], []
        while size <= most:
            repeated = unit * (size // len(unit.encode()) + 1)
            text = repeated.encode()[:size].decode("utf-8", "ignore")
            took = best(encoding.count, text)
            for _ in range(5):  # Other processes only ever add to the time, by the memory that is shared.
                if took > 2.1 * before >= 0.0042:
                    took = min(took, best(encoding.count, text))
            shown.append(f"{1e9 * took / size:.1f}")
            slowest = max(slowest, (took / usual.setdefault(size, took), name))
            if before >= 0.002:
                ratios.append(took / before)
            before, size = took, 2 * size
        worst = max(worst, *ratios, 0.0)
        told = f"at most {max(ratios):.2f}" if ratios else "not measured below 2 ms"
        print(f"{name}: {' '.join(shown)} ns/B; time(2n)/time(n) {told}", flush=True)
    print(
        f"time: the worst time(2n)/time(n) of {len(inputs)} inputs up to {most} bytes is"
        f" {f'{worst:.2f}' if worst else 'not measured below 2 ms'};"
        f" {slowest[1]} takes {slowest[0]:.1f} times as long as English"
    )
    return worst <= 2.2


def resident() -> int:
    """Bytes of memory in use, where the system tells."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


def memory(count: int) -> bool:
    encoding = gpt2tok.get_encoding("gpt2")
    block, growth, began = 20_000, [], 0
    for first in range(_FIRST, _FIRST + count + count // 2, block):
        # Every number once, in letters: no two pretokens are the same.
        text = " ".join(f"{number:x}".translate(_LETTERS) for number in range(first, first + block))
        encoding.encode_batch([text, text], num_threads=2)
        encoding.encode_ordinary(text)
        began = began or resident()
        growth.append(resident() - began)
    after = growth[count // block - 1]
    print(
        f"memory: {max(growth) / 2**20:.1f} MiB more over {count} distinct pretokens,"
        f" {(growth[-1] - after) / 2**20:+.1f} MiB over the {count // 2} after them"
    )
    return max(growth) < 64 * 2**20


# Six letters each, so that two texts of a block are enough for two threads from the first batch on.
_FIRST = 1 << 20
_LETTERS = str.maketrans("0123456789abcdef", "aeioubcdfghklmnp")


def main() -> int:
    options = parse()
    fine = True
    if options.memory:
        fine &= memory(options.texts)
    if options.time:
        fine &= times(options.most)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
