"""`train_new_from_iterator`: the merges of transformers' method, and everything else inherited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok._core import gpt2_vocabulary

BOTH = pytest.mark.parametrize("kind", [GPT2TokenizerFast, GPT2Tokenizer])
LOW = [["low lower lowest", "slow slower"], ["newest widest low"]] * 3


def oracle(**settings: Any) -> transformers.PreTrainedTokenizerFast:
    vocab, merges = gpt2_vocabulary()
    return transformers.GPT2Tokenizer(vocab=vocab, merges=merges, **settings)


def merges_of(tokenizer: Any) -> list[tuple[str, str]]:
    import json

    return [tuple(merge) for merge in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]]


def batches(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), 16):
        yield texts[start : start + 16]


@BOTH
@pytest.mark.parametrize("prefix", [False, True])
def test_the_merges_are_those_of_transformers(kind: Any, prefix: bool, multilingual: list[str]) -> None:
    texts = multilingual[::3]
    theirs = oracle(add_prefix_space=prefix).train_new_from_iterator(
        batches(texts), 800, length=70, show_progress=False, min_frequency=2
    )
    old = kind.from_pretrained("gpt2", add_prefix_space=prefix)
    ours = old.train_new_from_iterator(batches(texts), 800, length=70, show_progress=False, min_frequency=2)
    assert type(ours) is kind and ours.add_prefix_space is prefix
    assert sorted(ours.bpe_ranks, key=ours.bpe_ranks.__getitem__) == merges_of(theirs)
    assert ours.get_vocab().keys() == theirs.get_vocab().keys()
    for text in texts[:20]:
        assert ours.tokenize(text) == theirs.tokenize(text)
        assert ours.decode(ours(text)["input_ids"]) == theirs.decode(theirs(text)["input_ids"])


@BOTH
def test_special_tokens_and_settings_are_inherited(kind: Any) -> None:
    old = kind.from_pretrained(
        "gpt2",
        pad_token=AddedToken("<pad>", lstrip=True, special=True),
        extra_special_tokens=["<x>"],
        padding_side="left",
        model_max_length=77,
        add_bos_token=True,
    )
    new = old.train_new_from_iterator(
        LOW,
        270,
        new_special_tokens=["<new>", AddedToken("<two>", rstrip=True)],
        special_tokens_map={"<x>": "<y>"},
    )
    assert (new.padding_side, new.model_max_length, new.add_bos_token, len(new)) == ("left", 77, True, 270)
    assert (new.pad_token, new.bos_token, new.extra_special_tokens) == (
        "<pad>",
        "<|endoftext|>",
        ["<y>", "<new>", "<two>"],
    )
    assert new.convert_tokens_to_ids(["<|endoftext|>", "<pad>", "<y>", "<new>", "<two>"]) == [
        *range(265, 270)
    ]
    assert new.added_tokens_decoder[266].lstrip and new.added_tokens_decoder[269].rstrip
    assert new("low<two>  ")["input_ids"][0] == 265 and new.convert_tokens_to_ids("<x>") == 265
    assert old.vocab_size == 50257


@BOTH
def test_what_was_trained_is_saved_and_loaded(kind: Any, tmp_path: Path) -> None:
    new = kind.from_pretrained("gpt2").train_new_from_iterator(LOW, 266)
    new.save_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for again in (kind.from_pretrained(tmp_path), theirs):
        text = "slowest<|endoftext|>é"
        assert again(text)["input_ids"] == new(text)["input_ids"]


@BOTH
def test_the_template_of_a_tokenizer_json_goes_along(kind: Any, tmp_path: Path) -> None:
    import json

    kind.from_pretrained("gpt2", sep_token="<sep>").save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_bytes())
    special = {"SpecialToken": {"id": "<sep>", "type_id": 0}}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 0}}
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [special, sequence, special],
        "pair": [special, sequence, special, other],
        "special_tokens": {"<sep>": {"id": "<sep>", "ids": [50257], "tokens": ["<sep>"]}},
    }
    path.write_text(json.dumps(content), "utf-8")
    old = kind.from_pretrained(path)
    new = old.train_new_from_iterator(LOW, 266, special_tokens_map={"<sep>": "<s>"})
    place = new.convert_tokens_to_ids("<s>")
    ids = new("low")["input_ids"]
    assert ids[0] == ids[-1] == place == 265 and len(ids) == 3


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((LOW, 200), {}, TokenizerError, "vocab_size 200 is too small"),
    ((["low", 3], 300), {}, TypeError, "item 1 of the corpus is of type int"),
    (("low", 300), {}, TypeError, "not one str"),
    ((LOW, 300), {"special_tokens_map": {"<pad>": "<s>"}}, TokenizerError, "'<pad>'.* is no special token"),
    ((LOW, 300), {"special_tokens_map": ["<pad>"]}, TypeError, "must be a dict"),
    ((LOW, 300), {"new_special_tokens": "<s>"}, TypeError, "put it in a list"),
    ((LOW, 300), {"new_special_tokens": ["<|endoftext|>"]}, TokenizerError, "name every special token once"),
    ((LOW, 300), {"limit_alphabet": 10}, TypeError, "no argument 'limit_alphabet'"),
    ((LOW, 300), {"initial_alphabet": ["é", "日"]}, TokenizerError, "'日'"),
    ((LOW, 300), {"length": "three"}, TypeError, "length"),
]


@BOTH
@pytest.mark.parametrize(("given", "more", "error", "message"), WRONG, ids=[row[3] for row in WRONG])
def test_bad_arguments(
    kind: Any, given: tuple[Any, ...], more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind.from_pretrained("gpt2").train_new_from_iterator(*given, show_progress=False, **more)
