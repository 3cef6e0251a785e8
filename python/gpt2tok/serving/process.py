"""The server as a process: a socket, a model, and an end without losses.

Owns the order of things: the socket first (a port that is taken is told at once), then the model and its warm-up,
then traffic, until SIGTERM or Ctrl-C; what is in work then is answered. Refuses everything else.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from ..cli.problems import DataError, Terminated
from ..cli.quiet import keep_tensorflow_quiet
from .application import Limits, application
from .dialect import BadRequest
from .place import place_of

PATIENCE = 30  # seconds for requests in work when the server is told to stop


def serve(path: Path, *, name: str | None, host: str, port: int, limits: Limits, warm_up: bool) -> None:
    """Answer until told to stop.

    Raises:
        FileNotFoundError: no SavedModel is there.
        OSError: the port is taken.
        DataError: the model cannot be loaded, or its warm-up fails.
    """
    place = place_of(path, name)
    with _listening(host, port) as listener:
        keep_tensorflow_quiet()  # else it writes of every request that it refuses, too
        if sys.stderr.isatty():
            print(f"gpt2tok: loading {place.directory} and warming it up", file=sys.stderr, flush=True)
        from .loaded import ServedModel  # TensorFlow takes seconds: what is wrong above is told before

        try:
            model = ServedModel(place)
            replayed = model.warm_up() if warm_up else 0
        except BadRequest as error:
            raise DataError(
                f"{place.directory}: the warm-up fails: {error}; --no-warm-up leaves it out"
            ) from error
        except (OSError, ValueError) as error:
            raise DataError(f"{place.directory} cannot be loaded: {str(error).splitlines()[0]}") from error
        config = uvicorn.Config(
            application(model, limits),
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
            timeout_keep_alive=5,
        )
        listener.listen(
            2048
        )  # as uvicorn does a moment later: whoever reads the line below may connect at once
        at = f"http://{host}:{listener.getsockname()[1]}/v1/models/{place.name}"
        print(
            f"gpt2tok: serving {place.directory} (version {place.version}, {replayed} warm-up requests) at {at}",
            file=sys.stderr,
            flush=True,
        )
        with suppress(KeyboardInterrupt, Terminated):  # uvicorn has stopped by then, and tells its caller why
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"{reason}; give another --port (0: any that is free)", f"{host}:{port}"
        ) from None
    return listener
