"""An exported generator, back in Python: needs TensorFlow, and neither Keras nor the model's code.

Owns the check of the directory before it is loaded, and a plain surface over its signatures. Refuses to be a server
(`gpt2tok serve`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, final

from gpt2tok import VocabError
from gpt2tok.serving.conventions import reason_of

from ..errors import CheckpointError
from ..extras import extra_named
from ..vocabulary import FIELD, Vocabulary, check_fit, vocabulary_of
from .description import description_of
from .texts import bytes_of


def load_text_generator(directory: str | os.PathLike[str], *, tokenizer: Any = None) -> TextGenerator:
    """The generator in a directory that `export_text_generator` wrote.

    Args:
        directory: where it is.
        tokenizer: the one you will use beside it, to be checked: its ids must be those of the graph.

    Raises:
        OSError: nothing is there, or not all of it.
        CheckpointError: its description or its graph is broken.
        VocabError: the tokenizer is another one, or its size and the model's do not fit.
        TypeError: `tokenizer` is none of this project's.

    Example:
        >>> import tempfile
        >>> try:
        ...     load_text_generator(tempfile.mkdtemp())
        ... except FileNotFoundError as error:
        ...     "was not written by export_text_generator" in str(error)
        True
    """
    told = description_of(directory)
    said = told["vocabulary"]
    try:
        check_fit(
            Vocabulary(said["size"], said["sha256"]), told["model"]["vocab_size"], told["model"].get(FIELD)
        )
    except VocabError as error:
        raise VocabError(f"{directory}: {error}, and export it again") from error
    if tokenizer is not None:
        own = vocabulary_of(tokenizer)
        if (own.size, own.sha256) != (said["size"], said["sha256"]):
            raise VocabError(
                f"the tokenizer is not the one in {directory}: it has {own.size} ids and sha256 {own.sha256[:16]}..., "
                f"the exported one {said['size']} and {said['sha256'][:16]}...: load the one that it was exported with"
            )
    with extra_named("load_text_generator"):
        import tensorflow
    try:
        loaded = tensorflow.saved_model.load(str(directory))
    except ValueError as error:
        raise CheckpointError(
            f"{directory}: its saved_model.pb is broken ({str(error).splitlines()[0]}): export the model again."
        ) from error
    return TextGenerator(loaded, told)


@final
class TextGenerator:
    """From texts to their continuations: what `load_text_generator` gives.

    Attributes:
        signatures: TensorFlow's own functions, by name.
        description: what the export says of itself: options, model, vocabulary.

    Example:
        >>> generator = load_text_generator("models/gpt2/1")  # doctest: +SKIP
        >>> generator(["Hello", "Good"], max_new_tokens=8, temperature=0.8, seed=1)  # doctest: +SKIP
        [b', I am', b' morning.']
    """

    def __init__(self, loaded: Any, description: dict[str, Any]) -> None:
        self._loaded = loaded
        self.signatures = dict(loaded.signatures)
        self.description = description

    def __call__(self, texts: Sequence[str | bytes], **options: Any) -> list[bytes]:
        """The continuation of every text, as bytes: they may end inside a character.

        Args:
            texts: the prompts.
            options: `max_new_tokens`, `temperature`, `top_k`, `top_p`, `seed`; a number for all texts or a list with
                one for each. What is left out is as it was exported.

        Raises:
            ValueError: out of the bounds of the export, or logits that are no numbers: with the graph's reason.
            TypeError: an option that does not exist, a text outside a list, or something else inside it.
        """
        import tensorflow as tf

        if isinstance(texts, str | bytes):
            raise TypeError("texts must be a list of texts: one text alone is [text].")
        for place, text in enumerate(texts):
            if not isinstance(text, str | bytes):
                raise TypeError(f"texts[{place}] must be str or bytes, not {text!r}.")
        batch = tf.constant([bytes_of(text) for text in texts], tf.string, [len(texts)])
        if not options:
            return self._continued("serving_default", text=batch)
        kinds = {
            "max_new_tokens": tf.int32,
            "temperature": tf.float32,
            "top_k": tf.int32,
            "top_p": tf.float32,
            "seed": tf.int32,
        }
        for name in options:
            if name not in kinds:
                raise TypeError(f"{name!r} is no option of a generator: it has {', '.join(kinds)}.")
        told = {**self.description["options"], **options}
        inputs = {}
        for name, kind in kinds.items():
            number = tf.convert_to_tensor(told[name], kind)
            inputs[name] = number if number.shape.rank else tf.fill([len(texts)], number)
        return self._continued("generate", text=batch, **inputs)

    def _continued(self, signature: str, **inputs: Any) -> list[bytes]:
        from tensorflow.errors import InvalidArgumentError

        try:
            return list(self.signatures[signature](**inputs)["continuation_bytes"].numpy())
        except InvalidArgumentError as error:
            # TensorFlow's message has the nodes of the graph around it, a page of them.
            raise ValueError(reason_of(str(error.message))) from None
