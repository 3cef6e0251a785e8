"""What a model brings along besides weights: its options of generation, and chance that a user's seed makes repeat."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import gpt2model
from gpt2model import GenerationConfig, GPT2Config, GPT2LMHeadModel


@pytest.fixture(scope="module")
def small() -> GPT2Config:
    return GPT2Config(
        vocab_size=50, n_positions=32, n_embd=8, n_layer=1, n_head=2, eos_token_id=49, bos_token_id=49
    )


def test_a_model_always_has_options_of_generation(small: GPT2Config) -> None:
    model = GPT2LMHeadModel(small)
    assert model.generation_config == GenerationConfig(bos_token_id=49, eos_token_id=49)
    model.generation_config = model.generation_config.update(max_new_tokens=3)
    assert model.generation_config.max_new_tokens == 3
    model.generation_config = None
    assert model.generation_config.max_new_tokens is None
    with pytest.raises(TypeError, match=r"must be a GenerationConfig of gpt2model, not builtins\.str"):
        model.generation_config = "greedy"


def test_keras_files_keep_the_options_of_generation(small: GPT2Config, tmp_path: Path) -> None:
    model = GPT2LMHeadModel(small)
    model.save(tmp_path / "plain.keras")
    assert "_generation_config" not in keras.saving.load_model(tmp_path / "plain.keras").__dict__
    model.generation_config = GenerationConfig(max_new_tokens=3, eos_token_id=[7, 8], top_k=5)
    model.save(tmp_path / "own.keras")
    assert keras.saving.load_model(tmp_path / "own.keras").generation_config == model.generation_config


def test_setting_keras_seed_makes_draws_repeat(small: GPT2Config) -> None:
    model = GPT2LMHeadModel(small)

    def drawn() -> list[list[int]]:
        return np.asarray(model.generate([[1, 2]], do_sample=True, top_k=0, max_new_tokens=12)).tolist()

    keras.utils.set_random_seed(5)
    first, second = drawn(), drawn()
    keras.utils.set_random_seed(5)
    assert (drawn(), drawn()) == (first, second)
    assert first != second
    keras.utils.set_random_seed(6)
    assert drawn() != first


@pytest.mark.parametrize("loss", ["passthrough", {"logits": "mse"}, ["mse", None]])
def test_what_old_code_gave_compile_in_place_of_no_loss(small: GPT2Config, loss: Any) -> None:
    model = GPT2LMHeadModel(small)
    with pytest.raises(ValueError, match=r"compile\(\) takes one loss.* Leave it out"):
        model.compile(loss=loss)
    with pytest.raises(ValueError, match="not compute_loss"):
        model.compile(loss=model.compute_loss)


def test_quantizing_is_silent(small: GPT2Config) -> None:
    model = GPT2LMHeadModel(small)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.quantize("int8")
    assert model.transformer.h[0].mlp.c_fc.quantization_mode == "int8"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="AutoGraph is TensorFlow's")
@pytest.mark.parametrize("name", ["check_names", "as_arrays"])
def test_autograph_can_read_what_it_comes_by(name: str) -> None:
    """What it cannot read it warns of, in every `tf.function` that calls a model."""
    import tensorflow as tf

    assert "def " in tf.autograph.to_code(getattr(gpt2model.entry, name))
