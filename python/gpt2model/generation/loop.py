"""How do tokens follow one another? Prefill, then step after step, until every row has ended.

Owns greedy search and sampling as pure functions over a state of fixed shape: `prefilled` and `advanced` run
the model, `chosen` chooses a token, `alive` says whether to go on; and `run`, the loop over them, written once
for all backends: it becomes one program under `jax.jit` and `tf.function`, and runs as it stands on PyTorch.
Refuses beams (`beams.py`), to compile (`compiling.py`), and to look at values (`watched.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

from keras import ops

from ..backend import BACKEND, Tensor
from .crossing import Encoded, encoded
from .decoder import Cache, Shape, features, forward, head
from .history import NOTHING, History
from .likeliest import likeliest
from .processor import Processor, apply, join
from .randomness import gumbel
from .weights import Weights

FINE, NOT_A_NUMBER, NONE_LEFT = 0, 1, 2


@final
@dataclass(frozen=True)
class Plan:
    """What a program is made for.

    Attributes:
        shape: of the model.
        processors: without their numbers.
        room: new tokens there are places for.
        sample: draw, instead of taking the likeliest.
        ends: tokens that end a row.
        pad: what stands after an end.
        scores, logits: keep the processed scores, or the raw logits, of every step.
    """

    shape: Shape
    processors: tuple[Processor, ...]
    room: int
    sample: bool
    ends: tuple[int, ...]
    pad: int
    scores: bool = False
    logits: bool = False


@final
class Given(NamedTuple):
    """What a program is given at each call.

    Attributes:
        ids: (rows, prompt) int32, padded on the left with `NOTHING`.
        numbers: (n,) float32, of the processors.
        most: new tokens there shall be at most, int32.
        prompt: the prompt's length as Hugging Face counts it, int32.
        seed: int32.
        states: (rows, places, n_embd) float32 of an encoder, or ().
        seen: (rows, places) booleans, False where those are padding, or ().
    """

    ids: Tensor
    numbers: Tensor
    most: Tensor
    prompt: Tensor
    seed: Tensor
    states: Tensor | tuple[()] = ()
    seen: Tensor | tuple[()] = ()


@final
class State(NamedTuple):
    """What one step hands to the next.

    Attributes:
        new: tokens generated, int32.
        ids: (rows, prompt + room) int32, `NOTHING` where no token is.
        finished: (rows,) booleans.
        keys, values: of each layer, (rows * heads, prompt + room, head_dim).
        fault: what went wrong, int32, one of FINE, NOT_A_NUMBER, NONE_LEFT.
        scores, logits: (room, rows, vocabulary) float32, or (0, rows, vocabulary).
        encoder: what cross-attention looks at; the same at every step.
        hidden: of contrastive search, (rows, prompt + room, n_embd): the direction of each token's hidden state.
        ahead: of contrastive search, (rows, vocabulary): the logits of the next token.
    """

    new: Tensor
    ids: Tensor
    finished: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    fault: Tensor
    scores: Tensor
    logits: Tensor
    encoder: Encoded = ()
    hidden: Tensor | tuple[()] = ()
    ahead: Tensor | tuple[()] = ()


def prefilled(plan: Plan, weights: Weights, given: Given) -> tuple[State, Tensor]:
    """The state before the first token, and its logits (rows, vocabulary)."""
    encoder = encoded(weights, plan.shape.heads, given.states, given.seen)
    hidden, cache = read(plan, weights, given.ids, given.ids.shape[1] + plan.room, encoder)
    return empty(plan, given, cache.keys, cache.values, encoder), head(weights, hidden)[:, 0]


def read(  # noqa: PLR0917
    plan: Plan, weights: Weights, ids: Tensor, room: int, encoder: Encoded, keep: int | None = 1
) -> tuple[Tensor, Cache]:
    """Rows of ids through the model, into a new cache.

    Arguments:
        ids: (rows, width) int32, padded on the left with `NOTHING`.
        room: of the cache.
        keep: hidden states of the last so many tokens; None for all.

    Returns:
        Hidden states (rows, keep, n_embd), and the cache.
    """
    real = ids != NOTHING  # (rows, width)
    positions = ops.maximum(ops.cumsum(ops.cast(real, "int32"), axis=1) - 1, 0)
    return features(
        plan.shape,
        weights,
        ops.where(real, ids, 0),
        positions,
        plan.shape.cache(ids.shape[0], room),
        visible(ids, room),
        keep=keep,
        encoder=encoder,
    )


def empty(
    plan: Plan,
    given: Given,
    keys: tuple[Tensor, ...] = (),
    values: tuple[Tensor, ...] = (),
    encoder: Encoded = (),
) -> State:
    """The state before the first token."""
    rows = given.ids.shape[0]
    kept = (rows, plan.shape.vocabulary)
    nothing = ops.full((rows, plan.room), NOTHING, "int32")
    return State(
        new=ops.convert_to_tensor(0, "int32"),
        ids=ops.concatenate([given.ids, nothing], axis=1),
        finished=ops.zeros((rows,), "bool"),
        keys=keys,
        values=values,
        fault=ops.convert_to_tensor(FINE, "int32"),
        scores=ops.zeros((plan.room if plan.scores else 0, *kept), "float32"),
        logits=ops.zeros((plan.room if plan.logits else 0, *kept), "float32"),
        encoder=encoder,
    )


def advanced(plan: Plan, weights: Weights, given: Given, state: State) -> tuple[State, Tensor]:
    """The last token through the model: its keys and values in the state, and logits (rows, vocabulary)."""
    width = given.ids.shape[1]
    last = width + state.new - 1  # the column of the last token
    token = ops.maximum(ops.take(state.ids, ops.expand_dims(last, 0), axis=1), 0)  # (rows, 1)
    before = ops.sum(ops.cast(given.ids != NOTHING, "int32"), axis=1)  # (rows,)
    logits, cache = forward(
        plan.shape,
        weights,
        token,
        ops.expand_dims(before + state.new - 1, 1),
        Cache(state.keys, state.values, last),
        visible(given.ids, state.ids.shape[1]),
        encoder=state.encoder,
    )
    return state._replace(keys=cache.keys, values=cache.values), logits[:, 0]


def alive(given: Given, state: State) -> Tensor:
    """Whether there is a next step."""
    going = ops.logical_not(ops.all(state.finished))
    return ops.logical_and(ops.logical_and(state.new < given.most, going), ops.equal(state.fault, FINE))


def run(plan: Plan, weights: Weights, given: Given) -> State:
    """From the prompt to the end."""

    def going(*parts: Tensor) -> Tensor:
        return alive(given, State(*parts))

    def again(*parts: Tensor) -> tuple[Tensor, ...]:
        return tuple(chosen(plan, given, *advanced(plan, weights, given, State(*parts))))

    first = chosen(plan, given, *prefilled(plan, weights, given))
    return State(*ops.while_loop(going, again, tuple(first)))


def visible(prompt: Tensor, total: int) -> Tensor:
    """(rows, total) booleans: every place counts but the prompt's padding. (Order hides what is to come.)"""
    rows, width = prompt.shape
    return ops.concatenate([prompt != NOTHING, ops.ones((rows, total - width), "bool")], axis=1)


def chosen(plan: Plan, given: Given, state: State, logits: Tensor) -> State:
    """The state with one token more; logits (rows, vocabulary)."""
    scores = processed(plan, given, state, logits)
    noisy = scores + gumbel(given.seed, state.new, tuple(logits.shape)) if plan.sample else scores
    return appended(plan, given, state, logits, scores, likeliest(noisy))


def processed(plan: Plan, given: Given, state: State, logits: Tensor) -> Tensor:
    """What the processors make of the logits (rows, vocabulary) of the next token."""
    history = History(state.ids, given.ids.shape[1] + state.new, state.new, given.prompt)
    return apply(join(plan.processors, given.numbers), history, logits)


def appended(  # noqa: PLR0917
    plan: Plan, given: Given, state: State, logits: Tensor, scores: Tensor, token: Tensor
) -> State:
    """The state with these tokens (rows,) at its end, and what is to be kept of the step."""
    filled = given.ids.shape[1] + state.new
    token = ops.where(state.finished, plan.pad, token)
    fault = fault_of(scores, state.finished)
    token = ops.expand_dims(token, 1)  # (rows, 1)
    finished = state.finished
    if plan.ends:
        ended = ops.any(ops.equal(token, ops.convert_to_tensor([plan.ends], "int32")), axis=1)
        finished = ops.logical_or(finished, ended)
    ids = ops.slice_update(state.ids, (0, filled), token)
    place = (state.new, 0, 0)
    if plan.scores:
        state = state._replace(scores=ops.slice_update(state.scores, place, ops.expand_dims(scores, 0)))
    if plan.logits:
        state = state._replace(logits=ops.slice_update(state.logits, place, ops.expand_dims(logits, 0)))
    return state._replace(new=state.new + 1, ids=ids, finished=finished, fault=fault)


def fault_of(scores: Tensor, finished: Tensor) -> Tensor:
    """Whether a row that goes on has a number that is none, or no token left to choose: one of the faults."""
    going = ops.logical_not(finished)
    best = ops.max(scores, axis=-1)  # (rows,); PyTorch's is NaN where one of the numbers is
    strange = ops.isnan(best) if BACKEND == "torch" else ops.any(ops.isnan(scores), axis=-1)
    broken = ops.any(ops.logical_and(strange, going))
    empty = ops.any(ops.logical_and(best == float("-inf"), going))
    fault = ops.where(broken, NOT_A_NUMBER, ops.where(empty, NONE_LEFT, FINE))
    return ops.cast(fault, "int32")
