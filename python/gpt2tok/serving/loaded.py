"""The SavedModel of a server: its signatures, run on arrays.

Owns loading, running, the warm-up file and the metadata. Refuses JSON requests (`dialect.py`) and HTTP. Imports
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2

from .conventions import WARM_UP_FILE, reason_of
from .dialect import Array, BadRequest, Input
from .place import Place


@final
class ServedModel:
    """A model that answers.

    Attributes:
        place: where it is from.
        inputs: of each signature.
        metadata: as TensorFlow Serving tells it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        loaded = tf.saved_model.load(str(place.directory))
        self._loaded = loaded  # signatures hold their variables weakly
        self._signatures = dict(loaded.signatures)
        self.inputs: dict[str, dict[str, Input]] = {
            name: {key: _input(spec) for key, spec in signature.structured_input_signature[1].items()}
            for name, signature in self._signatures.items()
        }
        self.metadata = _metadata(place)

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of a signature.

        Raises:
            BadRequest: the graph refuses the inputs; with its reason.
        """
        given = {}
        for name, array in inputs.items():
            dtype = self.inputs[signature][name].dtype
            given[name] = tf.constant(array, tf.string if dtype == "string" else dtype, array.shape)
        try:
            outputs = self._signatures[signature](**given)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise BadRequest(reason_of(str(error.message))) from None
        return {name: value.numpy() for name, value in outputs.items()}

    def warm_up(self) -> int:
        """Replay the requests of the warm-up file, if there is one; gives their number.

        Raises:
            BadRequest: the file, or a request in it, is no good.
        """
        file = self.place.directory / WARM_UP_FILE
        if not file.is_file():
            return 0
        count = 0
        try:
            for record in tf.data.TFRecordDataset(str(file)):
                signature, tensors = _logged(record.numpy())
                self.run(signature, {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()})
                count += 1
        except (tf.errors.DataLossError, KeyError, IndexError, ValueError) as error:
            raise BadRequest(f"{file} is broken ({error!r})") from None
        return count


def _input(spec: Any) -> Input:
    return Input("string" if spec.dtype == tf.string else spec.dtype.name, spec.shape.rank)


def _metadata(place: Place) -> dict[str, Any]:
    saved = saved_model_pb2.SavedModel.FromString((place.directory / "saved_model.pb").read_bytes())
    told = {}
    for name, definition in saved.meta_graphs[0].signature_def.items():
        if name.startswith("__"):
            continue
        told[name] = {
            "inputs": {key: _tensor_info(info) for key, info in definition.inputs.items()},
            "outputs": {key: _tensor_info(info) for key, info in definition.outputs.items()},
            "method_name": definition.method_name,
        }
    return {
        "model_spec": {"name": place.name, "signature_name": "", "version": place.version},
        "metadata": {"signature_def": {"signature_def": told}},
    }


def _tensor_info(info: Any) -> dict[str, Any]:
    dims = [{"size": str(dim.size), "name": dim.name} for dim in info.tensor_shape.dim]
    kind = f"DT_{tf.as_dtype(info.dtype).name.upper()}"
    kind = {"DT_FLOAT32": "DT_FLOAT", "DT_FLOAT64": "DT_DOUBLE"}.get(kind, kind)
    shape = {"dim": dims, "unknown_rank": info.tensor_shape.unknown_rank}
    return {"dtype": kind, "tensor_shape": shape, "name": info.name}


def _logged(record: bytes) -> tuple[str, dict[str, Any]]:
    """Signature and tensors of a `PredictionLog`; the field numbers are in `gpt2tok.tf.serving_warmup`."""
    request = dict(_fields(dict(_fields(record))[6]))[1]
    signature, tensors = "serving_default", {}
    for number, value in _fields(request):
        if number == 1:
            signature = dict(_fields(value))[3].decode()
        elif number == 2:
            entry = dict(_fields(value))
            tensors[entry[1].decode()] = tensor_pb2.TensorProto.FromString(entry[2])
    return signature, tensors


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message, which are all there are in these."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        size, at = _varint(message, at)
        if tag & 7 != 2 or at + size > len(message):
            raise ValueError("no PredictionLog")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
