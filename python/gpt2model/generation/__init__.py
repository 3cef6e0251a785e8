"""Generation: from a prompt's ids to the ids that follow.

Owns the public names of the package; everything else is private to it. The way through the files: `door.py`
(prompts), `config.py` (options), `request.py` (both, checked), `generate.py` (which method), `loop.py`
(greedy, sampling), `decoder.py` (the model as a pure function of prepared `weights.py`), `pipeline.py` (what
the logits pass through), `answers.py`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import GenerationConfig
from .fields import OPTIONS

if TYPE_CHECKING:
    from .history import History
    from .processor import Processor
    from .scoring import Score

__all__ = ["OPTIONS", "GenerationConfig", "History", "Processor", "Score"]

_NEEDING_KERAS = {"History": "history", "Processor": "processor", "Score": "scoring"}


def __getattr__(name: str) -> Any:
    if name not in _NEEDING_KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEEDING_KERAS[name]}"), name)
