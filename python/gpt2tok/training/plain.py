"""How are merges learned? The readable answer, in plain Python, that the Rust core is held to.

Owns an implementation of its own, from the text to the list of merges. Refuses to be fast: it looks at every
pretoken for every merge. What it learns is what tokenizers' `BpeTrainer` learns with ByteLevel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from gpt2tok.formats import byte_alphabet
from gpt2tok.hugging_face.slow_bpe import pretoken_pattern

Pair = tuple[str, str]


def count_pretokens(texts: Iterable[str]) -> Counter[str]:
    """How often each pretoken stands in the texts, spelled in the byte alphabet.

    Example:
        >>> count_pretokens(["low low lower"])
        Counter({'Ġlow': 1, 'low': 1, 'Ġlower': 1})
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

    Two habits of tokenizers show where one token can be made in two ways (`ab`+`c` and `a`+`bc`), and are kept: a
    merged pair keeps its count, so that it comes back with more than it has, and it then stands under its last rank.

    Args:
        pretokens: spelled in the byte alphabet, with their counts.
        vocab_size: ids in all.
        special_tokens: these count, and a text that is a special token already gets no second id.
        min_frequency: a pair seen less often is not merged.
        max_token_length: a pair with a learned token in it must be shorter than this to be merged.

    Example:
        >>> learn_merges({"low": 2, "lower": 1, "newest": 2}, 259)
        [('w', 'e'), ('l', 'o'), ('e', 's')]
    """
    ids: dict[str, int] = {}
    for token in [*special_tokens, *sorted(byte_alphabet().values())]:
        ids.setdefault(token, len(ids))
    spelled = [(list(pretoken), count) for pretoken, count in pretokens.items()]
    counts: Counter[Pair] = Counter()
    for tokens, count in spelled:
        for pair in zip(tokens, tokens[1:], strict=False):
            counts[pair] += count
    waiting = set(counts)
    merges: list[Pair] = []
    while len(ids) < vocab_size and waiting:
        best = min(waiting, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
        if counts[best] < max(min_frequency, 1):
            break
        waiting.remove(best)
        product = "".join(best)
        ids.setdefault(product, len(ids))
        merges.append(best)
        changes: Counter[Pair] = Counter()
        gained: set[Pair] = set()

        def gain(pair: Pair, count: int, changes: Counter[Pair] = changes, gained: set[Pair] = gained) -> None:
            if max_token_length is None or len(pair[0]) + len(pair[1]) < max_token_length:
                changes[pair] += count
                gained.add(pair)

        for tokens, count in spelled:
            at = 0
            while at + 1 < len(tokens):
                if (tokens[at], tokens[at + 1]) == best:
                    tokens[at : at + 2] = [product]
                    if at > 0:
                        changes[tokens[at - 1], best[0]] -= count
                        gain((tokens[at - 1], product), count)
                    if at + 1 < len(tokens):
                        changes[best[1], tokens[at + 1]] -= count
                        gain((product, tokens[at + 1]), count)
                at += 1
        counts.update(changes)
        waiting |= {pair for pair in gained if counts[pair] > 0}
    last = {pair: rank for rank, pair in enumerate(merges)}
    return [pair for rank, pair in enumerate(merges) if last[pair] == rank]
