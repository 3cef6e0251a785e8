"""What runs under XLA? Prefill, then the loop of steps, and the judging of a text: one trace of each for all sizes.

Owns the functions from ids to ids, made of `generation/decoder.py`. Their rows and lengths are not known while
tracing; XLA makes a program for every size that comes, so `prompts.py` lets only few sizes come. Refuses text, and
bounds: who calls has checked them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import tensorflow as tf

from ..generation.decoder import Cache, Shape, forward
from ..generation.loop import FINE
from ..generation.places import core_operations
from .choosing import Manner, chosen

Tensor = Any


@final
@dataclass(frozen=True)
class Programs:
    """The functions of one model.

    Attributes:
        prefill: ids (rows, width), padding (rows,) to logits (rows, vocabulary), keys and values of each layer
            (rows * heads, width, head_dim).
        steps: all that to new ids (rows, most) and how many of each row count (an end does not), and a fault.
        judge: ids (1, n) to log-probabilities (n - 1,).
    """

    prefill: Callable[..., Any]
    steps: Callable[..., Any]
    judge: Callable[..., Any]


def programs(shape: Shape, variables: Any, ends: tuple[int, ...], known: int, *, xla: bool) -> Programs:
    """The functions for a model.

    Args:
        shape: of the model.
        variables: its prepared weights as `tf.Variable`s.
        ends: tokens that end a row.
        known: ids that stand for text; those from there on never come.
        xla: compile them, or run them operation by operation.
    """

    def compiled(function: Callable[..., Any], *signature: Any) -> Any:
        def traced(*arguments: Any) -> Any:
            if xla:
                return function(*arguments)
            with core_operations():
                return function(*arguments)

        options = {"jit_compile": True} if xla else {"experimental_attributes": {"_noinline": True}}
        return tf.function(traced, input_signature=signature, autograph=False, **options)

    def weights() -> Any:
        return tf.nest.map_structure(lambda variable: variable.read_value(), variables)

    def prefill(ids: Tensor, padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, width = tf.unstack(tf.shape(ids))
        column = tf.range(width)[None]
        positions = tf.maximum(column - padding[:, None], 0)
        real = column >= padding[:, None]
        logits, cache = forward(shape, weights(), ids, positions, shape.cache(rows, width), real)
        return logits[:, 0], cache.keys, cache.values

    def steps(  # noqa: PLR0917
        logits: Tensor,
        keys: Tensor,
        values: Tensor,
        padding: Tensor,
        width: Tensor,
        most: Tensor,
        manner: Manner,
        blank: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        read = weights()
        columns = tf.range(tf.shape(keys[0])[1])[None]
        real = columns >= padding[:, None]  # (rows, total); order hides what is to come

        def readable(logits: Tensor) -> Tensor:
            if known >= shape.vocabulary:
                return logits
            return tf.where(tf.range(shape.vocabulary) < known, logits, float("-inf"))

        def choose(logits: Tensor, new: Tensor, ids: Tensor, count: Tensor, going: Tensor) -> Any:
            token, fault = chosen(readable(logits), manner, new, going)
            ended = tf.reduce_any(token[:, None] == tf.constant(ends or (-1,), tf.int32), axis=1)
            here = tf.range(tf.shape(ids)[1])[None] == new
            ids = tf.where(here & going[:, None], token[:, None], ids)
            count += tf.cast(going & ~ended, tf.int32)
            return token, new + 1, ids, count, going & ~ended & (new + 1 < most), fault

        def alive(*state: Any) -> Any:
            *_, going, fault = state
            return tf.reduce_any(going) & (fault == FINE)

        def step(*state: Any) -> Any:
            keys, values, token, new, ids, count, going, _ = state
            last = width + new - 1  # the column of the token
            # A row that has ended goes on beside the others, maybe past the last position.
            positions = tf.minimum(last - padding, read["wpe"].shape[0] - 1)
            logits, cache = forward(
                shape, read, token[:, None], positions[:, None], Cache(keys, values, last), real
            )
            return (cache.keys, cache.values, *choose(logits[:, 0], new, ids, count, going))

        going = most > 0
        first = choose(logits, tf.constant(0), blank, tf.zeros_like(most), going)
        found = tf.while_loop(alive, step, (keys, values, *first))
        return found[4], found[5], found[7]

    def judge(ids: Tensor) -> Tensor:
        count = tf.shape(ids)[1]
        seen = tf.ones([1, count], tf.bool)
        logits, _ = forward(
            shape, weights(), ids, tf.range(count)[None], shape.cache(1, count), seen, keep=None
        )
        log = tf.nn.log_softmax(logits[0, :-1], axis=-1)  # (n - 1, vocabulary)
        return tf.gather(log, ids[0, 1:], axis=1, batch_dims=1)

    whole, number = tf.int32, tf.float32
    rows = tf.TensorSpec([None], whole)
    cache = (tf.TensorSpec([None, None, shape.head_dim], number),) * shape.layers
    sampled = Manner(tf.TensorSpec([None], number), rows, tf.TensorSpec([None], number), rows)
    matrix, scalar = tf.TensorSpec([None, None], whole), tf.TensorSpec([], whole)
    logits = tf.TensorSpec([None, shape.vocabulary], number)
    return Programs(
        compiled(prefill, matrix, rows),
        compiled(steps, logits, cache, cache, rows, scalar, rows, sampled, matrix),
        compiled(judge, tf.TensorSpec([1, None], whole)),
    )
