"""How does a generator come to its directory? With its warm-up requests and a description of itself.

Owns what is beside the graph. Refuses the graph (`signatures.py`); the directory itself is `gpt2tok.tf.directories`'.
Runs on TensorFlow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gpt2tok import TokenizerError, __version__
from gpt2tok.serving.conventions import reason_of
from gpt2tok.tf.directories import new_saved_model, write_warm_up
from gpt2tok.tf.export import tensor_bytes
from gpt2tok.tf.serving_warmup import prediction_log

from ..vocabulary import FIELD, Vocabulary
from .description import DESCRIPTION_FILE
from .options import ExportOptions
from .signatures import OPTIONS, generator_module
from .texts import bytes_of


def write_generator(
    model: Any,
    layer: Any,
    vocabulary: Vocabulary,
    directory: str | os.PathLike[str],
    options: ExportOptions,
    *,
    warm_up_texts: Sequence[str | bytes] | None,
    overwrite: bool,
) -> None:
    """Build, save and warm up; see `export_text_generator`."""
    with new_saved_model(directory, overwrite=overwrite) as written:
        module, signatures = generator_module(model, layer, vocabulary.size, options)
        tf.saved_model.save(module, str(written), signatures=signatures)
        texts = [b"The"] if warm_up_texts is None else [bytes_of(text) for text in warm_up_texts]
        write_warm_up(written, _requests(texts, options, signatures) if texts else [])
        file = written / DESCRIPTION_FILE
        file.parent.mkdir(exist_ok=True)
        told = {
            "made_by": f"gpt2tok {__version__}, TensorFlow {tf.__version__}",
            "vocabulary": {"size": vocabulary.size, "sha256": vocabulary.sha256},
            "model": {**model.config.to_dict(), FIELD: vocabulary.sha256},
            "options": options.to_dict(),
        }
        file.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", "utf-8")


def _requests(texts: list[bytes], options: ExportOptions, signatures: dict[str, Any]) -> list[bytes]:
    """Requests that a server replays: each signature, greedy and sampled, for one text and for all of them."""
    batch = tf.constant(np.array(texts[: options.max_batch_size], object), tf.string)
    one, few = tf.ones_like(batch, tf.int32), tf.ones_like(batch, tf.float32)
    sampled = dict(
        zip(OPTIONS, (one * options.max_new_tokens, few * 0.5, one * 2, few * 0.5, one), strict=True)
    )
    try:
        rows = signatures["tokenize"](text=batch)
        signatures["serving_default"](text=batch)
        signatures["score"](text=tf.strings.join([batch, batch]))
    except tf.errors.InvalidArgumentError as error:
        reason = reason_of(str(error.message))
        raise TokenizerError(
            f"the exported model refuses warm_up_texts ({reason}): give others, or none"
        ) from None
    requests = [
        ("serving_default", {"text": batch}),
        ("generate", {"text": batch, **sampled}),
        ("score", {"text": tf.strings.join([batch, batch])}),
        ("tokenize", {"text": batch}),
        ("detokenize", dict(rows)),
    ]
    return [
        prediction_log("gpt2tok", name, {key: tensor_bytes(value) for key, value in inputs.items()})
        for name, inputs in requests
    ]
