"""What one format says and another has no place for: it is carried over, refused or named, never dropped in silence."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from cli_process import END_OF_TEXT, assert_error, listing, noted, output, run

from gpt2tok import formats

ALPHABET = {character: byte for byte, character in formats.byte_alphabet().items()}


def tokenizer_json(path: Path, vocab: dict[str, int], added: list[dict[str, Any]], **model: Any) -> Path:
    """A file of 256 bytes, `vocab` and the merge of a and b, as tokenizers would save it but for `model`."""
    content = json.loads(
        formats.tokenizer_json_bytes({**ALPHABET, **vocab}, [("a", "b")], added, False, True, None)
    )
    content["model"] |= model
    path.write_text(json.dumps(content), "utf-8")
    tokenizers.Tokenizer.from_file(str(path))  # a file that its own library reads
    return path


def test_special_tokens_that_tiktoken_cannot_hold_are_named(tmp_path: Path) -> None:
    shown = noted(
        ["convert", "gpt2", "a b.tiktoken"],
        tmp_path,
        ".tiktoken files hold no special tokens",
        "whenever a b.tiktoken is read",
    )
    # What the note says to give is what makes the file whole again.
    given = shlex.split(shown.partition(" here with ")[2])
    assert given == ["--special", f"{END_OF_TEXT}=50256"]
    output("convert", *given, "a b.tiktoken", "again.json", cwd=tmp_path)
    output("convert", "gpt2", "gpt2.json", cwd=tmp_path)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "gpt2.json").read_bytes()
    many = [{"id": 300 + i, "content": f"<{i}>", "special": True} for i in range(5)]
    tokenizer_json(tmp_path / "many.json", {"ab": 256}, many)
    shown = noted(["convert", "many.json", "many.tiktoken"], tmp_path, "--special '<2>=302' ... (5 in all)")
    assert "<3>" not in shown
    # A file without special tokens loses none.
    tokenizer_json(tmp_path / "none.json", {"ab": 256}, [])
    output("convert", "none.json", "none.tiktoken", cwd=tmp_path)


def test_tokens_taken_whole_stay_so_or_are_refused(tmp_path: Path) -> None:
    # "abc" is a token that no merge makes: ignore_merges alone says that it is one.
    source = tokenizer_json(tmp_path / "whole.json", {"ab": 256, "abc": 257}, [], ignore_merges=True)
    assert tokenizers.Tokenizer.from_file(str(source)).encode("abc").ids == [257]
    output("convert", "whole.json", "copy.json", cwd=tmp_path)
    assert output("encode", "--vocab", tmp_path / "copy.json", "-t", "abc") == b"257\n"
    assert_error(
        run("convert", "whole.json", "pair/", cwd=tmp_path),
        1,
        "whole.json cannot become vocab: read back from that format, 'abc' would become [256, 99], and not [257]",
    )
    assert listing(tmp_path) == ["copy.json", "whole.json"]
    # Where merging makes every token, ignore_merges changes nothing.
    tokenizer_json(tmp_path / "same.json", {"ab": 256}, [], ignore_merges=True)
    output("convert", "same.json", "pair/", cwd=tmp_path)
    output("convert", "pair", "pair.json", cwd=tmp_path)
    assert output("encode", "--vocab", tmp_path / "pair.json", "-t", "abc") == b"256 99\n"


def test_bytes_without_a_token_stay_so_or_are_refused(tmp_path: Path) -> None:
    added = [{"id": 300, "content": "<unk>", "special": True}]
    source = tokenizer_json(tmp_path / "unk.json", {"ab": 256, "<unk>": 300}, added, unk_token="<unk>")
    content = json.loads(source.read_text("utf-8"))
    del content["model"]["vocab"]["z"]
    source.write_text(json.dumps(content), "utf-8")
    oracle = tokenizers.Tokenizer.from_file(str(source))
    output("convert", "unk.json", "copy.json", cwd=tmp_path)
    ids = output("encode", "--vocab", tmp_path / "copy.json", "-t", "abz").split()
    assert list(map(int, ids)) == oracle.encode("abz").ids == [256, 300]
    done = run("convert", "unk.json", "pair/", cwd=tmp_path)
    assert_error(
        done, 1, "unk.json cannot become vocab: vocab.json with merges.txt: 1 of the 256 byte tokens"
    )
    assert_error(run("convert", "unk.json", "unk.tiktoken", cwd=tmp_path), 1, "1 are missing, the first 0x7a")


def test_a_tiktoken_file_that_no_merges_can_say(tmp_path: Path) -> None:
    tokens = [*(bytes([byte]) for byte in range(256)), b"abc"]
    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens)]
    (tmp_path / "odd.tiktoken").write_bytes(b"".join(lines))
    output("convert", "odd.tiktoken", "copy.tiktoken", cwd=tmp_path)
    assert output("encode", "--vocab", tmp_path / "copy.tiktoken", "-t", "abc") == b"256\n"
    for target in ("pair/", "odd.json"):
        assert_error(
            run("convert", "odd.tiktoken", target, cwd=tmp_path), 1, "no list of merges says the same"
        )


def test_what_stands_around_a_vocabulary_is_copied_or_named(tmp_path: Path) -> None:
    added = [{"id": 50256, "content": END_OF_TEXT, "special": True}]
    source = tokenizer_json(tmp_path / "full.json", {"ab": 256, END_OF_TEXT: 50256}, added)
    oracle = tokenizers.Tokenizer.from_file(str(source))
    oracle.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, 50256)]
    )
    oracle.enable_truncation(8)
    oracle.save(str(source))
    output("convert", "full.json", "copy.json", cwd=tmp_path)
    copy = tokenizers.Tokenizer.from_file(str(tmp_path / "copy.json"))
    text = f"ab {END_OF_TEXT}c"
    assert copy.encode(text).ids == oracle.encode(text).ids == [50256, 256, 32, 50256, 99]
    lost = "pair/ has no place for what full.json says beside the vocabulary: post_processor (TemplateProcessing),"
    noted(["convert", "full.json", "pair/"], tmp_path, lost, "truncation")
    assert output("encode", "--vocab", tmp_path / "pair", "-t", "ab") == b"256\n"


@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "single_word"])
def test_added_tokens_that_take_white_space_along_are_refused(
    version_4: Path, tmp_path: Path, flag: str
) -> None:
    """An `Encoding` knows no such tokens: it would make other ids than the library that saved the file."""
    added = [{"id": 50256, "content": END_OF_TEXT, "special": True, flag: True}]
    tokenizer_json(tmp_path / "flagged.json", {"ab": 256, END_OF_TEXT: 50256}, added)
    (version_4 / "special_tokens_map.json").write_text(
        json.dumps({"pad_token": {"content": "<pad>", flag: True}})
    )
    for vocab, token in (("flagged.json", END_OF_TEXT), ("old", "<pad>")):
        message = f'added token "{token}" has {flag}, '
        assert_error(run("encode", "--vocab", vocab, "-t", "x", cwd=tmp_path), 1, vocab, message)
        assert_error(run("convert", vocab, "x.json", cwd=tmp_path), 1, vocab, message, "GPT2TokenizerFast")
    assert listing(tmp_path) == ["flagged.json", "old"]


@pytest.fixture
def version_4(tmp_path: Path) -> Path:
    """A directory as transformers 4 saved it from the slow class: what was added stands in files of its own."""
    folder = tmp_path / "old"
    output("convert", "gpt2", "old/", cwd=tmp_path)
    (folder / "added_tokens.json").write_text('{"<pad>": 50257, "<ctx>": 50258}')
    (folder / "special_tokens_map.json").write_text('{"pad_token": "<pad>"}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    return folder


def test_the_added_tokens_of_a_directory_count(version_4: Path, tmp_path: Path) -> None:
    text = f"a<pad>b<ctx>{END_OF_TEXT}"
    ids = b"64 50257 65 50258 50256\n"
    assert output("encode", "--vocab", version_4, "--allow-special", "-t", text) == ids
    assert output("decode", "--vocab", version_4, stdin=ids) == text.encode()
    output("convert", "old", "new.json", cwd=tmp_path)
    new = tokenizers.Tokenizer.from_file(str(tmp_path / "new.json"))
    assert new.encode(text).ids == list(map(int, ids.split()))
    special = {token.content: token.special for token in new.get_added_tokens_decoder().values()}
    assert special == {END_OF_TEXT: True, "<pad>": True, "<ctx>": False}
    assert_error(run("convert", "old", "pair/", cwd=tmp_path), 1, "its special tokens would be others")
    # The two files alone, for whoever names one of them.
    assert output("encode", "--vocab", version_4 / "vocab.json", "-t", "<pad>") == output(
        "encode", "-t", "<pad>"
    )


def test_a_directory_whose_settings_are_broken_or_ask_for_more(version_4: Path) -> None:
    config = version_4 / "tokenizer_config.json"
    for content, reason in (
        ('{"add_prefix_space": true}', "tokenizer_config.json: it asks for add_prefix_space"),
        ('{"added_tokens_decoder": {"x": {"content": "<y>"}}}', "'x'"),
        ('{"add_prefix_space": 5}', "add_prefix_space"),
        ("{", "tokenizer_config.json"),
        ("[]", "tokenizer_config.json"),
    ):
        config.write_text(content)
        for command in (["encode", "-t", "x", "--vocab"], ["convert", "--to", "tokenizer.json"]):
            after = [version_4.parent / "x.json"] if command[0] == "convert" else []
            assert_error(run(*command, version_4, *after), 1, reason)
    assert listing(version_4.parent) == ["old"]


@pytest.mark.parametrize(
    "beside", ["tokenizer.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"]
)
def test_two_files_do_not_come_to_stand_beside_what_would_change_them(tmp_path: Path, beside: str) -> None:
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / beside).write_text("{}")
    assert_error(run("convert", "gpt2", "pair", cwd=tmp_path), 1, f"pair: a {beside} stands there")
    assert listing(tmp_path / "pair") == [beside]
