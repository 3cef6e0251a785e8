"""Where does TensorFlow's talk go? Into a file, so that the terminal shows the road alone.

Owns the process's standard error while TensorFlow is at work: its C++ parts write to the descriptor, past Python.
Refuses to lose anything: a failure says where the file is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def into(path: Path) -> Iterator[None]:
    """Send what comes on standard error into a file, from here to the block's end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(2)
    try:
        with path.open("wb") as log:
            os.dup2(log.fileno(), 2)
        yield
    except Exception as error:
        raise RuntimeError(f"it failed with TensorFlow at work, whose own words are in {path}") from error
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
