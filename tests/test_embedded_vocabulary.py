"""The vocabulary inside the wheel is GPT-2's: both files come out of it byte for byte, and load back as the same.

Owns the published sums. What the formats look like otherwise is `test_formats.py`'s.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from gpt2tok import Encoding, formats
from gpt2tok._core import gpt2_vocabulary

# Of encoder.json and vocab.bpe as OpenAI published them for GPT-2 (the same for all its sizes).
VOCAB_JSON_SHA256 = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
MERGES_TXT_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory) -> Encoding:
    """The encoding that the regenerated files give, once their sums are right."""
    directory: Path = tmp_path_factory.mktemp("gpt2")
    vocab, merges = gpt2_vocabulary()
    vocab_json, merges_txt = formats.vocab_json_bytes(vocab), formats.merges_txt_bytes(merges)
    assert hashlib.sha256(vocab_json).hexdigest() == VOCAB_JSON_SHA256
    assert hashlib.sha256(merges_txt).hexdigest() == MERGES_TXT_SHA256
    (directory / "vocab.json").write_bytes(vocab_json)
    (directory / "merges.txt").write_bytes(merges_txt)
    return Encoding.from_files(directory / "vocab.json", directory / "merges.txt")


def test_the_published_files_come_out_of_the_wheel_and_say_the_same(
    gpt2: Encoding, reloaded: Encoding
) -> None:
    assert reloaded.token_bytes() == gpt2.token_bytes()
    assert reloaded.merges() == gpt2.merges()
    assert reloaded.special_tokens == gpt2.special_tokens == {"<|endoftext|>": 50256}
    assert (reloaded.n_vocab, reloaded.eot_token) == (gpt2.n_vocab, gpt2.eot_token) == (50257, 50256)


def test_known_ids() -> None:
    """Facts from OpenAI's file, so that a mistake in both directions cannot hide."""
    vocab, merges = gpt2_vocabulary()
    assert (vocab["!"], vocab["\u0100"], vocab["\u0120"], vocab["\u0120the"]) == (0, 188, 220, 262)
    assert merges[0] == ("\u0120", "t") and len(merges) == 50_000 and len(vocab) == 50_257
    assert max(vocab, key=vocab.__getitem__) == "<|endoftext|>"


def test_the_embedded_and_the_loaded_encoding_give_the_same_ids(
    gpt2: Encoding, reloaded: Encoding, multilingual: list[str], library_sources: list[str]
) -> None:
    """The embedded one is trusted where the loaded one is checked; long runs take the linear method in both."""
    generator = random.Random(0)
    runs = [
        letter * length for letter in "a -0=\n\u00a0\u4e2d\U0001f600" for length in (31, 32, 33, 1000, 70_000)
    ]
    for letters in (
        "etaoinshrdlu",
        "ab",
        "0123456789",
        "ABCDEFGHabcdefgh",
        "\u0430\u0431\u0432\u0433",
        "-=*#",
    ):
        runs += ["".join(generator.choices(letters, k=length)) for length in (33, 64, 129, 1000, 50_000)]
    tokens = [token.decode() for _, token in gpt2.token_bytes() if token.isalpha()]
    runs += ["".join(generator.choices(tokens, k=12)) for _ in range(20_000)]
    for texts in (multilingual, library_sources, runs):
        assert reloaded.encode_ordinary_batch(texts) == gpt2.encode_ordinary_batch(texts)
