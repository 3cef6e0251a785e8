"""Added tokens in the graph, judged by `GPT2TokenizerFast`: every rule of Hugging Face's, alone and together."""

from __future__ import annotations

import random

import pytest
import tensorflow as tf
from tf_proof_set import strings

from gpt2tok import AddedToken, Encoding, GPT2TokenizerFast, SpecialTokenError
from gpt2tok.tf import TFGPT2Tokenizer
from gpt2tok.tf.added import AddedFinder
from gpt2tok.tf.graph_tables import added_mark

ADDED = [
    AddedToken("<|endoftext|>", special=True),
    AddedToken("<mask>", lstrip=True, special=True),
    AddedToken("<r>", rstrip=True, special=True, normalized=True),
    AddedToken("<both>", lstrip=True, rstrip=True, special=False),
    AddedToken("word", single_word=True, special=False),
    AddedToken("<m", special=False),
    AddedToken("日本", special=True, single_word=True),
    AddedToken("a.b*c\\d", special=False),
]
# White space as a token, or in one: what a neighbour strips may be another token's.
WHITE = [
    AddedToken(" ", lstrip=True, special=False),
    AddedToken("<r>", rstrip=True, special=False),
    AddedToken("\t", special=False),
    AddedToken("a ", rstrip=True, lstrip=True, special=True),
    AddedToken(" b", lstrip=True, single_word=True, special=False),
]
WHITE_TEXTS = [
    "<r> ",
    "<r>   ",
    "<r> \t  x",
    "<r>\t \n ",
    " <r> <r>",
    "a a a ",
    "a  b b",
    "a  bb b",
    "<r> a  <r>",
    "   ",
    "x  b ",
    "<r>\n b",
]
ADDED_TEXTS = [
    "",
    "<mask>",
    "a <mask> b",
    "a  <mask>  <r>  b",
    "x<both>y <both> z",
    "word words a word, sword word",
    "<m <ma <mask",
    "日本 日本語 「日本」",
    "a.b*c\\d aXbc\\d",
    "<|endoftext|><|endoftext|> <|endoftext|>",
    "wordword word<mask>word",
    "<r>\n\n<r> <mask>\u3000<both>",
    " <mask>",
    "<mask> ",
    "a\0<mask>\0b",
    "é\u00a0<mask>\u2003'll",
    "word\u0301 word_ word-word 1word word\u200d",
    "<|endoftext|>" * 30,
    "no tokens here",
]


def fast_with(tokens: list[AddedToken], prefix_space: bool) -> GPT2TokenizerFast:
    fast = GPT2TokenizerFast.from_pretrained("gpt2", add_prefix_space=prefix_space)
    fast.add_tokens([token for token in tokens if not token.special])
    fast.add_tokens([token for token in tokens if token.special], special_tokens=True)
    return fast


@pytest.mark.parametrize(
    ("tokens", "texts", "prefix_space", "split_special"),
    [
        (ADDED, ADDED_TEXTS, False, False),
        (ADDED, ADDED_TEXTS, True, True),
        (WHITE, WHITE_TEXTS, False, False),
    ],
    ids=["plain", "prefix-space-split-special", "white-space"],
)
def test_added_tokens_as_hugging_face_has_them(
    tokens: list[AddedToken], texts: list[str], prefix_space: bool, split_special: bool
) -> None:
    fast = fast_with(tokens, prefix_space)
    layer = TFGPT2Tokenizer.from_tokenizer(fast, split_special_tokens=split_special)
    for group in (texts, texts[-1:], ["no tokens here"]):
        want = fast(group, split_special_tokens=split_special)["input_ids"]
        assert layer(group)["input_ids"].to_list() == want
    ids = layer(texts)["input_ids"]
    assert layer.detokenize(ids).numpy().tolist() == [fast.decode(row).encode() for row in ids.to_list()]
    skipped = [fast.decode(row, skip_special_tokens=True).encode() for row in ids.to_list()]
    assert layer.detokenize(ids, skip_special_tokens=True).numpy().tolist() == skipped


# None is an entry of the vocabulary: an id then tells whether it was found.
CONTENTS = [
    "<α>", "<α", "α>", "αβ", "β", "αβγ", "βγ", "γ", " ", "  ", "\n", " α", "α ", "«", "日本", "_χ", "χ", " <α> ",
    "\u3000", "\u2010", "\u0661", "'β", "\0", "α\0β", "A.b*", "\u0301",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_any_added_tokens(seed: int, gpt2: Encoding) -> None:
    """Tokens and rules by chance. Only the search, in eager mode: tracing a layer for each would take minutes."""
    chance = random.Random(seed)

    def flag() -> bool:
        return chance.random() < 0.35

    tokens = [
        AddedToken(content, flag(), flag(), flag(), normalized=flag(), special=flag())
        for content in chance.sample(CONTENTS, chance.randrange(1, 7))
    ]
    prefix_space, split_special = flag(), flag()
    fast = fast_with(tokens, prefix_space)
    added = fast.added_tokens_decoder
    finder = AddedFinder(
        list(added.values()), split_special=split_special, prefix_space=prefix_space, errors="replace"
    )
    if not finder.makes_marks:
        pytest.skip("no token can be found")
    alphabet = [*(token.content for token in tokens)] * 3 + [
        " ",
        "  ",
        "\t",
        "a",
        "b",
        "_",
        "!",
        "é",
        "x",
        "'s",
    ]
    texts = ["".join(chance.choices(alphabet, k=chance.randrange(12))) for _ in range(150)]

    number = {token_id: place for place, token_id in enumerate(added)}
    want = [
        b"".join(
            added_mark(number[token_id]) if token_id in number else gpt2.decode_bytes([token_id])
            for token_id in row
        )
        for row in fast(texts, split_special_tokens=split_special)["input_ids"]
    ]
    got, count = finder._marked(tf.constant(texts))
    assert got.numpy().tolist() == want
    assert count.numpy() == sum(row.count(b"\xfe") for row in want)


def test_once_special_always_special() -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2", bos_token="hello")
    fast.add_tokens([AddedToken("hello", special=False)])
    for split in (False, True):
        layer = TFGPT2Tokenizer.from_tokenizer(fast, split_special_tokens=split)
        want = fast(["hello hello"], split_special_tokens=split)["input_ids"]
        assert layer(["hello hello"])["input_ids"].to_list() == want
    assert layer.detokenize([31373, 262], skip_special_tokens=True).numpy().decode() == fast.decode(
        [31373, 262], skip_special_tokens=True
    )


def test_thousands_of_added_tokens() -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2")
    fast.add_tokens([f"<extra_{i}>" for i in range(3000)])
    texts = [f"hello<extra_{i}> world <extra_{i * 7 % 3100}>x" for i in range(0, 3000, 5)]
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    assert layer(texts)["input_ids"].to_list() == fast(texts)["input_ids"]


def test_more_added_tokens_than_one_search_holds() -> None:
    chance = random.Random(0)
    tokens = {60_000 + i: "<" + "".join(chance.choices("abcdefghij", k=60)) + ">" for i in range(20_000)}
    with pytest.raises(SpecialTokenError, match="20001 added tokens are too long together"):
        TFGPT2Tokenizer.from_pretrained("gpt2", added_tokens={50_256: "<|endoftext|>", **tokens})


@pytest.mark.parametrize("split_special", [False, True])
def test_broken_bytes_after_the_prefix_space(split_special: bool) -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2", add_prefix_space=True)
    layer = TFGPT2Tokenizer.from_tokenizer(fast, split_special_tokens=split_special)
    broken = [
        b"\xffabc",
        b"\xc3abc",
        b"\x80",
        b"",
        b" \xff",
        b"\xfe",
        b"\xf5",
        b"a\xff<|endoftext|>\xfe",
        b"<|endoftext|>",
    ]
    want = fast([text.decode(errors="replace") for text in broken], split_special_tokens=split_special)
    for group in (slice(None), slice(0, 7), slice(5, 6)):
        assert layer(strings(broken[group]))["input_ids"].to_list() == want["input_ids"][group]


def test_added_tokens_of_the_replacement_character() -> None:
    fast = GPT2TokenizerFast.from_pretrained("gpt2")
    fast.add_tokens([AddedToken("\ufffd", special=False), AddedToken("a\ufffd\ufffdb", special=False)])
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    broken = [b"a\xff\xffb", b"\xc3(", "x\ufffd".encode(), b"q", b"\xf0\x9f\x98"]
    want = fast([text.decode(errors="replace") for text in broken])["input_ids"]
    assert layer(strings(broken))["input_ids"].to_list() == want
    assert [layer(strings([text]))["input_ids"].to_list()[0] for text in broken] == want


def test_broken_bytes_beside_added_tokens(default_layer: TFGPT2Tokenizer, fast: GPT2TokenizerFast) -> None:
    broken = [
        b"\xff<|endoftext|>\xc3",
        b"\xfe\xf5\xf5\xf5\xf5\xf5 <|endoftext|>",
        b"<|endoftext|>",
        b"\xff\xff",
    ]
    want = fast([text.decode(errors="replace") for text in broken])["input_ids"]
    assert default_layer(strings(broken))["input_ids"].to_list() == want
