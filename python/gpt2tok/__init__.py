"""gpt2tok: GPT-2 from text to text.

>>> import gpt2tok
>>> encoding = gpt2tok.get_encoding("gpt2")
>>> encoding.decode(encoding.encode("Hello, world!"))
'Hello, world!'

Importing this package loads no framework, not even NumPy. The tokenizers with Hugging Face's surface are imported
when they are first asked for; the in-graph tokenizer is `gpt2tok.tf.TFGPT2Tokenizer`.
"""

from gpt2tok._core import (
    Encoding,
    SpecialTokenError,
    TokenizerError,
    UnknownTokenError,
    VocabError,
    __version__,
)
from gpt2tok.encodings import get_encoding

# As type checkers read it; importing typing would be half the cost of importing this package.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from gpt2tok.hugging_face.added_tokens import AddedToken
    from gpt2tok.hugging_face.batch_encoding import BatchEncoding
    from gpt2tok.hugging_face.fast import GPT2TokenizerFast
    from gpt2tok.hugging_face.slow import GPT2Tokenizer
    from gpt2tok.training import train

__all__ = [
    "AddedToken",
    "BatchEncoding",
    "Encoding",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "SpecialTokenError",
    "TokenizerError",
    "UnknownTokenError",
    "VocabError",
    "__version__",
    "get_encoding",
    "train",
]

# Imported on first use: they cost more to import than the rest of the package together.
_LAZY = {
    "AddedToken": "gpt2tok.hugging_face.added_tokens",
    "BatchEncoding": "gpt2tok.hugging_face.batch_encoding",
    "GPT2Tokenizer": "gpt2tok.hugging_face.slow",
    "GPT2TokenizerFast": "gpt2tok.hugging_face.fast",
    "train": "gpt2tok.training",
}


def __getattr__(name: str) -> "Any":
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'gpt2tok' has no attribute {name!r}")
    from importlib import import_module  # only here: `import gpt2tok` itself does without it

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
