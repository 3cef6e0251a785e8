"""Arrays and tensors of NumPy, PyTorch, TensorFlow and JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hf_oracle import Kind, both, gpt2, gpt2_oracle, plain

from gpt2tok import BatchEncoding, TokenizerError
from gpt2tok.hugging_face.tensors import TensorType, kind_of, to_tensor

BATCH = ["a b c", "d", ""]
EVERYTHING: dict[str, Any] = {
    "return_token_type_ids": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
    "return_length": True,
}


@both
@pytest.mark.parametrize("name", ["np", "pt"])
def test_the_tensors_of_transformers(kind: Kind, name: str) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for arguments, options in [
        ((BATCH,), {"padding": True, **EVERYTHING}),
        (("a b",), EVERYTHING),
        (("a", "b c"), {}),
        (([""],), {}),
        (("",), EVERYTHING),
        (
            (["a b c d", "e"],),
            {"padding": True, "truncation": True, "max_length": 2, "return_overflowing_tokens": True},
        ),
        ((BATCH,), {"padding": True, "text_target": ["x", "y", "z"]}),
    ]:
        mine, its = (t(*arguments, return_tensors=name, **options) for t in (ours, oracle))
        assert list(mine) == list(its)
        for feature in its:
            assert type(mine[feature]) is type(its[feature]), feature
            assert mine[feature].dtype == its[feature].dtype, feature
            assert tuple(mine[feature].shape) == tuple(its[feature].shape), feature
            assert plain(mine[feature]) == plain(its[feature])
    encoded = ours.encode("a b", return_tensors=name)
    assert type(encoded) is type(oracle.encode("a b", return_tensors=name))
    assert encoded.shape == (1, 2)
    assert ours(BATCH, padding=True, return_tensors=name).tokens(1) == oracle(BATCH, padding=True).tokens(1)


@both
def test_rows_of_different_lengths(kind: Kind) -> None:
    ragged = gpt2(kind)(["a b", "c"], return_tensors="np")["input_ids"]
    expected = gpt2_oracle()(["a b", "c"], return_tensors="np")["input_ids"]
    assert ragged.dtype == expected.dtype == object
    assert [row.tolist() for row in ragged] == [row.tolist() for row in expected]
    for name in ("pt", "tf", "jax"):
        with pytest.raises(TokenizerError, match=r"input_ids cannot become a tensor.*pass padding=True"):
            gpt2(kind)(["a b", "c"], return_tensors=name)


@pytest.mark.parametrize("name", ["tf", "jax"])
def test_tensorflow_and_jax(name: str) -> None:
    """transformers 5 has these no longer; as in transformers 4 they are 32 bits wide."""
    program = f"""
import gpt2tok
for kind in (gpt2tok.GPT2Tokenizer, gpt2tok.GPT2TokenizerFast):
    tokenizer = kind.from_pretrained("gpt2", pad_token="<|endoftext|>")
    batch = tokenizer(["a b c", "d"], padding=True, return_tensors={name!r}, return_offsets_mapping=True)
    assert batch["input_ids"].dtype == "int32", batch["input_ids"].dtype
    assert batch["input_ids"].__class__.__module__.partition(".")[0] in ("tensorflow", "jax", "jaxlib")
    assert batch["offset_mapping"].shape == (2, 3, 2)
    assert tokenizer.encode("a b", return_tensors={name!r}).shape == (1, 2)
    empty = tokenizer([""], return_tensors={name!r})["input_ids"]
    assert tuple(empty.shape) == (1, 0) and empty.dtype == "int32"
    assert tokenizer.decode(batch["input_ids"]) == ["a b c", "d<|endoftext|><|endoftext|>"]
    assert tokenizer.decode(batch["input_ids"][0]) == "a b c"
    padded = tokenizer.pad({{"input_ids": [batch["input_ids"][0], batch["input_ids"][1][:1]]}})
    assert type(padded["input_ids"]) is type(batch["input_ids"])
    assert padded["attention_mask"].shape == (2, 3)
    assert [tokenizer.convert_ids_to_tokens(row) for row in batch["input_ids"]][0] == ["a", "Ġb", "Ġc"]
"""
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_conversion_of_a_batch() -> None:
    batch = BatchEncoding({"input_ids": [1, 2], "attention_mask": [1, 1]})
    assert batch.convert_to_tensors(None) is batch
    assert batch.convert_to_tensors("np") is batch
    array = batch["input_ids"]
    assert isinstance(array, np.ndarray) and array.shape == (2,)
    assert batch.convert_to_tensors("np")["input_ids"] is array
    prepended = BatchEncoding({"input_ids": [1, 2]}, tensor_type="pt", prepend_batch_axis=True)
    assert prepended["input_ids"].shape == (1, 2)
    assert BatchEncoding({"input_ids": [1]}, tensor_type=TensorType.NUMPY)["input_ids"].dtype == np.int64


@both
def test_moving_to_a_device(kind: Kind) -> None:
    batch = gpt2(kind)("a b", return_tensors="pt")
    batch["texts"] = ["a b"]
    for device in ("cpu", torch.device("cpu")):
        assert batch.to(device) is batch
        assert batch["input_ids"].device.type == "cpu"
    assert batch.to("meta")["input_ids"].device.type == "meta"
    assert batch["texts"] == ["a b"]
    for wrong in (torch.float16, 3.5, None):
        with pytest.raises(TypeError, match=r"device is a str, an int or a torch\.device"):
            batch.to(wrong)


def test_kinds_are_told_without_imports() -> None:
    assert kind_of(np.array([1])) == "np"
    assert kind_of([np.array([1])]) == "np"
    assert kind_of(torch.tensor([1])) == "pt"
    assert kind_of([[1, 2]]) is None
    assert kind_of([]) is None
    assert kind_of("abc") is None
    assert kind_of({"a": 1}) is None


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="return_tensors='pt' needs torch"):
        to_tensor([1, 2], TensorType.PYTORCH, "input_ids")


@pytest.mark.parametrize("values", [[[1, 2], "a"], [{"a": 1}, {"b": 2}], [[1], 2]])
def test_what_has_no_shape(values: Any) -> None:
    for kind in (TensorType.PYTORCH, TensorType.JAX):
        with pytest.raises(TokenizerError, match="labels cannot become a tensor"):
            to_tensor(values, kind, "labels")
