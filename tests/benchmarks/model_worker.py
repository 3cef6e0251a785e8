"""One library in one process: makes gpt2-small with random weights and does a task so many times.

    KERAS_BACKEND=jax python model_worker.py ours forward 3

Owns how each library is used; `bench_model.py` owns the turns and the table. Prints a JSON line for the
preparation with the first call (tracing, compiling), then one for each repetition. With BENCH_KEEP_MEMORY=1 the
process keeps freed memory (JAX only, any library).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ROWS, LENGTH = 8, 512
VOCABULARY = 50257
Step = Callable[[], float]


def ids() -> np.ndarray[Any, Any]:
    rows, length = (int(side) for side in os.environ.get("BENCH_SHAPE", f"{ROWS}x{LENGTH}").split("x"))
    return np.random.default_rng(0).integers(0, VOCABULARY, (rows, length)).astype("int32")


def transformers_step(task: str) -> Step:
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config()
    )  # its default attention, the fastest it has
    batch = torch.tensor(ids()).long()
    if task == "forward":
        model.eval()

        def forward() -> float:
            with torch.no_grad():
                return float(model(batch, use_cache=False).logits[0, 0, 0])

        return forward
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def train() -> float:
        optimizer.zero_grad()
        loss = model(batch, labels=batch, use_cache=False).loss
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return train


def compiled_forward(model: Any, inputs: Any) -> Step:
    """The fastest way each backend has to run a Keras model: one compiled function of the inputs."""
    import keras

    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)

    def logits(output: Any) -> Any:
        return output["logits"] if isinstance(output, dict) else output

    if keras.backend.backend() == "jax":
        import jax

        weights = (
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
        )
        run = jax.jit(lambda weights, x: logits(model.stateless_call(*weights, x, training=False)[0]))
        return lambda: float(run(weights, inputs)[0, 0, 0])
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        run = tf.function(
            lambda x: logits(model(x, training=False))
        )  # with XLA both libraries are slower on a CPU
        return lambda: float(run(inputs)[0, 0, 0])
    import torch

    def forward() -> float:
        with torch.no_grad():
            return float(logits(model(inputs, training=False))[0, 0, 0])

    return forward


def ours_step(task: str) -> Step:
    import keras

    import gpt2model

    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config())
    batch = ids()
    if task == "forward":
        return compiled_forward(model, batch)
    model.compile(keras.optimizers.AdamW(1e-4))
    return lambda: float(model.train_on_batch({"input_ids": batch, "labels": batch}))


def keras_hub_step(task: str) -> Step:
    import keras
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY, num_layers=12, num_heads=12, hidden_dim=768, intermediate_dim=3072,
        max_sequence_length=1024,
    )  # fmt: skip
    model = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    batch = ids()
    inputs = {"token_ids": batch, "padding_mask": np.ones_like(batch)}
    if task == "forward":
        return compiled_forward(model, inputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(1e-4), loss=loss, weighted_metrics=[])
    shifted = np.concatenate([batch[:, 1:], batch[:, :1]], 1)
    return lambda: float(np.ravel(model.train_on_batch(inputs, shifted))[0])


LIBRARIES: dict[str, Callable[[str], Step]] = {
    "ours": ours_step,
    "transformers": transformers_step,
    "keras-hub": keras_hub_step,
}


def main() -> None:
    if os.environ.get("BENCH_KEEP_MEMORY"):
        import gpt2model

        gpt2model.keep_freed_memory()  # for every library alike: it is a matter of JAX, not of the model
    start = time.perf_counter()
    step = LIBRARIES[sys.argv[1]](sys.argv[2])
    made = time.perf_counter()
    value = step()
    done = time.perf_counter()
    print(json.dumps({"made": made - start, "first": done - made, "value": value}), flush=True)
    for _ in range(int(sys.argv[3])):
        start, cpu = time.perf_counter(), time.process_time()
        value = step()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "cpu": cpu, "value": value, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
