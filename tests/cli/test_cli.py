"""What `encode`, `decode` and `count` write: judged by tiktoken, and by each undoing the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from cli_process import END_OF_TEXT, SAMPLE, assert_error, output, run

import gpt2tok
from gpt2tok import formats


def test_encode_in_every_form(tiktoken_gpt2: tiktoken.Encoding, tmp_path: Path) -> None:
    text = SAMPLE.read_text("utf-8")
    ids = tiktoken_gpt2.encode_ordinary(text)
    assert output("encode", SAMPLE) == " ".join(map(str, ids)).encode() + b"\n"
    assert output("encode", "-", stdin=text.encode()) == " ".join(map(str, ids)).encode() + b"\n"
    assert output("encode", "--ids-per-line", SAMPLE) == "".join(f"{i}\n" for i in ids).encode()
    assert json.loads(output("encode", "--json", SAMPLE)) == {"file": str(SAMPLE), "ids": ids}
    assert np.frombuffer(output("encode", "--raw", SAMPLE), "<u2").tolist() == ids
    assert np.frombuffer(output("encode", "--dtype", "uint32", SAMPLE), "<u4").tolist() == ids
    assert output("encode", "--raw", "-o", tmp_path / "ids.bin", SAMPLE) == b""
    assert np.fromfile(tmp_path / "ids.bin", "<u2").tolist() == ids


def test_encode_several_inputs_and_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "hello").write_bytes(b"Hello")
    names = ("hello", "empty", "-")
    assert output("encode", *names, cwd=tmp_path, stdin=b" world") == b"15496\n\n995\n"
    assert output("encode", "--ids-per-line", *names, cwd=tmp_path, stdin=b" world") == b"15496\n995\n"
    assert (
        output("encode", "--raw", *names, cwd=tmp_path, stdin=b" world") == array("H", [15496, 995]).tobytes()
    )
    rows = [json.loads(line) for line in output("encode", "--json", *names, cwd=tmp_path).splitlines()]
    assert rows == [{"file": "hello", "ids": [15496]}, {"file": "empty", "ids": []}, {"file": "-", "ids": []}]
    assert output("encode", "-t", "Hello world") == b"15496 995\n"


@pytest.mark.parametrize("form", [[], ["--ids-per-line"], ["--json"], ["--raw"], ["--dtype", "uint32"]])
def test_decode_undoes_encode_byte_for_byte(form: list[str], tmp_path: Path) -> None:
    text = (
        SAMPLE.read_bytes() + bytes(range(128)) + "\r\n\ufeff\x85".encode() + END_OF_TEXT.encode() + b" \n "
    )
    ids = output("encode", "--allow-special", *form, stdin=text)
    reading = [option for option in form if option not in ("--ids-per-line", "--json")]
    assert output("decode", *reading, stdin=ids) == text
    (tmp_path / "ids").write_bytes(ids)
    assert output("decode", *reading, "-o", tmp_path / "text", tmp_path / "ids") == b""
    assert (tmp_path / "text").read_bytes() == text


@pytest.mark.parametrize(
    "ids",
    [
        "15496 995",
        "15496,995",
        "15496, 995\n",
        "\t15496\r\n\r\n995 ",
        "015496 995",
        "[15496, 995]",
        "[[15496],[995]]",
        '{"ids": [15496]}\n{"ids": [995]}\n',
        ' {"input_ids": [15496, 995], "attention_mask": [1, 1]}',
        "[15496]\n\n[995]",
        "\ufeff15496 995",
        "\ufeff[15496, 995]",
    ],
)
def test_decode_reads_the_ways_ids_are_written(ids: str) -> None:
    assert output("decode", stdin=ids.encode()) == b"Hello world"
    assert output("decode", "-i", ids) == b"Hello world"


def test_decode_gives_half_characters_as_they_are() -> None:
    halves = output("encode", "-t", "日").split()
    assert len(halves) == 2
    assert b"".join(output("decode", stdin=half) for half in halves) == "日".encode()
    assert output("decode", stdin=b"") == b""


def test_a_stream_longer_than_all_buffers_is_read_in_parts(
    tiktoken_gpt2: tiktoken.Encoding, tmp_path: Path
) -> None:
    # Beyond 16 blocks of 256 KB raw ids go through NumPy: both ways, and both dtypes, must give the same.
    text = (SAMPLE.read_text("utf-8") + "\n") * 40
    (tmp_path / "long").write_text(text, "utf-8")
    ids = tiktoken_gpt2.encode_ordinary(text)
    assert len(text.encode()) > 16 << 18
    raw = output("encode", "--raw", tmp_path / "long")
    assert np.array_equal(np.frombuffer(raw, "<u2"), np.array(ids))
    assert np.array_equal(
        np.frombuffer(output("encode", "--dtype", "uint32", tmp_path / "long"), "<u4"), np.array(ids)
    )
    spelled = output("encode", tmp_path / "long")
    assert spelled == " ".join(map(str, ids)).encode() + b"\n"
    assert output("decode", stdin=spelled) == text.encode()
    assert output("decode", "--raw", stdin=raw) == text.encode()
    assert output("count", "--threads", "1", tmp_path / "long").split()[0] == str(len(ids)).encode()


def test_raw_without_numpy_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(SAMPLE.read_bytes() * 40)
    hidden = "import sys; sys.modules['numpy'] = None; from gpt2tok.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", hidden, "encode", "--raw", tmp_path / "long"]
    bare = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert bare.returncode == 0, bare.stderr
    assert bare.stdout == output("encode", "--raw", tmp_path / "long")


def test_count_is_a_table_like_that_of_wc(tiktoken_gpt2: tiktoken.Encoding, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Hello world")
    (tmp_path / "b.txt").write_text("naïve 日本語\n" * 50, "utf-8")
    b = len(tiktoken_gpt2.encode_ordinary("naïve 日本語\n" * 50))
    width = len(str(11 + 50 * len("naïve 日本語\n".encode())))
    expected = f"{2:>{width}} a.txt\n{b:>{width}} b.txt\n{b + 2:>{width}} total\n"
    assert output("count", "a.txt", "b.txt", cwd=tmp_path).decode() == expected
    assert output("count", "a.txt", cwd=tmp_path) == b" 2 a.txt\n"
    assert output("count", stdin=b"Hello world") == b"2\n"
    assert json.loads(output("count", "--json", "a.txt", "b.txt", cwd=tmp_path)) == {
        "files": [
            {"file": "a.txt", "bytes": 11, "tokens": 2},
            {"file": "b.txt", "bytes": 850, "tokens": b},
        ],
        "total": {"bytes": 861, "tokens": b + 2},
    }
    partly = run("count", "a.txt", "missing", "b.txt", cwd=tmp_path)
    assert_error(partly, 1, "missing: cannot read it (No such file or directory)")
    assert partly.stdout.decode() == expected.replace(f"{width}", f"{width}")


def test_decode_as_json(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("15496 995", "ascii")
    (tmp_path / "b").write_text("[10545, 245]\n[98, 198, 1]", "ascii")  # A character over two lists.
    shown = output("decode", "--json", "a", "b", cwd=tmp_path)
    assert shown == '"Hello world"\n" 日\\n\\""\n'.encode()
    assert [json.loads(line) for line in shown.splitlines()] == ["Hello world", ' 日\n"']
    assert output("decode", "--json", "-i", "") == b'""\n'
    assert json.loads(output("decode", "--json", "-i", "222 64 245")) == "\ufffda\ufffd"
    text = SAMPLE.read_text("utf-8")
    assert json.loads(output("decode", "--json", stdin=output("encode", SAMPLE))) == text


def test_several_inputs_go_on_where_each_result_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Hello world")
    (tmp_path / "bad").write_bytes(b"b\xff")
    (tmp_path / "special").write_bytes(END_OF_TEXT.encode())
    (tmp_path / "long").write_bytes(b"hello world\n" * 500_000 + b"\xff")  # Fails when a part is already out.
    files = ("a", "missing", "bad", "special", "a")
    parts = (
        "missing: cannot read it (No such",
        "bad: byte 1 (line 1): not UTF-8 (ff",
        "special: byte 0 (line 1): ",
    )
    outputs = {
        "encode": b'{"file": "a", "ids": [15496, 995]}\n' * 2,
        "show": "a:\nHello|·world\n".encode() * 2,
    }
    for command, expected in outputs.items():
        done = run(command, *(["--json"] if command == "encode" else []), *files, cwd=tmp_path)
        errors = done.stderr.decode().splitlines()
        assert (done.returncode, done.stdout, len(errors)) == (1, expected, 3), done
        for error, part in zip(errors, parts, strict=True):
            assert error.startswith(f"gpt2tok: error: {part}")
    cut = run("encode", "--json", "long", "a", cwd=tmp_path)
    assert_error(cut, 1, "long: byte 6000000 (line 500001)")
    begun, last = cut.stdout.splitlines()
    assert begun.startswith(b'{"file": "long", "ids": [31373, ') and not begun.endswith(b"}")
    assert json.loads(last) == {"file": "a", "ids": [15496, 995]}
    # Nobody could tell whose the rest is, or the file would not be whole.
    for arguments, before in (
        (["encode"], b"15496 995\n"),
        (["encode", "--raw"], np.array([15496, 995], "<u2").tobytes()),
        (["show", "--json"], output("show", "--json", "-t", "Hello world")),
        (["encode", "--json", "-o", "out"], b""),
    ):
        done = run(*arguments, *files, cwd=tmp_path)
        assert_error(done, 1, "missing: cannot read it")
        assert done.stdout == before
    assert not (tmp_path / "out").exists()


def test_special_tokens_in_the_text(tiktoken_gpt2: tiktoken.Encoding) -> None:
    text = f"line\nHi{END_OF_TEXT}there".encode()
    place = f"standard input: byte 7 (line 2): the text holds the special token '{END_OF_TEXT}': give"
    for command in ("encode", "count", "show"):
        assert_error(run(command, stdin=text), 1, place, "--allow-special", "--special-as-text")
    allowed = tiktoken_gpt2.encode(text.decode(), allowed_special="all")
    as_text = tiktoken_gpt2.encode_ordinary(text.decode())
    assert list(map(int, output("encode", "--allow-special", stdin=text).split())) == allowed
    assert list(map(int, output("encode", "--special-as-text", stdin=text).split())) == as_text
    assert int(output("count", "--allow-special", stdin=text)) == len(allowed)
    assert int(output("count", "--special-as-text", stdin=text)) == len(as_text)
    assert_error(run("encode", "--allow-special", "--special-as-text", "-t", "x"), 2, "not allowed with")


@pytest.mark.parametrize(
    "before", [b"", b"good\n" * 3, b"good line\n" * 700_000], ids=["start", "near", "far"]
)
@pytest.mark.parametrize(
    "invalid, shown", [(b"\xff", "ff"), (b"\xe6\x97", "e6 97"), (b"\xed\xa0\x80", "ed"), (b"\xc0\x80", "c0")]
)
def test_invalid_utf8_is_an_error_with_its_place_or_is_replaced(
    tiktoken_gpt2: tiktoken.Encoding, before: bytes, invalid: bytes, shown: str
) -> None:
    text = before + b"ab" + invalid + b" c"
    line, byte = before.count(b"\n") + 1, len(before) + 2
    done = run("encode", "--raw", stdin=text)
    assert_error(
        done, 1, f"standard input: byte {byte} (line {line}): not UTF-8 ({shown}: ", "--errors replace"
    )
    if len(before) < 100:
        expected = tiktoken_gpt2.encode_ordinary(text.decode("utf-8", "replace"))
        assert list(map(int, output("encode", "--errors", "replace", stdin=text).split())) == expected


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (
            [],
            "a command is missing: give encode, decode, count, convert, show, train, stats, generate, serve "
            "(see gpt2tok --help)",
        ),
        (["--jsn"], "unrecognized arguments: --jsn (see gpt2tok --help)"),
        (["tokenize"], "invalid choice: 'tokenize'"),
        (
            ["encode", "--no-such-option"],
            "unrecognized arguments: --no-such-option (see gpt2tok encode --help)",
        ),
        (["encode", "--jsn", "-t", "x"], "--jsn: did you mean --json? (see gpt2tok encode --help)"),
        (["show", "--limt=3", "-t", "x"], "--limt=3: did you mean --limit? (see gpt2tok show --help)"),
        (
            ["--json", "encode", "-t", "x"],
            "--json stands before the command: give `gpt2tok encode --json ...`",
        ),
        (["encode", "-t", "x", "-x"], "unrecognized arguments: -x (see gpt2tok encode --help)"),
        (
            ["count", "--js", "-t", "x"],
            "--js: did you mean --json? (see gpt2tok count --help)",
        ),  # no abbreviations
        (
            ["convert", "gpt2", "a", "b"],
            "unrecognized arguments: b: leave it out (see gpt2tok convert --help)",
        ),
        (
            ["generate", "gpt2", "The", "quick", "fox"],
            "quick: a prompt is one text, right behind DIR: put it in quotes (see gpt2tok generate --help)",
        ),
        (["encode", "--json", "--raw"], "not allowed with argument"),
        (["encode", "--dtype", "uint16", "--json", "-t", "x"], "leave out --json"),
        (["encode", "--dtype", "int8"], "invalid choice: 'int8'"),
        (["encode", "-t", "x", "file"], "cannot both be the input"),
        (["count", "-", "-"], "only once"),
        (["count", ""], "'' is not the name of a file: give a file, - for standard input, or --text ''"),
        (["encode", "pyproject.toml", ""], "'' is not the name of a file"),
        (["decode", ""], "'' is not the name of a file: give a file, - for standard input, or --ids ''"),
        (["encode", "-t", "x", "-o", ""], "'' is not the name of a file: give --output a file"),
        (
            ["encode", "-t", "x", "--vocab", ""],
            "'' is not the name of a file: give a directory with vocab.json",
        ),
        (["convert", "", "x.json"], "'' is not the name of a file: give a directory with vocab.json"),
        (["convert", "gpt2", ""], "'' is not the name of a file: give a directory, *.json or *.tiktoken"),
        (["encode", "-t", "x", "-t", "y"], "argument -t/--text: given twice"),
        (["decode", "-i", "1", "--ids", "2"], "argument -i/--ids: given twice"),
        (["encode", "-t", "x", "-o", "a", "-o", "b"], "argument -o/--output: given twice"),
        (["encode", "--special", "a=1", "--special", "a=2"], "'a' is given twice"),
        (["decode", "-i", "1", "--raw"], "--ids takes numbers, not raw integers: leave out --raw"),
        (["decode", "-i", "1", "--dtype", "uint16"], "--ids takes numbers"),
        (["encode", "--threads", "9" * 5000], "is not a whole number above 0"),
        (["decode", "--special", "x=" + "9" * 5000], "is not a special token and its id"),
        (["encode", "--threads", "0"], "'0' is not a whole number above 0"),
        (["decode", "--special", "x"], "'x' is not a special token and its id"),
        (["convert", "gpt2"], "required: TO (see gpt2tok convert --help)"),
        (["show", "--color", "pink"], "invalid choice: 'pink'"),
        (
            ["show", "--json", "--ids", "-t", "x"],
            "--json gives ids and bytes of every token: leave out --ids",
        ),
        (["convert", "gpt2", "-"], "- is standard output, which holds one file: give --to tokenizer.json or"),
        (["convert", "gpt2", "-", "--to", "vocab"], "or ./- for a directory of that name"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], reason: str) -> None:
    assert_error(run(*arguments), 2, reason)


def test_uint16_is_refused_where_an_id_would_not_fit(tmp_path: Path) -> None:
    tokens = [*((byte, bytes([byte])) for byte in range(256)), (70_000, b"ab")]
    (tmp_path / "big.tiktoken").write_bytes(formats.tiktoken_bytes(tokens))
    vocab = ("--vocab", tmp_path / "big.tiktoken")
    assert_error(
        run("encode", "--dtype", "uint16", *vocab, "-t", "a"), 2, "go up to 70000: give --dtype uint32"
    )
    raw = output("encode", "--raw", *vocab, "-t", "ab")
    assert raw == array("I", [70_000]).tobytes()
    assert output("decode", "--raw", *vocab, stdin=raw) == b"ab"


@pytest.mark.parametrize("command", ["", "encode", "decode", "count", "convert", "show"])
def test_help_has_examples_and_version_is_the_package_s(command: str) -> None:
    shown = output(*command.split(), "--help").decode()
    assert shown.startswith(f"usage: gpt2tok {command}".rstrip())
    assert "\n  gpt2tok" in shown or not command
    assert output("--version").decode() == f"gpt2tok {gpt2tok.__version__}\n"


def test_the_examples_of_the_help_are_true() -> None:
    shown = output("encode", "--help").decode() + output("decode", "--help").decode()
    assert '  gpt2tok encode -t "Hello world"                     15496 995\n' in shown
    assert '  gpt2tok decode -i "15496 995"                       Hello world\n' in shown
    assert output("encode", "-t", "Hello world") == b"15496 995\n"


@pytest.mark.parametrize(
    "ids, reason",
    [
        ("15496 x995", "byte 6: 'x995' is not a token id"),
        ("15496 -1", "byte 6: '-1' is not a token id"),
        ("1.5", "byte 0: '1.5' is not a token id"),
        ("15496 995 50257 1", "id number 3 is 50257, and this vocabulary has no such id (its last is 50256)"),
        ("4294967296", "id number 1 is 4294967296"),
        ("9" * 30, f"id number 1 is {'9' * 30}, and this vocabulary has no such id"),
        ("9" * 5000, "byte 0: '999999999999999999999999...' is not a token id"),
        ("a\\b it's", "byte 0: 'a\\b' is not a token id"),
        ("日本", "byte 0: '日本' is not a token id"),
        ("日" * 25, f"byte 0: '{'日' * 24}...' is not a token id"),
        ("\U0001f642" * 25, f"byte 0: '{chr(0x1F642) * 24}...' is not a token id"),
        ("a\x1b[31m\u200b", "byte 0: 'a\\x1b[31m\\u200b' is not a token id"),
        ("[1, 2", "line 1, column 6: not JSON"),
        ('{"tokens": [1]}', "an object that has neither"),
        ("[1, true]", "found 'true' at [1] where an id was expected"),
        (
            "[1, 2.5]",
            "line 1: JSON without token ids (found '2.5' at [1] where an id was expected): give [1, 2],",
        ),
        (
            '[1]\n\n {"ids": [[1], [2, null]]}',
            "line 3: JSON without token ids (found 'null' at [\"ids\"][1][1]",
        ),
        ("[[1], 5]", "found '5' at [1] where a list was expected"),
        ('[{"a": 1}]', "found an object at [0] that has neither"),
        ('["a"]', "found '\"a\"' at [0] where an id was expected"),
        ("[" * 100_000, "nested too deeply"),
        ('{"ids": 5}', "found '5' at [\"ids\"] where a list was expected"),
        ('["日\\ud800"]', "found '\"日\\ud800\"' at [0] where an id was expected"),
        ("[" + "9" * 5000 + "]", "found a number of thousands of digits"),
    ],
)
def test_decode_says_which_id_is_none(ids: str, reason: str) -> None:
    assert_error(
        run("decode", stdin=ids.encode()), 1, f"standard input: {reason}" if "JSON" in reason else reason
    )


def test_decode_shows_bytes_that_are_no_text_once_escaped() -> None:
    done = run("decode", stdin=b"\xff\xfe\x00abc\x80" + b"\xe6\x97" * 40)
    shown = r"\xff\xfe\x00abc\x80" + r"\xe6\x97" * 8 + r"\xe6..."
    assert_error(done, 1, f"standard input: byte 0: '{shown}' is not a token id")


def test_decode_says_where_in_a_long_stream() -> None:
    text = b"15496 " * 400_000
    assert_error(
        run("decode", "-o", os.devnull, stdin=text + b"oops"), 1, "byte 2400000: 'oops' is not a token id"
    )
    assert_error(run("decode", "-o", os.devnull, stdin=text + b"60000"), 1, "id number 400001 is 60000")
    odd = run("decode", "--raw", "-o", os.devnull, stdin=b"\0" * 3_000_001)
    assert_error(odd, 1, "standard input: not whole uint16 ids: 1 of 2 bytes of the last one")
