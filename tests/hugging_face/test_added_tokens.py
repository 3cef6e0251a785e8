"""Added tokens: their flags, their ids and where they are found, against tokenizers and transformers 5."""

from __future__ import annotations

import time
import unicodedata
import warnings
from typing import Any

import pytest
import tokenizers
import transformers
from hf_oracle import Kind, assert_same, both, failure, plain, small, small_oracle, theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError, VocabError
from gpt2tok.hugging_face.added_matching import AddedMatcher, _is_word, _space_after

# --- AddedToken ---


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"special": True},
        {"special": True, "normalized": True},
        {"normalized": False, "lstrip": True},
        {"single_word": True, "rstrip": True},
    ],
    ids=str,
)
def test_added_token_is_that_of_tokenizers(flags: dict[str, bool]) -> None:
    ours, oracle = AddedToken("<x>", **flags), tokenizers.AddedToken("<x>", **flags)
    assert repr(ours) == repr(oracle)
    assert str(ours) == str(oracle)
    assert plain(ours) == plain(oracle)
    assert ours.as_dict() == oracle.__getstate__()
    assert AddedToken.of(oracle) == ours
    assert AddedToken.from_dict(ours.as_dict()) == ours
    assert (
        AddedToken(
            "<x>", *(ours.as_dict()[f] for f in ("single_word", "lstrip", "rstrip", "normalized", "special"))
        )
        == ours
    )


def test_added_tokens_compare_by_all_flags_and_are_frozen() -> None:
    assert AddedToken("x") != AddedToken("x", lstrip=True)
    assert AddedToken("x") == AddedToken("x", normalized=True)
    assert len({AddedToken("x"), AddedToken("x", normalized=True)}) == 1
    with pytest.raises(AttributeError):
        AddedToken("x").content = "y"  # type: ignore[misc]


def test_a_token_that_becomes_special_is_normalized_no_more_unless_it_said_so() -> None:
    assert AddedToken.of(AddedToken("x"), special=True).normalized is False
    assert AddedToken.of(AddedToken("x", normalized=True), special=True).normalized is True
    assert AddedToken.of("x", special=True).normalized is False


@pytest.mark.parametrize("wrong", [5, None, b"x", ["x"]])
def test_what_is_no_token(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a token is a str or an AddedToken"):
        AddedToken.of(wrong)
    with pytest.raises(TypeError, match="the content of an added token is a str"):
        AddedToken(wrong)


def test_a_token_must_be_text() -> None:
    with pytest.raises(TokenizerError, match="U\\+DC00 at character 1"):
        AddedToken("x\udc00")
    with pytest.raises(VocabError, match="is no added token"):
        AddedToken.from_dict({"content": 5})
    with pytest.raises(VocabError, match="is no added token"):
        AddedToken.from_dict({"content": "x", "lstrip": "yes"})


# --- adding them ---


@both
def test_adding_gives_the_ids_and_counts_of_transformers(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    steps: list[tuple[Any, bool]] = [
        ("<a>", False),
        (["<a>", "<b>", "<b>", ""], False),
        ([], False),
        ("he", False),
        ([AddedToken("<c>", lstrip=True)], False),
        ([AddedToken("<c>", rstrip=True)], False),
        ([AddedToken("<c>", rstrip=True)], False),
        (["<c>"], True),
        ([AddedToken("<d>", special=True), AddedToken("<e>")], False),
        ([AddedToken("<f>"), AddedToken("<g>", normalized=True)], True),
        (["<|endoftext|>"], True),
        ([" b", "日本"], False),
    ]
    for tokens, special in steps:
        assert ours.add_tokens(tokens, special) == oracle.add_tokens(theirs(tokens), special), tokens
        assert len(ours) == len(oracle)
        assert plain(ours.added_tokens_decoder) == plain(oracle.added_tokens_decoder)
        assert list(ours.added_tokens_decoder) == sorted(oracle.added_tokens_decoder)
    assert ours.added_tokens_encoder == oracle.added_tokens_encoder
    assert ours.get_added_vocab() == oracle.get_added_vocab()
    assert ours.get_vocab() == oracle.get_vocab()
    assert ours.vocab_size == oracle.vocab_size
    text = "x<a> he<c>  <d><e><f> <g> b日本"
    assert_same(ours(text, return_offsets_mapping=True), oracle(text, return_offsets_mapping=True))


@both
def test_tuples_sets_and_foreign_tokens_can_be_added(kind: Kind) -> None:
    # transformers 5 fails at a tuple, though it documents any sequence.
    ours = small(kind)
    assert ours.add_tokens(("<a>", tokenizers.AddedToken("<b>", lstrip=True))) == 2
    assert ours.added_tokens_decoder[758] == AddedToken("<b>", lstrip=True)
    assert ours.add_tokens(AddedToken("<c>")) == 1
    with pytest.raises(TypeError, match="not int"):
        ours.add_tokens(5)
    with pytest.raises(TypeError, match="not int"):
        ours.add_tokens(["<d>", 5])
    assert len(ours) == 760


AGAIN: list[list[tuple[Any, bool]]] = [
    [("<|endoftext|>", False)],
    [([AddedToken("<|endoftext|>", lstrip=True)], False)],
    [("N", True), ("N", False)],
    [("N", True), ([AddedToken("N", normalized=True)], False)],
    [([AddedToken("N", lstrip=True)], True), ([AddedToken("N")], False)],
    [([AddedToken("N", lstrip=True)], True), ([AddedToken("N", rstrip=True)], False)],
    [([AddedToken("N", special=True)], False), ([AddedToken("N")], False)],
    [("N", False), ("N", True), ("N", False)],
    [([AddedToken("N", normalized=False)], False), ("N b", False), ([AddedToken("N")], False)],
]


@both
@pytest.mark.parametrize("steps", AGAIN, ids=range(len(AGAIN)))
def test_a_special_token_that_is_added_again_stays_special(
    kind: Kind, steps: list[tuple[Any, bool]], tmp_path: Any
) -> None:
    ours, oracle = small(kind), small_oracle()
    for tokens, special in steps:
        assert ours.add_tokens(tokens, special) == oracle.add_tokens(theirs(tokens), special)
    assert plain(ours.added_tokens_decoder) == plain(oracle.added_tokens_decoder)
    assert ours.all_special_tokens == oracle.all_special_tokens
    text = "a N b <|endoftext|>c"
    for split in (False, True):
        assert_same(ours(text, split_special_tokens=split), oracle(text, split_special_tokens=split))
    ids = oracle.encode(text)
    skipped = oracle.decode(ids, skip_special_tokens=True)
    assert ours.decode(ids, skip_special_tokens=True) == skipped
    assert ours.batch_decode([ids], skip_special_tokens=True) == [skipped]
    # What was saved is what was there; transformers writes the new flag and forgets the old one.
    ours.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path)
    assert again.decode(ids, skip_special_tokens=True) == skipped
    assert again(text, split_special_tokens=True) == ours(text, split_special_tokens=True)


@both
def test_a_pad_token_that_is_added_again_stays_special(kind: Kind) -> None:
    found = []
    for tokenizer in (small(kind), small_oracle()):
        assert tokenizer.add_special_tokens({"pad_token": "NEWX"}) == 1
        assert tokenizer.add_tokens(["NEWX"]) == 1
        ids = tokenizer.encode("a NEWX b")
        found.append((ids, tokenizer.decode(ids, skip_special_tokens=True)))
    assert found[0] == found[1] == ([64, 220, 757, 275], "a  b")


# --- finding them ---

CASES: list[tuple[AddedToken, list[str]]] = [
    (
        AddedToken("<x>", lstrip=True),
        ["a <x> b", "a \n\t<x>b", "<x>", "  <x>", "<x> <x>", "a\u3000\u0085<x>"],
    ),
    (AddedToken("<x>", rstrip=True), ["a <x> b", "a<x> \n b", "<x>  ", "<x> <x>", "<x>\u2003\x1cb"]),
    (AddedToken("<x>", lstrip=True, rstrip=True), ["a <x> <x> b", "  <x>  ", "a <x>\n\n<x> b"]),
    (
        AddedToken("ab", single_word=True),
        [
            "ab",
            "xab",
            "abx",
            "x ab y",
            "ab,ab",
            "_ab",
            "ab_",
            "1ab",
            "ab٣",
            "éab",
            "ab\u0301",
            "ab\u200d",
            "ab日",
            "ab-ab",
            "Ⓐab",
        ],
    ),
    (AddedToken("ab", single_word=True, lstrip=True, rstrip=True), ["x ab y", " ab ", "x ab", "xab "]),
    (AddedToken("日本"), ["日本語", " 日本 ", "日"]),
    (AddedToken(" b"), ["a b", "a  b", " b"]),
    (AddedToken("\n\n", special=True), ["a\n\n\nb", "\n\n\n\n"]),
]


@both
@pytest.mark.parametrize("prefix", [False, True])
def test_flags_of_one_token(kind: Kind, prefix: bool) -> None:
    for token, cases in CASES:
        ours, oracle = small(kind, add_prefix_space=prefix), small_oracle(add_prefix_space=prefix)
        ours.add_tokens([token])
        oracle.add_tokens([theirs(token)])
        for text in cases:
            for split in (False, True):
                options = {"return_offsets_mapping": True, "split_special_tokens": split}
                assert_same(ours(text, **options), oracle(text, **options))
            assert ours.encode(text) == oracle.encode(text)


tokens_to_add = st.lists(
    st.builds(
        AddedToken,
        st.text(st.sampled_from("ab <\u3000é日"), min_size=1, max_size=3),
        single_word=st.booleans(),
        lstrip=st.booleans(),
        rstrip=st.booleans(),
        normalized=st.none() | st.booleans(),
        special=st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(
    tokens_to_add, st.text(st.sampled_from("ab <\u3000é日_1\n"), max_size=12), st.booleans(), st.booleans()
)
@settings(max_examples=400)
def test_any_added_tokens(tokens: list[AddedToken], text: str, split: bool, prefix: bool) -> None:
    expected = _found_by_tokenizers(tokens, text, split, prefix)
    if expected is None:
        return
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        assert _found(kind, tokens, text, split, prefix) == expected


@pytest.mark.parametrize("kind", [GPT2Tokenizer, GPT2TokenizerFast], ids=["slow", "fast"])
def test_a_token_may_begin_in_white_space_that_another_took(kind: Kind) -> None:
    for tokens, text in [
        ([AddedToken("<", rstrip=True), AddedToken(" b")], "< b"),
        ([AddedToken("<", rstrip=True), AddedToken(" b", lstrip=True)], "<   b"),
        ([AddedToken("<", rstrip=True), AddedToken(" ")], "<  b"),
    ]:
        assert _found(kind, tokens, text, False, False) == _found_by_tokenizers(tokens, text, False, False)


@both
def test_a_token_of_which_nothing_is_left_is_not_found(kind: Kind) -> None:
    """tokenizers panics here ("AddedVocabulary bad split")."""
    tokens = [AddedToken("<", rstrip=True), AddedToken(" ", lstrip=True)]
    assert _found_by_tokenizers(tokens, "<   b", False, False) is None
    found = _found(kind, tokens, "<   b", False, False)
    assert [token for token, _, _ in found] == ["<", "b"]
    assert [span for _, span, _ in found] == [(0, 4), (4, 5)]


Found = list[tuple[str, tuple[int, int], int]]


def _found(kind: Kind, tokens: list[AddedToken], text: str, split: bool, prefix: bool) -> Found:
    """Tokens by name, their characters and their pretoken, as one of ours finds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # é is also how a byte is spelt
        tokenizer = kind(*_BYTES, add_prefix_space=prefix)
        tokenizer.add_tokens(tokens)
    batch = tokenizer(text, return_offsets_mapping=True, split_special_tokens=split)
    assert tokenizer.encode(text, split_special_tokens=split) == batch["input_ids"]
    return list(zip(batch.tokens(), batch["offset_mapping"], batch.word_ids(), strict=True))


def _found_by_tokenizers(tokens: list[AddedToken], text: str, split: bool, prefix: bool) -> Found | None:
    """The same by the tokenizers library, which is quick to build; None if it panics."""
    oracle = tokenizers.Tokenizer(tokenizers.models.BPE(*_BYTES))
    oracle.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    oracle.add_special_tokens(["<|endoftext|>"])
    for token in tokens:  # One by one, as both sides take them; a content may come again with other flags.
        oracle.add_tokens([theirs(token)])
    oracle.encode_special_tokens = split
    if failure(lambda: oracle.encode(text)):
        return None
    found = oracle.encode(text)
    return list(zip([oracle.id_to_token(i) for i in found.ids], found.offsets, found.word_ids, strict=True))


_BYTES: Any = ({**{char: i for i, char in enumerate(tokenizers.pre_tokenizers.ByteLevel.alphabet())}}, [])


def test_many_added_tokens_cost_no_more_than_a_few() -> None:
    matcher = AddedMatcher(enumerate(AddedToken(f"{chr(0x4E00 + i)}{i}") for i in range(20_000)))
    text = "中文" * 20_000 + f"{chr(0x4E05)}5"
    assert matcher.split(text, split_special=False) == [(0, 40_000, None), (40_000, 40_002, 5)]


@pytest.mark.parametrize(
    "flags", [{"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True}, {}], ids=str
)
@pytest.mark.parametrize("kind", [GPT2Tokenizer, GPT2TokenizerFast], ids=["slow", "fast"])
def test_white_space_is_walked_through_once(kind: Kind, flags: dict[str, bool]) -> None:
    """A run of a token that takes white space and is white space took minutes where each walked through all of it."""
    token, few = AddedToken("\n", **flags), 30
    assert _found(kind, [token], "\n" * few, False, False) == _found_by_tokenizers(
        [token], "\n" * few, False, False
    )
    many = 200_000
    start = time.process_time()
    found = _found(kind, [token], "\n" * many, False, False)
    assert time.process_time() - start < 30
    assert len(found) == (1 if len(flags) == 2 else many) and found[-1][1][1] == many


def test_word_characters_and_white_space_are_those_of_the_rust_library() -> None:
    """Every assigned character beside a `single_word` token, and after an `rstrip` token."""
    oracle = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1, "?": 2}, [], unk_token="?"))
    oracle.add_tokens([tokenizers.AddedToken("a", single_word=True), tokenizers.AddedToken("b", rstrip=True)])
    # New in the Rust library's Unicode and not in this interpreter's: unknown here until Python moves on.
    known = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Co", "Cn")]
    wrong = []
    for start in range(0, len(known), 5000):
        block = [c for c in known[start : start + 5000] if c not in "ab"]
        found = oracle.encode_batch(
            [f"a{c}" for c in block] + [f"b{c}" for c in block], add_special_tokens=False
        )
        words, spaces = found[: len(block)], found[len(block) :]
        for c, word, space in zip(block, words, spaces, strict=True):
            # A discarded single_word token leaves one piece of text, so no token of its own over "a".
            is_word = word.word_ids[0] == word.word_ids[-1] and len(word.ids) == 2
            if is_word != _is_word(c) or (space.offsets[0] == (0, 2)) != (_space_after(c, 0) == 1):
                wrong.append(f"U+{ord(c):04X}")
    assert not wrong


def test_single_word_sees_the_same_characters_slow_and_fast() -> None:
    """Every Unicode scalar before and after a `single_word` token; the two tokenizers have a finder each."""
    slow, fast = (small(kind) for kind in (GPT2Tokenizer, GPT2TokenizerFast))
    for tokenizer in (slow, fast):
        tokenizer.add_tokens([AddedToken(text, single_word=True) for text in ("<v>", "<w>")])
    before, after = slow.convert_tokens_to_ids(["<v>", "<w>"])
    scalars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    count = 0
    for start in range(0, len(scalars), 1 << 16):
        chars = scalars[start : start + (1 << 16)]
        rows = fast._engine.ids_of_all([f"{c}<v> <w>{c}" for c in chars], False)
        sees = [(before in row, after in row) for row in rows]
        words = [_is_word(c) for c in chars]
        assert not [
            f"U+{ord(c):04X}" for c, s, w in zip(chars, sees, words, strict=True) if s != (not w, not w)
        ]
        count += len(chars) - sum(words)
        if start < 1 << 17 or start > 0xE0000:
            # The slow finder itself, on one text; elsewhere nothing is assigned, and the lines above are enough.
            text = "".join(f" {c}<v> <w>{c} " for c in chars)
            found = slow._engine._matcher.split(text, split_special=False)
            slow_sees = {(one, first // 11) for first, _, one in found if one is not None}
            assert slow_sees == {
                (one, at) for at, row in enumerate(rows) for one in (before, after) if one in row
            }
    # Most scalars are unassigned and so no word: a finder that takes all or none would be wrong.
    assert 900_000 < count < 1_000_000


@both
def test_an_added_token_decodes_to_its_text(kind: Kind) -> None:
    """Also with letters that the byte alphabet uses, where transformers gives U+FFFD."""
    for content in ("naïve", "日本", "<é>", "x y", "Ġx y", "😀"):
        ours = small(kind)
        ours.add_tokens(content)
        ids = ours.encode(f"a{content}b")
        assert ours.decode(ids) == f"a{content}b"
        assert ours.convert_tokens_to_string(ours.convert_ids_to_tokens(ids)) == f"a{content}b"
        assert ours.batch_decode([ids, ids]) == [f"a{content}b"] * 2
    oracle = small_oracle()
    oracle.add_tokens(["naïve"])
    assert oracle.decode(oracle.encode("anaïveb")) == "ana\ufffdveb"


@both
def test_an_entry_that_spells_other_bytes_is_warned_of(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    for content in ("é", "Ġt"):
        with pytest.warns(UserWarning, match="is also how the vocabulary spells other bytes"):
            assert ours.add_tokens(content) == oracle.add_tokens(content)
        assert ours.encode(f"a{content}b") == oracle.encode(f"a{content}b")
        assert ours.decode(ours.encode(f"a{content}b")) == oracle.decode(oracle.encode(f"a{content}b"))
    assert ours.decode(small(kind).encode("é Ġt")) == "é Ġt"


@both
def test_special_added_tokens_are_skipped(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    for tokenizer in (ours, oracle):
        tokenizer.add_tokens(["<s>"], special_tokens=True)
        tokenizer.add_tokens(["<t>"])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<u>"], "pad_token": "<pad>"})
    ids = oracle.encode("a<s>b<t>c<u>d<pad><|endoftext|>")
    assert ours.encode("a<s>b<t>c<u>d<pad><|endoftext|>") == ids
    for skip in (False, True):
        assert ours.decode(ids, skip_special_tokens=skip) == oracle.decode(ids, skip_special_tokens=skip)
        assert ours.convert_ids_to_tokens(ids, skip) == oracle.convert_ids_to_tokens(ids, skip)


@both
def test_ids_given_by_a_file_are_kept_or_refused(kind: Kind) -> None:
    decoder = {"800": {"content": "<far>", "special": True}, "757": {"content": "<near>", "lstrip": True}}
    ours = small(kind, added_tokens_decoder=decoder)
    assert ours.convert_tokens_to_ids(["<far>", "<near>"]) == [800, 757]
    assert ours.encode("a <near><far>") == [*ours.encode("a"), 757, 800]
    assert ours.decode([757, 800]) == "<near><far>"
    assert len(ours) == 759
    ours.add_tokens("<next>")
    assert ours.convert_tokens_to_ids("<next>") == 801
    for wrong, message in [
        ({5: "<x>"}, "is the id of '&'"),
        ({757: "<x>", "758": "<x>"}, "has id 757 already"),
        ({3: "!"}, "has id 0 already"),
        ({-1: "<x>"}, "negative id"),
        ({"one": "<x>"}, "its keys are ids"),
        ({757: ""}, "is empty"),
    ]:
        with pytest.raises(VocabError, match=message):
            small(kind, added_tokens_decoder=wrong)


def test_transformers_is_the_version_that_this_was_compared_with() -> None:
    assert transformers.__version__.startswith("5.")
