"""How likely is a text? Log-probabilities of given tokens, and what single steps of a generation gave.

Owns `score` (any length, over a sliding window) and `transition_scores`. Refuses to generate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from keras import ops

from ..backend import Tensor
from ..config import GPT2Config
from ..errors import GenerationConfigError
from ..number_checks import whole_number
from . import door
from .compiling import program
from .config import GenerationConfig
from .decoder import Shape, forward
from .sizes import rounded
from .weights import Weights, check_form, prepared

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True)
class Score:
    """How likely a text is.

    Attributes:
        log_probabilities: (tokens - 1,) float32 in nats: of every token but the first, which nothing precedes.

    Example:
        >>> Score(np.log(np.array([0.5, 0.5]))).perplexity
        2.0
    """

    log_probabilities: Array

    @property
    def total(self) -> float:
        """Their sum: the log-probability of the text after its first token."""
        return float(self.log_probabilities.sum(dtype="float64"))

    @property
    def perplexity(self) -> float:
        """exp of the mean surprise (Jelinek et al. 1977)."""
        return math.exp(-self.total / len(self.log_probabilities))


def windows(length: int, size: int, stride: int) -> list[tuple[int, int, int]]:
    """Where a model of few positions looks at a long text: start, end, and the first token to be judged.

    Every token but the first is judged once; all but those of the first window see `size - stride` tokens
    before them at least.

    Example:
        >>> windows(10, 6, 2)
        [(0, 6, 1), (2, 8, 6), (4, 10, 8)]
    """
    found = [(0, min(size, length), 1)]
    while found[-1][1] < length:
        done = found[-1][1]
        end = min(done + stride, length)
        found.append((max(0, end - size), end, done))
    return found


def judged(shape: Shape, weights: Weights, ids: Tensor) -> Tensor:
    """Log-probabilities of every token but the first: (1, n) to (n - 1,)."""
    count = int(ids.shape[1])
    places = ops.expand_dims(ops.arange(count, dtype="int32"), 0)
    seen = ops.ones((1, count), "bool")
    logits, _ = forward(shape, weights, ids, places, shape.cache(1, count), seen, keep=None)
    log = ops.log_softmax(logits[0, :-1], axis=-1)  # (n - 1, vocabulary)
    return ops.take_along_axis(log, ops.transpose(ids[:, 1:]), axis=1)[:, 0]


def score(
    model: Any,
    inputs: Any,
    *,
    tokenizer: Any = None,
    stride: int | None = None,
    weights: str = "float32",
    compile: bool = True,
) -> list[Score]:
    """`LanguageModelHead.score`; see there."""
    config: GPT2Config = model.config
    if stride is None:
        stride = max(1, config.n_positions // 2)
    stride = whole_number("stride", stride, 1, config.n_positions - 1, error=GenerationConfigError)
    rows = _rows(inputs, tokenizer, config)
    for index, row in enumerate(rows):
        if len(row) < 2:
            begin = config.bos_token_id
            with_bos = "" if begin is None else f", or give ids that begin with bos_token_id: [{begin}, ...]"
            raise ValueError(
                f"Text {index} has {len(row)} token{'' if len(row) == 1 else 's'}, and it takes two at least, since the"
                f" first has no probability: give a longer text{with_bos}."
            )
    check_form(weights)
    prepared_weights = prepared(model, weights)
    judge = program(judged, Shape.of(config), compile=compile)
    found = []
    for row in rows:
        parts = []
        for start, end, first in windows(len(row), config.n_positions, stride):
            width = min(rounded(end - start), config.n_positions)
            ids = np.zeros((1, width), "int32")  # what follows the text is not seen by it
            ids[0, : end - start] = row[start:end]
            log = np.asarray(ops.convert_to_numpy(judge(prepared_weights, ops.convert_to_tensor(ids))))
            parts.append(log[first - start - 1 : end - start - 1])
        found.append(Score(np.concatenate(parts)))
    return found


def _rows(inputs: Any, tokenizer: Any, config: GPT2Config) -> list[Array]:
    """Each text's ids, checked."""
    if inputs is None:
        raise TypeError("There is nothing to score: pass ids, lists of them, or texts with a tokenizer.")
    if door.is_text(inputs):
        inputs = door.encoded([inputs] if isinstance(inputs, str) else list(inputs), tokenizer, config)
    if not isinstance(inputs, Sequence):
        array = np.asarray(ops.convert_to_numpy(inputs))
        inputs = list(array[None] if array.ndim == 1 else array)
    elif inputs and not isinstance(inputs[0], Sequence | np.ndarray):
        inputs = [inputs]
    options = GenerationConfig()
    return [
        door.prompt_of(np.asarray(row), None, options, config).ids[0] if len(row) else row for row in inputs
    ]


def transition_scores(
    sequences: Any, scores: Sequence[Any], beam_indices: Any = None, *, normalize_logits: bool = False
) -> Tensor:
    """`LanguageModelHead.compute_transition_scores`; see there."""
    if scores is None or not len(scores):
        raise ValueError(
            "There are no scores: generate with output_scores=True and return_dict_in_generate=True."
        )
    stacked = np.stack(
        [np.asarray(ops.convert_to_numpy(step)) for step in scores]
    )  # (steps, rows, vocabulary)
    if normalize_logits:
        stacked = np.asarray(ops.convert_to_numpy(ops.log_softmax(ops.convert_to_tensor(stacked), axis=-1)))
    ids = np.asarray(ops.convert_to_numpy(sequences))
    if ids.ndim != 2 or stacked.ndim != 3:
        raise ValueError(
            f"sequences has shape {ids.shape} and each of the scores {stacked.shape[1:]}; they must be (rows, tokens) "
            "and (rows, vocabulary)."
        )
    if beam_indices is None:
        if stacked.shape[1] != ids.shape[0]:
            raise ValueError(
                f"There are {ids.shape[0]} sequences and scores of {stacked.shape[1]} rows: pass the beam_indices of a "
                "beam search, and no others' scores."
            )
        path = np.tile(np.arange(ids.shape[0])[:, None], (1, len(scores)))
    else:
        path = np.asarray(ops.convert_to_numpy(beam_indices))
    steps = int((path >= 0).sum(axis=1).max())
    path = path[:, :steps]
    if path.shape[0] != ids.shape[0] or not steps <= min(ids.shape[1], len(stacked)):
        raise ValueError(
            f"sequences {ids.shape}, {len(stacked)} scores and beam_indices {path.shape} are not of one generation: "
            "there are more steps than tokens or scores, or other rows."
        )
    new = ids[:, ids.shape[1] - steps :]
    if ((new < 0) | (new >= stacked.shape[2])).any():
        raise ValueError(f"sequences holds ids that the scores' {stacked.shape[2]} tokens do not reach.")
    rows = np.maximum(path, 0)
    found = stacked[np.arange(steps)[None], rows, new]
    return ops.convert_to_tensor(np.where(path < 0, np.float32(0), found))
