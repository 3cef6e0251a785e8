"""Do the processors do to logits what transformers' do? Golden filters, transformers live, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import GOLDEN, array, compiled, difference, tensor
from safetensors.numpy import load_file

from gpt2model import GenerationConfig
from gpt2model.generation.compiling import program
from gpt2model.generation.history import NOTHING, History
from gpt2model.generation.pipeline import processors
from gpt2model.generation.processor import apply, join, split

FOLDER = GOLDEN.parent / "generate"
FILTERS = {
    "temperature_0.7": {"do_sample": True, "temperature": 0.7, "top_k": 0},
    "top_k_5": {"do_sample": True, "top_k": 5},
    "top_p_0.9": {"do_sample": True, "top_k": 0, "top_p": 0.9},
    "top_p_0.3": {"do_sample": True, "top_k": 0, "top_p": 0.3},
    "min_p_0.1": {"do_sample": True, "top_k": 0, "min_p": 0.1},
    "typical_0.8": {"do_sample": True, "top_k": 0, "typical_p": 0.8},
    "epsilon_0.01": {"do_sample": True, "top_k": 0, "epsilon_cutoff": 0.01},
    "eta_0.02": {"do_sample": True, "top_k": 0, "eta_cutoff": 0.02},
    "repetition_1.3": {"repetition_penalty": 1.3},
    "no_repeat_2": {"no_repeat_ngram_size": 2},
}
VOCABULARY, ENDS = 40, (3, 39)
# Options of one processor each, beside what transformers makes of them.
LIVE = {
    **FILTERS,
    "several cuts": {"do_sample": True, "temperature": 1.3, "top_k": 20, "top_p": 0.8, "typical_p": 0.9, "min_p": 0.01},
    "cuts with beams": {"do_sample": True, "top_k": 1, "top_p": 0.01, "epsilon_cutoff": 0.9, "num_beams": 2},
    "no_repeat_1": {"no_repeat_ngram_size": 1},
    "no_repeat_3": {"no_repeat_ngram_size": 3},
    "no_repeat_50": {"no_repeat_ngram_size": 50},
    "bad words": {"bad_words_ids": [[3], [5], [1, 2], [2, 1, 7], [0, 7], [1, 1]]},
    "bias": {"sequence_bias": [[[4], -2.0], [[1, 2], 3.0], [[2, 2], 1.0], [[2, 1, 2], 5.0], [[1], 0.5]]},
    "min_length": {"min_length": 14},
    "min_length reached": {"min_length": 12},
    "min_new_tokens": {"min_new_tokens": 4},
    "min_new_tokens reached": {"min_new_tokens": 3},
    "forced eos, not yet": {"forced_eos_token_id": 6, "max_length": 20},
    "forced eos": {"forced_eos_token_id": [6, 7], "max_length": 13},
    "decay": {"exponential_decay_length_penalty": (1, 1.5)},
    "decay, not yet": {"exponential_decay_length_penalty": (3, 1.5)},
    "suppress": {"suppress_tokens": [0, 39]},
    "begin": {"begin_suppress_tokens": [0, 39]},
    "normalized": {"do_sample": True, "top_k": 7, "renormalize_logits": True},
}  # fmt: skip


def through_xla(function):
    """The function as generation compiles it."""
    return program(lambda _, *arguments: function(*arguments), None, compile=True)


def ours(options, ids, logits, *, new=0, most_new=20, dynamic=False, way=compiled):
    """Logits after processing; `dynamic`: in a buffer with room on both sides, everything traced."""
    config = GenerationConfig(**options)
    bare, numbers = split(processors(config, most_new))
    columns = ids.shape[1]
    if dynamic:
        ids = np.pad(ids, ((0, 0), (5, 4)), constant_values=NOTHING)
    filled = columns + (5 if dynamic else 0)

    def run(ids, logits, filled, new, prompt, numbers):  # noqa: PLR0917
        return apply(join(bare, numbers), History(ids, filled, new, prompt), logits)

    arguments = [np.asarray(value, "int32") for value in (filled, new, columns - new)]
    given = [tensor(ids.astype("int32")), tensor(logits), *map(tensor, arguments)]
    run = way(run)
    return array(run(*given, tensor(np.asarray(numbers, "float32"))))


def same(left, right):
    """Equal where refused, near elsewhere."""
    assert np.array_equal(np.isneginf(left), np.isneginf(right))
    assert difference(np.where(np.isneginf(left), 0, left), np.where(np.isneginf(right), 0, right)) < 1e-5


@pytest.mark.parametrize("name", FILTERS)
def test_golden_filters(name):
    tensors = load_file(FOLDER / "io.safetensors")
    for dynamic, way in ((False, compiled), (True, compiled), (True, through_xla), (True, lambda run: run)):
        got = ours(FILTERS[name], tensors["in.history"], tensors["in.logits"], dynamic=dynamic, way=way)
        same(got, tensors[f"filter.{name}"])


def test_all_golden_filters_are_compared():
    names = {
        name.partition(".")[2] for name in load_file(FOLDER / "io.safetensors") if name.startswith("filter.")
    }
    assert names == set(FILTERS)


@pytest.mark.parametrize("name", LIVE)
def test_as_transformers_does(name):
    import torch
    import transformers

    random = np.random.default_rng(len(name))
    ids = random.integers(0, 4, (6, 12))  # few tokens, so that they repeat
    ids[0, -2:], ids[1, -1:], ids[2, -2:] = (2, 1), (1,), (1, 2)
    logits = (random.standard_normal((6, VOCABULARY)) * 3).astype("float32")
    new = 0 if name == "begin" else 3
    options = {"eos_token_id": list(ENDS), **LIVE[name]}
    most = options.get("max_length", 20 + 12 - new) - (12 - new)
    theirs = transformers.GenerationConfig(**{"top_k": 50, **options})
    theirs.max_length = theirs.max_length or 32
    theirs._eos_token_tensor = torch.tensor(ENDS)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=4, n_layer=1, n_head=1)
    )
    chain = model._get_logits_processor(theirs, input_ids_seq_length=12 - new, model_kwargs={})
    expected = chain(torch.tensor(ids), torch.tensor(logits)).numpy()
    for dynamic in (False, True):
        same(ours(options, ids, logits, new=new, most_new=most, dynamic=dynamic), expected)


LARGE = 3000  # more than the tokens among which a border is looked for first
SHAPES = {
    "peaked": lambda random: random.standard_normal((3, LARGE)) * 4,
    "flat": lambda random: random.standard_normal((3, LARGE)) * 0.01,
    "both": lambda random: random.standard_normal((3, LARGE)) * np.array([[0.01], [1.0], [9.0]]),
    "ties": lambda random: random.integers(0, 4, (3, LARGE)),
    "refused": lambda random: np.where(
        random.random((3, LARGE)) < 0.9, -np.inf, random.standard_normal((3, LARGE))
    ),
}
CUTS = [(0, 1.0), (1, 1.0), (50, 1.0), (1024, 1.0), (1025, 1.0), (9999, 1.0), (0, 0.0), (0, 0.3), (0, 0.95)]
CUTS += [(50, 0.9), (1500, 0.7), (1024, 0.999)]


def warped(options, logits):
    """What transformers' warpers make of logits."""
    import torch
    from transformers.generation import logits_process

    scores = torch.tensor(logits)
    if options.get("top_k"):
        scores = logits_process.TopKLogitsWarper(options["top_k"])(None, scores)
    if options.get("top_p", 1.0) < 1.0:
        scores = logits_process.TopPLogitsWarper(options["top_p"])(None, scores)
    if "typical_p" in options:
        scores = logits_process.TypicalLogitsWarper(options["typical_p"])(None, scores)
    return scores.numpy()


@pytest.mark.parametrize("shape", SHAPES)
def test_cuts_of_many_tokens(shape):
    """One program for all of them: k and p are numbers of it. (At a border that float32 sums decide, a tie of
    rounding, one token may differ.)"""
    logits = SHAPES[shape](np.random.default_rng(7)).astype("float32")
    bare, _ = split(processors(GenerationConfig(do_sample=True), 9))
    history = History(tensor(np.array([[1]] * 3, "int32")), 1, 0, 1)
    run = compiled(lambda logits, numbers: apply(join(bare, numbers), history, logits))
    for k, p in CUTS:
        same_config, numbers = split(processors(GenerationConfig(do_sample=True, top_k=k, top_p=p), 9))
        assert same_config == bare
        got = array(run(tensor(logits), tensor(np.asarray(numbers, "float32"))))
        expected = warped({"top_k": k, "top_p": p}, logits)
        if (
            shape == "ties" and p < 1.0
        ):  # transformers cuts through a tie by the order of its sort; here it stays whole
            assert (np.isfinite(got) | ~np.isfinite(expected)).all()
            border = np.where(np.isfinite(expected), expected, np.inf).min(axis=1, keepdims=True)
            assert np.array_equal(np.isfinite(got), logits >= border), (k, p)
            continue
        assert (np.isfinite(got) != np.isfinite(expected)).sum() <= (3 if p < 1.0 else 0), (k, p)
        kept = np.isfinite(got)
        assert np.array_equal(got[kept], logits[kept])


@pytest.mark.parametrize("shape", ["peaked", "flat", "both", "refused"])
def test_typical_of_many_tokens(shape):
    logits = SHAPES[shape](np.random.default_rng(8)).astype("float32")
    options = {"do_sample": True, "top_k": 0, "typical_p": 0.8}
    got = ours(options, np.array([[1]] * 3), logits)
    assert (np.isfinite(got) != np.isfinite(warped(options, logits))).sum() <= 3


def test_count_penalties():
    ids = np.array([[5, 5, 1, 1, 2], [0, 1, 2, 3, 4]])
    logits = np.zeros((2, 8), "float32")
    got = ours({"frequency_penalty": 0.5, "presence_penalty": 2.0}, ids, logits, new=3)
    expected = np.zeros((2, 8))
    expected[0, 1], expected[0, 2] = -3.0, -2.5  # the prompt, 5 5, does not count
    expected[1, [2, 3, 4]] = -2.5
    assert difference(got, expected) < 1e-6


def test_forced_bos_and_begin_suppressed_after_it():
    logits = np.zeros((1, 5), "float32")
    options = {"forced_bos_token_id": 2, "begin_suppress_tokens": [4]}
    first = ours(options, np.array([[1]]), logits)
    assert np.isneginf(first).tolist() == [[True, True, False, True, True]]
    second = ours(options, np.array([[1, 2]]), logits, new=1)
    assert np.isneginf(second).tolist() == [[False, False, False, False, True]]


def test_invalid_values_removed():
    logits = np.array([[np.nan, np.inf, -np.inf, 1.0]], "float32")
    got = ours({"remove_invalid_values": True}, np.array([[1]]), logits)
    largest = np.finfo("float32").max
    assert got.tolist() == [[0.0, largest, -largest, 1.0]]


@pytest.mark.parametrize("way", [compiled, through_xla, lambda function: function])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 1.7])
def test_a_refused_token_leaves_the_temperature_alone(temperature, way):
    """The number that `remove_invalid_values` made of a refused token raised the temperature by an eighth."""
    options = {"remove_invalid_values": True, "suppress_tokens": [3], "top_k": 0}
    logits = np.array([[0.25, -1.5, 2.0, 7.0, 0.0]], "float32")
    sampling = {"do_sample": True, "temperature": temperature}
    got = ours({**options, **sampling}, np.array([[1, 2]]), logits, way=way)
    assert np.allclose(np.delete(got[0], 3), np.delete(logits[0], 3) / temperature, rtol=1e-6)
    assert got[0, 3] < -1e38


def test_a_refused_end_grows_no_likelier():
    """`remove_invalid_values` makes a number of what `min_new_tokens` refused; the decay made infinity of that."""
    options = {
        "remove_invalid_values": True,
        "exponential_decay_length_penalty": (0, 3.0),
        "min_new_tokens": 9,
    }
    got = ours({"eos_token_id": 3, **options}, np.array([[1, 2, 2]]), np.ones((1, 5), "float32"), new=2)
    assert np.isfinite(got).all() and got[0, 3] == -np.finfo("float32").max
    grown = ours(
        {"eos_token_id": 3, **options, "min_new_tokens": 2},
        np.array([[1, 2, 2]]),
        np.ones((1, 5), "float32"),
        new=2,
    )
    assert grown[0].tolist() == [1, 1, 1, 9, 1]


def test_a_sequence_longer_than_the_history_is_not_there():
    ids, logits = np.array([[1]]), np.zeros((1, 5), "float32")
    assert ours({"sequence_bias": [[[1, 1, 2], 4.0]]}, ids, logits).tolist() == logits.tolist()
    assert ours({"sequence_bias": [[[1, 2], 4.0]]}, ids, logits).tolist() == [[0, 0, 4, 0, 0]]


def test_padding_is_nothing():
    """What stands in the padding neither counts nor completes anything."""
    random = np.random.default_rng(0)
    logits = random.standard_normal((1, 9)).astype("float32")
    options = {"repetition_penalty": 2.0, "no_repeat_ngram_size": 2, "sequence_bias": [[[0, 1], 4.0]]}
    ids = np.array([[1, 4, 1]])
    padded = np.pad(ids, ((0, 0), (4, 0)), constant_values=NOTHING)
    same(ours(options, padded, logits), ours(options, ids, logits))
