"""Broken, missing and odd files: each is refused with its place, or does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hf_files import base_files, by_tokenizers, write
from hf_oracle import Kind, both, small, small_files

from gpt2tok import TokenizerError, VocabError


@both
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.json", b'{"a": 0', "vocab.json is not JSON at line 1, column 8"),
        ("vocab.json", b"[1]", "vocab.json is list, not a JSON object"),
        ("vocab.json", b'{"a": 0, "a": 1}', "key 'a' comes twice"),
        ("vocab.json", b'{"a": 0.5}', r"vocab.json\['a'\] is 0.5"),
        ("vocab.json", b'{"a": true}', "is True, not a whole number"),
        ("vocab.json", b'{"\xff": 0}', "vocab.json is not UTF-8: byte 2 is 0xff"),
        ("vocab.json", b"[" * 100_000, "nests too deeply"),
        ("vocab.json", b"", "not JSON at line 1"),
        ("merges.txt", b"#version: 0.2\na b c\n", "merges.txt, line 2 is 'a b c'"),
        ("merges.txt", b"a\n", "merges.txt, line 1 is 'a'"),
        ("merges.txt", b'! !\n\n! "\n', "merges.txt, line 2 is ''"),
        ("merges.txt", b"\xff \xff\n", "merges.txt is not UTF-8: byte 0"),
        ("merges.txt", b"! nosuch\n", "nosuch"),
        ("tokenizer_config.json", b"[]", "tokenizer_config.json holds list"),
        ("tokenizer_config.json", b"{", "tokenizer_config.json is not JSON"),
        ("added_tokens.json", b'{"<x>": "757"}', "the id of '<x>' is '757'"),
        ("added_tokens.json", b'{"<x>": 0}', "is the id of '!'"),
        ("tokenizer_config.json", b'{"added_tokens_decoder": {"757": {"content": 5}}}', "is no added token"),
        ("tokenizer_config.json", b'{"padding_side": "up"}', "padding_side is 'left' or 'right'"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_broken_files(kind: Kind, name: str, content: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, **base_files())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TokenizerError, match=message):
        kind.from_pretrained(tmp_path)


@both
def test_marks_and_line_ends_do_no_harm(kind: Kind, tmp_path: Path) -> None:
    """A byte order mark, CRLF, no last newline, no version line, and a merge that begins with #version."""
    write(tmp_path, **base_files())
    vocab, merges = small_files()
    lines = [f"{a} {b}" for a, b in merges]
    for text in (
        "\ufeff#version: 0.2\r\n" + "\r\n".join(lines) + "\r\n",
        "\n".join(lines),
        "\n".join(lines) + "\n\n\n",
    ):
        (tmp_path / "merges.txt").write_bytes(text.encode())
        (tmp_path / "vocab.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(vocab).encode())
        assert kind.from_pretrained(tmp_path).bpe_ranks == small(kind).bpe_ranks
    # Only the first line can be a version: "# #" and its like are merges of GPT-2.
    hashes = kind({**vocab, "##": 757}, [("#", "#"), *merges])
    hashes.save_pretrained(tmp_path / "hashes", legacy_format=True)
    assert kind.from_pretrained(tmp_path / "hashes").tokenize("##") == ["##"]


@both
def test_missing_files(kind: Kind, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", "./nowhere", "a/b/c", "~/nowhere", ""):
        with pytest.raises(
            FileNotFoundError, match=r"it needs tokenizer\.json, or vocab\.json and merges\.txt"
        ):
            kind.from_pretrained(place)
    write(tmp_path, vocab=base_files()["vocab"])
    with pytest.raises(FileNotFoundError, match="it needs"):
        kind.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError):
        kind(tmp_path / "no.json", tmp_path / "no.txt")
    with pytest.raises(VocabError, match="merges is missing"):
        kind({"a": 0})
    with pytest.raises(TypeError, match="vocab is a dict or a path, not int"):
        kind(5, [])
    with pytest.raises(TypeError, match="merges is a list or a path, not int"):
        kind({"a": 0}, 5)
    with pytest.raises(TypeError, match="holds a vocabulary itself"):
        by_tokenizers(tmp_path / "tokenizer.json")
        kind({"a": 0}, [], tokenizer_file=tmp_path / "tokenizer.json")
