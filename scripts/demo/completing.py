"""Does one directory go from string to string, without this project? Asked in a process that has TensorFlow alone.

Owns the prompts, the export and the proofs about its answers. Refuses to generate in this process: a server would not
have it either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gpt2tok
from demo.checkpoint import Checkpoint
from demo.corpus import bytes_of
from demo.settings import NEW_TOKENS
from demo.shown import WIDTH, check, flush, proven, strong, timed
from gpt2tok.cli.stdout import print_text

PROMPTS = (
    "def __init__(self, ",
    "def read(self, size=-1):\n",
    "def main():\n",
    'def is_empty(self):\n    """',
)
TEMPERATURE, TOP_P, SEED = 0.7, 0.95, 1
RUNS = 3
LINES = 12  # of a completion that are shown


def export(checkpoint: Checkpoint, directory: Path) -> None:
    """Model and tokenizer become one SavedModel."""
    from gpt2model import export_text_generator

    directory.parent.mkdir(parents=True, exist_ok=True)
    _, seconds = timed(
        lambda: export_text_generator(
            checkpoint.model,
            checkpoint.tokenizer,
            directory,
            max_new_tokens=NEW_TOKENS,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            seed=SEED,
            warm_up_texts=[],
            overwrite=True,
        )
    )
    size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    print_text(f"{shown_path(directory)}: {size / 1e6:.1f} MB, exported in {seconds:.1f} s")
    flush()


def complete(directory: Path, encoding: gpt2tok.Encoding, texts: list[str]) -> bool:
    """Complete the prompts, tokenize the texts, and hold the ids against the Rust core's."""
    answer = ask(directory, texts)
    made, seconds = sum(answer["token_count"]), answer["seconds"]
    print_text(
        f"a clean process imported TensorFlow in {answer['import_seconds']:.1f} s, loaded the directory in "
        f"{answer['load_seconds']:.1f} s and compiled and answered in {answer['first_seconds']:.1f} s; from then on "
        f"{made} tokens for {len(PROMPTS)} prompts take {seconds:.3f} s: {made / seconds:,.0f} tokens/s\n"
    )
    for prompt, continuation in zip(PROMPTS, answer["continuations"], strict=True):
        text = prompt + bytes.fromhex(continuation).decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines()[:LINES]):
            begun = prompt.splitlines()[number : number + 1]
            known = begun[0] if begun else ""
            print_text(f"  | {strong(known) if known else ''}{line[len(known) :][:WIDTH]}".rstrip())
        print_text("")
    size, tokens = bytes_of(texts), sum(map(len, answer["ids"]))
    claim = f"ids in the graph == ids of the Rust core on {size / 1e6:.2f} MB of held-out files, {tokens:,} tokens"
    speed = f" ({size / answer['tokenize_seconds'] / 1e6:.2f} MB/s)"
    same = check(claim + speed, texts, answer["ids"], encoding.encode_ordinary_batch(texts))
    ours = [name for name in answer["modules"] if name.startswith("gpt2")]
    clean = proven("that process has loaded nothing of this project", not ours, ", ".join(ours))
    return same and clean


def ask(directory: Path, texts: list[str]) -> dict[str, Any]:
    """What a process with TensorFlow alone answers.

    Raises:
        RuntimeError: it failed.
    """
    request = {
        "prompts": PROMPTS,
        "max_new_tokens": NEW_TOKENS,
        "temperature": TEMPERATURE,
        "top_k": 0,
        "top_p": TOP_P,
        "seed": SEED,
        "runs": RUNS,
        "texts": texts,
    }
    run = subprocess.run(
        [sys.executable, "-I", Path(__file__).with_name("clean_process.py"), directory],
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if run.returncode:
        raise RuntimeError(f"the clean process ended with status {run.returncode}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def shown_path(path: Path) -> str:
    """The path as a person in this folder would write it."""
    return os.path.relpath(path)
