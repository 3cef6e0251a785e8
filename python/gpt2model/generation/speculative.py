"""How are several tokens checked at once? Somebody guesses ahead, and the model says how far it agrees.

Owns the loop over guesses and both guessers: a smaller model, and the prompt's own text. What comes out is what
the model alone would say, greedy or sampling: every token is chosen from the model's logits with the noise of
its step, and a guess only decides how many are looked at together. Refuses several rows, and beams.

Source: Leviathan, Kalman and Matias 2022, "Fast Inference from Transformers via Speculative Decoding" (for a
guess that is one token, their rule of acceptance is: draw from the model, and see whether it is the guess);
Saxena 2023, "Prompt Lookup Decoding".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from keras import ops

from ..backend import Tensor
from ..config import GPT2Config
from ..errors import GenerationConfigError
from .answers import check_fault
from .compiling import program
from .decoder import Cache, forward
from .history import NOTHING, History
from .likeliest import likeliest
from .loop import Given, Plan, State, chosen, fault_of, prefilled, visible
from .processor import apply, join
from .randomness import gumbel
from .request import Request
from .weights import Weights, prepared

Array = np.ndarray[Any, Any]
Guess = Callable[[Array], list[int]]  # from the row so far to what may follow


def verified(
    plan: Plan, weights: Weights, given: Given, state: State, guess: Tensor
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What the model says after the last token and after each guessed one.

    Arguments:
        guess: (1, k) int32.

    Returns:
        Tokens (k + 1,) and faults (k + 1,) int32, keys and values.
    """
    width, room = given.ids.shape[1], state.ids.shape[1]
    count = int(guess.shape[1])
    last = width + state.new - 1
    token = ops.take(state.ids, ops.expand_dims(last, 0), axis=1)  # (1, 1)
    before = ops.sum(ops.cast(given.ids != NOTHING, "int32"))
    places = before + state.new - 1 + ops.arange(count + 1, dtype="int32")
    # Guesses past the last position are looked up at it: nobody asks what the model says there.
    places = ops.minimum(places, int(weights["wpe"].shape[0]) - 1)
    logits, cache = forward(
        plan.shape,
        weights,
        ops.concatenate([token, guess], axis=1),
        ops.expand_dims(places, 0),
        Cache(state.keys, state.values, last),
        visible(given.ids, room),
        keep=None,
        encoder=state.encoder,
    )
    ids = ops.slice_update(state.ids, (0, last + 1), guess)
    column = ops.arange(room, dtype="int32")
    processors = join(plan.processors, given.numbers)
    tokens, faults = [], []
    for index in range(count + 1):
        filled, new = last + 1 + index, state.new + index
        said = ops.where(ops.expand_dims(column < filled, 0), ids, NOTHING)
        scores = apply(processors, History(said, filled, new, given.prompt), logits[:, index])
        noisy = scores + gumbel(given.seed, new, (1, plan.shape.vocabulary)) if plan.sample else scores
        tokens.append(likeliest(noisy))
        faults.append(fault_of(scores, state.finished))
    return ops.concatenate(tokens), ops.stack(faults), cache.keys, cache.values


def speculated(request: Request, guess: Guess, count: int) -> Array:
    """The new tokens, (1, new), with at most `count` guessed at a time.

    Raises:
        GenerationConfigError: several rows, or outputs of single steps.
    """
    config = request.config
    if request.prompt.ids.shape[0] != 1:
        raise GenerationConfigError(
            f"Guessing ahead takes one row, not {request.prompt.ids.shape[0]}: rows would agree with their guesses to "
            "different lengths."
        )
    if config.output_scores or config.output_logits or not config.use_cache or request.looks:
        raise GenerationConfigError(
            "Guessing ahead checks several tokens at once: leave out output_scores, output_logits, use_cache=False and "
            "functions as logits_processor."
        )
    plan = request.plan()
    plan = request.plan(room=plan.room + count + 1)
    given, weights = request.given(), request.weights(count + 1)
    prefill = program(prefilled, plan, compile=request.compile)
    verify = program(verified, plan, compile=request.compile)
    state, logits = prefill(weights, given)
    state = program(chosen, plan, compile=request.compile)(given, state, logits)
    check_fault(int(state.fault), 1)
    width = given.ids.shape[1]
    ids = np.array(ops.convert_to_numpy(state.ids))
    new = 1
    while new < request.most and ids[0, width + new - 1] not in request.ends:
        guessed = guess(ids[0, width - request.prompt.longest : width + new])[:count]
        padded = np.asarray([[*guessed, *[0] * (count - len(guessed))]], "int32")
        tokens, faults, keys, values = verify(weights, given, state, ops.convert_to_tensor(padded))
        said = np.asarray(ops.convert_to_numpy(tokens))
        wrong = np.asarray(ops.convert_to_numpy(faults))
        for place, token in enumerate(said):
            check_fault(int(wrong[place]), new + 1)
            ids[0, width + new] = token
            new += 1
            agreed = place < len(guessed) and guessed[place] == token
            if not agreed or new == request.most or token in request.ends:
                break
        state = state._replace(
            ids=ops.convert_to_tensor(ids), new=ops.convert_to_tensor(new, "int32"), keys=keys, values=values
        )
    return ids[:, width : width + new]


def from_the_text(size: int, count: int) -> Guess:
    """Guesses that what followed the last tokens before follows them again.

    Arguments:
        size: at most so many last tokens are searched for; fewer, when those are not found.
        count: of guessed tokens.

    Example:
        >>> from_the_text(2, 3)(np.array([5, 6, 7, 8, 5, 6]))
        [7, 8, 5]
    """

    def guess(ids: Array) -> list[int]:
        for length in range(min(size, len(ids) - 1), 0, -1):
            windows = np.lib.stride_tricks.sliding_window_view(ids[:-1], length)
            found = np.nonzero((windows == ids[-length:]).all(axis=1))[0]
            if len(found):
                start = int(found[0]) + length
                return [int(token) for token in ids[start : start + count]]
        return []

    return guess


def drafted(plan: Plan, weights: Weights, state: tuple[Any, ...], pair: Tensor, offset: Tensor) -> Any:
    """The likeliest `plan.room` tokens after a row, of a smaller model.

    Arguments:
        state: keys and values.
        pair: (1, 2) the row's last two tokens: the cache may lack either.
        offset: where the first of them stands.
    """
    keys, values = state
    seen = ops.ones((1, keys[0].shape[1]), "bool")
    fed, tokens, most = pair, [], int(weights["wpe"].shape[0]) - 1
    for _ in range(plan.room):
        steps = fed.shape[1]
        places = ops.minimum(offset + ops.arange(steps, dtype="int32"), most)
        logits, cache = forward(
            plan.shape, weights, fed, ops.expand_dims(places, 0), Cache(keys, values, offset), seen
        )
        keys, values, offset = cache.keys, cache.values, offset + steps
        fed = ops.expand_dims(likeliest(logits[:, 0]), 1)
        tokens.append(fed[0])
    return ops.concatenate(tokens), (keys, values)


def from_a_model(request: Request, assistant: Any, count: int) -> Guess:
    """Guesses what a smaller model finds likeliest.

    Raises:
        TypeError: it is no model.
        GenerationConfigError: it has another vocabulary, or too few positions.
    """
    if not isinstance(getattr(assistant, "config", None), GPT2Config):
        raise TypeError(f"assistant_model must be a model of gpt2model, not {assistant!r}.")
    config, own = assistant.config, request.model.config
    if config.vocab_size != own.vocab_size:
        raise GenerationConfigError(
            f"assistant_model has vocab_size={config.vocab_size}, the model {own.vocab_size}: its guesses would mean "
            "other tokens."
        )
    needed = request.prompt.longest + request.most
    if needed > config.n_positions:
        raise GenerationConfigError(
            f"assistant_model has n_positions={config.n_positions}; prompt and new tokens are {needed}."
        )
    inner = replace(request, model=assistant, processors=(), encoder=None)  # a guess needs no encoder
    plan = inner.plan(room=count, ends=(), sample=False)
    weights = prepared(assistant, request.form)
    total = inner.plan().room + request.given().ids.shape[1] + count + 2
    empty = plan.shape.cache(1, total)
    state: Any = (empty.keys, empty.values)
    filled = 0
    draft = program(drafted, plan, compile=request.compile)

    def guess(ids: Array) -> list[int]:
        nonlocal state, filled
        if filled == 0:  # the prompt, once
            feed = program(_fed, plan, compile=request.compile)
            state = feed(weights, state, ops.convert_to_tensor(ids[None, :-1].astype("int32")))
        offset = len(ids) - 2
        pair = ops.convert_to_tensor(ids[None, -2:].astype("int32"))
        tokens, state = draft(weights, state, pair, ops.convert_to_tensor(offset, "int32"))
        filled = offset + 2
        return [int(token) for token in np.asarray(ops.convert_to_numpy(tokens))]

    return guess


def _fed(plan: Plan, weights: Weights, state: tuple[Any, ...], ids: Tensor) -> tuple[Any, ...]:
    """Keys and values with a whole row in them, (1, n)."""
    places = ops.expand_dims(ops.arange(ids.shape[1], dtype="int32"), 0)
    seen = ops.ones((1, state[0][0].shape[1]), "bool")
    _, cache = forward(plan.shape, weights, ids, places, Cache(state[0], state[1], 0), seen)
    return cache.keys, cache.values
