"""Which of many continuations is likeliest? Beam search: plain, sampling, and in groups that avoid each other.

Owns the search as pure functions over a state of fixed shape, and its loop; the model and the processors are
`loop.py`'s. Groups are searches of their own that see what the groups before them chose. Refuses other ways of
choosing.

Source: Graves 2012, "Sequence Transduction with Recurrent Neural Networks"; Vijayakumar et al. 2016, "Diverse
Beam Search"; Kool, van Hoof and Welling 2019, "Stochastic Beams and Where to Find Them" (drawing without
replacement by the largest of noisy numbers). Bookkeeping and borders follow transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from keras import ops

from ..backend import Tensor
from .crossing import Encoded, Encoder
from .history import NOTHING, History, occurrences
from .loop import FINE, Given, Plan, advanced, fault_of, prefilled
from .loop import State as Walk
from .processor import apply, join
from .randomness import gumbel
from .tokens import one_of
from .weights import Weights

Array = np.ndarray[Any, Any]
HOPELESS = -1e9  # a score that nothing loses to; finite, so that differences of such scores are numbers


@final
@dataclass(frozen=True)
class BeamPlan:
    """What a beam program is made for.

    Attributes:
        plan: as for one row.
        beams: sequences followed at once, those of all groups together.
        groups: searches that avoid each other's tokens.
        early: stop when there are as many finished sequences as beams (True), when better ones are unlikely
            (False) or impossible ("never").
    """

    plan: Plan
    beams: int
    groups: int
    early: bool | str


@final
class Beams(NamedTuple):
    """The sequences of one group; b is the number of its beams.

    Attributes:
        ids: (rows, b, prompt + room) int32, those followed.
        sums: (rows, b) float32, their log-probabilities.
        path: (rows, b, room) int32, where each token was chosen; -1 after the end.
        best_ids, best, best_path: the same of finished ones, with their scores by length.
        done: (rows, b) booleans, which of them are finished indeed.
        open: (rows, 1) booleans, whether a followed one may yet be better.
    """

    ids: Tensor
    sums: Tensor
    path: Tensor
    best_ids: Tensor
    best: Tensor
    best_path: Tensor
    done: Tensor
    open: Tensor


@final
class Search(NamedTuple):
    """What one step hands to the next: the model's part, as for one row, and the groups.

    Attributes:
        walk: ids (rows * beams, prompt + room), keys and values.
        groups: one `Beams` each.
        stuck: boolean, every candidate ended.
    """

    walk: Walk
    groups: tuple[Beams, ...]
    stuck: Tensor


def begin(plan: BeamPlan, weights: Weights, given: Given) -> Search:
    """Prefill, once for all beams of a row, and the first choice."""
    walk, logits = prefilled(plan.plan, weights, given)

    def spread(tensor: Tensor) -> Tensor:
        return ops.repeat(tensor, plan.beams, axis=0)

    rows, total = walk.ids.shape
    size, room = plan.beams // plan.groups, plan.plan.room
    # All beams of a group are alike as yet: only the first one may be followed.
    sums = np.full((rows, size), HOPELESS, "float32")
    sums[:, 0] = 0.0
    ids = ops.broadcast_to(ops.expand_dims(walk.ids, 1), (rows, size, total))
    path = ops.full((rows, size, room), -1, "int32")
    group = Beams(
        ids=ids,
        sums=ops.convert_to_tensor(sums),
        path=path,
        best_ids=ids,
        best=ops.full((rows, size), HOPELESS, "float32"),
        best_path=path,
        done=ops.zeros((rows, size), "bool"),
        open=ops.ones((rows, 1), "bool"),
    )
    spread_rows = np.repeat(np.arange(rows, dtype="int32"), plan.beams)
    kept = (rows * plan.beams, plan.plan.shape.vocabulary)
    walk = walk._replace(
        ids=spread(walk.ids),
        finished=spread(walk.finished),
        keys=tuple(_rows_taken(tensor, rows, spread_rows) for tensor in walk.keys),
        values=tuple(_rows_taken(tensor, rows, spread_rows) for tensor in walk.values),
        encoder=_spread(walk.encoder, rows, spread_rows),
        scores=ops.zeros((room if plan.plan.scores else 0, *kept), "float32"),
        logits=ops.zeros((room if plan.plan.logits else 0, *kept), "float32"),
    )
    search = Search(walk, (group,) * plan.groups, ops.zeros((), "bool"))
    return choose(plan, given, search, spread(logits))


def going(plan: BeamPlan, given: Given, search: Search) -> Tensor:
    """Whether there is a next step."""
    alive = ops.logical_and(ops.equal(search.walk.fault, FINE), ops.logical_not(search.stuck))
    any_open = ops.any(ops.stack([ops.any(_unfinished(plan, group)) for group in search.groups]))
    return ops.logical_and(alive, any_open)


def _unfinished(plan: BeamPlan, group: Beams) -> Tensor:
    """(rows, 1) booleans: a row that may yet find something better."""
    if plan.early is not True:
        return group.open
    return ops.logical_and(group.open, ops.logical_not(ops.all(group.done, axis=1, keepdims=True)))


def choose(plan: BeamPlan, given: Given, search: Search, logits: Tensor) -> Search:
    """Every beam one token longer; logits (rows * beams, vocabulary)."""
    walk, inner = search.walk, plan.plan
    vocabulary = logits.shape[-1]
    rows, size = search.groups[0].sums.shape
    filled = given.ids.shape[1] + walk.new
    log = ops.reshape(ops.log_softmax(logits, axis=-1), (rows, plan.groups, size, vocabulary))
    noise = None
    if inner.sample:
        noise = gumbel(given.seed, walk.new, (rows, plan.groups, size * vocabulary))
    processors = join(inner.processors, given.numbers)
    diversity, ids = given.numbers[-1], ops.reshape(walk.ids, (rows, plan.groups, size, -1))
    groups, stuck, scores = [], [], []
    taken = ops.zeros((rows, 1, vocabulary), "float32")  # how often the groups before took each token
    for index, group in enumerate(search.groups):
        history = History(ops.reshape(ids[:, index], (rows * size, -1)), filled, walk.new, given.prompt)
        chances = log[:, index] - diversity * taken if plan.groups > 1 else log[:, index]
        chances = apply(processors, history, ops.reshape(chances, (rows * size, vocabulary)))
        scores.append(ops.reshape(chances, (rows, size, vocabulary)))
        longer, hit = _grown(
            plan, given, walk.new, index, group, scores[-1], None if noise is None else noise[:, index]
        )
        groups.append(longer)
        stuck.append(hit)
        if plan.groups > 1:
            last = ops.take(longer.ids, ops.expand_dims(filled, 0), axis=2)[:, :, 0]  # (rows, b)
            taken = taken + ops.cast(ops.expand_dims(occurrences(last, vocabulary), 1), "float32")
    flat = ops.reshape(ops.stack(scores, axis=1), (rows * plan.beams, vocabulary))
    place = (walk.new, 0, 0)
    if inner.scores:
        walk = walk._replace(scores=ops.slice_update(walk.scores, place, ops.expand_dims(flat, 0)))
    if inner.logits:
        walk = walk._replace(logits=ops.slice_update(walk.logits, place, ops.expand_dims(logits, 0)))
    origin = ops.stack(
        [ops.take(group.path, ops.expand_dims(walk.new, 0), axis=2) for group in groups], axis=1
    )
    origin = ops.maximum(ops.reshape(origin, (-1,)), 0)  # (rows * beams,)
    walk = walk._replace(
        new=walk.new + 1,
        ids=ops.reshape(ops.stack([group.ids for group in groups], axis=1), (rows * plan.beams, -1)),
        keys=tuple(_rows_taken(tensor, rows * plan.beams, origin) for tensor in walk.keys),
        values=tuple(_rows_taken(tensor, rows * plan.beams, origin) for tensor in walk.values),
        fault=fault_of(flat, walk.finished),
    )
    return Search(walk, tuple(groups), ops.all(ops.stack(stuck)))


def _grown(  # noqa: PLR0917
    plan: BeamPlan,
    given: Given,
    new: Tensor,
    index: int,
    group: Beams,
    chances: Tensor,
    noise: Tensor | None,
) -> tuple[Beams, Tensor]:
    """A group one token longer, and whether every candidate ended; chances (rows, b, vocabulary)."""
    rows, size, vocabulary = chances.shape
    filled = given.ids.shape[1] + new
    sums = ops.reshape(chances + ops.expand_dims(group.sums, 2), (rows, size * vocabulary))
    # So many that enough are left to follow even if the best ones all end.
    count = min(max(2, 1 + len(plan.plan.ends)) * size, size * vocabulary)
    top, place = ops.top_k(sums if noise is None else sums + noise, count)  # (rows, count)
    if noise is not None:
        top = ops.take_along_axis(sums, place, axis=1)
    place = ops.cast(place, "int32")
    beam, token = place // vocabulary, place % vocabulary
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    ids = ops.slice_update(_of_beams(group.ids, beam), (0, 0, filled), ops.expand_dims(token, 2))
    origin = row * plan.beams + index * size + beam
    path = ops.slice_update(_of_beams(group.path, beam), (0, 0, new), ops.expand_dims(origin, 2))
    closing = ops.take(ops.convert_to_tensor(one_of(plan.plan.ends, vocabulary)[0]), token)
    ended = ops.logical_or(closing, new + 1 >= given.most)

    followed = top + ops.cast(closing, "float32") * HOPELESS
    sums_next, pick = ops.top_k(followed, size)
    next_ids, next_path = _of_beams(ids, pick), _of_beams(path, pick)

    # Finished ones compete by their score for the length; only the first b candidates may become finished.
    penalty = given.numbers[-2]
    length = ops.cast(new + 1, "float32")
    finished = ops.logical_and(ended, np.arange(count)[None] < size)
    full = ops.all(group.done, axis=1, keepdims=True) if plan.early is True else ops.zeros((rows, 1), "bool")
    shut = ops.logical_or(full, ops.logical_not(group.open))
    barred = ops.cast(shut, "float32") + ops.cast(ops.logical_not(finished), "float32")
    scored = top / ops.power(length, penalty) + barred * HOPELESS
    best, pick = ops.top_k(ops.concatenate([group.best, scored], axis=1), size)

    def merged(old: Tensor, found: Tensor) -> Tensor:
        return _of_beams(ops.concatenate([old, found], axis=1), pick)

    done = merged(group.done, finished)
    # The best that a followed one can become, beside the worst that is finished.
    hoped = ops.cast(given.most, "float32") if plan.early == "never" else length
    hoped = ops.where(penalty > 0, hoped, length)
    possible = sums_next[:, :1] / ops.power(hoped, penalty)
    worst = ops.where(done, ops.min(best, axis=1, keepdims=True), HOPELESS)
    still = ops.logical_and(group.open, ops.any(possible > worst, axis=1, keepdims=True))
    grown = Beams(
        ids=next_ids,
        sums=sums_next,
        path=next_path,
        best_ids=merged(group.best_ids, ids),
        best=best,
        best_path=merged(group.best_path, path),
        done=done,
        open=still,
    )
    return grown, ops.all(ended)


def _rows_taken(buffer: Tensor, rows: int, origin: Tensor) -> Tensor:
    """Keys or values (rows * heads, room, head_dim) with their rows rearranged."""
    whole = ops.reshape(buffer, (rows, -1, *buffer.shape[1:]))
    return ops.reshape(ops.take(whole, origin, axis=0), (-1, *buffer.shape[1:]))


def _spread(encoder: Encoded, rows: int, origin: Array) -> Encoded:
    """An encoder's part for every beam of its row."""
    if not encoder:
        return ()
    return Encoder(
        tuple(_rows_taken(tensor, rows, origin) for tensor in encoder.keys),
        tuple(_rows_taken(tensor, rows, origin) for tensor in encoder.values),
        ops.take(encoder.real, origin, axis=0),
    )


def _of_beams(tensor: Tensor, beam: Tensor) -> Tensor:
    """Entries of each row: (rows, n, ...) and (rows, m) to (rows, m, ...)."""
    rows, size = tensor.shape[:2]
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    flat = ops.reshape(tensor, (rows * size, *tensor.shape[2:]))
    return ops.take(flat, ops.cast(beam, "int32") + row * size, axis=0)


def search(plan: BeamPlan, weights: Weights, given: Given) -> Search:
    """From the prompts to the finished sequences."""

    def rebuilt(parts: tuple[Tensor, ...]) -> Search:
        return Search(Walk(*parts[0]), tuple(Beams(*group) for group in parts[1]), parts[2])

    def again(*parts: Tensor) -> tuple[Tensor, ...]:
        now = rebuilt(parts)
        walk, logits = advanced(plan.plan, weights, spread, now.walk)
        return tuple(choose(plan, given, now._replace(walk=walk), logits))

    spread = given._replace(ids=ops.repeat(given.ids, plan.beams, axis=0))
    first = tuple(begin(plan, weights, given))
    return rebuilt(ops.while_loop(lambda *parts: going(plan, given, rebuilt(parts)), again, first))


def ranked(found: Search, width: int) -> tuple[Array, Array, Array]:
    """The finished sequences of all groups, best first.

    Returns:
        New tokens (rows, beams, room), `NOTHING` where none is; scores (rows, beams); paths (rows, beams,
        room).
    """

    def joined(name: str) -> Array:
        return np.concatenate(
            [np.asarray(ops.convert_to_numpy(getattr(group, name))) for group in found.groups], axis=1
        )

    ids, scores, path = joined("best_ids")[:, :, width:], joined("best"), joined("best_path")
    order = np.argsort(-scores, axis=1, kind="stable")
    ids = np.where(path < 0, NOTHING, ids)
    return (
        np.take_along_axis(ids, order[:, :, None], axis=1),
        np.take_along_axis(scores, order, axis=1),
        np.take_along_axis(path, order[:, :, None], axis=1),
    )
