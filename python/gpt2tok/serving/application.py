"""Which address answers what? The routes of the server, and what it refuses.

Owns HTTP: paths, methods, status codes, the bounds of body and queue. Refuses the meaning of a body (`dialect.py`)
and of a model (`loaded.py`). Every answer is JSON; every refusal is `{"error": reason}`.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .dialect import BadRequest, Bounds, Input, answer_of, request_of
from .place import Place


@final
@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        body: bytes of a request.
        bounds: rows, and length of each.
        waiting: requests at once, those in work among them.
        threads: requests in work at once.
    """

    body: int
    bounds: Bounds
    waiting: int
    threads: int


class Model(Protocol):
    """What is served; `loaded.ServedModel` is one."""

    place: Place
    inputs: dict[str, dict[str, Input]]
    metadata: dict[str, Any]

    def run(self, signature: str, inputs: Any) -> dict[str, Any]:
        """The outputs of a signature."""


def application(model: Model, limits: Limits) -> Starlette:
    """The server's application, for uvicorn or a test."""
    served = _Served(model, limits)
    name, version = model.place.name, model.place.version
    home = f"/v1/models/{name}"
    routes = [Route("/healthz", served.health), Route("/v1/health", served.health)]
    for place in (home, f"{home}/versions/{version}"):
        routes += [
            Route(f"{place}:predict", served.predict, methods=["POST"]),
            Route(f"{place}/metadata", served.metadata),
            Route(place, served.status),
            Route(place, served.predict, methods=["POST"]),
        ]
    handlers: Any = {HTTPException: served.refused, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers)


@final
class _Served:
    """The handlers, over one model."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="predict")
        self._waiting = 0

    async def health(self, _: Request) -> Response:
        return _json({"status": "ok"})

    async def status(self, _: Request) -> Response:
        told = {"error_code": "OK", "error_message": ""}
        state = {"version": self._model.place.version, "state": "AVAILABLE", "status": told}
        return _json({"model_version_status": [state]})

    async def metadata(self, _: Request) -> Response:
        return _json(self._model.metadata)

    async def predict(self, request: Request) -> Response:
        if self._waiting >= self._limits.waiting:
            raise HTTPException(503, f"{self._waiting} requests wait already: try again later")
        self._waiting += 1
        try:
            body = await self._body(request)
            loop = asyncio.get_running_loop()
            return _response(await loop.run_in_executor(self._pool, self._answered, body))
        except BadRequest as error:
            raise HTTPException(400, str(error)) from None
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._waiting -= 1

    async def refused(self, request: Request, error: HTTPException) -> Response:
        told = error.detail
        if error.status_code in (404, 405) and told in ("Not Found", "Method Not Allowed"):
            place = self._model.place
            home = f"/v1/models/{place.name}"
            told = (
                f"nothing answers {request.method} {request.url.path[:200]}: this server has the model"
                f" {place.name!r}, version {place.version}, and answers POST {home}:predict, GET {home},"
                f" GET {home}/metadata and GET /healthz"
            )
        answer = _json({"error": told}, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    async def _body(self, request: Request) -> bytes:
        """The body, read no further than the bound."""
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self._limits.body:
                raise HTTPException(
                    413, f"the body may have {self._limits.body} bytes at most: send less at once"
                )
            parts.append(part)
        return b"".join(parts)

    def _answered(self, body: bytes) -> str:
        asked = request_of(body, self._model.inputs, self._limits.bounds)
        return answer_of(self._model.run(asked.signature, asked.inputs), columns=asked.columns)


def _json(value: Any, status: int = 200) -> Response:
    return _response(json.dumps(value), status)


def _response(content: str, status: int = 200) -> Response:
    # The line feed is for terminals, whose prompt would stand behind the answer.
    return Response(content + "\n", status, media_type="application/json")


async def _failed(_: Request, error: Exception) -> Response:
    traceback.print_exception(error)
    return _json({"error": f"the model failed: {type(error).__name__}: {str(error)[:500]}"}, 500)
