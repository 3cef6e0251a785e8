"""Does `generate` say what transformers says? Golden runs, transformers live, and the plain way as the judge of
the fast one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import (
    BACKEND,
    GENERATE,
    PLAIN,
    SMALL,
    array,
    golden_generator,
    long_where_compiled,
    small_twins,
    tensor,
)

import gpt2model
from gpt2model import ContextLengthError, GenerationConfig, GenerationConfigError, GPT2Config, GPT2LMHeadModel
from gpt2tok import get_encoding

AGAIN = () if BACKEND == "torch" else pytest.mark.long

RUNS = json.loads((GENERATE / "case.json").read_text("utf-8"))["runs"]


def golden_run(name, **how):
    model, tensors = golden_generator()
    options = dict(RUNS[name])
    left = options.pop("left_padded")
    ids = tensors["in.left" if left else "in.prompt"].astype("int32")
    mask = tensors["in.left_mask"].astype("int32") if left else None
    output = model.generate(
        ids, attention_mask=mask, pad_token_id=96, return_dict_in_generate=True, **options, **how
    )
    return output, tensors[f"out.{name}.sequences"], tensors.get(f"out.{name}.sequences_scores")


GREEDY = [name for name in RUNS if name.startswith("greedy")]


@pytest.mark.parametrize("name", GREEDY)
def test_golden_runs(name):
    output, expected, _ = golden_run(name)
    assert array(output.sequences).tolist() == expected.tolist()


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("beam")])
def test_golden_beams(name):
    output, expected, scores = golden_run(name, output_scores=True)
    assert array(output.sequences).tolist() == expected.tolist()
    assert np.abs(array(output.sequences_scores) - scores).max() < 1e-5


@long_where_compiled
@pytest.mark.parametrize("name", ["greedy_padded", "greedy_no_repeat_ngram_2"])
@pytest.mark.parametrize("how", [{"compile": False}, {"use_cache": False}, {"max_time": 1e6}], ids=str)
def test_golden_runs_other_ways(name, how):
    output, expected, _ = golden_run(name, **how)
    assert array(output.sequences).tolist() == expected.tolist()


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no program here")
@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_golden_runs_uncompiled(name):
    output, expected, scores = golden_run(name, compile=False, output_scores=name.startswith("beam"))
    assert array(output.sequences).tolist() == expected.tolist()
    assert scores is None or np.abs(array(output.sequences_scores) - scores).max() < 1e-5


def test_double_heads_generate_the_same():
    model, tensors = golden_generator()
    double = gpt2model.GPT2DoubleHeadsModel(GPT2Config.from_json(GENERATE / "config.json"))
    double.transformer.set_weights(model.transformer.get_weights())
    got = double.generate(tensors["in.prompt"].astype("int32"), max_new_tokens=20, pad_token_id=96)
    assert array(got).tolist() == tensors["out.greedy.sequences"].tolist()


def random_options(random):
    """Options of a random generation that transformers knows, too."""
    options = {"max_new_tokens": int(random.integers(1, 17)), "eos_token_id": [3, 5], "pad_token_id": 0}
    choices = {
        "repetition_penalty": 1.0 + float(random.random()),
        "no_repeat_ngram_size": int(random.integers(1, 4)),
        "min_new_tokens": int(random.integers(1, options["max_new_tokens"] + 1)),
        "suppress_tokens": [int(token) for token in random.integers(0, 40, 3)],
        "begin_suppress_tokens": [int(token) for token in random.integers(0, 40, 9)],
        "bad_words_ids": [[int(token) for token in random.integers(0, 40, size)] for size in (1, 2)],
        "exponential_decay_length_penalty": (1, 1.5),
        "forced_eos_token_id": 5,
        "renormalize_logits": True,
    }
    return options | {name: value for name, value in choices.items() if random.random() < 0.25}


def random_prompt(random, width=None):
    width = width or int(random.integers(1, 17))
    ids = random.integers(0, 40, (2, width)).astype("int32")
    mask = np.ones_like(ids)
    mask[0, : int(random.integers(0, width))] = 0
    return ids, mask


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=AGAIN) for seed in (1, 2, 3))])
def test_as_transformers_live(seed):
    import torch

    ours, theirs = small_twins()
    random = np.random.default_rng(seed)
    ids, mask = random_prompt(random)
    options = random_options(random)
    expected = theirs.generate(
        torch.tensor(ids).long(),
        attention_mask=torch.tensor(mask),
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
        do_sample=False,
        **options,
    )
    keep = {"output_scores": True, "output_logits": True, "return_dict_in_generate": True}
    got = ours.generate(ids, attention_mask=mask, **keep, **options)
    assert array(got.sequences).tolist() == expected.sequences.tolist(), options
    for name in ("scores", "logits"):
        left, right = (
            np.stack([array(step) for step in getattr(output, name)]) for output in (got, expected)
        )
        assert np.array_equal(np.isneginf(left), np.isneginf(right))
        finite = np.isfinite(left)
        assert np.abs(left[finite] - right[finite]).max(initial=0) < 1e-4, name


def against_plain(seed):
    """A random configuration, the fast way and the plain way, sampling too."""
    random = np.random.default_rng(1000 + seed)
    flags = {
        "scale_attn_by_inverse_layer_idx": True,
        "reorder_and_upcast_attn": True,
        "activation_function": "relu",
    }
    flags |= {"tie_word_embeddings": False, "n_inner": 24}
    fields = dict(list(flags.items())[: seed % 6]) if seed % 2 else {}
    ours, _ = small_twins(seed=seed % 3, **fields)
    ids, mask = random_prompt(random)
    options = random_options(random)
    if seed % 3:
        sampling = {"temperature": 0.5 + random.random(), "top_p": 0.8, "top_k": int(random.integers(0, 30))}
        sampling |= {"typical_p": 0.9, "min_p": 0.02, "epsilon_cutoff": 0.001, "eta_cutoff": 0.001}
        names = [name for name in sampling if random.random() < 0.5]
        options |= {"do_sample": True, **{name: sampling[name] for name in names}}
        options["num_return_sequences"] = int(random.integers(1, 3))
    given = {"attention_mask": mask, "seed": seed, **options}

    def said(**how):
        try:
            return array(ours.generate(ids, **given, **how)).tolist()
        except ValueError as error:  # a random configuration may leave no token to choose
            assert "No token was left" in str(error), options
            return str(error)

    assert said() == said(use_cache=False), options


def test_fast_equals_plain():
    against_plain(0)


@long_where_compiled
@pytest.mark.parametrize("seed", range(1, 6))
def test_fast_equals_plain_again(seed):
    against_plain(seed)


@pytest.mark.long
def test_fast_equals_plain_for_a_thousand():
    for seed in range(1000):
        against_plain(seed)


@long_where_compiled
def test_rows_do_not_know_of_each_other():
    """A row alone, in a batch, padded, given as lists: the same tokens."""
    ours, _ = small_twins(**PLAIN)
    rows = [[7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], [9, 9, 9]]
    together = array(ours.generate(rows, max_new_tokens=8))
    for row, got in zip(rows, together, strict=True):
        alone = array(ours.generate([row], max_new_tokens=8))[0]
        assert alone[: len(row)].tolist() == row
        assert alone[-8:].tolist() == got[-8:].tolist()


def test_all_positions_can_be_filled():
    ours, _ = small_twins(**PLAIN)
    assert array(ours.generate([[1, 2, 3]], max_new_tokens=45)).shape == (1, 48)


@long_where_compiled
def test_every_end_ends():
    ours, _ = small_twins(**PLAIN)
    free = array(ours.generate([[1, 2, 3]], max_new_tokens=12))[0, 3:].tolist()
    for end in (free[0], free[5]):
        place = free.index(end)
        got = array(ours.generate([[1, 2, 3]], max_new_tokens=12, eos_token_id=[end, 39], pad_token_id=0))
        assert got[0, 3:].tolist() == free[: place + 1]


def test_rows_as_arrays():
    ours, _ = small_twins(**PLAIN)
    expected = array(ours.generate([[1, 2], [3]], max_new_tokens=3)).tolist()
    for make in (np.array, tensor):
        assert array(ours.generate([make([1, 2]), make([3])], max_new_tokens=3)).tolist() == expected


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no program here")
def test_other_numbers_need_no_other_program(monkeypatch):
    """Lengths in a bucket, and whatever sampling is told, are arguments of one program: compiled once, by the
    backend's own count."""
    from gpt2model.generation import generate

    programs, counts = [], []
    whole = generate.program

    def kept(*arguments, **options):
        programs.append(whole(*arguments, **options))
        return programs[-1]

    monkeypatch.setattr(generate, "program", kept)
    ours, _ = small_twins(**PLAIN)
    told = [
        {},
        {"temperature": 0.7},
        {"top_k": 3},
        {"top_k": 0, "top_p": 0.9},
        {"top_p": 0.2, "temperature": 1.4},
    ]
    for length, options in enumerate(told, start=3):
        ids = np.ones((1, length), "int32")
        ours.generate(ids, do_sample=True, seed=length, max_new_tokens=length, **options)
        count = programs[0]._cache_size if BACKEND == "jax" else programs[0].experimental_get_tracing_count
        counts.append(count())
    assert len(programs) == len(told) and len({id(one) for one in programs}) == 1
    assert len(set(counts)) == 1  # other tests may have called it with other shapes


@long_where_compiled
def test_weights_that_change_are_seen():
    ours = GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN))

    def first():
        keep = {"output_logits": True, "return_dict_in_generate": True}
        return array(ours.generate([[1, 2, 3]], max_new_tokens=6, **keep).logits[0])

    before = first()
    table = ours.transformer.wpe.embeddings
    table.assign(table * 3.0)
    after = first()
    assert np.abs(before - after).max() > 1e-3
    assert np.abs(after - array(ours(tensor([[1, 2, 3]])).logits)[:, -1]).max() < 1e-4


@pytest.mark.parametrize("form", ["bfloat16", "int8"])
def test_smaller_weights_say_nearly_the_same(form):
    ours, _ = small_twins(**PLAIN)
    keep = {"output_logits": True, "return_dict_in_generate": True, "max_new_tokens": 1}
    exact = array(ours.generate([[1, 2, 3]], **keep).logits[0])
    near = array(ours.generate([[1, 2, 3]], weights=form, **keep).logits[0])
    assert 0 < np.abs(exact - near).max() < 0.05 * np.abs(exact).max()


def test_int8_rounds_each_row_by_its_own_largest_number():
    """By half a step at most, whatever the other rows hold."""
    from gpt2model.generation.weights import quantized

    rows = (
        np.random.default_rng(0).standard_normal((6, 50)).astype("float32")
        * 10.0 ** np.arange(-3, 3)[:, None]
    )
    whole, scale = (array(part) for part in quantized(tensor(rows.astype("float32"))))
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert whole.dtype == np.int8 and np.abs(whole).max(axis=1).tolist() == [127] * 6
    assert (np.abs(whole * scale[:, None] - rows) <= 0.51 * step).all()


def with_nan():
    ours = GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN))
    table = ours.transformer.wpe.embeddings
    values = array(table).copy()
    values[5] = np.nan
    table.assign(values)
    return ours


@pytest.mark.parametrize("how", [{}, {"use_cache": False}, {"max_time": 1e6}], ids=str)
def test_nan_stops_with_the_step(how):
    with pytest.raises(ValueError, match="NaN at step 3 "):
        with_nan().generate([[1, 2, 3]], max_new_tokens=9, **how)


def test_nan_in_a_row_that_has_ended_stops_nobody():
    """The padding of the first row stands at the position that is not a number."""
    model = with_nan()
    free = array(model.generate([[1, 2, 3, 4]], max_new_tokens=1))[0, -1]
    short = array(model.generate([[1, 2]], max_new_tokens=3))[0, 2:].tolist()
    assert free not in short  # else the second row would end, too
    rows = [[1, 2, 3, 4], [1, 2]]
    got = array(model.generate(rows, max_new_tokens=3, eos_token_id=int(free), pad_token_id=0))
    assert got.tolist() == [[1, 2, 3, 4, free, 0, 0], [0, 0, 1, 2, *short]]


@pytest.mark.parametrize("how", [{}, {"renormalize_logits": True}], ids=str)
def test_no_token_left_stops_with_the_step(how):
    ours, _ = small_twins(**PLAIN)
    with pytest.raises(ValueError, match=r"No token was left to choose at step 0"):
        ours.generate([[1]], max_new_tokens=4, suppress_tokens=list(range(40)), **how)


REFUSED = {
    "too many": (ContextLengthError, [[1] * 40], {"max_new_tokens": 9}, "40 tokens and 9 new"),
    "no room at all": (ContextLengthError, [[1] * 48], {}, "n_positions=48: shorten the prompt, keep its end, or"),
    "empty row": (ValueError, [[1], []], {}, "Prompt 1 is empty"),
    "empty": (ValueError, [[]], {}, "Prompt 0 is empty"),
    "no rows": (ValueError, np.zeros((0, 3), "int32"), {}, "no row"),
    "all padding": (ValueError, [[1, 2]], {"attention_mask": [[0, 0]]}, "Prompt 0 is empty"),
    "padding on the right": (ValueError, [[1, 2]], {"attention_mask": [[1, 0]]}, "Pad on the left"),
    "shape of the mask": (ValueError, [[1, 2]], {"attention_mask": [[1]]}, "attention_mask has shape"),
    "no prompt": (ValueError, None, {}, "no prompt"),
    "out of vocabulary": (ValueError, [[1, 40]], {}, r"input_ids\[0, 1\] is 40"),
    "negative": (ValueError, [[-1, 4]], {}, r"input_ids\[0, 0\] is -1"),
    "no integers": (TypeError, [[0.5]], {}, "integers"),
    "assistant's name": (TypeError, [[1]], {"assistant_model": "gpt2"}, "must be a model of gpt2model, not 'gpt2'"),
    "bytes": (TypeError, b"text", {}, "decode the bytes to a str"),
    "a tokenizer's name": (TypeError, "text", {"tokenizer": "gpt2"}, "must be a tokenizer, not 'gpt2'"),
    "larger tokenizer": (ValueError, "text", {"tokenizer": get_encoding("gpt2")}, "has 50257 ids, and the model knows"),
    "text without tokenizer": (TypeError, "text", {}, "tokenizer="),
    "unknown": (GenerationConfigError, [[1]], {"temprature": 1.0}, "Did you mean temperature"),
    "idle temperature": (GenerationConfigError, [[1]], {"temperature": 0.5}, "temperature without do_sample"),
    "idle penalty": (GenerationConfigError, [[1]], {"length_penalty": 2.0}, "length_penalty with num_beams=1"),
    "two lengths": (GenerationConfigError, [[1]], {"max_length": 5, "max_new_tokens": 5}, "both say how long"),
    "length used up": (GenerationConfigError, [[1, 2, 3]], {"max_length": 3}, "counts the prompt"),
    "share": (GenerationConfigError, [[1]], {"do_sample": True, "top_p": 1.5}, "top_p must lie between 0"),
    "temperature 0": (GenerationConfigError, [[1]], {"do_sample": True, "temperature": 0.0}, "must be more than 0"),
    "NaN": (GenerationConfigError, [[1]], {"do_sample": True, "temperature": float("nan")}, "temperature"),
    "type": (TypeError, [[1]], {"max_new_tokens": "9"}, "max_new_tokens must be an integer"),
    "flag": (TypeError, [[1]], {"do_sample": 1}, "True or False"),
    "none new": (GenerationConfigError, [[1]], {"max_new_tokens": 0}, "at least 1"),
    "least above most": (GenerationConfigError, [[1]], {"max_new_tokens": 2, "min_new_tokens": 3}, "min_new_tokens=3"),
    "greedy twice": (GenerationConfigError, [[1]], {"num_return_sequences": 2}, "num_return_sequences=2"),
    "end out of vocabulary": (GenerationConfigError, [[1]], {"eos_token_id": 40}, "eos_token_id names token 40"),
    "GPT-2's end": (GenerationConfigError, [[1]], {"eos_token_id": 50256}, "model.config.eos_token_id to tokenizer"),
    "bad word": (GenerationConfigError, [[1]], {"bad_words_ids": [[1, 99]]}, "bad_words_ids names token 99"),
    "bad word as text": (
        TypeError,
        [[1]],
        {"bad_words_ids": [["x"]]},
        r"holds a text where token ids belong\. tokenizer\('x'\)\['input_ids'\] is one\.",
    ),
    "bad words as texts": (
        TypeError,
        [[1]],
        {"bad_words_ids": ["x"]},
        r"'x' is no list of token ids\. tokenizer\('x'\)\['input_ids'\] is one\.",
    ),
    "empty bad word": (GenerationConfigError, [[1]], {"bad_words_ids": [[]]}, "empty list"),
    "seed": (GenerationConfigError, [[1]], {"seed": -1}, "seed must lie"),
    "form": (GenerationConfigError, [[1]], {"weights": "int4"}, "weights must be one of"),
    "stop strings": (TypeError, [[1]], {"stop_strings": "x"}, "pass the tokenizer"),
    "config": (TypeError, [[1]], {"generation_config": {"top_k": 3}}, "GenerationConfig.from_dict"),
    "processor": (TypeError, [[1]], {"logits_processor": [3]}, "must be callable"),
    "no list of processors": (TypeError, [[1]], {"logits_processor": abs}, "logits_processor must be a list"),
    "no list of rules": (TypeError, [[1]], {"stopping_criteria": abs}, "stopping_criteria must be a list"),
    "no function": (TypeError, [[1]], {"prefix_allowed_tokens_fn": 3}, "function of a row and its ids, not 3"),
    "compile": (TypeError, [[1]], {"compile": "yes"}, "compile must be True or False, not 'yes'"),
    "two prompts": (ValueError, [[1]], {"input_ids": [[2]]}, "two prompts, inputs and input_ids"),
    "past int64": (ValueError, np.array([[2**63 + 5]], "uint64"), {}, "9223372036854775813, which is no token id"),
    "texts for a mask": (TypeError, [[1, 2]], {"attention_mask": [["a", "b"]]}, "must hold numbers or booleans"),
    "NaN in a mask": (ValueError, [[1, 2]], {"attention_mask": [[np.nan, 1.0]]}, "attention_mask holds NaN"),
    "ragged mask": (ValueError, [[1, 2]] * 2, {"attention_mask": [[1], [1, 1]]}, "attention_mask must be numbers or"),
    "infinite temperature": (GenerationConfigError, [[1]], {"do_sample": True, "temperature": np.inf}, "at most 3.4"),
    "penalty past float32": (GenerationConfigError, [[1]], {"frequency_penalty": 1e39}, "frequency_penalty must lie"),
    "bias past float32": (GenerationConfigError, [[1]], {"sequence_bias": {(1,): 1e39}}, r"of \[1\] must be -inf, or"),
    "stop strings' tokenizer": (TypeError, [[1]], {"stop_strings": "x", "tokenizer": 3}, "turns ids into text, not 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_any_work(case, monkeypatch):
    ours, _ = small_twins(**PLAIN)
    monkeypatch.setattr("gpt2model.generation.request.prepared", None)  # any work would need the weights
    error, prompt, options, words = REFUSED[case]
    with pytest.raises(error, match=words):
        ours.generate(prompt, **options)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no program here")
def test_weights_are_arguments():
    """A program holds no weights: two models of a shape share it."""
    from gpt2model.generation.compiling import _compiled

    one, _ = small_twins(**PLAIN)
    other, _ = small_twins(seed=1, **PLAIN)
    first = array(one.generate([[1, 2, 3]], max_new_tokens=8))
    misses = _compiled.cache_info().misses
    second = array(other.generate([[1, 2, 3]], max_new_tokens=8))
    assert _compiled.cache_info().misses == misses
    assert first.tolist() != second.tolist()
    assert array(one.generate([[1, 2, 3]], max_new_tokens=8)).tolist() == first.tolist()


def test_the_models_own_configuration():
    ours = GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN))
    ours.generation_config = GenerationConfig(max_new_tokens=3)
    assert array(ours.generate([[1]])).shape == (1, 4)
    assert array(ours.generate([[1]], max_length=3)).shape == (1, 3)
    assert array(ours.generate([[1]], GenerationConfig(max_new_tokens=5))).shape == (1, 6)


@pytest.mark.parametrize("how", [{}, {"num_beams": 2, "num_return_sequences": 2}], ids=str)
def test_texts_come_in_the_output_too(how):
    """Where an output was asked for, of texts as of ids."""

    class Letters:
        def encode(self, text):
            return [ord(letter) - 97 for letter in text]

        def decode(self, ids):
            return "".join(chr(97 + token) for token in ids)

    ours, letters = small_twins(**PLAIN)[0], Letters()
    options = {"max_new_tokens": 3, "return_dict_in_generate": True, "output_scores": True, **how}
    told = ours.generate(["abc", "de"], tokenizer=letters, **options)
    assert told.texts == ours.generate(["abc", "de"], tokenizer=letters, max_new_tokens=3, **how)
    assert array(told.sequences).shape == (len(told.texts), 6) and len(told.scores) == 3
    [one] = ours.generate("abc", tokenizer=letters, **{**options, "num_return_sequences": 1}).texts
    assert one == told.texts[0] and one.startswith("abc")
    assert ours.generate([[0, 1, 2]], **options).texts is None


@pytest.mark.parametrize("text", [[1], []], ids=["one token", "none"])
def test_a_text_too_short_to_be_judged(text):
    with pytest.raises(ValueError, match=r"Text 1 has \d tokens?, .*begin with bos_token_id: \[7, ...\]"):
        GPT2LMHeadModel(GPT2Config(**SMALL, bos_token_id=7)).score([[1, 2], text])
