#!/usr/bin/env python3
"""Round-trip fuzzing with Hypothesis, for as long as you like, on GPT-2's vocabulary or your own.

    python fuzz/roundtrip.py --minutes 10
    python fuzz/roundtrip.py --minutes 10 --vocab DIR

Every text must give the same ids four ways (GPT2Tokenizer, GPT2TokenizerFast, Encoding and, where TensorFlow is
installed, the in-graph tokenizer), and its ids must give it back: decoded at once, streamed token by token, and by
offsets that tile it. The first difference ends the run with the shortest such text and the command that shows it
again. Needs hypothesis (pip install hypothesis). Ends with 0 when the time is over, 1 on a difference, 2 if DIR is no
vocabulary.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import gpt2tok

NASTY = " \n\t'sltdmve\u00a0\u0085\u2003\x00\x1c7²Ⅷ٠éß中日\u0300\u200d😀👍🏽!<|>="
FRAMES = ["{}", " {}", "{} a", "x{}'s", "{0}{0}"]

Check = Callable[[list[str]], None]


class Difference(Exception):
    """What differs, and for which text."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__(what)
        self.text = text


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=1.0, metavar="N", help="how long to run (default 1)")
    add(
        "--vocab",
        type=Path,
        metavar="DIR",
        help="directory with vocab.json and merges.txt, or with tokenizer.json, as save_pretrained writes it"
        " (default: GPT-2's own vocabulary)",
    )
    add("--no-graph", action="store_true", help="leave the in-graph tokenizer out (TensorFlow starts slowly)")
    add("--seed", type=int, metavar="N", help="begin with this seed (default: a new one, printed)")
    add("--text", metavar="'...'", help="check this one text, written as a Python string literal, and end")
    return parser.parse_args()


def encoding_of(directory: Path | None) -> tuple[gpt2tok.Encoding | None, str]:
    """The `Encoding` of a vocabulary, or None and why there is none."""
    if directory is None:
        return gpt2tok.get_encoding("gpt2"), ""
    try:
        if (directory / "vocab.json").exists():
            return gpt2tok.Encoding.from_files(directory / "vocab.json", directory / "merges.txt"), ""
        return gpt2tok.Encoding.from_tokenizer_json(directory / "tokenizer.json"), ""
    except gpt2tok.VocabError as error:
        return None, str(error)


def graph_of(tokenizer: gpt2tok.GPT2TokenizerFast, wanted: bool) -> tuple[object | None, str]:
    """The in-graph tokenizer, or None and why it is left out."""
    if not wanted:
        return None, "--no-graph"
    try:
        from gpt2tok.tf import TFGPT2Tokenizer
    except ImportError as error:
        return None, f"{str(error).splitlines()[0]}; pip install 'gpt2tok[tf]' brings it"
    try:
        return TFGPT2Tokenizer.from_tokenizer(tokenizer), ""
    except ValueError as error:
        return None, str(error)


def checker(options: argparse.Namespace) -> tuple[Check, list[str]]:
    """What must hold for a list of texts, and tokens of the vocabulary to make texts of."""
    where = "gpt2" if options.vocab is None else str(options.vocab)
    slow = gpt2tok.GPT2Tokenizer.from_pretrained(where)
    fast = gpt2tok.GPT2TokenizerFast.from_pretrained(where)
    encoding, why_no_encoding = encoding_of(options.vocab)
    graph, why_no_graph = graph_of(fast, not options.no_graph)
    ways = ["slow", "fast", *(["Encoding"] if encoding else []), *(["in-graph"] if graph else [])]
    print(f"roundtrip: {where}, {fast.vocab_size} tokens; compared: {', '.join(ways)}", flush=True)
    for way, why in (("Encoding", why_no_encoding), ("in-graph", why_no_graph)):
        if why:
            print(f"roundtrip: {way} is left out: {why}", flush=True)
    # Added tokens and a prefix space are the tokenizers' own; an Encoding's ids are those of the text as such.
    plain = not fast.add_prefix_space and not fast.get_added_vocab().keys() - set(fast.all_special_tokens)

    def check_one(text: str, ids: list[int]) -> str | None:
        if slow(text, add_special_tokens=False)["input_ids"] != ids:
            return "slow and fast give different ids"
        if slow.decode(ids) != fast.decode(ids):
            return "slow and fast decode differently"
        if encoding is None:
            return None
        own, spans = encoding.encode_with_offsets(text, unit="byte", disallowed_special=())
        if plain and not any(token in text for token in fast.all_special_tokens) and own != ids:
            return "Encoding and fast give different ids"
        if encoding.decode(own) != text:
            return "decode does not give the text back"
        edges = [0, *(end for _, end in spans)]
        if [start for start, _ in spans] != edges[:-1] or edges[-1] != len(text.encode()):
            return "the offsets do not tile the text"
        if encoding.count(text, disallowed_special=()) != len(own):
            return "count gives another number"
        stream = encoding.decode_stream()
        if "".join(stream.step(token) for token in own) + stream.finish() != text:
            return "streamed decoding does not give the text back"
        return None

    def check(texts: list[str]) -> None:
        rows = fast(texts, add_special_tokens=False)["input_ids"]
        for text, ids in zip(texts, rows, strict=True):
            if what := check_one(text, ids):
                raise Difference(text, what)
        if graph is not None:
            in_graph = graph(texts)["input_ids"].to_list()  # type: ignore[operator]
            for text, ids, row in zip(texts, rows, in_graph, strict=True):
                if row != ids:
                    raise Difference(text, "the in-graph tokenizer and fast give different ids")

    spelled = random.Random(0).sample(sorted(fast.get_vocab()), min(2000, fast.vocab_size))
    return check, [slow.convert_tokens_to_string([token]) for token in spelled]


def texts_of(tokens: list[str]) -> st.SearchStrategy[str]:
    runs = st.lists(st.tuples(st.sampled_from(NASTY), st.integers(1, 70)), max_size=6)
    return st.one_of(
        st.text(max_size=60),
        st.text(alphabet=NASTY, max_size=60),
        runs.map(lambda pairs: "".join(character * count for character, count in pairs)),
        st.binary(max_size=60).map(lambda data: data.decode("utf-8", "replace")),
        st.lists(st.sampled_from(tokens), max_size=12).map("".join),
        st.lists(
            st.sampled_from(["<|endoftext|>", " the", "'ll", "  ", "ation", "日本", "\r\n"]), max_size=12
        ).map("".join),
    )


def fuzz(check: Check, strategy: st.SearchStrategy[str], start: int, minutes: float) -> int:
    """Checks until the time is over; returns the number of texts."""
    end = time.monotonic() + minutes * 60
    texts = 0
    while time.monotonic() < end:

        @seed(start)
        @settings(
            max_examples=200,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(strategy, min_size=1, max_size=8))
        def batch(drawn: list[str]) -> None:
            nonlocal texts
            framed = [frame.format(text) for text in drawn for frame in FRAMES]
            texts += len(framed)
            check(framed)

        batch()
        start += 1
    return texts


def main() -> int:
    options = parse()
    try:
        check, tokens = checker(options)
    except (OSError, gpt2tok.TokenizerError) as error:
        print(f"roundtrip: {error}", file=sys.stderr)
        return 2
    try:
        if options.text is not None:
            check([ast.literal_eval(options.text)])
            print("roundtrip: 1 text, 0 differences")
            return 0
        start = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
        print(f"roundtrip: seed {start}, {options.minutes:g} minutes", flush=True)
        texts = fuzz(check, texts_of(tokens), start, options.minutes)
    except Difference as difference:
        vocab = "" if options.vocab is None else f" --vocab {options.vocab}"
        print(f"roundtrip: DIFFERENCE: {difference}\n  for the text {difference.text!a}; see it again with")
        print(f'  python fuzz/roundtrip.py{vocab} --text "{difference.text!a}"')
        return 1
    print(f"roundtrip: {texts} texts, 0 differences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
