"""What does an exported generator say of itself? A JSON file beside the graph.

Owns the name of the file and its reading. Loads no framework.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

DESCRIPTION_FILE = "assets.extra/gpt2model_generator.json"


def description_of(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The description in a directory that `export_text_generator` wrote.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: it cannot be read.
    """
    file = Path(directory) / DESCRIPTION_FILE
    if not file.is_file():
        found = (place.parents[1].name for place in Path(directory).glob(f"*/{DESCRIPTION_FILE}"))
        versions = sorted(int(name) for name in found if name.isdecimal())
        if versions:
            raise FileNotFoundError(
                f"{directory} holds versions of a generator ({', '.join(map(str, versions))}): load one, such as"
                f" {Path(directory, str(versions[-1]))}"
            )
        raise FileNotFoundError(
            f"{file} is missing: {directory} was not written by export_text_generator, or not as a whole"
        )
    try:
        told = json.loads(file.read_text("utf-8"))
        size, digest = told["vocabulary"]["size"], told["vocabulary"]["sha256"]
        whole = isinstance(size, int) and isinstance(digest, str)
        whole = whole and isinstance(told["options"], dict) and isinstance(told["model"]["vocab_size"], int)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read ({error!r}): export the model again.") from error
    if not whole:
        raise CheckpointError(f"{file} says other things than an export writes: export the model again.")
    return dict(told)
