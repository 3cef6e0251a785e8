"""Is bad input refused, with a reason? Each case names what must be in the message."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import array, prepared, tensor

import gpt2model
from gpt2model import ContextLengthError, GPT2Config

SMALL = {"vocab_size": 50, "n_positions": 16, "n_embd": 8, "n_layer": 1, "n_head": 2}
IDS = np.arange(12).reshape(2, 6)


@pytest.fixture(scope="module")
def models():
    """One model of each class, made once."""
    config = GPT2Config(**SMALL, num_labels=3)
    cross = GPT2Config(**SMALL, add_cross_attention=True)
    return {
        "lm": gpt2model.GPT2LMHeadModel(GPT2Config(**SMALL)),
        "cross": gpt2model.GPT2Model(cross),
        "double": gpt2model.GPT2DoubleHeadsModel(GPT2Config(**SMALL)),
        "sequence": gpt2model.GPT2ForSequenceClassification(config.replace(pad_token_id=0)),
        "no_pad": gpt2model.GPT2ForSequenceClassification(config.replace()),
        "multi": gpt2model.GPT2ForSequenceClassification(
            config.replace(pad_token_id=0, problem_type="multi_label_classification")
        ),
        "token": gpt2model.GPT2ForTokenClassification(config.replace()),
        "question": gpt2model.GPT2ForQuestionAnswering(GPT2Config(**SMALL)),
    }


def f(*shape):
    return np.zeros(shape, "float32")


def i(*shape):
    return np.zeros(shape, "int32")


BAD = [
    ("lm", {}, ValueError, "either input_ids or inputs_embeds; neither"),
    ("lm", {"input_ids": IDS, "inputs_embeds": f(2, 6, 8)}, ValueError, "both came"),
    ("lm", {"input_ids": IDS[0]}, ValueError, r"must be \(batch, positions\), not \(6,\)"),
    ("lm", {"input_ids": i(2, 0)}, ValueError, "no positions"),
    ("lm", {"input_ids": f(2, 6)}, TypeError, "must be integers"),
    ("lm", {"input_ids": IDS + 40}, ValueError, r"input_ids\[1, 4\] is 50, outside 0..49"),
    ("lm", {"input_ids": IDS - 3}, ValueError, r"input_ids\[0, 0\] is -3"),
    (
        "lm",
        {"input_ids": i(1, 17)},
        ContextLengthError,
        "17 positions are more than the model's n_positions=16",
    ),
    ("lm", {"inputs_embeds": f(2, 6, 9)}, ValueError, "n_embd=8"),
    ("lm", {"input_ids": IDS, "attention_mask": i(2, 5)}, ValueError, r"attention_mask has shape \(2, 5\)"),
    ("lm", {"input_ids": IDS, "attention_mask": i(1, 6)}, ValueError, "attention_mask"),
    ("lm", {"input_ids": IDS, "token_type_ids": i(2, 5)}, ValueError, "token_type_ids has shape"),
    ("lm", {"input_ids": IDS, "token_type_ids": IDS + 45}, ValueError, "token_type_ids"),
    ("lm", {"input_ids": IDS, "position_ids": i(2, 5)}, ValueError, "position_ids has shape"),
    (
        "lm",
        {"input_ids": IDS, "position_ids": IDS + 5},
        ContextLengthError,
        r"position_ids\[1, 5\] is 16, outside 0..15",
    ),
    ("lm", {"input_ids": IDS, "position_ids": f(2, 6)}, TypeError, "position_ids must be integers"),
    ("lm", {"input_ids": IDS, "head_mask": f(3)}, ValueError, r"head_mask has shape \(3,\)"),
    ("lm", {"input_ids": IDS, "head_mask": f(2, 2)}, ValueError, "head_mask"),
    ("lm", {"input_ids": IDS, "labels": i(2, 5)}, ValueError, r"labels has shape \(2, 5\)"),
    ("lm", {"input_ids": IDS, "labels": f(2, 6)}, TypeError, "labels must be integers"),
    ("lm", {"input_ids": IDS, "labels": IDS + 45}, ValueError, r"labels\[0, 5\] is 50, outside 0..49; -100"),
    ("lm", {"input_ids": IDS, "labels": IDS - 1}, ValueError, r"labels\[0, 0\] is -1"),
    ("lm", {"input_ids": IDS, "encoder_hidden_states": f(2, 3, 8)}, ValueError, "add_cross_attention=True"),
    (
        "cross",
        {"input_ids": IDS, "encoder_hidden_states": f(2, 3, 9)},
        ValueError,
        "encoder_hidden_states has shape",
    ),
    (
        "cross",
        {"input_ids": IDS, "encoder_hidden_states": f(2, 3, 8), "encoder_attention_mask": i(2, 4)},
        ValueError,
        "encoder_attention_mask has shape",
    ),
    ("double", {"input_ids": i(2, 3, 6), "mc_token_ids": i(2, 2)}, ValueError, "mc_token_ids has shape"),
    (
        "double",
        {"input_ids": i(2, 3, 6), "mc_token_ids": i(2, 3) + 6},
        ValueError,
        r"mc_token_ids\[0, 0\] is 6",
    ),
    ("double", {"input_ids": i(2, 3, 6), "mc_labels": i(3)}, ValueError, "mc_labels has shape"),
    ("double", {"input_ids": i(2, 3, 6), "mc_labels": i(2) + 3}, ValueError, r"mc_labels\[0\] is 3"),
    ("sequence", {"input_ids": IDS, "labels": i(3)}, ValueError, "labels has shape"),
    ("sequence", {"input_ids": IDS, "labels": i(2) + 3}, ValueError, r"labels\[0\] is 3"),
    ("multi", {"input_ids": IDS, "labels": f(2, 2)}, ValueError, r"takes \(2, 3\)"),
    ("no_pad", {"input_ids": IDS}, ValueError, "no pad_token_id"),
    (
        "sequence",
        {"input_ids": i(2, 3, 6)},
        ValueError,
        r"one text a row, \(batch, positions\), not \(2, 3, 6\)",
    ),
    ("token", {"input_ids": IDS, "labels": i(2)}, ValueError, "labels has shape"),
    ("token", {"input_ids": IDS, "labels": i(2, 6) + 3}, ValueError, r"labels\[0, 0\] is 3"),
    (
        "question",
        {"input_ids": IDS, "start_positions": i(3), "end_positions": i(2)},
        ValueError,
        "start_positions",
    ),
    (
        "question",
        {"input_ids": IDS, "start_positions": i(2)},
        ValueError,
        "start_positions came without end_positions",
    ),
    (
        "question",
        {"input_ids": IDS, "end_positions": i(2)},
        ValueError,
        "end_positions came without start_positions",
    ),
    (
        "question",
        {"input_ids": i(2, 3, 6), "start_positions": i(2), "end_positions": i(2)},
        ValueError,
        r"one text a row, \(batch, positions\), not \(2, 3, 6\)",
    ),
    (
        "double",
        {"input_ids": IDS, "mc_labels": i(2)},
        ValueError,
        r"mc_labels has shape \(2,\); it must be \(1,\)",
    ),
    (
        "cross",
        {"input_ids": IDS, "encoder_hidden_states": f(2, 3, 8), "head_mask": f(1, 1, 2, 6, 6)},
        ValueError,
        r"head_mask .* 6 keys, but the encoder has 3 positions",
    ),
    (
        "lm",
        {"input_ids": IDS, "attention_mask": i(2, 6) + 1j},
        TypeError,
        "attention_mask must be real numbers",
    ),
]


@pytest.mark.parametrize(
    ("name", "inputs", "error", "message"), BAD, ids=[f"{case[0]}-{case[3][:30]}" for case in BAD]
)
def test_bad_input(models, name, inputs, error, message):
    with pytest.raises(error, match=message):
        models[name]({key: tensor(value) for key, value in inputs.items()})


KINDS = [
    ("lm", {"input_ids": "Hello"}, TypeError, "input_ids must be a tensor.*tokenizer"),
    ("lm", {"input_ids": 5}, TypeError, "input_ids must be a tensor, an array or a nested list, not 5"),
    ("lm", {"input_ids": [[1, 2], [3]]}, ValueError, "input_ids: a list of 2 rows is no rectangle.*pad"),
    ("lm", {"input_ids": [["a", "b"]]}, TypeError, "input_ids must be .*this list holds texts"),
    ("lm", {"input_ids": [[1, None]]}, TypeError, "input_ids must be .*something else beside them"),
    ("lm", {"input_ids": [[1.5, 2]]}, TypeError, "input_ids must be integers"),
    ("lm", {"input_ids": [1, 2]}, ValueError, r"a single row needs a batch axis.*tokenizer\(\[text\]\)"),
    ("lm", {"input_ids": []}, ValueError, r"must be \(batch, positions\), not \(0,\)"),
    ("lm", {"input_ids": [[]]}, ValueError, "no positions"),
    ("lm", {"input_ids": [[1, 2]], "attention_mask": [[1]]}, ValueError, "attention_mask has shape"),
    ("lm", {"input_ids": IDS, "labels": "x"}, TypeError, "labels must be a tensor"),
    ("lm", {"input_ids": IDS, "past_key_values": "x"}, TypeError, "past_key_values must be"),
    ("lm", {"input_ids": IDS, "past_key_values": ()}, ValueError, "0 layers"),
    ("lm", {"input_ids": IDS > 3}, TypeError, "must be integers"),
    ("lm", {"input_ids": IDS, "attention_mask": f(2, 1, 6, 6)}, ValueError, "queries by keys are not taken"),
    (
        "lm",
        {"input_ids": IDS[:, :1], "attention_mask": f(2, 1, 1, 1)},
        ValueError,
        "queries by keys are not taken",
    ),
    (
        "lm",
        {"input_ids": IDS[:, :1], "attention_mask": f(2, 1, 1)},
        ValueError,
        "queries by keys are not taken",
    ),
    ("lm", {"input_ids": IDS, "lables": IDS}, TypeError, "lables"),
    (
        "lm",
        {"input_ids": IDS, "head_mask": f(1, 7, 2, 1, 1)},
        ValueError,
        r"head_mask has shape \(1, 7, 2, 1, 1\)",
    ),
    ("lm", {"input_ids": IDS, "head_mask": f(1, 1, 2, 5, 6)}, ValueError, "head_mask has shape"),
    ("lm", {"input_ids": IDS, "head_mask": f(1, 1, 2, 6, 7)}, ValueError, r"\(1, 2, 2, 6, 6\)"),
    ("lm", {"input_ids": IDS, "head_mask": f(2, 1, 2, 1, 1)}, ValueError, "head_mask has shape"),
    ("lm", {"input_ids": IDS, "head_mask": f(1, 2, 1, 1)}, ValueError, "head_mask has shape"),
    ("lm", {"input_ids": IDS, "head_mask": [None]}, TypeError, "head_mask must be a tensor"),
    ("lm", {"input_ids": IDS, "head_mask": np.array([True, False])}, TypeError, "head_mask must be numbers"),
    (
        "lm",
        {"input_ids": IDS, "position_ids": i(3, 6)},
        ValueError,
        r"position_ids has shape \(3, 6\); it must be \(2, 6\)",
    ),
    ("lm", {"input_ids": IDS, "position_ids": i(2, 1, 6)}, ValueError, "position_ids has shape"),
    ("double", {"input_ids": i(2, 3, 6), "position_ids": i(3, 2, 6)}, ValueError, "position_ids has shape"),
    (
        "double",
        {"input_ids": i(2, 3, 6), "attention_mask": i(3, 2, 6)},
        ValueError,
        "attention_mask has shape",
    ),
    (
        "lm",
        {"input_ids": IDS, "attention_mask": i(2, 6) - 1},
        ValueError,
        r"attention_mask\[0, 0\] is -1; .*never additive",
    ),
    (
        "lm",
        {"input_ids": IDS, "attention_mask": f(2, 6) - np.inf},
        ValueError,
        r"attention_mask\[0, 0\] is -inf",
    ),
    (
        "lm",
        {"input_ids": IDS, "attention_mask": f(2, 6) + np.nan},
        ValueError,
        r"attention_mask\[0, 0\] is nan",
    ),
    (
        "cross",
        {"input_ids": IDS, "encoder_hidden_states": f(2, 3, 8), "encoder_attention_mask": f(2, 3) - 1e9},
        ValueError,
        r"encoder_attention_mask\[0, 0\] is -1",
    ),
    (
        "cross",
        {"input_ids": IDS, "encoder_hidden_states": i(2, 3, 8)},
        TypeError,
        "encoder_hidden_states must be floating",
    ),
    (
        "lm",
        {"inputs_embeds": i(2, 6, 8)},
        TypeError,
        r"inputs_embeds must be floating-point.*\(2, 6, 8\) of .*int32.*input_ids",
    ),
    (
        "lm",
        {"input_ids": IDS, "logits_to_keep": [99]},
        ValueError,
        r"logits_to_keep\[0\] is 99, but there are 6 positions",
    ),
    ("lm", {"input_ids": IDS, "logits_to_keep": [0, -7]}, ValueError, r"logits_to_keep\[1\] is -7"),
    (
        "lm",
        {"input_ids": IDS, "logits_to_keep": [[1]]},
        TypeError,
        r"logits_to_keep must be .* of shape \(1, 1\)",
    ),
    (
        "lm",
        {"input_ids": IDS, "logits_to_keep": 1.0},
        TypeError,
        "logits_to_keep must be an integer or a list",
    ),
    ("lm", {"input_ids": IDS, "logits_to_keep": True}, TypeError, "logits_to_keep must be an integer"),
    ("lm", {"input_ids": IDS, "logits_to_keep": -1}, ValueError, "0 .all. or more, not -1"),
    (
        "lm",
        {"input_ids": IDS, "use_cache": "yes"},
        TypeError,
        "use_cache must be True, False or None .*, not 'yes'",
    ),
    ("lm", {"input_ids": IDS, "return_dict": "no"}, TypeError, "return_dict must be True, False or None"),
    ("lm", {"input_ids": IDS, "output_attentions": 0.5}, TypeError, "output_attentions must be"),
    (
        "question",
        {"input_ids": IDS, "start_positions": f(2), "end_positions": i(2)},
        TypeError,
        "start_positions",
    ),
    ("lm", {"input_ids": np.array(["a"])}, TypeError, "input_ids must be .* this array holds texts: encode"),
    (
        "lm",
        {"input_ids": np.array([[1, None]])},
        TypeError,
        "input_ids must be .* array holds something else",
    ),
    (
        "token",
        {"input_ids": IDS, "labels": IDS * 1j},
        TypeError,
        "labels must be .* this array holds complex128",
    ),
    ("lm", {"input_ids": IDS, "labels": IDS.astype("uint64") + 2**63}, ValueError, r"labels\[0, 0\] is 92"),
    ("lm", {"input_ids": IDS, "params": {}}, TypeError, "no argument 'params': .* model.stateless_call"),
    ("lm", {"input_ids": IDS, "train": True}, TypeError, "no argument 'train': it is training=True"),
    ("lm", {"input_ids": IDS, "past": None}, TypeError, "no argument 'past': it is past_key_values"),
]


@pytest.mark.parametrize(("name", "inputs", "error", "message"), KINDS, ids=[case[3][:30] for case in KINDS])
def test_bad_kinds(models, name, inputs, error, message):
    """What is no tensor, and tensors of the wrong kind, by name and as they come."""
    with pytest.raises(error, match=message):
        models[name](**inputs)


def test_a_message_is_all_that_is_said(models, monkeypatch):
    """Keras puts codes of a terminal and a list of arguments around what calls raise; around others' errors still."""
    with pytest.raises(ValueError) as error:
        models["lm"]({"input_ids": IDS[0]})
    assert str(error.value).startswith("input_ids must be (batch, positions), not (6,)")
    assert str(error.value).count("\n") == 0 and "\x1b" not in str(error.value)

    def broken(self, inputs):
        raise ValueError("not of this package")

    monkeypatch.setattr(type(models["lm"].transformer.ln_f), "call", broken)
    with pytest.raises(ValueError, match="Exception encountered when calling"):
        models["lm"](IDS)


def test_good_shapes(models):
    """What broadcasts is taken: factors for each head, query and key, and positions for all rows at once."""
    wanted = array(models["lm"](IDS).logits)
    for inputs in (
        {"head_mask": f(2) + 1},
        {"head_mask": f(1, 2) + 1},
        {"head_mask": f(1, 2, 2, 6, 6) + 1},
        {"head_mask": f(1, 1, 1, 1, 6) + 1},
        {"head_mask": i(2) + 1},
        {"position_ids": np.arange(6)},
        {"position_ids": np.arange(6)[None]},
        {"use_cache": np.bool_(True), "output_attentions": 0},
        {"attention_mask": f(2, 6) + 0.5},
        {"attention_mask": np.ones((2, 6), "uint64"), "position_ids": np.arange(6, dtype="uint64")},
    ):
        assert np.allclose(array(models["lm"](IDS, **inputs).logits), wanted, atol=1e-5), inputs
    kept = array(models["lm"](IDS, logits_to_keep=[-1, 0]).logits)
    assert np.allclose(kept, wanted[:, [-1, 0]], atol=1e-5)
    assert np.allclose(array(models["lm"](IDS, logits_to_keep=np.int64(2)).logits), wanted[:, -2:], atol=1e-5)


def test_one_row_needs_no_padding_id(models):
    assert tuple(models["no_pad"](tensor(IDS[:1])).logits.shape) == (1, 3)


def test_all_ignored_is_zero_not_nan(models):
    loss = models["lm"](tensor(IDS), labels=tensor(np.full_like(IDS, -100))).loss
    assert float(loss) == 0.0


def test_lists_and_a_tokenizers_answer(models):
    """Rectangular lists of numbers go in wherever arrays do."""
    from gpt2tok import BatchEncoding

    lists = {"input_ids": IDS.tolist(), "attention_mask": [[1] * 6, [1] * 5 + [0]]}
    arrays = {name: np.array(value) for name, value in lists.items()}
    model = models["lm"]
    wanted = np.asarray(array(model(arrays).logits))
    encoding = BatchEncoding(lists)
    tuples = {name: tuple(map(tuple, rows)) for name, rows in lists.items()}
    for answer in (model(**lists), model(lists), model(encoding), model(**encoding), model(**tuples)):
        assert np.array_equal(array(answer.logits), wanted)
    assert np.allclose(model.predict(encoding, verbose=0)["logits"], wanted, atol=1e-5)
    assert np.allclose(model.predict_on_batch(lists)["logits"], wanted, atol=1e-5)
    learner = prepared(gpt2model.GPT2LMHeadModel(GPT2Config(**SMALL)), keras.optimizers.SGD(0.0))
    labelled = BatchEncoding({**lists, "labels": lists["input_ids"]})
    held_out = (encoding, lists["input_ids"])
    history = learner.fit(labelled, verbose=0, validation_data=held_out).history
    assert abs(history["val_loss"][0] - float(learner(**labelled).loss)) < 1e-5


def test_labels_in_several_parts():
    """A pair of labels is no array of two rows."""
    model = prepared(gpt2model.GPT2ForQuestionAnswering(GPT2Config(**SMALL)), "sgd")
    start, end = np.array([1, 2]), np.array([3, 5])
    named = {"start_positions": start, "end_positions": end}
    wanted = float(model(IDS, **named).loss)
    parts = (start.tolist(), end.tolist())
    for y in (named, (start, end), parts):
        assert abs(model.evaluate(IDS.tolist(), y, verbose=0) - wanted) < 1e-5
    model.optimizer.learning_rate = 0.0
    history = model.fit(IDS, parts, validation_data=(IDS, parts), verbose=0).history
    assert abs(history["val_loss"][0] - wanted) < 1e-5


OPTIONS = [
    ({"dtype": "float99"}, ValueError, "GPT2LMHeadModel: dtype='float99'.*give float16, .*mixed_bfloat16"),
    ({"dtype": "int32"}, ValueError, "dtype='int32' is no type that a model computes in"),
    ({"dtype": "int8"}, ValueError, "dtype='int8'"),
    ({"dtype": "string"}, ValueError, "dtype='string'"),
    ({"dtype": 3}, ValueError, "dtype=3"),
    ({"foo": 1}, TypeError, "GPT2LMHeadModel takes no option 'foo', only name, dtype"),
    ({"dtyp": "float32"}, TypeError, "did you mean dtype"),
    (
        {"n_layer": 2},
        TypeError,
        r"n_layer belongs to the configuration: GPT2LMHeadModel\(GPT2Config\(n_layer=",
    ),
    ({"num_labels": 2}, TypeError, "num_labels belongs to the configuration"),
    ({"seed": 0}, TypeError, "no option 'seed': keras.utils.set_random_seed"),
    ({"hidden_size": 2}, TypeError, "hidden_size belongs to the configuration"),
]


@pytest.mark.parametrize(("options", "error", "message"), OPTIONS, ids=[str(case[0]) for case in OPTIONS])
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        gpt2model.GPT2LMHeadModel(GPT2Config(**SMALL), **options)


GOOD_DTYPES = [
    ("bfloat16", "bfloat16"),
    ("mixed_float16", "float16"),
    (np.float16, "float16"),
    (keras.DTypePolicy("mixed_bfloat16"), "bfloat16"),
    (None, "float32"),
]


@pytest.mark.parametrize(("dtype", "computes"), GOOD_DTYPES)
def test_good_options(dtype, computes):
    model = gpt2model.GPT2Model(GPT2Config(**SMALL), dtype=dtype, name="mine", trainable=False)
    assert model.compute_dtype == computes
    assert model.name == "mine" and not model.trainable_variables
