"""Does `fit` work as Keras promises? Every kind of data, callbacks, the models' own losses and given ones, mixed
precision, saving, devices.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import (
    BACKEND,
    STILL,
    TINY,
    TOLERANCE,
    answer,
    array,
    difference,
    ids_of,
    prepared,
    tensor,
    twins,
)

import gpt2model
from gpt2model import GPT2Config
from gpt2model.weight_names import named_weights


def batches(kind, inputs, labels=None, size=8):
    """The same data as each library hands it to `fit`."""
    if kind == "numpy":
        return {"x": inputs, "y": labels, "batch_size": size}
    if kind == "tf.data":
        import tensorflow as tf

        content = inputs if labels is None else (inputs, labels)
        return {"x": tf.data.Dataset.from_tensor_slices(content).batch(size)}
    import torch

    arrays = {**inputs, "y": labels} if labels is not None else inputs
    rows = [{name: value[i] for name, value in arrays.items()} for i in range(len(inputs["input_ids"]))]

    def collate(rows):
        batch = {name: torch.tensor(np.stack([row[name] for row in rows])) for name in rows[0]}
        y = batch.pop("y", None)
        return batch if y is None else (batch, y)

    return {"x": torch.utils.data.DataLoader(rows, batch_size=size, collate_fn=collate)}


@pytest.mark.parametrize(
    ("kind", "where"), [("numpy", "inputs"), ("tf.data", "y"), ("torch", "inputs"), ("torch", "y")]
)
def test_fit_with_own_loss(kind, where):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY))
    ids = ids_of(24)
    ids[:] = ids[:1]  # one sequence to learn by heart
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    inputs, labels = (inputs | {"labels": ids}, None) if where == "inputs" else (inputs, ids)
    # The first as Keras chooses: on TensorFlow that is XLA.
    prepared(model, keras.optimizers.Adam(0.01), **({"jit_compile": "auto"} if kind == "numpy" else {}))
    stop = keras.callbacks.EarlyStopping("loss", patience=50)
    losses = model.fit(**batches(kind, inputs, labels), epochs=6, verbose=0, callbacks=[stop]).history["loss"]
    assert abs(losses[0] - np.log(64)) < 0.6 and losses[-1] < losses[0] - 0.5
    value = model.evaluate(**batches(kind, inputs, labels), verbose=0)
    assert abs(value - float(answer(model, ids, labels=ids).loss)) < 1e-3


@pytest.mark.parametrize("activation", ["gelu_new", "prelu", "xielu"])
def test_gradient_step_is_torchs(activation):
    """One plain gradient step on our loss moves every weight as the same step of transformers does."""
    import torch

    ours, theirs = twins("GPT2LMHeadModel", **TINY, **STILL, activation_function=activation)
    ids = ids_of(4)
    labels = ids.copy()
    labels[1, 4:] = -100
    prepared(ours, keras.optimizers.SGD(0.5))
    ours.fit({"input_ids": ids, "labels": labels}, batch_size=4, epochs=1, verbose=0)
    theirs.train()
    optimizer = torch.optim.SGD(theirs.parameters(), 0.5)
    theirs(torch.tensor(ids).long(), labels=torch.tensor(labels).long()).loss.backward()
    optimizer.step()
    state = theirs.state_dict()
    for name, slot in named_weights(ours).items():
        # those of xielu are bfloat16 there, eight bits
        rounding = 2**-8 * abs(float(state[name][0])) if ".alpha_" in name else 0
        assert difference(slot.read(), state[name].float().numpy()) < TOLERANCE + rounding, name


def test_fit_with_keras_loss_and_metrics():
    """A loss and metrics given to `compile` see the logits."""
    model = gpt2model.GPT2ForSequenceClassification(GPT2Config(**TINY, **STILL, num_labels=2, pad_token_id=0))
    ids = ids_of(32) | 1
    labels = (ids[:, -1] > 32).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    prepared(model, keras.optimizers.Adam(0.01), loss=loss, metrics=["sparse_categorical_accuracy"])
    history = model.fit({"input_ids": ids}, labels, epochs=12, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["sparse_categorical_accuracy"][-1] > 0.8
    before = model.evaluate({"input_ids": ids}, labels, verbose=0)[0]
    own = float(answer(model, ids, labels=labels).loss)
    assert abs(before - own) < 1e-4


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "GPT2ForTokenClassification"])
def test_metrics_compare_what_the_own_loss_compares(name):
    """A language model's token with the logits before it; what is labelled -100 nowhere."""
    model = getattr(gpt2model, name)(GPT2Config(**TINY, **STILL, num_labels=3, tie_word_embeddings=False))
    ids = ids_of(4)
    labels = ids % 3 if "Token" in name else ids.copy()
    labels[:2, 5:] = -100
    prepared(model, "sgd", metrics=["accuracy"])
    best = array(answer(model, ids).logits).argmax(-1)
    labels[2] = best[2]
    if "Token" not in name:
        labels[2, 1:] = best[2, :-1]
        best, held = best[:, :-1], labels[:, 1:]
    else:
        held = labels
    expected = (best == held)[held != -100].mean()
    assert 0.1 < expected < 0.9
    for x, y in (({"input_ids": ids, "labels": labels}, None), (ids, labels)):
        found = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
        assert abs(found["accuracy"] - expected) < 1e-6


def test_metrics_of_two_heads_compare_what_their_losses_compare():
    """By the names of the logits; ends outside of the text and choices of -100 do not count."""
    pairs = ids_of(8).reshape(4, 2, 12)
    double = gpt2model.GPT2DoubleHeadsModel(GPT2Config(**TINY, **STILL))
    found = answer(double, pairs)
    best = {name: array(found[name]).argmax(-1) for name in ("logits", "mc_logits")}
    labels = {"labels": pairs.copy(), "mc_labels": np.array([best["mc_logits"][0], -100, 0, 1])}
    labels["labels"][0, 0, 1:] = best["logits"][0, 0, :-1]
    labels["labels"][1, :, 2:] = -100
    places = labels["labels"][..., 1:]
    wanted = {
        "logits": (best["logits"][..., :-1] == places)[places != -100].mean(),
        "mc_logits": (best["mc_logits"] == labels["mc_labels"])[[0, 2, 3]].mean(),
    }

    ids = ids_of(4)
    question = gpt2model.GPT2ForQuestionAnswering(GPT2Config(**TINY, **STILL))
    found = answer(question, ids)
    first, last = (array(found[name]).argmax(-1) for name in ("start_logits", "end_logits"))
    ends = {
        "start_positions": np.array([first[0], 90, 5, first[3]]),
        "end_positions": np.array([-9, 3, 40, last[3]]),
    }
    held = np.array([0, 3, 40, last[3]])  # before the text is clamped to its beginning, as the loss has it
    wanted |= {
        "start_logits": (first == ends["start_positions"])[[0, 2, 3]].mean(),
        "end_logits": (last == held)[[0, 1, 3]].mean(),
    }
    for model, inputs, right in ((double, pairs, labels), (question, ids, ends)):
        names = ("logits", "mc_logits") if model is double else ("start_logits", "end_logits")
        prepared(model, "sgd", metrics={name: ["accuracy"] for name in names})
        for x, y in (
            ({"input_ids": inputs, **right}, None),
            (inputs, right),
            (inputs, tuple(right.values())),
        ):
            got = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
            for name in names:
                assert abs(got[f"{name}_accuracy"] - wanted[name]) < 1e-6, name


def test_other_heads_learn():
    """Double heads and question answering: all their losses go down together."""
    double = gpt2model.GPT2DoubleHeadsModel(GPT2Config(**TINY, **STILL, summary_first_dropout=0.0))
    ids = ids_of(16, 20).reshape(8, 2, 20)[..., :12]
    x = {"input_ids": ids, "mc_token_ids": np.full((8, 2), 11), "labels": ids, "mc_labels": np.arange(8) % 2}
    prepared(double, keras.optimizers.Adam(0.01))
    losses = double.fit(x, epochs=10, batch_size=8, verbose=0).history["loss"]
    assert abs(losses[0] - np.log(64) - np.log(2)) < 0.5 and losses[-1] < losses[0] - 0.5

    question = gpt2model.GPT2ForQuestionAnswering(GPT2Config(**TINY, **STILL))
    ids = ids_of(16)
    y = {"start_positions": np.argmax(ids, 1), "end_positions": np.argmin(ids, 1)}
    prepared(question, keras.optimizers.Adam(0.01))
    losses = question.fit({"input_ids": ids}, y, epochs=10, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2


def test_predict_gives_no_cache():
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL))
    ids = ids_of(10)
    output = model.predict({"input_ids": ids}, batch_size=4, verbose=0)
    assert set(output) == {"logits"} and output["logits"].shape == (10, 12, 64)
    assert difference(output["logits"], array(model(tensor(ids)).logits)) < TOLERANCE
    assert "past_key_values" in model(tensor(ids)) and set(model.predict_on_batch(ids)) == {"logits"}
    # Nor a loss, which has no rows to join: a batch of `fit` may be predicted as it is.
    assert set(model.predict({"input_ids": ids, "labels": ids}, batch_size=4, verbose=0)) == {"logits"}
    assert "loss" in model({"input_ids": ids, "labels": ids}), "afterwards as before"


def test_training_refuses_what_it_cannot_use():
    for name, labels, weights, message in (
        ("GPT2LMHeadModel", None, None, "pass labels"),
        ("GPT2LMHeadModel", ids_of(4), np.ones(4), "sample_weight"),
        ("GPT2Model", ids_of(4), None, "no head"),
    ):
        model = getattr(gpt2model, name)(GPT2Config(**TINY))
        prepared(model, "adam")
        with pytest.raises(ValueError, match=message):
            model.fit({"input_ids": ids_of(4)}, labels, sample_weight=weights, verbose=0)


def test_dropouts_are_separate():
    """Each rate acts alone, in training only."""
    ids = tensor(ids_of(2))
    for name in STILL:
        model = gpt2model.GPT2Model(GPT2Config(**TINY, **{**STILL, name: 0.5}))
        calm = array(model(ids).last_hidden_state)
        assert difference(array(model(ids, training=False).last_hidden_state), calm) == 0
        one, two = (array(model(ids, training=True).last_hidden_state) for _ in range(2))
        assert difference(one, calm) > 1e-3 and difference(one, two) > 1e-3
        assert "past_key_values" not in model(ids, training=True)


HEADS = [
    ("GPT2DoubleHeadsModel", "mc_logits", {"summary_first_dropout": 0.5}),
    ("GPT2DoubleHeadsModel", "mc_logits", {"summary_last_dropout": 0.5}),
    ("GPT2ForTokenClassification", "logits", {"classifier_dropout": 0.5, "hidden_dropout": 0.0}),
    ("GPT2ForTokenClassification", "logits", {"hidden_dropout": 0.5}),
    ("GPT2ForTokenClassification", "logits", {}),  # a tenth where nothing is said
    ("GPT2ForTokenClassification", None, {"classifier_dropout": 0.0, "hidden_dropout": 0.5}),
]


@pytest.mark.parametrize(("name", "dropped", "rates"), HEADS, ids=[str(case[2]) for case in HEADS])
def test_dropouts_of_heads(name, dropped, rates):
    """Each rate acts alone, on its head and in training only."""
    fields = {**TINY, **STILL, "summary_first_dropout": 0.0, "summary_last_dropout": 0.0, **rates}
    model, ids = getattr(gpt2model, name)(GPT2Config(**fields)), ids_of(4)
    ids = tensor(ids.reshape(2, 2, 12) if "Double" in name else ids)
    calm, wild = model(ids), model(ids, training=True)
    for field in ("logits", "mc_logits"):
        if field in calm:
            assert (difference(array(wild[field]), array(calm[field])) > 1e-4) == (field == dropped), field


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_training(policy):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY), dtype=policy)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    ids = np.repeat(ids_of(1), 16, 0)
    prepared(model, keras.optimizers.Adam(0.01))
    losses = model.fit({"input_ids": ids, "labels": ids}, epochs=12, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize(
    "name",
    [
        "GPT2Model",
        "GPT2LMHeadModel",
        "GPT2DoubleHeadsModel",
        "GPT2ForSequenceClassification",
        "GPT2ForTokenClassification",
        "GPT2ForQuestionAnswering",
    ],
)
def test_saving(name, tmp_path):
    """`.keras` in safe mode and `.weights.h5`, for every class."""
    config = GPT2Config(
        **TINY,
        num_labels=3,
        pad_token_id=0,
        tie_word_embeddings=False,
        add_cross_attention=name == "GPT2Model",
    )
    model = getattr(gpt2model, name)(config, dtype="mixed_bfloat16" if name == "GPT2Model" else None)
    ids = tensor(ids_of(2) if "Double" not in name else ids_of(4).reshape(2, 2, 12))
    wanted = model(ids).to_tuple()[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert (
        type(again) is type(model)
        and again.config == model.config
        and again.dtype_policy == model.dtype_policy
    )
    model.save_weights(tmp_path / "model.weights.h5")
    other = getattr(gpt2model, name)(model.config.replace(), dtype=model.dtype_policy)
    other.load_weights(tmp_path / "model.weights.h5")
    for twin in (again, other):
        got = twin(ids).to_tuple()[0]
        assert (
            difference(array(keras.ops.cast(got, "float32")), array(keras.ops.cast(wanted, "float32"))) < 1e-5
        )


def test_callbacks(tmp_path):
    """Checkpoints, stopping, schedules and logs of Keras, with a validation set."""
    model = prepared(gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL)), keras.optimizers.Adam(0.01))
    x = {"input_ids": np.repeat(ids_of(1), 16, 0)}
    x["labels"] = x["input_ids"]
    seen = []
    callbacks = [
        keras.callbacks.ModelCheckpoint(
            tmp_path / "best.weights.h5", save_best_only=True, save_weights_only=True
        ),
        keras.callbacks.ModelCheckpoint(tmp_path / "last.keras"),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch < 2 else 0.0),
        keras.callbacks.EarlyStopping("val_loss", min_delta=1e-3, patience=2, restore_best_weights=True),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])),
    ]
    history = model.fit(
        x, validation_data=(x,), epochs=9, batch_size=8, verbose=0, callbacks=callbacks
    ).history
    assert len(history["val_loss"]) == 4, "nothing moves after the second epoch, so two more end it"
    assert len(seen) == 8 and len((tmp_path / "log.csv").read_text().splitlines()) == 5
    best = float(answer(model, x["input_ids"], labels=x["labels"]).loss)
    assert abs(best - min(history["val_loss"])) < 1e-4
    again = keras.saving.load_model(tmp_path / "last.keras")
    other = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL))
    other.load_weights(tmp_path / "best.weights.h5")
    for twin in (again, other):
        assert abs(float(answer(twin, x["input_ids"], labels=x["labels"]).loss) - best) < 1e-4


def test_saved_training_goes_on(tmp_path):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL))
    x = {"input_ids": ids_of(8), "labels": ids_of(8)}
    prepared(model, keras.optimizers.Adam(0.01))
    model.fit(x, epochs=2, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    losses = [one.fit(x, epochs=1, batch_size=8, verbose=0).history["loss"][0] for one in (model, again)]
    assert abs(losses[0] - losses[1]) < 1e-5


@pytest.mark.parametrize("axes", [(2, 1), (1, 2)], ids=["data", "model"])
def test_two_devices(axes):
    """Two virtual devices under keras.distribution give the loss and the weights that one gives."""
    if BACKEND != "jax":
        pytest.skip("keras.distribution spreads over devices on JAX")
    import jax

    assert len(jax.devices()) == 2
    config = GPT2Config(**TINY, **STILL)
    x = {"input_ids": ids_of(8), "labels": ids_of(8)}
    alone = gpt2model.GPT2LMHeadModel(config)
    values = {name: slot.read() for name, slot in named_weights(alone).items()}
    mesh = keras.distribution.DeviceMesh(axes, ("batch", "model"))
    layouts = gpt2model.GPT2LMHeadModel.get_layout_map(mesh)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    )
    try:
        spread = gpt2model.GPT2LMHeadModel(config)
        for name, slot in named_weights(spread).items():
            slot.assign(values[name])
        kernel = spread.transformer.h[0].mlp.c_fc.kernel.value
        assert kernel.sharding.shard_shape(kernel.shape)[1] == 64 // axes[1]
        prepared(spread, keras.optimizers.SGD(0.5))
        spread_losses = spread.fit(x, epochs=3, batch_size=8, verbose=0, shuffle=False).history["loss"]
    finally:
        keras.distribution.set_distribution(None)
    prepared(alone, keras.optimizers.SGD(0.5))
    losses = alone.fit(x, epochs=3, batch_size=8, verbose=0, shuffle=False).history["loss"]
    assert np.allclose(losses, spread_losses, atol=1e-4)
    for name, slot in named_weights(alone).items():
        assert difference(named_weights(spread)[name].read(), slot.read()) < TOLERANCE, name
    with pytest.raises(ValueError, match="lacks 'tensor'"):
        gpt2model.GPT2LMHeadModel.get_layout_map(mesh, model_parallel_dim_name="tensor")
