#!/usr/bin/env python3
"""More than 4 GiB of text, streamed through `gpt2tok encode` and in memory at once, and Ctrl-C in a batch of 1 GB.

    python fuzz/large.py --gib 4.2        # needs 10 GB of memory, and minutes

The text is real English over and over, cut where a pretoken ends, so its ids are known: those of one copy over and
over. Every id is compared. Ends with 1 on a difference. Needs NumPy. Unix only.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from typing import IO

import numpy as np
from growth import english

import gpt2tok


def copy() -> bytes:
    """A text that begins with a letter and ends with one line end: two of them side by side share no pretoken."""
    text = english().strip() + "\n"
    return text[next(at for at, letter in enumerate(text) if letter.isalpha()) :].encode()


def streamed(unit: bytes, ids: np.ndarray, copies: int) -> bool:
    command = [sys.executable, "-m", "gpt2tok", "encode", "--raw", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None

        def feed(pipe: IO[bytes]) -> None:
            with pipe:
                for _ in range(copies):
                    pipe.write(unit)

        threading.Thread(target=feed, args=(process.stdin,)).start()
        found, wanted = hashlib.sha256(), hashlib.sha256()
        while block := process.stdout.read(1 << 20):
            found.update(block)
    for _ in range(copies):
        wanted.update(ids.astype("<u2").tobytes())
    right = process.returncode == 0 and found.digest() == wanted.digest()
    print(
        f"streamed: {copies * len(unit)} bytes to {copies * len(ids)} ids, {'equal' if right else 'WRONG'}",
        flush=True,
    )
    return right


def in_memory(unit: bytes, ids: np.ndarray, copies: int) -> bool:
    encoding, text = gpt2tok.get_encoding("gpt2"), unit * copies
    right = encoding.count(text) == copies * len(ids)
    found = encoding.encode_to_numpy(text)
    right &= found.shape == (copies * len(ids),) and bool((found.reshape(copies, -1) == ids).all())
    print(f"in memory: {len(text)} bytes to {len(found)} ids, {'equal' if right else 'WRONG'}", flush=True)
    if right:
        del text  # 10 GB are enough
        decoded = memoryview(encoding.decode_bytes(found))
        right = len(decoded) == copies * len(unit)
        right &= all(decoded[at : at + len(unit)] == unit for at in range(0, len(decoded), len(unit)))
        print(f"in memory: back to {len(decoded)} bytes, {'equal' if right else 'WRONG'}", flush=True)
    return right


def interrupts(unit: bytes, count: int) -> bool:
    encoding, chance, answers = gpt2tok.get_encoding("gpt2"), random.Random(0), []
    batch = [unit.decode()] * (10**9 // len(unit))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for _ in range(count):
        delay = chance.uniform(0.01, 0.5)
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, delay)
        try:
            encoding.encode_ragged(batch, num_threads=2)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            answers.append(time.perf_counter() - start - delay)
    shown = (
        f"median {1e3 * statistics.median(answers):.0f} ms, longest {1e3 * max(answers):.0f} ms"
        if answers
        else ""
    )
    print(f"Ctrl-C in a batch of 1 GB: {count} times, {len(answers)} before its end, {shown}", flush=True)
    return bool(answers) or not count


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gib", type=float, default=4.2, metavar="N", help="how much text (4.2)")
    parser.add_argument("--interrupts", type=int, default=20, metavar="N", help="Ctrl-C in the batch (20)")
    options = parser.parse_args()
    unit = copy()
    ids = gpt2tok.get_encoding("gpt2").encode_to_numpy(unit)
    copies = int(options.gib * 2**30) // len(unit) + 1
    fine = [streamed(unit, ids, copies), in_memory(unit, ids, copies), interrupts(unit, options.interrupts)]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
