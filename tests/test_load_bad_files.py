"""Loading bad files: every way a vocabulary is refused, with what was wrong, where, and how to mend it.

Owns each variant of the core's `VocabError`. Paths, types and sizes are `test_load_bad_arguments.py`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers

from bad_vocabularies import (
    BASE,
    BYTE_LEVEL,
    END,
    RANKS,
    VOCAB,
    added,
    in_memory,
    merges_txt,
    tiktoken_file,
    tokenizer_json,
    vocab_json,
    with_options,
)
from gpt2tok import Encoding, VocabError

ROOT = Path(__file__).parents[1]
WHOLE = {"model": {"vocab": VOCAB, "merges": []}, "pre_tokenizer": BYTE_LEVEL}

# variant of the core's VocabError -> (how to raise it, what the message says) ...
REFUSED: dict[str, list[tuple[Callable[[Path], Encoding], str]]] = {
    "NotUtf8": [
        (vocab_json(b'{"a\xff": 1}'), r"vocab\.json is not UTF-8: invalid byte at offset 3; save"),
        (vocab_json('{"a": 1}'.encode("utf-16")), r"vocab\.json is not UTF-8: invalid byte at offset 0"),
        (merges_txt(b"a b\n\xe4\xb8 c"), r"merges\.txt is not UTF-8: invalid byte at offset 4"),
        (tokenizer_json(b"{\x80}"), r"tokenizer\.json is not UTF-8: invalid byte at offset 1"),
        (
            tiktoken_file(RANKS.encode() + b"\xff 256"),
            rf"\.tiktoken file is not UTF-8: invalid byte at offset {len(RANKS)}",
        ),
    ],
    "Json": [
        (vocab_json(""), r"at line 1, column 0; is the file truncated"),
        (vocab_json("{"), r"EOF while parsing an object at line 1, column 1"),
        (vocab_json(json.dumps(VOCAB)[:-9]), r"EOF .* at line 1, column \d{4}; is the file truncated"),
        (vocab_json(json.dumps(VOCAB, indent=1)[:-30]), r"EOF .* at line 25\d, column"),
        (vocab_json([1]), r"expected an object from token to id"),
        (vocab_json("null"), r"expected an object from token to id"),
        (vocab_json({"a": 1.5}), r"token \"a\": .*floating point `1\.5`.* at line 1, column 10"),
        (vocab_json({"a": "1"}), r"string \"1\".* at line 1"),
        (vocab_json({"a": None}), r"null.* at line 1"),
        (vocab_json({"a": True}), r"boolean `true`.* at line 1"),
        (vocab_json({"a": [1]}), r"sequence.* at line 1"),
        (vocab_json(json.dumps(VOCAB) + "x"), r"trailing characters at line 1"),
        (vocab_json('{"a": 99999999999999999999999}'), r"at line 1, column 30"),
        (vocab_json('{"a": %s}' % ("9" * 400_000)), r"number out of range at line 1"),
        (vocab_json('{"a": 1e999}'), r"number out of range at line 1"),
        (vocab_json('{"\\ud800": 1}'), r"hex escape at line 1"),
        (vocab_json("\0\0\0\0"), r"at line 1, column 1"),
        (vocab_json("[" * 500_000), r"expected an object"),
        (vocab_json('{"a":' * 200_000), r"map.* at line 1"),
        (tokenizer_json('{"model": {'), r"not the JSON of a tokenizer\.json: EOF"),
        (tokenizer_json({"model": {"vocab": {}}}), r"missing field `merges`"),
        (tokenizer_json({"model": {"merges": []}}), r"missing field `vocab`"),
        (tokenizer_json(model={"merges": [["a", "b", "c"]]}), r"line 1"),
        (tokenizer_json(model={"merges": [5]}), r"line 1"),
        (tokenizer_json(model={"vocab": {"a": 1.5}}), r"line 1"),
        (tokenizer_json(model={"dropout": "much"}), r"line 1"),
        (tokenizer_json(added_tokens=[{"content": "x"}]), r"missing field `id` at line 1"),
        (
            tokenizer_json(added_tokens=[{"id": 258, "content": "x", "normalized": "x"}]),
            r"expected a boolean at line 1",
        ),
        (tokenizer_json(added_tokens=[{"id": -1, "content": "x"}]), r"-1.* at line 1"),
        (tokenizer_json(added_tokens=[{"id": 2**40, "content": "x"}]), rf"{2**40}.* at line 1"),
        (tokenizer_json('{"normalizer": ' + "[" * 500_000), r"recursion limit exceeded at line 1"),
        (tokenizer_json('{"comment": ' + "[" * 500_000), r"(EOF|recursion limit).* at line 1"),
        (tokenizer_json('{"comment": ' + '{"a":' * 200_000), r"(EOF|recursion limit).* at line 1"),
        (
            tokenizer_json('{"model": {"merges": ' + "[" * 500_000),
            r"(EOF|recursion limit|did not match).* at line 1",
        ),
        (tokenizer_json('{"model": {"comment": ' + "[" * 500_000), r"(EOF|recursion limit).* at line 1"),
    ],
    "Unsupported": [
        (tokenizer_json(model={"type": "WordPiece"}), r'model\.type is "WordPiece", but .* needs "BPE"; use'),
        (
            tokenizer_json(decoder={"type": "WordPiece"}),
            r'decoder is of type "WordPiece", .* needs ByteLevel or null',
        ),
        (tokenizer_json(model={"dropout": 0.1}), r"model\.dropout is 0\.1, .* needs null or 0"),
        (
            tokenizer_json(model={"continuing_subword_prefix": "##"}),
            r'model\.continuing_subword_prefix is "##"',
        ),
        (tokenizer_json(model={"end_of_word_suffix": "</w>"}), r'model\.end_of_word_suffix is "</w>"'),
        (tokenizer_json(model={"byte_fallback": True}), r"model\.byte_fallback is true"),
        (tokenizer_json(normalizer={"type": "NFC"}), r'normalizer is of type "NFC", .* needs null'),
        (tokenizer_json(pre_tokenizer=None), r"pre_tokenizer is null, .* needs ByteLevel with use_regex"),
        (tokenizer_json(pre_tokenizer={"type": "Whitespace"}), r'pre_tokenizer is of type "Whitespace"'),
        (
            tokenizer_json(pre_tokenizer={**BYTE_LEVEL, "use_regex": False}),
            r"pre_tokenizer is .* needs ByteLevel with use_regex",
        ),
        (
            tokenizer_json(
                pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Digits"}, BYTE_LEVEL]}
            ),
            r"pre_tokenizer is",
        ),
        (tokenizer_json(pre_tokenizer={"type": "Sequence", "pretokenizers": []}), r"pre_tokenizer is"),
        (tokenizer_json(pre_tokenizer={"type": ["ByteLevel"]}), r"pre_tokenizer is"),
    ],
    "NotTokenizerJson": [
        (tokenizer_json("[]"), r"no tokenizer\.json: it holds a list, not an object; give the file that"),
        (tokenizer_json("5"), r"it holds a single value, not an object"),
        (tokenizer_json("{}"), r'it has no "model" object; give the file that the tokenizers library saves'),
        (tokenizer_json({"model": [5]}), r'it has no "model" object'),
        (
            tokenizer_json(VOCAB),
            r"it is a vocab\.json; load it with its merges\.txt, by Encoding\.from_files\(",
        ),
    ],
    "AddedFlag": [
        (
            tokenizer_json(added_tokens=[{"id": 258, "content": "<x>", flag: True}]),
            rf'added token "<x>" has {flag}, .* GPT2TokenizerFast\(tokenizer_file=',
        )
        for flag in ("lstrip", "rstrip", "single_word")
    ],
    "AddedId": [
        (
            tokenizer_json(added_tokens=added((300, "<x>"))),
            r'"<x>" says it has id 300, .* give it 258; write that',
        ),
        (tokenizer_json(added_tokens=added((258, "<x>"), (260, "<y>"))), r'"<y>" .* 260, .* give it 259'),
        (tokenizer_json(added_tokens=added((300, "ab"))), r'"ab" says it has id 300, .* give it 256'),
    ],
    "DuplicateToken": [
        (vocab_json('{"a": 1, "b": 2, "a": 3}'), r'token "a" stands twice, with ids 1 and 3; remove'),
        (
            tokenizer_json(json.dumps(WHOLE).replace('"ab"', '"abc"')),
            r'"abc" stands twice, with ids 256 and 257',
        ),
        (tiktoken_file(RANKS + "YWI= 256\nYWI= 300\n"), r'token "ab" stands twice, with ids 256 and 300'),
        (
            tokenizer_json(added_tokens=added((300, "<x>"), (301, "<x>"))),
            r'"<x>" stands twice, with ids 300 and 301',
        ),
    ],
    "DuplicateId": [
        (vocab_json({**VOCAB, "b": 97}), r'id 97 is given to both "a" and "b"; every token needs'),
        (in_memory({**VOCAB, "ab": 5}), r"id 5 is given to both .* and \"ab\""),
        (tiktoken_file(RANKS + "YWI= 97\n"), r'id 97 is given to both "a" and "ab"'),
        (with_options(special_tokens={"<x>": 256}), r'id 256 is given to both "ab" and "<x>"'),
        (
            with_options(special_tokens={"<x>": 300, "<y>": 300}),
            r'id 300 is given to both "<[xy]>" and "<[xy]>"',
        ),
        (tokenizer_json(added_tokens=added((256, "<x>"))), r'id 256 is given to both "ab" and "<x>"'),
        (tiktoken_file(RANKS, special_tokens={"<x>": 97}), r'id 97 is given to both "a" and "<x>"'),
    ],
    "IdOutOfRange": [
        (
            vocab_json({**BASE, "ab": -1}),
            r'token "ab" has id -1, but ids must be whole numbers below 16777216',
        ),
        (vocab_json({**BASE, "ab": 2**24}), r'token "ab" has id 16777216, but'),
        (vocab_json({**BASE, "ab": 2**63 - 1}), r'token "ab" has id 9223372036854775807, but'),
        (in_memory({**BASE, "ab": 2**24}), r'token "ab" has id 16777216, but'),
        (in_memory({**BASE, "ab": -(2**63)}), r'token "ab" has id -9223372036854775808, but'),
        (in_memory({**BASE, "ab": 2**70}), rf'token "ab" has id {2**70}, but'),
        (with_options(special_tokens={"<x>": -3}), r'token "<x>" has id -3, but'),
        (with_options(special_tokens={"<x>": 2**24}), r'token "<x>" has id 16777216, but'),
        (tiktoken_file(RANKS + f"YWI= {2**24}"), r'token "ab" has id 16777216, but'),
        (tiktoken_file(RANKS, special_tokens={"<x>": 2**64}), rf'token "<x>" has id {2**64}, but'),
        (tokenizer_json(added_tokens=added((2**24, "<x>"))), r'token "<x>" has id 16777216, but'),
    ],
    "EmptyToken": [
        (vocab_json({**VOCAB, "": 300}), r"the token with id 300 is empty; remove it"),
        (tiktoken_file(RANKS + " 256\n"), r"the token with id 256 is empty"),
    ],
    "MissingBytes": [
        (
            vocab_json({"a": 0, "b": 1, "ab": 2}),
            r"254 of the 256 byte tokens are missing: 0x00 \('\u0100'\), .*\.\.\.; add them .* or name an unk_token",
        ),
        (
            vocab_json({token: number for token, number in VOCAB.items() if token != "z"}),
            r"1 of the 256 byte tokens are missing: 0x7a \('z'\);",
        ),
        (tiktoken_file(""), r"256 of the 256 byte tokens are missing"),
        (in_memory({}), r"256 of the 256 byte tokens are missing"),
    ],
    "MergeSyntax": [
        (
            merges_txt("#version: 0.2\na b\nab"),
            r'merges line 3 is "ab", but a merge is two tokens with one space between; mend or remove',
        ),
        (merges_txt("a  b"), r'merges line 1 is "a  b"'),
        (merges_txt("a b\n\nab c"), r'merges line 2 is ""'),
        (merges_txt("a b c"), r'merges line 1 is "a b c"'),
        (merges_txt(" b"), r'merges line 1 is " b"'),
        (merges_txt("a b\r\na "), r'merges line 2 is "a "'),
        (merges_txt("a\tb"), r'merges line 1 is "a\\tb"'),
        (merges_txt("a\u2003b"), r"merges line 1 is"),
        (merges_txt("a" * 1_000_000), r'merges line 1 is "a{80}"'),
        (tokenizer_json(model={"merges": ["a b", "ab"]}), r'merges line 2 is "ab"'),
    ],
    "MergeUnknownToken": [
        (
            merges_txt("a b\nab zz"),
            r'merges line 2 names "zz", which the vocabulary lacks; are the two files of one model\?',
        ),
        (merges_txt("#version: 0.2\nb a"), r'merges line 2 names "ba"'),
        (merges_txt("a b\n#version: 0.2\n"), r'merges line 2 names "#version:"'),
        (tokenizer_json(model={"merges": [["a", "b"], ["b", "c"]]}), r'merges line 2 names "bc"'),
        (in_memory(VOCAB, [("a", "")]), r'merges line 1 names ""'),
    ],
    "DuplicateMerge": [
        (
            merges_txt("#version: 0.2\na b\nab c\na b"),
            r'merges line 4 repeats the merge of "a" and "b" on line 2; remove',
        ),
        (
            tokenizer_json(model={"merges": [["a", "b"], ["a", "b"]]}),
            r'merges line 2 repeats the merge of "a" and "b" on line 1',
        ),
    ],
    "TiktokenLine": [
        (tiktoken_file(RANKS + "YWI=\n"), r"line 257 of the \.tiktoken file: there is no space; a line is"),
        (tiktoken_file(RANKS + "YWI=\t256\n"), r"line 257 .*: there is no space"),
        (tiktoken_file(RANKS + "YWI 256\n"), r"line 257 .*: the token is not base64: .*padding"),
        (tiktoken_file(RANKS + "\n!! 256\n"), r"line 258 .*: the token is not base64"),
        (tiktoken_file(RANKS + "YWI= x\n"), r'line 257 .*: the rank "x" is not a whole number'),
        (tiktoken_file(RANKS + "YWI= -1\n"), r'line 257 .*: the rank "-1"'),
        (tiktoken_file(RANKS + "YWI= 256 \n"), r'line 257 .*: the rank "256 "'),
        (tiktoken_file(RANKS + "YWI= 99999999999\n"), r'line 257 .*: the rank "99999999999"'),
        (tiktoken_file(b"\0" * 5000), r"line 1 .*: there is no space"),
        (tiktoken_file("x" * 3_000_000), r"line 1 .*: there is no space"),
    ],
    "UnknownSpecial": [
        (
            with_options(special_tokens=["<x>"]),
            r'special token "<x>" is not in the vocabulary; give its id as well',
        ),
        (
            with_options(special_tokens=[END, "ab"]),
            re.escape(f'special token "{END}" is not in the vocabulary'),
        ),
    ],
    "EmptySpecial": [
        (with_options(special_tokens={"": 300}), r"a special token is empty; name at least one character"),
        (tiktoken_file(RANKS, special_tokens={"": 300}), r"a special token is empty"),
        (tokenizer_json(added_tokens=added((300, ""))), r"a special token is empty"),
    ],
    "UnknownUnk": [
        (with_options(unk_token="<unk>"), r'unk_token "<unk>" is not in the vocabulary; add it'),
        (tokenizer_json(model={"unk_token": "<unk>"}), r'unk_token "<unk>" is not in the vocabulary'),
    ],
    "UnkMerges": [
        (
            tokenizer_json(
                model={"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]], "unk_token": "a"}
            ),
            r'unk_token "a" also stands in merge 1, so an unknown byte could merge; use a token of its own',
        ),
    ],
    "TokenTooLong": [
        (
            vocab_json({**BASE, "a" * 70_000: 256, "ab": 257}),
            r"the token with id 256 is 70000 bytes long, more than the \d+ that a token may have",
        ),
    ],
}

CASES = [(variant, number) for variant, cases in REFUSED.items() for number in range(len(cases))]


@pytest.mark.parametrize("variant, number", CASES)
def test_mistakes_in_a_vocabulary_are_named(tmp_path: Path, variant: str, number: int) -> None:
    load, message = REFUSED[variant][number]
    with pytest.raises(VocabError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert re.search(message, text), text
    assert len(text) < 600, "a message is no dump of the file"
    assert text.isprintable()


def test_ids_of_added_tokens_are_those_that_tokenizers_gives() -> None:
    for stated, given in (
        ([(300, "<x>")], [258]),
        ([(258, "<x>"), (260, "<y>")], [258, 259]),
        ([(300, "ab")], [256]),
    ):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        tokens = [{**token, **flags} for token in added(*stated)]
        theirs = tokenizers.Tokenizer.from_str(
            json.dumps({**WHOLE, "model": {**WHOLE["model"], "type": "BPE"}, "added_tokens": tokens})
        )
        assert [theirs.token_to_id(token) for _, token in stated] == given


def test_every_variant_of_the_core_s_error_is_raised_here() -> None:
    source = ROOT / "rust" / "core" / "src" / "vocab" / "error.rs"
    if not source.exists():
        pytest.skip("the Rust sources are not here")
    body = source.read_text("utf-8").split("pub enum VocabError")[1].split("\n}")[0]
    variants = set(re.findall(r"^    ([A-Z]\w+)(?: \{|,)", body, re.MULTILINE))
    # A gigabyte of tokens is too much for a test; a file of that size is in `test_a_file_of_gigabytes`.
    assert variants - {"TooLarge"} == set(REFUSED)


@pytest.mark.parametrize(
    "variant",
    [
        "DuplicateToken",
        "MissingBytes",
        "MergeUnknownToken",
        "DuplicateMerge",
        "EmptyToken",
        "MergeSyntax",
        "Json",
    ],
)
def test_the_message_names_the_file(tmp_path: Path, variant: str) -> None:
    """A program loads many files: which one is it?"""
    load = REFUSED[variant][0][0]
    with pytest.raises(VocabError, match=re.escape(str(tmp_path))):
        load(tmp_path)
