"""The scripts in fuzz/ that count for hours, for a second each: they run, they find what is wrong, they say so.

Owns only that. What they count is said in SECURITY.md and logged in fuzz/LOG.md.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz"
pytestmark = pytest.mark.skipif(not FUZZ.exists(), reason="fuzz/ is not here")


def run(*command: object, code: int = 0, given: str = "") -> str:
    command = (sys.executable, *map(str, command))
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, input=given)
    assert done.returncode == code, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_processes() -> None:
    out = run(FUZZ / "processes.py", "--kills", 3, "--forks", 1, "--interrupts", 1, "--minutes", 0.01)
    assert len(re.findall(r"^kill -9 in .*: 3 kills, 0 broken or half files", out, re.MULTILINE)) == 4
    assert (
        len(re.findall(r"after threads: 1 children, 0 hangs, 0 wrong, 0 warnings$", out, re.MULTILINE)) == 3
    )


def test_kills_of_a_models_save() -> None:
    if not all(map(importlib.util.find_spec, ("keras", "torch"))):
        pytest.skip("gpt2tok[model,torch] is not here")
    nothing = ["--kills", 0, "--forks", 0, "--interrupts", 0, "--minutes", 0]
    formats = ["--model-formats", "shards", "weights.h5"]
    out = run(FUZZ / "processes.py", *nothing, "--model-kills", 2, *formats)
    assert len(re.findall(r"^kill -9 in a model.*: 2 kills, 0 broken or half files", out, re.MULTILINE)) == 2


def test_growth() -> None:
    assert "inputs up to 4000 bytes" in run(FUZZ / "growth.py", "--time", "--most", 4000)
    out = run(FUZZ / "growth.py", "--memory", "--texts", 100_000)
    assert re.match(r"memory: -?\d+\.\d MiB more over 100000 distinct pretokens", out)


def test_large() -> None:
    out = run(FUZZ / "large.py", "--gib", 0.01, "--interrupts", 0)
    assert len(re.findall(r"^(streamed|in memory): .* equal$", out, re.MULTILINE)) == 3


def test_beside_tiktoken() -> None:
    texts = "".join(json.dumps(text) + "\n" for text in ["Hello, world!", "", " \n\n日本 'll"])
    assert run(FUZZ / "beside_tiktoken.py", given=texts) == (
        "beside tiktoken: 3 texts, 0 differences; beside tokenizers: 3, 0 differences\n"
    )
    broken = """
        import runpy, sys, tiktoken
        right = tiktoken.Encoding.encode_ordinary
        tiktoken.Encoding.encode_ordinary = lambda self, text: right(self, text)[:2]
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    out = run("-c", textwrap.dedent(broken), FUZZ / "beside_tiktoken.py", given=texts, code=1)
    assert out.startswith("DIFFERENCE: tiktoken gives [15496, 11], gpt2tok [15496, 11, 995, 0]")


def test_round_trip_on_a_vocabulary_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("low lower lowest\n" * 9, "utf-8")
    run("-m", "gpt2tok", "train", tmp_path / "text", "-o", tmp_path / "made", "--vocab-size", 270)
    vocab = ["--vocab", tmp_path / "made", "--no-graph"]
    out = run(FUZZ / "roundtrip.py", "--minutes", 0.01, "--seed", 1, *vocab)
    assert "compared: slow, fast, Encoding" in out and re.search(r"\d+ texts, 0 differences$", out.strip())
    run(FUZZ / "roundtrip.py", "--vocab", tmp_path, code=2)


def test_round_trip_shows_the_shortest_difference() -> None:
    broken = """
        import runpy, sys, gpt2tok
        right = gpt2tok.GPT2Tokenizer.decode
        gpt2tok.GPT2Tokenizer.decode = lambda self, ids, **more: right(self, ids, **more).replace("7", "8")
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    code = textwrap.dedent(broken)
    out = run("-c", code, FUZZ / "roundtrip.py", "--minutes", 2, "--seed", 1, "--no-graph", code=1)
    assert "DIFFERENCE: slow and fast decode differently" in out
    shown = re.search(r'--text "(.*)"', out)
    assert shown and shown[1] == "'7'"
    out = run("-c", code, FUZZ / "roundtrip.py", "--no-graph", "--text", shown[1], code=1)
    assert "for the text '7'" in out
