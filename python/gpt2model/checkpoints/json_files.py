"""How is a JSON file of a checkpoint read? As one object of bounded size, or not at all.

Owns the limits and the messages. Refuses to interpret what it reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

# The largest honest one is an index of shards: 580 tensors of gpt2-xl make 50 kB.
MAX_BYTES = 16 * 1024 * 1024


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError: the file cannot be read.
        CheckpointError: it is too large, not UTF-8, not JSON, or not an object.
    """
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(
            f"{path}: more than {MAX_BYTES} bytes, too many for a configuration: is it another file?"
        )
    return parse_json(path.read_bytes(), str(path))


def parse_json(data: bytes, place: str) -> dict[str, Any]:
    """The object in the bytes of a JSON text; `place` names them in messages.

    Raises:
        CheckpointError: not UTF-8, not JSON, nested too deep, or not an object.
    """
    try:
        fields = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # Bad UTF-8 and bad JSON are both ValueErrors.
        raise CheckpointError(
            f"{place}: not readable as JSON ({error or type(error).__name__}): copy the file again"
        ) from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{place}: holds a JSON {type(fields).__name__} where an object was expected")
    return fields
