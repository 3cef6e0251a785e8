"""Do random models answer as transformers 5 does? PyTorch, eager, live, with the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import TOLERANCE, answer, array, difference, tensor, twins

BASE = {"vocab_size": 300, "n_positions": 96, "n_embd": 48, "n_layer": 3, "n_head": 6}
SHAPE = (3, 40)

FIELDS = {
    "plain": {},
    "untied": {"tie_word_embeddings": False},
    "no_scale": {"scale_attn_weights": False},
    "inverse_layer": {"scale_attn_by_inverse_layer_idx": True},
    "upcast": {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True},
    "inner": {"n_inner": 70, "layer_norm_epsilon": 1e-2},
    "one_head": {"n_head": 1},
    "cross": {"add_cross_attention": True, "scale_attn_by_inverse_layer_idx": True},
}


def random_ids(shape=SHAPE, seed=1, vocab=300):
    return np.random.default_rng(seed).integers(0, vocab, shape)


def ask(theirs, **inputs):
    """transformers' answer to NumPy inputs."""
    with torch.no_grad():
        return theirs(
            **{name: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for name, v in inputs.items()}
        )


def padding(side, shape=SHAPE):
    mask = np.ones(shape, "int64")
    for row, count in enumerate((0, 7, 23)[: shape[0]]):
        mask[row, :count] = 0
    return mask if side == "left" else mask[:, ::-1].copy()


def compare_all(ours, theirs, mask=None, encoder=False):
    seen = np.ones(SHAPE, bool) if mask is None else mask == 1
    assert difference(array(ours.logits)[seen], theirs.logits[torch.tensor(seen)]) < TOLERANCE
    assert len(ours.hidden_states) == len(theirs.hidden_states)
    for left, right in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        assert difference(array(left)[seen], right[torch.tensor(seen)]) < TOLERANCE
    for left, right in zip(ours.attentions, theirs.attentions, strict=True):
        got, wanted = array(left).transpose(0, 2, 1, 3), right.numpy().transpose(0, 2, 1, 3)
        assert difference(got[seen], wanted[seen]) < TOLERANCE
    if encoder:
        for left, right in zip(ours.cross_attentions, theirs.cross_attentions, strict=True):
            assert difference(array(left), right.numpy()) < TOLERANCE


@pytest.mark.parametrize("name", FIELDS)
def test_language_model(name):
    ours, theirs = twins("GPT2LMHeadModel", **{**BASE, **FIELDS[name]})
    inputs = {"input_ids": random_ids(), "labels": random_ids(seed=2)}
    inputs["labels"][0, 5:9] = -100
    if name == "cross":
        inputs["encoder_hidden_states"] = np.random.default_rng(3).normal(size=(3, 11, 48)).astype("float32")
        inputs["encoder_attention_mask"] = padding("right", (3, 11)) | 0
        inputs["encoder_attention_mask"][:, 0] = 1
    wanted = ask(theirs, **inputs, output_attentions=True, output_hidden_states=True)
    explicit = answer(ours, **inputs, output_attentions=True, output_hidden_states=True)
    compare_all(explicit, wanted, encoder=name == "cross")
    fused = answer(ours, **inputs)  # no weights asked for: the backend's own attention
    assert difference(array(fused.logits), wanted.logits) < TOLERANCE
    for output in (explicit, fused):
        assert abs(float(output.loss) - float(wanted.loss)) < TOLERANCE
    assert fused.attentions is None and fused.hidden_states is None


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("weights", [False, True])
def test_padding(side, weights):
    ours, theirs = twins("GPT2LMHeadModel", **BASE)
    mask = padding(side)
    inputs = {"input_ids": random_ids(), "attention_mask": mask}
    inputs["position_ids"] = np.maximum(np.cumsum(mask, 1) - 1, 0)
    wanted = ask(theirs, **inputs, output_attentions=True, output_hidden_states=True)
    if weights:
        compare_all(answer(ours, **inputs, output_attentions=True, output_hidden_states=True), wanted, mask)
    else:
        logits = array(answer(ours, **inputs).logits)
        assert np.isfinite(logits).all()  # rows that see nothing must not poison anything
        assert difference(logits[mask == 1], wanted.logits[torch.tensor(mask == 1)]) < TOLERANCE


@pytest.mark.parametrize("inputs", ["token_type_ids", "position_ids", "inputs_embeds"])
def test_other_inputs(inputs):
    ours, theirs = twins("GPT2Model", **BASE)
    given = {"input_ids": random_ids()}
    if inputs == "token_type_ids":
        given["token_type_ids"] = random_ids(seed=4)
    if inputs == "position_ids":
        given["position_ids"] = random_ids(seed=5, vocab=96)
    if inputs == "inputs_embeds":
        given = {"inputs_embeds": np.random.default_rng(6).normal(size=(*SHAPE, 48)).astype("float32")}
    wanted = ask(theirs, **given).last_hidden_state
    assert difference(array(answer(ours, **given).last_hidden_state), wanted) < TOLERANCE


def test_position_ids_without_batch():
    ours, theirs = twins("GPT2Model", **BASE)
    places = np.arange(40)[::-1].copy()
    wanted = ask(theirs, input_ids=random_ids(), position_ids=np.broadcast_to(places, SHAPE).copy())
    got = answer(ours, input_ids=random_ids(), position_ids=places)
    assert difference(array(got.last_hidden_state), wanted.last_hidden_state) < TOLERANCE


@pytest.mark.parametrize("name", sorted(__import__("gpt2model").config.ACTIVATIONS))
def test_activation(name):
    """The function alone, where transformers has it at hand."""
    from transformers.activations import get_activation

    from gpt2model.activations import activation

    x = np.linspace(-12, 12, 997, dtype="float32")
    theirs = get_activation(name)
    with torch.no_grad():
        wanted = theirs(torch.tensor(x)).numpy()
    learned = [tensor(value.float().numpy()) for value in theirs.state_dict().values()]
    assert difference(array(activation(name)(tensor(x), *learned)), wanted) < 1e-5


@pytest.mark.parametrize("first", np.linspace(-4, 4, 9).tolist())
def test_xielu_with_other_numbers(first):
    """transformers computes its slopes in bfloat16."""
    from transformers.activations import get_activation

    from gpt2model.activations import activation

    x = np.linspace(-3, 3, 301, dtype="float32")
    theirs = get_activation("xielu")
    with torch.no_grad():
        theirs.alpha_p.fill_(first)
        theirs.alpha_n.fill_(first / 3)
        wanted = theirs(torch.tensor(x)).numpy()
    numbers = (first, first / 3, 0.5, float(theirs.eps))
    got = activation("xielu")(tensor(x), *(tensor(np.float32(number)) for number in numbers))
    assert difference(array(got), wanted) < 1e-5


@pytest.mark.parametrize("name", ["gelu", "relu2", "quick_gelu", "tanh", "prelu", "xielu"])
def test_activation_in_model(name):
    ours, theirs = twins("GPT2Model", **BASE, activation_function=name)
    wanted = ask(theirs, input_ids=random_ids()).last_hidden_state
    assert difference(array(answer(ours, input_ids=random_ids()).last_hidden_state), wanted) < TOLERANCE


@pytest.mark.parametrize("shape", ["(heads,)", "(layers, heads)", "five axes"])
def test_head_mask(shape):
    """transformers 5 has no head_mask; scaling a head's rows of c_proj is the same by linearity. An encoder's weights
    are multiplied too, as in transformers 4."""
    crossed = shape == "(layers, heads)"
    ours, theirs = twins("GPT2LMHeadModel", **BASE, add_cross_attention=crossed)
    factors = np.random.default_rng(7).choice([0.0, 1.0, 0.5], (3, 6)).astype("float32")
    if shape == "(heads,)":
        factors[:] = factors[0]
    for layer, block in enumerate(theirs.transformer.h):
        for attention in (block.attn, block.crossattention) if crossed else (block.attn,):
            with torch.no_grad():
                attention.c_proj.weight *= torch.tensor(factors[layer].repeat(8))[:, None]
    given = {
        "(heads,)": factors[0],
        "(layers, heads)": factors,
        "five axes": factors[:, None, :, None, None],
    }[shape]
    inputs = {"input_ids": random_ids()}
    if crossed:
        inputs["encoder_hidden_states"] = np.random.default_rng(3).normal(size=(3, 11, 48)).astype("float32")
    got = answer(ours, **inputs, head_mask=given)
    assert difference(array(got.logits), ask(theirs, **inputs).logits) < TOLERANCE


@pytest.mark.parametrize("kind", ["cls_index", "last", "first", "mean"])
def test_double_heads(kind):
    learned = {"first": "prelu", "mean": "xielu"}
    fields = {"summary_type": kind, "summary_activation": learned.get(kind, "tanh")}
    ours, theirs = twins("GPT2DoubleHeadsModel", **BASE, **fields)
    ids = random_ids((2, 3, 20))
    inputs = {"input_ids": ids, "labels": random_ids((2, 3, 20), 8)}
    if kind == "cls_index":
        inputs |= {"mc_token_ids": random_ids((2, 3), 9, 20), "mc_labels": np.array([2, 0])}
    wanted, got = ask(theirs, **inputs), answer(ours, **inputs)
    assert difference(array(got.mc_logits), wanted.mc_logits) < TOLERANCE
    assert difference(array(got.logits), wanted.logits) < TOLERANCE
    assert abs(float(got.loss) - float(wanted.loss)) < TOLERANCE
    if kind == "cls_index":
        assert abs(float(got.mc_loss) - float(wanted.mc_loss)) < TOLERANCE


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("problem", "count"),
    [
        ("regression", 1),
        ("regression", 3),
        ("single_label_classification", 3),
        ("multi_label_classification", 3),
        (None, 3),
    ],
)
def test_sequence_classification(side, problem, count):
    pad = 299
    fields = {"num_labels": count, "problem_type": problem, "pad_token_id": pad}
    ours, theirs = twins("GPT2ForSequenceClassification", **BASE, **fields)
    mask = padding(side)
    ids = np.where(mask == 1, random_ids(vocab=299), pad)
    rng = np.random.default_rng(10)
    if problem in ("single_label_classification", None):
        labels = rng.integers(0, count, 3)
    elif problem == "regression":
        labels = rng.normal(size=(3,) if count == 1 else (3, count)).astype("float32")
    else:
        labels = rng.integers(0, 2, (3, count)).astype("float32")
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    wanted, got = ask(theirs, **inputs), answer(ours, **inputs)
    assert difference(array(got.logits), wanted.logits) < TOLERANCE
    assert abs(float(got.loss) - float(wanted.loss)) < TOLERANCE


@pytest.mark.parametrize("count", [1, 3])
def test_the_problem_that_float_labels_imply(count):
    """Nobody names it: one number is regression, several are labels that hold at once."""
    ours, theirs = twins("GPT2ForSequenceClassification", **BASE, num_labels=count, pad_token_id=299)
    labels = np.random.default_rng(12).integers(0, 2, (3, count)).astype("float32")
    inputs = {"input_ids": random_ids(vocab=299), "labels": labels}
    assert abs(float(answer(ours, **inputs).loss) - float(ask(theirs, **inputs).loss)) < TOLERANCE


def test_token_classification():
    ours, theirs = twins("GPT2ForTokenClassification", **BASE, num_labels=5)
    labels = random_ids(seed=11, vocab=5)
    labels[1, 10:] = -100
    wanted, got = (
        ask(theirs, input_ids=random_ids(), labels=labels),
        answer(ours, input_ids=random_ids(), labels=labels),
    )
    assert difference(array(got.logits), wanted.logits) < TOLERANCE
    assert abs(float(got.loss) - float(wanted.loss)) < TOLERANCE


def test_question_answering():
    ours, theirs = twins("GPT2ForQuestionAnswering", **BASE)
    inputs = {
        "input_ids": random_ids(),
        "start_positions": np.array([3, 99, 0]),
        "end_positions": np.array([9, -4, 40]),
    }
    wanted, got = ask(theirs, **inputs), answer(ours, **inputs)
    assert difference(array(got.start_logits), wanted.start_logits) < TOLERANCE
    assert difference(array(got.end_logits), wanted.end_logits) < TOLERANCE
    assert abs(float(got.loss) - float(wanted.loss)) < TOLERANCE


FRESH = {
    "GPT2LMHeadModel": {"tie_word_embeddings": False, "add_cross_attention": True},
    "GPT2DoubleHeadsModel": {},
    "GPT2ForSequenceClassification": {"num_labels": 9},
    "GPT2ForTokenClassification": {"num_labels": 9},
    "GPT2ForQuestionAnswering": {},
}


@pytest.mark.parametrize("name", FRESH)
def test_initial_numbers(name):
    """A fresh model's spread, by tensor, is transformers'."""
    import transformers

    import gpt2model
    from gpt2model.weight_names import named_weights

    fields = {**BASE, "n_embd": 96, "initializer_range": 0.05, **FRESH[name]}
    theirs = getattr(transformers, name)(transformers.GPT2Config(**fields)).state_dict()
    for weight, slot in named_weights(getattr(gpt2model, name)(gpt2model.GPT2Config(**fields))).items():
        ours, wanted = slot.read(), theirs[weight].numpy()
        few = 4 / ours.size**0.5  # numbers tell a spread less well
        assert abs(ours.mean() - wanted.mean()) < max(0.005, 0.08 * few), weight
        assert abs(ours.std() - wanted.std()) <= max(0.05, few) * wanted.std(), weight


@pytest.mark.parametrize("name", ["prelu", "xielu"])
def test_activations_that_learn_begin_as_theirs(name):
    import transformers

    import gpt2model
    from gpt2model.weight_names import named_weights

    fields = {**BASE, "activation_function": name, "summary_activation": name, "num_labels": 1}
    theirs = transformers.GPT2DoubleHeadsModel(transformers.GPT2Config(**fields))
    ours = gpt2model.GPT2DoubleHeadsModel(gpt2model.GPT2Config(**fields))
    slots, state = named_weights(ours), theirs.state_dict()
    assert list(slots) == [weight for weight in state if weight != "lm_head.weight"]
    learned = [weight for weight in state if ".act" in weight]
    assert learned
    for weight in learned:
        assert np.array_equal(slots[weight].read(), state[weight].float().numpy()), weight
    count = sum(int(np.prod(variable.shape)) for variable in ours.trainable_variables)
    assert count == theirs.num_parameters()


def test_config_fields():
    """Every field of transformers' configuration is one of ours, with the same default."""
    import transformers

    import gpt2model

    theirs, ours = transformers.GPT2Config(), gpt2model.GPT2Config()
    for name in type(theirs).__annotations__:
        assert getattr(ours, name) == getattr(theirs, name), name
    for alias in theirs.attribute_map:
        assert getattr(ours, alias) == getattr(theirs, alias), alias
    everything = json_ready(theirs.to_dict())
    back = gpt2model.GPT2Config.from_dict(everything)
    no_fields = {"transformers_version", "_name_or_path"}  # no number of a model, and a path
    for name in everything.keys() - no_fields:
        assert getattr(ours, name) == getattr(theirs, name) == getattr(back, name), name
        if name != "model_type":
            assert getattr(gpt2model.GPT2Config(**{name: everything[name]}), name) == getattr(theirs, name), (
                name
            )
    assert {name: getattr(back, name) for name in type(theirs).__annotations__} == {
        name: getattr(theirs, name) for name in type(theirs).__annotations__
    }


def json_ready(fields):
    import json

    return json.loads(json.dumps(fields))
