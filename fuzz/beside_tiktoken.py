#!/usr/bin/env python3
"""Are the ids those of tiktoken, and of tokenizers? Texts from standard input, a JSON string a line.

    cargo run --release --manifest-path fuzz/Cargo.toml --example differences -- print 10000000 1 \\
        | python fuzz/beside_tiktoken.py --tokenizers-every 10

tokenizers is the slowest and judges one block of 10,000 texts in so many (0: none). The first difference ends the run
with the text. Needs tiktoken and tokenizers; both are made from the vocabulary that gpt2tok embeds, without a network.
Ends with 0 when the texts are over, 1 on a difference.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys

import tiktoken
import tokenizers
from tiktoken_ext.openai_public import r50k_pat_str
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

import gpt2tok
from gpt2tok._core import gpt2_vocabulary

BLOCK = 10_000


def judges(encoding: gpt2tok.Encoding) -> tuple[tiktoken.Encoding, tokenizers.Tokenizer]:
    ranks = {token: rank for rank, token in encoding.token_bytes()}
    special = {"<|endoftext|>": 50256}
    by_tiktoken = tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special
    )
    by_tokenizers = tokenizers.Tokenizer(BPE(*gpt2_vocabulary()))
    by_tokenizers.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return by_tiktoken, by_tokenizers


def differs(judge: str, texts: list[str], ours: list[list[int]], theirs: list[list[int]]) -> bool:
    """Prints the first text of different ids, if there is one."""
    for text, mine, right in zip(texts, ours, theirs, strict=True):
        if mine != right:
            print(f"DIFFERENCE: {judge} gives {right}, gpt2tok {mine}, for\n{text!a}")
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizers-every", type=int, default=1, metavar="N", help="(default 1: all)")
    every = parser.parse_args().tokenizers_every
    encoding = gpt2tok.get_encoding("gpt2")
    by_tiktoken, by_tokenizers = judges(encoding)
    count = judged = blocks = 0
    while texts := [json.loads(line) for line in itertools.islice(sys.stdin, BLOCK)]:
        ids = encoding.encode_ordinary_batch(texts, num_threads=1)
        if differs("tiktoken", texts, ids, [by_tiktoken.encode_ordinary(text) for text in texts]):
            return 1
        if every and blocks % every == 0:
            encoded = by_tokenizers.encode_batch_fast(texts, add_special_tokens=False)
            if differs("tokenizers", texts, ids, [one.ids for one in encoded]):
                return 1
            judged += len(texts)
        count += len(texts)
        blocks += 1
        if blocks % 100 == 0:
            print(f"beside tiktoken: {count} texts so far", file=sys.stderr, flush=True)
    print(f"beside tiktoken: {count} texts, 0 differences; beside tokenizers: {judged}, 0 differences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
