"""What does a vocabulary of the corpus' own bring? It is learned in a moment, and says more with each token.

Owns the training of the vocabulary and its comparison with GPT-2's. Refuses to save it: it belongs to the model's
checkpoint.
"""

from __future__ import annotations

import gpt2tok
from demo.corpus import Corpus, bytes_of
from demo.shown import check, timed
from gpt2tok.cli.stdout import print_text

SHOWN = 6


def learn(corpus: Corpus, vocab_size: int) -> tuple[gpt2tok.Encoding, bool]:
    """The vocabulary, and whether it gives the held-out text back."""
    encoding, seconds = timed(lambda: gpt2tok.train(corpus.train, vocab_size, show_progress=False))
    size, held_out = bytes_of(corpus.train), bytes_of(corpus.held_out)
    print_text(f"{encoding.n_vocab:,} ids learned from {size / 1e6:.2f} MB in {seconds:.2f} s")
    names = [token for _, token in encoding.token_bytes() if token.strip().isalnum()]
    longest = sorted(names, key=len, reverse=True)[:SHOWN]
    print_text(f"  the longest names: {', '.join(repr(token.decode()) for token in longest)}")
    print_text(f"  bytes per token on {held_out / 1e6:.2f} MB of files that it has not seen:")
    for name, one in (("this vocabulary", encoding), ("GPT-2's", gpt2tok.get_encoding("gpt2"))):
        tokens = sum(one.count_batch(corpus.held_out))
        print_text(f"    {name:<16} {one.n_vocab:>6,} ids   {held_out / tokens:.2f}")
    ids = encoding.encode_ordinary_batch(corpus.held_out)
    claim = f"decode(encode(x)) == x on {held_out / 1e6:.2f} MB"
    return encoding, check(claim, corpus.held_out, encoding.decode_batch(ids), corpus.held_out)
