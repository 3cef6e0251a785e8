"""After a `fit`, `evaluate` or `predict` that failed, is the model what it was, and does a good call work?"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import STILL, TINY, array, ids_of, prepared

import gpt2model
from gpt2model import GPT2Config

IDS = ids_of(8)
GOOD = {"input_ids": IDS, "labels": IDS}
LONG = ids_of(8, 17)


class Failing(keras.callbacks.Callback):
    """Stops a training from outside, at a moment of one's choice."""

    def __init__(self, moment):
        super().__init__()
        setattr(self, moment, self.fail)

    def fail(self, *_, **__):
        raise InterruptedError("a callback failed")


class Breaking(keras.metrics.Mean):
    """A metric that fails when it is first used, after the step has moved the weights."""

    fails = True

    def update_state(self, y, y_pred, sample_weight=None):
        if type(self).fails:
            raise ArithmeticError("a metric failed")
        return super().update_state(keras.ops.mean(y_pred))


def breaking():
    """Data that fails at once."""
    raise LookupError("the data failed")
    yield


# What is called, with which arguments, and how it fails.
CASES = {
    "no labels": ("fit", {"x": {"input_ids": IDS}}, ValueError, "pass labels"),
    "labels of another shape": ("fit", {"x": {**GOOD, "labels": IDS[:, :5]}}, ValueError, "labels has shape"),
    "too many positions": ("fit", {"x": {"input_ids": LONG, "labels": LONG}}, ValueError, "n_positions=16"),
    "data that fails": ("fit", {"x": breaking}, LookupError, "the data failed"),
    "a callback before a step": (
        "fit",
        {"x": GOOD, "callbacks": [Failing("on_train_batch_begin")]},
        InterruptedError,
        "a callback failed",
    ),
    "validation": ("fit", {"x": GOOD, "validation_data": (IDS, IDS[:, :5])}, ValueError, "labels has shape"),
    "one batch": ("train_on_batch", {"x": {"input_ids": IDS}}, ValueError, "pass labels"),
    "evaluate": ("evaluate", {"x": {"input_ids": IDS}}, ValueError, "pass labels"),
    "predict": ("predict", {"x": LONG}, ValueError, "n_positions=16"),
    "predict one batch": ("predict_on_batch", {"x": LONG}, ValueError, "n_positions=16"),
}
QUIET = ("fit", "evaluate", "predict")


def fresh(**options):
    return prepared(
        gpt2model.GPT2LMHeadModel(GPT2Config(**TINY, **STILL)), keras.optimizers.Adam(0.01), **options
    )


def call(model, method, arguments):
    arguments = {name: value() if callable(value) else value for name, value in arguments.items()}
    return getattr(model, method)(**arguments, **({"verbose": 0} if method in QUIET else {}))


def works(model, method="fit"):
    """The same on good input."""
    if method.startswith("predict"):
        return call(model, method, {"x": IDS})["logits"].shape == (8, 12, 64)
    if method != "fit":
        return np.isfinite(call(model, method, {"x": GOOD}))
    losses = call(model, "fit", {"x": GOOD, "epochs": 3}).history["loss"]
    return losses[-1] < losses[0]


@pytest.mark.parametrize("case", CASES)
def test_after_a_failure(case):
    method, arguments, error, message = CASES[case]
    model = fresh()
    before = [array(variable) for variable in model.variables]
    for _ in range(2):  # failing again is no other matter
        with pytest.raises(error, match=message):
            call(model, method, arguments)
        if case != "validation":  # by then a step has been taken
            for variable, value in zip(model.variables, before, strict=True):
                assert np.array_equal(array(variable), value), variable.path
    assert works(model, method)


def test_after_a_failure_in_the_midst():
    """The steps taken before it count."""
    model = fresh()
    before = array(model.transformer.wte.embeddings)

    def batches():
        yield from [(GOOD,)] * 3
        yield from breaking()

    with pytest.raises(Exception, match="the data failed"):  # TensorFlow has an error of its own for it
        model.fit(batches(), verbose=0)
    assert int(model.optimizer.iterations) >= 3  # Keras may take the first batch twice on TensorFlow
    assert not np.array_equal(array(model.transformer.wte.embeddings), before)
    assert works(model)


def test_after_a_metric_that_failed():
    model = fresh(metrics=[Breaking()], loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    Breaking.fails = True
    with pytest.raises(ArithmeticError, match="a metric failed"):
        model.fit(IDS, IDS, verbose=0)
    Breaking.fails = False
    losses = model.fit(IDS, IDS, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_weights_set_between_a_step_and_a_failure():
    """What a failure restores is what the model held, not what Keras last saw."""
    model = fresh()
    model.train_on_batch(GOOD)
    model.transformer.wte.embeddings.assign(np.full((64, 16), 0.5, "float32"))
    with pytest.raises(ValueError, match="pass labels"):
        model.fit({"input_ids": IDS}, verbose=0)
    assert np.all(array(model.transformer.wte.embeddings) == 0.5)
    assert works(model)
