"""Is JSON read and written as TensorFlow Serving does it? Its documented examples, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gpt2tok.serving.dialect import BadRequest, Bounds, Input, answer_of, request_of

SIGNATURES = {
    "serving_default": {"text": Input("string", 1)},
    "numbers": {"x": Input("float32", 1), "n": Input("int32", 1), "b": Input("bool", 1)},
    "matrix": {"ids": Input("int64", 2), "name": Input("string", 1)},
}
BOUNDS = Bounds(batch=3, length=5)


def read(body: Any) -> Any:
    return request_of(body if isinstance(body, bytes) else json.dumps(body).encode(), SIGNATURES, BOUNDS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": ["a", "b"]}, [b"a", b"b"]),
        ({"instances": [{"text": "a"}, {"text": {"b64": "/w=="}}]}, [b"a", b"\xff"]),
        ({"instances": [{"b64": "aGk="}]}, [b"hi"]),
        ({"inputs": ["a"]}, [b"a"]),
        ({"inputs": {"text": ["é"]}}, ["é".encode()]),
        ({"instances": []}, []),
        ({"inputs": []}, []),
    ],
    ids=str,
)
def test_texts(body: Any, expected: list[bytes]) -> None:
    request = read(body)
    assert request.signature == "serving_default"
    assert request.columns == ("inputs" in body)
    assert request.inputs["text"].tolist() == expected
    assert request.inputs["text"].shape == (len(expected),)


def test_numbers_in_rows_and_columns() -> None:
    rows = read(
        {
            "signature_name": "numbers",
            "instances": [{"x": 1, "n": 2, "b": True}, {"x": 0.5, "n": -1, "b": False}],
        }
    )
    columns = read({"signature_name": "numbers", "inputs": {"x": [1, 0.5], "n": [2, -1], "b": [True, False]}})
    for request in (rows, columns):
        assert {name: (str(array.dtype), array.tolist()) for name, array in request.inputs.items()} == {
            "x": ("float32", [1.0, 0.5]),
            "n": ("int32", [2, -1]),
            "b": ("bool", [True, False]),
        }
    matrix = read(
        {
            "signature_name": "matrix",
            "instances": [{"ids": [1, 2], "name": "a"}, {"ids": [3, 4], "name": "b"}],
        }
    )
    assert matrix.inputs["ids"].tolist() == [[1, 2], [3, 4]]
    nothing = read({"signature_name": "matrix", "instances": []})
    assert (nothing.inputs["ids"].shape, nothing.inputs["name"].shape) == ((0, 0), (0,))
    infinite = read(
        b'{"signature_name": "numbers", "inputs": {"x": [1e999, NaN, 1e39], "n": [1, 1, 1], "b": [true, true, true]}}'
    )
    assert str(infinite.inputs["x"].tolist()) == "[inf, nan, inf]"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON|too deeply nested"),
        (b'{"instances": [' + b"1" * 5000 + b"]}", "no JSON"),
        ([], "must be a JSON object, not a list"),
        ({}, "either instances .* or inputs"),
        ({"instances": [], "inputs": []}, "either instances .* or inputs"),
        ({"instances": ["a"], "model": 1}, "has 'model'"),
        ({"signature_name": "x", "instances": []}, "it has matrix, numbers, serving_default"),
        ({"signature_name": None, "instances": []}, "signature_name is None"),
        ({"instances": "a"}, "instances must be a list, not a string"),
        ({"instances": ["a"] * 4}, "4 rows, and this server takes 3"),
        ({"inputs": ["a"] * 4}, "4 rows, and this server takes 3"),
        ({"instances": ["abcdef"]}, "6 bytes, and this server takes 5"),
        ({"instances": [1]}, "value 0 must be a string"),
        ({"instances": [["a"]]}, "value 0 must be a string"),
        ({"instances": [None]}, "must be a string.*not null"),
        ({"instances": [{"b64": "?"}]}, "no base64"),
        ({"instances": [{"b64": "é"}]}, "no base64"),
        ({"instances": [{"b64": 3}]}, "must be a string"),
        ({"instances": [{"b64": "aGk=", "text": "a"}]}, "must be a string"),
        ({"instances": [{"test": "a"}]}, r"instances\[0\] lacks 'text'"),
        ({"instances": ["\ud800"]}, "half a surrogate"),
        ({"inputs": "a"}, "must be a list"),
        ({"signature_name": "numbers", "instances": ["a"]}, "must be an object with x, n, b"),
        ({"signature_name": "numbers", "inputs": [1]}, "must be an object with x, n, b"),
        ({"signature_name": "numbers", "inputs": {"x": [1], "n": [1]}}, "lacks 'b'"),
        (
            {"signature_name": "numbers", "instances": [{"x": 1}]},
            r"instances\[0\] lacks 'n', 'b': the signature takes x \(float32\), n \(int32\), b \(bool\)$",
        ),
        (
            {"signature_name": "matrix", "instances": [{}]},
            r"lacks 'ids', 'name': the signature takes ids \(a list of int64\), name \(string\)$",
        ),
        ({"signature_name": "numbers", "inputs": {"x": [1], "n": [1], "b": [True], "q": 1}}, "has 'q'"),
        (
            {"signature_name": "numbers", "inputs": {"x": [1], "n": [1.5], "b": [True]}},
            "n, value 0 must be a whole number",
        ),
        (
            {"signature_name": "numbers", "inputs": {"x": [True], "n": [1], "b": [True]}},
            "x, value 0 must be a number",
        ),
        (
            {"signature_name": "numbers", "inputs": {"x": ["1"], "n": [1], "b": [True]}},
            "x, value 0 must be a number",
        ),
        (
            {"signature_name": "numbers", "inputs": {"x": [1], "n": [2**31], "b": [True]}},
            "between -2147483648",
        ),
        ({"signature_name": "numbers", "inputs": {"x": [10**400], "n": [1], "b": [True]}}, "too large"),
        ({"signature_name": "numbers", "inputs": {"x": [1], "n": [1], "b": [1]}}, "true or false"),
        (
            {"signature_name": "matrix", "inputs": {"ids": [[1], [1, 2]], "name": ["a", "b"]}},
            "all must have as many",
        ),
        ({"signature_name": "matrix", "inputs": {"ids": [1], "name": ["a"]}}, r"ids\[0\] must be a list"),
        (
            {"signature_name": "matrix", "inputs": {"ids": [[1] * 6], "name": ["a"]}},
            "has 6 values, and this server takes 5",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals(body: Any, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        read(body)


def test_answers() -> None:
    text = np.array([b"hi", b"\xff"], object)
    assert json.loads(answer_of({"text_bytes": text}, columns=False)) == {
        "predictions": [{"b64": "aGk="}, {"b64": "/w=="}]
    }
    assert json.loads(answer_of({"text": text}, columns=True)) == {"outputs": ["hi", "\ufffd"]}
    two = {"a_bytes": text, "n": np.array([[1, 2], [3, 4]])}
    assert json.loads(answer_of(two, columns=False)) == {
        "predictions": [{"a_bytes": {"b64": "aGk="}, "n": [1, 2]}, {"a_bytes": {"b64": "/w=="}, "n": [3, 4]}]
    }
    assert json.loads(answer_of(two, columns=True)) == {
        "outputs": {"a_bytes": [{"b64": "aGk="}, {"b64": "/w=="}], "n": [[1, 2], [3, 4]]}
    }
    with pytest.raises(BadRequest, match="no common dimension 0"):
        answer_of({"a": np.array([1]), "b": np.array([1, 2])}, columns=False)
