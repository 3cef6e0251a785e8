"""What is in this checkpoint, and is it sound? The answer as data, for people and for programs.

Owns the gathering, for `gpt2model inspect`. Refuses to print, and to build models.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from gpt2tok.cli.progress import Progress, progress

from ..config import GPT2Config
from ..errors import CheckpointError
from .comparing import break_promises, compare
from .names import class_of
from .numbers import check_tie, fit
from .tensors import DTYPES, Checkpoint, Tensor


def describe(checkpoint: Checkpoint, *, check: bool = False) -> dict[str, Any]:
    """A checkpoint as plain data.

    Arguments:
        checkpoint: open.
        check: also read every number, and report the tensors with numbers that are not finite or cannot be
            read.

    Returns:
        `place`, `format`, `class`, `parameters`, `bytes`, `files` (name and bytes), `config` (Hugging Face's
        fields, or None), `tensors` (name, shape, dtype, bytes, source), `tied_head`, `ignored`, `new` (of a
        head that is not there), `unused`, and `faults`, which is empty for a sound checkpoint.
    """
    tensors = list(checkpoint.tensors.values())
    faults: list[str] = []
    config = _config(checkpoint, faults)
    class_name = class_of(checkpoint.tensors, (config.architectures if config else None) or ())
    comparison = compare(config, checkpoint, class_name) if config is not None else None
    if config is not None and comparison is not None:
        break_promises(comparison, config, checkpoint)
        faults += comparison.faults()
    if check:
        faults += _unfit(checkpoint, tied=comparison is not None and comparison.tied)
    folder = f"{checkpoint.files[0].parent}{os.sep}" if checkpoint.files else ""
    return {
        "place": checkpoint.place,
        "format": checkpoint.format,
        "class": class_name,
        "parameters": sum(tensor.size for tensor in tensors),
        "bytes": sum(_stored(tensor)[1] for tensor in tensors),
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in checkpoint.files],
        "config": None if config is None else config.to_dict(),
        "tensors": [
            {
                "name": t.name,
                "shape": list(t.shape),
                "dtype": _stored(t)[0],
                "bytes": _stored(t)[1],
                "source": t.source.removeprefix(folder),
            }
            for t in tensors
        ],
        "tied_head": comparison is not None
        and "lm_head.weight" not in comparison.wanted
        and _has_lm_head(class_name),
        "ignored": checkpoint.ignored,
        "new": comparison.new if comparison else [],
        "unused": comparison.unused if comparison else [],
        "faults": faults,
    }


def _stored(tensor: Tensor) -> tuple[str, int]:
    return tensor.stored or (tensor.dtype, tensor.nbytes)


def _has_lm_head(class_name: str) -> bool:
    return class_name in ("GPT2LMHeadModel", "GPT2DoubleHeadsModel")


def _config(checkpoint: Checkpoint, faults: list[str]) -> GPT2Config | None:
    if checkpoint.fields is None:
        faults.append("no configuration: config.json is not beside the weights")
        return None
    try:
        return GPT2Config.from_dict(checkpoint.fields)
    except (TypeError, ValueError) as error:
        faults.append(f"unsound configuration: {error}")
        return None


def _unfit(checkpoint: Checkpoint, *, tied: bool) -> list[str]:
    faults = []
    with progress(checkpoint.nbytes, to_terminal=False) as line:
        checks = [
            partial(_read, tensor, line) for tensor in checkpoint.tensors.values() if tensor.dtype in DTYPES
        ]
        for check in [*checks, partial(check_tie, checkpoint)] if tied else checks:
            try:
                check()
            except CheckpointError as error:  # noqa: PERF203 - every fault is wanted, not the first
                faults.append(str(error))
    return faults


def _read(tensor: Tensor, line: Progress) -> None:
    for _, block in tensor.blocks():
        fit(tensor, block, tensor.dtype)
        line.add(block.nbytes)
