"""What stands behind the two commands of the README: a build that cannot be says why, and nothing is made in vain.

Owns the tools that a build needs, the environments that `make` keeps, and the README's picture.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import tiktoken

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a dataclass looks up its own annotations
    spec.loader.exec_module(module)
    return module


# --- what a build needs -------------------------------------------------------------------------------------

PASS = "exit 0"
GOOD = {"cargo": PASS, "cc": PASS, "rustc": "echo 'rustc 1.99.0 (0123456 2030-01-01)'"}


def check_toolchain(tmp_path: Path, programs: dict[str, str | None], python: str = sys.executable) -> Any:
    """Run the check where only these programs exist, besides what a shell script lives on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "cat", "cut", "dirname", "mktemp", "rm", "sed"):
        found = subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
        (folder / tool).symlink_to(found.stdout.strip())
    for name, body in (GOOD | programs).items():
        if body is not None:
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
    return subprocess.run(
        ["sh", SCRIPTS / "check_toolchain.sh", python],
        env={"PATH": str(folder), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_complete_toolchain_passes_in_silence(tmp_path: Path) -> None:
    done = check_toolchain(tmp_path, {})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


OLD_PYTHON = 'case "$2" in *print*) echo 3.8.18 ;; *) exit 1 ;; esac'
NO_VENV = f'case "$2" in "import venv"*) exit 1 ;; *) exec {sys.executable} "$@" ;; esac'


@pytest.mark.parametrize(
    "programs, python, reason, mend",
    [
        (
            {},
            "no-such-python",
            "Python 3.10 or newer is missing ('no-such-python'",
            "apt-get install python3-venv",
        ),
        ({"python3": OLD_PYTHON}, "python3", "needed and 'python3' is 3.8.18", "PYTHON=/path/to/python3"),
        ({"python3": "exit 127"}, "python3", "'python3' does not run", "install Python 3.10"),
        ({"python3": NO_VENV}, "python3", "the venv module of python3", "apt-get install python3-venv"),
        ({"cargo": None}, sys.executable, "Rust is missing", "https://rustup.rs"),
        ({"rustc": "exit 1"}, sys.executable, "Rust has no toolchain", "rustup default stable"),
        (
            {"rustc": "echo 'rustc 1.70.0 (x)'"},
            sys.executable,
            "needed and rustc is 1.70.0",
            "rustup update stable",
        ),
        ({"cc": None}, sys.executable, "a C compiler is missing", "apt-get install build-essential"),
        ({"cc": "exit 1"}, sys.executable, "cannot link a program", "apt-get install build-essential"),
    ],
)
def test_what_is_missing_is_one_line_that_says_what_to_install(
    tmp_path: Path, programs: dict[str, str | None], python: str, reason: str, mend: str
) -> None:
    done = check_toolchain(tmp_path, programs, python)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("gpt2tok: ") and done.stderr.count("\n") == 1, done.stderr
    assert reason in done.stderr and mend in done.stderr


def test_rust_that_is_not_on_the_path_is_told_from_rust_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".cargo/bin").mkdir(parents=True)
    (tmp_path / ".cargo/bin/cargo").write_text("#!/bin/sh\n")
    (tmp_path / ".cargo/bin/cargo").chmod(0o755)
    done = check_toolchain(tmp_path, {"cargo": None})
    assert done.returncode == 1 and f"run '. {tmp_path}/.cargo/env'" in done.stderr


# --- what a build does again --------------------------------------------------------------------------------


@dataclass
class Environment:
    """`make_environment` with a pip that only notes what it is asked, and ends as `results` say."""

    tool: ModuleType
    project: Path
    directory: Path
    made: list[str]
    results: list[int | str | type[BaseException]]

    def steps(self) -> tuple[int, list[str]]:
        self.made.clear()
        return self.tool.main(), list(self.made)

    def stopped(self) -> list[str]:
        """What was done until Ctrl-C (or, but for the exception, a kill) ended it."""
        self.made.clear()
        with pytest.raises(KeyboardInterrupt):
            self.tool.main()
        return list(self.made)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    project, directory = tmp_path / "project", tmp_path / "venv"
    for name in ("pyproject.toml", "rust/core/src/lib.rs", "rust/target/debris", "python/gpt2tok/a.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("old")
    tool = script("make_environment")
    monkeypatch.setattr(tool, "ROOT", project)
    monkeypatch.setattr(sys, "argv", ["make_environment", str(directory), "test"])
    found = Environment(tool, project, directory, [], [0])

    def end() -> int | str:
        result = found.results.pop(0) if len(found.results) > 1 else found.results[0]
        if isinstance(result, type):
            raise result
        return result

    def create(path: Path, **_options: object) -> None:
        found.made.append("environment")
        path.mkdir(exist_ok=True)
        if found.results[0] is KeyboardInterrupt:
            end()

    def pip(command: list[str], **_options: object) -> SimpleNamespace:
        found.made.append("project" if "--no-deps" in command else "requirements")
        assert command[-1] == (str(project) if "--no-deps" in command else f"{project}[test]")
        result = end()
        return SimpleNamespace(returncode=int(result != 0), stdout="", stderr=result or "")

    monkeypatch.setattr(tool.venv, "create", create)
    monkeypatch.setattr(tool.subprocess, "run", pip)
    monkeypatch.setattr(tool.time, "sleep", lambda _seconds: None)
    return found


def test_an_environment_is_brought_up_to_date_by_what_changed(environment: Environment) -> None:
    project, results, steps = environment.project, environment.results, environment.steps
    assert steps() == (0, ["environment", "requirements"])
    assert steps() == (0, [])
    (project / "rust/target/debris").write_text("new")
    assert steps() == (0, [])
    for source in ("rust/core/src/lib.rs", "python/gpt2tok/a.py"):
        (project / source).write_text("new")
        assert steps() == (0, ["project"])
        assert steps() == (0, [])
    (project / "pyproject.toml").write_text("new")
    results[:] = ["no network", "no network", 0]
    assert steps() == (0, ["requirements"] * 3)
    (project / "python/gpt2tok/a.py").write_text("newer")
    results[:] = ["no network"]
    assert steps() == (1, ["project"] * environment.tool.ATTEMPTS)
    results[:] = [0]
    assert steps() == (0, ["project"])  # What was done before the failure is not done again.
    stamp = environment.directory / environment.tool.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "another"}))
    assert steps() == (0, ["environment", "requirements"])


def test_an_environment_that_was_stopped_in_the_midst_is_made_again(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of a package may be there, and pip takes it for whole."""
    project, results, steps = environment.project, environment.results, environment.steps
    anew = (0, ["environment", "requirements"])
    environment.tool.venv.create(environment.directory)  # No stamp: who knows what it holds.
    assert steps() == anew
    (project / "pyproject.toml").write_text("new")
    results[:] = [KeyboardInterrupt]
    assert environment.stopped() == ["requirements"]
    results[:] = [0]
    assert steps() == anew
    assert steps() == (0, [])
    (project / "pyproject.toml").write_text("newer")
    full, broken = "[Errno 28] No space left on device", "[Errno 5] Input/output error"
    for reason, times in ((full, 1), (broken, environment.tool.ATTEMPTS)):
        results[:] = [f"ERROR: Could not install packages due to an OSError: {reason}"]
        (project / "pyproject.toml").write_text(reason)
        assert steps() == (1, ["requirements"] * times)  # A full disk is not tried again.
        assert ("GB left" in capsys.readouterr().err) == (times == 1)
        results[:] = [0]
        assert steps() == anew
    (project / "pyproject.toml").write_text("newest")
    results[:] = ["error: could not compile `gpt2tok-core`"]  # pip has installed nothing yet.
    assert steps() == (1, ["requirements"])
    results[:] = [0]
    assert steps() == (0, ["requirements"])
    # The project alone is installed over what is there, whole or not.
    (project / "python/gpt2tok/a.py").write_text("new")
    results[:] = [KeyboardInterrupt]
    assert environment.stopped() == ["project"]
    results[:] = [0]
    assert steps() == (0, ["project"])


def test_an_environment_that_was_being_replaced_is_not_the_old_one(environment: Environment) -> None:
    assert environment.steps() == (0, ["environment", "requirements"])
    stamp = environment.directory / environment.tool.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "another"}))
    environment.results[:] = [KeyboardInterrupt]
    assert environment.stopped() == ["environment"]
    assert not stamp.exists()


@pytest.mark.parametrize(
    "version, extras",
    [((3, 10), ""), ((3, 11), " model tf stats"), ((3, 13), " model tf stats"), ((3, 14), "")],
)
def test_the_demo_asks_for_tensorflow_where_there_is_one(
    tmp_path: Path, version: tuple[int, int], extras: str
) -> None:
    python = tmp_path / "python"
    code = f"import sys; sys.version_info = (*{version}, 0); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$2"\n')
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "-n", "-C", str(ROOT), "demo-environment", f"PYTHON={python}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    made = done.stdout.splitlines()[-1].rstrip()
    assert made == f"{python} scripts/make_environment.py .venv-demo{extras}"


# --- the picture of the README ------------------------------------------------------------------------------


def test_the_picture_is_up_to_date_and_true(tiktoken_gpt2: tiktoken.Encoding) -> None:
    draw = script("draw_show")
    picture = (SCRIPTS.parent / "docs" / "show.svg").read_text("utf-8")
    assert picture == draw.draw(), "run `make picture`"
    texts: dict[str, list[str]] = {}
    for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        texts.setdefault(element.get("class", ""), []).append(element.text or "")
    ids = tiktoken_gpt2.encode_ordinary(draw.TEXT)
    assert texts["id"] == [str(token_id) for token_id in ids]
    assert bytes.fromhex("".join(texts["byte"])) == draw.TEXT.encode()
    # A token of n bytes takes n - 1 merges, the last of which is its own: in GPT-2, rank = id - 256.
    lengths = [len(tiktoken_gpt2.decode_single_token_bytes(token_id)) for token_id in ids]
    assert len(texts["small"]) == sum(lengths) - len(ids)
    assert {token_id - 256 for token_id, n in zip(ids, lengths, strict=True) if n > 1} <= set(
        map(int, texts["small"])
    )


def test_some_of_the_tests_as_contributing_says() -> None:
    """The line there hands pytest its arguments, and names tests that exist."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    line, arguments = re.findall(r"`(make test PYTEST_ARGS='([^']+)')`", text)[0]
    planned = subprocess.run([*shlex.split(line), "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"-m pytest {arguments} ||" in planned.stdout
    assert (ROOT / arguments.split()[0]).is_file()
