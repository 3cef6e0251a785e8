"""What a clean process makes of an exported generator: imports TensorFlow and TensorFlow Text, and nothing of ours.

Run by `test_export.py`: `export_clean_process.py MODEL REQUESTS ANSWERS`, the last two Python literals: a list of
(signature, {input: (dtype, values)}), and for each {output: values}, or the message of an InvalidArgumentError.
"""

import ast
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (its ops are what a server has beside the core's)

model, requests, answers = sys.argv[1:]
loaded = tf.saved_model.load(model)
found = []
for signature, inputs in ast.literal_eval(Path(requests).read_text("utf-8")):
    given = {
        name: tf.constant(np.array(values, object if dtype == "string" else dtype), dtype)
        for name, (dtype, values) in inputs.items()
    }
    try:
        outputs = loaded.signatures[signature](**given)
        found.append({name: value.numpy().tolist() for name, value in outputs.items()})
    except tf.errors.InvalidArgumentError as error:
        found.append(str(error.message))
ours = [name for name in sys.modules if name.startswith(("gpt2", "keras"))]
assert not any(name.startswith("gpt2") for name in ours), ours
Path(answers).write_text(repr(found), "utf-8")
