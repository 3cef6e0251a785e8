"""What is generation, without anything that makes it fast? The whole text through the model for every token.

Owns the reference that all other ways are held against: no cache, no prepared weights, no program, the model's
own call. It is also the way that `use_cache=False` asks for. Refuses speed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from keras import ops

from ..backend import Tensor
from ..bounds import trusted
from .contrastive import ContrastivePlan, best_of, candidates
from .history import NOTHING
from .loop import Given, State, alive, appended, chosen, empty
from .request import Request
from .sizes import padded
from .sliding import windows

Array = np.ndarray[Any, Any]


def plain_call(request: Request, ids: Array, width: int, times: int = 1) -> tuple[Tensor, Tensor]:
    """The model's answer to rows of ids.

    Arguments:
        ids: (rows, n) int32 with `NOTHING` for padding on the left.
        width: columns that the model is called with, so that a call is like the next in shape.
        times: rows for each row of the request.

    Returns:
        Logits of the last position (rows, vocabulary) float32, and the last hidden states (rows, width, n_embd).
    """
    longest = int((ids != NOTHING).sum(axis=1).max())
    width = max(longest, min(width, request.model.config.n_positions))
    ids = padded(ids[:, max(0, ids.shape[1] - width) :], width)
    real = (ids != NOTHING).astype("int32")
    encoder: dict[str, Any] = {}
    if request.encoder is not None:
        states, seen = (np.repeat(part, times, axis=0) for part in request.encoder)
        encoder["encoder_hidden_states"] = ops.convert_to_tensor(states)
        encoder["encoder_attention_mask"] = ops.convert_to_tensor(seen.astype("int32"))
    with trusted():
        output = request.model(
            ops.convert_to_tensor(np.where(real, ids, 0)),
            attention_mask=ops.convert_to_tensor(real),
            position_ids=ops.convert_to_tensor(np.maximum(real.cumsum(axis=1) - 1, 0)),
            use_cache=False,
            output_hidden_states=True,
            return_dict=True,
            training=False,
            **encoder,
        )
    return ops.cast(output["logits"][:, -1], "float32"), output["hidden_states"][-1]


def plain_step(request: Request, given: Given, state: State | None) -> State:
    """The state with one token more, the slow way; `state` None: there is none yet."""
    plan, width = request.plan(), given.ids.shape[1]
    state = empty(plan, given) if state is None else state
    ids = _said(state, width)
    if request.stride:
        ids = windows(ids, request.model.config.n_positions, request.stride)
    return chosen(plan, given, state, plain_call(request, ids, width + plan.room)[0])


def plain_contrast(request: Request, plan: ContrastivePlan, given: Given, state: State | None) -> State:
    """The same for contrastive search: every candidate with the whole text before it."""
    width = given.ids.shape[1]
    room = width + plan.plan.room
    if state is None:
        state = empty(plan.plan, given)
        state = state._replace(ahead=plain_call(request, _said(state, width), room)[0])
    found = candidates(plan, given, state)
    tokens = np.asarray(ops.convert_to_numpy(found.tokens))  # (rows, k)
    rows, count = tokens.shape
    ids = np.repeat(_said(state, width), count, axis=0)
    ids = np.concatenate([ids, tokens.reshape(-1, 1)], axis=1)
    logits, hidden = plain_call(request, ids, room, count)
    vectors = np.asarray(ops.convert_to_numpy(hidden), "float64")[:, -ids.shape[1] :]
    real = ids[:, -vectors.shape[1] :] != NOTHING
    likeness = np.empty((rows * count,))
    for row, (places, counts) in enumerate(zip(vectors, real, strict=True)):
        lengths = np.linalg.norm(places, axis=1)
        cosines = places @ places[-1] / np.maximum(lengths * lengths[-1], 1e-30)
        likeness[row] = cosines[:-1][counts[:-1]].max()
    alike = ops.convert_to_tensor(likeness.reshape(rows, count).astype("float32"))
    best = np.asarray(ops.convert_to_numpy(best_of(found.chances, alike, given.numbers[-1])))
    token = ops.convert_to_tensor(tokens[np.arange(rows), best])
    state = appended(plan.plan, given, state, state.ahead, found.scores, token)
    return state._replace(ahead=ops.take(logits, np.arange(rows) * count + best, axis=0))


def plain_run(request: Request, given: Given, plan: ContrastivePlan | None = None) -> State:
    """`loop.run`, the slow way; with a plan of contrastive search, `contrastive.contrasted`."""
    state = None
    while state is None or bool(alive(given, state)):
        step = plain_step if plan is None else partial(plain_contrast, plan=plan)
        state = step(request, given=given, state=state)
    return state


def _said(state: State, width: int) -> Array:
    """(rows, width + new) ids."""
    return np.asarray(ops.convert_to_numpy(state.ids))[:, : width + int(state.new)]
