"""Whoever has the source distribution has the project: what `make test` needs is in it, and nothing is named in vain.

Owns `include` of `[tool.maturin]`, judged by the folders themselves; maturin adds the sources of the crates and of the
Python package by itself. Refuses to build anything.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INCLUDED = re.findall(r'\{ path = "(.+?)", format = "sdist" \}', (ROOT / "pyproject.toml").read_text("utf-8"))
# What comes of working here: caches, corpora, builds, environments.
MADE = re.compile(
    r"__pycache__|\.(?!ci$|gitignore$).*|corpus|seeds|artifacts|target|build|dist|.*\.(pyc|so|pyd)"
)


def files(*folders: str) -> set[Path]:
    """Every file below these folders that somebody wrote."""
    found = {path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()}
    return {path for path in found if not any(map(MADE.fullmatch, path.relative_to(ROOT).parts))}


def test_every_file_of_the_project_is_included() -> None:
    included = {path for pattern in INCLUDED for path in ROOT.glob(pattern) if path.is_file()}
    wanted = files("tests", "scripts", "fuzz", "docs", ".ci")
    wanted |= {
        ROOT / name
        for name in ("Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".gitignore")
    }
    wanted |= {path for path in (ROOT / "rust").iterdir() if path.suffix == ".toml"}
    assert len(wanted) > 100
    assert sorted(wanted - included) == []


@pytest.mark.parametrize("pattern", INCLUDED)
def test_every_pattern_stands_for_something(pattern: str) -> None:
    assert any(path.is_file() for path in ROOT.glob(pattern))
