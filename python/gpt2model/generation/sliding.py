"""How is text generated past the model's last position? Over a window that slides.

Owns the rule and its fast way. The rule (`begins`): each token is chosen from what the model says of the row's
window, which begins as the whole row; as soon as it is longer than `n_positions`, its oldest `window_stride` tokens
are dropped, and what is left stands from position 0 on. A prompt that is too long has been shortened by the same
rule. Processors, stops and streams see the whole text always. Refuses beams, contrastive search and guessing ahead.

The fast way: what is left after a drop is read into a new cache, once, and the steps up to the next drop go on from
there. Each row drops its own tokens at its own length, so that rows do not know of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from keras import ops

from ..backend import Tensor
from .compiling import program
from .crossing import encoded
from .decoder import Cache, features, head
from .history import NOTHING
from .loop import Given, Plan, State, alive, chosen, empty, read, visible
from .request import Request
from .sizes import padded, rounded
from .weights import Weights

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True)
class SlidingPlan:
    """What a program over one window is made for: as for one token at a time, and the steps there is room for."""

    plan: Plan
    steps: int


@final
class Window(NamedTuple):
    """What the model sees of each row.

    Attributes:
        ids: (rows, width) int32, padded on the left with `NOTHING`: what was read into the cache.
        begun: new tokens there were then, int32.
        limit: new tokens at which the window ends, int32.
    """

    ids: Tensor
    begun: Tensor
    limit: Tensor


def begins(length: int, positions: int, stride: int) -> int:
    """Where the window of a row of `length` tokens begins.

    Example:
        >>> [begins(length, 6, 4) for length in (5, 6, 7, 10, 11)]
        [0, 0, 4, 4, 8]
    """
    return -(-max(0, length - positions) // stride) * stride


def windows(ids: Array, positions: int, stride: int) -> Array:
    """The window of each row: (rows, n) to (rows, width), both padded on the left with `NOTHING`."""
    rows = [row[row != NOTHING] for row in ids]
    rows = [row[begins(len(row), positions, stride) :] for row in rows]
    width = max(len(row) for row in rows)
    return np.stack([np.pad(row, (width - len(row), 0), constant_values=NOTHING) for row in rows])


def window_of(request: Request, state: State) -> tuple[SlidingPlan, Window]:
    """The window for what was said so far, and the plan of its program."""
    new, positions = int(state.new), request.model.config.n_positions
    room = request.plan().room
    said = np.asarray(ops.convert_to_numpy(state.ids))
    seen = windows(said[:, : said.shape[1] - room + new], positions, request.stride)
    width = seen.shape[1]
    left = positions - width + 1  # the last token needs no position
    steps = rounded(min(left, request.most - new))
    ids = ops.convert_to_tensor(padded(seen, rounded(width)), "int32")
    begun, limit = (ops.convert_to_tensor(number, "int32") for number in (new, new + left))
    return SlidingPlan(request.plan(), steps), Window(ids, begun, limit)


def blank(plan: Plan, weights: Weights, given: Given) -> State:
    """The state before the first window."""
    return empty(plan, given, encoder=encoded(weights, plan.shape.heads, given.states, given.seen))


def opened(plan: SlidingPlan, weights: Weights, state: State, window: Window) -> tuple[State, Tensor]:
    """The window in a new cache, and the next token's logits (rows, vocabulary)."""
    room = window.ids.shape[1] + plan.steps
    hidden, cache = read(plan.plan, weights, window.ids, room, state.encoder)
    return state._replace(keys=cache.keys, values=cache.values), head(weights, hidden)[:, 0]


def stepped(
    plan: SlidingPlan, weights: Weights, given: Given, state: State, window: Window
) -> tuple[State, Tensor]:
    """The last token through the model, as `loop.advanced`."""
    last = given.ids.shape[1] + state.new - 1
    token = ops.maximum(ops.take(state.ids, ops.expand_dims(last, 0), axis=1), 0)  # (rows, 1)
    since = state.new - window.begun - 1
    before = ops.sum(ops.cast(window.ids != NOTHING, "int32"), axis=1)  # (rows,)
    width = window.ids.shape[1]
    hidden, cache = features(
        plan.plan.shape,
        weights,
        token,
        ops.expand_dims(before + since, 1),
        Cache(state.keys, state.values, width + since),
        visible(window.ids, width + plan.steps),
        encoder=state.encoder,
    )
    return state._replace(keys=cache.keys, values=cache.values), head(weights, hidden)[:, 0]


def over(plan: SlidingPlan, weights: Weights, given: Given, state: State, window: Window) -> State:
    """From the beginning of a window to its end, or that of the text."""

    def going(*parts: Tensor) -> Tensor:
        now = State(*parts)
        return ops.logical_and(alive(given, now), now.new < window.limit)

    def again(*parts: Tensor) -> tuple[Tensor, ...]:
        return tuple(chosen(plan.plan, given, *stepped(plan, weights, given, State(*parts), window)))

    first = chosen(plan.plan, given, *opened(plan, weights, state, window))
    return State(*ops.while_loop(going, again, tuple(first)))


def slid(request: Request) -> State:
    """From the prompt to the end, window after window."""
    given, weights = request.given(), request.weights()
    state = program(blank, request.plan(), compile=request.compile)(weights, given)
    while True:
        plan, window = window_of(request, state)
        state = program(over, plan, compile=request.compile)(weights, given, state, window)
        if not bool(alive(given, state)):
            return state
        state = state._replace(keys=(), values=())  # the next window has its own
