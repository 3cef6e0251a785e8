"""`gpt2tok generate`, from the command line to the text, beside `model.generate`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import BACKEND, array, long_where_compiled

import gpt2tok
from gpt2model import GenerationConfig, GPT2Config, GPT2LMHeadModel
from gpt2tok.cli import main
from gpt2tok.cli.generate import Held

TEXT = "the quick brown fox jumps over the lazy dog; das flinke braune Füchslein springt über den Hund. " * 20
SIZES = {"vocab_size": 320, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint with its vocabulary of 300 ids, of which the model knows 20 more, and both in Python."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "text.txt").write_text(TEXT, "utf-8")
    arguments = ["train", str(folder / "text.txt"), "-o", str(folder / "ours"), "--vocab-size", "300"]
    assert main(arguments) == 0
    model = GPT2LMHeadModel(GPT2Config(**SIZES, bos_token_id=299, eos_token_id=299))
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.standard_normal(variable.shape).astype("float32") * 0.3)
    model.save_pretrained(folder / "ours")
    encoding = gpt2tok.Encoding.from_files(
        folder / "ours" / "vocab.json", folder / "ours" / "merges.txt", special_tokens={"<|endoftext|>": 299}
    )
    return str(folder / "ours"), model, encoding


def said(model, encoding, prompt, **options):
    """What `model.generate` makes of a prompt: the new text of its only row."""
    ids = encoding.encode(prompt) or [299]
    options = {"suppress_tokens": list(range(300, 320)), **options}
    new = array(model.generate([ids], **options))[0, len(ids) :].tolist()
    new = new[: new.index(299)] if 299 in new else new
    return encoding.decode(new)


def run(capsys, *arguments, code=0):
    assert main(["generate", *arguments]) == code
    return capsys.readouterr()


def test_a_prompt_is_completed(made, capsys):
    """Streamed and at once, with the prompt and without."""
    folder, model, encoding = made
    expected = said(model, encoding, "the fox", max_new_tokens=12)
    assert run(capsys, folder, "the fox", "--max-new-tokens", "12").out == f"the fox{expected}\n"
    once = run(capsys, folder, "the fox", "--max-new-tokens", "12", "--no-stream", "--only-new")
    assert (once.out, once.err) == (f"{expected}\n", "")


@long_where_compiled
def test_sampling_several_and_lines_of_json(made, capsys, monkeypatch):
    folder, model, encoding = made
    drawn = {"do_sample": True, "temperature": 1.5, "top_k": 9, "top_p": 0.9, "seed": 3, "max_new_tokens": 9}
    flags = ["--temperature", "1.5", "--top-k", "9", "--top-p", "0.9", "--seed", "3", "--max-new-tokens", "9"]
    expected = said(model, encoding, "Hund", **drawn)
    assert run(capsys, folder, "Hund", *flags).out == f"Hund{expected}\n"
    several = run(capsys, folder, "Hund", *flags, "--num-return-sequences", "2", "--json").out.splitlines()
    found = [json.loads(line) for line in several]
    assert [entry["sequence"] for entry in found] == [0, 1] and {entry["prompt"] for entry in found} == {
        "Hund"
    }
    assert found[0]["text"] != found[1]["text"]
    shown = run(capsys, folder, "Hund", *flags, "--num-return-sequences", "2").out
    assert shown == "".join(f"=== {i + 1} of 2 ===\nHund{found[i]['text']}\n" for i in (0, 1))
    lines = b'"Hund"\n\n{"prompt": "", "id": 7}\n"<|endoftext|>"'
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(lines))))
    answers = run(capsys, folder, "-", *flags, "--allow-special").out.splitlines()
    assert [json.loads(line)["text"] for line in answers] == [
        expected, said(model, encoding, "", **drawn), said(model, encoding, "", **drawn)
    ]  # fmt: skip


@long_where_compiled
def test_every_way_is_the_models(made, capsys):
    folder, model, encoding = made
    ways = [
        (["--num-beams", "3"], {"num_beams": 3}),
        (["--penalty-alpha", "0.6", "--top-k", "4"], {"penalty_alpha": 0.6, "top_k": 4}),
        (["--sliding-window", "--max-new-tokens", "60"], {"sliding_window": True, "max_new_tokens": 60}),
        (["--repetition-penalty", "1.5"], {"repetition_penalty": 1.5}),
        (["--no-repeat-ngram-size", "1"], {"no_repeat_ngram_size": 1}),
        (["--weights", "int8"], {"weights": "int8"}),
        (["--min-p", "0.1", "--seed", "5"], {"do_sample": True, "min_p": 0.1, "seed": 5}),
    ]
    for flags, options in ways:
        expected = said(model, encoding, "über", **options)
        assert run(capsys, folder, "über", "--only-new", *flags).out == f"{expected}\n", flags


@long_where_compiled
def test_stops_cut_the_text(made, capsys):
    folder, model, encoding = made
    flags = ["--repetition-penalty", "1.5", "--max-new-tokens", "25", "--only-new"]
    free = said(model, encoding, "lazy", repetition_penalty=1.5, max_new_tokens=25)
    stop = free[8:11]
    for more in ([], ["--no-stream"]):
        got = run(capsys, folder, "lazy", *flags, "--stop", "no such text", "--stop", stop, *more).out
        assert got == free[: free.index(stop)] + "\n"


@pytest.mark.parametrize("seed", range(20))
def test_held_text_is_the_text_up_to_the_stop(seed):
    random = np.random.default_rng(seed)
    text = "".join(random.choice(list("ab"), 60))
    stops = ["".join(random.choice(list("ab"), size)) for size in random.integers(2, 7, 3)]
    held, out, place = Held(stops), [], 0
    while place < len(text):
        size = int(random.integers(1, 5))
        out.append(held.step(text[place : place + size]))
        place += size
        whole = "".join(out)
        assert not any(stop in whole for stop in stops)
    ends = [text.find(stop) for stop in stops if stop in text]
    # The first stop to be complete ends the text, and of those the one that begins first.
    if not ends:
        assert "".join(out) + held.finish() == text
    else:
        done = min(text.find(stop) + len(stop) for stop in stops if stop in text)
        whole = "".join(out) + held.finish()
        assert text.startswith(whole) and whole in {text[:end] for end in ends} and len(whole) < done


REFUSED = {
    "no such option": (["--temprature", "2"], 2, "did you mean --temperature"),
    "share": (["--top-p", "1.5"], 2, "'1.5' is not a number from 0 to 1"),
    "greedy": (["--greedy", "--top-p", "0.5"], 2, "--top-p is for sampling"),
    "zero": (["--temperature", "0"], 2, "--temperature must be more than 0"),
    "beams": (["--num-beams", "2", "--num-return-sequences", "3"], 2, "--num-return-sequences=3 is more than --num-b"),
    "stream": (["--stream", "--json"], 2, "--stream shows one text"),
    "too long": (["--max-new-tokens", "60"], 1, "--sliding-window"),
    "special": (["<|endoftext|>"], 1, "--allow-special"),
    "vocabulary": (["--vocab", "gpt2"], 1, "has 50257 ids, and the model knows 320"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(made, capsys, case):
    flags, code, words = REFUSED[case]
    prompt = [] if flags[0].startswith("<") else ["the fox"]
    shown = run(capsys, made[0], *prompt, *flags, code=code)
    assert shown.out == "" and shown.err.startswith("gpt2tok: error: ") and shown.err.count("\n") == 1
    assert words in shown.err


@pytest.mark.parametrize("line, words", [(b"{", "line 2: no JSON"), (b"7", "line 2: holds no prompt")])
def test_broken_lines_are_named(made, capsys, monkeypatch, line, words):
    stdin = io.BufferedReader(io.BytesIO(b"\n" + line))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    assert words in run(capsys, made[0], "-", code=1).err


def test_a_backend_that_there_is_not(made, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorlow")
    shown = run(capsys, made[0], "a", code=2).err
    assert "KERAS_BACKEND is 'tensorlow': set it to jax, tensorflow, torch" in shown


def test_no_checkpoint_and_no_vocabulary(made, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    shown = run(capsys, str(tmp_path / "empty"), "a", code=1).err
    assert str(tmp_path) in shown and "no weights among" in shown  # the option --weights is not meant
    shown = run(capsys, str(tmp_path / "nowhere"), "a", code=1).err
    assert "no such directory or file" in shown and "stream" not in shown and "pipe" not in shown
    made[1].save_pretrained(tmp_path / "bare")
    assert "--vocab" in run(capsys, str(tmp_path / "bare"), "a", code=1).err


@pytest.mark.skipif(BACKEND != "torch", reason="a process: once is enough")
def test_a_process_streams_and_names_what_is_missing(made, tmp_path):
    folder, model, encoding = made
    command = [sys.executable, "-m", "gpt2tok", "generate", folder, "the fox"]
    paths = [str(Path(gpt2tok.__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=300)
    expected = said(model, encoding, "the fox")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, f"the fox{expected}\n", b"")
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("raise ModuleNotFoundError('No keras', name='keras')")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *paths])
    done = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=300)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.decode().startswith("gpt2tok: error: ") and b"pip install 'gpt2tok[" in done.stderr


def test_the_checkpoints_own_options_stand(made, capsys, tmp_path):
    folder, model, encoding = made
    for path in Path(folder).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    GenerationConfig(max_new_tokens=3, eos_token_id=299).save_pretrained(tmp_path)
    expected = said(model, encoding, "dog", max_new_tokens=3)
    assert run(capsys, str(tmp_path), "dog", "--no-stream").out == f"dog{expected}\n"
