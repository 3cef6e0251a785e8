"""`gpt2model inspect | convert`: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from checkpoint_files import FORMATS, PICKLE, READABLE, SAFE, golden_config, golden_weights, write_golden
from gpt2model.checkpoints import open_checkpoint
from gpt2model.cli import main

Captured = pytest.CaptureFixture[str]


def test_inspect_as_text(capsys: Captured) -> None:
    assert main(["inspect", str(SAFE)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert (
        lines[0]
        == f"{SAFE}: GPT2LMHeadModel as safetensors, language-model head tied to the token embeddings"
    )
    assert lines[1] == "18,360 parameters, 73.4 kB of weights in model.safetensors"
    assert "n_layer=2" in lines[2] and "vocab_size=97" in lines[2]
    row = next(line for line in lines if line.startswith("transformer.h.0.attn.c_attn.weight"))
    assert row.split() == ["transformer.h.0.attn.c_attn.weight", "24", "x", "72", "float32", "6.9", "kB"]
    assert len(lines) == 5 + len(golden_weights()) and not printed.err


@pytest.mark.parametrize("name", READABLE)
def test_inspect_as_json(capsys: Captured, name: str) -> None:
    assert main(["inspect", "--json", "--check", str(FORMATS / name)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {tensor["name"]: tuple(tensor["shape"]) for tensor in found["tensors"]} == {
        key: value.shape for key, value in golden_weights().items()
    }
    assert found["parameters"] == 18_360 and found["bytes"] == 4 * 18_360 and found["faults"] == []
    assert found["class"] == ("GPT2Model" if name.endswith("base_only") else "GPT2LMHeadModel")
    assert found["config"]["n_head"] == 3 and found["files"]


def test_inspect_says_what_is_wrong(tmp_path: Path, capsys: Captured) -> None:
    weights = golden_weights()
    del weights["transformer.wpe.weight"]
    weights["transformer.ln_f.bias"][0] = np.nan
    folder = write_golden(tmp_path / "m", weights)
    assert main(["inspect", "--json", str(folder)]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["faults"] == ["missing: transformer.wpe.weight"]
    assert printed.err == "gpt2model: error: missing: transformer.wpe.weight\n"
    assert main(["inspect", "--check", str(folder)]) == 1
    assert "transformer.ln_f.bias: 1 of its numbers" in capsys.readouterr().err
    (folder / "config.json").unlink()
    assert main(["inspect", str(folder)]) == 1
    assert "config.json is not beside the weights" in capsys.readouterr().err
    (folder / "config.json").write_text(json.dumps({**golden_config(), "n_head": 7}))
    assert main(["inspect", str(folder)]) == 1
    assert "n_head" in capsys.readouterr().err


def test_inspect_a_head_that_is_untied(tmp_path: Path, capsys: Captured) -> None:
    weights = golden_weights()
    weights["lm_head.weight"] = weights["transformer.wte.weight"] + 1
    config = {**golden_config(), "tie_word_embeddings": False}
    assert main(["inspect", "--check", str(write_golden(tmp_path / "m", weights, config))]) == 0
    assert "tied" not in capsys.readouterr().out
    assert main(["inspect", "--check", str(write_golden(tmp_path / "n", weights))]) == 1
    assert "lm_head.weight differs" in capsys.readouterr().err


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("format", ["safetensors", "keras-hub"])
def test_convert(tmp_path: Path, capsys: Captured, name: str, format: str) -> None:
    target = tmp_path / "made" / "here"
    assert main(["convert", str(FORMATS / name), str(target), "--format", format]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(written) == sorted(path for path in target.iterdir())
    with open_checkpoint(target) as checkpoint:
        assert checkpoint.format == format
        assert all(np.array_equal(checkpoint.read(key), value) for key, value in golden_weights().items())
    if format == "safetensors":
        stored = load_file(target / "model.safetensors")
        prefix = "" if name.endswith("base_only") else "transformer."
        assert stored.keys() == {prefix + key.removeprefix("transformer.") for key in golden_weights()}
        config = json.loads((target / "config.json").read_text())
        assert config["architectures"] == ["GPT2Model" if name.endswith("base_only") else "GPT2LMHeadModel"]


def test_convert_round_and_round(tmp_path: Path) -> None:
    """Through every format that is written without a model, and back to the same bytes."""
    assert main(["convert", str(SAFE), str(tmp_path / "a"), "--format", "keras-hub"]) == 0
    assert main(["convert", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert main(["convert", str(tmp_path / "b"), str(tmp_path / "c"), "--max-shard-size", "10KB"]) == 0
    assert main(["convert", str(tmp_path / "c"), str(tmp_path / "d")]) == 0
    for folder in ("b", "d"):
        assert load_file(tmp_path / folder / "model.safetensors").keys() == golden_weights().keys()
        for name, value in load_file(tmp_path / folder / "model.safetensors").items():
            assert np.array_equal(value, golden_weights()[name])


def test_shards(tmp_path: Path, capsys: Captured) -> None:
    assert main(["convert", str(SAFE), str(tmp_path), "--max-shard-size", "20000"]) == 0
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_parameters": 18_360, "total_size": 73_440}
    assert index["weight_map"].keys() == golden_weights().keys()
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert [path.name for path in shards] == [
        f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)
    ]
    for shard in shards:
        stored = load_file(shard)
        assert sum(value.nbytes for value in stored.values()) <= 20_000
        assert all(index["weight_map"][name] == shard.name for name in stored)
    # Saved again whole, nothing of the shards may stay and be read instead.
    assert main(["convert", str(SAFE), str(tmp_path), "--overwrite"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert main(["convert", str(SAFE), str(tmp_path), "--max-shard-size", "40KB", "--overwrite"]) == 0
    assert not (tmp_path / "model.safetensors").exists()
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.names()) == set(golden_weights())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("format", ["safetensors", "keras-hub"])
def test_convert_to_another_element_type(tmp_path: Path, dtype: str, format: str) -> None:
    import ml_dtypes

    assert main(["convert", str(SAFE), str(tmp_path), "--dtype", dtype, "--format", format]) == 0
    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    with open_checkpoint(tmp_path) as checkpoint:
        for name, value in golden_weights().items():
            assert checkpoint.dtype(name) == dtype
            assert np.array_equal(checkpoint.read(name), value.astype(kind))
    config = json.loads((tmp_path / "config.json").read_text())
    assert dtype in json.dumps(config)


def test_convert_in_place(tmp_path: Path) -> None:
    folder = write_golden(tmp_path / "m")
    before = (folder / "model.safetensors").read_bytes()
    assert main(["convert", str(folder), str(folder), "--dtype", "float16", "--overwrite"]) == 0
    assert len((folder / "model.safetensors").read_bytes()) < len(before)
    with open_checkpoint(folder) as checkpoint:
        assert np.allclose(
            checkpoint.read("transformer.wte.weight"), golden_weights()["transformer.wte.weight"], atol=1e-3
        )


@pytest.mark.parametrize(
    ("format", "there", "message"),
    [
        (
            "safetensors",
            ["model.safetensors", "config.json"],
            "model.safetensors: is there already, and so is config",
        ),
        ("safetensors", ["model-00001-of-00009.safetensors"], "model-00001-of-00009.safetensors: is there"),
        (
            "safetensors",
            ["config.json"],
            "config.json: is there already: choose another place, or give --overwrite",
        ),
        ("safetensors", ["merges.txt"], "merges.txt: is there already"),  # another tokenizer's
        ("keras-hub", ["metadata.json"], "metadata.json: is there already"),
        ("keras", ["model.keras"], "model.keras: is there already"),
        ("weights.h5", ["model.weights.h5"], "model.weights.h5: is there already"),
    ],
)
def test_what_stands_there_is_replaced_only_with_overwrite(
    tmp_path: Path, capsys: Captured, format: str, there: list[str], message: str
) -> None:
    source = shutil.copytree(SAFE, tmp_path / "source")
    for name in ("vocab.json", "merges.txt"):
        (source / name).write_text("{}", "utf-8")
    target = tmp_path / "t"
    target.mkdir()
    (target / "vocab.json").write_text("{}", "utf-8")  # the same bytes again replace nothing
    for name in there:
        (target / name).write_text("years of work")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    arguments = ["convert", str(source), str(target), "--format", format]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    if format in ("safetensors", "keras-hub"):  # the others need a model: tests/model/test_model_cli.py
        assert main([*arguments, "--overwrite"]) == 0
        left = [name for name in there if (target / name).exists()]
        assert all((target / name).read_bytes() != b"years of work" for name in left)
        with open_checkpoint(target) as checkpoint:
            assert checkpoint.format == format


def test_permissions_of_what_is_written(tmp_path: Path) -> None:
    """safetensors alone gives its files to the owner only; a model in a shared directory is for everybody the
    umask allows."""
    assert main(["convert", str(SAFE), str(tmp_path)]) == 0
    other = tmp_path / "other"
    other.write_bytes(b"")
    assert (tmp_path / "model.safetensors").stat().st_mode == other.stat().st_mode
    (tmp_path / "model.safetensors").chmod(0o640)
    assert main(["convert", str(SAFE), str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "blob").write_bytes(b"old")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").symlink_to(tmp_path / "elsewhere" / "blob")
    assert main(["convert", str(SAFE), str(tmp_path / "m"), "--overwrite"]) == 0
    assert (tmp_path / "m" / "model.safetensors").is_symlink()
    assert load_file(tmp_path / "elsewhere" / "blob").keys() == golden_weights().keys()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["blob"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt2tok.cli.progress._FIRST_SECONDS", -1.0)
    commands = (["inspect", "--check", str(SAFE)], ["convert", str(SAFE), str(tmp_path), "--overwrite"])
    for command in commands:
        for stderr in (_Terminal(), io.StringIO()):
            monkeypatch.setattr("sys.stderr", stderr)
            assert main(command) == 0
            drawn = stderr.getvalue()
            assert ("of 0.1 MB" in drawn) == stderr.isatty()
            assert drawn.endswith("\r\x1b[K") or not stderr.isatty(), "the line is wiped at the end"


def test_a_repeated_head_is_left_out_and_a_foreign_one_noted(tmp_path: Path, capsys: Captured) -> None:
    weights = golden_weights()
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    weights["score.weight"] = np.ones((2, 24), "float32")
    assert main(["convert", str(write_golden(tmp_path / "m", weights)), str(tmp_path / "n")]) == 0
    assert load_file(tmp_path / "n" / "model.safetensors").keys() == {*golden_weights(), "score.weight"}
    weights["classifier.weight"], weights["classifier.bias"] = (
        np.ones((2, 24), "float32"),
        np.ones(2, "float32"),
    )
    assert main(["convert", str(write_golden(tmp_path / "o", weights)), str(tmp_path / "p")]) == 0
    assert (
        "note: " in (printed := capsys.readouterr().err) and "classifier.bias, classifier.weight" in printed
    )
    assert main(["convert", str(tmp_path / "n"), str(tmp_path / "q"), "--format", "keras-hub"]) == 1
    assert "no place for score.weight" in capsys.readouterr().err


def test_the_tokenizer_goes_along(tmp_path: Path) -> None:
    """From OpenAI's names to Hugging Face's to keras-hub's and back, byte for byte."""
    shutil.copytree(FORMATS / "openai_tf_checkpoint", tmp_path / "openai")
    (tmp_path / "openai" / "encoder.json").write_bytes(b'{"a": 0}')
    (tmp_path / "openai" / "vocab.bpe").write_bytes(b"#version: 0.2\n")
    assert main(["convert", str(tmp_path / "openai"), str(tmp_path / "hf")]) == 0
    (tmp_path / "hf" / "tokenizer_config.json").write_bytes(b"{}")
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "hub"), "--format", "keras-hub"]) == 0
    assert (tmp_path / "hub" / "assets" / "tokenizer" / "vocabulary.json").read_bytes() == b'{"a": 0}'
    assert json.loads((tmp_path / "hub" / "tokenizer.json").read_text())["class_name"] == "GPT2Tokenizer"
    assert main(["convert", str(tmp_path / "hub"), str(tmp_path / "again")]) == 0
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [
        "config.json", "merges.txt", "model.safetensors", "vocab.json",
    ]  # fmt: skip
    assert (tmp_path / "again" / "merges.txt").read_bytes() == b"#version: 0.2\n"
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy" / "tokenizer_config.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "COMMAND"),
        (["inspect"], 2, "FROM"),
        (["convert", "a"], 2, "TO"),
        (["convert", "a", "b", "--format", "pickle"], 2, "invalid choice"),
        (["convert", "a", "b", "--dtype", "int8"], 2, "invalid choice"),
        (["convert", "a", "b", "--max-shard-size", "big"], 2, "max_shard_size"),
        (["convert", "a", "b", "--max-shard-size", "1GB", "--format", "keras-hub"], 2, "for safetensors"),
        (["convert", "a", "b.keras", "--format", "safetensors"], 2, "give a directory"),
        (["frobnicate"], 2, "invalid choice"),
        (["inspect", "/nowhere/at/all"], 1, "no such directory"),
        (["inspect", str(PICKLE)], 1, "is a pickle"),
        (["convert", str(PICKLE), "x"], 1, "is a pickle"),
        (["--help"], 0, ""),
        (["convert", "--help"], 0, ""),
        (["--version"], 0, ""),
    ],
)
def test_exit_codes(capsys: Captured, arguments: list[str], code: int, words: str) -> None:
    assert main(arguments) == code
    printed = capsys.readouterr()
    if code:
        assert printed.err.startswith("gpt2model: error: ") and printed.err.count("\n") == 1
        assert words in printed.err and not printed.out
    else:
        assert printed.out and not printed.err


def test_help_has_examples(capsys: Captured) -> None:
    for command in ("inspect", "convert"):
        main([command, "--help"])
        assert f"examples:\n  gpt2model {command} " in capsys.readouterr().out


def test_a_reader_that_goes_away() -> None:
    command = f'"{sys.executable}" -m gpt2model.cli inspect --json "{SAFE}" | head -c 1'
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    assert done.stdout == b"{" and done.returncode in (0, 141) and b"Traceback" not in done.stderr
