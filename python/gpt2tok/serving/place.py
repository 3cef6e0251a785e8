"""Which SavedModel is meant? A directory of one, or of numbered versions, of which the last counts.

Owns the reading of the path as TensorFlow Serving reads it. Refuses to load. Imports no framework.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True)
class Place:
    """Where a model is, and what it is called.

    Attributes:
        directory: holds saved_model.pb.
        name: under which it is served.
        version: a number, as text.
    """

    directory: Path
    name: str
    version: str


def place_of(path: str | os.PathLike[str], name: str | None = None) -> Place:
    """The model at a path.

    Args:
        path: a SavedModel, or a directory with versions: `models/gpt2/1` or `models/gpt2`.
        name: None: the directory's, without the version.

    Raises:
        FileNotFoundError: neither is there.

    Example:
        >>> import tempfile
        >>> version = Path(tempfile.mkdtemp()) / "gpt2" / "7"
        >>> version.mkdir(parents=True)
        >>> (version / "saved_model.pb").touch()
        >>> place_of(version).name, place_of(version.parent).version
        ('gpt2', '7')
    """
    given = Path(path).absolute()
    if (given / "saved_model.pb").is_file():
        numbered = given.name.isdecimal()
        found = given.parent.name if numbered else given.name
        return Place(given, name or found or "model", given.name if numbered else "1")
    versions = []
    if given.is_dir():
        versions = [
            part for part in given.iterdir() if part.name.isdecimal() and (part / "saved_model.pb").is_file()
        ]
    if not versions:
        raise FileNotFoundError(
            2,
            "no SavedModel is there (saved_model.pb, or a directory named by a number that holds it): export one with"
            " gpt2model.export_text_generator or TFGPT2Tokenizer.export",
            str(path),
        )
    last = max(versions, key=lambda part: int(part.name))
    return Place(last, name or given.name or "model", last.name)
