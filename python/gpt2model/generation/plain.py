"""What is generation, without anything that makes it fast? The whole text through the model for every token.

Owns the reference that all other ways are held against: no cache, no prepared weights, no program, the model's
own call. It is also the way that `use_cache=False` asks for. Refuses speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from ..backend import Tensor
from ..bounds import trusted
from .history import NOTHING
from .loop import Given, Plan, State, alive, chosen, empty
from .sizes import padded


def plain_logits(model: Any, ids: np.ndarray[Any, Any], width: int) -> Tensor:
    """The model's logits for the next token, (rows, vocabulary) float32.

    Arguments:
        ids: (rows, n) int32 with `NOTHING` for padding on the left.
        width: columns that the model is called with, so that a call is like the next in shape.
    """
    ids = padded(ids, width)
    real = (ids != NOTHING).astype("int32")
    with trusted():
        output = model(
            ops.convert_to_tensor(np.where(real, ids, 0)),
            attention_mask=ops.convert_to_tensor(real),
            position_ids=ops.convert_to_tensor(np.maximum(real.cumsum(axis=1) - 1, 0)),
            use_cache=False,
            return_dict=True,
            training=False,
        )
    return ops.cast(output["logits"][:, -1], "float32")


def plain_run(model: Any, plan: Plan, given: Given) -> State:
    """`loop.run`, the slow way."""
    ids = np.asarray(ops.convert_to_numpy(given.ids))
    width = ids.shape[1]
    state = empty(plan, given)
    while True:
        new = int(state.new)
        seen = np.asarray(ops.convert_to_numpy(state.ids))[:, : width + new]
        state = chosen(plan, given, state, plain_logits(model, seen, width + plan.room))
        if not bool(alive(given, state)):
            return state
