"""What a clean process makes of an exported tokenizer: imports TensorFlow and TensorFlow Text, and nothing of ours.

Run by `test_tf_export.py` and `whole_proof.py`: `tf_clean_process.py MODEL TEXTS RESULT`, the last two NumPy files. The
result has the ids in the order of the texts, how many each text has, and the bytes that came back.
"""

import sys
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (its ops are what a server has beside the core's)

MOST_PLACES = 2_000_000  # of a batch's matrix


def batches(texts: np.ndarray) -> Iterator[np.ndarray]:
    """Which texts go together: rows are as long as the longest, so texts of like length."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    first = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - first) * (len(texts[order[end]]) + 1) * 3 > MOST_PLACES:
            yield order[first:end]
            first = end


model_directory, texts_file, result_file = sys.argv[1:]
texts = np.load(texts_file, allow_pickle=True)
model = tf.saved_model.load(model_directory)
ids: list[np.ndarray] = [np.empty(0, np.int32)] * len(texts)
spelt: list[bytes] = [b""] * len(texts)
for batch in batches(texts):
    rows = model.signatures["tokenize"](text=tf.constant(texts[batch], tf.string))
    back = model.signatures["detokenize"](**rows)["text_bytes"].numpy()
    mask = rows["attention_mask"].numpy().astype(bool)
    found = np.split(rows["input_ids"].numpy()[mask], np.cumsum(mask.sum(axis=1))[:-1])
    for i, row, text in zip(batch, found, back, strict=True):
        ids[i], spelt[i] = row, text
ours = [name for name in sys.modules if name.startswith("gpt2")]
assert not ours, ours
counts = np.array([len(row) for row in ids])
np.savez(result_file, ids=np.concatenate(ids), counts=counts, spelt=np.array(spelt, object))
