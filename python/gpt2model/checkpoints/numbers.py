"""Are these numbers fit to be weights? Finite, and small enough for the type they go into.

Owns the check and the conversion that every block of a tensor passes on its way into a model or a file, and
the comparison of a language-model head with the token table it is tied to. Refuses frameworks.
"""

from __future__ import annotations

import numpy as np

from ..errors import CheckpointError
from .comparing import LM_HEAD, TOKEN_TABLE
from .tensors import BLOCK_BYTES, DTYPES, Array, Checkpoint, Tensor


def fit(tensor: Tensor, block: Array, dtype: str) -> Array:
    """A block of a tensor in an element type, all of it finite.

    Arguments:
        tensor: named in messages.
        block: some of its rows.
        dtype: a key of `DTYPES`.

    Returns:
        The block itself where it has that type.

    Raises:
        CheckpointError: NaN or infinite numbers, or numbers that become infinite in that type.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # Found and named below.
        value = block.astype(DTYPES[dtype], copy=False)
        # The sum is not finite where a number is not, and unlike isfinite it needs no memory. It can overflow
        # by itself: then the slow way decides.
        total = value.sum(dtype=np.float64 if value.dtype.itemsize == 8 else np.float32)
    if np.isfinite(total) or bool(np.isfinite(value).all()):
        return value
    finite = np.isfinite(block)
    if bool(finite.all()):
        raise CheckpointError(
            f"{tensor.source}: it holds numbers too large for {dtype}:"
            f" take {'float64' if dtype in ('float32', 'bfloat16') else 'float32 or bfloat16'} instead"
        )
    count, first = int(finite.size - finite.sum()), block.flat[int(np.argmin(finite))]
    raise CheckpointError(
        f"{tensor.source}: {count} of its numbers are not finite (the first is {first}): training"
        " diverged or the file is"
        " damaged; use another checkpoint"
    )


def check_tie(checkpoint: Checkpoint) -> None:
    """Nothing when the language-model head in a checkpoint is the token table, as tying means.

    Raises:
        CheckpointError: it is not.
    """
    head, table = checkpoint.tensors[LM_HEAD], checkpoint.tensors[TOKEN_TABLE]
    same = head.shape == table.shape and head.dtype in DTYPES
    if same:
        kind = "float64" if "float64" in (head.dtype, table.dtype) else "float32"
        step = max(1, BLOCK_BYTES // (head.nbytes // head.shape[0] or 1))
        if head.whole or table.whole:
            step = head.shape[0]
        for start in range(0, head.shape[0], step):
            stop = min(head.shape[0], start + step)
            ours, theirs = head.rows(start, stop), table.rows(start, stop)
            same = same and np.array_equal(fit(head, ours, kind), fit(table, theirs, kind))
    if not same:
        raise CheckpointError(
            f"{checkpoint.place}: the configuration ties the language-model head to the token"
            f" embeddings, and {LM_HEAD} differs"
            f" from {TOKEN_TABLE}: set tie_word_embeddings to false to use both"
        )
