"""Beams, guesses, streams, stops and scores: each beside transformers, another way, or a law."""

from __future__ import annotations

import errno
import functools
import json
import os

import numpy as np
import pytest
from helpers import PLAIN, SMALL, answer, array, long_where_compiled, small_twins, tensor

from gpt2model import GenerationConfig, GenerationConfigError, GPT2Config, GPT2LMHeadModel, GPT2Model
from gpt2model.generation.scoring import windows
from gpt2tok import get_encoding

PROMPT = np.array([[7, 3, 9, 1], [2, 2, 8, 5]], "int32")


def small(seed=0, **fields):
    return small_twins(seed=seed, **fields, **PLAIN)


BEAMS = {
    "never": {"num_beams": 3, "early_stopping": "never", "length_penalty": 0.7, "num_return_sequences": 2},
    "shorter": {"num_beams": 4, "length_penalty": -1.5, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2},
    # Of these weights' beams, one that a longer text could still make better: "never" waits for it, False does not.
    "patient": {"seed": 1, "num_beams": 2, "early_stopping": "never", "length_penalty": 1.0},
    "impatient": {"seed": 1, "num_beams": 2, "early_stopping": False, "length_penalty": 1.0},
    "early": {"num_beams": 2, "early_stopping": True, "forced_eos_token_id": 3},
}


@pytest.mark.parametrize("name", BEAMS)
def test_beams_as_transformers(name):
    import torch

    options = {
        "eos_token_id": [3, 11],
        "pad_token_id": 1,  # not 0: transformers takes that for none, and fills up with the first end
        "max_new_tokens": 10,
        "output_scores": True,
        **BEAMS[name],
    }
    ours, theirs = small(seed=options.pop("seed", 0))
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 1]])
    options["return_dict_in_generate"] = True
    expected = theirs.generate(torch.tensor(PROMPT).long(), attention_mask=torch.tensor(mask), **options)
    got = ours.generate(PROMPT, attention_mask=mask, **options)
    assert array(got.sequences).tolist() == expected.sequences.tolist()
    assert np.allclose(array(got.sequences_scores), expected.sequences_scores.numpy(), rtol=1e-5, atol=1e-5)
    assert array(got.beam_indices).tolist() == expected.beam_indices.tolist()
    moves = ours.compute_transition_scores(got.sequences, got.scores, got.beam_indices)
    theirs_moves = theirs.compute_transition_scores(
        expected.sequences, expected.scores, expected.beam_indices
    )
    assert np.abs(array(moves) - theirs_moves.numpy()).max() < 1e-4


@long_where_compiled
def test_beam_sampling_repeats_and_follows_the_scores():
    ours, _ = small()
    options = {"num_beams": 3, "do_sample": True, "num_return_sequences": 3, "max_new_tokens": 6, "top_k": 0}
    options |= {"output_scores": True, "return_dict_in_generate": True}
    one, same, other = (ours.generate(PROMPT, seed=seed, **options) for seed in (1, 1, 2))
    assert array(one.sequences).tolist() == array(same.sequences).tolist() != array(other.sequences).tolist()
    moves = array(ours.compute_transition_scores(one.sequences, one.scores, one.beam_indices))
    assert np.abs(moves.sum(axis=1) / 6 - array(one.sequences_scores)).max() < 1e-4


def test_beams_are_drawn_without_replacement():
    """Of one step both beams are drawn from the softmax, the second from what the first one left: how often each pair
    comes, chi-squared over 3,000 rows."""
    ours, _ = small()
    ids = np.repeat(PROMPT[:1], 3000, axis=0)
    keep = {"output_scores": True, "return_dict_in_generate": True}
    options = {"num_beams": 2, "do_sample": True, "num_return_sequences": 2, "max_new_tokens": 1, "top_k": 4}
    scores = array(ours.generate(PROMPT[:1], seed=1, **options, **keep).scores[0])[0].astype("float64")
    chances = np.exp(scores[np.isfinite(scores)] - np.log(np.exp(scores).sum()))
    assert len(chances) == 4
    found = array(ours.generate(ids, seed=1, **options))[:, -1].reshape(-1, 2)
    place = np.searchsorted(np.nonzero(np.isfinite(scores))[0], np.sort(found, axis=1))
    expected, counts = [], []
    for one in range(4):
        for other in range(one + 1, 4):
            p, q = chances[one], chances[other]
            expected.append(3000 * (p * q / (1 - p) + q * p / (1 - q)))
            counts.append(int(((place[:, 0] == one) & (place[:, 1] == other)).sum()))
    assert sum(counts) == 3000
    chi = sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))
    assert chi < 25  # 5 degrees of freedom: once in 7,000 seeds, and the seed is fixed


def reference_groups(model, prompt, *, beams, groups, penalty, steps):
    """Diverse beam search as its paper words it, in plain Python: no end token, hence plain sums."""
    size = beams // groups
    held = [[(0.0, list(prompt))] for _ in range(groups)]
    for _ in range(steps):
        taken = np.zeros(SMALL["vocab_size"])
        for index in range(groups):
            found = []
            for total, ids in held[index]:
                logits = array(answer(model, np.array([ids], "int32")).logits)[0, -1].astype("float64")
                log = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max() - penalty * taken
                found += [(total + log[token], [*ids, token]) for token in range(len(log))]
            held[index] = sorted(found, key=lambda pair: -pair[0])[:size]
            for _, ids in held[index]:
                taken[ids[-1]] += 1
    return sorted((pair for group in held for pair in group), key=lambda pair: -pair[0])


def test_diverse_beams_as_the_paper_says():
    ours, _ = small(n_positions=16, n_layer=1)
    options = {"num_beams": 6, "num_beam_groups": 3, "diversity_penalty": 0.8, "num_return_sequences": 6}
    got = ours.generate(
        PROMPT[:1], max_new_tokens=3, output_scores=True, return_dict_in_generate=True, **options
    )
    expected = reference_groups(ours, PROMPT[0].tolist(), beams=6, groups=3, penalty=0.8, steps=3)
    assert array(got.sequences).tolist() == [ids for _, ids in expected]
    assert np.abs(array(got.sequences_scores) - [total / 3 for total, _ in expected]).max() < 1e-4


def test_greedy_transition_scores_as_transformers():
    import torch

    ours, theirs = small()
    options = {"max_new_tokens": 5, "output_scores": True, "return_dict_in_generate": True}
    got = ours.generate(PROMPT, **options)
    expected = theirs.generate(torch.tensor(PROMPT).long(), **options)
    for normalize in (False, True):
        left = ours.compute_transition_scores(got.sequences, got.scores, normalize_logits=normalize)
        right = theirs.compute_transition_scores(
            expected.sequences, expected.scores, normalize_logits=normalize
        )
        assert np.abs(array(left) - right.numpy()).max() < 1e-4


GUESSED = {
    "greedy": {},
    "sampling": {
        "do_sample": True,
        "temperature": 0.4,
        "seed": 3,
        "repetition_penalty": 1.3,
        "eos_token_id": 5,
    },
    # About every second guess is right: the token after it is drawn, too, by the noise of its own place.
    "two candidates": {"do_sample": True, "top_k": 2, "seed": 3},
}


@long_where_compiled
@pytest.mark.parametrize("name", GUESSED)
def test_guesses_change_nothing(name):
    """A draft model, good and bad, and the prompt's own text: exactly what the model says alone."""
    ours, _ = small()
    bad, _ = small(seed=1, n_layer=1)
    prompt = np.array([[1, 2, 3, 4, 1, 2, 3, 4, 1, 2]], "int32")
    options = {"max_new_tokens": 24, "num_assistant_tokens": 2, **GUESSED[name]}
    alone = array(ours.generate(prompt, **options)).tolist()
    for how in ({"assistant_model": ours}, {"assistant_model": bad}, {"prompt_lookup_num_tokens": 2}):
        assert array(ours.generate(prompt, **options, **how)).tolist() == alone, how


def test_a_good_guess_saves_steps(monkeypatch):
    from gpt2model.generation import speculative

    ours, _ = small()
    calls = []
    whole = speculative.from_a_model

    def counted(*arguments):
        guess = whole(*arguments)
        return lambda ids: calls.append(len(ids)) or guess(ids)

    monkeypatch.setattr("gpt2model.generation.generate.from_a_model", counted)
    ours.generate(PROMPT[:1], max_new_tokens=10, assistant_model=ours, num_assistant_tokens=2)
    assert len(calls) == 3  # 1 token, then three at a time


def test_guesses_up_to_the_last_position():
    ours, _ = small()
    got = array(ours.generate(PROMPT[:1], max_new_tokens=44, assistant_model=ours, num_assistant_tokens=2))
    assert got.tolist() == array(ours.generate(PROMPT[:1], max_new_tokens=44)).tolist()
    assert got.shape == (1, 48)


@functools.cache
def speaking():
    """A tiny model that speaks GPT-2's vocabulary, byte tokens first."""
    return GPT2LMHeadModel(GPT2Config(vocab_size=50257, n_positions=64, n_embd=8, n_layer=1, n_head=2))


BYTES = {
    "suppress_tokens": list(range(256, 50257)),
    "do_sample": True,
    "top_k": 0,
    "temperature": 5.0,
    "seed": 4,
}


@long_where_compiled
def test_streams_are_whole_characters():
    encoding = get_encoding("gpt2")
    options = {"max_new_tokens": 40, **BYTES}
    ids = array(speaking().generate([[64, 65]], **options))[0, 2:].tolist()
    with pytest.raises(TypeError, match="stream gives text: pass tokenizer="):
        speaking().stream([[64, 65]], **options)
    texts = list(speaking().stream([[64, 65]], tokenizer=encoding, **options))
    assert "".join(texts) == encoding.decode(ids)
    assert len(texts) > 5 and all(texts)


def test_streamer_gets_every_token():
    class Streamer:
        def __init__(self):
            self.put_, self.ended = [], 0

        def put(self, ids):
            self.put_.append(np.asarray(ids).reshape(-1).tolist())

        def end(self):
            self.ended += 1

    ours, _ = small()
    streamer = Streamer()
    got = array(ours.generate(PROMPT[:1], max_new_tokens=5, streamer=streamer))[0].tolist()
    assert streamer.put_ == [got[:4], *([token] for token in got[4:])] and streamer.ended == 1
    with pytest.raises(ValueError, match="one prompt at a time"):
        ours.generate(PROMPT, max_new_tokens=5, streamer=Streamer())


def test_stop_strings_across_token_borders():
    encoding = get_encoding("gpt2")
    options = {"max_new_tokens": 30, **BYTES}
    free = array(speaking().generate([[64, 65]], **options))[0, 2:].tolist()
    data = [encoding.decode_bytes([token]) for token in free]
    place = next(
        i for i in range(4, 29) if all(len(part) == 1 and part < b"\x80" for part in data[i : i + 2])
    )
    stop = (data[place] + data[place + 1]).decode()
    first = next(i for i in range(1, 30) if stop.encode() in b"".join(data[: i + 1]))
    got = array(
        speaking().generate([[64, 65]], stop_strings=["no such text", stop], tokenizer=encoding, **options)
    )
    assert got[0, 2:].tolist() == free[: first + 1]


def test_stop_strings_of_the_prompt_stop_nothing():
    """Nor do those that begin in it and end before the last token."""
    encoding = get_encoding("gpt2")
    options = {"max_new_tokens": 6, "tokenizer": encoding, **BYTES}
    free = array(speaking().generate([[64, 65]], max_new_tokens=6, **BYTES)).tolist()
    assert array(speaking().generate([[64, 65]], stop_strings=["ab", "a", "b"], **options)).tolist() == free


ANSWERS = {
    "rule of no answer": ({"stopping_criteria": [lambda ids, scores: None]}, TypeError, "gave None"),
    "rule of other rows": ({"stopping_criteria": [lambda ids, scores: [True] * 3]}, ValueError, "3 booleans"),
    "processor of no answer": ({"logits_processor": [lambda ids, scores: None]}, TypeError, "gave None"),
    "processor of another shape": (
        {"logits_processor": [lambda ids, scores: scores[:, :5]]},
        ValueError,
        r"\(2, 5\)",
    ),
    "processor of NaN": (
        {"logits_processor": [lambda ids, scores: scores * np.nan]},
        ValueError,
        "NaN at step 0",
    ),
    "no such token": ({"prefix_allowed_tokens_fn": lambda row, ids: [99]}, ValueError, "names token 99"),
    "negative token": ({"prefix_allowed_tokens_fn": lambda row, ids: [-1]}, ValueError, "ids begin at 0"),
    "none allowed": ({"prefix_allowed_tokens_fn": lambda row, ids: []}, ValueError, "No token was left"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_functions_that_answer_wrongly(case):
    options, error, words = ANSWERS[case]
    with pytest.raises(error, match=words):
        small()[0].generate(PROMPT, max_new_tokens=3, **options)


def test_rules_of_the_caller():
    ours, _ = small()
    seen = []

    def rule(ids, scores):
        seen.append(ids.shape)
        return [ids.shape[1] >= 7, ids.shape[1] >= 9]

    got = array(ours.generate(PROMPT, max_new_tokens=12, pad_token_id=0, stopping_criteria=[rule]))
    assert got.shape == (2, 9) and seen == [(2, 5), (2, 6), (2, 7), (2, 8), (2, 9)]
    assert got[0, 7:].tolist() == [0, 0]
    free = array(ours.generate(PROMPT, max_new_tokens=5)).tolist()
    end = free[0][5]  # the end of the first row is its end, whatever the rule says
    got = ours.generate(
        PROMPT, max_new_tokens=5, eos_token_id=end, stopping_criteria=[lambda ids, scores: False]
    )
    alone = ours.generate(PROMPT, max_new_tokens=5, eos_token_id=end)
    assert array(got).tolist() == array(alone).tolist() != free


def test_processors_of_the_caller():
    from gpt2model.generation import Processor

    ours, _ = small()
    given = []

    def only_seven(ids, scores):
        given.append(tuple(ids.shape))
        return tensor(np.where(np.arange(40) == 7, 0.0, -np.inf).astype("float32")[None].repeat(2, 0))

    got = array(ours.generate(PROMPT, max_new_tokens=3, logits_processor=[only_seven]))
    assert (got[:, 4:] == 7).all() and given == [(2, 4), (2, 5), (2, 6)]
    got = array(ours.generate(PROMPT, max_new_tokens=3, prefix_allowed_tokens_fn=lambda row, ids: [20 + row]))
    assert got[:, 4:].tolist() == [[20] * 3, [21] * 3]
    with pytest.raises(TypeError):
        Processor()


def test_time_stops():
    ours, _ = small()
    assert array(ours.generate(PROMPT, max_new_tokens=12, max_time=1e-9)).shape == (2, 5)


def test_texts_in_and_out():
    encoding = get_encoding("gpt2")
    options = {"max_new_tokens": 4, "eos_token_id": 50256}
    ids = encoding.encode("Hello, world")
    expected = encoding.decode(array(speaking().generate([ids], **options))[0].tolist())
    assert speaking().generate("Hello, world", tokenizer=encoding, **options) == expected
    several = speaking().generate(["Hello, world", "Good"], tokenizer=encoding, **options)
    assert several[0] == expected and several[1].startswith("Good")


def test_scores_are_log_probabilities():
    ours, _ = small()
    rows = [[1, 2, 3, 4, 5, 6, 7], [9, 8]]
    for row, found in zip(rows, ours.score(rows), strict=True):
        logits = array(ours(tensor(np.array([row], "int32"))).logits)[0].astype("float64")
        log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = log[np.arange(len(row) - 1), row[1:]]
        assert np.abs(found.log_probabilities - expected).max() < 1e-4
        assert abs(found.perplexity - np.exp(-expected.mean())) < 1e-3 * found.perplexity


def test_bad_scores_are_refused():
    ours, _ = small()
    step = np.zeros((2, 40), "float32")
    for call, error, words in (
        (lambda: ours.score([[1, 2]], weights="int4"), GenerationConfigError, "weights must be one of"),
        (lambda: ours.score(None), TypeError, "nothing to score"),
        (lambda: ours.score([[1]]), ValueError, "has 1 token,"),
        (lambda: ours.score([[1, 40]]), ValueError, "is 40"),
        (lambda: ours.score([[1, 2]], stride=48), GenerationConfigError, "stride must lie"),
        (lambda: ours.compute_transition_scores([[1, 2]] * 2, None), ValueError, "output_scores=True"),
        (lambda: ours.compute_transition_scores([[1]] * 2, [step] * 3), ValueError, "not of one generation"),
        (lambda: ours.compute_transition_scores([[1, 2]], [step]), ValueError, "scores of 2 rows"),
        (lambda: ours.compute_transition_scores([[1, 40]] * 2, [step]), ValueError, "40 tokens do not reach"),
    ):
        with pytest.raises(error, match=words):
            call()


@long_where_compiled
def test_scores_of_long_texts():
    """Past n_positions each token is judged once, by the call that the window means."""
    ours, _ = small()
    row = np.random.default_rng(0).integers(0, 40, 130)
    [found] = ours.score([row.tolist()], stride=20)
    expected = []
    for start, end, first in windows(130, 48, 20):
        [part] = ours.score([row[start:end].tolist()])
        expected += part.log_probabilities[first - start - 1 :].tolist()
    assert len(expected) == 129
    assert np.abs(found.log_probabilities - expected).max() < 1e-5


@pytest.mark.parametrize(
    "length, size, stride", [(1, 5, 2), (5, 5, 1), (23, 7, 3), (100, 10, 9), (64, 32, 16)]
)
def test_windows_judge_each_token_once(length, size, stride):
    judged = []
    for start, end, first in windows(length, size, stride):
        assert 0 <= start < first <= end <= length and end - start <= size
        assert start == 0 or first - start >= size - stride
        judged += range(first, end)
    assert judged == list(range(1, length))


CONFLICTS = {
    "groups": ({"num_beams": 4, "num_beam_groups": 3}, "must divide num_beams=4"),
    "groups that sample": ({"num_beams": 4, "num_beam_groups": 2, "do_sample": True}, "do_sample=False"),
    "diversity of one": ({"num_beams": 4, "diversity_penalty": 1.0}, "num_beam_groups above 1"),
    "more than beams": ({"num_beams": 2, "num_return_sequences": 3}, "more than num_beams=2"),
    "contrastive beams": ({"num_beams": 2, "penalty_alpha": 0.5}, "penalty_alpha"),
    "beams and time": ({"num_beams": 2, "max_time": 1.0}, "num_beams=1"),
    "beams uncached": ({"num_beams": 2, "use_cache": False}, "use_cache"),
    "guesses and scores": ({"prompt_lookup_num_tokens": 2, "output_scores": True}, "output_scores"),
    "guesses and beams": ({"prompt_lookup_num_tokens": 2, "num_beams": 2}, "num_beams must be 1"),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicts_are_named(case):
    options, words = CONFLICTS[case]
    ours, _ = small()
    with pytest.raises(GenerationConfigError, match=words):
        ours.generate(PROMPT[:1], **options)


def test_guesses_of_another_vocabulary():
    ours, _ = small()
    with pytest.raises(GenerationConfigError, match="vocab_size=50257"):
        ours.generate(PROMPT[:1], assistant_model=speaking())
    with pytest.raises(GenerationConfigError, match="one row"):
        ours.generate(PROMPT, assistant_model=ours)


def test_a_configuration_s_file_is_never_half_written(tmp_path, monkeypatch):
    file = GenerationConfig(max_new_tokens=9).save_pretrained(tmp_path)
    before = file.read_bytes()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="free some space"):
        GenerationConfig(max_new_tokens=10).save_pretrained(tmp_path)
    with pytest.raises(OSError, match="free some space"):
        GenerationConfig().save_pretrained(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == [file.name] and file.read_bytes() == before


def test_configuration_files(tmp_path):
    config = GenerationConfig(
        max_new_tokens=9,
        eos_token_id=[3, 4],
        bad_words_ids=[[1, 2]],
        sequence_bias={(1, 2): 0.5},
        stop_strings="x",
    )
    assert GenerationConfig.from_pretrained(config.save_pretrained(tmp_path).parent) == config
    import transformers

    theirs = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert (theirs.max_new_tokens, theirs.eos_token_id, theirs.bad_words_ids) == (9, [3, 4], [[1, 2]])
    transformers.GenerationConfig(do_sample=True, top_p=0.5, eos_token_id=50256).save_pretrained(tmp_path)
    assert GenerationConfig.from_pretrained(tmp_path).to_dict() == {
        "do_sample": True,
        "eos_token_id": 50256,
        "top_p": 0.5,
    }
    path = tmp_path / "generation_config.json"
    for text, words in (
        ("[]", "takes a mapping"),
        ("{", "generation_config.json"),
        ('{"top_x": 1}', "top_x"),
    ):
        path.write_text(text)
        with pytest.raises(GenerationConfigError, match=words):
            GenerationConfig.from_pretrained(tmp_path)
    path.write_text(json.dumps({"guidance_scale": None, "transformers_version": "4.0"}))
    assert GenerationConfig.from_pretrained(path) == GenerationConfig()
    with pytest.raises(FileNotFoundError):
        GenerationConfig.from_pretrained(tmp_path / "elsewhere")


def test_configurations_do_not_change():
    config = GenerationConfig(top_k=3)
    with pytest.raises(AttributeError, match="does not change"):
        config.top_k = 4
    assert hash(config) == hash(GenerationConfig(top_k=3)) and config != GenerationConfig(top_k=4)
    assert config.update(max_length=7).update(max_new_tokens=3).max_length is None


@pytest.mark.parametrize("format", ["safetensors", "keras", "weights.h5", "keras-hub"])
def test_a_checkpoint_brings_no_other_models_options(format, tmp_path):
    ours = GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN))
    ours.generation_config = GenerationConfig(max_new_tokens=3)
    ours.save_pretrained(tmp_path, format=format)
    GPT2Model(GPT2Config(**SMALL)).save_pretrained(tmp_path, format=format)  # it does not generate
    assert (tmp_path / "generation_config.json").is_file()
    GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN)).save_pretrained(tmp_path, format=format)
    assert not (tmp_path / "generation_config.json").exists()


def test_a_checkpoint_brings_its_options(tmp_path):
    ours = GPT2LMHeadModel(GPT2Config(**SMALL, **PLAIN))
    ours.generation_config = GenerationConfig(max_new_tokens=3)
    ours.save_pretrained(tmp_path)
    again = GPT2LMHeadModel.from_pretrained(tmp_path)
    assert again.generation_config == ours.generation_config
    assert array(again.generate([[1]])).tolist() == array(ours.generate([[1]])).tolist()
    (tmp_path / "generation_config.json").write_text('{"top_x": 1}')
    with pytest.warns(UserWarning, match="top_x"):
        GPT2LMHeadModel.from_pretrained(tmp_path)
