"""Generation that looks at an encoder: beside transformers, and every way beside the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import PLAIN, array, long_where_compiled, small_twins, tensor

PROMPT = np.array([[7, 3, 9, 1], [2, 2, 8, 5]], "int32")
MASK = np.array([[0, 1, 1, 1], [1, 1, 1, 1]], "int32")
STATES = np.random.default_rng(3).standard_normal((2, 5, 16)).astype("float32") * 2
SEEN = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], "int32")
GIVEN = {"attention_mask": MASK, "encoder_hidden_states": STATES, "encoder_attention_mask": SEEN}


def small(**fields):
    return small_twins(seed=2, n_positions=32, add_cross_attention=True, **PLAIN, **fields)


def theirs_say(model, **options):
    import torch

    given = {name: torch.tensor(value) for name, value in GIVEN.items()}
    return model.generate(torch.tensor(PROMPT).long(), pad_token_id=0, **given, **options)


def test_as_transformers():
    """Greedy search, and another encoder for the same program; what the encoder's padding holds is not seen."""
    ours, theirs = small()
    expected = theirs_say(theirs, max_new_tokens=12, do_sample=False).tolist()
    assert array(ours.generate(PROMPT, max_new_tokens=12, **GIVEN)).tolist() == expected
    noise = np.where(SEEN[:, :, None] == 1, STATES, 99.0).astype("float32")
    given = {**GIVEN, "encoder_hidden_states": tensor(noise)}
    assert array(ours.generate(PROMPT, max_new_tokens=12, **given)).tolist() == expected
    other = {**GIVEN, "encoder_hidden_states": STATES[::-1].copy(), "encoder_attention_mask": SEEN[::-1]}
    assert array(ours.generate(PROMPT, max_new_tokens=12, **other)).tolist() != expected


@long_where_compiled
def test_beams_as_transformers():
    """Each beam looks at its row's encoder."""
    ours, theirs = small()
    options = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 8, "output_scores": True}
    options["return_dict_in_generate"] = True
    expected = theirs_say(theirs, do_sample=False, **options)
    got = ours.generate(PROMPT, **options, **GIVEN)
    assert array(got.sequences).tolist() == expected.sequences.tolist()
    assert np.abs(array(got.sequences_scores) - expected.sequences_scores.numpy()).max() < 1e-5


WAYS = {
    "watched": {"max_time": 1e6},
    "plain": {"use_cache": False},
    "bare": {"compile": False},
    "drawn": {"do_sample": True, "num_return_sequences": 3, "seed": 4},
    "contrastive": {"penalty_alpha": 0.5, "top_k": 4},
    "sliding": {"sliding_window": True, "window_stride": 5, "max_new_tokens": 40},
    "no encoder": {"encoder_hidden_states": None, "encoder_attention_mask": None},
}


@long_where_compiled
@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("fields", [{}, {"scale_attn_by_inverse_layer_idx": True}], ids=["", "scaled"])
def test_every_way_equals_the_plain_one(name, fields):
    ours, _ = small(**fields)
    options = {"max_new_tokens": 12, **GIVEN, **WAYS[name]}
    plain = ours.generate(PROMPT, **{**options, "use_cache": False, "max_time": None})
    assert array(ours.generate(PROMPT, **options)).tolist() == array(plain).tolist()


@long_where_compiled
def test_guesses_of_the_text():
    ours, _ = small()
    given = {"encoder_hidden_states": STATES[:1], "encoder_attention_mask": SEEN[:1], "max_new_tokens": 20}
    alone = array(ours.generate(PROMPT[:1], **given)).tolist()
    assert array(ours.generate(PROMPT[:1], prompt_lookup_num_tokens=2, **given)).tolist() == alone
    assert array(ours.generate(PROMPT[:1], assistant_model=ours, **given)).tolist() == alone


REFUSED = {
    "mask alone": ({"encoder_attention_mask": SEEN}, "without encoder_hidden_states"),
    "rows": ({"encoder_hidden_states": STATES[:1]}, r"must be \(2, encoder positions, 16\)"),
    "width": ({"encoder_hidden_states": STATES[:, :, :8]}, r"must be \(2, encoder positions, 16\)"),
    "no place": ({"encoder_hidden_states": STATES[:, :0]}, "encoder positions"),
    "mask": ({"encoder_hidden_states": STATES, "encoder_attention_mask": SEEN[:, :4]}, r"must be \(2, 5\)"),
    "blind": ({"encoder_hidden_states": STATES, "encoder_attention_mask": SEEN * 0}, "every encoder position of row 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_any_work(case, monkeypatch):
    monkeypatch.setattr("gpt2model.generation.request.prepared", None)
    given, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        small()[0].generate(PROMPT, max_new_tokens=2, **given)


def test_a_model_without_cross_attention():
    ours, _ = small_twins(n_positions=32, **PLAIN)
    with pytest.raises(ValueError, match="no cross-attention"):
        ours.generate(PROMPT, **GIVEN)
    with pytest.raises(TypeError, match="floating-point"):
        small()[0].generate(PROMPT, encoder_hidden_states=STATES.astype("int32"))
