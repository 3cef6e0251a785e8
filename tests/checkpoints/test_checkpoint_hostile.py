"""Checkpoints made to mislead: files that name other files, announce what they do not hold, or name code."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import msgpack
import numpy as np
import pytest

from checkpoint_files import PICKLE, SAFE, copied, golden_config, golden_weights, write_golden
from checkpoint_refusals import QUICK, read_all, refused
from gpt2model import CheckpointError
from gpt2model.checkpoints import open_checkpoint

# -- an index that lies


@pytest.mark.parametrize(
    "name",
    ["../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", "", "a\\b.safetensors",
     "C:x.safetensors", "a\0.safetensors", 7, None, ["model.safetensors"]],
)  # fmt: skip
def test_shards_outside_the_directory(tmp_path: Path, name: object) -> None:
    folder = copied("huggingface_safetensors_sharded", tmp_path)
    shutil.copytree(SAFE, folder / "sub")
    shutil.copy(SAFE / "model.safetensors", tmp_path)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["transformer.wpe.weight"] = name
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "transformer.wpe.weight", "only files beside the index")


def test_shards_that_are_missing_or_no_shards(tmp_path: Path) -> None:
    folder = copied("huggingface_safetensors_sharded", tmp_path)
    (folder / "model-00002-of-00004.safetensors").rename(folder / "elsewhere.safetensors")
    (folder / "model-00004-of-00004.safetensors").unlink()
    refused(
        folder, "model-00002-of-00004.safetensors, model-00004-of-00004.safetensors", "not in the directory"
    )
    folder = copied("huggingface_safetensors_sharded", tmp_path / "2")
    index = folder / "model.safetensors.index.json"
    shutil.copy(PICKLE / "pytorch_model.bin", folder)
    index.write_text(index.read_text().replace("model-00002-of-00004.safetensors", "pytorch_model.bin"))
    refused(folder, "pytorch_model.bin", "no .safetensors files")


def test_an_index_of_another_checkpoint(tmp_path: Path) -> None:
    folder = copied("huggingface_safetensors_sharded", tmp_path)
    shutil.copy(folder / "model-00001-of-00004.safetensors", folder / "model-00002-of-00004.safetensors")
    refused(folder, "model-00002-of-00004.safetensors", "different checkpoints")
    folder = copied("huggingface_safetensors_sharded", tmp_path / "2")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["transformer.ln_f.gamma"] = index["weight_map"]["transformer.ln_f.weight"]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "lacks transformer.ln_f.gamma")


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["ln_f.bias"] = weights["transformer.ln_f.bias"] + 1
    refused(write_golden(tmp_path / "m", weights), "transformer.ln_f.bias is there twice")


# -- hostile HDF5

Change = Callable[[h5py.File, Path], None]
TABLE = "transformer/tfgpt2lm_head_model/transformer/wte/embeddings:0"


def _soft_link(file: h5py.File, _: Path) -> None:
    del file[TABLE]
    file[TABLE] = h5py.SoftLink("/transformer/tfgpt2lm_head_model/transformer/wpe/embeddings:0")


def _external_link(file: h5py.File, other: Path) -> None:
    del file[TABLE]
    file[TABLE] = h5py.ExternalLink(str(other), TABLE)


def _external_data(file: h5py.File, other: Path) -> None:
    del file[TABLE]
    file.create_dataset(TABLE, (97, 24), "float32", external=[(str(other), 0, 97 * 24 * 4)])


def _virtual(file: h5py.File, other: Path) -> None:
    del file[TABLE]
    layout = h5py.VirtualLayout((97, 24), "float32")
    layout[:] = h5py.VirtualSource(str(other), TABLE, (97, 24))
    file.create_virtual_dataset(TABLE, layout)


def _objects(file: h5py.File, _: Path) -> None:
    del file[TABLE]
    file.create_dataset(TABLE, data=["a", "b"], dtype=h5py.string_dtype())


@pytest.mark.parametrize("change", [_soft_link, _external_link, _external_data, _virtual, _objects])
def test_hdf5_that_leads_elsewhere(tmp_path: Path, change: Change) -> None:
    folder = copied("huggingface_tf_h5", tmp_path)
    other = tmp_path / "secret.h5"
    shutil.copy(folder / "tf_model.h5", other)
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        change(file, other)
    refused(folder, "tf_model.h5", TABLE)


def test_hdf5_groups_in_a_circle_and_a_dataset_larger_than_memory(tmp_path: Path) -> None:
    folder = copied("huggingface_tf_h5", tmp_path)
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        file["transformer/circle"] = file["transformer"]  # A hard link: the group within itself.
    assert len(read_all(folder)) == 28
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        del file[TABLE]
        # 2^50 numbers that take no room in the file.
        file.create_dataset(TABLE, (1 << 30, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip")
    refused(folder, "transformer.wte.weight (1073741824, 1048576) instead of (97, 24)")


# -- hostile msgpack


def _limited_refusal(folder: Path) -> str:
    """The refusal, in a process that may take no more than 1.5 GB above what Python and its libraries
    need."""
    code = (
        "import resource, sys; from gpt2model import CheckpointError\n"
        "from gpt2model.checkpoints import open_checkpoint\n"
        "import gpt2model.checkpoints.flax_msgpack\n"
        "import os; size = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 1_500_000_000,) * 2)\n"
        "try: open_checkpoint(sys.argv[1])\n"
        "except CheckpointError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=QUICK,
    )
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


def test_msgpack_that_announces_more_than_it_holds(tmp_path: Path) -> None:
    folder = copied("huggingface_flax_msgpack", tmp_path)
    huge = 0xFFFFFFFF.to_bytes(4, "big")
    key = msgpack.packb("wte")
    array = msgpack.packb([[1 << 20, 1 << 12], "float32", b"x"])
    hostile = {
        "a map of 4 billion": b"\xdf" + huge,
        "a key of 4 GB": b"\x81\xdb" + huge,
        "an extension of 4 GB": b"\x81" + key + b"\xc9" + huge + b"\x01",
        "bytes of 4 GB": b"\x81" + key + b"\xc6" + huge,
        "an array of 4 billion": b"\x81" + key + b"\xdd" + huge,
        "a shape of 16 GB": b"\x81" + key + msgpack.packb(msgpack.ExtType(1, array)),
        "maps without end": (b"\x81" + key) * 100_000,
        "a map of arrays of arrays": b"\x81" + key + b"\x91" * 100_000,
    }
    for what, data in hostile.items():
        (folder / "flax_model.msgpack").write_bytes(data)
        with pytest.raises(CheckpointError, match=r"flax_model\.msgpack"):
            open_checkpoint(folder)
        assert what
    (folder / "flax_model.msgpack").write_bytes(hostile["an extension of 4 GB"] + b"\0" * 1000)
    if sys.platform == "linux":
        assert "cannot be read" in _limited_refusal(folder)


@pytest.mark.parametrize(
    "tree",
    [
        [], 7, {"wte": 7}, {"wte": [1.0]}, {1: 2}, {"": {}}, {"wte": b"bytes"},
        {"wte": msgpack.ExtType(1, b"")},
        {"wte": msgpack.ExtType(2, msgpack.packb((1.0, 2.0)))},
        {"wte": msgpack.ExtType(1, msgpack.packb([[2], "float32", b"1234"]))},
        {"wte": msgpack.ExtType(1, msgpack.packb([[-1], "float32", b"1234"]))},
        {"wte": msgpack.ExtType(1, msgpack.packb([[1] * 9, "float32", b"1234"]))},
        {"wte": msgpack.ExtType(1, msgpack.packb([[1], ["O"], b"1234"]))},
        {"wte": msgpack.ExtType(1, msgpack.packb([["1"], "float32", b"1234"]))},
        {"wte": msgpack.ExtType(1, msgpack.packb({"shape": [1]}))},
    ],
)  # fmt: skip
def test_msgpack_of_something_else(tmp_path: Path, tree: object) -> None:
    folder = copied("huggingface_flax_msgpack", tmp_path)
    (folder / "flax_model.msgpack").write_bytes(msgpack.packb(tree))
    with pytest.raises(CheckpointError, match=r"flax_model\.msgpack"):
        open_checkpoint(folder)


def test_msgpack_with_an_object_type_is_not_read(tmp_path: Path) -> None:
    folder = copied("huggingface_flax_msgpack", tmp_path)
    packed = msgpack.ExtType(1, msgpack.packb([[1], "object", b"12345678"]))
    (folder / "flax_model.msgpack").write_bytes(msgpack.packb({"wte": {"embedding": packed}}))
    refused(folder, "transformer.h.0")
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.dtype("transformer.wte.weight") == "object"
        with pytest.raises(KeyError):
            checkpoint.read("transformer.wte.weight")


# -- keras-hub and Keras


def test_a_preset_of_another_model(tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").write_bytes(b"")
    for class_name in ("BertBackbone", "os.system", None):
        fields = {"class_name": class_name, "config": {}, "module": "os", "registered_name": "x"}
        (tmp_path / "config.json").write_text(json.dumps(fields))
        refused(tmp_path, "GPT2Backbone", "save_to_preset")
    (tmp_path / "config.json").write_text(
        json.dumps({"class_name": "GPT2Backbone", "config": {"num_layers": 2}})
    )
    refused(tmp_path, "vocabulary_size", "intermediate_dim")


def test_a_preset_with_shards_elsewhere(tmp_path: Path) -> None:
    fields = {"vocabulary_size": 97, "num_layers": 2, "num_heads": 3, "hidden_dim": 24, "intermediate_dim": 96,
              "max_sequence_length": 64}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "GPT2Backbone", "config": fields}))
    for name, words in (("../x.weights.h5", "only files beside"), ("x.weights.h5", "not in the directory")):
        (tmp_path / "model.weights.json").write_text(json.dumps({"weight_map": {"/layers/a/vars": [name]}}))
        refused(tmp_path, words)


def _archive(path: Path, config: object, members: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    return path


def test_a_keras_archive_of_something_else(tmp_path: Path) -> None:
    """A Lambda layer is code, and a registered name of another package is somebody else's class: neither is
    built."""
    ours = {"class_name": "GPT2LMHeadModel", "registered_name": "gpt2model>GPT2LMHeadModel"}
    cases: list[tuple[object, str]] = [
        ({"class_name": "Lambda", "module": "keras.layers", "config": {"function": "x"}}, "Lambda"),
        ({"class_name": "GPT2Backbone", "registered_name": "keras_hub>GPT2Backbone"}, "save_to_preset"),
        (
            {"class_name": "GPT2LMHeadModel", "registered_name": "other>GPT2LMHeadModel"},
            "other>GPT2LMHeadModel",
        ),
        ({"class_name": ["GPT2LMHeadModel"]}, "six classes"),
        (ours, "no configuration"),
        ({**ours, "config": {"config": golden_config()}}, "no whole .keras archive"),
        ({**ours, "config": {"config": {**golden_config(), "n_head": 7}}}, "n_head"),
        ("{", "JSON"),
    ]
    for config, words in cases:
        refused(_archive(tmp_path / "m.keras", config), "m.keras", words)
    (tmp_path / "m.keras").write_bytes(b"PK\3\4 nothing")
    refused(tmp_path / "m.keras", "no whole .keras archive")


def test_a_keras_archive_that_grows_when_unpacked(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        fields = {"class_name": "GPT2LMHeadModel", "registered_name": "gpt2model>GPT2LMHeadModel",
                  "config": {"config": golden_config()}}  # fmt: skip
        archive.writestr("config.json", json.dumps(fields))
        archive.writestr("model.weights.h5", bytes(50_000_000))
    (tmp_path / "m.keras").write_bytes(packed.getvalue())
    refused(tmp_path / "m.keras", "would grow from", "not unpacked")


def test_keras_weights_without_configuration(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["vars/0"] = np.zeros(3, "float32")
    refused(tmp_path, "no config.json is beside it")
    (tmp_path / "model.weights.json").write_text("{}")
    (tmp_path / "model.weights.h5").unlink()
    refused(tmp_path, "sharded Keras weights")
