"""Which options of generation does a checkpoint bring? Its generation_config.json.

Owns the passage of that file to `model.generation_config` and back. Refuses other files. Loads no framework.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ..errors import GenerationConfigError
from .config import FILE, GenerationConfig, file_bytes


def load_own_options(model: Any, path: Path) -> None:
    """Put the options beside a checkpoint into a model that generates.

    A file that is no good is told of and left alone: the weights are.
    """
    file = (path if path.is_dir() else path.parent) / FILE
    if not hasattr(type(model), "generate") or not file.is_file():
        return
    try:
        model.generation_config = GenerationConfig.from_pretrained(file)
    except (GenerationConfigError, OSError) as error:
        warnings.warn(f"{error} The model has its default options instead.", stacklevel=4)


def own_options(model: Any) -> dict[str, bytes | None]:
    """The file of a model's options, to be saved with its checkpoint.

    None of a model that generates and has none of its own: another model's file must go, or the next to load the
    checkpoint would take them. (transformers writes its defaults over it.) Nothing of a model that does not generate.
    """
    if not hasattr(type(model), "generate"):
        return {}
    own = model.__dict__.get("_generation_config")
    return {FILE: None if own is None else file_bytes(own)}
