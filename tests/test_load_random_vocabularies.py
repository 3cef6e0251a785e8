"""Thousands of small vocabularies made by chance, each loaded every way and judged by tokenizers and tiktoken.

Owns that loading and merging are exact for vocabularies that are not GPT-2's. By-hand cases are `test_load.py`'s.
"""

from __future__ import annotations

import itertools
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import Encoding, VocabError
from small_vocabularies import BYTES, Small, small_vocabularies, trained


def judge(ours: Encoding, right: Any, texts: list[str], what: object) -> None:
    for text in texts:
        ids = ours.encode_ordinary(text)
        assert ids == right(text), (text, what)
        assert ours.count(text) == len(ids)


@settings(max_examples=1500)
@given(small=small_vocabularies(), seed=st.integers(0, 10**6))
def test_merge_lists_are_read_as_tokenizers_reads_them(small: Small, seed: int) -> None:
    oracle = small.by_tokenizers()
    ours = small.loaded()
    texts = small.texts(seed, 20)
    judge(ours, lambda text: oracle.encode(text).ids, texts, small.merges)
    assert [ours.decode(ours.encode_ordinary(text)) for text in texts] == texts
    assert ours.merges() == small.merges
    assert {token: number for number, token in ours.token_bytes()} == small.ids
    if seed % 4 == 0:
        judge(pickle.loads(pickle.dumps(ours)), lambda text: oracle.encode(text).ids, texts, small.merges)


@settings(max_examples=600)
@given(small=small_vocabularies(), seed=st.integers(0, 10**6))
def test_ranks_are_read_as_tiktoken_reads_them(tmp_path_factory: Any, small: Small, seed: int) -> None:
    """Ids as ranks, whatever the merges were: most of these vocabularies hold tokens that merging does not reach."""
    path: Path = tmp_path_factory.getbasetemp() / "random.tiktoken"
    path.write_bytes(small.tiktoken_file())
    oracle = small.by_tiktoken()
    ours = Encoding.from_tiktoken(path)
    texts = small.texts(seed, 20)
    judge(ours, oracle.encode_ordinary, texts, small.ids)
    for token, number in small.ids.items():
        if len(token) > 1:
            assert ours.encode_single_token(token) == number
    if seed % 4 == 0:
        judge(pickle.loads(pickle.dumps(ours)), oracle.encode_ordinary, texts, small.ids)


@settings(max_examples=400)
@given(small=small_vocabularies(), seed=st.integers(0, 10**6), ignore_merges=st.booleans())
def test_tokenizer_json_is_read_as_tokenizers_reads_it(
    tmp_path_factory: Any, small: Small, seed: int, ignore_merges: bool
) -> None:
    small = Small(small.ids, small.merges, small.characters, model={"ignore_merges": ignore_merges})
    path: Path = tmp_path_factory.getbasetemp() / "random.json"
    oracle = small.by_tokenizers()
    oracle.save(str(path))
    judge(
        Encoding.from_tokenizer_json(path), lambda text: oracle.encode(text).ids, small.texts(seed, 20), small
    )


@settings(max_examples=400)
@given(
    small=small_vocabularies(),
    kept=st.integers(0, 9),
    model=st.fixed_dictionaries({"fuse_unk": st.booleans(), "ignore_merges": st.booleans()}),
    unknown=st.sampled_from([b"<unk>", b"?", b"a", None]),
    seed=st.integers(0, 10**6),
)
def test_unknown_tokens_are_tokenizers_or_refused(  # noqa: PLR0917 - Hypothesis' arguments
    tmp_path_factory: Any, small: Small, kept: int, model: dict[str, Any], unknown: bytes | None, seed: int
) -> None:
    """A vocabulary without all bytes. What cannot be done exactly may be refused, never done otherwise."""
    known = {bytes([byte]) for byte in [*small.characters.encode()][: kept + 1]}
    ids = {token: number for token, number in small.ids.items() if len(token) > 1 or token in known}
    merges = [pair for pair in small.merges if pair[0] in ids and pair[1] in ids and pair[0] + pair[1] in ids]
    if unknown is not None:
        ids.setdefault(unknown, 5000)
    small = Small(ids, merges, small.characters + "x?", unknown, model)
    path: Path = tmp_path_factory.getbasetemp() / "unknown.json"
    oracle = small.by_tokenizers()
    oracle.save(str(path))
    try:
        ours = Encoding.from_tokenizer_json(path)
    except VocabError as error:
        if unknown is None:  # tokenizers drops bytes then, which no tokenizer should
            assert "are missing" in str(error)
        else:
            merging = {part for left, right in merges for part in (left, right, left + right)}
            assert ("unk_token" in str(error) and unknown in merging) or (
                "fuse_unk" in str(error) and model["fuse_unk"]
            )
        return
    judge(ours, lambda text: oracle.encode(text).ids, small.texts(seed, 20), small)


@pytest.mark.parametrize("count", [3, 20, 200, 1000])
@pytest.mark.parametrize(
    "letters", ["ab", "abc", "etaoin", "\u0430\u0431\u0432", "0123456789", "\u7684\u4e00\u662f\u4e0d"]
)
def test_trained_vocabularies(tmp_path: Path, letters: str, count: int) -> None:
    """Proper vocabularies: their long pretokens take the linear method, and both formats say the same."""
    generator = random.Random(f"{letters}{count}")
    words = ["".join(generator.choices(letters, k=generator.randint(1, 12))) for _ in range(30)]
    small = trained(" ".join(generator.choices(words, k=300)), count)
    texts = small.texts(1, 300) + ["".join(generator.choices(words, k=20)) for _ in range(100)]
    texts += ["".join(generator.choices(letters, k=k)) for k in range(1, 150)]
    by_tokenizers, by_tiktoken = small.by_tokenizers(), small.by_tiktoken()
    judge(small.loaded(), lambda text: by_tokenizers.encode(text).ids, texts, small.merges)
    path = tmp_path / "trained.tiktoken"
    path.write_bytes(small.tiktoken_file())
    ranks = Encoding.from_tiktoken(path)
    judge(ranks, by_tiktoken.encode_ordinary, texts, small.merges)
    assert ranks.merges() == small.merges, "the ranks of a trained vocabulary say its merges"


def test_every_text_of_two_letters_under_every_small_merge_list() -> None:
    """All lists of up to three merges over a, b; all texts of up to 8 letters, and long ones."""
    letters = [b"a", b"b"]
    texts = ["".join(text) for length in range(1, 9) for text in itertools.product("ab", repeat=length)]
    texts += [(text * 40)[: 33 + len(text)] for text in texts if len(text) > 6 and text[0] == "a"]
    joined = " ".join(texts)  # one call: every text is a pretoken of its own
    count = 0
    for merges in merge_lists(letters, 3):
        products = dict.fromkeys(left + right for left, right in merges)
        ids = {token: number for number, token in enumerate([*BYTES, *products])}
        small = Small(ids, list(merges), "ab")
        assert small.loaded().encode_ordinary(joined) == small.by_tokenizers().encode(joined).ids, merges
        count += 1
    assert count > 100


def merge_lists(letters: list[bytes], most: int) -> list[tuple[tuple[bytes, bytes], ...]]:
    lists: list[tuple[tuple[bytes, bytes], ...]] = [()]
    for done in lists:
        if len(done) == most:
            continue
        tokens = [*letters, *dict.fromkeys(left + right for left, right in done)]
        lists += [(*done, pair) for pair in itertools.product(tokens, repeat=2) if pair not in done]
    return lists
