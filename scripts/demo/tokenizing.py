"""Does the tokenizer make GPT-2's ids, and how fast? Shown on the corpus and on 193 languages.

Owns the greeting in colours, and the proofs on the spot: the slow tokenizer agrees with the fast one, decode gives
the text back. Refuses any vocabulary but GPT-2's own, which is in the wheel.
"""

from __future__ import annotations

import os
from functools import partial

import gpt2tok
from demo.corpus import bytes_of, first
from demo.shown import WIDTH, check, style, timed
from gpt2tok.cli.cells import table, token_cell
from gpt2tok.cli.stdout import print_text

GREETING = "Hello, naïve world! 日本語 🙂"
SLOW_BYTES = 400_000  # of each text for the slow tokenizer: it is there to be read, not to be fast
RUNS = 3


def show(text: str) -> None:
    """The tokens of a text in colours, their ids and bytes below them."""
    encoding = gpt2tok.get_encoding("gpt2")
    ids, look = encoding.encode(text), style()
    cells = (
        token_cell(number, token_id, token, look, with_id=True, with_bytes=True)
        for number, (token_id, token) in enumerate(zip(ids, encoding.decode_tokens_bytes(ids), strict=True))
    )
    for row in table(cells, look, WIDTH):
        print_text(row)


def compare(name: str, documents: list[str]) -> bool:
    """Encode with the fast tokenizer, time it, and hold it against the slow one and the text itself."""
    encoding = gpt2tok.get_encoding("gpt2")
    size = bytes_of(documents)
    # Whole files are longer than GPT-2's context, which is what model_max_length would warn of.
    fast = gpt2tok.GPT2TokenizerFast.from_pretrained("gpt2", model_max_length=size)
    slow = gpt2tok.GPT2Tokenizer.from_pretrained("gpt2", model_max_length=size)

    ids, seconds = timed(lambda: fast(documents)["input_ids"], RUNS)
    tokens = sum(map(len, ids))
    print_text(f"\n{name}: {len(documents):,} texts, {size / 1e6:.2f} MB")
    print_text(f"  GPT2TokenizerFast    {tokens:,} tokens at {size / seconds / 1e6:,.1f} MB/s")
    for threads in sorted({1, os.cpu_count() or 1}):
        encode = partial(encoding.encode_ordinary_batch, documents, num_threads=threads)
        batch, seconds = timed(encode, RUNS)
        core = "1 thread" if threads == 1 else f"{threads} threads"
        print_text(
            f"  Encoding, {core:<10} {sum(map(len, batch)):,} tokens at {size / seconds / 1e6:,.1f} MB/s"
        )

    few = first(documents, SLOW_BYTES)
    few_size = bytes_of(few)
    slow_ids, seconds = timed(lambda: slow(few)["input_ids"])
    claim = f"slow == fast on {few_size / 1e6:.2f} MB ({few_size / seconds / 1e6:.2f} MB/s)"
    same = check(claim, few, slow_ids, ids[: len(few)])
    back = check(
        f"decode(encode(x)) == x on {size / 1e6:.2f} MB", documents, fast.batch_decode(ids), documents
    )
    return same and back
