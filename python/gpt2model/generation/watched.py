"""How is generation watched while it runs? One program per step, and a look at the tokens between them.

Owns the eager path: stopping by time, by text or by a caller's rule, streaming, processors that look at values.
Refuses the way without a stop, which is faster (`loop.run`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from .compiling import program
from .history import NOTHING
from .loop import Given, Plan, State, advanced, alive, chosen, empty, prefilled
from .plain import plain_logits
from .request import Request

Array = np.ndarray[Any, Any]
# (rows, length) ids, padding as NOTHING, to what has ended: one boolean or one for each row.
Stop = Callable[[Array], Any]


def watched(request: Request, stops: Sequence[Stop] = ()) -> Iterator[State]:
    """The state after every token.

    Arguments:
        stops: rules by which rows end besides their end tokens.
    """
    plan, given = request.plan(), request.given()
    begun = time.monotonic()
    width = given.ids.shape[1]
    model = _model(request, plan, given)
    choose = program(chosen, plan, compile=request.compile and not request.looks)
    state = None
    for step in range(request.most):
        state = choose(given, *model(state))
        if stops:
            ids = np.asarray(ops.convert_to_numpy(state.ids))[
                :, width - request.prompt.width : width + step + 1
            ]
            ended = np.asarray(ops.convert_to_numpy(state.finished))
            for stop in stops:
                ended = ended | np.asarray(stop(ids), bool).reshape(-1)
            state = state._replace(finished=ops.convert_to_tensor(ended))
        late = request.config.max_time is not None and time.monotonic() - begun > request.config.max_time
        yield state
        if late or not bool(alive(given, state)):
            return


def _model(request: Request, plan: Plan, given: Given) -> Callable[[State | None], tuple[State, Any]]:
    """From a state (None: there is none yet) to the state and logits that the next token is chosen by."""
    if not request.config.use_cache:
        width = given.ids.shape[1]

        def whole(state: State | None) -> tuple[State, Any]:
            state = empty(plan, given) if state is None else state
            ids = np.asarray(ops.convert_to_numpy(state.ids))[:, : width + int(state.new)]
            return state, plain_logits(request.model, ids, width + plan.room)

        return whole
    weights = request.weights()
    prefill = program(prefilled, plan, compile=request.compile)
    advance = program(advanced, plan, compile=request.compile, reuse=2)

    def cached(state: State | None) -> tuple[State, Any]:
        return prefill(weights, given) if state is None else advance(weights, given, state)

    return cached


def tokens_of(request: Request, state: State) -> Array:
    """The new tokens so far, (rows, new), with the pad token after an end."""
    new = int(state.new)
    ids = np.asarray(ops.convert_to_numpy(state.ids))
    start = ids.shape[1] - request.plan().room
    return np.where(ids == NOTHING, 0, ids)[:, start : start + new]
