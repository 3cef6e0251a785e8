"""A Hugging Face hub on this machine: as much of its protocol as loading a model asks for.

Owns the server, an address where nobody listens, and the processes that ask: huggingface_hub reads its settings when
it is imported. Refuses to know what is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    asked: list[str]
    models: Mapping[str, Path]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path.startswith("/api/") and not self.path.startswith("/api/models/"):
            self._send(404, b"{}")  # huggingface_hub's own curiosity, which has nothing to do with a model
            return
        type(self).asked.append(f"{self.command} {self.path}")
        owner, name, *rest = self.path.removeprefix("/api/models").strip("/").split("/")
        folder = self.models.get(f"{owner}/{name}")
        if owner == "broken":
            self._send(503, b"{}")
        elif folder is None:
            self._refuse("RepoNotFound", "Repository Not Found")
        elif self.path.startswith("/api/"):
            files = [
                {"rfilename": path.relative_to(folder).as_posix()}
                for path in folder.rglob("*")
                if path.is_file()
            ]
            fields = {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": files, "private": False}
            self._send(200, json.dumps(fields).encode())
        elif not (file := folder.joinpath(*rest[2:])).is_file():
            self._refuse("EntryNotFound", "Entry not found")
        else:
            data = file.read_bytes()
            self._send(200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def _refuse(self, code: str, words: str) -> None:
        self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": words, "X-Repo-Commit": COMMIT})

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def serving(models: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub that has these models ("owner/name" to a directory), and what was asked of it."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hub", (_Hub,), {"asked": asked, "models": models}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def run(code: str, *arguments: str, endpoint: str, cache: Path, **environment: str) -> tuple[str, str]:
    """What Python code prints to the two outputs, in a process whose hub is `endpoint` and whose cache is `cache`."""
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**clean, **settings, **environment},
        cwd=cache,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr.strip()
