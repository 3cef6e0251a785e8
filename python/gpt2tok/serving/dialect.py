"""TensorFlow Serving's JSON: requests to arrays, arrays to answers.

Owns the row format (`instances`, `predictions`) and the column format (`inputs`, `outputs`), `{"b64": ...}`, and the
refusal of JSON that fits no signature, each with its place. Refuses HTTP and TensorFlow: arrays are NumPy's.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]


@final
class BadRequest(Exception):
    """The request cannot be answered; the text says why."""


@final
@dataclass(frozen=True)
class Input:
    """One input of a signature.

    Attributes:
        dtype: a NumPy name, or "string".
        rank: number of dimensions, the batch first.
    """

    dtype: str
    rank: int


@final
@dataclass(frozen=True)
class Bounds:
    """What a request may have.

    Attributes:
        batch: rows.
        length: bytes of a text, or numbers of a row.
    """

    batch: int
    length: int


@final
@dataclass(frozen=True)
class Request:
    """A request, read.

    Attributes:
        signature: its name.
        columns: came in the column format, and is answered so.
        inputs: by name.
    """

    signature: str
    columns: bool
    inputs: dict[str, Array]


def request_of(body: bytes, signatures: Mapping[str, Mapping[str, Input]], bounds: Bounds) -> Request:
    """What a body asks for.

    Args:
        body: JSON.
        signatures: inputs by name, by signature.
        bounds: of batch and length.

    Raises:
        BadRequest: what is wrong, and where.

    Example:
        >>> signatures = {"serving_default": {"text": Input("string", 1)}}
        >>> request_of(b'{"instances": ["a", {"b64": "/w=="}]}', signatures, Bounds(8, 100)).inputs["text"].tolist()
        [b'a', b'\\xff']
    """
    try:
        told = json.loads(body)
    except RecursionError:
        raise BadRequest("the body is JSON too deeply nested") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise BadRequest(f"the body must be a JSON object, not {_kind(told)}")
    unknown = sorted(set(told) - {"signature_name", "instances", "inputs"})
    if unknown:
        raise BadRequest(f"the body has {unknown[0]!r}: it may have signature_name, and instances or inputs")
    name = told.get("signature_name", "serving_default")
    if not isinstance(name, str) or name not in signatures:
        known = ", ".join(sorted(signatures))
        raise BadRequest(f"signature_name is {_shown(name)}, which the model does not have: it has {known}")
    if ("instances" in told) == ("inputs" in told):
        raise BadRequest("the body must have either instances (rows) or inputs (columns)")
    wanted = signatures[name]
    columns = "inputs" in told
    given = _columns(told["inputs"], wanted) if columns else _rows(told["instances"], wanted, bounds)
    arrays = {key: _array(key, given[key], wanted[key], bounds) for key in wanted}
    return Request(name, columns, arrays)


def answer_of(outputs: Mapping[str, Array], *, columns: bool) -> str:
    """The JSON of an answer. Strings whose name ends in `_bytes` are base64.

    Raises:
        BadRequest: outputs that have no common batch cannot be rows.

    Example:
        >>> answer_of({"a_bytes": np.array([b"hi"], object), "n": np.array([1])}, columns=False)
        '{"predictions": [{"a_bytes": {"b64": "aGk="}, "n": 1}]}'
    """
    plain = {name: _plain(name, values) for name, values in outputs.items()}
    alone = next(iter(plain)) if len(plain) == 1 else None
    if columns:
        return json.dumps({"outputs": plain if alone is None else plain[alone]})
    sizes = {values.shape[0] if values.ndim else None for values in outputs.values()}
    if len(sizes) != 1 or None in sizes:
        raise BadRequest("the outputs have no common dimension 0: ask with inputs, not with instances")
    if alone is not None:
        return json.dumps({"predictions": plain[alone]})
    rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
    return json.dumps({"predictions": rows})


def _columns(given: Any, wanted: Mapping[str, Input]) -> dict[str, Any]:
    if len(wanted) == 1 and not (isinstance(given, dict) and set(given) == set(wanted)):
        return {next(iter(wanted)): given}
    if not isinstance(given, dict):
        raise BadRequest(f"inputs must be an object with {', '.join(wanted)}, not {_kind(given)}")
    _same_names("inputs", given, wanted)
    return given


def _rows(given: Any, wanted: Mapping[str, Input], bounds: Bounds) -> dict[str, Any]:
    if not isinstance(given, list):
        raise BadRequest(f"instances must be a list, not {_kind(given)}")
    _few(len(given), "instances", bounds)
    found: dict[str, Any] = {name: [] for name in wanted}
    alone = next(iter(wanted)) if len(wanted) == 1 else None
    for place, row in enumerate(given):
        named = isinstance(row, dict) and "b64" not in row
        if alone is not None and not named:
            found[alone].append(row)
            continue
        if not named:
            raise BadRequest(
                f"instances[{place}] must be an object with {', '.join(wanted)}, not {_kind(row)}"
            )
        _same_names(f"instances[{place}]", row, wanted)
        for name, value in row.items():
            found[name].append(value)
    return found


def _same_names(where: str, given: Mapping[str, Any], wanted: Mapping[str, Input]) -> None:
    missing, unknown = (
        [name for name in wanted if name not in given],
        [name for name in given if name not in wanted],
    )
    takes = f"the signature takes {', '.join(f'{name} ({_input(wanted[name])})' for name in wanted)}"
    if missing:
        raise BadRequest(f"{where} lacks {', '.join(map(repr, missing))}: {takes}")
    if unknown:
        raise BadRequest(f"{where} has {_shown(unknown[0])}: {takes}")


def _input(wanted: Input) -> str:
    """What a row gives for it, in words."""
    return (
        wanted.dtype if wanted.rank == 1 else f"{'a list' if wanted.rank == 2 else 'lists'} of {wanted.dtype}"
    )


def _few(count: int, where: str, bounds: Bounds) -> None:
    if count > bounds.batch:
        raise BadRequest(
            f"{where} has {count} rows, and this server takes {bounds.batch} at most: send several requests"
        )


def _array(name: str, value: Any, wanted: Input, bounds: Bounds) -> Array:
    """A nested list, every level of the same length, as an array."""
    if not isinstance(value, list):
        raise BadRequest(f"{name} must be a list with one value for each row, not {_kind(value)}")
    _few(len(value), name, bounds)
    shape, level = [len(value)], value
    for _ in range(wanted.rank - 1):
        width = len(level[0]) if level and isinstance(level[0], list) else 0
        inner = []
        for place, part in enumerate(level):
            where = f"{name}[{place}]"
            if not isinstance(part, list):
                raise BadRequest(f"{where} must be a list, not {_kind(part)}")
            if len(part) != width:
                raise BadRequest(
                    f"{where} has {len(part)} values, the first of them {width}: all must have as many"
                )
            if width > bounds.length:
                raise BadRequest(f"{where} has {width} values, and this server takes {bounds.length} at most")
            inner += part
        level = inner
        shape.append(width)
    values = [
        _value(f"{name}, value {place}", part, wanted.dtype, bounds) for place, part in enumerate(level)
    ]
    return np.array(values, object if wanted.dtype == "string" else wanted.dtype).reshape(shape)


def _value(where: str, value: Any, dtype: str, bounds: Bounds) -> Any:
    if dtype == "string":
        text = _text(where, value)
        if len(text) > bounds.length:
            raise BadRequest(f"{where} has {len(text)} bytes, and this server takes {bounds.length} at most")
        return text
    if dtype == "bool":
        if not isinstance(value, bool):
            raise BadRequest(f"{where} must be true or false, not {_kind(value)}")
        return value
    whole = np.dtype(dtype).kind in "iu"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise BadRequest(f"{where} must be a {'whole ' if whole else ''}number, not {_kind(value)}")
    if whole:
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            raise BadRequest(f"{where} must lie between {limits.min} and {limits.max}")
        return value
    try:
        with np.errstate(over="ignore"):
            return np.array(float(value)).astype(dtype)  # beyond the range infinite, as in C
    except OverflowError:
        raise BadRequest(f"{where} is too large a number") from None


def _text(where: str, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise BadRequest(
                f"{where} holds half a surrogate pair, which no UTF-8 has: send bytes as b64"
            ) from None
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest(f"{where} is no base64: {error}") from None
    raise BadRequest(f'{where} must be a string or {{"b64": "..."}}, not {_kind(value)}')


def _plain(name: str, values: Array) -> Any:
    if values.dtype != object:
        return values.tolist()
    if name.endswith("_bytes"):
        spelt = [{"b64": base64.b64encode(text).decode()} for text in values.ravel()]
    else:
        spelt = [text.decode(errors="replace") for text in values.ravel()]
    found = np.empty(values.size, object)
    found[:] = spelt
    return found.reshape(values.shape).tolist()


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
