"""What a person sees: colours, widths, visible control characters, progress."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import tiktoken
from cli_process import END_OF_TEXT, GPT2TOK, output


def on_a_terminal(*arguments: object, stdin: bytes = b"", **environment: str) -> tuple[int, str]:
    """Run with stdout and stderr on a terminal of their own: the exit code and what it shows."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "40", **environment}
    with subprocess.Popen(
        [*GPT2TOK, *map(str, arguments)], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=variables
    ) as process:
        os.close(theirs)
        assert process.stdin
        process.stdin.write(stdin)
        process.stdin.close()
        shown = b""
        while True:
            try:
                shown += (read := os.read(ours, 65536))
            except OSError:  # Linux's way to say that the other side is closed.
                break
            if not read:
                break
        code = process.wait(timeout=60)
    os.close(ours)
    return code, shown.decode().replace("\r\n", "\n")


def test_raw_is_refused_on_a_terminal() -> None:
    code, shown = on_a_terminal("encode", "--raw", "-t", "x")
    assert code == 2 and "raw integers would garble the terminal" in shown


def test_show_is_coloured_on_a_terminal_unless_told_otherwise() -> None:
    coloured = "\x1b[30;48;5;153mHello\x1b[0m\x1b[30;48;5;223m world\x1b[0m\n"
    plain = "Hello|·world\n"
    show = ("show", "-t", "Hello world")
    assert on_a_terminal(*show, NO_COLOR="") == (0, coloured)
    assert on_a_terminal(*show, NO_COLOR="1") == (0, plain)
    assert on_a_terminal(*show, NO_COLOR="", TERM="dumb") == (0, plain)
    assert on_a_terminal(*show, "--color", "never", NO_COLOR="") == (0, plain)
    assert on_a_terminal(*show, "--color", "always", NO_COLOR="1") == (0, coloured)
    assert output(*show) == plain.encode()
    assert output(*show, "--color", "always", NO_COLOR="1") == coloured.encode()


def test_show_fills_the_width_of_the_terminal() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    _, shown = on_a_terminal("show", "-t", text, NO_COLOR="1")
    lines = shown.splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= 40
    assert "|".join(lines).replace("|", "").replace("·", " ") == text
    narrow = output("show", "--width", "12", "-t", text).decode().splitlines()
    assert max(map(len, narrow)) <= 12


def test_show_with_ids_and_bytes() -> None:
    assert output("show", "--ids", "--bytes", "--width", "60", "-t", "naïve 日\n\tx").decode() == (
        "na     ïve          ·\\xe6  \\x97  \\xa5  ↵\n"
        "2616   38776        10545  245   98    198\n"
        "6e 61  c3 af 76 65  20 e6  97    a5    0a\n"
        "\n"
        "→    x\n"
        "197  87\n"
        "09   78\n"
    )
    assert output("show", "--ids", "--limit", "1", "-t", "Hello world").decode() == "Hello\n15496\n"


def test_show_as_json(tiktoken_gpt2: tiktoken.Encoding) -> None:
    text = f'naïve 日本 "x"\n{END_OF_TEXT}'
    shown = output("show", "--json", "--allow-special", "-t", text)
    assert shown.endswith(b"]\n") and shown.count(b"\n") == 1
    ids = tiktoken_gpt2.encode(text, allowed_special="all")
    expected, end = [], 0
    for token_id in ids:
        token = tiktoken_gpt2.decode_single_token_bytes(token_id)
        start, end = end, end + len(token)
        spelt = token.decode("utf-8", "replace")
        expected.append({"id": token_id, "bytes": token.hex(), "text": spelt, "start": start, "end": end})
    assert json.loads(shown) == expected
    assert end == len(text.encode())
    assert output("show", "--json", "-t", "") == b"[]\n"
    assert len(json.loads(output("show", "--json", "--limit", "1", "-t", "Hello world"))) == 1
    # Whatever the terminal speaks: JSON is UTF-8.
    assert output("show", "--json", "-t", "é", PYTHONIOENCODING="ascii", PYTHONUTF8="0") == output(
        "show", "--json", "-t", "é"
    )


def test_show_on_an_output_that_is_not_utf8() -> None:
    shown = output("show", "-t", "naïve x\n", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert shown == b"na|\\xefve| x|\\n\n"


def test_show_makes_everything_visible() -> None:
    text = "a\x00\x1b[31m\r\u200b\u0301\u202e"
    shown = output("show", "--special-as-text", stdin=text.encode()).decode()
    assert all(character.isprintable() for character in shown.rstrip("\n")), shown
    assert shown.replace("|", "").rstrip("\n").startswith("a\\x00\\x1b[31m␍")


def test_progress_only_on_a_terminal_and_wiped_in_the_end() -> None:
    slow = (
        "import time; real = time.monotonic; time.monotonic = lambda: real() * 1e4;"  # every part takes long
    )
    code = f"{slow} import sys; from gpt2tok.cli import main; sys.exit(main())"
    text = b"hello world\n" * 600_000
    command = [sys.executable, "-c", code, "count"]
    quiet = subprocess.run(command, input=text, capture_output=True, check=False, timeout=60)
    assert (quiet.stdout, quiet.stderr) == (b"1800000\n", b"")
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        out, _ = process.communicate(text, timeout=60)
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert out == b"1800000\n"
    assert " MB/s" in shown and shown.endswith("\r\x1b[K")
