#!/usr/bin/env python3
"""A virtual environment with this project built and installed in it, made or brought up to date.

    python3 scripts/make_environment.py DIRECTORY [EXTRA ...]

Owns the decision of what has to be done again: all when the interpreter is another or pip was stopped in the midst of
installing, the requirements when pyproject.toml has changed, the project alone when its sources have, and nothing when
nothing has. By content, not by date: a fresh clone or a switched branch counts as what it holds. Uses the standard
library alone, and refuses to touch anything outside DIRECTORY but Rust's own build folder.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "gpt2tok-stamp.json"
ATTEMPTS = 4
FULL = ("No space left on device", "not enough space on the disk")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    options = parser.parse_args()
    directory = options.directory.resolve()
    stamp, wanted = directory / STAMP, state(options.extras)
    have = json.loads(stamp.read_text()) if stamp.exists() else {}
    if have == wanted:
        return 0
    name = os.path.relpath(directory)
    # Of a package that pip was copying when it was stopped, half may be there; the next pip would take it for whole.
    if have.get("python") != wanted["python"] or "installing" in have:
        stamp.unlink(missing_ok=True)  # It would speak of what is going to be deleted.
        say(f"making {name} for Python {sys.version.split()[0]}")
        venv.create(directory, clear=True, with_pip=True, symlinks=os.name != "nt")
        have = {}
    # What follows may fail or be interrupted; the next run then goes on from what is known to be done.
    have = {key: value for key, value in have.items() if key != "sources" and value == wanted[key]}
    have["python"] = wanted["python"]
    stamp.write_text(json.dumps(have))
    say("building the Rust core: a minute or two the first time")
    if have.get("requirements") == wanted["requirements"]:
        done, _ = install(directory, "--no-deps", "--force-reinstall", str(ROOT))
    else:
        what = f"[{','.join(options.extras)}]" if options.extras else ""
        if options.extras:
            say(f"installing gpt2tok{what} into {name}: minutes the first time")
        stamp.write_text(json.dumps({**have, "installing": True}))
        done, half = install(directory, f"{ROOT}{what}")
        if not (done or half):
            stamp.write_text(json.dumps(have))
    if done:
        stamp.write_text(json.dumps(wanted))
        return 0
    say("pip could not install it: the reason stands above; if it is the network, run the same again")
    return 1


def state(extras):
    """What the environment depends on: interpreter, requirements, sources."""
    sources = hashlib.sha256()
    for pattern in (
        "pyproject.toml",
        "rust/Cargo.*",
        "rust/*/Cargo.toml",
        "rust/*/src/**/*",
        "rust/*/data/*",
        "python/**/*",
    ):
        for file in sorted(ROOT.glob(pattern)):
            if file.is_file() and file.suffix not in (".pyc", ".so", ".pyd"):
                name = file.relative_to(ROOT).as_posix()
                sources.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
    requirements = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + repr(sorted(extras)).encode())
    return {
        "python": f"{sys.executable} {sys.version}",
        "requirements": requirements.hexdigest(),
        "sources": sources.hexdigest(),
    }


def install(directory, *what) -> tuple[bool, bool]:
    """Run pip, again after a pause when it fails: gigabytes over a network do not always come at once.

    Returns whether all is there, and whether a part of it may be.
    """
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "10",
        *what,
    ]
    half = False
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return True, True
        output = done.stdout + done.stderr
        sys.stderr.write(output)
        half = half or "Could not install packages" in output  # a full disk, mostly
        # A full disk stays full, and a compiler that refuses the sources will refuse them again.
        if any(reason in output for reason in FULL):
            free = shutil.disk_usage(directory).free / 1e9
            say(f"the disk has {free:.1f} GB left; tests take 9 GB, demo and Rust's build 2.5 GB each,")
            say("and pip as much again while it works: make room and run the same again")
            break
        if "error: could not compile" in output or attempt == ATTEMPTS:
            break
        say(f"pip failed; trying again in {10 * attempt} s")
        time.sleep(10 * attempt)
    return False, half


def say(line: str) -> None:
    print(f"gpt2tok: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to go on")
