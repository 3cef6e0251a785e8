"""A tiny model, its tokenizer and its exports, for the tests of exporting and of serving.

Owns how they are made and how a clean process is asked. Refuses to assert anything about the answers.
"""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import gpt2tok
from gpt2model import GPT2Config, GPT2LMHeadModel
from gpt2tok import GPT2TokenizerFast
from small_vocabularies import spell

HERE = Path(__file__).parent
POSITIONS, NEW, ROWS = 48, 12, 4
TEXTS = ["def f(x):", "class A", "x", "return the text of a token"]


@functools.cache
def tokenizer() -> GPT2TokenizerFast:
    """Three hundred tokens, learned from this project's own source."""
    text = (HERE / "helpers.py").read_text("utf-8")
    learned = gpt2tok.train([text], 300, show_progress=False)
    vocab = {spell(token): number for number, token in learned.token_bytes()} | {"<|endoftext|>": 299}
    merges = [(spell(left), spell(right)) for left, right in learned.merges()]
    return GPT2TokenizerFast(vocab, merges)


@functools.cache
def model() -> Any:
    """Random weights, wide enough that continuations differ."""
    keras.utils.set_random_seed(3)
    fields = {"vocab_size": 300, "n_positions": POSITIONS, "n_embd": 16, "n_layer": 2, "n_head": 2}
    made = GPT2LMHeadModel(GPT2Config(**fields, initializer_range=0.4, bos_token_id=299, eos_token_id=299))
    made(np.zeros((1, 2), "int32"))
    return made


def inputs(texts: list[Any], **options: Any) -> dict[str, tuple[str, Any]]:
    """The inputs of `generate`, a single number standing for every text."""
    kinds = {
        "max_new_tokens": "int32",
        "temperature": "float32",
        "top_k": "int32",
        "top_p": "float32",
        "seed": "int32",
    }
    told = {"max_new_tokens": NEW, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0, **options}
    found: dict[str, tuple[str, Any]] = {"text": ("string", texts)}
    for name, kind in kinds.items():
        value = told[name]
        found[name] = kind, value if isinstance(value, list) else [value] * len(texts)
    return found


def asked(
    directory: Path, requests: list[tuple[str, dict[str, tuple[str, Any]]]], scratch: Path
) -> list[Any]:
    """What a clean process answers."""
    (scratch / "requests.txt").write_text(repr(requests), "utf-8")
    command = [sys.executable, "-I", HERE / "export_clean_process.py", directory]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("KERAS_BACKEND", None)  # TensorFlow Text imports Keras, which would import PyTorch, too
    run = subprocess.run(
        [*command, scratch / "requests.txt", scratch / "answers.txt"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=scratch,
        check=False,
    )
    assert run.returncode == 0, (run.returncode, run.stderr[-3000:])
    answers = ast.literal_eval((scratch / "answers.txt").read_text("utf-8").replace("nan", "None"))
    return list(answers)
