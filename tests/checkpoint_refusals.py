"""What the tests of bad checkpoints share: reading one whole, and the refusal that must come instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpt2model import CheckpointError, GPT2Config
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.comparing import compare
from gpt2model.checkpoints.numbers import check_tie, fit

# For processes that import the package: Keras takes the backend that is imported the quickest.
QUICK = {**os.environ, "KERAS_BACKEND": "jax"}


def read_all(place: Path) -> dict[str, Any]:
    """Everything that loading does short of a model: open, compare, read and check every number."""
    with open_checkpoint(place) as checkpoint:
        try:
            config = GPT2Config.from_dict(checkpoint.fields or {})
        except (TypeError, ValueError) as error:
            raise CheckpointError(str(error)) from error
        comparison = compare(config, checkpoint, "GPT2LMHeadModel")
        comparison.raise_faults(checkpoint.place, "GPT2LMHeadModel")
        if comparison.tied:
            check_tie(checkpoint)
        values = {}
        for name in comparison.wanted:
            if name not in comparison.new:
                tensor = checkpoint.tensors[name]
                values[name] = np.concatenate(
                    [fit(tensor, block, tensor.dtype) for _, block in tensor.blocks(4096)]
                )
        return values


def refused(place: Path, *words: str) -> str:
    """The message of the refusal of a checkpoint, which must hold all these words."""
    with pytest.raises(CheckpointError) as caught:
        read_all(place)
    message = str(caught.value)
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    return message
