"""TensorFlow writes to stderr of processors and missing GPUs: not on the command line.

Owns the quiet of this process: the level of TensorFlow's log, and a filter on stderr while it is imported, for then it
heeds no level. Whoever sets TF_CPP_MIN_LOG_LEVEL gets what TensorFlow makes of it. Refuses to drop anything but those
notes: errors pass, also those of a process that dies of them, since the filter is a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import IO, Any, cast

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Information and warnings as absl writes them (I0000 00:00:1795408720.113623 ...), and as TensorFlow did before it.
_FILTER = r"""
import re, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
note = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d|WARNING: All log messages before absl|To enable the following instructions:"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] (tensorflow|external)/"
)
for line in sys.stdin.buffer:
    if not note.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


def keep_tensorflow_quiet() -> None:
    """From now on, for all of this process, unless its environment says what TensorFlow's log shall be."""
    if _LEVEL in os.environ or "tensorflow" in sys.modules:
        return
    os.environ[_LEVEL] = "3"
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds TensorFlow once, as the others find it, and has it loaded behind the filter."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Another loader, with stderr filtered while it works."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with _filtered():
            self._loader.exec_module(module)


@contextmanager
def _filtered() -> Iterator[None]:
    """File descriptor 2 goes through the filter."""
    try:
        stderr = os.dup(2)
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", _FILTER], stdin=subprocess.PIPE)
    except OSError:  # No stderr, or no room for a process: then it is not quiet.
        yield
        return
    with child:  # which waits for its end, when all has passed
        os.dup2(cast(IO[bytes], child.stdin).fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
