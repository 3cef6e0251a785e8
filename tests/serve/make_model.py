"""Exports the tiny generator of the model tests, or a tokenizer, in a process of its own.

`make_model.py generator|tokenizer DIRECTORY`; the tests of serving never load Keras themselves, whose backend other
tests of the same run may have chosen.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "model")]

from exported import NEW, ROWS, model, tokenizer  # noqa: E402

kind, directory = sys.argv[1:]
if kind == "tokenizer":
    from gpt2tok.tf import TFGPT2Tokenizer

    TFGPT2Tokenizer.from_tokenizer(tokenizer()).export(directory)
else:
    from gpt2model import export_text_generator

    # Without XLA: requests of all sizes come, and none shall wait for a compiler. tests/model has the other kind.
    export_text_generator(
        model(),
        tokenizer(),
        directory,
        max_new_tokens=NEW,
        max_batch_size=ROWS,
        max_score_tokens=400,
        xla=False,
    )
