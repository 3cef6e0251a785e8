#!/usr/bin/env python3
"""Round-trip fuzzing with Hypothesis, for as long as you like, on GPT-2's vocabulary or your own.

    python fuzz/roundtrip.py --minutes 10
    python fuzz/roundtrip.py --minutes 10 --vocab DIR     # a folder with vocab.json and merges.txt

For every text: fast ids = slow ids, decode gives the text back, offsets tile it, streaming says the same, and (with
--graph, where TensorFlow is installed) the in-graph tokenizer gives the same ids. The first difference stops the run
with the shortest such text. Needs hypothesis; exits 0 when the time is over, 1 on a difference.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import gpt2tok

NASTY = " \n\t'sltdmve\u00a0\u0085\u2003\x00\x1c7²Ⅷ٠éß中日\u0300\u200d😀👍🏽!<|>="
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=NASTY, max_size=60),
    st.lists(st.tuples(st.sampled_from(NASTY), st.integers(1, 70)), max_size=6).map(
        lambda runs: "".join(character * count for character, count in runs)
    ),
    st.binary(max_size=60).map(lambda data: data.decode("utf-8", "replace")),
    st.lists(
        st.sampled_from(["<|endoftext|>", " the", "'ll", "  ", "ation", "日本", "\r\n"]), max_size=12
    ).map("".join),
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to run (default 1)")
    parser.add_argument(
        "--vocab", type=Path, metavar="DIR", help="folder with vocab.json and merges.txt (default GPT-2's)"
    )
    parser.add_argument(
        "--graph", action="store_true", help="compare the in-graph tokenizer too (needs gpt2tok[tf])"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="start from this seed (default: a new one, printed)"
    )
    return parser.parse_args()


def main() -> int:
    options = parse()
    where = "gpt2" if options.vocab is None else str(options.vocab)
    slow = gpt2tok.GPT2Tokenizer.from_pretrained(where)
    fast = gpt2tok.GPT2TokenizerFast.from_pretrained(where)
    if options.vocab is None:
        encoding = gpt2tok.get_encoding("gpt2")
    else:
        encoding = gpt2tok.Encoding.from_files(options.vocab / "vocab.json", options.vocab / "merges.txt")
    graph = None
    if options.graph:
        from gpt2tok.tf import TFGPT2Tokenizer

        graph = TFGPT2Tokenizer.from_tokenizer(fast)

    def check(text: str) -> None:
        fast_ids = fast(text, add_special_tokens=False)["input_ids"]
        assert slow(text, add_special_tokens=False)["input_ids"] == fast_ids, "slow and fast differ"
        ids, spans = encoding.encode_with_offsets(text, unit="byte", disallowed_special=())
        assert encoding.decode(ids) == text, "decode does not give the text back"
        ends = [0, *(end for _, end in spans)]
        assert [start for start, _ in spans] == ends[:-1], "offsets leave a gap"
        assert ends[-1] == len(text.encode()), "offsets do not reach the end"
        assert encoding.count(text, disallowed_special=()) == len(ids), "count differs"
        stream = encoding.decode_stream()
        streamed = "".join(stream.step(token) for token in ids) + stream.finish()
        assert streamed == text, "streaming differs"
        if graph is not None:
            in_graph = graph([text]).get("input_ids")
            assert in_graph.to_list()[0] == fast_ids, "the graph differs"

    start = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"roundtrip: vocabulary {where}, seed {start}, {options.minutes:g} minutes", flush=True)
    end = time.monotonic() + options.minutes * 60
    texts = 0
    while time.monotonic() < end:

        @seed(start)
        @settings(
            max_examples=2000,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(TEXTS)
        def batch(text: str) -> None:
            nonlocal texts
            texts += 1
            check(text)

        batch()
        start += 1
    print(f"roundtrip: {texts} texts, 0 differences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
