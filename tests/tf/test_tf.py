"""The in-graph tokenizer, judged by tiktoken and transformers: ids, shapes, options, and what bad input gets.

What becomes of it when it is saved is `test_tf_export.py`'s, the C API `tf_c_api/`'s.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tf_proof_set import NASTY, bad_bytes, differences, expected, proof_set

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok._core import gpt2_vocabulary
from gpt2tok.formats import byte_alphabet
from gpt2tok.tf import TFGPT2Tokenizer, graph_tables


@pytest.fixture(scope="module")
def layer() -> TFGPT2Tokenizer:
    return TFGPT2Tokenizer.from_pretrained("gpt2", split_special_tokens=True)


@pytest.fixture(scope="module")
def texts(tiktoken_gpt2: tiktoken.Encoding, multilingual: list[str]) -> list[bytes]:
    return proof_set(tiktoken_gpt2, multilingual)


def flat(ragged: Any) -> tuple[np.ndarray, np.ndarray]:
    return ragged.flat_values.numpy(), ragged.row_lengths().numpy()


def strings(values: Sequence[bytes]) -> Any:
    return tf.constant(np.array(values, object), tf.string)


# --- ids ---


def test_eager(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]) -> None:
    got = layer(strings(texts))
    assert not differences(texts, expected(tiktoken_gpt2, texts), *flat(got["input_ids"]))
    assert got["attention_mask"].row_splits.numpy().tolist() == got["input_ids"].row_splits.numpy().tolist()
    assert set(got["attention_mask"].flat_values.numpy()) == {1}


def test_inside_a_function(
    layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]
) -> None:
    traced = tf.function(lambda x: layer(x)["input_ids"], input_signature=[tf.TensorSpec([None], tf.string)])
    assert not differences(texts, expected(tiktoken_gpt2, texts), *flat(traced(strings(texts))))


def test_inside_a_dataset(
    layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]
) -> None:
    dataset = (
        tf.data.Dataset.from_tensor_slices(strings(texts)).batch(97).map(layer.tokenize, num_parallel_calls=2)
    )
    ids, counts = zip(*map(flat, dataset), strict=True)
    assert not differences(texts, expected(tiktoken_gpt2, texts), np.concatenate(ids), np.concatenate(counts))


def test_one_text_at_a_time(
    layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]
) -> None:
    # In a batch the texts share one joined string: alone, each has other neighbours.
    for text in texts[::29]:
        assert layer(text)["input_ids"].numpy().tolist() == tiktoken_gpt2.encode_ordinary(
            text.decode(errors="replace")
        )


def test_batches_of_whole_words_only(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    # Where every pretoken is in the table, merges are skipped: contractions leave empty pretokens behind.
    batches = [
        ["it's"],
        ["it's", "don't go", "", "a"],
        ["we'll we've", "'s", "I'm 'm"],
        ["the cat\n's", ""],
        [""],
    ]
    for batch in batches:
        assert layer(batch)["input_ids"].to_list() == tiktoken_gpt2.encode_ordinary_batch(batch)


def test_every_vocabulary_entry(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    entries = [tiktoken_gpt2.decode_single_token_bytes(i) for i in range(50256)]
    assert not differences(entries, expected(tiktoken_gpt2, entries), *flat(layer.tokenize(strings(entries))))


def test_every_scalar_between_others(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    # Above the last letter all is of one class; a sample does.
    codes = [c for c in [*range(0x32400), *range(0x32400, 0x110000, 101)] if not 0xD800 <= c < 0xE000]
    rows = [
        "".join(f"{c} a{c}a 1{c}1 {c}'s" for c in map(chr, codes[i : i + 64])).encode()
        for i in range(0, len(codes), 64)
    ]
    assert not differences(rows, expected(tiktoken_gpt2, rows), *flat(layer.tokenize(strings(rows))))


def test_all_short_strings_of_nasty_characters(
    layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding
) -> None:
    short = ["".join(t).encode() for t in itertools.product(NASTY, repeat=3)]
    short += ["".join(t).encode() for t in itertools.product(" \n'slvea1\u00a0é", repeat=4)]
    assert not differences(short, expected(tiktoken_gpt2, short), *flat(layer.tokenize(strings(short))))


def test_bytes_that_are_no_utf8(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    broken = bad_bytes(20_000)
    assert not differences(broken, expected(tiktoken_gpt2, broken), *flat(layer.tokenize(strings(broken))))


def test_real_sources(
    layer: TFGPT2Tokenizer,
    tiktoken_gpt2: tiktoken.Encoding,
    library_sources: list[str],
    multilingual: list[str],
) -> None:
    whole = [text.encode() for text in [*library_sources[:60], *multilingual]]
    assert not differences(whole, expected(tiktoken_gpt2, whole), *flat(layer.tokenize(strings(whole))))


@pytest.mark.parametrize("unit", ["a", "ab", "aab", "thein", "ACGTTGA", " ", "=", "中", "\u3000", "é", "\n"])
def test_long_runs(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, unit: str) -> None:
    long = [(unit * n).encode() for n in (1, 2, 7, 15, 16, 17, 127, 128, 129, 1000)] + [
        (unit * 5000).encode()
    ]
    assert not differences(long, expected(tiktoken_gpt2, long), *flat(layer.tokenize(strings(long))))


def test_long_pretokens_of_chance(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    chance = random.Random(3)
    long = [
        "".join(chance.choices(alphabet, k=3000)).encode()
        for alphabet in (
            "ab",
            "aab",
            "ACGT",
            "etaoin",
            "abcdefghijklmnopqrstuvwxyz",
            "-=",
            "中文字的",
            "абвгдеё",
            " \n\t",
        )
    ]
    assert not differences(long, expected(tiktoken_gpt2, long), *flat(layer.tokenize(strings(long))))


def test_equals_the_fast_tokenizer(texts: list[bytes]) -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2")
    want = fast([text.decode(errors="replace") for text in texts])["input_ids"]
    assert TFGPT2Tokenizer.from_tokenizer(fast)(strings(texts))["input_ids"].to_list() == want


# --- added tokens ---

ADDED = [
    AddedToken("<|endoftext|>", special=True),
    AddedToken("<mask>", lstrip=True, special=True),
    AddedToken("<r>", rstrip=True, special=True, normalized=True),
    AddedToken("<both>", lstrip=True, rstrip=True, special=False),
    AddedToken("word", single_word=True, special=False),
    AddedToken("<m", special=False),
    AddedToken("日本", special=True, single_word=True),
    AddedToken("a.b*c\\d", special=False),
]
ADDED_TEXTS = [
    "",
    "<mask>",
    "a <mask> b",
    "a  <mask>  <r>  b",
    "x<both>y <both> z",
    "word words a word, sword word",
    "<m <ma <mask",
    "日本 日本語 「日本」",
    "a.b*c\\d aXbc\\d",
    "<|endoftext|><|endoftext|> <|endoftext|>",
    "wordword word<mask>word",
    "<r>\n\n<r> <mask>\u3000<both>",
    " <mask>",
    "<mask> ",
    "a\0<mask>\0b",
    "é\u00a0<mask>\u2003'll",
    "word\u0301 word_ word-word 1word word\u200d",
    "<|endoftext|>" * 30,
    "no tokens here",
]


@pytest.mark.parametrize("split_special", [False, True])
@pytest.mark.parametrize("prefix_space", [False, True])
def test_added_tokens_as_hugging_face_has_them(split_special: bool, prefix_space: bool) -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2", add_prefix_space=prefix_space)
    fast.add_tokens([token for token in ADDED if not token.special])
    fast.add_special_tokens({"extra_special_tokens": [token for token in ADDED if token.special]})
    layer = TFGPT2Tokenizer.from_tokenizer(fast, split_special_tokens=split_special)
    for group in (ADDED_TEXTS, ADDED_TEXTS[-1:]):
        want = fast(group, split_special_tokens=split_special)["input_ids"]
        assert layer(group)["input_ids"].to_list() == want
    ids = layer(ADDED_TEXTS)["input_ids"]
    assert layer.detokenize(ids).numpy().tolist() == [fast.decode(row).encode() for row in ids.to_list()]
    skipped = [fast.decode(row, skip_special_tokens=True).encode() for row in ids.to_list()]
    assert layer.detokenize(ids, skip_special_tokens=True).numpy().tolist() == skipped


def test_broken_bytes_beside_added_tokens() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2")
    fast = GPT2TokenizerFast.from_pretrained("gpt2")
    broken = [
        b"\xff<|endoftext|>\xc3",
        b"\xfe\xf5\xf5\xf5\xf5\xf5 <|endoftext|>",
        b"<|endoftext|>",
        b"\xff\xff",
    ]
    want = fast([text.decode(errors="replace") for text in broken])["input_ids"]
    assert layer(strings(broken))["input_ids"].to_list() == want


# --- shapes, padding, truncation ---


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("cut", ["right", "left"])
@pytest.mark.parametrize("around", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("length", [3, 8])
def test_dense_rows_equal_the_fast_tokenizers(
    side: str, cut: str, around: tuple[bool, bool], length: int
) -> None:
    fast = GPT2TokenizerFast.from_pretrained(
        "gpt2",
        padding_side=side,
        truncation_side=cut,
        add_bos_token=around[0],
        add_eos_token=around[1],
        pad_token="!",
    )
    layer = _small_cache(side, cut, around)
    batch = ["a b c d e f g h i j", "", "Hello world", "a b c d e f g h"]
    want = fast(batch, padding="max_length", truncation=True, max_length=length)
    got = layer(batch, max_length=length)
    assert got["input_ids"].numpy().tolist() == want["input_ids"]
    assert got["attention_mask"].numpy().tolist() == want["attention_mask"]
    assert got["input_ids"].shape == (4, length)
    assert layer(batch)["input_ids"].to_list() == fast(batch)["input_ids"]


_LAYERS: dict[Any, TFGPT2Tokenizer] = {}


def _small_cache(side: str, cut: str, around: tuple[bool, bool]) -> TFGPT2Tokenizer:
    key = (side, cut, around)
    if key not in _LAYERS:
        fast = GPT2TokenizerFast.from_pretrained(
            "gpt2", add_bos_token=around[0], add_eos_token=around[1], pad_token="!"
        )
        _LAYERS[key] = TFGPT2Tokenizer.from_tokenizer(fast, padding_side=side, truncation_side=cut)
    return _LAYERS[key]


def test_a_pad_id_of_its_own_and_a_default_length() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", pad_token_id=7, max_length=4, dtype="int64")
    got = layer(["Hello world"])
    assert got["input_ids"].dtype == tf.int64
    assert got["input_ids"].numpy().tolist() == [[15496, 995, 7, 7]]
    assert layer(["Hello world"], max_length=1)["input_ids"].numpy().tolist() == [[15496]]


def test_scalars_matrices_and_ragged_texts(layer: TFGPT2Tokenizer) -> None:
    a, b, empty = [64], [65, 269], []
    assert layer("b c")["input_ids"].numpy().tolist() == b
    assert layer(tf.constant("b c"), max_length=3)["attention_mask"].numpy().tolist() == [1, 1, 0]
    assert layer([["a", "b c"], ["", "a"]])["input_ids"].to_list() == [[a, b], [empty, a]]
    assert layer([["a", "b c"]], max_length=1)["input_ids"].numpy().tolist() == [[[64], [65]]]
    ragged = tf.ragged.constant([["a", "b c"], [], ["a"]])
    assert layer(ragged)["input_ids"].to_list() == [[a, b], [], [a]]
    assert layer(ragged, max_length=2)["input_ids"].to_list() == [[[64, 50256], b], [], [[64, 50256]]]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_batches(layer: TFGPT2Tokenizer, shape: tuple[int, ...]) -> None:
    nothing = tf.zeros(shape, tf.string)
    assert layer(nothing)["input_ids"].to_list() == np.zeros(shape).tolist()
    dense = layer(nothing, max_length=5)
    assert dense["input_ids"].shape == dense["attention_mask"].shape == (*shape, 5)
    assert layer([])["input_ids"].to_list() == []


def test_a_tensor_as_max_length(layer: TFGPT2Tokenizer) -> None:
    traced = tf.function(lambda x, n: layer(x, max_length=n)["input_ids"])
    for n in (1, 4):
        assert traced(tf.constant(["Hello world"]), tf.constant(n)).numpy().tolist() == [
            [15496, 995, 50256, 50256][:n]
        ]
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_length must be 1 or more"):
        traced(tf.constant(["Hello world"]), tf.constant(0))


# --- detokenize ---


def test_detokenize_equals_decode_bytes(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    chance = np.random.default_rng(0)
    ids = chance.integers(0, 50257, (200, 30))
    want = [tiktoken_gpt2.decode_bytes(row.tolist()) for row in ids]
    assert layer.detokenize(ids).numpy().tolist() == want
    assert layer.detokenize(tf.RaggedTensor.from_tensor(ids)).numpy().tolist() == want
    assert layer.detokenize(ids.reshape(20, 10, 30)).numpy().ravel().tolist() == want
    assert layer.detokenize(ids[0]).numpy() == want[0]
    assert layer.detokenize(188).numpy() == b"\0"
    everything = np.arange(50257)
    assert layer.detokenize(everything[:, None]).numpy().tolist() == [
        tiktoken_gpt2.decode_bytes([i]) for i in everything
    ]


def test_the_text_comes_back(layer: TFGPT2Tokenizer, texts: list[bytes]) -> None:
    short = [text for text in texts if len(text) < 400]
    sound = [text.decode(errors="replace").encode() for text in short]
    rows = layer(strings(short), max_length=1200)
    assert layer.detokenize(**_named(rows)).numpy().tolist() == sound


def _named(rows: dict[str, Any]) -> dict[str, Any]:
    return {"ids": rows["input_ids"], "attention_mask": rows["attention_mask"]}


def test_masked_ids_may_be_anything(layer: TFGPT2Tokenizer) -> None:
    assert layer.detokenize([[15496, -100]], attention_mask=[[1, 0]]).numpy().tolist() == [b"Hello"]


# --- other vocabularies ---


def test_a_small_vocabulary_with_ids_in_disorder_and_entries_no_merge_makes() -> None:
    chars = list(byte_alphabet().values())
    merges = [
        ("a", "b"),
        ("ab", "c"),
        ("c", "d"),
        ("b", "c"),
        ("bc", "d"),
        ("a", "a"),
        ("aa", "aa"),
        ("Ġ", "a"),
    ]
    tokens = [*chars, *(left + right for left, right in merges), "abcd", "<unmade>"]
    random.Random(1).shuffle(tokens)
    vocab = {token: 3 * i + 2 for i, token in enumerate(tokens)}
    slow = GPT2Tokenizer(vocab, merges, unk_token=None, bos_token=None, eos_token=None)
    layer = TFGPT2Tokenizer(vocab, merges)
    chance = random.Random(2)
    texts = ["".join(chance.choices("abcd a", k=k)) for k in range(60) for _ in range(20)]
    want = [slow.encode(text) for text in texts]
    assert layer(texts)["input_ids"].to_list() == want
    # `bcd` cannot be made once `cd` is: BPE of a token's own bytes need not be the token.
    assert len(layer("bcd")["input_ids"]) == 2
    assert layer.detokenize(layer(texts)["input_ids"]).numpy().tolist() == [text.encode() for text in texts]
    with pytest.raises(tf.errors.InvalidArgumentError, match="none"):
        layer.detokenize([0])


def test_pairs_of_64_bits(
    tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a vocabulary of more than 65,279 merges needs them.
    with monkeypatch.context() as patch:
        patch.setattr(graph_tables, "pair_bits", lambda end: 64)
        graph_tables._graph_tables.cache_clear()
        wide = TFGPT2Tokenizer(*gpt2_vocabulary())
    graph_tables._graph_tables.cache_clear()
    assert not differences(texts, expected(tiktoken_gpt2, texts), *flat(wide.tokenize(strings(texts))))


def test_a_vocabulary_without_merges() -> None:
    vocab = {char: byte for byte, char in byte_alphabet().items()}
    assert TFGPT2Tokenizer(vocab, [])(["hé"])["input_ids"].to_list() == [list("hé".encode())]


# --- living with TensorFlow and Keras ---


def test_before_a_jit_compiled_model(layer: TFGPT2Tokenizer) -> None:
    assert layer.supports_jit is False
    text = keras.Input((), dtype="string")
    rows = layer(text, max_length=6)
    assert rows["input_ids"].shape == (None, 6)
    hidden = keras.layers.Embedding(50257, 4)(rows["input_ids"])
    inner_in = keras.Input((6, 4))
    inner = keras.Model(inner_in, keras.layers.Dense(2)(keras.layers.Flatten()(inner_in)))
    inner.compile("sgd", "mse", jit_compile=True)
    model = keras.Model(text, inner(hidden))
    model.compile("sgd", "mse")
    before = model.predict(tf.constant(["a b", "c"]), verbose=0)
    model.fit(tf.constant(["a b", "c"]), np.zeros((2, 2)), epochs=1, verbose=0)
    assert before.shape == (2, 2)
    tokens = layer(["a b", "c"], max_length=6)["input_ids"]
    jitted = tf.function(lambda ids: tf.reduce_sum(ids, axis=1), jit_compile=True)
    assert jitted(tokens).numpy().tolist() == tokens.numpy().sum(axis=1).tolist()


def test_symbolic_shapes(layer: TFGPT2Tokenizer) -> None:
    ragged = layer(keras.Input((), dtype="string"))["input_ids"]
    assert ragged.ragged
    assert ragged.shape == (None, None)
    assert layer(keras.Input((3,), dtype="string"), max_length=2)["attention_mask"].shape == (None, 3, 2)
    with pytest.raises(TypeError, match="strings"):
        layer(keras.Input((), dtype="int32"))
    with pytest.raises(TokenizerError, match="dimensions"):
        layer(keras.Input((3, 3), dtype="string"))


def test_no_weights(layer: TFGPT2Tokenizer) -> None:
    assert layer.weights == []


def test_it_survives_clear_session(tiktoken_gpt2: tiktoken.Encoding) -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2")
    traced = tf.function(lambda x: layer(x, max_length=9)["input_ids"])
    text = "Antidisestablishmentarianism, 日本\u3000!"
    want = tiktoken_gpt2.encode_ordinary(text)
    for _ in range(2):
        assert layer(text)["input_ids"].numpy().tolist() == want
        assert traced(tf.constant([text])).numpy().tolist() == [want[:9]]
        keras.backend.clear_session()


def test_many_threads(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]) -> None:
    groups = [texts[i::4] for i in range(4)]
    wrong: list[bytes] = []

    def work(group: list[bytes]) -> None:
        for start in range(0, len(group), 200):
            part = group[start : start + 200]
            wrong.extend(
                differences(part, expected(tiktoken_gpt2, part), *flat(layer.tokenize(strings(part))))
            )

    threads = [threading.Thread(target=work, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_on_another_backend() -> None:
    program = """
import keras, tensorflow as tf
from gpt2tok.tf import TFGPT2Tokenizer
layer = TFGPT2Tokenizer.from_pretrained("gpt2")
assert layer(["Hello world"])["input_ids"].to_list() == [[15496, 995]]
assert next(iter(tf.data.Dataset.from_tensors(["Hi"]).map(layer)))["input_ids"].to_list() == [[17250]]
try:
    layer(keras.KerasTensor((None,), dtype="string"))
except ValueError as error:
    assert "KERAS_BACKEND=tensorflow" in str(error), error
    print("refused")
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert run.stdout.strip() == "refused", run.stderr[-2000:]
