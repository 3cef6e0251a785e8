"""Every format goes round to itself without loss, and what a format would change is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import tokenizers
from cli_process import END_OF_TEXT, assert_error, listing, noted, output, run

from gpt2tok import formats


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 in every format."""
    folder = tmp_path_factory.mktemp("gpt2")
    output("convert", "gpt2", "pair/", cwd=folder)
    output("convert", "pair", "tokenizer.json", cwd=folder)
    noted(["convert", "tokenizer.json", "gpt2.tiktoken"], folder, "hold no special tokens")
    output("convert", "--special", f"{END_OF_TEXT}=50256", "gpt2.tiktoken", "again", cwd=folder)
    (folder / "openai").mkdir()
    (folder / "openai/encoder.json").write_bytes((folder / "pair/vocab.json").read_bytes())
    (folder / "openai/vocab.bpe").write_bytes((folder / "pair/merges.txt").read_bytes())
    return folder


def test_convert_goes_round_without_loss(saved: Path) -> None:
    for name, published in (
        ("vocab.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
        ("merges.txt", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    ):
        for folder in ("pair", "again"):
            assert hashlib.sha256((saved / folder / name).read_bytes()).hexdigest() == published
    loaded = tokenizers.Tokenizer.from_file(str(saved / "tokenizer.json"))
    text = f"Hello  world{END_OF_TEXT} naïve"
    assert output("encode", "--allow-special", "-t", text).split() == [
        b"%d" % i for i in loaded.encode(text).ids
    ]


@pytest.mark.parametrize(
    "vocab",
    [
        "pair",
        "pair/",
        "pair/vocab.json",
        "pair/merges.txt",
        "openai",
        "openai/vocab.bpe",
        "tokenizer.json",
        ".",
    ],
)
def test_every_format_encodes_and_decodes_alike(saved: Path, vocab: str) -> None:
    text = f"naïve 日本語  it's{END_OF_TEXT}\n"
    ids = output("encode", "--allow-special", "-t", text)
    assert output("encode", "--vocab", vocab, "--allow-special", "-t", text, cwd=saved) == ids
    assert output("decode", "--vocab", vocab, cwd=saved, stdin=ids).decode() == text
    assert output("count", "--vocab", vocab, "--allow-special", "-t", text, cwd=saved).split() == [
        b"%d" % len(ids.split())
    ]


def test_tiktoken_files_take_their_special_tokens_from_the_command_line(saved: Path) -> None:
    vocab = ["--vocab", saved / "gpt2.tiktoken"]
    assert output("encode", *vocab, "-t", END_OF_TEXT) == output(
        "encode", "--special-as-text", "-t", END_OF_TEXT
    )
    special = ["--special", f"{END_OF_TEXT}=50256", "--special", "<|a=b|>=50300"]
    assert (
        output("encode", *vocab, *special, "--allow-special", "-t", f"a{END_OF_TEXT}<|a=b|>")
        == b"64 50256 50300\n"
    )
    assert_error(run("encode", *special, "-t", "a"), 2, "--special is for .tiktoken files")
    assert_error(
        run("encode", *special, "--vocab", saved / "pair", "-t", "a"), 2, "--special is for .tiktoken files"
    )


def test_what_a_format_would_change_is_not_converted(tmp_path: Path) -> None:
    # Ids out of merge order, as in RoBERTa's vocabulary: fine in every format but .tiktoken.
    vocab = {character: byte for byte, character in formats.byte_alphabet().items()} | {"ab": 257, "bc": 256}
    (tmp_path / "vocab.json").write_bytes(formats.vocab_json_bytes(vocab))
    (tmp_path / "merges.txt").write_bytes(formats.merges_txt_bytes([("a", "b"), ("b", "c")]))
    assert output("encode", "--vocab", tmp_path, "-t", "abc") == b"257 99\n"
    assert_error(run("convert", tmp_path, tmp_path / "x.tiktoken"), 1, "cannot become tiktoken", "merge 0 is")
    output("convert", tmp_path, tmp_path / "t.json")
    assert output("encode", "--vocab", tmp_path / "t.json", "-t", "abc") == b"257 99\n"
    # A special token that vocab.json and merges.txt cannot mark as special.
    special = tmp_path / "special.json"
    added = [{"id": 300, "content": "<x>", "special": True}]
    special.write_bytes(formats.tokenizer_json_bytes(vocab | {"<x>": 300}, [], added, False, True, None))
    assert_error(run("convert", special, tmp_path / "new/"), 1, "cannot become vocab", "special tokens")
    output("convert", special, tmp_path / "again.json")
    assert output("encode", "--vocab", tmp_path / "again.json", "--allow-special", "-t", "<x>") == b"300\n"
    assert listing(tmp_path) == [
        "again.json",
        "merges.txt",
        "special.json",
        "t.json",
        "vocab.json",
    ]


def test_vocabularies_that_are_none(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/vocab.json").write_bytes((saved / "pair/vocab.json").read_bytes())
    (tmp_path / "broken.json").write_bytes((saved / "tokenizer.json").read_bytes()[:1000])
    (tmp_path / "text.txt").write_bytes(b"Hello")
    (tmp_path / "empty.tiktoken").write_bytes(b"not base64\n")
    for vocab, reason in (
        ("missing", "missing: no such vocabulary: give a directory"),
        (".", "no vocabulary is known by this name"),
        ("half", "half/merges.txt: missing: a vocabulary is vocab.json and merges.txt together"),
        ("half/vocab.json", "half/merges.txt: missing"),
        ("broken.json", "broken.json"),
        ("text.txt", "text.txt: no vocabulary is known by this name"),
        ("empty.tiktoken", "empty.tiktoken"),
    ):
        assert_error(run("encode", "--vocab", vocab, "-t", "x", cwd=tmp_path), 1, reason)


def test_convert_to_standard_output(saved: Path, tmp_path: Path) -> None:
    for kind, name in (("tokenizer.json", "t.json"), ("tiktoken", "t.tiktoken")):
        assert run("convert", "gpt2", tmp_path / name).returncode == 0
        done = run("convert", "gpt2", "-", "--to", kind, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, (tmp_path / name).read_bytes())
        copied = run("convert", name, "-", "--to", kind, cwd=tmp_path)
        assert (copied.returncode, copied.stdout) == (0, done.stdout)
    assert listing(tmp_path) == ["t.json", "t.tiktoken"]


def test_convert_knows_formats_by_name_and_refuses_to_guess(tmp_path: Path, saved: Path) -> None:
    assert_error(run("convert", "gpt2", "gpt2.bin", cwd=tmp_path), 2, "'gpt2.bin' names no format")
    noted(["convert", "--to", "tiktoken", "gpt2", "gpt2.bin"], tmp_path, "whenever gpt2.bin is read")
    assert (tmp_path / "gpt2.bin").read_bytes() == (saved / "gpt2.tiktoken").read_bytes()
    output("convert", "--to", "vocab", "gpt2", "v1.5", cwd=tmp_path)
    assert listing(tmp_path / "v1.5") == ["merges.txt", "vocab.json"]
    (tmp_path / "v1.5/tokenizer.json").write_bytes(b"{}")
    assert_error(run("convert", "gpt2", "v1.5/", cwd=tmp_path), 1, "a tokenizer.json stands there")
    assert_error(run("convert", "gpt2", "no/such/", cwd=tmp_path), 1, "no/such: cannot make this directory")
    assert_error(
        run("convert", "gpt2", "no/such.json", cwd=tmp_path),
        1,
        "no/such.json: cannot save",
        "create it first",
    )


@pytest.mark.parametrize("name", ["vocab.json", "deep/vocab.json"])
def test_one_of_two_files_is_not_written_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    assert_error(run("convert", "gpt2", name, cwd=tmp_path), 2, "one of two files", "merges.txt")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("target", "there", "message"),
    [
        (
            "pair/",
            ["vocab.json", "merges.txt"],
            "pair/vocab.json: is there already, and so is merges.txt: choose",
        ),
        (
            "pair/",
            ["merges.txt"],
            "pair/merges.txt: is there already: choose another place, or give --overwrite",
        ),
        ("t.json", ["t.json"], "t.json: is there already: choose another place, or give --overwrite"),
        ("t.tiktoken", ["t.tiktoken"], "t.tiktoken: is there already"),
    ],
)
@pytest.mark.parametrize("command", [["convert", "gpt2"], ["train", "text.txt", "--vocab-size", "300", "-o"]])
def test_what_stands_there_is_replaced_only_with_overwrite(
    tmp_path: Path, command: list[str], target: str, there: list[str], message: str
) -> None:
    (tmp_path / "text.txt").write_text("low lower lowest slow slower " * 50)
    (tmp_path / "pair").mkdir()
    folder = tmp_path / "pair" if target == "pair/" else tmp_path
    for name in there:
        (folder / name).write_text("years of work")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert_error(run(*command, target, cwd=tmp_path), 1, message)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert run(*command, target, "--overwrite", cwd=tmp_path).returncode == 0
    assert all((folder / name).read_text() != "years of work" for name in there)
    vocab = ["--vocab", target, *(["--special", f"{END_OF_TEXT}=1000000"] if "tik" in target else [])]
    assert output("encode", *vocab, "-t", "low", cwd=tmp_path)


def test_a_device_holds_nothing_to_be_replaced() -> None:
    done = run("convert", "gpt2", "/dev/stdout", "--to", "tokenizer.json")
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout.startswith(b"{")
