"""Does training train? `fit` with every kind of data, the losses that models compute themselves, LoRA, int8,
saving, devices.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import BACKEND, TOLERANCE, array, difference, tensor, twins

import gpt2model
from gpt2model import GPT2Config
from gpt2model.weight_names import named_weights

TINY = {"vocab_size": 64, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2}
STILL = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}


def ids_of(rows, length=12, vocab=64, seed=0):
    return np.random.default_rng(seed).integers(0, vocab, (rows, length)).astype("int32")


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
        if y is not None:
            return batch, y
        return (
            batch if BACKEND == "torch" else (batch,)
        )  # elsewhere Keras takes tuples from a DataLoader only

    return {"x": torch.utils.data.DataLoader(rows, batch_size=size, collate_fn=collate)}


@pytest.mark.parametrize("kind", ["numpy", "tf.data", "torch"])
@pytest.mark.parametrize("where", ["inputs", "y"])
def test_fit_with_own_loss(kind, where):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY))
    ids = ids_of(24)
    ids[:] = ids[:1]  # one sequence to learn by heart
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    inputs, labels = (inputs | {"labels": ids}, None) if where == "inputs" else (inputs, ids)
    model.compile(keras.optimizers.Adam(0.01))
    stop = keras.callbacks.EarlyStopping("loss", patience=50)
    losses = model.fit(**batches(kind, inputs, labels), epochs=6, verbose=0, callbacks=[stop]).history["loss"]
    assert abs(losses[0] - np.log(64)) < 0.6 and losses[-1] < losses[0] - 0.5
    value = model.evaluate(**batches(kind, inputs, labels), verbose=0)
    assert abs(value - float(model(tensor(ids), labels=tensor(ids)).loss)) < 1e-3


def test_gradient_step_is_torchs():
    """One plain gradient step on our loss moves every weight as the same step of transformers does."""
    import torch

    ours, theirs = twins("GPT2LMHeadModel", **TINY, **STILL)
    ids = ids_of(4)
    labels = ids.copy()
    labels[1, 4:] = -100
    ours.compile(keras.optimizers.SGD(0.5))
    ours.fit({"input_ids": ids, "labels": labels}, batch_size=4, epochs=1, verbose=0)
    theirs.train()
    optimizer = torch.optim.SGD(theirs.parameters(), 0.5)
    theirs(torch.tensor(ids).long(), labels=torch.tensor(labels).long()).loss.backward()
    optimizer.step()
    state = theirs.state_dict()
    for name, slot in named_weights(ours).items():
        assert difference(slot.read(), state[name].numpy()) < TOLERANCE, name


def test_fit_with_keras_loss_and_metrics():
    """A loss and metrics given to `compile` see the logits."""
    model = gpt2model.GPT2ForSequenceClassification(GPT2Config(**TINY, **STILL, num_labels=2, pad_token_id=0))
    ids = ids_of(32) | 1
    labels = (ids[:, -1] > 32).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss=loss, metrics=["sparse_categorical_accuracy"])
    history = model.fit({"input_ids": ids}, labels, epochs=12, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["sparse_categorical_accuracy"][-1] > 0.8
    before = model.evaluate({"input_ids": ids}, labels, verbose=0)[0]
    own = float(model(tensor(ids), labels=tensor(labels)).loss)
    assert abs(before - own) < 1e-4


def test_other_heads_learn():
    """Double heads and question answering: all their losses go down together."""
    double = gpt2model.GPT2DoubleHeadsModel(GPT2Config(**TINY, **STILL, summary_first_dropout=0.0))
    ids = ids_of(16, 20).reshape(8, 2, 20)[..., :12]
    x = {"input_ids": ids, "mc_token_ids": np.full((8, 2), 11), "labels": ids, "mc_labels": np.arange(8) % 2}
    double.compile(keras.optimizers.Adam(0.01))
    losses = double.fit(x, epochs=10, batch_size=8, verbose=0).history["loss"]
    assert abs(losses[0] - np.log(64) - np.log(2)) < 0.5 and losses[-1] < losses[0] - 0.5

    question = gpt2model.GPT2ForQuestionAnswering(GPT2Config(**TINY, **STILL))
    ids = ids_of(16)
    y = {"start_positions": np.argmax(ids, 1), "end_positions": np.argmin(ids, 1)}
    question.compile(keras.optimizers.Adam(0.01))
    losses = question.fit({"input_ids": ids}, y, epochs=10, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.2


def test_classification_overfits():
    """Small real tasks are learnt by heart: does a line hold a bracket; is a byte a letter, a digit, or
    neither.
    """
    lines = Path(sysconfig.get_path("stdlib")).joinpath("cmd.py").read_text("utf-8").splitlines()
    lines = [line for line in lines if len(line) >= 16][:12]
    data = np.array([list(line.encode()[:16]) for line in lines], "int32") % 128
    config = GPT2Config(**{**TINY, "vocab_size": 128, "n_embd": 32}, **STILL, num_labels=2, pad_token_id=127)
    labels = (data.sum(1) % 2).astype("int32")  # a parity: nothing but learning by heart finds it
    model = gpt2model.GPT2ForSequenceClassification(config)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit({"input_ids": data, "labels": labels}, epochs=40, batch_size=12, verbose=0)
    unique = {row.tobytes(): label for row, label in zip(data, labels, strict=True)}
    got = model.predict({"input_ids": data}, verbose=0, batch_size=12)["logits"].argmax(-1)
    assert len(unique) > 4 and (got == labels).mean() > 0.95

    kinds = np.array(
        [[1 if chr(b).isalpha() else 2 if chr(b).isdigit() else 0 for b in row] for row in data], "int32"
    )
    model = gpt2model.GPT2ForTokenClassification(config.replace(num_labels=3, classifier_dropout=0.0))
    model.compile(keras.optimizers.Adam(0.01))
    model.fit({"input_ids": data, "labels": kinds}, epochs=30, batch_size=12, verbose=0)
    got = model.predict({"input_ids": data}, verbose=0, batch_size=12)["logits"].argmax(-1)
    assert (got == kinds).mean() > 0.98


def test_learns_real_text():
    """Bytes of the standard library's sources, from scratch: well under what letter frequencies alone
    give.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    text = b"".join(
        folder.joinpath(name).read_bytes() for name in ("argparse.py", "ast.py", "calendar.py", "cmd.py")
    )
    data = np.frombuffer(text, "uint8").astype("int32") % 128
    rows = data[: len(data) // 32 * 32].reshape(-1, 32)[:1280]
    counts = np.bincount(rows.ravel(), minlength=128) / rows.size
    unigram = -(counts[counts > 0] * np.log(counts[counts > 0])).sum()
    config = GPT2Config(vocab_size=128, n_positions=32, n_embd=48, n_layer=2, n_head=4, **STILL)
    model = gpt2model.GPT2LMHeadModel(config)
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.01))
    losses = model.fit({"input_ids": rows, "labels": rows}, batch_size=32, epochs=4, verbose=0).history[
        "loss"
    ]
    assert unigram > 2.8 and losses[-1] < unigram - 0.35, (unigram, losses)


def test_predict_gives_no_cache():
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL))
    ids = ids_of(10)
    output = model.predict({"input_ids": ids}, batch_size=4, verbose=0)
    assert set(output) == {"logits"} and output["logits"].shape == (10, 12, 64)
    assert difference(output["logits"], array(model(tensor(ids)).logits)) < TOLERANCE
    assert "past_key_values" in model(tensor(ids)) and set(model.predict_on_batch(ids)) == {"logits"}


def test_training_refuses_what_it_cannot_use():
    for name, labels, weights, message in (
        ("GPT2LMHeadModel", None, None, "pass labels"),
        ("GPT2LMHeadModel", ids_of(4), np.ones(4), "sample_weight"),
        ("GPT2Model", ids_of(4), None, "no head"),
    ):
        model = getattr(gpt2model, name)(GPT2Config(**TINY))
        model.compile("adam")
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


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_training(policy):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY), dtype=policy)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    ids = np.repeat(ids_of(1), 16, 0)
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit({"input_ids": ids, "labels": ids}, epochs=12, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0] - 0.3


def test_lora_trains_its_own_weights_only(tmp_path):
    model = gpt2model.GPT2ForSequenceClassification(GPT2Config(**TINY, **STILL, num_labels=2, pad_token_id=0))
    ids, labels = ids_of(16) | 1, np.arange(16) % 2
    calm = array(model(tensor(ids)).logits)
    model.enable_lora(2, lora_alpha=4, also_train=["score"])
    assert difference(array(model(tensor(ids)).logits), calm) < 1e-5  # the addition begins at nothing
    trained = {v.path for v in model.trainable_variables}
    assert len(trained) == 2 * 2 + 1 and all("lora_kernel" in path or "score" in path for path in trained)
    frozen = {
        v.path: array(v).copy() for v in model.variables if v.path not in trained and "seed" not in v.path
    }
    model.compile(keras.optimizers.Adam(0.05))
    losses = model.fit({"input_ids": ids, "labels": labels}, epochs=15, batch_size=16, verbose=0).history[
        "loss"
    ]
    assert losses[-1] < losses[0] - 0.05
    assert all(difference(array(v), frozen[v.path]) == 0 for v in model.variables if v.path in frozen)
    if BACKEND == "torch":
        assert sum(p.requires_grad for p in model.parameters()) == len(trained)
    merged = gpt2model.GPT2ForSequenceClassification(model.config)
    for name, slot in named_weights(merged).items():
        slot.assign(named_weights(model)[name].read())
    assert difference(array(merged(tensor(ids)).logits), array(model(tensor(ids)).logits)) < 1e-4
    with pytest.raises(ValueError, match="no such layer: query"):
        merged.enable_lora(2, target_names=["query"])


def test_int8(tmp_path):
    """Quantized logits stay near, are saved and loaded, and turn back into a checkpoint."""
    exact, theirs = twins("GPT2LMHeadModel", **{**TINY, "n_embd": 64})
    ids = ids_of(3)
    wanted = array(exact(tensor(ids)).logits)
    exact.quantize("int8")
    assert {v.dtype for v in exact.variables if "kernel" in v.path and "scale" not in v.path} == {"int8"}
    got = array(exact(tensor(ids)).logits)
    assert 0 < difference(got, wanted) < 0.15 * wanted.std()
    cached = exact(tensor(ids[:, :8]), past_key_values=exact.make_cache(3))
    rest = exact(tensor(ids[:, 8:]), past_key_values=cached.past_key_values)
    assert difference(array(rest.logits), got[:, 8:]) < 0.15 * wanted.std()
    for name, slot in named_weights(exact).items():
        value = theirs.state_dict()[name].numpy()
        assert difference(slot.read(), value) <= np.abs(value).max() / 120, name
        if slot.variable.dtype == "int8":
            with pytest.raises(ValueError, match="quantize afterwards"):
                slot.assign(value)
    with pytest.raises(ValueError, match="quantized"):
        exact.resize_token_embeddings(70)
    exact.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert difference(array(again(tensor(ids)).logits), got) < 1e-5


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


def test_saved_training_goes_on(tmp_path):
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL))
    x = {"input_ids": ids_of(8), "labels": ids_of(8)}
    model.compile(keras.optimizers.Adam(0.01))
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
        spread.compile(keras.optimizers.SGD(0.5))
        spread_losses = spread.fit(x, epochs=3, batch_size=8, verbose=0, shuffle=False).history["loss"]
    finally:
        keras.distribution.set_distribution(None)
    alone.compile(keras.optimizers.SGD(0.5))
    losses = alone.fit(x, epochs=3, batch_size=8, verbose=0, shuffle=False).history["loss"]
    assert np.allclose(losses, spread_losses, atol=1e-4)
    for name, slot in named_weights(alone).items():
        assert difference(named_weights(spread)[name].read(), slot.read()) < TOLERANCE, name
    with pytest.raises(ValueError, match="lacks 'tensor'"):
        gpt2model.GPT2LMHeadModel.get_layout_map(mesh, model_parallel_dim_name="tensor")
