"""The whole graph, from strings to strings: five signatures over one set of weights.

Owns the signatures, their inputs and outputs, and the refusal of requests out of bounds. Refuses the writing of
files (`writing.py`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from gpt2tok.tf.branches import traced
from gpt2tok.tf.dense import ragged
from gpt2tok.tf.export import MOST_PLACES, tokenizer_signatures

from ..generation.decoder import Shape
from ..generation.loop import FINE
from ..generation.weights import prepared
from .choosing import Manner
from .options import LEAST_TEMPERATURE, MOST_SEED, MOST_TEMPERATURE, ExportOptions
from .programs import Programs, programs
from .prompts import prompts, refuse_unless, size_of
from .scoring import scored

Tensor = Any

OPTIONS = ("max_new_tokens", "temperature", "top_k", "top_p", "seed")


def generator_module(
    model: Any, layer: Any, ids: int, options: ExportOptions
) -> tuple[tf.Module, dict[str, Any]]:
    """What is saved: a module that holds the weights, and the signatures by name.

    Args:
        model: with a language-model head, on TensorFlow.
        layer: a `TFGPT2Tokenizer`.
        ids: it has; the model's rows beyond them stand for no text, and never come.
        options: what to bake in.
    """
    module = tf.Module()
    variables = tf.nest.map_structure(
        lambda tensor: tf.Variable(tensor, trainable=False),
        prepared(model, options.weights, rows=options.max_batch_size),
    )
    module.weights = tf.nest.flatten(variables)
    shape = Shape.of(model.config)
    made = programs(shape, variables, options.ends, ids, xla=options.xla)
    text = tf.TensorSpec([None], tf.string, "text")
    kinds = dict(zip(OPTIONS, (tf.int32, tf.float32, tf.int32, tf.float32, tf.int32), strict=True))
    positions = int(model.config.n_positions)

    def rows(text: Tensor) -> tuple[Tensor, Tensor]:
        """Ids and row splits, with what the tokenizer puts before a text."""
        before = dataclasses.replace(layer._engine._layout, after=())
        ids, splits = layer._engine.rows(tf.ensure_shape(text, [None]))
        return ragged(ids, splits, before)

    def continued(text: Tensor, most: Tensor, manner: Manner) -> dict[str, Tensor]:
        with _bounded(text, most, manner, options):
            text = tf.identity(text)
        ids, splits = rows(text)
        with tf.device("/CPU:0"):
            given = prompts(
                ids,
                splits,
                most,
                positions,
                options.max_prompt_tokens,
                options.max_batch_size,
                cut=options.long_prompts == "cut",
            )
        new, count = _new_tokens(made, given, manner, options)
        batch = tf.size(text)
        new, count = new[:batch], count[:batch]
        mask = tf.range(tf.shape(new)[1])[None] < count[:, None]
        spelt = layer._engine.detokenize(new, mask, options.skip_special_tokens)
        return {"continuation_bytes": spelt, "token_ids": tf.where(mask, new, -1), "token_count": count}

    def generate(  # noqa: PLR0917 (a signature's inputs)
        text: Tensor, max_new_tokens: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, seed: Tensor
    ) -> dict[str, Tensor]:
        return continued(text, max_new_tokens, Manner(temperature, top_k, top_p, seed))

    def serving_default(text: Tensor) -> dict[str, Tensor]:
        def every(value: float, kind: tf.DType) -> Tensor:
            return tf.fill(tf.shape(text), tf.constant(value, kind))

        own = {name: every(getattr(options, name), kind) for name, kind in kinds.items()}
        return {"continuation_bytes": generate(text, **own)["continuation_bytes"]}

    def score(text: Tensor) -> dict[str, Tensor]:
        with _few_texts(text, options):
            text = tf.identity(text)
        with tf.device("/CPU:0"):
            return scored(made.judge, *rows(text), positions, options.max_score_tokens)

    _, signatures = tokenizer_signatures(layer, None, False, MOST_PLACES)
    numbers = [tf.TensorSpec([None], kind, name) for name, kind in kinds.items()]
    signatures |= {
        "serving_default": traced(serving_default, text).get_concrete_function(),
        "generate": traced(generate, text, *numbers).get_concrete_function(),
        "score": traced(score, text).get_concrete_function(),
    }
    for name, function in signatures.items():
        setattr(module, name, function)
    return module, signatures


def _few_texts(text: Tensor, options: ExportOptions) -> Any:
    told = f"a request may have {options.max_batch_size} texts at most: send several; it has"
    return refuse_unless(tf.size(text) <= options.max_batch_size, told, tf.size(text))


def _bounded(text: Tensor, most: Tensor, manner: Manner, options: ExportOptions) -> Any:
    """Inside, every number of a request is within its bounds."""
    temperature, top_p = manner.temperature, manner.top_p
    warm = ((temperature >= LEAST_TEMPERATURE) & (temperature <= MOST_TEMPERATURE)) | (temperature == 0.0)
    named = dict(zip(OPTIONS, (most, *manner), strict=True))
    same = tf.reduce_all([tf.equal(tf.size(values), tf.size(text)) for values in named.values()])
    checks = [
        (
            "max_new_tokens",
            (most >= 1) & (most <= options.max_new_tokens),
            f"from 1 to {options.max_new_tokens}",
        ),
        ("temperature", warm, f"0 (the likeliest token) or from {LEAST_TEMPERATURE} to {MOST_TEMPERATURE}"),
        ("top_k", manner.top_k >= 0, "0 (all tokens) or more"),
        ("top_p", (top_p > 0.0) & (top_p <= 1.0), "more than 0 and at most 1"),
        ("seed", manner.seed >= 0, f"from 0 to {MOST_SEED}"),
    ]
    sizes = [part for name, values in named.items() for part in (f"{name}:", tf.size(values))]
    told = "every option must have one number for each text; texts:"
    with _few_texts(text, options), refuse_unless(same, told, tf.size(text), *sizes):
        asserts = [
            tf.debugging.Assert(
                tf.reduce_all(good), [f"{name} must be {range_}; it is", named[name]], summarize=8
            )
            for name, good, range_ in checks
        ]
    return tf.control_dependencies(asserts)


def _new_tokens(made: Programs, given: Any, manner: Manner, options: ExportOptions) -> tuple[Tensor, Tensor]:
    """Ids (rows, most) and how many of each row count."""
    rows, width = tf.unstack(tf.shape(given.ids))
    manner = Manner(
        *(
            tf.pad(part, [[0, rows - tf.size(part)]], constant_values=value)
            for part, value in zip(manner, (0, 0, 1, 0), strict=True)
        )
    )
    logits, keys, values = made.prefill(given.ids, given.padding)
    most = tf.reduce_max(given.most)
    total = size_of(width + most, 64, options.max_prompt_tokens + options.max_new_tokens)
    room = [[0, 0], [0, total - width], [0, 0]]
    keys, values = (tuple(tf.pad(part, room) for part in parts) for parts in (keys, values))
    blank = tf.fill(tf.stack([rows, options.max_new_tokens]), -1)
    new, count, fault = made.steps(logits, keys, values, given.padding, width, given.most, manner, blank)
    told = "the logits hold no number that a token could be chosen by: look for NaN in the weights; fault:"
    with refuse_unless(tf.equal(fault, FINE), told, fault):
        return tf.identity(new), tf.identity(count)
