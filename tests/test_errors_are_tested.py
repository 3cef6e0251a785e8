"""Is there an error that no test raises? Every error type of the Rust core and of the Python packages, read from the
sources, must stand in a list whose test reads its message.

Variants of the core's enums are `rust/core/tests/refusals.rs`'s, whose lists the compiler keeps whole.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "rust" / "core"

# Python's error class -> (words of a message of it, the test that reads them)
RAISED = {
    "TokenizerError": ("max_pretokens must be at least 1", "training/test_training.py"),
    "VocabError": ("stands twice, with ids", "test_load_bad_files.py"),
    "SpecialTokenError": ("the text holds the special token", "test_encoding_special_tokens.py"),
    "UnknownTokenError": ("another vocabulary", "test_encoding_bad_input.py"),
    "CheckpointError": ("not in the directory", "checkpoints/test_checkpoint_hostile.py"),
    "ContextLengthError": ("are filled and", "model/test_cache.py"),
    "GenerationConfigError": ("leave out sliding_window", "model/test_generation_sliding.py"),
    "DataError": ("standard output is closed", "cli/test_cli_ends.py"),
    "UsageError": ("cannot both be the input", "cli/test_cli.py"),
    "BadRequest": ("no common dimension 0", "serve/test_dialect.py"),
    "_UsageError": ("give a directory", "checkpoints/test_checkpoint_cli.py"),
}
# A signal, no error: `cli/test_cli_ends.py` reads its exit code.
NO_MESSAGE = {"Terminated"}


def error_classes(source: str) -> set[str]:
    classes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))
    bases = re.compile(r"(Error|Exception|Warning)$")
    return {
        node.name
        for node in classes
        if any(isinstance(base, ast.Name) and bases.search(base.id) for base in node.bases)
    }


def test_every_error_class_is_raised_by_a_test_that_reads_its_message() -> None:
    package = Path(__import__("gpt2tok").__file__).parents[1]
    sources = {
        path: path.read_text("utf-8")
        for name in ("gpt2tok", "gpt2model")
        for path in package.glob(f"{name}/**/*.py")
    }
    defined = set().union(*map(error_classes, sources.values()))
    defined |= error_classes((package / "gpt2tok" / "_core.pyi").read_text("utf-8"))
    assert defined - NO_MESSAGE == set(RAISED)
    rust = [path.read_text("utf-8") for path in (ROOT / "rust").glob("*/src/**/*.rs")]
    for name, (words, test) in RAISED.items():
        assert words in (Path(__file__).parent / test).read_text("utf-8"), (
            f"{test} does not read {words!r} of {name}"
        )
        if rust:
            assert any(words in text for text in (*sources.values(), *rust)), (
                f"nothing says {words!r} any more"
            )


@pytest.mark.skipif(not CORE.exists(), reason="the Rust sources are not here")
def test_every_error_type_of_the_core_is_in_its_table_of_refusals() -> None:
    derived = re.compile(r"thiserror::Error\)\](?:(?!thiserror).)*?pub (enum|struct) (\w+)", re.DOTALL)
    kinds = {
        name: kind
        for path in CORE.glob("src/**/*.rs")
        for kind, name in derived.findall(path.read_text("utf-8"))
    }
    assert {"VocabError", "SpecialError", "EncodeError", "TrainError"} <= kinds.keys()
    table = (CORE / "tests" / "refusals.rs").read_text("utf-8")
    listed = set(re.findall(r"variants!\(\s*\w+, \w+, (\w+),", table))
    assert listed == {name for name, kind in kinds.items() if kind == "enum"}
    by_name = {"DecodeError": "decode_bytes", "BatchError": "encode_ragged", "Interrupted": "Interrupted"}
    assert by_name.keys() == {name for name, kind in kinds.items() if kind == "struct"}
    for name, used in by_name.items():
        assert used in table, f"refusals.rs raises no {name}"
