"""`Encoding`'s other methods: decoding, streams, arrays, single tokens, copies, and every form that ids may take.

Owns the surface on good input. The ids themselves are `test_exactness.py`'s, bad input `test_encoding_bad_input.py`'s.
"""

from __future__ import annotations

import copy
import itertools
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpt2tok
from gpt2tok import Encoding
from gpt2tok._core import gpt2_vocabulary

IDS = st.lists(st.integers(0, 50256), max_size=40)
TEXT = "Hello, world! \u4e2d\u6587 \U0001f600 caf\u00e9\n"


@settings(max_examples=1000)
@given(ids=IDS)
def test_decoding_any_ids_is_tiktoken_s(gpt2: Encoding, tiktoken_gpt2: Any, ids: list[int]) -> None:
    data = tiktoken_gpt2.decode_bytes(ids)
    assert gpt2.decode_bytes(ids) == data
    assert gpt2.decode_tokens_bytes(ids) == tiktoken_gpt2.decode_tokens_bytes(ids)
    for errors in ("replace", "ignore", "backslashreplace", "surrogateescape"):
        text = data.decode("utf-8", errors)
        assert gpt2.decode(ids, errors=errors) == text == tiktoken_gpt2.decode(ids, errors=errors)
        assert gpt2.decode_batch([ids, [], ids], errors=errors) == [text, "", text]
        assert gpt2.decode_ragged(ids + ids, [0, len(ids), len(ids), 2 * len(ids)], errors=errors) == [
            text,
            "",
            text,
        ]
    assert gpt2.decode(ids) == data.decode("utf-8", "replace")


# Every beginning of a character's UTF-8 that is not yet the character.
UNFINISHED = {
    data[:end]
    for code in itertools.chain(range(0xD800), range(0xE000, 0x110000))
    for data in (chr(code).encode(),)
    for end in range(1, len(data))
}
BROKEN = "\u4e2d\U0001f600\u00e9a \ud7ff\U0010ffff"


def may_be_shown(data: bytes) -> str:
    """What these bytes say, less an end that may still become a character."""
    end = next((len(data) - n for n in (3, 2, 1) if data[len(data) - n :] in UNFINISHED), len(data))
    return data[:end].decode("utf-8", "replace")


@settings(max_examples=1000)
@given(ids=IDS, text=st.text(alphabet=BROKEN, max_size=9), drop=st.integers(0, 30))
def test_a_stream_gives_the_text_and_never_half_a_character(
    gpt2: Encoding, ids: list[int], text: str, drop: int
) -> None:
    ids = [*ids, *gpt2.encode_ordinary(text)]  # random ids are mostly whole characters
    del ids[drop : drop + 1]
    stream = gpt2.decode_stream()
    for _ in range(2):  # a finished stream can be used again
        shown = ""
        data = b""
        for number in ids:
            data += gpt2.decode_single_token_bytes(number)
            shown += stream.step(number)
            assert shown == may_be_shown(data)
        assert shown + stream.finish() == gpt2.decode(ids)


def test_streams_of_one_encoding_do_not_mix(gpt2: Encoding) -> None:
    ids = gpt2.encode_ordinary("\U0001f600\u4e2d\U0001f468\u200d\U0001f469")
    first, second = gpt2.decode_stream(), gpt2.decode_stream()
    shown = [(first.step(one), second.step(other)) for one, other in zip(ids, reversed(ids), strict=True)]
    assert "".join(one for one, _ in shown) + first.finish() == gpt2.decode(ids)
    assert "".join(other for _, other in shown) + second.finish() == gpt2.decode(ids[::-1])


def test_a_token_s_bytes_and_back(gpt2: Encoding, tiktoken_gpt2: Any) -> None:
    tokens = gpt2.token_bytes()
    assert [number for number, _ in tokens] == list(range(50256))
    for number, token in [*tokens, (50256, b"<|endoftext|>")]:
        assert (
            gpt2.decode_single_token_bytes(number) == token == tiktoken_gpt2.decode_single_token_bytes(number)
        )
        assert gpt2.encode_single_token(token) == number == tiktoken_gpt2.encode_single_token(token)
        if token.isascii():
            assert gpt2.encode_single_token(token.decode()) == number


def test_the_merges_are_the_vocabulary_s(gpt2: Encoding) -> None:
    merges = gpt2.merges()
    assert len(merges) == 50_000
    assert [left + right for left, right in merges] == [token for _, token in gpt2.token_bytes()[256:]]
    _, spelled = gpt2_vocabulary()
    assert [tuple(map(len, pair)) for pair in merges] == [tuple(map(len, pair)) for pair in spelled]


def test_names(gpt2: Encoding) -> None:
    assert gpt2.name == "gpt2"
    assert (gpt2.n_vocab, gpt2.max_token_value, gpt2.eot_token) == (50257, 50256, 50256)
    assert gpt2.special_tokens == {"<|endoftext|>": 50256} and gpt2.special_tokens_set == {"<|endoftext|>"}
    assert "gpt2" in repr(gpt2) and "50257" in repr(gpt2)
    assert gpt2tok.get_encoding("gpt2") is gpt2, "loaded once"


@pytest.mark.parametrize(
    "make",
    [
        list, tuple, iter, lambda ids: (number for number in ids), lambda ids: dict.fromkeys(ids, 0).keys(),
        np.array,
        *(lambda ids, of=of: np.array(ids, of) for of in ("u2", "i4", "u4", "i8", "u8", ">u4", ">i8", object)),
        lambda ids: np.repeat(np.array(ids, "u4"), 3)[::3], lambda ids: np.array(ids[::-1], "i8")[::-1],
        lambda ids: np.ndarray((len(ids),), "u4", b"\0" + np.array(ids, "u4").tobytes(), offset=1),
        lambda ids: [np.uint16(number) for number in ids], lambda ids: read_only(np.array(ids, "u4")),
        lambda ids: memoryview(np.array(ids, "u4")),
    ],
)  # fmt: skip
def test_ids_may_come_as_any_iterable_of_whole_numbers(gpt2: Encoding, make: Any) -> None:
    ids = [15496, 11, 995, 0, 220, 50256, 1, 2, 3]
    right = b"".join(gpt2.decode_single_token_bytes(number) for number in ids)
    assert gpt2.decode_bytes(make(ids)) == right
    assert gpt2.decode(make(ids)) == right.decode()
    assert gpt2.decode_batch([make(ids), make([])]) == [right.decode(), ""]
    assert gpt2.decode_with_offsets(make(ids))[0] == right.decode()
    assert b"".join(gpt2.decode_tokens_bytes(make(ids))) == right
    assert gpt2.decode_ragged(make(ids), [0, 9]) == [right.decode()]


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def test_ranges_and_small_integers_are_ids(gpt2: Encoding) -> None:
    right = gpt2.decode(list(range(200)))
    assert gpt2.decode(range(200)) == right
    assert gpt2.decode(np.arange(200, dtype=np.uint8)) == right
    assert gpt2.decode(np.arange(100, dtype=np.int8)) == gpt2.decode(range(100))


def test_arrays_out(gpt2: Encoding) -> None:
    texts = [TEXT, "", "a", TEXT * 3]
    right = [gpt2.encode(text) for text in texts]
    array = gpt2.encode_to_numpy(TEXT)
    assert (array.dtype, array.shape, array.tolist()) == (np.uint32, (len(right[0]),), right[0])
    array[0] = 7  # the caller's own
    for dtype in ("uint32", "uint16", np.uint16, np.dtype("u4")):
        ids, row_splits = gpt2.encode_ragged(texts, dtype=dtype)
        assert (ids.dtype, row_splits.dtype) == (np.dtype(dtype), np.int64)
        assert row_splits.tolist() == [0, *itertools.accumulate(map(len, right))]
        assert ids.tolist() == [*itertools.chain(*right)]
        assert gpt2.decode_ragged(ids, row_splits) == texts
        assert gpt2.decode_ragged(ids.tolist(), row_splits.tolist()) == texts
        ids[:] = 0
    ids, row_splits = gpt2.encode_ragged([])
    assert (ids.tolist(), row_splits.tolist()) == ([], [0]) and ids.dtype == np.uint32
    assert gpt2.decode_ragged(ids, row_splits) == []
    assert gpt2.encode_to_numpy("").shape == (0,)


def test_ids_past_sixteen_bits_come_out_whole() -> None:
    alphabet = {symbol: number for symbol, number in gpt2_vocabulary()[0].items() if number < 256}
    high = Encoding.from_vocab_and_merges(
        {symbol: number + 70_000 for symbol, number in alphabet.items()}, [], special_tokens={"<x>": 65_535}
    )
    ids, row_splits = high.encode_ragged(["ab", "<x>"], allowed_special="all")
    assert ids.tolist() == [70_064 + 0, 70_065, 65_535] and row_splits.tolist() == [0, 2, 3]
    assert high.decode_ragged(ids, row_splits) == ["ab", "<x>"]


@pytest.mark.parametrize("make", [tuple, iter, dict.fromkeys, lambda texts: np.array(texts, object)])
def test_texts_may_come_as_any_collection(gpt2: Encoding, make: Any) -> None:
    texts = [TEXT, "b", ""]
    right = [gpt2.encode(text) for text in texts]
    assert gpt2.encode_batch(make(texts)) == right
    assert gpt2.encode_ordinary_batch(make(texts)) == right
    assert gpt2.count_batch(make(texts)) == list(map(len, right))
    assert gpt2.encode_ragged(make(texts))[0].tolist() == [*itertools.chain(*right)]


def test_text_may_be_bytes(gpt2: Encoding, multilingual: list[str]) -> None:
    for text in multilingual:
        data = text.encode()
        assert gpt2.encode(data) == gpt2.encode(text) == gpt2.encode_to_numpy(data).tolist()
        assert gpt2.count(data) == len(gpt2.encode_ordinary(data))
    mixed = [text.encode() if number % 2 else text for number, text in enumerate(multilingual)]
    assert gpt2.encode_batch(mixed) == gpt2.encode_batch(multilingual)

    class Name(str):
        """Text with manners of its own."""

    assert gpt2.encode(Name("Hello")) == gpt2.encode("Hello")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_gpt2_are_small_and_equal(gpt2: Encoding, protocol: int) -> None:
    saved = pickle.dumps(gpt2, protocol)
    assert len(saved) < 200, "the embedded vocabulary need not travel"
    assert alike(pickle.loads(saved), gpt2)
    assert copy.copy(gpt2) is gpt2 and copy.deepcopy([gpt2])[0] is gpt2


def test_pickles_of_a_loaded_vocabulary_are_equal(gpt2: Encoding) -> None:
    vocab, merges = gpt2_vocabulary()
    special = {"<x>": 60_000, "the": vocab["the"]}  # a merge makes the second one, and others build on it
    loaded = Encoding.from_vocab_and_merges(vocab, merges, special_tokens=special, name="mine")
    again = pickle.loads(pickle.dumps(loaded))
    assert alike(again, loaded)
    assert (again.name, again.special_tokens) == ("mine", special)


def alike(one: Encoding, other: Encoding) -> bool:
    text = "the then them bathe " + TEXT + "abcdefgh" * 40
    return (
        one.encode_ordinary(text) == other.encode_ordinary(text)
        and (one.n_vocab, one.name, one.special_tokens) == (other.n_vocab, other.name, other.special_tokens)
        and one.token_bytes() == other.token_bytes()
        and one.merges() == other.merges()
    )


def test_an_encoding_is_frozen_and_has_no_other_door(gpt2: Encoding) -> None:
    with pytest.raises(AttributeError):
        gpt2.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        gpt2.anything = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Encoding()
    with pytest.raises(TypeError):
        type("Sub", (Encoding,), {})


def test_threads_may_share_an_encoding(multilingual: list[str]) -> None:
    """A fresh encoding, so that what it builds when first needed is built under the threads' race."""
    right = [gpt2tok.get_encoding("gpt2").encode_ordinary(text * 2) for text in multilingual]
    for _ in range(3):
        fresh = Encoding.gpt2()

        def work(seed: int, fresh: Encoding = fresh) -> bool:
            order = list(range(len(multilingual)))
            random.Random(seed).shuffle(order)
            long = "qwertyuiop" * 20
            return (
                fresh.encode_ordinary(long) == gpt2tok.get_encoding("gpt2").encode_ordinary(long)
                and fresh.encode_single_token(" the") == 262
                and all(fresh.encode_ordinary(multilingual[i] * 2) == right[i] for i in order)
                and all(fresh.decode(right[i]) == multilingual[i] * 2 for i in order)
            )

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))
