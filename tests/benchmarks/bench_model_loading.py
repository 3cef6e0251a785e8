"""How much memory does loading a checkpoint take? `from_pretrained` on each backend, and transformers beside it.

Random weights of a published size are saved as safetensors in a temporary directory; then each library loads them in a
process of its own. Memory is the largest resident set that the system saw (`ru_maxrss`) less what it was once the
framework had been imported and had worked; the total is printed too. gpt2-xl fails above 1.1 times the weights; of the
smaller ones the token table and the framework's own room are too large a part. transformers maps the file into memory
and has read almost nothing when it returns, so its figures stand for another bargain.

    python tests/benchmarks/bench_model_loading.py [--size gpt2-xl] [--only jax] [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = ("distilgpt2", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
LIBRARIES = ("jax", "tensorflow", "torch", "transformers")
LIMIT = 1.1


def make(folder: Path, size: str) -> None:
    """Random weights of that size, as transformers would have saved them."""
    import numpy as np
    from safetensors.numpy import save_file

    from gpt2model import GPT2Config
    from gpt2model.checkpoints.names import backbone_shapes

    config = GPT2Config.of_size(size)
    chance = np.random.default_rng(0)
    weights = {}
    for name, shape in backbone_shapes(config):
        weights[name] = chance.standard_normal(shape, dtype=np.float32)
        weights[name] *= 0.02
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(
        json.dumps({**config.to_dict(), "architectures": ["GPT2LMHeadModel"]})
    )


def load(folder: Path, library: str) -> None:
    """Load in this process and print the figures as JSON."""
    if library == "transformers":
        import torch
        from transformers import GPT2LMHeadModel

        torch.ones(8, 8) @ torch.ones(8, 8)
    else:
        import keras

        from gpt2model import GPT2LMHeadModel

        keras.ops.convert_to_numpy(keras.ops.ones((8, 8)) @ keras.ops.ones((8, 8)))
    before, start = peak(), time.perf_counter()
    model = GPT2LMHeadModel.from_pretrained(folder)
    seconds, after = time.perf_counter() - start, peak()
    del model
    print(json.dumps({"seconds": seconds, "before": before, "after": after}))


def peak() -> int:
    """The most bytes that this process has had in memory."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def worker(*arguments: object, backend: str = "jax") -> str:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def measure(folder: Path, only: str | None) -> bool:
    """Print a line for each library; whether ours keep the limit."""
    weights = (folder / "model.safetensors").stat().st_size
    print(f"{weights / 1e9:.2f} GB of weights\n")
    print(f"{'':14}{'seconds':>9}{'peak GB':>9}{'of weights':>12}{'with import':>13}")
    kept = True
    for library in LIBRARIES if only is None else (only,):
        backend = library if library != "transformers" else "jax"
        found = json.loads(worker("--load", folder, "--only", library, backend=backend).splitlines()[-1])
        ratio = (found["after"] - found["before"]) / weights
        kept = kept and (ratio <= LIMIT or library == "transformers")
        print(
            f"{library:14}{found['seconds']:9.1f}{found['after'] / 1e9:9.2f}{ratio:12.3f}"
            f"{found['after'] / weights:13.3f}",
            flush=True,
        )
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and time of loading safetensors.")
    parser.add_argument("--size", choices=SIZES, default="gpt2-xl")
    parser.add_argument("--only", choices=LIBRARIES)
    parser.add_argument("--keep", type=Path, help="make the weights here and leave them; use what is there")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        load(given.load, given.only)
        return 0
    if given.make:
        make(given.make, given.size)
        return 0
    with tempfile.TemporaryDirectory(prefix="gpt2model-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        if not (folder / "model.safetensors").exists():
            worker("--make", folder, "--size", given.size)
        print(f"loading {given.size}: ", end="")
        if measure(folder, given.only) or given.size != "gpt2-xl":
            return 0
    print(f"more than {LIMIT} of the weights: the law of loading is broken", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
