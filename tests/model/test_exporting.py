"""Does an exported model answer as the model does: alone, and inside a functional model?

The judge is the model itself, called in Python; TensorFlow's own loader reads what was exported.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import BACKEND, TINY, array, difference

from gpt2model import GPT2Config, GPT2ForQuestionAnswering, GPT2LMHeadModel, GPT2Model

IDS = np.array([[3, 1, 2], [5, 6, 7]], "int32")

pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="Keras exports no SavedModel from PyTorch")


def test_a_model_is_exported_without_a_word_about_its_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import tensorflow as tf

    model = GPT2LMHeadModel(GPT2Config(**TINY))
    model.export(tmp_path / "model")
    assert capsys.readouterr().out == ""
    served = tf.saved_model.load(str(tmp_path / "model"))
    wanted = array(model(IDS).logits)
    assert difference(served.serve(tf.constant(IDS))["logits"], wanted) < 1e-5
    answer = served.signatures["serving_default"](input_ids=tf.constant(IDS[:, :2]))
    assert set(answer) == {"logits"}  # and no cache
    assert model(IDS).past_key_values is not None  # the model itself is as it was
    model.config.output_hidden_states = True
    with pytest.raises(ValueError, match=r"set config\.output_hidden_states to False"):
        model.export(tmp_path / "other", verbose=False)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow saves only its own models")
def test_tensorflow_saves_models_alone_and_inside_of_others(tmp_path: Path) -> None:
    import tensorflow as tf

    inner = GPT2ForQuestionAnswering(GPT2Config(**TINY))
    ids = keras.Input((None,), dtype="int32")
    outer = keras.Model(ids, inner(ids).start_logits + GPT2Model(inner.config)(ids).last_hidden_state[..., 0])
    outer.export(tmp_path / "outer", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "outer"))
    assert difference(served.serve(tf.constant(IDS)), array(outer(IDS))) < 1e-5
    tf.saved_model.save(inner, str(tmp_path / "inner"))
    answer = tf.saved_model.load(str(tmp_path / "inner")).signatures["serving_default"](
        input_ids=tf.constant(IDS)
    )
    assert set(answer) == {"start_logits", "end_logits"}
    assert difference(answer["end_logits"], array(inner(IDS).end_logits)) < 1e-5
