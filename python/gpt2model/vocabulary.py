"""Is this the tokenizer of this model? By size, and by a hash of all that turns text into ids.

Owns the hash, and the one check of generating, scoring, exporting, loading and saving. Refuses to guess: a model that
says nothing of its tokenizer is checked by size alone. Loads no framework.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, final
from weakref import WeakKeyDictionary

from gpt2tok import Encoding, VocabError
from gpt2tok.formats import byte_alphabet

FIELD = "vocabulary_sha256"  # of a model's config.json: written by whoever saves a model with its tokenizer

_BYTE_OF = {character: byte for byte, character in byte_alphabet().items()}
Found = TypeVar("Found")


@final
@dataclass(frozen=True)
class Vocabulary:
    """What tells one tokenizer from another.

    Attributes:
        size: the largest id and one.
        sha256: of the bytes of every id, added tokens among them, and of the merges in order; empty where only
            the size is known.
    """

    size: int
    sha256: str = ""


def most_padding(size: int) -> int:
    """How many rows more than it has ids a tokenizer's model may have: tables are padded to round numbers.

    Example:
        >>> most_padding(300), 50257 + most_padding(50257) >= 51200
        (127, True)
    """
    return max(127, size // 50)


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The size and the hash of a tokenizer of this project.

    Args:
        tokenizer: an `Encoding`, `GPT2Tokenizer`, `GPT2TokenizerFast` or `TFGPT2Tokenizer`.

    Raises:
        TypeError: it is none.

    Example:
        >>> from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, get_encoding
        >>> slow, fast = (vocabulary_of(kind.from_pretrained("gpt2")) for kind in (GPT2Tokenizer, GPT2TokenizerFast))
        >>> fast.size, slow == fast == vocabulary_of(get_encoding("gpt2"))
        (50257, True)
    """
    if isinstance(tokenizer, Encoding):
        return _of_encoding(tokenizer)
    if hasattr(tokenizer, "_given") and hasattr(tokenizer, "detokenize"):  # TFGPT2Tokenizer
        given = tokenizer._given
        return _hashed(_entries(given.vocab, given.added), _spelt(given.merges))
    if all(hasattr(tokenizer, name) for name in ("encoder", "bpe_ranks", "_added")):
        return _kept(_HASHED, tokenizer, _of_tokenizer)
    raise TypeError(
        "tokenizer must be a GPT2TokenizerFast or GPT2Tokenizer of gpt2tok, or a gpt2tok.tf.TFGPT2Tokenizer, not "
        f"{type(tokenizer).__qualname__}: one of transformers comes by its files, GPT2TokenizerFast"
        ".from_pretrained(directory)."
    )


def check_fit(vocabulary: Vocabulary, vocab_size: int, said: str | None = None) -> None:
    """Refuse a tokenizer that is not the model's.

    Args:
        vocabulary: of the tokenizer.
        vocab_size: of the model.
        said: the hash that the model's configuration says, or None. Of the tokenizer it names a model may have any
            number of rows more; of another `most_padding`.

    Raises:
        VocabError: it has ids that the model does not, or too few for its rows, or another hash.

    Example:
        >>> check_fit(Vocabulary(50257), 50304)
    """
    size, sha256 = vocabulary.size, vocabulary.sha256
    if size > vocab_size:
        raise VocabError(
            f"the tokenizer has {size} ids, and the model knows {vocab_size}: give the tokenizer that the model was"
            f" trained with, or model.resize_token_embeddings({size}) and train the new rows"
        )
    if said is not None and sha256:
        if said != sha256:
            raise VocabError(
                f"the model was trained with another tokenizer: its config.json says {FIELD}={said[:16]}..., and this"
                f" tokenizer's is {sha256[:16]}...: give the tokenizer it was trained with, or, where this is that one"
                f" with tokens added, set model.config.{FIELD} to None"
            )
    elif vocab_size - size > most_padding(size):
        raise VocabError(
            f"the tokenizer has {size} ids, and the model knows {vocab_size}, more than are left over when a table is"
            f" padded ({most_padding(size)}): give the tokenizer that the model was trained with; where it is this one,"
            " model.save_pretrained(directory, tokenizer=tokenizer) says so for good"
        )


def fitted(tokenizer: Any, config: Any) -> int | None:
    """How many ids the tokenizer of a model has; None for one that does not say.

    Args:
        tokenizer: one of this project's, of transformers' or tiktoken's, or any with `encode` and `decode`.
        config: of the model.

    Raises:
        VocabError: it is not the model's; see `check_fit`.
    """
    said = getattr(config, FIELD, None)
    try:
        found = vocabulary_of(tokenizer) if said is not None else None
    except TypeError:  # another library's: by its size
        found = None
    if found is None:
        size = _kept(_SIZED, tokenizer, _size_of)
        if size is None:
            return None
        found = Vocabulary(size)
    check_fit(found, config.vocab_size, said)
    return found.size


# By tokenizer, with the length it had: tokens may be added to one.
_HASHED: WeakKeyDictionary[Any, tuple[int | None, Vocabulary]] = WeakKeyDictionary()
_SIZED: WeakKeyDictionary[Any, tuple[int | None, int | None]] = WeakKeyDictionary()


def _kept(
    kept: WeakKeyDictionary[Any, tuple[int | None, Found]], tokenizer: Any, find: Callable[[Any], Found]
) -> Found:
    """What was found of a tokenizer the last time, while it is as long as it was."""
    length = _length(tokenizer)
    try:
        before = kept.get(tokenizer)
    except TypeError:  # nothing that can be kept
        return find(tokenizer)
    if before is None or before[0] != length:
        kept[tokenizer] = before = length, find(tokenizer)
    return before[1]


def _length(tokenizer: Any) -> int | None:
    try:
        return len(tokenizer)
    except TypeError:
        return None


def _size_of(tokenizer: Any) -> int | None:
    if isinstance(getattr(tokenizer, "n_vocab", None), int):
        return int(tokenizer.n_vocab)
    if callable(getattr(tokenizer, "get_vocab", None)):  # ids may have gaps
        return 1 + max(tokenizer.get_vocab().values(), default=-1)
    return _length(tokenizer)


@lru_cache(maxsize=4)  # an Encoding does not change, and no weak reference can be had of it
def _of_encoding(encoding: Encoding) -> Vocabulary:
    entries = dict(encoding.token_bytes()) | {
        number: text.encode() for text, number in encoding.special_tokens.items()
    }
    return _hashed(entries, encoding.merges())


def _of_tokenizer(tokenizer: Any) -> Vocabulary:
    ranks: Mapping[Any, int] = tokenizer.bpe_ranks
    merges = sorted(ranks, key=ranks.__getitem__)
    return _hashed(_entries(tokenizer.encoder, dict(tokenizer._added.effective())), _spelt(merges))


def _entries(vocab: Mapping[str, int], added: Mapping[int, Any]) -> dict[int, bytes]:
    return {int(number): _bytes(token) for token, number in vocab.items()} | {
        int(number): str(token.content).encode("utf-8", "surrogatepass") for number, token in added.items()
    }


def _spelt(merges: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(_bytes(left), _bytes(right)) for left, right in merges]


def _bytes(token: str) -> bytes:
    """What a token of the byte alphabet stands for; of any other its UTF-8."""
    try:
        return bytes([_BYTE_OF[character] for character in token])
    except KeyError:
        return token.encode("utf-8", "surrogatepass")


def _hashed(entries: Mapping[int, bytes], merges: Iterable[tuple[bytes, bytes]]) -> Vocabulary:
    told = [
        [[number, entries[number].hex()] for number in sorted(entries)],
        [[left.hex(), right.hex()] for left, right in merges],
    ]
    digest = hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
    return Vocabulary(size=1 + max(entries, default=-1), sha256=digest)
