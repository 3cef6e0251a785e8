"""Which of the likely tokens says something new? Contrastive search.

Owns the search: of the k likeliest tokens, the one of the best (1 - alpha) * probability - alpha * likeness, where
likeness is the largest cosine between the hidden state that the token would have and those of all tokens before it.
The model and the processors are `loop.py`'s. Refuses to sample.

The k candidates of a row go through the model side by side, as so many positions that see the row and themselves
but not each other, so that one cache is enough: nothing is copied k times. A token that the processors refuse is no
candidate.

Source: Su, Lan, Wang, Yogatama, Kong and Collier 2022, "A Contrastive Framework for Neural Text Generation",
section 4; hidden states are those after the last normalisation, as in transformers 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

from keras import ops

from ..backend import Tensor
from .crossing import encoded
from .decoder import Cache, features, head
from .history import NOTHING
from .loop import Given, Plan, State, alive, appended, empty, processed, read, visible
from .places import placed
from .processor import REFUSED
from .products import of_rows
from .weights import Weights


@final
@dataclass(frozen=True)
class ContrastivePlan:
    """What a program of contrastive search is made for: as for one token at a time, and the candidates.

    The last of the numbers that it is given is alpha.
    """

    plan: Plan
    candidates: int


@final
class Found(NamedTuple):
    """The candidates of one step.

    Attributes:
        tokens: (rows, k) int32.
        chances: (rows, k), their probabilities; `REFUSED` where a processor refused the token.
        scores: (rows, vocabulary), the processed logits.
    """

    tokens: Tensor
    chances: Tensor
    scores: Tensor


def directions(hidden: Tensor) -> Tensor:
    """Hidden states (..., n_embd) of length 1."""
    return hidden * ops.rsqrt(ops.maximum(ops.sum(ops.square(hidden), axis=-1, keepdims=True), 1e-30))


def begun(plan: ContrastivePlan, weights: Weights, given: Given) -> State:
    """The state before the first token, with the logits of it."""
    inner, width = plan.plan, given.ids.shape[1]
    encoder = encoded(weights, inner.shape.heads, given.states, given.seen)
    room = width + inner.room + plan.candidates - 1
    hidden, cache = read(inner, weights, given.ids, room, encoder, keep=None)  # (rows, width, n_embd)
    rest = ops.zeros((hidden.shape[0], inner.room, hidden.shape[2]), "float32")
    return empty(inner, given, cache.keys, cache.values, encoder)._replace(
        hidden=ops.concatenate([directions(hidden), rest], axis=1),
        ahead=head(weights, hidden[:, width - 1 :])[:, 0],
    )


def candidates(plan: ContrastivePlan, given: Given, state: State) -> Found:
    """The likeliest tokens of each row."""
    scores = processed(plan.plan, given, state, state.ahead)
    best, tokens = ops.top_k(scores, plan.candidates)
    chances = ops.take_along_axis(ops.softmax(scores, axis=-1), tokens, axis=1)
    chances = ops.where(ops.isfinite(best), chances, REFUSED)
    return Found(ops.cast(tokens, "int32"), chances, scores)


def best_of(chances: Tensor, likeness: Tensor, alpha: Tensor) -> Tensor:
    """The place of the best candidate: (rows, k) and (rows, k) to (rows,) int32."""
    refused = chances == REFUSED  # taken out of the sum: with alpha 1 it would be 0 times infinity
    worth = (1.0 - alpha) * ops.where(refused, 0.0, chances) - alpha * likeness
    return ops.cast(ops.argmax(ops.where(refused, REFUSED, worth), axis=1), "int32")


def ranked(plan: ContrastivePlan, weights: Weights, given: Given, state: State, found: Found) -> State:
    """The state with the best candidate at its end, and the logits of the token after it."""
    shape, count = plan.plan.shape, plan.candidates
    rows, filled = given.ids.shape[0], given.ids.shape[1] + state.new
    before = ops.sum(ops.cast(given.ids != NOTHING, "int32"), axis=1)  # (rows,)
    room = state.keys[0].shape[1]
    place = ops.expand_dims(ops.arange(room, dtype="int32"), 0)  # (1, room)
    own = ops.expand_dims(filled + ops.arange(count, dtype="int32"), 1)  # (k, 1)
    order = ops.logical_or(place < filled, ops.equal(place, own))  # (k, room)
    hidden, cache = features(
        shape,
        weights,
        found.tokens,
        ops.broadcast_to(ops.expand_dims(before + state.new, 1), (rows, count)),
        Cache(state.keys, state.values, filled),
        visible(given.ids, room),
        keep=None,
        order=ops.expand_dims(order, (0, 1)),
        encoder=state.encoder,
    )  # (rows, k, n_embd)
    turned = directions(hidden)
    alike = of_rows(turned, state.hidden)  # (rows, k, prompt + room)
    said = ops.expand_dims(state.ids != NOTHING, 1)
    likeness = ops.max(ops.where(said, alike, float("-inf")), axis=-1)  # (rows, k)
    best = ops.expand_dims(best_of(found.chances, likeness, given.numbers[-1]), 1)  # (rows, 1)

    def kept(buffer: Tensor) -> Tensor:
        """The buffer with the best candidate's numbers first among those of the candidates."""
        pick = ops.expand_dims(ops.repeat(best, buffer.shape[0] // rows, axis=0), 2)  # (rows * heads, 1, 1)
        new = ops.take(buffer, filled + ops.arange(count, dtype="int32"), axis=1)
        return placed(buffer, ops.take_along_axis(new, pick, axis=1), filled)

    last = ops.take_along_axis(hidden, ops.expand_dims(best, 2), axis=1)  # (rows, 1, n_embd)
    token = ops.take_along_axis(found.tokens, best, axis=1)[:, 0]
    return appended(plan.plan, given, state, state.ahead, found.scores, token)._replace(
        keys=tuple(kept(buffer) for buffer in cache.keys),
        values=tuple(kept(buffer) for buffer in cache.values),
        hidden=placed(state.hidden, directions(last), filled),
        ahead=head(weights, last)[:, 0],
    )


def contrasted(plan: ContrastivePlan, weights: Weights, given: Given) -> State:
    """From the prompt to the end."""

    def going(*parts: Tensor) -> Tensor:
        return alive(given, State(*parts))

    def again(*parts: Tensor) -> tuple[Tensor, ...]:
        state = State(*parts)
        return tuple(ranked(plan, weights, given, state, candidates(plan, given, state)))

    first = again(*begun(plan, weights, given))
    return State(*ops.while_loop(going, again, first))
