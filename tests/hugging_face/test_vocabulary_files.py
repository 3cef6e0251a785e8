"""Broken, missing and odd files: each is refused with its place, or does no harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hf_files import base_files, by_tokenizers, write
from hf_oracle import Kind, both, small, small_files
from hf_refusals import KINDS, check

from gpt2tok import TokenizerError, VocabError

# A file, what stands in it, and the place, the trouble and the mend that the message must name.
BROKEN: list[tuple[str, bytes, str]] = [
    # The core reads these two (`test_load_bad_files.py` has all that can be wrong with them).
    ("vocab.json", b'{"a": 0', "EOF while parsing an object at line 1, column 7; is the file truncated"),
    ("vocab.json", b"[1]", "expected an object from token to id at line 1, column 0; is the file"),
    ("vocab.json", b'{"a": 0, "a": 1}', 'token "a" stands twice, with ids 0 and 1; remove one'),
    ("vocab.json", b'{"a": 0.5}', r'token "a": .* floating point `0.5`, expected .* at line 1, column \d+;'),
    ("vocab.json", b'{"a": true}', r'token "a": .* boolean `true`, expected .* at line 1, column \d+;'),
    ("vocab.json", b'{"a": "0"}', r'token "a": .* string "0", expected .* at line 1, column \d+;'),
    ("vocab.json", b'{"a": ' + b"9" * 5000 + b"}", "number out of range at line 1"),
    ("vocab.json", b'{"\\ud800": 0}', "at line 1, column 9; is the file"),
    ("vocab.json", b'{"\xff": 0}', "not UTF-8: invalid byte at offset 2; save the file as UTF-8"),
    ("vocab.json", b"[" * 100_000, "expected an object from token to id"),
    ("vocab.json", b"", "EOF while parsing a value at line 1, column 0"),
    ("vocab.json", b'{"a": 0, "b": 0}', 'id 0 is given to both "a" and "b"; every token needs'),
    ("vocab.json", b'{"a": -1}', 'token "a" has id -1, .*; renumber'),
    ("merges.txt", b"#version: 0.2\na b c\n", 'line 2 is "a b c", .*; mend or remove the line'),
    ("merges.txt", b"a\n", 'line 1 is "a", .*; mend or remove the line'),
    ("merges.txt", b'! !\n\n! "\n', 'line 2 is "", .*; mend or remove the line'),
    ("merges.txt", b"\xff \xff\n", "not UTF-8: invalid byte at offset 0; save the file as UTF-8"),
    (
        "merges.txt",
        b"! nosuch\n",
        'line 1 names "nosuch", which the vocabulary lacks; are the two files of one',
    ),
    ("merges.txt", b"#version: 0.2\n! nosuch\n", 'line 2 names "nosuch", which the vocabulary lacks'),
    ("tokenizer_config.json", b"[]", "holds list, not a JSON object: is it the right file"),
    ("tokenizer_config.json", b"{", "is not JSON at line 1, column 2 .*: is it complete"),
    ("tokenizer_config.json", b'{"a": 1, "a": 2}', "key 'a' comes twice in one object: keep one"),
    ("tokenizer_config.json", b'{"a": "\xff"}', "is not UTF-8: byte 7 is 0xff; save it as UTF-8"),
    ("tokenizer_config.json", b"[" * 100_000, "nests too deeply .*: is it the right one"),
    ("tokenizer_config.json", b'{"padding_side": "up"}', "padding_side is 'left' or 'right', not 'up'"),
    ("tokenizer_config.json", b'{"padding_side": 5}', "padding_side is 'left' or 'right', not of type int"),
    (
        "tokenizer_config.json",
        b'{"model_max_length": "7"}',
        "model_max_length is a whole number or None, not str",
    ),
    ("tokenizer_config.json", b'{"model_max_length": -7}', "model_max_length=-7 is negative: give 0 or more"),
    ("tokenizer_config.json", b'{"model_input_names": "input_ids"}', "model_input_names is a list of str"),
    ("tokenizer_config.json", b'{"errors": "junk"}', "errors is a way to decode bytes .*, not 'junk'"),
    ("tokenizer_config.json", b'{"errors": 5}', "errors is a way to decode bytes"),
    ("tokenizer_config.json", b'{"add_bos_token": "no"}', "add_bos_token is True or False, not 'no'"),
    ("tokenizer_config.json", b'{"add_prefix_space": "no"}', "add_prefix_space is True or False, not 'no'"),
    (
        "tokenizer_config.json",
        b'{"add_bos_token": true, "bos_token": null}',
        "add_bos_token=True needs a bos_token",
    ),
    ("tokenizer_config.json", b'{"split_special_tokens": 2}', "split_special_tokens is True or False, not 2"),
    ("tokenizer_config.json", b'{"pad_token": 5}', "pad_token is 5: it must be a token's text"),
    ("tokenizer_config.json", b'{"pad_token": {"lstrip": true}}', "it needs a string `content`"),
    (
        "tokenizer_config.json",
        b'{"pad_token": "\\ud800"}',
        "pad_token is not valid Unicode: lone surrogate U.D800",
    ),
    (
        "tokenizer_config.json",
        b'{"extra_special_tokens": "<x>"}',
        "extra_special_tokens is '<x>': it must be a list",
    ),
    (
        "tokenizer_config.json",
        b'{"additional_special_tokens": [5]}',
        r"additional_special_tokens\[0\] is 5: it must",
    ),
    (
        "tokenizer_config.json",
        b'{"extra_special_tokens": {"image_token": 5}}',
        r"\['image_token'\] is 5: it must",
    ),
    (
        "tokenizer_config.json",
        b'{"added_tokens_decoder": 5}',
        "added_tokens_decoder is a dict of id to token, not int",
    ),
    ("tokenizer_config.json", b'{"added_tokens_decoder": {"x": "<x>"}}', "has the key 'x': its keys are ids"),
    (
        "tokenizer_config.json",
        b'{"added_tokens_decoder": {"757": 5}}',
        r"\['757'\]: a token is a str or an AddedToken",
    ),
    (
        "tokenizer_config.json",
        b'{"added_tokens_decoder": {"757": {"content": 5}}}',
        r"\['757'\]: .* is no added token",
    ),
    (
        "tokenizer_config.json",
        b'{"added_tokens_decoder": {"0": "<x>"}}',
        "is the id of '!': correct one of them",
    ),
    ("special_tokens_map.json", b"5", "holds int, not a JSON object: is it the right file"),
    ("special_tokens_map.json", b'{"pad_token": 5}', "pad_token is 5: it must be a token's text"),
    (
        "special_tokens_map.json",
        b'{"additional_special_tokens": 5}',
        "additional_special_tokens is 5: it must be a",
    ),
    ("added_tokens.json", b"[1]", "holds list, not a JSON object: is it the right file"),
    ("added_tokens.json", b'{"<x>": "757"}', "the id of '<x>' is '757', not a whole number: correct it"),
    ("added_tokens.json", b'{"<x>": true}', "the id of '<x>' is True, not a whole number: correct it"),
    (
        "added_tokens.json",
        b'{"<x>": 757, "<y>": 757}',
        "'<x>' and '<y>' both have the id 757: give each its own",
    ),
    ("added_tokens.json", b'{"<x>": 0}', "is to have id 0, but that is the id of '!': correct one of them"),
    ("added_tokens.json", b'{"<x>": -1}', "has the negative id -1: ids count from 0"),
    ("added_tokens.json", b'{"<x>": 99999999999}', "ids must be below 16777216: renumber it"),
    ("added_tokens.json", b'{"<\\ud800>": 757}', "is not valid Unicode: lone surrogate U.D800"),
    (
        "added_tokens.json",
        b'{"<x>": ' + b"9" * 5000 + b"}",
        "thousands of digits, at line 1: .*right file|below 16777216",
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), BROKEN, ids=[f"{i}-{name}" for i, (name, _, _) in enumerate(BROKEN)]
)
def test_broken_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    write(tmp_path, **base_files())
    (tmp_path / name).write_bytes(content)
    place = re.escape(str(tmp_path / name))
    check((lambda kind: kind.from_pretrained(tmp_path), VocabError, f"{place}.*(?:{message})"), list(KINDS))


@both
def test_an_error_of_the_caller_does_not_blame_a_file(kind: Kind, tmp_path: Path) -> None:
    write(tmp_path, **base_files(), tokenizer_config={"model_max_length": 7})
    with pytest.raises(TypeError, match=r"^model_max_length is a whole number"):
        kind.from_pretrained(tmp_path, model_max_length="x")
    with pytest.raises(TokenizerError, match=r"^padding_side is 'left'"):
        kind.from_pretrained(tmp_path, padding_side="up")
    # What the caller says takes the place of what the file says, so that a broken file can be loaded.
    write(tmp_path, tokenizer_config={"padding_side": "up", "model_max_length": 7})
    assert kind.from_pretrained(tmp_path, padding_side="left").model_max_length == 7


@both
def test_a_directory_or_nothing_where_a_file_should_be(kind: Kind, tmp_path: Path) -> None:
    write(tmp_path, **base_files())
    for vocab, merges, error in [
        (tmp_path, tmp_path / "merges.txt", IsADirectoryError),
        (tmp_path / "vocab.json", tmp_path, IsADirectoryError),
        (tmp_path / "vocab.json", tmp_path / "no.txt", FileNotFoundError),
        (tmp_path / "vocab.json" / "x", tmp_path / "merges.txt", NotADirectoryError),
    ]:
        with pytest.raises(error) as caught:
            kind(vocab, merges)
        assert str(caught.value.filename).startswith(str(tmp_path))
    for path, error in [(tmp_path, IsADirectoryError), (tmp_path / "no.json", FileNotFoundError)]:
        with pytest.raises(error):
            kind(tokenizer_file=path)


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
    # A first line without a colon and with one space is a merge.
    (tmp_path / "vocab.json").write_text(json.dumps({**vocab, "#version": 757, "#version!": 758}))
    (tmp_path / "merges.txt").write_text("\n".join(["#version !", *lines]))
    assert kind.from_pretrained(tmp_path).bpe_ranks["#version", "!"] == 0
    assert len(kind.from_pretrained(tmp_path).bpe_ranks) == len(merges) + 1
    # Only the first line can be a version: "# #" and its like are merges of GPT-2.
    hashes = kind({**vocab, "##": 757}, [("#", "#"), *merges])
    hashes.save_pretrained(tmp_path / "hashes", legacy_format=True)
    assert kind.from_pretrained(tmp_path / "hashes").tokenize("##") == ["##"]


@both
def test_missing_files(kind: Kind, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", "./nowhere", "a/b/c", "~/nowhere"):
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
