"""The in-graph tokenizer among Keras and TensorFlow: models, files, configurations, threads, other backends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tf_proof_set import differences, expected, flat, strings

from gpt2tok import AddedToken, GPT2TokenizerFast, TokenizerError
from gpt2tok.formats import byte_alphabet
from gpt2tok.tf import TFGPT2Tokenizer


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


@keras.saving.register_keras_serializable("gpt2tok_tests")
class Subclassed(keras.Model):
    """A model that holds the layer as an attribute, as people write them."""

    def __init__(self, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokenizer = tokenizer or TFGPT2Tokenizer.from_pretrained("gpt2", max_length=4)
        self.embedding = keras.layers.Embedding(50_257, 2)

    def call(self, text: Any) -> Any:
        return self.embedding(self.tokenizer(text)["input_ids"])

    def get_config(self) -> dict[str, Any]:
        return {"tokenizer": keras.saving.serialize_keras_object(self.tokenizer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Subclassed:
        return cls(keras.saving.deserialize_keras_object(config["tokenizer"]))


def test_in_a_subclassed_model(tmp_path: Path) -> None:
    model, asked = Subclassed(), tf.constant(["Hello world", "日本"])
    want = model(asked).numpy()
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert [v.shape for v in loaded.weights] == [(50_257, 2)]
    assert np.array_equal(loaded(asked), want)
    model.export(tmp_path / "1", input_signature=[tf.TensorSpec([None], tf.string)], verbose=False)
    assert np.array_equal(tf.saved_model.load(str(tmp_path / "1")).serve(asked), want)
    with pytest.raises(TypeError, match="not float32"):
        model(tf.constant([1.0]))


@keras.saving.register_keras_serializable("gpt2tok_tests")
class Ids(keras.layers.Layer):
    def call(self, rows: Any) -> Any:
        return rows["input_ids"]


def test_in_a_sequential_model_without_an_input(fast: GPT2TokenizerFast, tmp_path: Path) -> None:
    model = keras.Sequential([TFGPT2Tokenizer.from_pretrained("gpt2", max_length=2), Ids()])
    asked = tf.constant(["Hello world", "Hi"])
    want = [fast("Hello world")["input_ids"], [*fast("Hi")["input_ids"], 50_256]]
    assert model(asked).numpy().tolist() == want
    assert model.predict(asked, verbose=0).tolist() == want
    model.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras")(asked).numpy().tolist() == want


def test_types_and_shapes_that_keras_asks_for() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", dtype="int64")
    layer.dtype_policy = "mixed_float16"
    assert layer.dtype == "int64"
    assert layer(["a"])["input_ids"].dtype == tf.int64
    assert layer.compute_output_shape((8,), 5) == {"input_ids": (8, 5), "attention_mask": (8, 5)}
    assert layer.compute_output_shape((None, 2))["input_ids"] == (None, 2, None)


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
assert layer(["Hello world"], training=False)["input_ids"].to_list() == [[15496, 995]]
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


def test_configuration_round_trip(tmp_path: Path) -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<pad>", add_prefix_space=True)
    fast.add_tokens([AddedToken("<x>", lstrip=True), AddedToken("word", single_word=True)])
    layer = TFGPT2Tokenizer.from_tokenizer(
        fast, padding_side="left", add_bos=True, dtype="int64", max_length=12
    )
    config = json.loads(json.dumps(layer.get_config()))
    other = TFGPT2Tokenizer.from_config(config)
    assert other.get_config() == layer.get_config()
    texts = [
        "a <x> b",
        "word words",
        "<pad> 日本\u3000",
        "",
        "a long one that is cut somewhere near its very end",
    ]
    judge = GPT2TokenizerFast.from_pretrained(
        "gpt2", pad_token="<pad>", add_prefix_space=True, padding_side="left", add_bos_token=True
    )
    judge.add_tokens(list(fast.added_tokens_decoder.values()))
    want = judge(texts, padding="max_length", truncation=True, max_length=12)
    for name in ("input_ids", "attention_mask"):
        assert other(texts)[name].numpy().tolist() == want[name]
    assert other(texts)["input_ids"].dtype == tf.int64
    # No path in it: nothing to find on another machine.
    assert not [value for value in config.values() if isinstance(value, str) and os.sep in value[:1]]


def test_a_configuration_whose_merges_look_like_a_version() -> None:
    # `#version` at the head of merges.txt is no merge; as the left part of one it is.
    merges = [("#", "v"), *((("#version"[: i + 2]), "#version"[i + 2]) for i in range(6)), ("#version", "!")]
    vocab = {char: byte for byte, char in byte_alphabet().items()}
    vocab |= {left + right: 256 + i for i, (left, right) in enumerate(merges)}
    fast = GPT2TokenizerFast(vocab, merges, unk_token=None, bos_token=None, eos_token=None)
    config = json.loads(json.dumps(TFGPT2Tokenizer(vocab, merges).get_config()))
    texts = ["#version!", "#versions"]
    assert TFGPT2Tokenizer.from_config(config)(texts)["input_ids"].to_list() == fast(texts)["input_ids"]


def test_models_with_the_layer_first(layer: TFGPT2Tokenizer, tmp_path: Path) -> None:
    text = keras.Input((), dtype="string", name="text")
    hidden = keras.layers.Embedding(50257, 3)(layer(text, max_length=5)["input_ids"])
    model = keras.Model(text, keras.layers.Flatten()(hidden))
    asked = tf.constant(["Hello world", "日本\u3000語 unbelievably", ""])
    want = model(asked).numpy()

    model.save(tmp_path / "m.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "m.keras")(asked), want)
    assert np.array_equal(keras.models.clone_model(model)(asked).shape, want.shape)

    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    assert np.array_equal(exported.serve(asked), want)

    tf.saved_model.save(model, str(tmp_path / "saved"))
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    signature = saved.signatures["serving_default"]
    assert np.array_equal(next(iter(signature(asked).values())), want)


def test_the_layer_itself_saved(
    default_layer: TFGPT2Tokenizer, fast: GPT2TokenizerFast, tmp_path: Path
) -> None:
    tf.saved_model.save(default_layer, str(tmp_path / "layer"))
    loaded = tf.saved_model.load(str(tmp_path / "layer"))
    texts = ["Hello world", "", "日本<|endoftext|>"]
    want = fast(texts)["input_ids"]
    rows = loaded.tokenize(tf.constant(texts))
    counts = rows["attention_mask"].numpy().sum(axis=1)
    assert [row[:n] for row, n in zip(rows["input_ids"].numpy().tolist(), counts, strict=True)] == want
    again = loaded.signatures["serving_default"](tf.constant(texts))
    assert np.array_equal(again["input_ids"], rows["input_ids"])
    assert loaded.detokenize(**rows)["text_bytes"].numpy().tolist() == [text.encode() for text in texts]
    # A checkpoint holds nothing of it.
    assert not [
        name
        for name, _ in tf.train.list_variables(tf.train.Checkpoint(x=default_layer).save(str(tmp_path / "c")))
        if name.startswith("x/")
    ]


def test_symbolic_lengths_and_ragged_inputs(layer: TFGPT2Tokenizer, fast: GPT2TokenizerFast) -> None:
    ragged = keras.Input((None,), dtype="string", ragged=True)
    rows = layer(ragged, max_length=2)["input_ids"]
    assert rows.ragged
    assert rows.shape == (None, None, 2)
    found = keras.Model(ragged, rows)(tf.ragged.constant([["a b"], ["c", "d e"]]))
    assert found.to_list() == [
        [fast("a b")["input_ids"]],
        [[*fast("c")["input_ids"], 50_256], fast("d e")["input_ids"]],
    ]
    text, length = keras.Input((), dtype="string"), keras.Input(batch_shape=(), dtype="int32")
    rows = layer(text, max_length=length)["input_ids"]
    assert not rows.ragged
    assert rows.shape == (None, None)
    model = keras.Model([text, length], rows)
    assert model([tf.constant(["a b c"]), tf.constant(2)]).numpy().tolist() == [
        fast("a b c")["input_ids"][:2]
    ]


def test_a_module_that_holds_the_layer(layer: TFGPT2Tokenizer, tmp_path: Path) -> None:
    class Holder(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, x: Any) -> Any:
            return self.layer(x)["input_ids"]

    tf.saved_model.save(Holder(), str(tmp_path / "held"))
    assert tf.saved_model.load(str(tmp_path / "held"))(tf.constant(["Hello world", ""])).to_list() == [
        [15496, 995],
        [],
    ]
