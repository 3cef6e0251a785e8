"""The files of tests/data/hostile: each gives the error that `expected.json` says, quickly, and nothing in it runs.

Owns the table of committed files. Mistakes that a test makes while it runs are `test_load_bad_files.py`'s and
`checkpoints/`'s. A checkpoint is read whole, as `from_pretrained` reads it, short of the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gpt2tok
from checkpoint_refusals import read_all
from gpt2model import CheckpointError, GenerationConfig, GenerationConfigError, GPT2Config
from gpt2tok.cli.generate import _prompt
from gpt2tok.cli.problems import DataError

HOSTILE = Path(__file__).parent / "data" / "hostile"
# case -> [class of the error, words that stand in its message]
EXPECTED: dict[str, list[str]] = json.loads((HOSTILE / "expected.json").read_text("utf-8"))
ERRORS = {
    "VocabError": gpt2tok.VocabError,
    "CheckpointError": CheckpointError,
    "FileNotFoundError": FileNotFoundError,
    "OSError": OSError,
    "GenerationConfigError": GenerationConfigError,
    "ValueError": ValueError,
}


def two_files(case: Path) -> Any:
    unk = None if case.name == "vocab-no-unk" else "<unk>"
    return gpt2tok.Encoding.from_files(case / "vocab.json", case / "merges.txt", unk_token=unk)


def generator(case: Path) -> Any:
    from gpt2model import load_text_generator

    return load_text_generator(case)


LOADERS: dict[str, Callable[[Path], Any]] = {
    "vocab": two_files,
    "merges": two_files,
    "tokenizer": lambda case: gpt2tok.Encoding.from_tokenizer_json(case / "tokenizer.json"),
    "tiktoken": lambda case: gpt2tok.Encoding.from_tiktoken(case / "x.tiktoken"),
    "generator": generator,
    "generation": GenerationConfig.from_pretrained,
    "gpt2config": lambda case: GPT2Config.from_json(case / "config.json"),
    **dict.fromkeys(("safetensors", "index", "config", "msgpack", "pickle", "h5"), read_all),
}


@pytest.mark.parametrize("case", sorted(path.name for path in HOSTILE.iterdir() if path.is_dir()))
def test_a_hostile_file_gives_its_error(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, words = EXPECTED[case]
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    with pytest.raises(ERRORS[error]) as caught:
        LOADERS[case.split("-", maxsplit=1)[0]](HOSTILE / case)
    assert type(caught.value) is ERRORS[error] and words in str(caught.value)
    assert len(str(caught.value)) < 1000, "a message is no dump of the file"
    assert case.startswith("generator-graph") or time.process_time() - start < 5  # there TensorFlow starts
    assert list(tmp_path.iterdir()) == [], "something in the file has run"


@pytest.mark.parametrize("line", [b"[" * 100_000, b"\xff", b"7", b"", b'{"prompt": 7}'])
def test_a_hostile_line_of_prompts(line: bytes) -> None:
    with pytest.raises(DataError, match=r"^standard input: line 3: .*: give a JSON string"):
        _prompt(line, 3)


def test_the_table_names_every_case_and_no_other() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in HOSTILE.iterdir() if path.is_dir())
    assert sum(path.stat().st_size for path in HOSTILE.rglob("*") if path.is_file()) < 300_000
