"""Which framework does Keras run on, where a command line needs one? The one asked for, else the first that is here.

Owns that choice, one rule for `gpt2tok generate` and `gpt2model convert`. Refuses to import a framework, or Keras: it
is settled before.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from gpt2tok.cli.problems import UsageError

BACKENDS = ("jax", "tensorflow", "torch")


def choose_backend(wanted: str | None = None) -> None:
    """Settle KERAS_BACKEND for this process.

    Args:
        wanted: what the command line says; otherwise what the environment says counts.

    Raises:
        UsageError: the environment names a framework that there is not.
    """
    if wanted is not None:
        os.environ["KERAS_BACKEND"] = wanted
    said = os.environ.get("KERAS_BACKEND")
    if said is not None and said not in BACKENDS:
        raise UsageError(f"KERAS_BACKEND is {said!r}: set it to {', '.join(BACKENDS)}, or leave it out")
    if said is not None or "keras" in sys.modules:  # which has chosen
        return
    # Not what keras.json says: Keras writes that itself on its first run, and the second would run elsewhere.
    installed = next((name for name in BACKENDS if find_spec(name) is not None), BACKENDS[0])
    os.environ["KERAS_BACKEND"] = installed
