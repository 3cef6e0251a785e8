"""Generation: from a prompt's ids to the ids that follow.

Owns the public names of the package; everything else is private to it. The way through the files: `door.py`
(prompts), `config.py` (options), `request.py` (both, checked), `generate.py` (which method), `loop.py`
(greedy, sampling), `decoder.py` (the model as a pure function of prepared `weights.py`), `pipeline.py` (what
the logits pass through), `answers.py`.
"""

from .config import GenerationConfig
from .fields import OPTIONS

__all__ = ["OPTIONS", "GenerationConfig"]
