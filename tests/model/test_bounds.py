"""Whole numbers that do not exist: refused by name where anyone can look, NaN where nothing can raise, and labels of
every type give transformers' loss.
"""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
from helpers import BACKEND, STILL, TINY, TOLERANCE, answer, array, ids_of, prepared, tensor, twins

import gpt2model
from gpt2model import GPT2Config
from gpt2model.feeding import check_step

IDS = ids_of(4)
DTYPES = ["uint8", "uint16", "uint32", "int8", "int64"]


def language_model(**options):
    return gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL), **options)


def changed(values, place, value):
    """The values with one of them another."""
    values = np.array(values).astype("int64" if value < 2**63 else "uint64")
    values[place] = value
    return values


# -- labels of every type


@pytest.fixture(scope="module")
def pair():
    """A model of ours and transformers' loss of IDS."""
    import torch

    ours, theirs = twins("GPT2LMHeadModel", **TINY, **STILL)
    with torch.no_grad():
        loss = float(theirs(torch.tensor(IDS).long(), labels=torch.tensor(IDS).long()).loss)
    return ours, loss


@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_of_every_type(pair, dtype):
    model, loss = pair
    labels = IDS.astype(dtype)
    assert abs(float(model(IDS, labels=labels).loss) - loss) < TOLERANCE
    assert abs(float(answer(model, IDS, labels=labels).loss) - loss) < TOLERANCE


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_fit_on_labels_of_every_type(pair, dtype):
    model, loss = pair
    prepared(model, keras.optimizers.SGD(0.0))
    labels = IDS.astype(dtype)
    for arguments in (({"input_ids": IDS.astype(dtype), "labels": labels},), (IDS, labels)):
        history = model.fit(*arguments, batch_size=4, verbose=0).history
        assert abs(history["loss"][0] - loss) < TOLERANCE


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_other_heads_take_labels_of_every_type(dtype):
    import torch

    def both(name, inputs, **fields):
        ours, theirs = twins(name, **TINY, **STILL, **fields)
        given = {key: torch.tensor(value.astype("int64")) for key, value in inputs.items()}
        with torch.no_grad():
            wanted = theirs(**given)
        got = ours({key: value.astype(dtype) for key, value in inputs.items()})
        for field in ("loss", "mc_loss"):
            if getattr(wanted, field, None) is not None:
                assert abs(float(got[field]) - float(getattr(wanted, field))) < TOLERANCE, (name, field)

    both("GPT2ForTokenClassification", {"input_ids": IDS, "labels": IDS % 2}, num_labels=2)
    classes = {"input_ids": IDS | 1, "labels": np.array([0, 1, 2, 1])}
    both("GPT2ForSequenceClassification", classes, num_labels=3, pad_token_id=0)
    spans = {
        "start_positions": np.array([0, 3, 200 if dtype != "int64" else 2**30, 1]),
        "end_positions": np.arange(4),
    }
    both("GPT2ForQuestionAnswering", {"input_ids": IDS, **spans})
    choices = {
        "input_ids": IDS.reshape(2, 2, 12),
        "labels": IDS.reshape(2, 2, 12),
        "mc_labels": np.array([1, 0]),
    }
    both("GPT2DoubleHeadsModel", choices)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_float_labels_stay_exact(policy, kind):
    """Losses are float32 whatever the model computes in: 70000 is inf in float16, and 1001 is 1000 in bfloat16."""
    config = GPT2Config(**TINY, **STILL, num_labels=1, pad_token_id=0)
    model = gpt2model.GPT2ForSequenceClassification(config, dtype=policy)
    labels = np.array([70000.0, 1001.0, 4097.0, 3.0], kind)
    logits = array(keras.ops.cast(model(IDS).logits, "float32"))[:, 0].astype("float64")
    wanted = float(np.mean((logits - labels) ** 2))
    ways = {
        "argument": float(model(IDS, labels=labels).loss),
        "tensor": float(model(tensor(IDS), labels=tensor(labels)).loss),
        "mapping": float(model({"input_ids": IDS, "labels": labels}).loss),
        "list": float(model(IDS.tolist(), labels=labels.tolist()).loss),
        "losses_of": float(model.losses_of(model(IDS), tensor(labels))["loss"]),
        "compiled": float(answer(model, IDS, labels=labels).loss),
    }
    prepared(model, keras.optimizers.SGD(0.0))
    for name, data in (("y", (IDS, labels)), ("inputs", ({"input_ids": IDS, "labels": labels},))):
        ways[f"evaluate {name}"] = model.evaluate(*data, batch_size=4, verbose=0)
    for way, loss in ways.items():
        assert abs(loss / wanted - 1.0) < 1e-3, (way, loss, wanted)


# -- values out of bounds, seen


BAD = [
    ("lm", {"input_ids": changed(IDS, (1, 4), 64)}, r"input_ids\[1, 4\] is 64, outside 0..63"),
    ("lm", {"input_ids": changed(IDS, (1, 4), -1)}, r"input_ids\[1, 4\] is -1, outside 0..63"),
    ("lm", {"input_ids": changed(IDS, (3, 0), 2**40)}, r"input_ids\[3, 0\] is 1099511627776, outside 0..63"),
    ("lm", {"input_ids": changed(IDS, (3, 0), 2**63)}, r"input_ids\[3, 0\] is 9223372036854775808, outside"),
    (
        "lm",
        {"input_ids": IDS, "labels": changed(IDS, (0, 2), 64)},
        r"labels\[0, 2\] is 64, outside 0..63; -100",
    ),
    (
        "lm",
        {"input_ids": IDS, "labels": changed(IDS, (0, 2), -1)},
        r"labels\[0, 2\] is -1, outside 0..63; -100",
    ),
    ("lm", {"input_ids": IDS, "labels": changed(IDS, (0, 2), 2**40)}, r"labels\[0, 2\] is 1099511627776"),
    ("lm", {"input_ids": IDS, "token_type_ids": changed(IDS, (0, 1), 70)}, r"token_type_ids\[0, 1\] is 70"),
    (
        "lm",
        {"input_ids": IDS, "position_ids": changed(IDS % 16, (0, 1), 16)},
        r"position_ids\[0, 1\] is 16, outside 0..15",
    ),
    ("lm", {"input_ids": IDS, "position_ids": changed(IDS % 16, (0, 1), -1)}, r"position_ids\[0, 1\] is -1"),
    (
        "lm",
        {"input_ids": IDS, "attention_mask": changed(IDS, (0, 1), 2**32)},
        r"attention_mask\[0, 1\] is 4294967296",
    ),
    ("sequence", {"input_ids": IDS, "labels": np.array([0, 1, 5, 1])}, r"labels\[2\] is 5, outside 0..1"),
    (
        "token",
        {"input_ids": IDS, "labels": changed(IDS % 2, (2, 3), 2)},
        r"labels\[2, 3\] is 2, outside 0..1",
    ),
    (
        "double",
        {"input_ids": IDS.reshape(2, 2, 12), "mc_labels": np.array([0, 2])},
        r"mc_labels\[1\] is 2, outside 0..1",
    ),
    (
        "double",
        {
            "input_ids": IDS.reshape(2, 2, 12),
            "labels": IDS.reshape(2, 2, 12),
            "mc_token_ids": np.array([[0, 12], [0, 0]]),
        },
        r"mc_token_ids\[0, 1\] is 12, outside 0..11",
    ),
]
CLASSES = {
    "lm": "GPT2LMHeadModel",
    "sequence": "GPT2ForSequenceClassification",
    "token": "GPT2ForTokenClassification",
    "double": "GPT2DoubleHeadsModel",
}


@pytest.fixture(scope="module")
def models():
    config = GPT2Config(**TINY, **STILL, pad_token_id=0)
    made = {short: getattr(gpt2model, name)(config) for short, name in CLASSES.items()}
    return {short: prepared(model, keras.optimizers.SGD(0.1)) for short, model in made.items()}


@pytest.mark.parametrize(("name", "inputs", "message"), BAD, ids=[case[2][:34] for case in BAD])
def test_refused_when_seen(models, name, inputs, message):
    """By an eager call and by every method that feeds batches, before the weights move."""
    model = models[name]
    labelled = {
        "labels" if name != "double" else "mc_labels": np.zeros(2 if name == "double" else 4, "int32")
    }
    if name in ("lm", "token"):
        labelled["labels"] = np.zeros_like(IDS)
    batch = {**labelled, **inputs}
    before = array(model.transformer.wte.embeddings)
    calls = [lambda: model(**inputs), lambda: model(inputs)]
    calls += [lambda: model.fit(batch, batch_size=4, verbose=0), lambda: model.train_on_batch(batch)]
    calls += [lambda: model.evaluate(batch, verbose=0), lambda: model.test_on_batch(batch)]
    calls += [lambda: model.predict(inputs, verbose=0), lambda: model.predict_on_batch(inputs)]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
    assert np.array_equal(array(model.transformer.wte.embeddings), before)


def batches_of(kind, batch):
    """Data that cannot be looked at as a whole."""
    if kind == "generator":
        return (part for part in [(batch,)] * 2)
    if kind == "tf.data":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat(2)
    import torch

    rows = [{name: value[row] for name, value in batch.items()} for row in range(4)]
    return torch.utils.data.DataLoader(rows, batch_size=2)


@pytest.mark.parametrize("kind", ["generator", "tf.data", "torch"])
@pytest.mark.parametrize("number", [64, -1])
@pytest.mark.parametrize("where", ["input_ids", "labels"])
def test_refused_in_a_batch(models, kind, number, where):
    good = {"input_ids": IDS, "labels": IDS}
    bad = {**good, where: changed(IDS, (1, 4), number).astype("int32")}
    for method in ("fit", "evaluate", "predict"):
        if method == "predict" and where == "labels":
            continue  # there they are no business of anyone's, unless they stand among the inputs
        with pytest.raises(Exception, match=rf"{where}\[1, 4\] is {number}") as caught:
            getattr(models["lm"], method)(batches_of(kind, bad), verbose=0)
        assert "ValueError" in f"{type(caught.value).__name__} {caught.value}"
    assert np.isfinite(models["lm"].evaluate(batches_of(kind, good), verbose=0))


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_wide_numbers_of_a_generator_stay_out_of_bounds(models, kind):
    """TensorFlow makes every batch as wide as the first: 2**32 + 5 would become 5."""
    wide = IDS.astype(kind)
    assert np.isfinite(models["lm"].evaluate(((part, wide) for part in (wide, wide)), verbose=0))
    wide[1, 4] = 2**32 + 5
    narrow = IDS.astype("int32")
    for batches in ([(narrow, narrow)] * 3 + [(wide, narrow)], [(narrow, narrow)] * 3 + [(narrow, wide)]):
        with pytest.raises(Exception, match=r"\[1, 4\] is 2147483647"):
            models["lm"].evaluate((batch for batch in batches), verbose=0)


def test_y_and_validation_data_are_looked_at(models):
    bad = changed(IDS, (1, 4), 64)
    for arguments in (
        {"x": IDS, "y": bad},
        {"x": IDS, "y": IDS, "validation_data": (IDS, bad)},
        {"x": IDS, "y": IDS, "validation_data": (bad, IDS)},
    ):
        with pytest.raises(ValueError, match=r"\[1, 4\] is 64"):
            models["lm"].fit(**arguments, verbose=0)


def test_labels_of_a_given_loss_are_its_own():
    model = gpt2model.GPT2ForSequenceClassification(GPT2Config(**TINY, **STILL, pad_token_id=0))
    prepared(
        model,
        "sgd",
        loss=lambda y, scores: keras.ops.mean(scores) * 0.0 + keras.ops.mean(keras.ops.cast(y, "float32")),
    )
    assert model.fit(IDS, np.full(4, 7), verbose=0).history["loss"] == [7.0]


def test_several_steps_in_one_call():
    """There TensorFlow draws its batches within a graph, whose assertion speaks."""
    if BACKEND == "torch":
        pytest.skip("Keras takes one step a call on PyTorch")
    model = prepared(language_model(), "sgd", steps_per_execution=2)
    bad = {"input_ids": changed(IDS, (1, 4), -1).astype("int32"), "labels": IDS}
    with pytest.raises(Exception, match=r"input_ids.*(is -1|outside 0..63)"):
        model.fit(batches_of("tf.data", bad), verbose=0)


def test_a_look_costs_little():
    """A batch of 8 x 512 in less than a hundredth of the quickest step of gpt2-small on any machine: 50 ms."""
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**{**TINY, "vocab_size": 50257, "n_positions": 512}))
    ids = ids_of(8, 512, 50257)
    batch = ({"input_ids": tensor(ids), "labels": tensor(ids), "attention_mask": tensor(np.ones_like(ids))},)
    taken = []
    for _ in range(50):
        start = time.perf_counter()
        check_step(model, batch)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 5e-4, f"{min(taken) * 1e6:.0f} microseconds"


# -- values out of bounds, not seen


def compilers():
    """Ways to run a function of tensors in which no value is seen beforehand, and whether they can raise."""
    if BACKEND == "jax":
        import jax

        return {"jit": (jax.jit, False)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return {
            "graph": (tf.function, True),
            "xla": (lambda function: tf.function(function, jit_compile=True), False),
        }
    return {}


def check_unseen(function, good, bad, row=1, rows=4):
    """Good input gives numbers; bad input an error, or NaN in the row that is bad (in all when None)."""
    for name, (compiler, raises) in compilers().items():
        run = compiler(function)
        wanted = array(run(*map(tensor, good)))
        assert np.isfinite(wanted).all(), name
        if raises:
            import tensorflow as tf

            with pytest.raises(tf.errors.InvalidArgumentError):
                run(*map(tensor, bad))
            continue
        got = array(run(*map(tensor, bad)))
        if row is None:
            assert np.isnan(got).all(), name
            continue
        assert np.isnan(got[row]).all(), name
        others = [other for other in range(rows) if other != row]
        assert np.allclose(got[others], wanted[others], atol=1e-5), name


UNSEEN = [
    ("input_ids", 64),
    ("input_ids", -1),
    ("input_ids", 2**31 - 1),
    ("token_type_ids", -64),
    ("position_ids", 16),
    ("position_ids", -1),
]


@pytest.mark.skipif(BACKEND == "torch", reason="torch is eager: values are always seen")
@pytest.mark.parametrize(("where", "number"), UNSEEN)
def test_unseen_ids(where, number):
    model = gpt2model.GPT2Model(GPT2Config(**TINY, **STILL))
    good = {"input_ids": IDS, where: IDS % 16}
    bad = {**good, where: changed(IDS % 16, (1, 4), number).astype("int32")}
    names = sorted(good)
    check_unseen(
        lambda *given: model(**dict(zip(names, given, strict=True))).last_hidden_state,
        [good[name] for name in names],
        [bad[name] for name in names],
    )


@pytest.mark.skipif(BACKEND == "torch", reason="torch is eager: values are always seen")
@pytest.mark.parametrize("number", [64, -1, -101])
def test_unseen_labels(number):
    model = language_model()
    function = lambda ids, labels: model(ids, labels=labels).loss  # noqa: E731
    ignored = changed(IDS, (1, 4), -100).astype("int32")
    check_unseen(function, (IDS, ignored), (IDS, changed(IDS, (1, 4), number).astype("int32")), row=None)


@pytest.mark.skipif(BACKEND == "torch", reason="torch is eager: values are always seen")
def test_unseen_choices_and_indices():
    double = gpt2model.GPT2DoubleHeadsModel(GPT2Config(**TINY, **STILL, summary_first_dropout=0.0))
    ids, places = IDS.reshape(2, 2, 12), np.array([[0, 11], [3, 4]])
    check_unseen(
        lambda places: double(tensor(ids), mc_token_ids=places).mc_logits[:, 1],
        (places.astype("int32"),),
        (changed(places, (1, 1), 12).astype("int32"),),
        rows=2,
    )
    model = language_model()
    check_unseen(
        lambda places: keras.ops.swapaxes(model(tensor(IDS), logits_to_keep=places).logits, 0, 1),
        (np.array([0, -12], "int32"),),
        (np.array([0, 99], "int32"),),
        rows=2,
    )


@pytest.mark.skipif(BACKEND == "torch", reason="torch is eager: values are always seen")
def test_a_cache_that_overflows_unseen():
    """The offset is traced: 10 filled of 16, and 12 come."""
    model = gpt2model.GPT2Model(GPT2Config(**TINY, **STILL))

    def function(offset):
        cache = model.make_cache(4)._replace(offset=offset)
        return model(tensor(IDS), past_key_values=cache).last_hidden_state

    check_unseen(function, (np.int32(4),), (np.int32(10),), row=None)


def test_more_positions_than_there_are_unseen():
    if BACKEND != "tensorflow":
        pytest.skip("only TensorFlow has unknown sides")
    import tensorflow as tf

    model = language_model()
    run = tf.function(lambda ids: model(ids).logits, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tf.zeros((2, 17), "int32"))
