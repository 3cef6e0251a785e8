"""`gpt2tok serve` as a process, and the models that it serves, for the tests of serving.

Owns their making and their end. Refuses to load a framework in the test process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

HERE = Path(__file__).parent


def made(kind: str, directory: Path) -> Path:
    """An exported model."""
    command = [sys.executable, HERE / "make_model.py", kind, directory]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    return directory


class Server:
    """`gpt2tok serve` as a process."""

    def __init__(self, directory: Path, *options: str) -> None:
        command = [sys.executable, "-m", "gpt2tok", "serve", str(directory), "--port", "0", *options]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if line.startswith("gpt2tok: serving "):
                self.said = line
                self.url = line.split(" at ")[-1].strip()
                break
        else:
            raise AssertionError("".join(said)[-3000:])
        self.client = httpx.Client(timeout=120)

    def post(
        self, body: object = None, *, content: bytes | None = None, verb: str = ":predict"
    ) -> httpx.Response:
        """A request."""
        return (
            self.client.post(self.url + verb, content=content)
            if content is not None
            else self.client.post(self.url + verb, json=body)
        )

    def stop(self) -> None:
        """Whatever state it is in."""
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
