"""`gpt2tok serve`: a SavedModel over HTTP.

Owns the options of the command and their passage to the server. Refuses the server (`gpt2tok.serving`), whose packages
are an extra.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gpt2tok.cli.option_kinds import positive
from gpt2tok.cli.problems import DONE, DataError

_PACKAGES = ("starlette", "uvicorn", "tensorflow", "numpy", "anyio")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "directory", metavar="DIR", help="a SavedModel, or a directory with numbered versions of one"
    )
    parser.add_argument("--name", help="under which it is served; by default the directory's")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (%(default)s: this machine alone; there is no login)",
    )
    parser.add_argument(
        "--port", type=_port, default=8501, help="(%(default)s, TensorFlow Serving's; 0: any that is free)"
    )
    for name, default, meaning in (
        ("--max-body", 1 << 20, "bytes of a request"),
        ("--max-batch", 64, "rows of a request"),
        ("--max-length", 1 << 16, "bytes of a text, or numbers of a row"),
        ("--max-waiting", 64, "requests at once, before others are sent away"),
        ("--threads", 2, "requests in work at once"),
    ):
        parser.add_argument(
            name, type=positive, default=default, metavar="N", help=f"{meaning} (%(default)s)"
        )
    parser.add_argument(
        "--no-warm-up",
        dest="warm_up",
        action="store_false",
        help="do not replay the model's warm-up requests first",
    )


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 6 else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return number


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    try:
        from gpt2tok.serving.application import Limits
        from gpt2tok.serving.dialect import Bounds
        from gpt2tok.serving.process import serve

        limits = Limits(
            body=options.max_body,
            bounds=Bounds(batch=options.max_batch, length=options.max_length),
            waiting=options.max_waiting,
            threads=options.threads,
        )
        serve(
            Path(options.directory),
            name=options.name,
            host=options.host,
            port=options.port,
            limits=limits,
            warm_up=options.warm_up,
        )
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise DataError(
            f"serve needs {package}, which is not installed: pip install 'gpt2tok[tf,serve]'"
        ) from None
    return DONE
