"""Checkpoints of GPT-2, in every form people have them: named tensors read one at a time, and written.

`open_checkpoint` is the way in; `gpt2model.pretrained` makes models of what it gives. Importing this loads no
framework.
"""

from ..extras import extra_named

with extra_named("reading and writing checkpoints"):
    from .opening import open_checkpoint
    from .tensors import Checkpoint, Tensor

__all__ = ["Checkpoint", "Tensor", "open_checkpoint"]
