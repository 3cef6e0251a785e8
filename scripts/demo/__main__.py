#!/usr/bin/env python3
"""The command line of the demo.

    python scripts/demo [--quick] [--folder DIRECTORY]

Owns the arguments and the exit code: 1 if a proof failed. Refuses the network, and to write
anywhere but into its folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if not __package__:  # `python scripts/demo`: the folder above holds the package
    sys.path[0] = str(HERE.parent)


def main(arguments: list[str] | None = None) -> int:
    """Walk the road; the exit code says whether the proofs held."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="From text to text, on this machine.")
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model that learns for seconds, as the tests do"
    )
    parser.add_argument("--folder", type=Path, help="where to keep what is made (default: build/demo)")
    options = parser.parse_args(arguments)
    # One framework, whatever the shell says: the SavedModel is TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from demo.road import walk
    from demo.settings import FULL, QUICK

    folder = options.folder or HERE.parents[1] / "build" / ("demo-quick" if options.quick else "demo")
    return 0 if walk(QUICK if options.quick else FULL, folder) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # a second one would end Python in the midst of its own end
        sys.exit("interrupted")
