"""Which position speaks for a sequence? The last one that is no padding, whichever side the padding is on.

Owns the choice. Refuses batches in which it cannot be made.
"""

from __future__ import annotations

import warnings

from keras import ops

from .backend import Tensor, sides
from .bounds import signed
from .config import GPT2Config


def last_token(config: GPT2Config, hidden: Tensor, input_ids: Tensor | None) -> Tensor:
    """Each row's hidden state at its last token that is no padding.

    Arguments:
        hidden: (batch, positions, n_embd).
        input_ids: (batch, positions); None when embeddings came, whose padding nobody can tell.

    Returns:
        (batch, n_embd).

    Raises:
        ValueError: more axes than a row has, or several rows and no padding that the configuration names.
    """
    if len(hidden.shape) != 3:
        raise ValueError(f"The input must be one text a row, (batch, positions), not {sides(hidden)[:-1]}.")
    if config.pad_token_id is None and hidden.shape[0] != 1:
        raise ValueError(
            "Rows of a batch may end at different places, and the configuration has no pad_token_id to tell where: "
            "set model.config.pad_token_id (often the tokenizer's eos_token_id), or pass one row at a time."
        )
    if config.pad_token_id is None:
        return hidden[:, -1]
    if input_ids is None:
        warnings.warn("inputs_embeds tell no padding: the last position speaks for each row.", stacklevel=2)
        return hidden[:, -1]
    places = ops.arange(ops.shape(input_ids)[1], dtype="int32")
    # In a type of eight bits JAX would take the padding id for another one.
    counts = ops.cast(ops.not_equal(signed(input_ids), config.pad_token_id), "int32")
    place = ops.max(places * counts, axis=-1)  # (batch,): the rightmost, 0 for a row of padding alone
    return ops.squeeze(ops.take_along_axis(hidden, place[:, None, None], axis=1), 1)
