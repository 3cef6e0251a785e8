"""The judge of training: tokenizers' BpeTrainer with ByteLevel, told to do what gpt2tok does.

Owns the oracle's settings and the corpora that the tests share. `python tests/training/training_oracle.py FILE ...` is
the long proof: all sizes, 1 and 2 threads, on whole corpora (JSON lines with `text`, maybe gzipped, or plain text).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import sysconfig
import time
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

import gpt2tok
from gpt2tok.formats import byte_alphabet

Merges = list[tuple[str, str]]
SIZES = (300, 1_000, 8_000, 32_000)
DATA = Path(__file__).parents[1] / "data"


def oracle(
    texts: Iterable[str] | None = None,
    vocab_size: int = 1000,
    special_tokens: Sequence[str] = (),
    *,
    files: Sequence[Path] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
) -> Merges:
    """The merges that tokenizers learns."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special_tokens),
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    if files:
        tokenizer.train([str(file) for file in files], trainer)
    else:
        tokenizer.train_from_iterator(texts, trainer)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def spelled(encoding: gpt2tok.Encoding) -> Merges:
    """The merges of an encoding in the spelling of merges.txt."""
    alphabet = byte_alphabet()

    def text(token: bytes) -> str:
        return "".join(alphabet[byte] for byte in token)

    return [(text(left), text(right)) for left, right in encoding.merges()]


def trained(texts_or_files: object, vocab_size: int, **options: object) -> gpt2tok.Encoding:
    """`gpt2tok.train` without its warnings of small corpora and without a special token, unless one is named."""
    options = {"special_tokens": (), "show_progress": False, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return gpt2tok.train(texts_or_files, vocab_size, **options)  # type: ignore[arg-type]


def json_lines(path: Path) -> list[str]:
    """The texts of a corpus in JSON lines."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line)["text"] for line in content.splitlines()]


@cache
def corpus(name: str) -> tuple[str, ...]:
    """Real text: "english", "chinese", "multilingual", or "python" (sources of the standard library)."""
    if name == "python":
        folder = Path(sysconfig.get_path("stdlib"))
        return tuple(path.read_text("utf-8") for path in sorted(folder.glob("[a-d]*.py")))
    return tuple(json_lines(next(DATA.glob(f"{name}.jsonl*"))))


def small_corpus(generator: random.Random) -> list[str]:
    """A few short texts of few letters: pairs tie, runs overlap, and one token is made in several ways."""
    letters = generator.choice(["ab", "ab", "abc", "ab c", "aé日 ", "abcdefgh '\n1"])
    texts = []
    for _ in range(generator.randint(1, 9)):
        part = "".join(generator.choices(letters, k=generator.randint(0, 14)))
        texts.append(part * generator.randint(1, 3))
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the merges with tokenizers' on whole corpora.")
    parser.add_argument("files", nargs="+", type=Path)
    failed = 0
    for path in parser.parse_args().files:
        texts = json_lines(path) if ".jsonl" in path.name else [path.read_text("utf-8")]
        for size in SIZES:
            start = time.perf_counter()
            wanted = oracle(texts, size)
            seconds = time.perf_counter() - start
            for threads in (1, 2):
                start = time.perf_counter()
                same = spelled(trained(texts, size, num_threads=threads)) == wanted
                ours = time.perf_counter() - start
                failed += not same
                verdict = "equal" if same else "DIFFERENT"
                print(
                    f"{path.name}, {size} ids, {threads} threads: {len(wanted)} merges {verdict}"
                    f" ({ours:.2f} s, tokenizers {seconds:.2f} s)",
                    flush=True,
                )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
