"""What does text cost? An exported generator from string to string, beside `generate` from ids to ids.

gpt2-small's size with random weights, greedy, on TensorFlow: both in one process and in turns, the fastest of several;
the ratio is the overhead. `bench_export.py [--weights int8] [--prompt 32] [--new 128] [--batch 1] [--plain]`; `--plain`
exports without XLA. Prints the first call (compiling), which a server's warm-up takes, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def seconds(function: Any) -> tuple[float, float]:
    """How long one call takes, by the clock and of the processors' time, which other programs disturb less."""
    start, work = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="float32")
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--new", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()

    import numpy as np
    import tensorflow as tf

    from gpt2model import GPT2Config, GPT2LMHeadModel, export_text_generator
    from gpt2tok import GPT2TokenizerFast

    model = GPT2LMHeadModel(GPT2Config(n_layer=options.layers, eos_token_id=None))
    tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
    ids = [(np.arange(options.prompt) * 997 + row) % 50000 for row in range(options.batch)]
    texts = [tokenizer.decode(row.tolist()) for row in ids]
    ids = [tokenizer.encode(text) for text in texts]
    print("prompts of", [len(row) for row in ids], "tokens")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        export_text_generator(
            model,
            tokenizer,
            f"{folder}/1",
            max_new_tokens=options.new,
            max_batch_size=options.batch,
            weights=options.weights,
            xla=not options.plain,
            warm_up_texts=[],
        )
        print(f"export                    {time.perf_counter() - start:8.2f} s")
        start = time.perf_counter()
        loaded = tf.saved_model.load(f"{folder}/1")
        print(f"load                      {time.perf_counter() - start:8.2f} s")
    batch = tf.constant(texts)
    serve = loaded.signatures["serving_default"]

    def strings() -> Any:
        return serve(text=batch)["continuation_bytes"].numpy()

    def numbers() -> Any:
        return model.generate(ids, max_new_tokens=options.new, weights=options.weights, eos_token_id=None)

    print(f"first call, strings       {seconds(strings)[0]:8.2f} s")
    print(f"first call, ids           {seconds(numbers)[0]:8.2f} s")
    same = [
        tokenizer.decode(row[len(own) :].tolist()).encode()
        for row, own in zip(np.asarray(numbers()), ids, strict=True)
    ]
    print("equal continuations:", same == [text.decode(errors="replace").encode() for text in strings()])
    rounds = [(seconds(strings), seconds(numbers)) for _ in range(options.rounds)]
    made = options.new * options.batch
    for kind, name in enumerate(("clock", "processor time")):
        one, other = ([times[kind] for times in column] for column in zip(*rounds, strict=True))
        ratios = sorted(left / right for left, right in zip(one, other, strict=True))
        print(name)
        print(f"  strings to strings      {min(one):8.3f} s {made / min(one):8.1f} tok/s")
        print(f"  ids to ids              {min(other):8.3f} s {made / min(other):8.1f} tok/s")
        middle = ratios[len(ratios) // 2] - 1
        print(
            f"  overhead: of the fastest {min(one) / min(other) - 1:7.1%}, median of the rounds {middle:7.1%}"
        )


if __name__ == "__main__":
    main()
