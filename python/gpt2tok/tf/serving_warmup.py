"""Which bytes does TensorFlow Serving want to warm a model up? `PredictionLog` messages, written by hand.

Owns the few protobuf fields that a warm-up request has (tensorflow_serving/apis: prediction_log.proto, predict.proto,
model.proto), so that no tensorflow-serving-api is needed, which pins old releases of TensorFlow. Refuses frameworks:
tensors come serialized, and the file around the messages is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping

_PREDICTION_LOG_PREDICT_LOG = 6
_PREDICT_LOG_REQUEST = 1
_PREDICT_REQUEST_MODEL_SPEC = 1
_PREDICT_REQUEST_INPUTS = 2
_MODEL_SPEC_NAME = 1
_MODEL_SPEC_SIGNATURE_NAME = 3
_MAP_KEY, _MAP_VALUE = 1, 2

_LENGTH_DELIMITED = 2


def prediction_log(model: str, signature: str, inputs: Mapping[str, bytes]) -> bytes:
    """A serialized `PredictionLog` that asks one signature of a model to run.

    Args:
        model: the name under which the model is served; the server loads by place, so any will do.
        signature: of the SavedModel.
        inputs: a serialized `TensorProto` for each input of the signature.

    Example:
        >>> prediction_log("m", "s", {}).hex()
        '320a0a080a060a016d1a0173'
    """
    spec = _field(_MODEL_SPEC_NAME, model.encode()) + _field(_MODEL_SPEC_SIGNATURE_NAME, signature.encode())
    request = _field(_PREDICT_REQUEST_MODEL_SPEC, spec)
    for name, tensor in inputs.items():
        entry = _field(_MAP_KEY, name.encode()) + _field(_MAP_VALUE, tensor)
        request += _field(_PREDICT_REQUEST_INPUTS, entry)
    return _field(_PREDICTION_LOG_PREDICT_LOG, _field(_PREDICT_LOG_REQUEST, request))


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
