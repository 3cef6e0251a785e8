"""Is this the tokenizer of this model? By size, and by a hash of all that turns text into ids.

Owns the hash, and both checks: when a generator is exported and when it is loaded. Refuses to guess: a model that
says nothing of its tokenizer is checked by size alone. Loads no framework.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from gpt2tok import VocabError

FIELD = "vocabulary_sha256"  # of a model's config.json, where whoever trained it wrote it there


@final
@dataclass(frozen=True)
class Vocabulary:
    """What tells one tokenizer from another.

    Attributes:
        size: the largest id and one.
        sha256: of the vocabulary, the merges in order, and the added tokens.
    """

    size: int
    sha256: str


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The size and the hash of a tokenizer of this project.

    Args:
        tokenizer: a `GPT2Tokenizer`, `GPT2TokenizerFast` or `TFGPT2Tokenizer`.

    Raises:
        TypeError: it is none.

    Example:
        >>> from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast
        >>> slow, fast = (vocabulary_of(kind.from_pretrained("gpt2")) for kind in (GPT2Tokenizer, GPT2TokenizerFast))
        >>> fast.size, slow == fast
        (50257, True)
    """
    if hasattr(tokenizer, "_given") and hasattr(tokenizer, "detokenize"):  # TFGPT2Tokenizer
        given = tokenizer._given
        vocab, merges, added = given.vocab, given.merges, given.added
    elif all(hasattr(tokenizer, name) for name in ("encoder", "bpe_ranks", "_added")):
        ranks: Mapping[Any, int] = tokenizer.bpe_ranks
        vocab, merges = tokenizer.encoder, sorted(ranks, key=ranks.__getitem__)
        added = tokenizer._added.effective()
    else:
        raise TypeError(
            "tokenizer must be a GPT2TokenizerFast or GPT2Tokenizer of gpt2tok, or a gpt2tok.tf.TFGPT2Tokenizer, not "
            f"{type(tokenizer).__qualname__}: one of transformers comes by its files, GPT2TokenizerFast"
            ".from_pretrained(directory)."
        )
    tokens = {str(token): int(token_id) for token, token_id in vocab.items()}
    extra = {int(token_id): str(token.content) for token_id, token in dict(added).items()}
    told = [
        sorted(tokens.items()),
        [[str(left), str(right)] for left, right in merges],
        sorted(extra.items()),
    ]
    text = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
    return Vocabulary(
        size=1 + max([*tokens.values(), *extra], default=-1), sha256=hashlib.sha256(text.encode()).hexdigest()
    )


def check_fit(vocabulary: Vocabulary, config: Any) -> None:
    """Refuse a tokenizer that is not the model's.

    Args:
        vocabulary: of the tokenizer.
        config: of the model.

    Raises:
        VocabError: it has ids that the model does not, or the model's config.json names another tokenizer's hash.
    """
    if vocabulary.size > config.vocab_size:
        raise VocabError(
            f"the tokenizer has ids up to {vocabulary.size - 1}, but the model's vocab_size is {config.vocab_size}: "
            "give the tokenizer that the model was trained with, or model.resize_token_embeddings"
            f"({vocabulary.size}) and train the new rows"
        )
    said = getattr(config, FIELD, None)
    if isinstance(said, str) and said != vocabulary.sha256:
        raise VocabError(
            f"the model was trained with another tokenizer: its config.json says {FIELD}={said[:16]}..., and this "
            f"tokenizer's is {vocabulary.sha256[:16]}...: give the tokenizer it was trained with"
        )
