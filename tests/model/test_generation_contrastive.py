"""Contrastive search: beside transformers 4, which had it, and beside its paper written down plainly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import GENERATE, PLAIN, array, golden_generator, long_where_compiled, small_twins

from gpt2model import GenerationConfigError

RUNS = json.loads((GENERATE / "contrastive.json").read_text("utf-8"))["runs"]
PROMPT = np.array([[7, 3, 9, 1], [2, 2, 8, 5]], "int32")
KEEP = {"output_scores": True, "output_logits": True, "return_dict_in_generate": True}


def small():
    return small_twins(seed=5, n_positions=24, **PLAIN)


def as_transformers_4(name, **how):
    model, tensors = golden_generator()
    run = RUNS[name]
    ids = tensors["in.left" if run["left_padded"] else "in.prompt"].astype("int32")
    mask = tensors["in.left_mask"].astype("int32") if run["left_padded"] else None
    got = array(model.generate(ids, attention_mask=mask, pad_token_id=96, **run["options"], **how))
    assert got[:, ids.shape[1] :].tolist() == run["new"]


def test_as_transformers_4():
    """Two runs of one program: alpha is an argument of it."""
    for name in ("four", "four_padded"):
        as_transformers_4(name)


@long_where_compiled
@pytest.mark.parametrize("name", ["two", "eight_repetition"])
@pytest.mark.parametrize("how", [{}, {"use_cache": False}, {"compile": False}, {"max_time": 1e6}], ids=str)
def test_as_transformers_4_every_way(name, how):
    as_transformers_4(name, **how)


def of_the_paper(model, prompt, *, alpha, k, steps):
    """Su et al. 2022, equation 5, with transformers' model (PyTorch) as the language model: one row, no cache."""
    import torch

    def states(ids):
        output = model(torch.tensor([ids]), output_hidden_states=True)
        logits, hidden = output.logits[0, -1].double(), output.hidden_states[-1][0].double()
        return torch.softmax(logits, dim=-1), hidden / hidden.norm(dim=-1, keepdim=True)

    ids = list(prompt)
    with torch.no_grad():
        for _ in range(steps):
            chances, _ = states(ids)
            found = []
            for token in chances.argsort(descending=True)[:k].tolist():
                _, hidden = states([*ids, token])
                likeness = (hidden[:-1] @ hidden[-1]).max()
                found.append((float((1 - alpha) * chances[token] - alpha * likeness), token))
            ids.append(max(found)[1])
    return ids


def test_as_the_paper_says():
    """Up to the last position, a row alone and beside another one, one program."""
    ours, theirs = small()
    expected = [of_the_paper(theirs, row.tolist(), alpha=0.6, k=5, steps=20) for row in PROMPT]
    got = array(ours.generate(PROMPT, penalty_alpha=0.6, top_k=5, max_new_tokens=20))
    assert got.tolist() == expected
    assert expected[0] != array(ours.generate(PROMPT[:1], max_new_tokens=20))[0].tolist()  # not greedy search


@long_where_compiled
def test_fast_equals_plain():
    ours, _ = small()
    mask = np.array([[1, 1, 1, 1], [0, 0, 1, 1]])
    options = {"penalty_alpha": 0.6, "top_k": 5, "max_new_tokens": 20, "attention_mask": mask, **KEEP}
    got, plain = ours.generate(PROMPT, **options), ours.generate(PROMPT, use_cache=False, **options)
    assert array(got.sequences).tolist() == array(plain.sequences).tolist()
    for name in ("scores", "logits"):
        left, right = (np.stack([array(step) for step in getattr(out, name)]) for out in (got, plain))
        assert left.shape == (20, 2, 40) and np.abs(left - right).max() < 1e-4


@long_where_compiled
def test_refused_tokens_are_no_candidates():
    """transformers 4 could choose one: its probability is 0, and 0 may be the best there is."""
    ours, _ = small()
    allowed = [3, 7, 11]
    options = {"top_k": 6, "max_new_tokens": 8, "suppress_tokens": [i for i in range(40) if i not in allowed]}
    for alpha in (0.9, 1.0):  # 1: probabilities count nothing, but a refused token is refused
        got = array(ours.generate(PROMPT, penalty_alpha=alpha, **options))
        assert np.isin(got[:, 4:], allowed).all(), alpha


@long_where_compiled
def test_ends_streams_and_functions():
    ours, _ = small()
    options = {"penalty_alpha": 0.6, "top_k": 5, "max_new_tokens": 12}
    free = array(ours.generate(PROMPT[:1], **options))[0, 4:].tolist()
    end = free[4]
    got = array(ours.generate(PROMPT, eos_token_id=end, pad_token_id=0, **options))
    assert got[0, 4 : 5 + free.index(end)].tolist() == free[: free.index(end) + 1]
    seen = []

    def look(ids, scores):
        seen.append(ids.shape[1])
        return scores

    for how in ({"max_time": 1e6}, {"logits_processor": [look]}, {"use_cache": False, "max_time": 1e6}):
        assert array(ours.generate(PROMPT[:1], **how, **options))[0, 4:].tolist() == free, how
    assert seen == list(range(4, 16))
    one = array(ours.generate(PROMPT[:1], penalty_alpha=0.6, top_k=1, max_new_tokens=12))
    assert one.tolist() == array(ours.generate(PROMPT[:1], max_new_tokens=12)).tolist()


REFUSED = {
    "no candidates": ({"penalty_alpha": 0.5, "top_k": 0}, "top_k=0"),
    "sampling": ({"penalty_alpha": 0.5, "do_sample": True}, "penalty_alpha"),
    "guesses": ({"penalty_alpha": 0.5, "prompt_lookup_num_tokens": 2}, "penalty_alpha"),
    "alpha": ({"penalty_alpha": 1.5}, "lie between 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_conflicts_are_named(case):
    options, words = REFUSED[case]
    with pytest.raises(GenerationConfigError, match=words):
        small()[0].generate(PROMPT[:1], **options)
