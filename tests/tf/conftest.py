"""What the tests of the in-graph tokenizer share: layers, texts and one exported model, each made once.

A layer costs a second to trace. Nothing here may be changed by a test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tf_proof_set import expected, proof_set

from gpt2tok import GPT2TokenizerFast
from gpt2tok.tf import TFGPT2Tokenizer


@pytest.fixture(scope="session")
def layer() -> TFGPT2Tokenizer:
    """GPT-2's, `<|endoftext|>` in the text being text, as tiktoken's `encode_ordinary` has it."""
    return TFGPT2Tokenizer.from_pretrained("gpt2", split_special_tokens=True)


@pytest.fixture(scope="session")
def default_layer() -> TFGPT2Tokenizer:
    """GPT-2's with all defaults: `<|endoftext|>` is found."""
    return TFGPT2Tokenizer.from_pretrained("gpt2")


@pytest.fixture(scope="session")
def strict() -> TFGPT2Tokenizer:
    return TFGPT2Tokenizer.from_pretrained("gpt2", errors="strict")


@pytest.fixture(scope="session")
def fast() -> GPT2TokenizerFast:
    return GPT2TokenizerFast.from_pretrained("gpt2")


@pytest.fixture(scope="session")
def traced(layer: TFGPT2Tokenizer) -> Any:
    return tf.function(lambda x: layer(x)["input_ids"], input_signature=[tf.TensorSpec([None], tf.string)])


@pytest.fixture(scope="session")
def texts(tiktoken_gpt2: tiktoken.Encoding, multilingual: list[str]) -> list[bytes]:
    return proof_set(tiktoken_gpt2, multilingual)


@pytest.fixture(scope="session")
def wanted(tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """tiktoken's ids of `texts`, one after the other, and how many each has."""
    return expected(tiktoken_gpt2, texts)


@pytest.fixture(scope="session")
def saved(default_layer: TFGPT2Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default layer's export, with its warm-up file."""
    directory = tmp_path_factory.mktemp("models") / "gpt2tok" / "1"
    default_layer.export(directory)
    return directory
