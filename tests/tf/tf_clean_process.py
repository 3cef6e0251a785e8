"""What a clean process makes of an exported tokenizer: imports TensorFlow and TensorFlow Text, and nothing of ours.

Run by `test_tf_export.py`: `tf_clean_process.py MODEL TEXTS RESULT`, the last two NumPy files.
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (its ops are what a server has beside the core's)

model_directory, texts_file, result_file = sys.argv[1:]
texts = np.load(texts_file, allow_pickle=True)
model = tf.saved_model.load(model_directory)
ids, masks, spelt = [], [], []
for batch in np.array_split(texts, 40):
    rows = model.signatures["tokenize"](text=tf.constant(list(batch), tf.string))
    back = model.signatures["detokenize"](**rows)
    mask = rows["attention_mask"].numpy().astype(bool)
    ids.append(rows["input_ids"].numpy()[mask])
    masks.append(mask.sum(axis=1))
    spelt.extend(back["text_bytes"].numpy())
ours = [name for name in sys.modules if name.startswith("gpt2")]
assert not ours, ours
result = {"ids": np.concatenate(ids), "counts": np.concatenate(masks), "spelt": np.array(spelt, object)}
np.savez(result_file, **result)
