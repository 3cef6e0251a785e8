"""What the tests of serving share: an exported generator and a server of it, each made once.

Nothing here may be changed by a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import Server, made


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator's directory."""
    return made("generator", tmp_path_factory.mktemp("models") / "tiny" / "3")


@pytest.fixture(scope="session")
def server(generator: Path) -> Iterator[Server]:
    """One that serves the generator, by the directory of its versions."""
    running = Server(generator.parent, "--max-body", "20000", "--max-batch", "6", "--max-length", "3000")
    yield running
    running.stop()
