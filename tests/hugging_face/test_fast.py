"""The fast tokenizer: equal to the slow one and to transformers, quick, and lazy about what nobody asks for."""

from __future__ import annotations

import gc
import os
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hf_oracle import TEXTS, details, gpt2, gpt2_oracle, same_call, small, texts
from hypothesis import given, settings
from hypothesis import strategies as st

import gpt2tok
from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast
from gpt2tok.hugging_face.engine import Engine


@pytest.fixture(scope="module")
def sources() -> list[str]:
    """Real text of any interpreter: the standard library's sources."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = sorted(folder.glob("*.py"))[:25] + sorted((folder / "encodings").glob("*.py"))[:5]
    return [path.read_text(encoding="utf-8", errors="replace")[:20_000] for path in names]


def test_real_text_gives_the_ids_and_offsets_of_transformers(sources: list[str]) -> None:
    fast, oracle = gpt2(GPT2TokenizerFast), gpt2_oracle()
    mine, its = fast(sources, return_offsets_mapping=True), oracle(sources, return_offsets_mapping=True)
    assert mine["input_ids"] == its["input_ids"]
    assert mine["offset_mapping"] == its["offset_mapping"]
    assert [fast.encode(text) for text in sources] == its["input_ids"]
    assert fast.batch_decode(mine["input_ids"]) == sources


def test_real_text_slow_equals_fast(sources: list[str]) -> None:
    slow, fast = gpt2(GPT2Tokenizer), gpt2(GPT2TokenizerFast)
    for text in sources[::6]:
        assert details(slow(text)) == details(fast(text))


TOKENS = [
    AddedToken("<a>", lstrip=True),
    AddedToken("<b>", rstrip=True, special=True),
    AddedToken("ab", single_word=True),
    AddedToken("日本", normalized=False),
    AddedToken(" c"),
]


@given(
    texts
    | st.lists(
        st.sampled_from(["<a>", "<b>", "ab", "日本", " c", " ", "\n", "x", "<", "é"]), max_size=10
    ).map("".join),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300)
def test_slow_equals_fast(text: str, prefix: bool, split: bool, frame: bool) -> None:
    results = []
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        tokenizer = _tokenizer(kind, prefix, frame)
        batch = tokenizer(text, return_offsets_mapping=True, split_special_tokens=split)
        assert tokenizer.encode(text, split_special_tokens=split) == batch["input_ids"]
        ids = batch["input_ids"]
        results.append((dict(batch), details(batch), tokenizer.decode(ids), tokenizer.decode(ids, True)))
    assert results[0] == results[1]


_made: dict[Any, Any] = {}


def _tokenizer(kind: Any, prefix: bool, frame: bool) -> Any:
    if (kind, prefix, frame) not in _made:
        tokenizer = small(kind, add_prefix_space=prefix, add_bos_token=frame, add_eos_token=frame)
        tokenizer.add_tokens(TOKENS)
        _made[kind, prefix, frame] = tokenizer
    return _made[kind, prefix, frame]


def test_the_ids_of_the_plain_encoding() -> None:
    encoding = gpt2tok.get_encoding("gpt2")
    for text in TEXTS:
        assert gpt2(GPT2TokenizerFast).encode(text) == encoding.encode(text, allowed_special="all")


class Counting(Engine):
    """An engine that counts what it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.asked: list[str] = []

    def ids(self, text: str, split_special: bool) -> list[int]:
        self.asked.append("ids")
        return self.engine.ids(text, split_special)

    def ids_of_all(self, texts: Any, split_special: bool) -> list[list[int]]:
        self.asked.append("ids_of_all")
        return self.engine.ids_of_all(texts, split_special)

    def trace(self, text: str, split_special: bool) -> Any:
        self.asked.append("trace")
        return self.engine.trace(text, split_special)

    def bytes_of(self, ids: Any) -> bytes:
        return self.engine.bytes_of(ids)


def test_nothing_is_traced_before_somebody_asks() -> None:
    tokenizer = small(GPT2TokenizerFast, pad_token="<|endoftext|>")
    counting = Counting(tokenizer._engine)
    tokenizer._engine_now = counting
    tokenizer._template_changed()
    one, many = (
        tokenizer("a b"),
        tokenizer(["a b", "c"], padding=True, truncation=True, max_length=2, return_length=True),
    )
    tokenizer.encode("a b")
    assert counting.asked == ["ids", "ids_of_all", "ids"]
    assert (one.n_sequences, one.is_fast, many.n_sequences) == (1, True, 1)
    assert counting.asked == ["ids", "ids_of_all", "ids"]
    one.word_ids()
    one.tokens()
    assert counting.asked[3:] == ["trace"]
    many.token_to_chars(1, 0)
    assert counting.asked[4:] == ["trace", "trace"]
    tokenizer("a b", return_offsets_mapping=True).tokens()
    assert counting.asked[6:] == ["trace"]


def test_a_call_costs_little_more_than_encoding() -> None:
    """The surface must not hide the core's speed: the bound is loose, for the machine may be busy."""
    tokenizer, oracle, encoding = gpt2(GPT2TokenizerFast), gpt2_oracle(), gpt2tok.get_encoding("gpt2")
    text = "Hello world, how are you doing today? I hope that all is well."

    def seconds(call: Any) -> float:
        best = float("inf")
        for _ in range(7):
            start = time.perf_counter()
            for _ in range(300):
                call(text)
            best = min(best, time.perf_counter() - start)
        return best / 300

    bare, called, encoded = seconds(encoding.encode_ordinary), seconds(tokenizer), seconds(tokenizer.encode)
    theirs = seconds(oracle)
    assert called < theirs / 3, f"{called * 1e6:.2f} µs a call, transformers {theirs * 1e6:.2f} µs"
    assert called < bare + 10e-6, f"{called * 1e6:.2f} µs a call over {bare * 1e6:.2f} µs of encoding"
    assert encoded < bare + 8e-6


def test_threads_may_share_a_tokenizer() -> None:
    tokenizer = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<|endoftext|>")
    expected = [gpt2_oracle().encode(text) for text in TEXTS]
    wrong: list[str] = []

    def work() -> None:
        for _ in range(20):
            if tokenizer(TEXTS)["input_ids"] != expected or [tokenizer.encode(t) for t in TEXTS] != expected:
                wrong.append("ids")
            if tokenizer.batch_decode(expected) != TEXTS:
                wrong.append("texts")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_encode_batches() -> None:
    tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
    batch = TEXTS * 50
    expected = tokenizer(batch)["input_ids"]
    child = os.fork()
    if child == 0:
        os._exit(0 if tokenizer(batch)["input_ids"] == expected else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def test_calls_leave_nothing_behind() -> None:
    tokenizer = gpt2(GPT2TokenizerFast)
    tokenizer("warm")
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        tokenizer("a b c")
        tokenizer(["a b", "c"], padding=True)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_same_call_as_transformers_on_a_large_batch(sources: list[str]) -> None:
    lines = [line for text in sources for line in text.splitlines()[:40]]
    assert len(lines) > 700
    options = {"padding": True, "truncation": True, "max_length": 24, "return_offsets_mapping": True}
    same_call(gpt2(GPT2TokenizerFast), gpt2_oracle(), lines, **options)
