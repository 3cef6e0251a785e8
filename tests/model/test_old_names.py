"""Does old code hear what is written now? Methods and arguments that transformers has, and types that Keras has."""

from __future__ import annotations

import functools
import re
from typing import Any

import keras
import numpy as np
import pytest
from helpers import BACKEND, TINY, array, tensor

import gpt2model
from gpt2model import GPT2Config
from gpt2model.old_names import _METHOD

IDS = np.arange(6).reshape(2, 3)


@functools.cache
def model(name: str = "GPT2LMHeadModel") -> Any:
    return getattr(gpt2model, name)(GPT2Config(**TINY))


@pytest.mark.parametrize("name", _METHOD)
def test_an_old_method_names_the_new(name: str) -> None:
    """Or is there, as PyTorch's modules have it. What a message tells to write is there, too."""
    if BACKEND == "torch" and (hasattr(keras.layers.Layer, name) or name == "device"):
        assert hasattr(model(), name)
        return
    with pytest.raises(AttributeError) as error:
        getattr(model(), name)
    told = str(error.value)
    assert told.startswith(f"GPT2LMHeadModel has no {name!r}: ") and not hasattr(model(), name)
    told = told.replace("(on PyTorch model.device says which)", "")
    for written in re.findall(r"model\.(\w+)", told):
        assert hasattr(model(), written), told
    for written in re.findall(r"keras\.([\w.]+)", told):
        functools.reduce(getattr, written.split("."), keras)


def test_what_has_no_answer_is_an_error_as_ever() -> None:
    with pytest.raises(AttributeError, match=r"^'GPT2LMHeadModel' object has no attribute 'nonsense'"):
        _ = model().nonsense
    if BACKEND != "torch":  # whose modules swallow what a property says
        with pytest.raises(AttributeError, match="has never been called"):
            _ = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY)).input


@pytest.mark.skipif(BACKEND != "torch", reason="methods of PyTorch's modules")
def test_pytorchs_own_methods_are_left_alone() -> None:
    one = model()
    assert sum(weight.numel() for weight in one.parameters()) == one.count_params()
    assert all(weight.requires_grad for weight in one.parameters())
    assert all("seed" not in name for name, _ in one.named_parameters()) and tensor(IDS).device == one.device
    quantized = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY))
    quantized.quantize("int8")
    assert sum(weight.numel() for weight in quantized.parameters()) == quantized.count_params()
    assert set(one.state_dict()) and one.to("cpu") is one and one.train().eval() is one
    assert np.array_equal(array(one.forward(tensor(IDS)).logits.detach()), array(one(IDS).logits.detach()))


ARGUMENTS = [
    (
        "GPT2Model",
        "labels",
        "GPT2Model takes no argument 'labels': GPT2DoubleHeadsModel, GPT2ForSequenceClassification,"
        " GPT2ForTokenClassification, GPT2LMHeadModel take it.",
    ),
    ("GPT2ForQuestionAnswering", "labels", "GPT2ForQuestionAnswering takes no argument 'labels': GPT2Double"),
    ("GPT2LMHeadModel", "mc_labels", "GPT2LMHeadModel takes no argument .*: GPT2DoubleHeadsModel takes it."),
    ("GPT2LMHeadModel", "start_positions", ": GPT2ForQuestionAnswering takes it."),
    ("GPT2Model", "logits_to_keep", ": GPT2LMHeadModel takes it."),
    ("GPT2LMHeadModel", "lables", "GPT2LMHeadModel takes no argument 'lables': did you mean labels[?]"),
    ("GPT2Model", "xyzzy", "GPT2Model takes no argument 'xyzzy': it takes input_ids, past_key_values, "),
    ("GPT2LMHeadModel", "params", "'params': a call takes no weights: use model.stateless_call"),
    ("GPT2LMHeadModel", "prng_key", "'prng_key': chance is generate's, by seed=0"),
    ("GPT2LMHeadModel", "seed", "'seed': chance is generate's, by seed=0"),
    ("GPT2Model", "cache_position", "'cache_position': leave it out: positions are counted"),
]


@pytest.mark.parametrize(("name", "argument", "message"), ARGUMENTS)
def test_an_argument_of_another_class(name: str, argument: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        model(name)(IDS, **{argument: IDS})


OF_GENERATE = [
    ("params", {}, gpt2model.GenerationConfigError, "'params': leave it out: the model keeps its weights"),
    ("prng_key", None, gpt2model.GenerationConfigError, "'prng_key': it is seed="),
    ("generator", None, gpt2model.GenerationConfigError, "'generator': it is seed="),
    ("trace", False, gpt2model.GenerationConfigError, "'trace': leave it out: generate compiles by itself"),
    ("synced_gpus", True, gpt2model.GenerationConfigError, "'synced_gpus': leave it out"),
    ("seed", (42, 0), TypeError, "seed=42, where TensorFlow took a pair and Flax a key, not .42, 0."),
    (
        "seed",
        np.array([0, 42], "uint32"),
        TypeError,
        "seed=42, where TensorFlow took a pair and Flax a key, not ",
    ),
]


@pytest.mark.parametrize(("argument", "value", "error", "message"), OF_GENERATE)
def test_an_old_argument_of_generate(argument: str, value: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        model().generate(IDS, max_new_tokens=1, do_sample=True, eos_token_id=None, **{argument: value})


def test_a_configuration_has_no_seed() -> None:
    with pytest.raises(gpt2model.GenerationConfigError, match=r"'seed': .* model\.generate\(ids, seed=0\)"):
        gpt2model.GenerationConfig(seed=1)


def test_an_input_of_another_class_in_a_mapping() -> None:
    with pytest.raises(
        ValueError, match=r"GPT2Model takes no input \['labels'\]; GPT2Double.* take it\. Drop"
    ):
        model("GPT2Model")({"input_ids": IDS, "labels": IDS})


def test_float8_is_refused() -> None:
    """Keras would round some products to it, and no checkpoint could say so."""
    one = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY))
    before = one.get_config()
    with pytest.raises(
        ValueError, match=r"not quantized to float8: quantize\('int8'\) .*dtype='bfloat16' or"
    ):
        one.quantize("float8")
    assert one.get_config() == before
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
    policies["transformer/h_0/attn/c_attn"] = keras.dtype_policies.get("float8_from_float32")
    with pytest.raises(ValueError, match=r"GPT2LMHeadModel is not quantized to float8: quantize\('int8'\)"):
        gpt2model.GPT2LMHeadModel(GPT2Config(**TINY), dtype=policies)


@pytest.mark.parametrize("policy", ["float8_from_float32", "int8_from_float32", "int4_from_mixed_bfloat16"])
def test_a_quantized_policy_makes_no_model(policy: str) -> None:
    with pytest.raises(
        ValueError, match=rf"dtype='{policy}' makes no whole model: .*model\.quantize\('int8'\)"
    ):
        gpt2model.GPT2LMHeadModel(GPT2Config(**TINY), dtype=policy)
