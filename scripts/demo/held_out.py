"""How well is text foreseen that was not learned from? In bits per byte, which no vocabulary can flatter.

Owns the cutting of token ids into windows, the bytes that a window's tokens stand for, and the simplest forecast to
compare with: how common a token is. Refuses to know a model: it takes what a model's loss says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gpt2tok

Ids = Any  # int32 arrays; NumPy is loaded with the model only


def stream(encoding: gpt2tok.Encoding, texts: list[str]) -> Ids:
    """All texts as ids (tokens,), each begun by the end of the one before it."""
    import numpy as np

    rows = encoding.encode_ordinary_batch(texts)
    return np.concatenate([np.array([encoding.eot_token, *row], "int32") for row in rows])


def byte_lengths(encoding: gpt2tok.Encoding) -> Ids:
    """Bytes of every token (n_vocab,); 0 of the end of text, which stands for none."""
    import numpy as np

    lengths = np.zeros(encoding.n_vocab, "int64")
    for token_id, token in encoding.token_bytes():
        if token_id != encoding.eot_token:
            lengths[token_id] = len(token)
    return lengths


@dataclass(frozen=True)
class HeldOut:
    """Windows of text to be foreseen, each token from those before it in its window.

    Args:
        windows: (rows, n_positions) ids. A window begins with the last token of the one before, so that every token
            is foreseen once.
        byte_count: what the foreseen tokens stand for.
    """

    windows: Ids
    byte_count: int

    @property
    def tokens(self) -> int:
        """How many are foreseen."""
        return int(self.windows[:, 1:].size)

    def bits_per_byte(self, loss: float) -> float:
        """Of a loss in nats per token."""
        return loss * self.tokens / math.log(2) / self.byte_count


def cut(ids: Ids, lengths: Ids, positions: int, rows_in_batch: int, most_rows: int | None = None) -> HeldOut:
    """Windows of a stream, in whole batches; of `most_rows`, evenly from the whole stream.

    Args:
        ids: (tokens,).
        lengths: `byte_lengths`.
        positions: of a window.
        rows_in_batch: the number of windows is a multiple of it: another would be another program to compile.
        most_rows: None takes all.
    """
    import numpy as np

    rows = (len(ids) - 1) // (positions - 1)
    taken = min(rows, most_rows or rows) // rows_in_batch * rows_in_batch
    if not taken:
        raise ValueError(
            f"{len(ids)} tokens are less than a batch of {rows_in_batch} x {positions}: take more text"
        )
    starts = np.arange(taken) * (rows // taken) * (positions - 1)
    windows = ids[starts[:, None] + np.arange(positions)]
    return HeldOut(windows, int(lengths[windows[:, 1:]].sum()))


def unigram_loss(learned_from: Ids, held_out: HeldOut, vocab_size: int) -> float:
    """Nats per token of the forecast that knows how common each token is, and nothing else."""
    import numpy as np

    counts = np.bincount(learned_from, minlength=vocab_size) + 1  # nothing is impossible
    surprise = -np.log(counts / counts.sum())
    return float(surprise[held_out.windows[:, 1:]].mean())
