"""Past the last position: the window's rule in a plain loop beside every way that follows it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import PLAIN, array, long_where_compiled, small_twins

from gpt2model import ContextLengthError, GenerationConfigError
from gpt2tok import get_encoding

POSITIONS = 12
ROWS = [[7, 3, 9, 1, 5], [2, 2]]


def small(**fields):
    return small_twins(seed=4, **{"n_positions": POSITIONS, **fields}, **PLAIN)


def by_the_rule(model, ids, *, stride, new):
    """One token after the other, each from the whole window, with transformers' model (PyTorch): one row."""
    import torch

    ids, window = list(ids), list(ids)
    while len(window) > POSITIONS:
        window = window[stride:]
    with torch.no_grad():
        for _ in range(new):
            token = int(model(torch.tensor([window])).logits[0, -1].argmax())
            ids.append(token)
            window.append(token)
            if len(window) > POSITIONS:
                window = window[stride:]
    return ids


def test_as_the_rule_says():
    """Two rows that slide at their own lengths, and go over the border several times."""
    ours, theirs = small()
    got = array(ours.generate(ROWS, max_new_tokens=40, sliding_window=True))
    for row, found in zip(ROWS, got, strict=True):
        assert found[-40:].tolist() == by_the_rule(theirs, row, stride=6, new=40)[-40:]


@long_where_compiled
@pytest.mark.parametrize("stride", [1, 5, 11, 12])
@pytest.mark.parametrize("length", [3, 12, 13, 30])
def test_strides_and_long_prompts(stride, length):
    ours, theirs = small()
    row = np.random.default_rng(length).integers(0, 40, length).tolist()
    options = {"max_new_tokens": 25, "sliding_window": True, "window_stride": stride}
    expected = by_the_rule(theirs, row, stride=stride, new=25)
    assert array(ours.generate([row], **options))[0].tolist() == expected
    assert array(ours.generate([row], use_cache=False, **options))[0].tolist() == expected
    assert array(ours.generate([row], max_time=1e6, **options))[0].tolist() == expected


@long_where_compiled
@pytest.mark.parametrize("how", [{"max_time": 1e6}, {"use_cache": False}, {"compile": False}], ids=str)
def test_processors_and_chance_see_the_whole_text(how):
    """No pair of tokens comes twice in a text of five windows; draws are those of the plain way."""
    ours, _ = small()
    options = {
        "max_new_tokens": 50,
        "sliding_window": True,
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 1.2,
    }
    options |= {"do_sample": True, "temperature": 2.0, "top_k": 0, "num_return_sequences": 2, "seed": 3}
    options |= {"eos_token_id": 39, "min_new_tokens": 45, "pad_token_id": 0}
    got = array(ours.generate(ROWS, **options))
    assert got.tolist() == array(ours.generate(ROWS, **options, **how)).tolist()
    row = array(ours.generate(ROWS[:1], **options))[0].tolist()
    assert len(row) >= 50
    pairs = list(itertools.pairwise(row))[:49]
    assert len(set(pairs)) == len(pairs)


@long_where_compiled
def test_within_the_positions_nothing_changes():
    ours, _ = small()
    alone = array(ours.generate(ROWS, max_new_tokens=7)).tolist()
    assert array(ours.generate(ROWS, max_new_tokens=7, sliding_window=True)).tolist() == alone


@long_where_compiled
def test_streams_slide():
    encoding = get_encoding("gpt2")
    ours, _ = small(vocab_size=50257)
    options = {"max_new_tokens": 30, "sliding_window": True, "suppress_tokens": list(range(256, 50257))}
    ids = array(ours.generate([[64, 65]], **options))[0, 2:].tolist()
    assert "".join(ours.stream([[64, 65]], tokenizer=encoding, **options)) == encoding.decode(ids)


REFUSED = {
    "not asked": (ContextLengthError, {}, "sliding_window=True"),
    "idle stride": (GenerationConfigError, {"window_stride": 3}, "window_stride without sliding_window"),
    "stride": (GenerationConfigError, {"sliding_window": True, "window_stride": 13}, "n_positions=12"),
    "no stride": (GenerationConfigError, {"sliding_window": True, "window_stride": 0}, "at least 1"),
    "beams": (GenerationConfigError, {"sliding_window": True, "num_beams": 2}, "leave out num_beams"),
    "contrast": (GenerationConfigError, {"sliding_window": True, "penalty_alpha": 0.5}, "leave out penalty_alpha"),
    "guesses": (GenerationConfigError, {"sliding_window": True, "prompt_lookup_num_tokens": 2}, "prompt_lookup"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_any_work(case, monkeypatch):
    monkeypatch.setattr("gpt2model.generation.request.prepared", None)
    error, options, words = REFUSED[case]
    with pytest.raises(error, match=words):
        small()[0].generate(ROWS, max_new_tokens=40, **options)


def test_no_draft_model_slides():
    ours, _ = small()
    with pytest.raises(GenerationConfigError, match="leave out sliding_window"):
        ours.generate(ROWS[:1], sliding_window=True, assistant_model=ours)
