"""GPT-2's tokenizer inside a TensorFlow graph: the one place in this package that imports TensorFlow.

>>> from gpt2tok.tf import TFGPT2Tokenizer
>>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
>>> layer(["Hello world"])["input_ids"]
<tf.RaggedTensor [[15496, 995]]>

Exact on every input, made of TensorFlow's core ops only: a model that is exported with it needs no Python, no
TensorFlow Text and no file. `docs/tensorflow.md` tells how to serve one.
"""

from .layer import TFGPT2Tokenizer

__all__ = ["TFGPT2Tokenizer"]
