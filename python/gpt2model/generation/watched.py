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

from . import contrastive
from .compiling import program
from .contrastive import ContrastivePlan
from .history import NOTHING
from .loop import Given, State, advanced, alive, chosen, prefilled
from .plain import plain_contrast, plain_step
from .request import Request
from .sliding import SlidingPlan, Window, blank, opened, stepped, window_of

Array = np.ndarray[Any, Any]
# (rows, length) ids, padding as NOTHING, to what has ended: one boolean or one for each row.
Stop = Callable[[Array], Any]
Step = Callable[[State | None], State]  # from a state (None: there is none yet) to one with a token more
# The same to the state and logits that the token is chosen by.
Model = Callable[[State | None], tuple[State, Any]]


def watched(request: Request, stops: Sequence[Stop] = ()) -> Iterator[State]:
    """The state after every token.

    Arguments:
        stops: rules by which rows end besides their end tokens.
    """
    given = given_of(request)
    begun = time.monotonic()
    width = given.ids.shape[1]
    step = _steps(request, given)
    state = None
    for count in range(1, request.most + 1):
        state = step(state)
        if stops:
            ids = np.asarray(ops.convert_to_numpy(state.ids))[:, width - request.prompt.width : width + count]
            ended = np.asarray(ops.convert_to_numpy(state.finished))
            for stop in stops:
                ended = ended | np.asarray(stop(ids), bool).reshape(-1)
            state = state._replace(finished=ops.convert_to_tensor(ended))
        late = request.config.max_time is not None and time.monotonic() - begun > request.config.max_time
        yield state
        if late or not bool(alive(given, state)):
            return


def _steps(request: Request, given: Given) -> Step:
    """What makes one token, for the method that was asked for."""
    plan = contrastive_plan(request)
    if plan is not None:
        return _contrastive_steps(request, plan, given)
    if not request.config.use_cache:
        return lambda state: plain_step(request, given, state)
    model = _sliding(request, given) if request.stride else _cached(request, given)
    choose = program(chosen, request.plan(), compile=request.compile and not request.looks)
    return lambda state: choose(given, *model(state))


def _cached(request: Request, given: Given) -> Model:
    plan, weights = request.plan(), request.weights()
    prefill = program(prefilled, plan, compile=request.compile)
    advance = program(advanced, plan, compile=request.compile, reuse=2)
    return lambda state: prefill(weights, given) if state is None else advance(weights, given, state)


def _sliding(request: Request, given: Given) -> Model:
    weights = request.weights()
    plan: SlidingPlan | None = None
    window: Window | None = None

    def model(state: State | None) -> tuple[State, Any]:
        nonlocal plan, window
        if state is None:
            state = program(blank, request.plan(), compile=request.compile)(weights, given)
        if plan is None or window is None or int(state.new) == int(window.limit):
            plan, window = window_of(request, state)
            state = state._replace(keys=(), values=())
            return program(opened, plan, compile=request.compile)(weights, state, window)
        return program(stepped, plan, compile=request.compile, reuse=2)(weights, given, state, window)

    return model


def _contrastive_steps(request: Request, plan: ContrastivePlan, given: Given) -> Step:
    if not request.config.use_cache:
        return lambda state: plain_contrast(request, plan, given, state)
    weights = request.weights()
    begin = program(contrastive.begun, plan, compile=request.compile)
    propose = program(contrastive.candidates, plan, compile=request.compile and not request.looks)
    rank = program(contrastive.ranked, plan, compile=request.compile)

    def step(state: State | None) -> State:
        state = begin(weights, given) if state is None else state
        return rank(weights, given, state, propose(given, state))

    return step


def contrastive_plan(request: Request) -> ContrastivePlan | None:
    """The plan of a contrastive search, if that was asked for. (Of one candidate it is greedy search.)"""
    if not request.config.penalty_alpha or request.config.top_k <= 1:
        return None
    vocabulary = request.model.config.vocab_size
    return ContrastivePlan(request.plan(), min(request.config.top_k, vocabulary))


def given_of(request: Request) -> Given:
    """What the programs of a request are given."""
    alpha = request.config.penalty_alpha
    return request.given(*([alpha] if contrastive_plan(request) is not None else []))


def tokens_of(request: Request, state: State) -> Array:
    """The new tokens so far, (rows, new), with the pad token after an end."""
    new = int(state.new)
    ids = np.asarray(ops.convert_to_numpy(state.ids))
    start = ids.shape[1] - request.plan().room
    return np.where(ids == NOTHING, 0, ids)[:, start : start + new]
