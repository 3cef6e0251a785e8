"""`gpt2tok.train`: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import tokenizers
import transformers
from tiktoken.load import load_tiktoken_bpe
from training_oracle import corpus, spelled, trained

import gpt2tok
from gpt2tok import SpecialTokenError, TokenizerError, VocabError, formats
from gpt2tok.formats import byte_alphabet
from gpt2tok.training import save

LOW = ["low lower lowest"] * 3
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def test_the_layout_is_gpt2s(gpt2: gpt2tok.Encoding) -> None:
    encoding = trained(corpus("english"), 2000, special_tokens=("<|endoftext|>", "<|pad|>"))
    assert encoding.n_vocab == 2000 and encoding.name == "trained"
    assert encoding.special_tokens == {"<|endoftext|>": 1998, "<|pad|>": 1999}
    tokens = dict(encoding.token_bytes())
    assert [tokens[i] for i in range(256)] == [gpt2.decode_single_token_bytes(i) for i in range(256)]
    for rank, (left, right) in enumerate(encoding.merges()):
        assert tokens[256 + rank] == left + right


def test_everything_round_trips_and_other_libraries_give_the_same_ids() -> None:
    encoding = trained([*corpus("english"), *corpus("chinese")], 5000, special_tokens=["<|endoftext|>"])
    alphabet = byte_alphabet()
    vocab = {"".join(map(alphabet.__getitem__, token)): i for i, token in encoding.token_bytes()}
    vocab |= encoding.special_tokens
    added = [{"id": 4999, "content": "<|endoftext|>", "special": True}]
    whole = formats.tokenizer_json_bytes(vocab, spelled(encoding), added, False, True, None)
    hugging_face = tokenizers.Tokenizer.from_str(whole.decode())
    ranks = {token: rank for rank, token in encoding.token_bytes()}
    assert formats.tiktoken_bytes(encoding.token_bytes(), encoding.merges())
    peer = tiktoken.Encoding(
        "mine", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=encoding.special_tokens
    )
    samples = [*corpus("multilingual"), *corpus("chinese")[:100], "".join(map(chr, range(0x3000)))]
    for text in samples:
        ids = encoding.encode(text)
        assert encoding.decode_bytes(ids) == text.encode()
        assert hugging_face.encode(text).ids == ids
        assert peer.encode(text) == ids
    marked = "one<|endoftext|> two"
    ids = encoding.encode(marked, allowed_special="all")
    assert 4999 in ids and hugging_face.encode(marked).ids == ids == peer.encode(
        marked, allowed_special="all"
    )


def test_what_was_learned_is_saved_and_others_read_it(tmp_path: Path) -> None:
    encoding = trained(corpus("english"), 1500, special_tokens=["<|endoftext|>", "<|pad|>"])
    samples = [*corpus("multilingual")[:60], "one<|endoftext|> two<|pad|>"]
    ids = encoding.encode_batch(samples, allowed_special="all")
    assert save(encoding, tmp_path / "new/pair") == [
        tmp_path / "new/pair" / n for n in ("vocab.json", "merges.txt", "tokenizer_config.json")
    ]
    assert save(encoding, str(tmp_path / "mine.json")) == [tmp_path / "mine.json"]
    with pytest.warns(UserWarning, match=r"special_tokens=\{'<\|endoftext\|>': 1498, '<\|pad\|>': 1499\}"):
        save(encoding, tmp_path / "mine.tiktoken")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "mine.json"))
    assert [theirs.encode(text).ids for text in samples] == ids
    pair = tokenizers.models.BPE.from_file(
        *(str(tmp_path / "new/pair" / n) for n in ("vocab.json", "merges.txt"))
    )
    theirs.model = pair
    assert [theirs.encode(text).ids for text in samples] == ids
    ranks = load_tiktoken_bpe(str(tmp_path / "mine.tiktoken"))
    peer = tiktoken.Encoding(
        "mine", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=encoding.special_tokens
    )
    assert peer.encode_batch(samples, allowed_special="all") == ids
    save(encoding, tmp_path / "new/pair")  # again, in the place of the first
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "full").mkdir()
    (tmp_path / "full/tokenizer.json").write_bytes(b"{}")
    for place, message in (
        ("v.txt", "names no format"),
        ("vocab.json", "names no format"),
        ("full", "stands there"),
    ):
        with pytest.raises(VocabError, match=message):
            save(encoding, tmp_path / place)
    with pytest.raises(FileNotFoundError, match="create it first"):
        save(encoding, tmp_path / "nowhere/v.json")
    with pytest.raises(TypeError, match="encoding must be an Encoding, not str"):
        save("mine", tmp_path / "v.json")  # type: ignore[arg-type]
    (tmp_path / "full/tokenizer.json").unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_texts_come_in_many_ways(tmp_path: Path) -> None:
    texts = list(corpus("multilingual")[:40])
    wanted = spelled(trained(texts, 900))
    path = tmp_path / "some.txt"
    path.write_text(texts[2], "utf-8", newline="")
    lines = tmp_path / "some.jsonl"
    lines.write_text("".join(json.dumps({"n": 1, "text": t}) + "\n\n" for t in texts), "utf-8")
    ways: dict[str, Any] = {
        "generator": (text for text in texts),
        "bytes": [text.encode() for text in texts],
        "lists": [texts[:7], tuple(texts[7:]), []],
        "with a file": [*texts[:2], path, texts[3:]],
    }
    for way, corpus_ in ways.items():
        assert spelled(trained(corpus_, 900, whole_files=True)) == wanted, way
    assert spelled(trained(lines, 900, field="text")) == wanted
    assert spelled(trained([str(lines)], 900)) != wanted  # a string is a text, whatever stands in it


def test_replaced_bytes_are_those_that_python_replaces() -> None:
    broken = b"ab\xff\xffab\xe4\xb8 ab\xff"
    wanted = trained([broken.decode("utf-8", "replace")] * 3, 264)
    assert spelled(trained([broken] * 3, 264, errors="replace")) == spelled(wanted)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "broken.txt")
        path.write_bytes(broken)
        assert spelled(trained([path] * 3, 264, errors="replace")) == spelled(wanted)


def test_half_a_character_in_json_is_replaced_as_python_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text('{"text": "x\\ud83d\\ude00\\ud800y"}\n' * 3, "utf-8")
    wanted = trained(["x\U0001f600\ufffdy"] * 3, 270)
    assert spelled(trained(path, 270, field="text", errors="replace")) == spelled(wanted)


def raising() -> Iterator[str]:
    yield "text"
    raise LookupError("the source broke")


BAD = [
    ({"vocab_size": 255}, TokenizerError, "vocab_size 255 is too small.* 257"),
    ({"vocab_size": 256}, TokenizerError, "1 special tokens need at least 257"),
    ({"vocab_size": 300, "special_tokens": [f"<{n}>" for n in range(50)]}, TokenizerError, "at least 306"),
    ({"vocab_size": 1 << 40}, TokenizerError, "too large"),
    ({"vocab_size": 1 << 80}, TokenizerError, "vocab_size is larger"),
    ({"vocab_size": -1}, TokenizerError, "vocab_size is negative"),
    ({"vocab_size": 300.0}, TypeError, "vocab_size must be int, not float"),
    ({"vocab_size": True}, TypeError, "vocab_size must be int, not bool"),
    (
        {"special_tokens": ["<a>", "<b>", "<a>"]},
        SpecialTokenError,
        r"\[2\] is \"<a>\", as is special_tokens\[0\]",
    ),
    ({"special_tokens": ["<a>", ""]}, SpecialTokenError, r"special_tokens\[1\] is empty"),
    ({"special_tokens": ["Ġlow"]}, SpecialTokenError, "how vocab.json spells"),
    ({"special_tokens": "<a>"}, TypeError, "put it in a list"),
    ({"special_tokens": [b"<a>"]}, TypeError, r"special_tokens\[0\] must be str, not bytes"),
    ({"special_tokens": ["\ud800"]}, TokenizerError, "lone surrogate"),
    ({"special_tokens": {"<a>", "<b>"}}, TypeError, "not set, which has no order"),
    ({"special_tokens": 3}, TypeError, "special_tokens must be a list of str, not int"),
    ({"min_frequency": -1}, TokenizerError, "min_frequency is negative"),
    ({"min_frequency": "2"}, TypeError, "min_frequency must be int"),
    ({"max_token_length": -4}, TokenizerError, "max_token_length is negative"),
    ({"max_pretokens": 0}, TokenizerError, "max_pretokens must be at least 1"),
    ({"num_threads": 0}, TokenizerError, "num_threads must be at least 1"),
    ({"num_threads": 1.5}, TypeError, "num_threads must be int"),
    ({"errors": "ignore"}, TokenizerError, "'strict' or 'replace'"),
    ({"errors": None}, TypeError, "errors must be str"),
    ({"show_progress": "no"}, TypeError, "show_progress must be True or False"),
    ({"whole_files": 1}, TypeError, "whole_files must be True or False"),
    ({"field": ""}, TokenizerError, "field is empty"),
    ({"field": 3}, TypeError, "field must be str"),
    ({"name": 3}, TypeError, "name must be str"),
    ({"texts_or_files": []}, TokenizerError, "the corpus is empty"),
    ({"texts_or_files": ["", b"", []]}, TokenizerError, "the corpus is empty"),
    ({"texts_or_files": "low"}, TypeError, "not one str.*pathlib"),
    ({"texts_or_files": b"low"}, TypeError, "not one bytes"),
    ({"texts_or_files": 3}, TypeError, "not int"),
    ({"texts_or_files": None}, TypeError, "not NoneType"),
    ({"texts_or_files": ["low", None]}, TypeError, "item 1 of the corpus is of type NoneType"),
    (
        {"texts_or_files": ["low", ["a", 3]]},
        TypeError,
        "item 1 of the corpus is a list, and 1 in it is of type int",
    ),
    # Once the rest of such a list was left out of the corpus, without a word.
    (
        {"texts_or_files": [("low", Path(__file__), "lost")]},
        TypeError,
        "item 0 .*, and 1 in it is of type .*Path",
    ),
    ({"texts_or_files": [["low", ["lower"]]]}, TypeError, "and 1 in it is of type list"),
    ({"texts_or_files": ["low", {"text": "a"}]}, TypeError, "type dict"),
    (
        {"texts_or_files": ["low", b"a\xff"]},
        TokenizerError,
        "text 1 of the corpus is not UTF-8: byte 0xff at offset 1",
    ),
    ({"texts_or_files": ["low", "a\udc80"]}, TokenizerError, "text 1 of the corpus .*surrogate"),
    ({"texts_or_files": raising()}, LookupError, "the source broke"),
    ({"texts_or_files": [Path("/nowhere/at all")]}, FileNotFoundError, "at all"),
    ({"texts_or_files": [Path(tempfile.gettempdir())]}, IsADirectoryError, ""),
    ({"texts_or_files": ["a" * 40_000]}, TokenizerError, "set max_token_length"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_bad_input_is_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    call = {"texts_or_files": LOW, "vocab_size": 300, "show_progress": False, **arguments}
    with pytest.raises(error, match=f"(?s){message}") as raised:
        gpt2tok.train(call.pop("texts_or_files"), call.pop("vocab_size"), **call)
    if error is TokenizerError:
        assert not isinstance(raised.value, SpecialTokenError)


BAD_FILES = [
    (b"good\nbad \xe4\xb8", {}, r"not UTF-8: byte 0xe4 at offset 9"),
    (b"x" * 600_000 + b"\xff", {}, "byte 0xff at offset 600000"),
    (b'{"text": "a"}\n{"txt": "b"}\n', {"field": "text"}, "line 2: no field 'text'; it has 'txt'"),
    (b'{"text": 3}', {"field": "text"}, "line 1: field 'text' is int"),
    (b'["text"]', {"field": "text"}, "line 1: a JSON list"),
    (b'\n{"text": "a', {"field": "text"}, "line 2: not JSON"),
    (b'\n{"text": "\xff"}', {"field": "text"}, "line 2: not UTF-8: byte 0xff at offset 10"),
    (b"[" * 200_000, {"field": "text"}, "line 1: n"),
    (
        b'{"text": "a\\ud800"}',
        {"field": "text"},
        r"line 1: field 'text' has a lone surrogate, U\+D800, at character 1",
    ),
]


@pytest.mark.parametrize(("content", "options", "message"), BAD_FILES, ids=[row[2] for row in BAD_FILES])
def test_bad_files_are_named_with_the_place(
    content: bytes, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=message) as raised:
        gpt2tok.train(path, 300, show_progress=False, **options)
    assert str(raised.value).startswith(str(path))


def test_a_corpus_that_is_too_small_is_a_warning() -> None:
    with pytest.warns(
        UserWarning, match="had 7 tokens to learn where 743 were asked for: the vocabulary has 264 ids"
    ):
        encoding = gpt2tok.train(LOW, 1000)
    assert encoding.n_vocab == 256 + 7 + 1
    assert encoding.decode(encoding.encode("low lowest")) == "low lowest"


def test_names_of_files_that_are_taken_for_texts_are_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("low lower lowest\n" * 99, "utf-8")
    with pytest.warns(
        UserWarning,
        match=r"corpus.txt' is taken for a text, and is the name of a file: to read that file, wrap it",
    ) as caught:
        gpt2tok.train(["low\0", str(path)], 258)  # a vocabulary that even a name fills
    with pytest.warns(UserWarning, match="tokens to learn") as others:
        gpt2tok.train([path, "low" * 3], 1000)
    assert len(caught) == len(others) == 1 and "taken for" not in str(others[0].message)


def test_a_bound_on_pretokens_is_reported() -> None:
    texts = [f" w{n} " * (1 + n % 7) for n in range(40_000)]
    with pytest.warns(
        UserWarning, match=r"max_pretokens dropped \d+ rare pretokens, seen \d+ times"
    ) as caught:
        encoding = gpt2tok.train(texts, 400, max_pretokens=1000, num_threads=2)
    again = trained(iter(texts), 400, max_pretokens=1000, num_threads=1, special_tokens=["<|endoftext|>"])
    assert again.merges() == encoding.merges()
    dropped = int(re.findall(r"dropped (\d+)", str(caught[0].message))[0])
    assert dropped > 30_000


def test_no_merge_at_all_is_a_vocabulary_of_bytes() -> None:
    assert trained(LOW, 256).n_vocab == 256
    assert trained(["a"], 300).n_vocab == 256


@pytest.mark.parametrize(
    "special",
    [["<|endoftext|>"], [], ["<a>"], ["<|endoftext|>", "<|pad|>"]],
    ids="+".join,
)
def test_a_saved_directory_is_a_tokenizer_to_everybody(special: list[str], tmp_path: Path) -> None:
    """transformers' AutoTokenizer and ours: the same ids, special tokens with them, and nothing added."""
    encoding = trained(corpus("english"), 500, special_tokens=special)
    save(encoding, tmp_path / "made")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "made")
    ours = gpt2tok.GPT2TokenizerFast.from_pretrained(tmp_path / "made")
    end = "<|endoftext|>" if "<|endoftext|>" in special else None
    for text in [*corpus("multilingual")[:20], f"one {''.join(special)} two<|endoftext|><a>"]:
        ids = encoding.encode(text, allowed_special="all", disallowed_special=())
        assert theirs(text)["input_ids"] == ids == ours(text)["input_ids"], text
    for tokenizer in (theirs, ours):
        assert len(tokenizer) == 500 and tokenizer.eos_token == tokenizer.bos_token == end
        assert set(tokenizer.all_special_tokens) == set(special)
