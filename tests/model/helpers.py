"""What the model tests share: models filled with given weights, transformers as the judge, arrays out of any
backend.

Refuses to read checkpoints through the package under test: golden weights come straight from safetensors.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import gpt2model
from gpt2model.initialisation import blank
from gpt2model.weight_names import named_weights

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "model"
GENERATE = GOLDEN.parent / "generate"
BACKEND = keras.backend.backend()
TOLERANCE = 1e-4

# A model that trains in a moment, and the fields that make it repeat itself.
TINY = {"vocab_size": 64, "n_positions": 16, "n_embd": 16, "n_layer": 1, "n_head": 2}
SMALL = {"vocab_size": 40, "n_positions": 48, "n_embd": 16, "n_layer": 2, "n_head": 2}
PLAIN = {"eos_token_id": None, "bos_token_id": None}  # nothing ends or begins
STILL = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


def long_where_compiled(test: Any) -> Any:
    """Marks a test that makes many programs: seconds on PyTorch, where it always runs, and minutes elsewhere."""
    return test if BACKEND == "torch" else pytest.mark.long(test)


def array(tensor: Any) -> np.ndarray[Any, Any]:
    """A tensor's values."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def tensor(values: Any) -> Any:
    """Values as a tensor of the backend."""
    return keras.ops.convert_to_tensor(values)


def difference(left: Any, right: Any) -> float:
    """The largest difference of two arrays of the same shape."""
    left, right = np.asarray(left, "float64"), np.asarray(right, "float64")
    assert left.shape == right.shape, f"{left.shape} against {right.shape}"
    return float(np.abs(left - right).max()) if left.size else 0.0


def fill(model: Any, weights: dict[str, np.ndarray[Any, Any]]) -> None:
    """Put Hugging Face tensors into a model; every one must have its place, and every place its tensor."""
    slots = named_weights(model)
    assert set(slots) == set(weights), set(slots) ^ set(weights)
    for name, slot in slots.items():
        slot.assign(weights[name])


def golden_model(case: str) -> tuple[Any, dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The model of a golden case, its calls, and its inputs and outputs."""
    folder = GOLDEN / case
    description = json.loads((folder / "case.json").read_text("utf-8"))
    config = gpt2model.GPT2Config.from_json(folder / "config.json")
    with blank():
        model = getattr(gpt2model, description["class"])(config)
    fill(model, load_file(folder / "model.safetensors"))
    return model, description["calls"], load_file(folder / "io.safetensors")


def twins(class_name: str, seed: int = 0, **fields: Any) -> tuple[Any, Any]:
    """A model of ours and one of transformers (PyTorch, eager) with the same random weights."""
    import torch
    import transformers

    torch.manual_seed(seed)
    theirs = getattr(transformers, class_name)(transformers.GPT2Config(**fields, attn_implementation="eager"))
    theirs.eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for (
            parameter
        ) in theirs.parameters():  # wider than GPT-2's own, so that nothing hides behind small numbers
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    with blank():
        ours = getattr(gpt2model, class_name)(gpt2model.GPT2Config(**fields))
    tied = fields.get("tie_word_embeddings", True)
    state = {name: value.float().numpy().copy() for name, value in theirs.state_dict().items()}
    fill(ours, {name: value for name, value in state.items() if not (tied and name == "lm_head.weight")})
    return ours, theirs


@functools.cache
def small_twins(seed: int = 0, **fields: Any) -> tuple[Any, Any]:
    """A language model of `SMALL` sizes that generates in a moment, and its twin of transformers."""
    return twins("GPT2LMHeadModel", seed=seed, **{**SMALL, **fields})


@functools.cache
def golden_generator() -> tuple[Any, dict[str, np.ndarray[Any, Any]]]:
    """The model of the golden generations, and their prompts and answers."""
    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config.from_json(GENERATE / "config.json"))
    fill(model, load_file(GENERATE / "model.safetensors"))
    return model, load_file(GENERATE / "io.safetensors")


def compiled(function: Any) -> Any:
    """A function of tensors as this backend is used in earnest. JAX compiles each operation of an eager call
    by itself, which takes longer than compiling the function whole."""
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


@functools.lru_cache(maxsize=16)
def _compiled_call(model: Any, flags: tuple[tuple[str, Any], ...], weights: tuple[int, ...]) -> Any:
    return compiled(lambda given: model(**given, **dict(flags)))


def answer(model: Any, input_ids: Any = None, **inputs: Any) -> Any:
    """A model's answer to arrays, in one compiled call where that is quicker; flags may stand among them."""
    if input_ids is not None:
        inputs["input_ids"] = input_ids
    flags = {name: value for name, value in inputs.items() if value is None or isinstance(value, bool | int)}
    given = {
        name: tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in inputs.items()
        if name not in flags
    }
    # JAX bakes the weights of the moment into the program: other weights, another program.
    weights = tuple(id(variable.value) for variable in model.variables) if BACKEND == "jax" else ()
    return _compiled_call(model, tuple(sorted(flags.items())), weights)(given)


def ids_of(rows: int, length: int = 12, vocab: int = 64, seed: int = 0) -> np.ndarray[Any, Any]:
    """Random ids for a tiny model."""
    return np.random.default_rng(seed).integers(0, vocab, (rows, length)).astype("int32")


def prepared(model: Any, optimizer: Any, **options: Any) -> Any:
    """The model, compiled for `fit`. On TensorFlow without XLA, which takes seconds for each of these models; that
    Keras' own choice works too is one test's business."""
    if BACKEND == "tensorflow":
        options = {"jit_compile": False, **options}
    model.compile(optimizer, **options)
    return model
