"""Loading what is no vocabulary at all: paths that the system refuses, wrong types, files made to hang a loader.

Owns everything about loading that is not a mistake in a vocabulary's text; that is `test_load_bad_files.py`'s.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bad_vocabularies import END, RANKS, VOCAB, encoded, in_memory, put, tiktoken_file, with_options
from gpt2tok import Encoding, VocabError

LOADERS: dict[str, Callable[[Any, Path], Encoding]] = {
    "vocab": lambda path, good: Encoding.from_files(path, put(good, "merges.txt", "")),
    "merges": lambda path, good: Encoding.from_files(put(good, "vocab.json", VOCAB), path),
    "tokenizer_json": lambda path, _: Encoding.from_tokenizer_json(path),
    "tiktoken": lambda path, _: Encoding.from_tiktoken(path),
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS.keys())
def test_what_the_system_refuses_is_the_system_s_error(
    tmp_path: Path, load: Callable[[Any, Path], Encoding]
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    missing = tmp_path / "na\u00efve.json"
    for path, kind in (
        (missing, FileNotFoundError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "file" / "under", NotADirectoryError),
        (tmp_path / ("n" * 300), OSError),
        (tmp_path / "loop", OSError),
        ("", FileNotFoundError),
    ):
        with pytest.raises(kind) as caught:
            load(path, tmp_path)
        try:
            Path(path).read_bytes() if path != "" else open("")  # noqa: SIM115, PTH123
        except OSError as right:
            assert type(caught.value) is type(right)
            assert (caught.value.errno, caught.value.strerror) == (right.errno, right.strerror)
            assert os.fspath(caught.value.filename) == str(path)
    with pytest.raises((OSError, ValueError), match=r"(?i)nul"):
        load("a\0b", tmp_path)
    for wrong in (None, 5, 1.5, ["x"], object()):
        with pytest.raises(TypeError):
            load(wrong, tmp_path)


def test_a_file_of_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # sparse: takes no room
    for load in LOADERS.values():
        with pytest.raises(
            VocabError, match=r"huge\.json has 3221225472 bytes; .* at most 1073741824 bytes.*right file"
        ):
            load(path, tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_file_without_end_is_refused() -> None:
    """Its size is said to be 0. Read without a limit it would take all memory there is."""
    code = """
        import resource
        from gpt2tok import Encoding
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        try:
            Encoding.from_tokenizer_json("/dev/zero")
        except (ValueError, OSError) as error:
            print("refused:", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("refused:"), done.stderr[-500:]
    assert "/dev/zero" in done.stdout and "memory" not in done.stdout


WRONG_TYPES = [
    with_options(special_tokens=END),
    with_options(special_tokens=5),
    with_options(special_tokens=[1]),
    with_options(special_tokens={1: 2}),
    with_options(special_tokens={"<x>": 1.5}),
    with_options(special_tokens={"<x>": "1"}),
    with_options(special_tokens=b"ab"),
    with_options(unk_token=5),
    with_options(unk_token=b"a"),
    with_options(name=5),
    in_memory(5),
    in_memory(None),
    in_memory([1]),
    in_memory({1: 2}),
    in_memory({"a": "x"}),
    in_memory({"a": 1.5}),
    in_memory({b"a": 1}),
    in_memory(VOCAB, 5),
    in_memory(VOCAB, None),
    in_memory(VOCAB, [5]),
    in_memory(VOCAB, [("a", 1)]),
    in_memory(VOCAB, [(b"a", b"b")]),
    in_memory(VOCAB, ["ab"]),
    tiktoken_file(RANKS, special_tokens=["<x>"]),
    tiktoken_file(RANKS, special_tokens="<x>"),
    tiktoken_file(RANKS, special_tokens=5),
    tiktoken_file(RANKS, special_tokens={"<x>": "1"}),
    tiktoken_file(RANKS, special_tokens={5: 300}),
]


@pytest.mark.parametrize("load", WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_wrong_types_are_type_errors(tmp_path: Path, load: Callable[[Path], Encoding]) -> None:
    with pytest.raises(TypeError):
        load(tmp_path)


@pytest.mark.parametrize("pair", [("a",), ("a", "b", "c"), ()], ids=str)
def test_a_merge_that_is_no_pair_is_named(tmp_path: Path, pair: tuple[str, ...]) -> None:
    with pytest.raises((VocabError, TypeError), match=r"(?s)merge.*(2|two|pair)"):
        Encoding.from_vocab_and_merges(VOCAB, [("a", "b"), pair])  # type: ignore[list-item]


def test_tokens_that_are_not_unicode_are_named() -> None:
    for load in (
        lambda: Encoding.from_vocab_and_merges({**VOCAB, "\ud800": 300}, []),
        lambda: Encoding.from_vocab_and_merges(VOCAB, [("\udfff", "b")]),
        lambda: Encoding.from_vocab_and_merges(VOCAB, [], special_tokens={"<\ud800>": 300}),
    ):
        with pytest.raises(ValueError, match=r"(?i)surrogate"):
            load()


def test_huge_tokens_do_not_hang_the_loader(tmp_path: Path) -> None:
    """The same bytes as few long tokens or as many short ones: the time must not grow with a token's square."""
    generator = random.Random(0)
    seconds = []
    for length, count in ((600, 800), (60_000, 8)):
        lines = [f"{encoded(generator.randbytes(length))} {256 + i}" for i in range(count)]
        path = put(tmp_path, "long.tiktoken", RANKS + "\n".join(lines))
        start = time.process_time()
        try:
            Encoding.from_tiktoken(path)
        except VocabError as error:  # a limit is an answer as well
            assert "bytes long" in str(error)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0] + 0.5
