"""A vocabulary that `gpt2tok.train` learned passes the in-graph tokenizer's check and gives the same ids there."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

import gpt2tok
from gpt2tok.tf import TFGPT2Tokenizer
from gpt2tok.training import save


@pytest.mark.parametrize("size", [300, 3000])
def test_a_trained_vocabulary_inside_a_graph(size: int, tmp_path: Path, multilingual: list[str]) -> None:
    encoding = gpt2tok.train(multilingual, size, show_progress=False)
    save(encoding, tmp_path)
    layer = TFGPT2Tokenizer.from_pretrained(tmp_path)
    texts = [*multilingual[:80], "  naïve\n\n 日本  <|endoftext|>!", ""]
    found = layer(tf.constant([text.encode() for text in texts]))["input_ids"].to_list()
    assert found == encoding.encode_batch(texts, allowed_special="all")
