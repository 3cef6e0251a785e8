"""What the checkpoint tests share: the golden directories, and checkpoints made without the code under test.

Refuses to read or write through `gpt2model.checkpoints`: weights come and go through each format's own library.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

DATA = Path(__file__).parent / "data"
FORMATS = DATA / "golden" / "formats"
OTHERS = DATA / "checkpoints"
SAFE = FORMATS / "huggingface_safetensors"
READABLE = sorted(path.name for path in FORMATS.iterdir() if path.is_dir() and "pytorch_bin" not in path.name)
PICKLE = FORMATS / "huggingface_pytorch_bin"

Array = np.ndarray[Any, Any]


def golden_weights() -> dict[str, Array]:
    """The weights of the golden model under Hugging Face's names, straight from safetensors."""
    weights: dict[str, Array] = load_file(SAFE / "model.safetensors")
    return weights


def golden_config() -> dict[str, Any]:
    """The configuration of the golden model."""
    fields: dict[str, Any] = json.loads((SAFE / "config.json").read_text("utf-8"))
    return fields


def write_golden(
    folder: Path, weights: dict[str, Array] | None = None, config: dict[str, Any] | None = None
) -> Path:
    """The golden model as safetensors in a directory of its own, with other weights or another configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        golden_weights() if weights is None else weights, folder / "model.safetensors", {"format": "pt"}
    )
    (folder / "config.json").write_text(json.dumps(golden_config() if config is None else config), "utf-8")
    return folder


def copied(name: str, folder: Path) -> Path:
    """A golden directory, copied to where it may be changed."""
    target = folder / name
    shutil.copytree(FORMATS / name, target)
    return target
