"""How are merges learned? The readable answer, in plain Python, that the Rust core is held to.

Owns an implementation of its own, from the text to the list of merges. Refuses to be fast: it looks at every
pretoken for every merge. What it learns is what tokenizers' `BpeTrainer` learns with ByteLevel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from gpt2tok.formats import byte_alphabet
from gpt2tok.hugging_face.slow_bpe import pretoken_pattern

Pair = tuple[str, str]


def count_pretokens(texts: Iterable[str]) -> Counter[str]:
    """How often each pretoken stands in the texts, spelled in the byte alphabet.

    Example:
        >>> count_pretokens(["low low lower"])
        Counter({'low': 1, 'Ġlow': 1, 'Ġlower': 1})
    """
    alphabet = byte_alphabet()
    found = Counter(pretoken for text in texts for pretoken in pretoken_pattern().findall(text))
    return Counter(
        {"".join(alphabet[byte] for byte in pretoken.encode()): n for pretoken, n in found.items()}
    )


def learn_merges(
    pretokens: Mapping[str, int],
    vocab_size: int,
    special_tokens: Iterable[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
) -> list[Pair]:
    """The merges that these pretokens teach, in rank order.

    In each step the most frequent pair of neighbours is merged wherever it stands. Of equally frequent pairs the
    one with the smaller ids goes first: special tokens have the first ids, then the bytes in the order of their
    characters, then the products as they are made.

    Args:
        pretokens: spelled in the byte alphabet, with their counts.
        vocab_size: ids in all.
        special_tokens: these count, and a text that is a special token already gets no second id.
        min_frequency: a pair seen less often is not merged.
        max_token_length: tokens of three bytes and more stay shorter than this.

    Example:
        >>> learn_merges({"low": 2, "lower": 1, "newest": 2}, 259)
        [('l', 'o'), ('w', 'e'), ('e', 'we')]
    """
    ids: dict[str, int] = {}
    for token in [*special_tokens, *sorted(byte_alphabet().values())]:
        ids.setdefault(token, len(ids))
    spelled = [(list(pretoken), count) for pretoken, count in pretokens.items()]
    merges: list[Pair] = []
    while len(ids) < vocab_size:
        counts: Counter[Pair] = Counter()
        for tokens, count in spelled:
            for pair in pairwise(tokens):
                length = len(pair[0]) + len(pair[1])
                if length == 2 or max_token_length is None or length < max_token_length:
                    counts[pair] += count
        best = min(counts, key=lambda p: (-counts[p], ids[p[0]], ids[p[1]]), default=None)
        if best is None or counts[best] < min_frequency:
            break
        merges.append(best)
        product = "".join(best)
        ids.setdefault(product, len(ids))
        for tokens, _ in spelled:
            at = 0
            while at + 1 < len(tokens):
                if (tokens[at], tokens[at + 1]) == best:
                    tokens[at : at + 2] = [product]
                at += 1
    return merges
