"""One format, one rule: every reader of a `tokenizer.json` makes the same of it, or all of ours refuse it.

Owns the table of files, judged by tokenizers, by transformers and by `Encoding.from_tokenizer_json`. The words of each
refusal, and files with one fault each, are `test_tokenizer_json.py`'s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hf_oracle import Kind, both, failure

from gpt2tok import Encoding, VocabError

ALPHABET = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
BYTES = {char: i for i, char in enumerate(ALPHABET)} | {"ab": 256, "abc": 257}
NO_Z = {token: i for token, i in BYTES.items() if token != "z"}
UNK = {"<unk>": 258}
TEXTS = ["", "abc", "a<unk>b", "a<x>b <y>", "azz b", "ab<|endoftext|>c zebra", " 日本 é"]


def token(content: str, token_id: int, **flags: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": content, **plain, "special": True, **flags}


def file(added: Any = (), **model: Any) -> dict[str, Any]:
    """A `tokenizer.json` with these added tokens; `model` changes its model."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    parts = {"type": "BPE", "vocab": BYTES, "merges": [["a", "b"], ["ab", "c"]], **model}
    return {
        "version": "1.0",
        "added_tokens": list(added) if isinstance(added, tuple) else added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": parts,
    }


def without(name: str) -> dict[str, Any]:
    content = file()
    del content[name]
    return content


LOADED: dict[str, dict[str, Any]] = {
    "plain": file(),
    "no added_tokens": without("added_tokens"),
    # An unk_token stands for bytes; it is no special token by that, not even where every byte is there.
    "unk in the vocabulary": file(vocab={**BYTES, **UNK}, unk_token="<unk>"),
    "unk is an ordinary token": file(unk_token="a"),
    "unk is the product of a merge": file(unk_token="abc"),
    "unk in the vocabulary and added": file((token("<unk>", 258),), vocab={**BYTES, **UNK}, unk_token="<unk>"),
    "unk added only": file((token("<unk>", 258),), unk_token="<unk>"),
    "bytes lack, unk": file(vocab={**NO_Z, **UNK}, unk_token="<unk>"),
    "bytes lack, unk added": file((token("<unk>", 258),), vocab={**NO_Z, **UNK}, unk_token="<unk>"),
    "fuse_unk without effect": file(fuse_unk=True),
    "fuse_unk and unk without effect": file(vocab={**BYTES, **UNK}, unk_token="<unk>", fuse_unk=True),
    "end of text in the vocabulary": file(vocab={**BYTES, "<|endoftext|>": 258}),
    "end of text added": file((token("<|endoftext|>", 258),)),
    "added after the vocabulary": file((token("<x>", 258), token("<y>", 259, special=False))),
    "added and in the vocabulary": file((token("<y>", 5, special=False), token("<x>", 258)), vocab={
        **{t: i for t, i in BYTES.items() if i != 5}, "<y>": 5, ALPHABET[5]: 300, "<x>": 258
    }),
    "settings that say nothing": file(dropout=0.0, continuing_subword_prefix="", end_of_word_suffix=None),
    "byte_fallback and ignore_merges off": file(byte_fallback=False, ignore_merges=False, fuse_unk=False),
    "no type": file(type="BPE"),
}  # fmt: skip

HOLES = {token_: i for token_, i in BYTES.items() if i != 9} | {ALPHABET[9]: 300}

# What both of our readers refuse.
REFUSED: dict[str, tuple[dict[str, Any] | list[Any] | None, str]] = {
    "a hole": (file((token("<x>", 400),)), 'token "<x>" says it has id 400, but readers .* give it 258; write that'),
    "other numbers": (
        file((token("<x>", 258),), vocab={**BYTES, "<unk>": 259}),
        'added token "<x>" says it has id 258, but readers of this format give it 259',
    ),
    "out of order": (
        file((token("<y>", 259), token("<x>", 258))),
        'added token "<y>" says it has id 259, but readers of this format give it 258',
    ),
    "an id past the vocabulary's holes": (
        file((token("<x>", 301),), vocab=HOLES),
        'added token "<x>" says it has id 301, but readers of this format give it 258',
    ),
    "another id than the vocabulary's": (file((token("ab", 258),)), '"ab".* id'),
    "an id that is taken": (file((token("<x>", 5),)), "5"),
    "a text twice": (file((token("<x>", 258), token("<x>", 259))), 'token "<x>" stands twice, with ids 258 and 259'),
    "an id twice": (file((token("<x>", 258), token("<y>", 258))), "258"),
    "unk nowhere": (file(unk_token="zzz"), 'unk_token "zzz" is not in the vocabulary; add it, or leave unk_token'),
    "fuse_unk with effect": (
        file(vocab={**NO_Z, **UNK}, unk_token="<unk>", fuse_unk=True),
        "model.fuse_unk is [Tt]rue, .* the tokenizers library",
    ),
    "byte_fallback": (file(byte_fallback=True), "model.byte_fallback is [Tt]rue, .* the tokenizers library"),
    "fuse_unk is no flag": (file(fuse_unk="yes"), "true or false|expected a boolean"),
    "ignore_merges is no flag": (file(ignore_merges=1), "true or false|expected a boolean"),
    "dropout": (file(dropout=0.1), "model.dropout is 0.1, .* the tokenizers library"),
    "prefix": (file(continuing_subword_prefix="x"), "model.continuing_subword_prefix is .x., .*tokenizers library"),
    "suffix": (file(end_of_word_suffix="x"), "model.end_of_word_suffix is .x., .* the tokenizers library"),
    "added_tokens null": (file(None), "null"),
    "a vocab.json": (dict(BYTES), "this is no tokenizer.json: it is a vocab.json; load it with its merges.txt"),
    "a list": ([], "this is no tokenizer.json: it holds a list, not an object; give the file that the tokenizers"),
    "null": (None, "this is no tokenizer.json: it holds a single value, not an object; give the file that"),
    "empty": ({}, 'this is no tokenizer.json: it has no "model" object; give the file that the tokenizers library'),
    "no model": (without("model"), 'this is no tokenizer.json: it has no "model" object; give the file that'),
    "WordPiece": (file(type="WordPiece"), "model.type is .WordPiece., but"),
    "normalizer": ({**file(), "normalizer": {"type": "NFC"}}, "normalizer"),
    "pre-tokenizer": ({**file(), "pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer .*Whitespace"),
}  # fmt: skip


def written(folder: Path, content: Any) -> str:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@both
@pytest.mark.parametrize("name", LOADED)
def test_every_reader_makes_the_same_of_a_file(kind: Kind, name: str, tmp_path: Path) -> None:
    path = written(tmp_path, LOADED[name])
    judge = tokenizers.Tokenizer.from_file(path)
    oracle = transformers.GPT2TokenizerFast(tokenizer_file=path)
    core = Encoding.from_tokenizer_json(path)
    ours = kind(tokenizer_file=path)
    assert ours.unk_token == oracle.unk_token == "<|endoftext|>"
    collides = oracle.unk_token_id in {i for token, i in ours._base.vocab.items() if token != "<|endoftext|>"}
    assert collides == (name == "bytes lack, unk")
    for text in TEXTS:
        if not (collides and "<|endoftext|>" in text):
            assert ours.encode(text) == oracle.encode(text), text
        if "<|endoftext|>" not in text:  # Which our surface, like transformers', adds to those who lack it.
            assert ours.encode(text) == judge.encode(text).ids == core.encode(text, allowed_special="all"), (
                text
            )
    if not collides:  # transformers gives its special token the id of another.
        assert ours.get_added_vocab() == oracle.get_added_vocab()
        assert (ours.unk_token_id, len(ours)) == (oracle.unk_token_id, len(oracle))
    # What it writes, all of them read again, with the same ids.
    ours.save_pretrained(tmp_path / "again")
    again = str(tmp_path / "again" / "tokenizer.json")
    loaded, raw = kind.from_pretrained(tmp_path / "again"), tokenizers.Tokenizer.from_file(again)
    for text in TEXTS:
        ids = ours.encode(text)
        assert loaded.encode(text) == raw.encode(text).ids == ids, text
        assert Encoding.from_tokenizer_json(again).encode(text, allowed_special="all") == ids, text
    assert loaded.get_added_vocab() == ours.get_added_vocab()


@both
@pytest.mark.parametrize("name", REFUSED)
def test_what_one_reader_refuses_the_other_refuses(kind: Kind, name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    path = written(tmp_path, content)
    for read in (Encoding.from_tokenizer_json, lambda path: kind(tokenizer_file=path), kind.from_pretrained):
        with pytest.raises(VocabError, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(path)


def test_the_ids_that_are_refused_are_not_those_of_tokenizers(tmp_path: Path) -> None:
    """Why they are: tokenizers counts by itself, whatever the file says."""
    for name, given in (("a hole", 258), ("other numbers", 259), ("an id past the vocabulary's holes", 258)):
        judge = tokenizers.Tokenizer.from_file(written(tmp_path, REFUSED[name][0]))
        assert judge.encode("a<x>").ids == [BYTES["a"], given]


@both
def test_ignore_merges_is_the_core_s(kind: Kind, tmp_path: Path) -> None:
    """Refused here, with the name of who does it."""
    path = written(tmp_path, file(ignore_merges=True, merges=[]))
    message = (
        "model.ignore_merges is True.*: load this file with Encoding.from_tokenizer_json or the tokenizers"
    )
    with pytest.raises(VocabError, match=message):
        kind(tokenizer_file=path)
    assert (
        Encoding.from_tokenizer_json(path).encode("abc")
        == tokenizers.Tokenizer.from_file(path).encode("abc").ids
    )
    assert failure(lambda: transformers.GPT2TokenizerFast(tokenizer_file=path)) is None


@both
def test_ids_that_no_reader_would_count_are_saved_so_that_all_read_them(kind: Kind, tmp_path: Path) -> None:
    """A vocabulary with holes, and tokens that `added_tokens_decoder` puts elsewhere."""
    vocab = {**HOLES, "ab": 256, "abc": 257}
    merges = [("a", "b"), ("ab", "c")]
    ours = kind(vocab, merges, added_tokens_decoder={400: {"content": "<x>", "special": True}, 500: "<y>"})
    ours.save_pretrained(tmp_path)
    path = str(tmp_path / "tokenizer.json")
    loaded, raw = kind.from_pretrained(tmp_path), tokenizers.Tokenizer.from_file(path)
    assert ours.encode("<x>a<y>") == [400, vocab["a"], 500]
    for text in TEXTS:
        ids = ours.encode(text)
        assert loaded.encode(text) == raw.encode(text).ids == ids, text
        assert Encoding.from_tokenizer_json(path).encode(text, allowed_special="all") == ids, text
    assert loaded.get_vocab() == ours.get_vocab() and len(loaded) == len(ours)
    assert loaded.decode(ids, skip_special_tokens=True) == ours.decode(ids, skip_special_tokens=True)
