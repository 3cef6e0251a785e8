"""GPT-2's tokenizer inside a TensorFlow graph: the one place in this package that imports TensorFlow.

>>> from gpt2tok.tf import TFGPT2Tokenizer
>>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
>>> layer(["Hello world"])["input_ids"]
<tf.RaggedTensor [[15496, 995]]>

Exact on every input, made of TensorFlow's core ops only: a model that is exported with it needs no Python, no
TensorFlow Text and no file. `docs/tensorflow.md` tells how to serve one.
"""

try:
    from .layer import TFGPT2Tokenizer
except ModuleNotFoundError as error:
    if error.name not in ("keras", "numpy", "tensorflow"):
        raise
    raise ImportError(
        f"gpt2tok.tf needs {error.name}, which is not installed: pip install 'gpt2tok[tf]'"
    ) from error

__all__ = ["TFGPT2Tokenizer"]
