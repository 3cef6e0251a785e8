"""What is written now where old code names something that is not here? One line for each name.

Owns the names of transformers' GPT-2 (PyTorch, TensorFlow and Flax, version 4 and 5) that have another form in this
package, for messages. Refuses to take them: what an argument would have done is done another way.
"""

from __future__ import annotations

from collections.abc import Mapping

_CALL: Mapping[str, str] = {
    "params": "a call takes no weights: use model.stateless_call(trainable, non_trainable, inputs), which jax.jit and"
    " jax.grad take",
    "dropout_rng": "dropout's seed is the model's own state: keras.utils.set_random_seed sets it",
    "train": "it is training=True here",
    "past": "it is past_key_values",
    "layer_past": "it is past_key_values",
    "lm_labels": "it is labels",
    "cache_position": "leave it out: positions are counted from the cache, or given as position_ids",
}
_CONSTRUCTOR: Mapping[str, str] = {
    "seed": "keras.utils.set_random_seed sets it",
    "input_shape": "leave it out: weights are there from the start",
    "_do_init": "leave it out: weights are there from the start",
}
_CONFIG: Mapping[str, str] = {
    "n_ctx": "it is n_positions",
    "attn_implementation": "leave it out: fused kernels are taken wherever there is one",
    "device_map": "leave it out: Keras places a model, and keras.distribution spreads it (get_layout_map)",
    "load_in_8bit": "call model.quantize('int8') afterwards",
    "load_in_4bit": "call model.quantize('int4') afterwards",
    "quantization_config": "call model.quantize('int8') afterwards",
    "use_auth_token": "it is token",
    "state_dict": "give the path of a safetensors file",
    **dict.fromkeys(
        ("do_sample", "max_length", "max_new_tokens", "num_beams", "repetition_penalty", "temperature", "top_k",
         "top_p"),
        "it belongs to a GenerationConfig",
    ),
}  # fmt: skip


def call_hint(name: str) -> str | None:
    """For an argument of a call.

    Example:
        >>> call_hint("train")
        'it is training=True here'
    """
    return _CALL.get(name)


def constructor_hint(name: str) -> str | None:
    """For an argument of a model's constructor."""
    return _CONSTRUCTOR.get(name)


def config_hint(name: str) -> str | None:
    """For a field of a configuration, or an argument of `from_pretrained`."""
    return _CONFIG.get(name)
