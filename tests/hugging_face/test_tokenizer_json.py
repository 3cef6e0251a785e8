"""`tokenizer.json` of other makers: what loads as they made it, and what is refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hf_files import TEXT, by_tokenizers, write
from hf_oracle import TEXTS, Kind, both, small
from hf_refusals import KINDS, check

from gpt2tok import VocabError


@both
@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("spare", [False, True])
def test_trimmed_offsets(kind: Kind, prefix: bool, spare: bool, tmp_path: Path) -> None:
    processor = tokenizers.processors.ByteLevel(trim_offsets=True, add_prefix_space=spare)
    oracle = by_tokenizers(tmp_path / "tokenizer.json", prefix=prefix, post_processor=processor)
    loaded = kind.from_pretrained(tmp_path)
    assert loaded.add_prefix_space is prefix
    for text in TEXTS:
        assert loaded(text, return_offsets_mapping=True)["offset_mapping"] == oracle.encode(text).offsets, (
            text
        )
    words = ["Hello", " world", "  x "]
    expected = oracle.encode(words, is_pretokenized=True).offsets
    assert loaded(words, is_split_into_words=True, return_offsets_mapping=True)["offset_mapping"] == expected
    loaded.save_pretrained(tmp_path / "again")
    again = kind.from_pretrained(tmp_path / "again")
    raw = tokenizers.Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    for text in TEXTS:
        assert (
            again(text, return_offsets_mapping=True)["offset_mapping"]
            == raw.encode(text).offsets
            == oracle.encode(text).offsets
        )


@both
def test_a_tokenizer_of_tokenizers_can_be_taken_over(kind: Kind, tmp_path: Path) -> None:
    made = by_tokenizers(tmp_path / "tokenizer.json", prefix=True)
    made.add_tokens([tokenizers.AddedToken("<user>", lstrip=True)])
    taken = kind(tokenizer_object=made)
    for text in (*TEXTS, TEXT):
        assert taken(text, return_offsets_mapping=True)["offset_mapping"] == made.encode(text).offsets
        assert taken.encode(text) == made.encode(text).ids


@both
def test_padding_and_truncation_of_a_file_are_defaults(kind: Kind, tmp_path: Path) -> None:
    made = by_tokenizers(tmp_path / "tokenizer.json")
    made.enable_padding(direction="left", pad_token="<|endoftext|>", pad_id=756)
    made.enable_truncation(5, direction="left")
    made.save(str(tmp_path / "tokenizer.json"))
    loaded = kind.from_pretrained(tmp_path)
    assert (loaded.padding_side, loaded.truncation_side, loaded.pad_token) == (
        "left",
        "left",
        "<|endoftext|>",
    )
    assert loaded("a b c d e f g")["input_ids"] == small(kind).encode("a b c d e f g")


TEMPLATE = {"type": "TemplateProcessing", "pair": [], "special_tokens": {}}
BYTE_LEVEL = {"type": "ByteLevel"}


def template(*single: Any, **special: Any) -> dict[str, Any]:
    return {"post_processor": {**TEMPLATE, "single": list(single), "special_tokens": special}}


def model(**change: Any) -> dict[str, Any]:
    return {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], **change}, "added_tokens": []}


# A change of a good file, and the place, the trouble and the mend that the message must name.
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"normalizer": {"type": "NFC"}},
        "there is a normalizer, .*; load this file with the tokenizers library",
    ),
    ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer is Whitespace, but .*; load this file with"),
    ({"pre_tokenizer": None}, "pre_tokenizer is nothing, but GPT-2's is ByteLevel"),
    ({"pre_tokenizer": 5}, "pre_tokenizer is int, not a JSON object: is this a tokenizer's file"),
    ({"pre_tokenizer": {"type": "Sequence"}}, "pre_tokenizer.pretokenizers is missing, not a list"),
    (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [5]}},
        r"pretokenizers\[0\] is int, not a JSON object",
    ),
    (
        {"pre_tokenizer": {**BYTE_LEVEL, "use_regex": False}},
        "use_regex is false, but .*; load this file with",
    ),
    (
        {"pre_tokenizer": {**BYTE_LEVEL, "use_regex": "no"}},
        "pre_tokenizer.use_regex is 'no': it must be true or false",
    ),
    (
        {"pre_tokenizer": {**BYTE_LEVEL, "add_prefix_space": 5}},
        "pre_tokenizer.add_prefix_space is 5: it must be true",
    ),
    (
        {"decoder": {"type": "WordPiece"}},
        "decoder is 'WordPiece', but GPT-2's is ByteLevel; load this file with",
    ),
    (
        {"post_processor": {"type": "RobertaProcessing"}},
        "post_processor is RobertaProcessing, but .*; load this file",
    ),
    (
        {"post_processor": {**BYTE_LEVEL, "trim_offsets": 0}},
        "post_processor.trim_offsets is 0: it must be true or false",
    ),
    (
        template({"What": 1}),
        r"post_processor.single\[0\] is \{'What': 1\}, which is no place of a template: it must be",
    ),
    (template({"Sequence": {"id": "C", "type_id": 0}}), r"single\[0\] is .*'C'.* no place of a template"),
    (
        template({"SpecialToken": {"id": "<s>", "type_id": 0}}),
        r"single\[0\] is .*'<s>'.* no place of a template",
    ),
    (
        template(
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, **{"<s>": {"ids": [True], "tokens": ["<s>"]}}
        ),
        r"single\[0\] is .*no place of a template",
    ),
    (
        template(
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, **{"<s>": {"ids": [9999], "tokens": ["<s>"]}}
        ),
        "post_processor puts in the id 9999, which no token has: add that token",
    ),
    ({"post_processor": {**TEMPLATE, "single": 5}}, "post_processor.single is int, not a list: is this"),
    (
        {"post_processor": {**TEMPLATE, "special_tokens": [1]}},
        "post_processor.special_tokens is list, not a JSON",
    ),
    (
        {"model": None},
        'this is no tokenizer.json: it has no "model" object; give the file that the tokenizers',
    ),
    (
        {"model": {"type": "WordPiece"}},
        "model.type is 'WordPiece', but must be BPE: this is another kind of tokenizer",
    ),
    (model(vocab=None), "model.vocab is missing, not a JSON object"),
    (model(vocab=[["a", 0]]), "model.vocab is list, not a JSON object"),
    (
        model(vocab={"a": "0"}),
        r"model.vocab\['a'\] is '0', but an id is a whole number: write it without quotes",
    ),
    (
        model(vocab={"a": 1.5}),
        r"model.vocab\['a'\] is 1.5, but an id is a whole number: give each token its id",
    ),
    (model(vocab={"a": True}), r"model.vocab\['a'\] is True, but an id is a whole number"),
    (model(vocab={"a": None}), r"model.vocab\['a'\] is None, but an id is a whole number"),
    (model(vocab={"a": -1}), 'token "a" has id -1, .*; renumber'),
    (
        model(vocab={"a": 10**30}),
        r"model.vocab\['a'\] is 10{30}, far from any id of a vocabulary: renumber|renumber",
    ),
    (model(vocab={"a": 0, "b": 0}), 'id 0 is given to both "a" and "b"; every token needs'),
    (model(vocab={"": 0}), "is empty; remove it"),
    (
        model(vocab={"a\ud800": 0}),
        r"a key of model.vocab, 'a\\ud800', is not valid Unicode: lone surrogate U\+D800 at",
    ),
    (model(merges=5), "model.merges is int, not a list"),
    (model(merges=None), "model.merges is missing, not a list"),
    (
        model(merges=["a"]),
        r"model.merges\[0\] is 'a', but a merge is two tokens with one space between: mend or remove",
    ),
    (model(merges=[["a", "a"], ["a", 5]]), r"model.merges\[1\] is \['a', 5\], but a merge is a pair of str"),
    (model(merges=[["a", "\udc00"]]), r"model.merges\[0\], '\\udc00', is not valid Unicode"),
    (model(merges=[["a", "x"]]), "x"),
    (model(dropout=0.1), "model.dropout is 0.1, which .*; load this file with the tokenizers library"),
    (
        model(ignore_merges=True),
        "model.ignore_merges is True, .* with Encoding.from_tokenizer_json or the tokenizers",
    ),
    (
        model(byte_fallback=True),
        "model.byte_fallback is True, which .*; load this file with the tokenizers library",
    ),
    (model(unk_token=5), "model.unk_token is 5: it must be a token's text or null"),
    (
        {"added_tokens": [{"content": "<x>"}]},
        r"added_tokens\[0\] has the id None: each needs a whole number of its own",
    ),
    (
        {"added_tokens": [{"id": "5", "content": "<x>"}]},
        r"added_tokens\[0\] has the id '5': each needs a whole number",
    ),
    ({"added_tokens": [{"id": True, "content": "<x>"}]}, r"added_tokens\[0\] has the id True: each needs"),
    ({"added_tokens": [{"id": 800, "content": "x"}] * 2}, r"added_tokens\[1\] has the id 800: each needs"),
    ({"added_tokens": [{"id": 0, "content": "<x>"}]}, "is the id of '!': correct one of them"),
    ({"added_tokens": [{"id": -1, "content": "<x>"}]}, "has the negative id -1: ids count from 0"),
    ({"added_tokens": [{"id": 1 << 30, "content": "<x>"}]}, "ids must be below 16777216: renumber it"),
    (
        {"added_tokens": [{"id": 800, "content": 5}]},
        r"added_tokens\[0\]: .* is no added token: it needs a string",
    ),
    (
        {"added_tokens": [{"id": 800, "content": "x", "lstrip": 5}]},
        r"added_tokens\[0\]: .* are true or false",
    ),
    ({"added_tokens": [{"id": 800, "content": "\ud800"}]}, r"added_tokens\[0\]: .* is not valid Unicode"),
    ({"added_tokens": [{"id": 800, "content": ""}]}, "added token 800 is empty: leave it out"),
    ({"added_tokens": None}, "added_tokens is null, not a list: write"),
    ({"added_tokens": {"a": 1}}, "added_tokens is dict, not a list: is this a tokenizer's file"),
    ({"added_tokens": 0}, "added_tokens is int, not a list"),
    ({"padding": 5}, "padding is int, not a JSON object"),
    ({"padding": {"pad_token": 5}}, "padding.pad_token is 5: it must be a token's text or null"),
    ({"padding": {"direction": "Up"}}, "padding.direction is 'Up': it must be Left or Right"),
    (
        {"truncation": {"direction": ["Left"]}},
        r"truncation.direction is \['Left'\]: it must be Left or Right",
    ),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[f"{i}" for i in range(len(REFUSED))])
def test_what_is_not_gpt2_is_refused_by_name(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    by_tokenizers(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **change}), encoding="utf-8")
    named = f"^{re.escape(str(path))}: .*(?:{message})"
    check((lambda kind: kind.from_pretrained(tmp_path), VocabError, named), list(KINDS))
    check((lambda kind: kind(tokenizer_file=path), VocabError, named), list(KINDS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON at line 1, column 1 .*: is it complete"),
        (b'{"model": {\n"vocab": {"a": 0', "is not JSON at line 2, column 17 .*: is it complete"),
        (b"[]", ": this is no tokenizer.json: it holds a list, not an object; give the file that"),
        (b"null", ": this is no tokenizer.json: it holds a single value, not an object; give the"),
        (b'{"a": "\xff"}', "is not UTF-8: byte 7 is 0xff; save it as UTF-8"),
        (b'{"a": 1, "a": 2}', ": key 'a' comes twice in one object: keep one"),
        (
            b'{"model":\n{"vocab": {"a": ' + b"9" * 5000 + b"}}}",
            "thousands of digits, at line 2: .*right file|missing",
        ),
        (b"[" * 100_000, "nests too deeply to be a tokenizer's file: is it the right one"),
        (
            b'{"model": {}, "pre_tokenizer": '
            + b'{"type": "Sequence", "pretokenizers": [' * 700
            + b"]}" * 700
            + b"}",
            "nests too deeply|pre_tokenizer is nothing",
        ),
    ],
    ids=range(9),
)
def test_broken_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    named = f"^{re.escape(str(path))}.*(?:{message})"
    check((lambda kind: kind.from_pretrained(tmp_path), VocabError, named), list(KINDS))


@both
def test_merges_as_strings_and_a_sequence_of_one(kind: Kind, tmp_path: Path) -> None:
    by_tokenizers(tmp_path / "tokenizer.json")
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [content["pre_tokenizer"]]}
    write(tmp_path, tokenizer=content)
    assert kind.from_pretrained(tmp_path).encode(TEXT) == small(kind).encode(TEXT)
