"""Makes the checkpoints here with the TensorFlow and Flax classes of transformers 4, the last that had them.

Run where these are installed; a directory of its own is enough, as nothing else of the project needs them:

    pip install --target t4 --no-deps transformers==4.57.6 tf_keras "huggingface_hub<1" "tokenizers<0.23" flax
    PYTHONPATH=t4 python make.py tf
    PYTHONPATH=t4 python make.py flax

Each directory gets a configuration, the weights, and in `io.safetensors` an input and the outputs for it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SIZES = {
    "vocab_size": 31,
    "n_positions": 16,
    "n_embd": 12,
    "n_head": 2,
    "n_layer": 2,
    "initializer_range": 0.2,
    "bos_token_id": 30,
    "eos_token_id": 30,
}
IDS = np.arange(24).reshape(2, 12) * 7 % 30 + 1


def make_tf() -> None:
    """Double heads and sequence classification: the two TensorFlow heads beside the language model."""
    os.environ.update(TF_USE_LEGACY_KERAS="1", USE_TORCH="0", TF_CPP_MIN_LOG_LEVEL="3")
    import tensorflow as tf
    from safetensors.numpy import save_file
    from transformers import GPT2Config, TFGPT2DoubleHeadsModel, TFGPT2ForSequenceClassification

    tf.keras.utils.set_random_seed(1)
    choices = IDS.reshape(2, 2, 6)
    double = TFGPT2DoubleHeadsModel(GPT2Config(**SIZES))
    answer = double(tf.constant(choices))
    double.multiple_choice_head.summary.bias.assign([0.5])
    answer = double(tf.constant(choices))
    double.save_pretrained(HERE / "tf_double_heads")
    save_file(
        {
            "in.input_ids": choices,
            "out.logits": answer.logits.numpy(),
            "out.mc_logits": answer.mc_logits.numpy(),
        },
        HERE / "tf_double_heads" / "io.safetensors",
    )
    scoring = TFGPT2ForSequenceClassification(GPT2Config(**SIZES, num_labels=3, pad_token_id=0))
    answer = scoring(tf.constant(IDS))
    scoring.save_pretrained(HERE / "tf_sequence_classification")
    save_file(
        {"in.input_ids": IDS, "out.logits": answer.logits.numpy()},
        HERE / "tf_sequence_classification" / "io.safetensors",
    )


def make_flax() -> None:
    """A bare model, and a language model with cross-attention and a head of its own."""
    os.environ.update(USE_TORCH="0", USE_TF="0")
    from safetensors.numpy import save_file
    from transformers import FlaxGPT2LMHeadModel, FlaxGPT2Model, GPT2Config

    bare = FlaxGPT2Model(GPT2Config(**SIZES), seed=2)
    bare.save_pretrained(HERE / "flax_base")
    save_file(
        {"in.input_ids": IDS, "out.last_hidden_state": np.asarray(bare(IDS).last_hidden_state)},
        HERE / "flax_base" / "io.safetensors",
    )
    crossing = FlaxGPT2LMHeadModel(
        GPT2Config(**SIZES, add_cross_attention=True, tie_word_embeddings=False), seed=3
    )
    crossing.save_pretrained(HERE / "flax_cross_attention")
    states = np.sin(np.arange(2 * 5 * 12, dtype="float32")).reshape(2, 5, 12)
    answer = crossing(IDS, encoder_hidden_states=states, encoder_attention_mask=np.ones((2, 5), "int32"))
    save_file(
        {
            "in.input_ids": IDS,
            "in.encoder_hidden_states": states,
            "out.logits": np.ascontiguousarray(answer.logits),
        },
        HERE / "flax_cross_attention" / "io.safetensors",
    )


if __name__ == "__main__":
    {"tf": make_tf, "flax": make_flax}[sys.argv[1]]()
