"""How does a corpus become a vocabulary? `train`, and what it is made of.

`training.py` owns the call and its checks, `corpora.py` the reading of files, `progress.py` the line on stderr,
`saving.py` the way to disk, and `plain.py` the readable trainer that the fast one is held to. The algorithm is the
Rust core's.
"""

from gpt2tok.training.saving import save
from gpt2tok.training.training import Training, train

__all__ = ["Training", "save", "train"]
