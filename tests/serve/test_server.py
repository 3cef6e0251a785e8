"""Does `gpt2tok serve` answer as TensorFlow Serving would? Real processes, real sockets, httpx."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from fuzz_server import SEEDS, over_http
from server_process import Server, made

TEXTS = ["def f(x):", "class A"]


def spelt(prediction: dict[str, str]) -> bytes:
    return base64.b64decode(prediction["b64"])


def test_texts_in_rows_and_columns(server: Server) -> None:
    rows = server.post({"instances": TEXTS}).json()["predictions"]
    columns = server.post({"inputs": {"text": TEXTS}}).json()["outputs"]
    versioned = server.post({"inputs": TEXTS}, verb="/versions/3:predict").json()["outputs"]
    assert rows == columns == versioned
    assert len({spelt(row) for row in rows}) == 2
    assert server.post({"instances": []}).json() == {"predictions": []}


def test_generate_score_and_the_tokenizer(server: Server) -> None:
    options = {"max_new_tokens": 5, "temperature": 1.0, "top_k": 20, "top_p": 0.9, "seed": 7}
    body = {"signature_name": "generate", "instances": [{"text": text, **options} for text in TEXTS]}
    both = server.post(body).json()["predictions"]
    assert both == server.post(body).json()["predictions"]  # the seed
    alone = server.post({**body, "instances": body["instances"][1:]}).json()["predictions"]
    assert alone == both[1:]
    assert all(1 <= row["token_count"] <= 5 for row in both)
    ids = [row["token_ids"][: row["token_count"]] for row in both]
    back = {
        "signature_name": "detokenize",
        "instances": [{"input_ids": i, "attention_mask": [1] * len(i)} for i in ids[:1]],
    }
    assert spelt(server.post(back).json()["predictions"][0]) == spelt(both[0]["continuation_bytes"])
    scored = server.post({"signature_name": "score", "inputs": TEXTS}).json()["outputs"]
    assert all(number < 0 for number in scored["log_probability"])
    tokens = server.post({"signature_name": "tokenize", "inputs": TEXTS}).json()["outputs"]
    assert [sum(row) for row in tokens["attention_mask"]] == scored["token_count"]


def test_status_metadata_and_health(server: Server) -> None:
    home = server.url.rpartition("/v1/")[0]
    assert httpx.get(f"{home}/healthz").json() == {"status": "ok"}
    state = httpx.get(server.url).json()["model_version_status"]
    assert state == [
        {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
    told = httpx.get(f"{server.url}/metadata").json()
    assert told["model_spec"] == {"name": "tiny", "signature_name": "", "version": "3"}
    signatures = told["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "generate", "score", "tokenize", "detokenize"}
    assert signatures["generate"]["inputs"]["temperature"]["dtype"] == "DT_FLOAT"
    assert "1 warm-up" not in server.said and "5 warm-up requests" in server.said


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"instances": [""]}, 400, "the prompt is empty"),
        ({"instances": ["a"] * 5}, 400, "4 texts at most"),  # the model's bound
        ({"instances": ["a"] * 7}, 400, "this server takes 6 at most"),  # the server's
        ({"instances": ["a" * 3001]}, 400, "this server takes 3000 at most"),
        ({"instances": ["a" * 30_000]}, 413, "20000 bytes at most"),
        ({"signature_name": "nothing", "instances": ["a"]}, 400, "serving_default"),
        ({"signature_name": "score", "instances": ["a b c d " * 300]}, 400, "more than 400 tokens"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals(server: Server, body: object, status: int, told: str) -> None:
    answer = server.post(body)
    assert answer.status_code == status
    assert told in answer.json()["error"]
    assert server.post({"instances": TEXTS}).status_code == 200


def test_addresses_that_nothing_answers(server: Server) -> None:
    home = server.url.rpartition("/v1/")[0]
    for method, address in (
        ("GET", f"{home}/v1/models/other"),
        ("POST", f"{home}/v1/models/other:predict"),
        ("POST", f"{server.url}/versions/4:predict"),
        ("GET", f"{server.url}:predict"),
        ("POST", f"{server.url}:classify"),
        ("DELETE", server.url),
    ):
        answer = httpx.request(method, address)
        assert answer.status_code in (404, 405)
        told = answer.json()["error"]
        assert f"nothing answers {method}" in told
        assert "this server has the model 'tiny', version 3, and answers POST /v1/models/tiny:predict" in told


def test_answers_end_with_a_line_feed(server: Server) -> None:
    home = server.url.rpartition("/v1/")[0]
    answers = [
        server.post({"instances": TEXTS}),
        server.post({"instances": [""]}),  # refused
        *(
            httpx.get(f"{home}{path}")
            for path in ("/healthz", "/v1/models/tiny", "/v1/models/tiny/metadata", "/other")
        ),
    ]
    assert all(answer.text.endswith("}\n") and answer.text.count("\n") == 1 for answer in answers)


def test_a_body_without_its_length(server: Server) -> None:
    """In parts, whose sum is told to nobody: read no further than the bound."""

    def parts(count: int) -> object:
        yield b'{"instances": ["'
        for _ in range(count):
            yield b"a" * 1000
        yield b'"]}'

    assert server.client.post(f"{server.url}:predict", content=parts(2)).status_code == 200
    assert server.client.post(f"{server.url}:predict", content=parts(1000)).status_code == 413


def test_connections_that_are_no_http(server: Server) -> None:
    address = httpx.URL(server.url)
    for garbage in (
        b"",
        b"\x00\xff" * 100,
        b"POST / HTTP/1.1\r\n",
        b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
            connection.sendall(garbage)
    halfway = b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(halfway)
    assert server.post({"instances": TEXTS}).status_code == 200


def test_many_at_once(server: Server) -> None:
    expected = server.post({"instances": TEXTS}).json()
    answers: list[object] = []

    def ask() -> None:
        answers.append(httpx.post(f"{server.url}:predict", json={"instances": TEXTS}, timeout=120).json())

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 12


def test_mutated_requests(server: Server) -> None:
    before = server.post(SEEDS[0]).json()
    results = over_http(server, 300, seed=1)
    assert 30 < results < 270
    assert server.post(SEEDS[0]).json() == before


def test_mutated_calls_of_the_signatures(generator: Path) -> None:
    """In a process of its own: TensorFlow must not die, and would take the tests along."""
    code = "import sys, pathlib, fuzz_server as f; print(f.to_signatures(pathlib.Path(sys.argv[1]), 200, 1))"
    run = subprocess.run(
        [sys.executable, "-c", code, str(generator)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert 20 < int(run.stdout) < 190


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_graceful_stop_and_the_tokenizer_alone(how: signal.Signals, tmp_path: Path) -> None:
    server = Server(made("tokenizer", tmp_path / "tok" / "1"))
    try:
        assert "/v1/models/tok" in server.url
        told = server.post({"signature_name": "tokenize", "instances": ["def f"]}).json()
        assert told["predictions"][0]["attention_mask"] == [1] * len(told["predictions"][0]["input_ids"])
        refused = server.post({"instances": ["def f"]})
        assert refused.status_code == 400 and "detokenize, tokenize" in refused.json()["error"]
        body = json.dumps({"signature_name": "tokenize", "instances": ["def f(x): return " * 3000]}).encode()
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port), timeout=60) as connection:
            head = f"POST {address.path}:predict HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # so the request is being answered
            server.process.send_signal(how)
            connection.sendall(body)
            with connection.makefile("rb") as answer:
                assert answer.readline().startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(40) == 0
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere"], 1, "no SavedModel is there"),
        (["."], 1, "no SavedModel is there"),
        ([], 2, "DIR"),
        ([".", "--port", "70000"], 2, "no port"),
        ([".", "--max-batch", "0"], 2, "above 0"),
    ],
    ids=str,
)
def test_wrong_command_lines(arguments: list[str], code: int, told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpt2tok", "serve", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert run.returncode == code
    assert told in run.stderr and run.stderr.count("\n") == 1, run.stderr


def test_a_port_that_is_taken_and_a_model_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"broken")
    command = [sys.executable, "-m", "gpt2tok", "serve", str(tmp_path), "--port"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        run = subprocess.run([*command, port], capture_output=True, text=True, check=False)
        assert run.returncode == 1
        assert f"127.0.0.1:{port}" in run.stderr and "give another --port" in run.stderr
    run = subprocess.run([*command, "0"], capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert "cannot be loaded" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
