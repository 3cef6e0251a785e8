"""A file encoded part by part has tiktoken's ids of the whole, comes whole or not at all, and says where it fails."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiktoken

import gpt2tok
from gpt2tok.file_encoding import raw_ids

END_OF_TEXT = "<|endoftext|>"
TRICKY = "Isn't  it\n\n 42? ab12'll été中文。国\u3000\u3000x <|endoftext|>  "
TRICKY += "'S!!\t\xa0y 😀dGhlIDQyLg==1_000\x85\u0301z   "


def encoded(encoding: gpt2tok.Encoding, text: bytes, block_bytes: int, **options: object) -> list[int]:
    options = {"allowed_special": "all", **options}
    parts = list(
        raw_ids(encoding, io.BytesIO(text).read, "text", None, options, block_bytes)  # type: ignore[arg-type]
    )
    ids = np.frombuffer(b"".join(part for part, _ in parts), "<u2").tolist()
    assert len(ids) == sum(count for _, count in parts)
    return ids


def test_a_block_that_ends_at_every_byte(tiktoken_gpt2: tiktoken.Encoding) -> None:
    encoding = gpt2tok.get_encoding("gpt2")
    text = TRICKY.encode()
    expected = tiktoken_gpt2.encode(TRICKY, allowed_special="all")
    for first in range(len(text)):
        # One block up to here, and then byte by byte: the cut before `first` is looked for with nothing after it.
        blocks = iter([text[: first + 1], *(text[at : at + 1] for at in range(first + 1, len(text)))])
        parts = raw_ids(
            encoding, lambda _, blocks=blocks: next(blocks, b""), "text", None, {"allowed_special": "all"}, 1
        )
        assert np.frombuffer(b"".join(part for part, _ in parts), "<u2").tolist() == expected, first


@pytest.mark.parametrize("block_bytes", [1, 5, 64, 1000])
def test_small_blocks_of_many_languages(tiktoken_gpt2: tiktoken.Encoding, block_bytes: int) -> None:
    sample = Path(__file__).parent / "data" / "multilingual.jsonl"
    lines = sample.read_text("utf-8").splitlines()[:: 20 if block_bytes < 64 else 4]
    text = (TRICKY + "".join(json.loads(line)["text"] for line in lines))[:60_000]
    expected = tiktoken_gpt2.encode(text, allowed_special="all")
    assert encoded(gpt2tok.get_encoding("gpt2"), text.encode(), block_bytes) == expected


@pytest.mark.parametrize("dtype, numpy_name", [(None, "<u2"), ("uint16", "<u2"), ("uint32", "<u4")])
def test_file_to_file(
    tmp_path: Path, tiktoken_gpt2: tiktoken.Encoding, dtype: str | None, numpy_name: str
) -> None:
    text = TRICKY.replace(END_OF_TEXT, "") * 20_000
    (tmp_path / "text").write_bytes(text.encode())
    expected = tiktoken_gpt2.encode_ordinary(text)
    out = tmp_path / "ids"
    count = gpt2tok.get_encoding("gpt2").encode_file(tmp_path / "text", out, dtype=dtype, num_threads=2)  # type: ignore[arg-type]
    assert np.fromfile(out, numpy_name).tolist() == expected
    assert count == len(expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids", "text"]


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "text").touch()
    assert (
        gpt2tok.get_encoding("gpt2").encode_file(str(tmp_path / "text"), os.fsencode(tmp_path / "ids")) == 0
    )
    assert (tmp_path / "ids").read_bytes() == b""


LONG = b"some words " * 500_000  # past the first blocks
FAILURES = [
    (
        LONG + b"caf\xe9 au lait",
        {},
        gpt2tok.TokenizerError,
        rf"text: byte {len(LONG) + 3} is not UTF-8 \(0xe9",
    ),
    (b"caf\xc3", {}, gpt2tok.TokenizerError, r"byte 3 is not UTF-8 \(0xc3.*errors='replace'"),
    (LONG + b"<|endoftext|>", {}, gpt2tok.SpecialTokenError, rf"text: byte {len(LONG)}: .*<\|endoftext\|>"),
    (
        LONG + b"<|endoftext|> then this",
        {"allowed_special": "all", "disallowed_special": {"then this"}},
        gpt2tok.SpecialTokenError,
        rf"byte {len(LONG) + 14}: .*'then this'",
    ),
    (b"text", {"dtype": "uint8"}, gpt2tok.TokenizerError, "dtype must be 'uint32' or 'uint16', not .uint8"),
    (b"text", {"errors": "ignore"}, gpt2tok.TokenizerError, "errors must be 'strict' or 'replace'"),
    (b"text", {"num_threads": 0}, gpt2tok.TokenizerError, "num_threads must be at least 1"),
    (b"text", {"allowed_special": {"<|none|>"}}, gpt2tok.SpecialTokenError, "not a special token"),
]


@pytest.mark.parametrize("text, options, error, message", FAILURES)
def test_failures_say_where_and_leave_the_old_file(
    tmp_path: Path, text: bytes, options: dict[str, object], error: type[Exception], message: str
) -> None:
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "ids").write_bytes(b"old")
    with pytest.raises(error, match=message):
        gpt2tok.get_encoding("gpt2").encode_file(tmp_path / "text", tmp_path / "ids", **options)  # type: ignore[arg-type]
    assert (tmp_path / "ids").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids", "text"]


def test_no_such_file_and_no_such_place(tmp_path: Path) -> None:
    encoding = gpt2tok.get_encoding("gpt2")
    with pytest.raises(FileNotFoundError, match="none"):
        encoding.encode_file(tmp_path / "none", tmp_path / "ids")
    (tmp_path / "text").write_bytes(b"text")
    with pytest.raises(FileNotFoundError, match="create it first"):
        encoding.encode_file(tmp_path / "text", tmp_path / "none" / "ids")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_replace_puts_one_mark_for_what_python_does(tmp_path: Path, tiktoken_gpt2: tiktoken.Encoding) -> None:
    text = b"caf\xe9 \xf0\x9f\x98 \xe4\xb8 " * 300
    (tmp_path / "text").write_bytes(text)
    encoding = gpt2tok.get_encoding("gpt2")
    encoding.encode_file(tmp_path / "text", tmp_path / "ids", errors="replace")
    expected = tiktoken_gpt2.encode_ordinary(text.decode("utf-8", "replace"))
    assert np.fromfile(tmp_path / "ids", "<u2").tolist() == expected


# Address space, not what is touched: an upper bound that no machine measures differently.
LIMITED = """
import resource, sys
import gpt2tok
encoding = gpt2tok.get_encoding("gpt2")
encoding.encode_file(sys.argv[1], "/dev/null", num_threads=1)
before = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (before + (64 << 20), before + (64 << 20)))
print(encoding.encode_file(sys.argv[2], "/dev/null", num_threads=1))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(
    "line", [b"The quick brown fox. ", "中文没有空格。".encode(), b"aGVsbG8gd29ybGQ0MiEh"]
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, line: bytes) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(line * ((8 << 20) // len(line)))
    large.write_bytes(line * ((160 << 20) // len(line)))
    command = [sys.executable, "-c", LIMITED, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000_000
    assert resource.getpagesize() > 0
