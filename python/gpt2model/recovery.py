"""What is left of a model whose training step failed? The model as it was before that step.

Owns the guard around the functions that Keras makes for `fit`, `evaluate` and `predict`, which also has each batch
looked at before its step (`feeding.py`). Keras mostly finds bad
labels in a trial run, when it builds what a model lacks; these models lack nothing, so the first failure is that
of the step itself, in the midst of Keras' work. Refuses to catch anything: every error goes on to the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import keras

from .backend import BACKEND
from .feeding import check_step, checked

Step = Callable[..., Any]


def prepare_optimizer(model: keras.Model) -> None:
    """Make the optimizer's variables now, as Keras itself does on JAX and PyTorch.

    On TensorFlow it leaves them to the first step, where they would be lost with a step that fails; and a
    function that makes variables is traced twice.

    Keras' reader of old `.h5` files builds the optimizer of a model like these for no variable at all, and warns that
    its state is lost: such a one begins anew.
    """
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
        if not optimizer._trainable_variables and model.trainable_variables:
            model.optimizer = type(optimizer).from_config(optimizer.get_config())
            model.optimizer.build(model.trainable_variables)
    elif BACKEND == "tensorflow" and isinstance(optimizer, keras.optimizers.Optimizer):
        optimizer.build(model.trainable_variables)


def guarded(model: keras.Model, name: str) -> Step:
    """One of Keras' functions of a step, made to leave the model usable when it fails.

    Arguments:
        model: whose function it is.
        name: the attribute that holds it: "train_function", "test_function" or "predict_function".

    Returns:
        A function of the same arguments and results.
    """
    step: Step = getattr(model, name)
    if BACKEND == "jax":
        more = {
            "train_function": ("optimizer", "metrics"),
            "test_function": ("metrics",),
            "predict_function": (),
        }[name]

        def restoring(state: Any, *data: Any) -> Any:
            try:
                return step(state, *(checked(model, batches) for batches in data))
            except BaseException:
                # Keras has taken the values out of the variables, and this state is all there is of them.
                held = {
                    "trainable": model.trainable_variables,
                    "non-trainable": model.non_trainable_variables,
                    "optimizer": model.optimizer.variables if "optimizer" in more else (),
                    "metrics": model.metrics_variables,
                }
                for group, values in zip(("trainable", "non-trainable", *more), state, strict=True):
                    _put_back(held[group], values)
                # Else Keras would put back what it saw at the end of an earlier call.
                model._jax_state_synced = True
                raise

        return restoring
    if BACKEND == "tensorflow":
        end_of_data = (StopIteration, sys.modules["tensorflow"].errors.OutOfRangeError)
        worked = False

        def renewing(*data: Any) -> Any:
            nonlocal worked
            data = _looked_at(model, name, *data)
            try:
                result = step(*data)
            except BaseException as error:
                if not worked and not isinstance(error, end_of_data):
                    # A tf.function whose first trace failed takes no variables any more: Keras makes another.
                    setattr(model, name, None)
                raise
            worked = True
            return result

        return renewing

    def looking(*data: Any) -> Any:
        for batches in data:
            check_step(model, batches[0])
        return step(*data)  # PyTorch's steps run as they are written, and keep nothing.

    return looking


def _looked_at(model: Any, name: str, batches: Any) -> tuple[Any]:
    """What a step of TensorFlow is given, its batches looked at as far as they have values outside of graphs.

    A tf.data iterator is otherwise drawn from within a graph. Its next batch is drawn here instead, unless one call
    runs several steps, or on several devices; those have the graph's own assertions, where XLA leaves them.
    """
    tf = sys.modules["tensorflow"]
    if name == "predict_function":
        for batch in batches:  # a list
            check_step(model, batch)
    elif not isinstance(batches, tf.data.Iterator | tf.distribute.DistributedIterator):
        return (checked(model, batches),)
    elif isinstance(batches, tf.data.Iterator) and model.steps_per_execution == 1:
        batch = next(batches)
        check_step(model, batch)
        return (iter((batch,)),)
    return (batches,)


def _put_back(variables: Iterable[keras.Variable], values: Iterable[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        if not value.is_deleted():  # a step that failed while it ran may have used its state up
            variable.assign(value)
