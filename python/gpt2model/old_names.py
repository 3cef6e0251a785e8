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
    **dict.fromkeys(
        ("prng_key", "seed"), "chance is generate's, by seed=0; dropout's is keras.utils.set_random_seed's"
    ),
    "past": "it is past_key_values",
    "cache": "it is past_key_values",
    "layer_past": "it is past_key_values",
    "lm_labels": "it is labels",
    "cache_position": "leave it out: positions are counted from the cache, or given as position_ids",
}
_GENERATE: Mapping[str, str] = {
    "params": "leave it out: the model keeps its weights, and model.load_weights and model.set_weights give it others",
    "prng_key": "it is seed=, a whole number such as 0",
    "generator": "it is seed=, a whole number such as 0",
    "seed": "it is generate's own argument, no part of a configuration: model.generate(ids, seed=0)",
    "trace": "leave it out: generate compiles by itself",
    "synced_gpus": "leave it out: keras.distribution spreads a model over devices",
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
    "to_json_string": "write config.to_json()",
    "to_json_file": "write config.to_json(path)",
    "to_diff_dict": "write config.to_dict()",
    "update": "write config.replace(**fields), which gives another one",
    "use_auth_token": "it is token",
    "state_dict": "give the path of a safetensors file",
    **dict.fromkeys(
        ("do_sample", "max_length", "max_new_tokens", "num_beams", "repetition_penalty", "temperature", "top_k",
         "top_p"),
        "it belongs to a GenerationConfig",
    ),
}  # fmt: skip
_DTYPE = "a model computes in the type that it was made with: from_pretrained(directory, dtype="
_PLACE = "leave it out: Keras places a model on the device there is, or as keras.device says where it is made"
_METHOD: Mapping[str, str] = {
    "num_parameters": "write model.count_params()",
    "get_memory_footprint": "model.summary() shows parameters and bytes",
    "push_to_hub": "write model.save_pretrained(directory), then huggingface_hub.upload_folder",
    "half": f"{_DTYPE}'float16')",
    "bfloat16": f"{_DTYPE}'bfloat16')",
    "float": f"{_DTYPE}'float32')",
    "to_fp16": f"{_DTYPE}'float16')",
    "to_bf16": f"{_DTYPE}'bfloat16')",
    "to_fp32": f"{_DTYPE}'float32')",
    **dict.fromkeys(("to", "cuda", "cpu"), _PLACE),
    "device": f"{_PLACE} (on PyTorch model.device says which)",
    **dict.fromkeys(
        ("parallelize", "deparallelize"),
        "keras.distribution spreads it, by model.get_layout_map(device_mesh)",
    ),
    "eval": "leave it out: a call drops nothing out unless it says training=True",
    "train": "leave it out: model.fit trains, and a call drops out when it says training=True",
    "forward": "call the model itself: model(input_ids)",
    "module": "call the model itself: model(input_ids)",
    "base_model": "write model.transformer",
    "parameters": "model.trainable_variables and model.non_trainable_variables are its weights",
    "params": "model.trainable_variables and model.non_trainable_variables are its weights",
    "named_parameters": "model.weights are its weights, each with a path",
    "state_dict": "model.save_pretrained(directory) writes the weights, model.get_weights() gives them",
    "load_state_dict": "from_pretrained(directory) reads safetensors, model.load_weights(path) a .weights.h5",
    "requires_grad_": "set model.trainable",
    "init_weights": "leave it out: weights are there from the start, drawn as keras.utils.set_random_seed says",
    "post_init": "leave it out: weights are there from the start",
    "tie_weights": "leave it out: GPT2Config(tie_word_embeddings=True), the default, ties them",
    "init_cache": "write model.make_cache(batch_size, max_length)",
    "gradient_checkpointing_enable": "make or load the model in `with keras.RematScope(mode='full'):`",
    "gradient_checkpointing_disable": "leave it out: only what is made in a keras.RematScope is computed again",
    "name_or_path": "keep what from_pretrained was given: a model does not remember where it came from",
    "prepare_tf_dataset": "model.fit(dataset) takes batches of {'input_ids': ..., 'labels': ...}",
    "hf_compute_loss": "model(input_ids, labels=labels).loss is the loss",
    "add_adapter": "write model.enable_lora(rank)",
    "greedy_search": "write model.generate(input_ids)",
    "sample": "write model.generate(input_ids, do_sample=True)",
    "beam_search": "write model.generate(input_ids, num_beams=4)",
    "contrastive_search": "write model.generate(input_ids, penalty_alpha=0.6, top_k=4)",
}


def method_hint(name: str) -> str | None:
    """For a method or attribute of a model.

    Example:
        >>> method_hint("num_parameters")
        'write model.count_params()'
    """
    return _METHOD.get(name)


def call_hint(name: str) -> str | None:
    """For an argument of a call.

    Example:
        >>> call_hint("train")
        'it is training=True here'
    """
    return _CALL.get(name)


def generate_hint(name: str) -> str | None:
    """For an argument of `generate`.

    Example:
        >>> generate_hint("prng_key")
        'it is seed=, a whole number such as 0'
    """
    return _GENERATE.get(name)


def constructor_hint(name: str) -> str | None:
    """For an argument of a model's constructor."""
    return _CONSTRUCTOR.get(name)


def config_hint(name: str) -> str | None:
    """For a field of a configuration, or an argument of `from_pretrained`."""
    return _CONFIG.get(name)
