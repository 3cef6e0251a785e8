"""One library in one process: makes gpt2-small with random weights and generates greedily so many times.

    KERAS_BACKEND=jax python generate_worker.py ours 1 32 128 3 float32

Owns how each library is used: its own fastest documented way, every end token switched off so that all make the
same number of tokens; `bench_generate.py` owns the turns and the table. Prints a JSON line for the first call
(tracing, compiling), then one for each repetition. CTranslate2 reads a model directory of transformers, which
is made in a temporary folder.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = 50257
Step = Callable[[], int]


def prompts(rows: int, length: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, VOCABULARY - 1, (rows, length)).astype("int32")


def ours(rows: int, length: int, new: int, form: str) -> Step:
    import keras

    import gpt2model

    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config(eos_token_id=None, bos_token_id=None))
    ids = prompts(rows, length)

    def generate() -> int:
        found = keras.ops.convert_to_numpy(model.generate(ids, max_new_tokens=new, weights=form))
        return int(found.shape[1]) - length

    return generate


def transformers(rows: int, length: int, new: int, form: str) -> Step:
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(eos_token_id=None, bos_token_id=None)).eval()
    ids = torch.tensor(prompts(rows, length)).long()
    options = {
        "max_new_tokens": new,
        "do_sample": False,
        "pad_token_id": 0,
        "attention_mask": torch.ones_like(ids),
    }

    def generate() -> int:
        with torch.inference_mode():
            return int(model.generate(ids, **options).shape[1]) - length

    return generate


def keras_hub(rows: int, length: int, new: int, form: str) -> Step:
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY, num_layers=12, num_heads=12, hidden_dim=768, intermediate_dim=3072,
        max_sequence_length=1024,
    )  # fmt: skip
    model = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    model.compile(sampler="greedy")
    ids = np.zeros((rows, length + new), "int32")
    ids[:, :length] = prompts(rows, length)
    mask = np.zeros((rows, length + new), bool)
    mask[:, :length] = True

    def generate() -> int:
        found = model.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)
        return int(np.asarray(found["token_ids"]).shape[1]) - length

    return generate


def ctranslate2(rows: int, length: int, new: int, form: str) -> Step:
    import ctranslate2
    import transformers

    folder = tempfile.mkdtemp()
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(eos_token_id=None, bos_token_id=None))
    model.save_pretrained(folder)
    # Its converter wants a vocabulary; the tokens' names matter to nobody here.
    names = {f"t{index}": index for index in range(VOCABULARY - 1)} | {"<|endoftext|>": VOCABULARY - 1}
    Path(folder, "vocab.json").write_text(json.dumps(names))
    Path(folder, "merges.txt").write_text("#version: 0.2\n")
    transformers.GPT2Tokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt").save_pretrained(folder)
    ctranslate2.converters.TransformersConverter(folder).convert(f"{folder}/ct2")
    generator = ctranslate2.Generator(
        f"{folder}/ct2", compute_type=form, inter_threads=1, intra_threads=len(os.sched_getaffinity(0))
    )
    names_of = list(names)
    tokens = [[names_of[token] for token in row] for row in prompts(rows, length)]

    def generate() -> int:
        found = generator.generate_batch(
            tokens, max_length=new, min_length=new, sampling_topk=1, include_prompt_in_result=False
        )
        return min(len(result.sequences_ids[0]) for result in found)

    return generate


LIBRARIES: dict[str, Callable[[int, int, int, str], Step]] = {
    "ours": ours,
    "transformers": transformers,
    "keras-hub": keras_hub,
    "ctranslate2": ctranslate2,
}


def main() -> None:
    name, rows, length, new, repeats, form = sys.argv[1:7]
    step = LIBRARIES[name](int(rows), int(length), int(new), form)
    start = time.perf_counter()
    made = step()
    print(json.dumps({"first": time.perf_counter() - start}), flush=True)
    for _ in range(int(repeats)):
        start, cpu = time.perf_counter(), time.process_time()
        made = step()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if made != int(new):
            sys.exit(f"{name} made {made} tokens, not {new}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
