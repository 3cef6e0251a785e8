"""What is asked of the Hugging Face hub, and how often? Counted by a server of our own, and by one that is not there.

Each case runs in a process of its own: huggingface_hub reads its settings when it is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers import BACKEND

from checkpoint_files import FORMATS, PICKLE, SAFE

pytestmark = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODELS = {
    "someone/tiny": SAFE,
    "someone/sharded": FORMATS / "huggingface_safetensors_sharded",
    "someone/flax": FORMATS / "huggingface_flax_msgpack",
    "someone/pickled": PICKLE,
}
CODE = """
import sys
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.locating import locate
try:
    with open_checkpoint(locate(sys.argv[1])) as checkpoint:
        print(len(checkpoint.names()))
except (OSError, ValueError) as error:
    print(type(error).__name__, error)
"""


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as loading a model asks for."""

    asked: list[str]

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
        folder = MODELS.get(f"{owner}/{name}")
        if owner == "broken":
            self._send(503, b"{}")
        elif folder is None:
            self._send(
                404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"}
            )
        elif self.path.startswith("/api/"):
            files = [{"rfilename": path.name} for path in folder.iterdir()]
            fields = {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": files, "private": False}
            self._send(200, json.dumps(fields).encode())
        else:
            data = (folder / rest[-1]).read_bytes()
            self._send(200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """The address of a hub, and what was asked of it."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hub", (_Hub,), {"asked": asked}))
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


def load(model: str, endpoint: str, cache: Path, **environment: str) -> str:
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, model],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**clean, **settings, **environment},
        cwd=cache,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("model", "files"), [("someone/tiny", 2), ("someone/sharded", 6), ("someone/flax", 2)]
)
def test_a_model_is_listed_once_and_its_files_fetched(
    hub: tuple[str, list[str]], tmp_path: Path, model: str, files: int
) -> None:
    address, asked = hub
    assert load(model, address, tmp_path) == "28"
    assert sum(line.startswith("GET /api/") for line in asked) == 1
    fetched = [line.rpartition("/")[2] for line in asked if line.startswith("GET /someone")]
    assert len(fetched) == len(set(fetched)) == files
    assert len(asked) == 1 + 2 * files
    # What is in the cache needs no hub any more.
    assert load(model, closed(), tmp_path) == "28"
    assert load(model, address, tmp_path, HF_HUB_OFFLINE="1") == "28"
    assert len(asked) == 1 + 2 * files


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nobody/nothing", ["OSError", "nobody/nothing", "check the name", "hf auth login"]),
        ("broken/model", ["OSError", "503", "gives no answer", "hf download broken/model"]),
        ("someone/pickled", ["CheckpointError", "pytorch_model.bin, which is a pickle", "python -c"]),
    ],
)
def test_a_model_that_cannot_be_had(
    hub: tuple[str, list[str]], tmp_path: Path, model: str, words: list[str]
) -> None:
    address, asked = hub
    answer = load(model, address, tmp_path)
    assert all(word in answer for word in words), answer
    assert len(asked) <= 3, asked


def test_no_hub_at_all(tmp_path: Path) -> None:
    begin = time.monotonic()
    answer = load("some/unreachable-id", closed(), tmp_path)
    assert answer.startswith("OSError") and answer.count("\n") == 0
    for word in ("some/unreachable-id", "127.0.0.1", "hf download", "HF_HUB_OFFLINE", "not in the cache"):
        assert word in answer
    assert time.monotonic() - begin < 60
    answer = load("some/unreachable-id", closed(), tmp_path, HF_HUB_OFFLINE="1")
    assert "not in the cache" in answer and "offline" in answer.lower()


@pytest.mark.parametrize(
    "name",
    [
        "nodir/", "./x", "/x", "../x", "~/x", "a/b/", "a\\b", ".\\x", "here/gone", "a/b/c", "gone.safetensors",
        "gone/model.keras", "", ".", "..", "here/", "gone/pytorch_model.bin",
    ],
)  # fmt: skip
def test_a_path_is_never_asked_of_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    from gpt2model import CheckpointError, GPT2LMHeadModel

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    for method in ("hf_hub_download", "HfApi"):
        monkeypatch.setattr(huggingface_hub, method, lambda *_, **__: pytest.fail("the hub was asked"))
    is_there = name and Path(name).is_dir()
    with pytest.raises(
        CheckpointError if is_there else FileNotFoundError,
        match="no weights among" if is_there else "no such directory or file",
    ):
        GPT2LMHeadModel.from_pretrained(name)
