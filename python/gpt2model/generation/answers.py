"""What does generation give back? Ids, or an output with Hugging Face's field names.

Owns the output types and the errors of a generation that went wrong. Refuses computing.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from keras import ops

from ..backend import BACKEND, Tensor
from ..outputs import ModelOutput
from .loop import FINE, NOT_A_NUMBER


@final
class GenerateDecoderOnlyOutput(ModelOutput):
    """What greedy search, sampling and their kin give back with `return_dict_in_generate`.

    Fields:
        sequences: (rows, prompt + new tokens) ids.
        scores: for every new token, (rows, vocabulary) float32: the logits after processing.
        logits: the same before it.
        texts: of each row, where the prompts were texts.

    Example:
        >>> GenerateDecoderOnlyOutput(sequences=[[1, 2]]).sequences
        [[1, 2]]
    """

    sequences: Tensor
    scores: tuple[Tensor, ...]
    logits: tuple[Tensor, ...]
    texts: list[str]


@final
class GenerateBeamDecoderOnlyOutput(ModelOutput):
    """What beam search gives back with `return_dict_in_generate`.

    Fields:
        sequences: (rows, prompt + new tokens) ids.
        sequences_scores: (rows,) float32: the sum of log-probabilities, divided by length ** length_penalty.
        scores: for every step, (rows * num_beams, vocabulary) float32: processed log-probabilities.
        logits: the raw logits of every step.
        beam_indices: (rows, new tokens) int32: the row of `scores` that each token was chosen in; -1 after
            the end.
        texts: of each row, where the prompts were texts.

    Example:
        >>> GenerateBeamDecoderOnlyOutput(sequences=[[1, 2]]).sequences
        [[1, 2]]
    """

    sequences: Tensor
    sequences_scores: Tensor
    scores: tuple[Tensor, ...]
    logits: tuple[Tensor, ...]
    beam_indices: Tensor
    texts: list[str]


def tensor_of_ids(ids: np.ndarray[Any, Any]) -> Tensor:
    """Ids as the backend has them: int64 for PyTorch, whose embeddings and losses want it, else int32."""
    return ops.convert_to_tensor(ids, "int64" if BACKEND == "torch" else "int32")


def per_step(stacked: Tensor, steps: int) -> tuple[Tensor, ...]:
    """(room, rows, vocabulary) as one tensor for every step that was taken."""
    return tuple(ops.copy(stacked[index]) for index in range(steps))


def check_fault(fault: int, new: int) -> None:
    """Tell of a generation that stopped because its numbers were no good.

    Raises:
        ValueError: with the step.
    """
    if fault == FINE:
        return
    if fault == NOT_A_NUMBER:
        raise ValueError(
            f"The logits became NaN at step {new - 1} (counted from 0). The model's weights or a processor give "
            "numbers that are none: look for NaN or infinite weights; remove_invalid_values=True takes them for 0."
        )
    raise ValueError(
        f"No token was left to choose at step {new - 1} (counted from 0): the processors refuse the whole vocabulary. "
        "Loosen suppress_tokens, bad_words_ids, no_repeat_ngram_size or your own processors."
    )
