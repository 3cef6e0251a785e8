"""What does transformers 5 say? The oracle of the tests of the Hugging Face surface, and texts to ask it
about.

Owns the building of both sides from one vocabulary, without any download, and the comparison of everything
that a call gives back. A small vocabulary (the bytes and GPT-2's first merges) keeps tests quick that change
a tokenizer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import tokenizers
import transformers
from hypothesis import strategies as st

from gpt2tok import AddedToken, BatchEncoding, GPT2Tokenizer, GPT2TokenizerFast
from gpt2tok._core import gpt2_vocabulary

transformers.logging.set_verbosity_error()

Tokenizer = GPT2Tokenizer | GPT2TokenizerFast
Kind = type[GPT2Tokenizer] | type[GPT2TokenizerFast]


both = pytest.mark.parametrize("kind", [GPT2Tokenizer, GPT2TokenizerFast], ids=["slow", "fast"])

TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "a",
    " a",
    "Hello world",
    "  Hello   world  ",
    "Hello,world!It's we're they'll I'd I'm you've 'tis 'S 'LL 'Tis",
    "a\n\nb\r\n\tc \n d\u00a0\u00a0e\u2003 f\u3000g\u0085h",
    "\x00\x01\x1c\x1f\x7f\x80 \x1c \x1d a\x00b",
    "123 4567 ½ ² Ⅷ ٣٤ ०१",
    "naïve café e\u0301 Å \u212b ﬁ",
    "日本語のテキスト、「中文」 한국어 ภาษาไทย עברית العربية हिन्दी",
    "👨\u200d👩\u200d👧 🏳️\u200d🌈 👍🏽 🤷‍♀️ x🙂y",
    "<|endoftext|>",
    "a<|endoftext|>b",
    "a <|endoftext|> b <|endoftext|><|endoftext|>",
    "<|endoftext|",
    "def f(x):\n    return {'a': [1, 2.5e-3]}  # ok\n",
    "\U0001f469\U000e0067\ufeff\ufffd\u202e",
    "x" * 300,
    " " * 70 + "y" + "\n" * 40,
    "l'été — “quoted” … №5 €100 100%",
]
WORDS = [[], ["Hello", "world"], ["Hello", " world", "", "日本", "a<|endoftext|>b"], ["", ""], ["  x ", "'s"]]

# Characters whose classes meet in awkward ways, and bits of special tokens.
texts = st.text(
    st.one_of(
        st.sampled_from(
            "  \n\t'sdlvretmaAéß日本語1½٣\u00a0\u0085\u2003\x1c\x00\u0301\u200d👨🏽<|>endoftext_.,!"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
) | st.lists(
    st.sampled_from(
        ["<|endoftext|>", " ", "  ", "\n", "Hello", " world", "'s", "'ll", "日本", "é", "1", "<", "\u3000"]
    ),
    max_size=12,
).map("".join)


@cache
def gpt2_files() -> tuple[dict[str, int], list[tuple[str, str]]]:
    return gpt2_vocabulary()


@cache
def small_files() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Every byte, GPT-2's first 500 merges, and the special token."""
    vocab, merges = gpt2_files()
    kept = {token: token_id for token, token_id in vocab.items() if token_id < 756}
    return {**kept, "<|endoftext|>": 756}, merges[:500]


@cache
def gpt2_oracle() -> Any:
    """transformers' GPT-2 tokenizer with the whole vocabulary. Shared: do not change it."""
    vocab, merges = gpt2_files()
    return transformers.GPT2TokenizerFast(dict(vocab), list(merges), pad_token="<|endoftext|>")


@cache
def gpt2(kind: Kind) -> Tokenizer:
    """Ours with the whole vocabulary and the oracle's settings. Shared: do not change it."""
    return kind(pad_token="<|endoftext|>")


def small_oracle(**arguments: Any) -> Any:
    """A new transformers tokenizer over the small vocabulary."""
    vocab, merges = small_files()
    return transformers.GPT2TokenizerFast(dict(vocab), list(merges), **theirs(arguments))


def small(kind: Kind, **arguments: Any) -> Tokenizer:
    """One of ours over the small vocabulary."""
    vocab, merges = small_files()
    return kind(dict(vocab), list(merges), **arguments)


@cache
def kept(make: Callable[..., Any], **arguments: Any) -> Any:
    """What `small` or `small_oracle` makes of these arguments, made once. Shared: put back what you change."""
    return make(**arguments)


def theirs(value: Any) -> Any:
    """Our AddedTokens, wherever they stand, as those of tokenizers."""
    if isinstance(value, AddedToken):
        flags = value.as_dict()
        if value._normalized_follows:
            del flags["normalized"]
        return tokenizers.AddedToken(**flags)
    if isinstance(value, dict):
        return {key: theirs(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(theirs(item) for item in value)
    return value


def plain(value: Any) -> Any:
    """Arrays as lists, AddedTokens as dicts, so that both sides can be compared."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "single_word"):
        return {
            name: getattr(value, name)
            for name in ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
        }
    return value


def details(batch: Any) -> list[dict[str, Any]]:
    """Everything that a BatchEncoding of either side knows of its rows."""
    return [
        {
            "ids": row.ids,
            "type_ids": row.type_ids,
            "tokens": row.tokens,
            "offsets": row.offsets,
            "word_ids": row.word_ids,
            "sequence_ids": row.sequence_ids,
            "special_tokens_mask": row.special_tokens_mask,
            "attention_mask": row.attention_mask,
            "n_sequences": row.n_sequences,
        }
        for row in batch.encodings
    ]


def assert_same(ours: BatchEncoding, oracle: Any) -> None:
    """Features, their order, and the details of every row are equal."""
    assert list(ours) == list(oracle)
    assert plain(dict(ours)) == plain(dict(oracle))
    assert ours.n_sequences == oracle.n_sequences
    known, expected = details(ours), details(oracle)
    for mine, its in zip(known, expected, strict=True):
        its["tokens"] = named(its["tokens"], mine["tokens"])
    assert known == expected


def named(theirs_: list[str], ours: list[str]) -> list[str]:
    """transformers names an added token by the text it took, stripped white space included; here by its
    content.
    """
    return [mine if mine.strip() == its.strip() else its for its, mine in zip(theirs_, ours, strict=True)]


def same_call(tokenizer: Tokenizer, oracle: Any, *args: Any, **kwargs: Any) -> None:
    """Both sides give the same for the same call."""
    assert_same(tokenizer(*args, **kwargs), oracle(*args, **kwargs))


def failure(call: Callable[[], Any]) -> str | None:
    """What a call of the oracle fails with, if it does; a panic of its Rust code is no Exception."""
    try:
        call()
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return f"{type(error).__name__}: {error}"
    return None
