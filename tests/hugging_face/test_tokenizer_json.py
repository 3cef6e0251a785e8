"""`tokenizer.json` of other makers: what loads as they made it, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hf_files import TEXT, by_tokenizers, write
from hf_oracle import TEXTS, Kind, both, small

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


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "NFC"}}, "there is a normalizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer is Whitespace"),
        ({"pre_tokenizer": None}, "pre_tokenizer is nothing"),
        ({"pre_tokenizer": {"type": "ByteLevel", "use_regex": False}}, "use_regex is false"),
        ({"post_processor": {"type": "RobertaProcessing"}}, "post_processor is RobertaProcessing"),
        (
            {"post_processor": {"type": "TemplateProcessing", "single": [{"What": 1}], "pair": []}},
            "no piece of a template",
        ),
        ({"post_processor": {"type": "TemplateProcessing", "single": 5, "pair": []}}, "not a list of pieces"),
        ({"model": None}, "model is missing"),
        ({"model": {"type": "WordPiece"}}, "model.type is 'WordPiece'"),
        ({"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}}, r"model.vocab\['a'\] is '0'"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}, r"model.merges\[0\] is 'a'"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": 5}}, "model.merges is int"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}}, "model.dropout is 0.1"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "ignore_merges": True}}, "model.ignore_merges"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": [], "byte_fallback": True}}, "model.byte_fallback"),
        ({"added_tokens": [{"content": "<x>"}]}, r"added_tokens\[0\] has the id None"),
        ({"added_tokens": [{"id": 0, "content": "<x>", "special": True}]}, "is the id of '!'"),
        ({"added_tokens": {"a": 1}}, "added_tokens is dict"),
    ],
    ids=str,
)
def test_what_is_not_gpt2_is_refused_by_name(
    kind: Kind, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    by_tokenizers(tmp_path / "tokenizer.json")
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    write(tmp_path, tokenizer={**content, **change})
    with pytest.raises(VocabError, match=message):
        kind.from_pretrained(tmp_path)


@both
def test_merges_as_strings_and_a_sequence_of_one(kind: Kind, tmp_path: Path) -> None:
    by_tokenizers(tmp_path / "tokenizer.json")
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [content["pre_tokenizer"]]}
    write(tmp_path, tokenizer=content)
    assert kind.from_pretrained(tmp_path).encode(TEXT) == small(kind).encode(TEXT)
