"""What does an exported model take? Ids of any number and length, unless somebody says more.

Owns the inputs that Keras and TensorFlow ask for when they export a model. Keras reads them from the shapes that a
model was built with, and these models are built without any. Refuses to export text generators (`generation/`).
"""

from __future__ import annotations

import sys
from typing import Any

import keras

from .backend import BACKEND
from .config import GPT2Config


def usual_inputs() -> list[keras.InputSpec]:
    """(batch, positions) ids.

    Example:
        >>> [(spec.name, spec.shape, spec.dtype) for spec in usual_inputs()]
        [('input_ids', (None, None), 'int32')]
    """
    return [keras.InputSpec(shape=(None, None), dtype="int32", name="input_ids")]


def check_exportable(config: GPT2Config, format: str) -> None:
    """Refuse tuples of tensors among a SavedModel's answers.

    Raises:
        ValueError: naming the field of the configuration.

    Example:
        >>> check_exportable(GPT2Config(output_attentions=True), "tf_saved_model")
        Traceback (most recent call last):
        ...
        ValueError: A SavedModel answers with tensors, not with tuples of them: set config.output_attentions to False.
    """
    for name in ("output_attentions", "output_hidden_states"):
        if format == "tf_saved_model" and getattr(config, name):
            raise ValueError(
                f"A SavedModel answers with tensors, not with tuples of them: set config.{name} to False."
            )


def save_signature(model: Any) -> Any:
    """The function of ids that TensorFlow puts into a SavedModel for a model; None on other backends.

    It answers with the tensors of the model's output by name: a signature has no place for a cache, nor for a tuple.
    """
    if BACKEND != "tensorflow":
        return None
    tf = sys.modules["tensorflow"]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, name="input_ids")])
    @tf.autograph.experimental.do_not_convert
    def serving_default(input_ids: Any) -> dict[str, Any]:
        predicting, model._predicting = model._predicting, True  # no cache
        try:
            output = model(input_ids, return_dict=True)
        finally:
            model._predicting = predicting
        return {name: value for name, value in output.items() if tf.is_tensor(value)}

    return serving_default
