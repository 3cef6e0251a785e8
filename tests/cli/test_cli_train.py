"""`gpt2tok train` and `gpt2tok stats`, from the command line to the files, judged by tokenizers and by counting."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import tokenizers
from cli_process import END_OF_TEXT, SAMPLE, assert_error, listing, noted, output, run
from tokenizers import models, pre_tokenizers, trainers

import gpt2tok

TEXT = "".join(json.loads(line)["text"] for line in SAMPLE.read_text("utf-8").splitlines()[::7])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path


def oracle(path: Path, size: int, **options: object) -> list[list[str]]:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=alphabet,
        show_progress=False,
        **options,
    )
    tokenizer.train([str(path)], trainer)
    merges: list[list[str]] = json.loads(tokenizer.to_str())["model"]["merges"]
    return merges


def train(folder: Path, *arguments: object) -> None:
    assert output("train", *arguments, cwd=folder) == b""


def test_every_format_holds_the_merges_of_tokenizers(folder: Path) -> None:
    wanted = oracle(folder / "text.txt", 900)
    train(folder, "text.txt", "-o", "pair/", "--vocab-size", 900)
    assert listing(folder / "pair") == ["merges.txt", "tokenizer_config.json", "vocab.json"]
    lines = (folder / "pair/merges.txt").read_text("utf-8").splitlines()
    assert lines == ["#version: 0.2", *(" ".join(merge) for merge in wanted)]
    vocab = json.loads((folder / "pair/vocab.json").read_bytes())
    assert vocab["".join(wanted[0])] == 256 and vocab[END_OF_TEXT] == 899 and len(vocab) == 900
    train(folder, "text.txt", "-o", "mine.json", "--vocab-size", 900)
    assert json.loads((folder / "mine.json").read_bytes())["model"]["merges"] == wanted
    noted(["train", "text.txt", "-o", "m.tiktoken", "--vocab-size", "900"], folder, f"'{END_OF_TEXT}=899'")
    special = ["--special", f"{END_OF_TEXT}=899"]
    for name, more in (("pair", []), ("mine.json", []), ("m.tiktoken", special)):
        ids = output("encode", "--vocab", name, *more, "text.txt", cwd=folder)
        assert output("decode", "--vocab", name, *more, stdin=ids, cwd=folder).decode() == TEXT
        assert ids == output("encode", "--vocab", "pair", "text.txt", cwd=folder)


def test_standard_input_json_lines_and_whole_files(folder: Path) -> None:
    train(folder, "text.txt", "-o", "a", "--vocab-size", 700)
    done = run("train", "-", "-o", "b", "--vocab-size", "700", stdin=TEXT.encode(), cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lines = "".join(json.dumps({"body": line}) + "\n" for line in TEXT.splitlines(keepends=True))
    (folder / "text.jsonl").write_text(lines, "utf-8")
    train(folder, "text.jsonl", "--field", "body", "-o", "c", "--vocab-size", 700)
    merges = [(folder / name / "merges.txt").read_bytes() for name in "abc"]
    assert merges[0] == merges[1] == merges[2]
    train(folder, "--whole-files", "text.txt", "-o", "d", "--vocab-size", 700, "--threads", 2)
    encoding = gpt2tok.train([TEXT], 700, show_progress=False)
    loaded = gpt2tok.Encoding.from_files(folder / "d/vocab.json", folder / "d/merges.txt")
    assert loaded.merges() == encoding.merges() and (folder / "d/merges.txt").read_bytes() != merges[0]


def test_options_reach_the_trainer(folder: Path) -> None:
    arguments = ["--min-frequency", 4, "--max-token-length", 6, "--special", "<a>", "--special", "<b>"]
    done = run("train", "text.txt", "-o", "v.json", "--vocab-size", "30000", *arguments, cwd=folder)
    assert done.returncode == 0 and b"gpt2tok: note: the corpus had " in done.stderr
    made = json.loads((folder / "v.json").read_bytes())
    assert made["model"]["merges"] == oracle(folder / "text.txt", 30_000, min_frequency=4, max_token_length=6)
    assert [token["content"] for token in made["added_tokens"]] == ["<a>", "<b>"]
    train(folder, "text.txt", "-o", "none.json", "--vocab-size", 300, "--no-special")
    assert json.loads((folder / "none.json").read_bytes())["added_tokens"] == []
    train(folder, "text.txt", "-o", "pair", "--vocab-size", 300, "--special", "<a>")
    assert output("encode", "--vocab", "pair", "--allow-special", "-t", "<a>", cwd=folder) == b"299\n"
    noted(
        ["train", "text.txt", "-o", "few", "--vocab-size", "300", "--max-pretokens", "50"],
        folder,
        "max_pretokens dropped",
    )


REFUSED = [
    (["text.txt", "-o", "v", "--vocab-size", "256"], 1, "vocab_size 256 is too small"),
    (["text.txt", "-o", "v", "--vocab-size", "0"], 2, "--vocab-size"),
    (["text.txt", "-o", "v", "--vocab-size", "9999999999"], 2, "is too large: give less than 2147483648"),
    (["text.txt", "-o", "v", "--vocab-size", "2000000000"], 1, "ids must stay below"),
    (["text.txt", "-o", "v"], 2, "--vocab-size"),
    (["text.txt", "--vocab-size", "300"], 2, "--output"),
    (["-o", "v", "--vocab-size", "300"], 2, "FILE"),
    (
        ["nowhere.txt", "-o", "v", "--vocab-size", "300"],
        1,
        "nowhere.txt: cannot read it (No such file or directory): check the path\n",
    ),
    (["", "-o", "v", "--vocab-size", "300"], 2, "'' is not the name of a file: give a file, or -"),
    (["text.txt", "-o", "-", "--vocab-size", "300"], 2, "- is neither"),
    (["text.txt", "-o", "v.txt", "--vocab-size", "300"], 2, "names no format"),
    (["text.txt", "-o", "vocab.json", "--vocab-size", "300"], 2, "vocab.json is one of two files"),
    (["text.txt", "-o", "no/where/v.json", "--vocab-size", "300"], 1, "does not exist"),
    (["nowhere.txt", "-o", "no/where/v.json", "--vocab-size", "300"], 1, "does not exist"),  # before reading
    (["text.txt", "-o", "text.txt", "--to", "vocab", "--vocab-size", "300"], 1, "a file stands there"),
    (["text.txt", "-o", "full", "--vocab-size", "300"], 1, "tokenizer.json stands there"),
    (["text.txt", "-o", "v", "--vocab-size", "300", "--special", ""], 1, "special_tokens[0] is empty"),
    (
        ["text.txt", "-o", "v", "--vocab-size", "300", "--special", "a", "--special", "a"],
        1,
        "as is special_tokens[0]",
    ),
    (["text.txt", "-o", "v", "--vocab-size", "300", "--special", "a", "--no-special"], 2, "not allowed with"),
    (["text.txt", "-o", "v", "--vocab-size", "300", "--field", "text"], 1, "text.txt, line 1: not JSON"),
    (["text.txt", "-o", "v", "--vocab-size", "300", "--field", ""], 2, "--field is empty"),
    (["empty.txt", "-o", "v", "--vocab-size", "300"], 1, "the corpus is empty"),
    (["bad.txt", "-o", "v", "--vocab-size", "300"], 1, "bad.txt: not UTF-8: byte 0xff at offset 4"),
    (["text.txt", "bad.txt", "-o", "v", "--vocab-size", "300"], 1, "or read it with --errors replace"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_cannot_be_is_refused_and_leaves_nothing(
    arguments: list[str], code: int, message: str, folder: Path
) -> None:
    (folder / "full").mkdir()
    (folder / "full/tokenizer.json").write_bytes(b"{}")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "bad.txt").write_bytes(b"good\xff\n")
    before = sorted(folder.rglob("*"))
    assert_error(run("train", *arguments, cwd=folder), code, message)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", ["v", "v.json", "v.tiktoken"])
def test_a_place_that_cannot_be_written_to_is_refused_before_reading(name: str, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o555)
    arguments = ["train", "nowhere.txt", "-o", f"locked/{name}", "--vocab-size", "300"]
    assert_error(run(*arguments, cwd=folder), 1, "no permission to write")


def steps_and_never(encoding: gpt2tok.Encoding, counts: Counter[int]) -> dict[str, list[int]]:
    """Why an entry never came, by merging every token that did, byte by byte, and looking on."""
    ranks = {left + right: (rank, left, right) for rank, (left, right) in enumerate(encoding.merges())}
    seen: set[bytes] = set()
    for token_id in counts:
        token = encoding.decode_single_token_bytes(token_id)
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 1:
            seen |= set(parts)
            pairs = [(ranks[a + b][0], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
            i = min(pairs)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
    found: dict[str, list[int]] = {"byte": [], "step": [], "never": []}
    for token_id, token in encoding.token_bytes():
        if token_id not in counts:
            found["byte" if len(token) == 1 else "step" if token in seen else "never"].append(token_id)
    return found


def test_stats_counts_as_counting_does(folder: Path) -> None:
    train(folder, "text.txt", "-o", "v", "--vocab-size", 900)
    report = json.loads(output("stats", "v", "--against", "gpt2", "--json", "text.txt", cwd=folder))
    encodings = [
        gpt2tok.Encoding.from_files(folder / "v/vocab.json", folder / "v/merges.txt"),
        gpt2tok.get_encoding("gpt2"),
    ]
    for encoding, found, name in zip(encodings, report["vocabularies"], ("v", "gpt2"), strict=True):
        ids = encoding.encode_ordinary(TEXT)
        counts = Counter(ids)
        assert (found["vocab"], found["bytes"], found["tokens"]) == (name, len(TEXT.encode()), len(ids))
        assert found["bytes_per_token"] == round(len(TEXT.encode()) / len(ids), 4)
        assert found["unused_ids"] == [i for i, _ in encoding.token_bytes() if i not in counts]
        by_reason = steps_and_never(encoding, counts)
        assert found["unused_merge_ids"] == by_reason["never"] and found["unused_merges"] == len(
            by_reason["never"]
        )
        assert (found["unused_steps"], found["unused_single_bytes"]) == (
            len(by_reason["step"]),
            len(by_reason["byte"]),
        )
        assert found["unused"] == sum(map(len, by_reason.values())) == len(found["unused_ids"])
        longest = max(len(encoding.decode_single_token_bytes(i)) for i in counts)
        first = found["longest"][0]
        assert first["bytes"] == longest and first["count"] == counts[first["id"]]
        assert sum(found["tokens_by_bytes"].values()) == len(ids)
    shown = output(
        "stats", "v", "--against", "gpt2", "--longest", 3, stdin=TEXT.encode(), cwd=folder
    ).decode()
    ratio = report["vocabularies"][1]["tokens"] / report["vocabularies"][0]["tokens"]
    assert f"gpt2 needs {ratio:.3f} times the tokens of v" in shown and shown.count("longest tokens") == 2
    (folder / "t.jsonl").write_text(json.dumps({"t": TEXT}), "utf-8")
    again = json.loads(output("stats", "v", "--json", "--field", "t", "t.jsonl", cwd=folder))
    assert again["vocabularies"] == report["vocabularies"][:1]


def test_stats_of_nothing_and_of_what_cannot_be_read(folder: Path) -> None:
    (folder / "empty.txt").write_bytes(b"")
    for arguments in ([], [folder / "empty.txt"], [folder / "empty.txt", "--json"]):
        assert_error(
            run("stats", "gpt2", *arguments, stdin=b""), 1, "the text is empty: give a file with text"
        )
    (folder / "bad.txt").write_bytes(b"a\xff")
    assert_error(
        run("stats", "gpt2", folder / "bad.txt"),
        1,
        "bad.txt: not UTF-8: byte 0xff at offset 1:",
        "--errors replace",
    )
    (folder / "far.txt").write_bytes(b"some text\n" * 300_000 + b"\xe4\xb8")
    assert_error(run("stats", "gpt2", folder / "far.txt"), 1, "byte 0xe4 at offset 3000000:")
    (folder / "half.jsonl").write_text('{"t": "a"}\n{"t": "\\ud800"}\n', "utf-8")
    half = ["stats", "gpt2", "--field", "t", "half.jsonl"]
    assert_error(
        run(*half, cwd=folder), 1, "half.jsonl, line 2: field 't' has a lone surrogate", "--errors replace"
    )
    replaced = json.loads(output(*half, "--errors", "replace", "--json", cwd=folder))["vocabularies"][0]
    assert replaced["bytes"] == len("a\ufffd".encode())
    assert "2 bytes" in output("stats", "gpt2", "--errors", "replace", folder / "bad.txt").decode()
    assert_error(run("stats", "nowhere", folder / "text.txt"), 1, "no such vocabulary")
    assert_error(run("stats", "gpt2", "--picture", "p.gif", folder / "text.txt"), 2, "names no picture")
    wanted = ["stats", "gpt2", "--picture", folder / "nowhere/p.png", folder / "text.txt"]
    assert_error(run(*wanted), 1, "nowhere does not exist: create it first")


def test_a_picture_needs_matplotlib_and_says_so(folder: Path) -> None:
    (folder / "hidden").mkdir()
    (folder / "hidden/sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'matplotlib' else find(name, *more)\n"
    )
    arguments = ["stats", "gpt2", "--picture", "p.png", "text.txt"]
    path = os.pathsep.join(filter(None, [str(folder / "hidden"), os.environ.get("PYTHONPATH", "")]))
    done = run(*arguments, cwd=folder, PYTHONPATH=path)
    assert_error(done, 2, "pip install 'gpt2tok[stats]'")
    assert not (folder / "p.png").exists()


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_drawn(kind: str, magic: bytes, folder: Path) -> None:
    output("stats", "gpt2", "--against", "gpt2", "--picture", f"p.{kind}", "text.txt", cwd=folder)
    assert (folder / f"p.{kind}").read_bytes().startswith(magic)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
@pytest.mark.parametrize("name", ["a$b_{$c", "_hidden", "詩"])
def test_a_picture_shows_any_name(name: str, folder: Path) -> None:
    train(folder, "text.txt", "-o", f"{name}.json", "--vocab-size", 300)
    done = run("stats", f"{name}.json", "--picture", "p.svg", "text.txt", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    picture = (folder / "p.svg").read_text("utf-8")
    # matplotlib names every text in a comment, and has none for the names that a legend leaves out.
    assert f"{name}.json (" in picture
