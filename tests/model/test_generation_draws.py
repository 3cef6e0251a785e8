"""Does `generate` draw what it should? As often as the filtered softmax says, each draw by itself, the same by seed."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import BACKEND, PLAIN, array, small_twins, tensor


def test_sampling_draws_from_the_filtered_softmax():
    """Chi-squared over 20,000 draws: the first token of as many rows."""
    ours, _ = small_twins(**PLAIN)
    prompt = np.array([[4, 8, 15]], "int32")
    options = {"do_sample": True, "temperature": 0.3, "top_k": 12, "top_p": 0.9}
    first = ours.generate(
        prompt, max_new_tokens=1, output_scores=True, return_dict_in_generate=True, seed=0, **options
    )
    scores = array(first.scores[0])[0].astype("float64")
    expected = np.exp(scores - scores.max())
    expected /= expected.sum()
    draws = 20000
    got = array(ours.generate(prompt, max_new_tokens=1, num_return_sequences=draws, seed=1, **options))[:, -1]
    counts = np.bincount(got, minlength=40)
    assert not counts[expected == 0].any()
    likely = expected > 0
    assert 3 < likely.sum() <= 12
    chi = chi_squared(counts[likely], draws * expected[likely])
    assert chi < 35  # 11 degrees of freedom at most: once in 4,000 seeds, and the seed is fixed


def chi_squared(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


def test_steps_and_rows_draw_apart():
    """Chi-squared of the tokens that follow one another, in a row and from row to row, against independence."""
    ours, _ = small_twins(**PLAIN)
    options = {"do_sample": True, "temperature": 1e6, "top_k": 0, "num_return_sequences": 2000, "seed": 2}
    quarters = array(ours.generate([[4, 8, 15]], max_new_tokens=3, **options))[:, 3:] // 10
    pairs = {
        "steps": quarters[:, :2],
        "steps further on": quarters[:, 1:],
        "rows": quarters[:, 0].reshape(-1, 2),
    }
    for name, pair in pairs.items():
        counts = np.bincount(pair[:, 0] * 4 + pair[:, 1], minlength=16)
        assert chi_squared(counts, np.full(16, len(pair) / 16)) < 45, (
            name
        )  # 15 degrees of freedom: once in 10,000


def test_a_temperature_near_nothing_is_greedy_search():
    """Quotients past float32 were infinite, and the first of them was drawn."""
    ours, _ = small_twins(**PLAIN)
    greedy = array(ours.generate([[1, 2, 3]], max_new_tokens=8)).tolist()
    for temperature in (1e-7, 1e-37, 1e-45, 1e-300):
        options = {"do_sample": True, "temperature": temperature, "max_new_tokens": 8}
        assert array(ours.generate([[1, 2, 3]], **options)).tolist() == greedy, temperature


def test_sequences_of_a_prompt_stand_together():
    ours, _ = small_twins(**PLAIN)
    ids = np.array([[7, 3], [2, 8], [5, 5]], "int32")
    got = array(ours.generate(ids, do_sample=True, num_return_sequences=2, max_new_tokens=3, seed=1))
    assert got[:, :2].tolist() == [[7, 3], [7, 3], [2, 8], [2, 8], [5, 5], [5, 5]]


def test_seeds_reproduce():
    ours, _ = small_twins(**PLAIN)

    def drawn(seed, **how):
        options = {"do_sample": True, "max_new_tokens": 12, "temperature": 3.0, "top_k": 0}
        return array(ours.generate([[1, 2, 3]] * 2, seed=seed, **options, **how))

    assert drawn(5).tolist() == drawn(5).tolist() == drawn(5, compile=False).tolist()
    assert drawn(5).tolist() == drawn(5, max_time=1e6).tolist()
    assert drawn(5).tolist() != drawn(6).tolist()
    assert drawn(5)[0].tolist() != drawn(5)[1].tolist()
    assert drawn(None).tolist() != drawn(None).tolist()


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has its own generator")
def test_threefry_is_threefry():
    """The known answers of its authors' distribution (Random123, kat_vectors, threefry2x32 of 20 rounds)."""
    from gpt2model.generation.randomness import threefry

    known = [
        (0, 0, 0, 0, 0x6B200159, 0x99BA4EFE),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x1CB996FC, 0xBB002BE7),
        (0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3, 0xC4923A9C, 0x483DF7A0),
    ]
    for k0, k1, c0, c1, x, y in known:
        words = [tensor(np.array([value], "uint32")) for value in (c0, c1)]
        got = threefry((tensor(np.uint32(k0)), tensor(np.uint32(k1))), (words[0], words[1]))
        assert [int(array(word)[0]) for word in got] == [x, y]
