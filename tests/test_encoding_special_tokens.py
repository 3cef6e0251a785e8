"""Special tokens in `Encoding.encode`: tiktoken's rules, judged by tiktoken; overlaps, judged by tokenizers.

Owns which special tokens are found, refused or left as text. What is wrong with a rule is
`test_encoding_bad_input.py`'s.
"""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from gpt2tok import Encoding, SpecialTokenError

# No name begins another (there tiktoken takes whichever comes first in a hash table), but they overlap otherwise:
# one ends as another begins, one stands inside another, one holds white space, one is letters only.
SPECIAL = {
    "<|endoftext|>": 50256,
    "<|a|>": 50300,
    "|><|b|>": 50301,
    "x y": 50302,
    "\u00e9\U0001f600": 50303,
    "|a|": 50304,
    "qq": 50305,
    "\n": 50306,
    "q\u4e2d": 50307,
}
RULES: list[Any] = ["all", (), {"<|a|>"}, ["x y", "qq", "|a|"], {"|><|b|>": 0}, frozenset(SPECIAL)]
PIECES = [
    *SPECIAL,
    "<|",
    "a",
    "|>",
    "<|b|>",
    "|",
    "x",
    " y",
    "\u00e9",
    "\U0001f600",
    "q",
    " ",
    "'s",
    "\u4e2d",
    "\n",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: Any, gpt2: Encoding) -> tuple[Encoding, tiktoken.Encoding]:
    """The same ranks and special tokens, read by both."""
    from tiktoken_ext.openai_public import r50k_pat_str

    path: Path = tmp_path_factory.mktemp("special") / "gpt2.tiktoken"
    ranks = {token: rank for rank, token in gpt2.token_bytes()}
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for token, rank in ranks.items()))
    theirs = tiktoken.Encoding("special", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=SPECIAL)
    return Encoding.from_tiktoken(path, special_tokens=SPECIAL), theirs


@settings(max_examples=1200)
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12),
    allowed=st.sampled_from(RULES),
    disallowed=st.sampled_from(RULES),
)
def test_every_rule_is_tiktoken_s(
    pair: tuple[Encoding, tiktoken.Encoding], pieces: list[str], allowed: Any, disallowed: Any
) -> None:
    ours, theirs = pair
    text = "".join(pieces)
    sets = {"allowed_special": named(allowed), "disallowed_special": named(disallowed)}
    rules = {"allowed_special": allowed, "disallowed_special": disallowed}
    try:
        right = theirs.encode(text, **sets)
    except ValueError:
        for refuse in (ours.encode, ours.count, ours.encode_to_numpy, ours.encode_with_offsets):
            with pytest.raises(SpecialTokenError, match="the text holds the special token"):
                refuse(text, **rules)
        for refuse in (ours.encode_batch, ours.count_batch, ours.encode_ragged):
            with pytest.raises(SpecialTokenError, match=r"^texts\[1\]: the text holds the special token"):
                refuse(["ok", text], **rules)
        return
    assert ours.encode(text, **rules) == right
    assert ours.encode(text.encode(), **rules) == right
    assert ours.encode_to_numpy(text, **rules).tolist() == right
    assert ours.count(text, **rules) == len(right)
    assert ours.encode_batch([text, text], **rules) == [right, right]
    assert ours.count_batch([text], **rules) == [len(right)]
    assert ours.encode_ragged([text], **rules)[0].tolist() == right
    assert ours.encode_with_offsets(text, **rules)[0] == right
    assert ours.decode(right) == text == theirs.decode(right)


def named(rule: Any) -> Any:
    return rule if rule == "all" else set(rule)


def test_the_rules_refuse_and_allow_often_enough(pair: tuple[Encoding, tiktoken.Encoding]) -> None:
    """Every pair of rules on every special token alone: the test above must not hold for want of cases."""
    ours, theirs = pair
    allowed_count = refused_count = plain_count = 0
    for allowed, disallowed, name in itertools.product(RULES, RULES, SPECIAL):
        try:
            right = theirs.encode(name, allowed_special=named(allowed), disallowed_special=named(disallowed))
        except ValueError:
            refused_count += 1
            with pytest.raises(SpecialTokenError):
                ours.encode(name, allowed_special=allowed, disallowed_special=disallowed)
            continue
        assert ours.encode(name, allowed_special=allowed, disallowed_special=disallowed) == right
        allowed_count += right == [SPECIAL[name]]
        plain_count += right != [SPECIAL[name]]
    assert min(allowed_count, refused_count, plain_count) > 25


def test_ordinary_encoding_knows_no_special_tokens(pair: tuple[Encoding, tiktoken.Encoding]) -> None:
    ours, theirs = pair
    text = "".join(PIECES) * 2
    right = theirs.encode_ordinary(text)
    assert ours.encode_ordinary(text) == right
    assert ours.encode_ordinary_batch([text]) == [right]
    assert not set(right) & set(SPECIAL.values())


def test_names_and_ids(pair: tuple[Encoding, tiktoken.Encoding], gpt2: Encoding, tiktoken_gpt2: Any) -> None:
    for ours, theirs in (pair, (gpt2, tiktoken_gpt2)):
        assert ours.special_tokens_set == theirs.special_tokens_set
        assert ours.eot_token == theirs.eot_token == 50256
        assert ours.n_vocab == theirs.n_vocab
        assert ours.max_token_value == theirs.max_token_value
        for name, number in ours.special_tokens.items():
            # A name that is an ordinary token as well ("qq") is that token first, as in tiktoken.
            assert ours.encode_single_token(name) == theirs.encode_single_token(name)
            assert ours.encode_single_token(name.encode()) == theirs.encode_single_token(name.encode())
            assert ours.decode_single_token_bytes(number) == name.encode()
    assert pair[0].special_tokens == SPECIAL
    specials = set(SPECIAL.values())
    assert all(number not in specials for number, _ in pair[0].token_bytes()), (
        "the base vocabulary holds none"
    )
    changed = pair[0].special_tokens_set
    changed.add("mine")
    assert "mine" not in pair[0].special_tokens_set, "the caller gets a copy"


def test_the_leftmost_then_the_longest_name_counts_as_in_tokenizers(tmp_path: Path) -> None:
    """Names that begin one another: tokenizers' rule, since tiktoken's depends on a hash table."""
    names = ["<a>", "<a><b>", "<a><b><c>", "<b>", "<b><c", "aa", "aaa", "\u4e2d", "\u4e2d\u6587"]
    alphabet = sorted(ByteLevel.alphabet())
    vocab = {symbol: number for number, symbol in enumerate(alphabet)}
    oracle = tokenizers.Tokenizer(BPE(vocab, []))
    oracle.pre_tokenizer = ByteLevel(add_prefix_space=False)
    oracle.add_special_tokens([tokenizers.AddedToken(name, normalized=False, special=True) for name in names])
    path = tmp_path / "tokenizer.json"
    oracle.save(str(path))
    ours = Encoding.from_tokenizer_json(path)
    assert ours.special_tokens_set == set(names)
    pieces = ["<a>", "<b>", "<c", ">", "a", "\u4e2d", "\u6587", "<", " ", "<a><b><c>"]
    for length in range(5):
        for text in map("".join, itertools.product(pieces, repeat=length)):
            assert ours.encode(text, allowed_special="all") == oracle.encode(text).ids, text


def test_a_byte_may_be_a_special_token_as_in_tokenizers(tmp_path: Path) -> None:
    """Then the text "a" is found as the special token or encoded as the byte, with the same id either way."""
    vocab = {symbol: number for number, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    oracle = tokenizers.Tokenizer(BPE({**vocab, "ab": 256, "abab": 257}, [("a", "b"), ("ab", "ab")]))
    oracle.pre_tokenizer = ByteLevel(add_prefix_space=False)
    plain = oracle.to_str()
    oracle.add_special_tokens(["a", "ab"])
    path = tmp_path / "tokenizer.json"
    oracle.save(str(path))
    ours = Encoding.from_tokenizer_json(path)
    for text in ("abab", "ba ab", "aaab\n"):
        assert ours.encode(text, allowed_special="all") == oracle.encode(text).ids
        assert ours.encode_ordinary(text) == tokenizers.Tokenizer.from_str(plain).encode(text).ids
