"""A model and its tokenizer as one SavedModel from string to string.

Owns the public names of the package; everything else is private to it. The way through the files: `door.py` (the
call, on any backend), `options.py` (what is baked in, checked), `vocabulary.py` (does the tokenizer fit the model),
`isolated.py` (another backend's model goes to a process of TensorFlow's), `writing.py` (the directory),
`signatures.py` (the whole graph), made of `prompts.py`, `programs.py` (prefill and steps, under XLA), `choosing.py`
and `scoring.py`; `loading.py` (back into Python). Imports no framework.
"""

from .door import export_text_generator
from .loading import TextGenerator, load_text_generator

__all__ = ["TextGenerator", "export_text_generator", "load_text_generator"]
