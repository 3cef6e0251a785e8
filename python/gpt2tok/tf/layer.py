"""What does Keras see? `TFGPT2Tokenizer`, a layer from strings to ids.

Owns the layer and its configuration. Refuses the checks of what it is given (`arguments.py`), the graph itself
(`engine.py`) and SavedModels (`export.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, final

import keras
import tensorflow as tf
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from .._core import TokenizerError
from .arguments import (
    MAX_RANK,
    checked_default_length,
    checked_dtype,
    checked_id_of,
    checked_ids,
    checked_length,
    checked_mask,
    checked_pad_id,
    checked_switch,
    checked_text,
    checked_token,
    no_strings,
    too_deep,
)
from .dense import RowLayout
from .engine import TokenizerEngine
from .export import SavedFunctions, export_tokenizer
from .vocabulary_arguments import VERSION, Added, added_config, checked_added_ids, checked_vocabulary

Tensor = Any


@final
@keras.saving.register_keras_serializable(package="gpt2tok")
class TFGPT2Tokenizer(keras.layers.Layer):
    """GPT-2's tokenizer as a Keras 3 layer: the same ids as `GPT2TokenizerFast`, inside a TensorFlow graph.

    Args:
        vocab: token to id, as `vocab.json` has it, or the JSON text of that file.
        merges: pairs of tokens in rank order, or the text of `merges.txt`.
        added_tokens: id to added token: an AddedToken, its fields as a dict, or its text (then it is special).
        bos_token: opens each row, if `add_bos`; the text of an added token or an entry of the vocabulary.
        eos_token: ends each row, if `add_eos`.
        add_bos: put `bos_token` before each row.
        add_eos: put `eos_token` after each row.
        pad_token_id: fills rows up. None: the id of `eos_token`, else 0; the attention mask tells what is padding.
        padding_side: "right" or "left".
        truncation_side: where `max_length` cuts, "right" or "left".
        max_length: used by calls that give none.
        split_special_tokens: treat special tokens in the text as text.
        add_prefix_space: put a space before texts that open without one.
        errors: "replace" turns bytes that are no UTF-8 into U+FFFD as Python does; "strict" fails on them.
        dtype: of ids and mask, "int32" or "int64".

    Raises:
        VocabError: the vocabulary or the merges are wrong in themselves, or not in the order of training.
        SpecialTokenError: a token that should stand around the rows has no id.
        TokenizerError: another argument is wrong.

    Example:
        >>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
        >>> layer(["Hello world", "Hi"], max_length=3)["input_ids"].numpy().tolist()
        [[15496, 995, 50256], [17250, 50256, 50256]]
        >>> layer.detokenize([[15496, 995]]).numpy().tolist()
        [b'Hello world']
    """

    def __init__(
        self,
        vocab: Mapping[str, int] | str,
        merges: Sequence[tuple[str, str]] | str,
        *,
        added_tokens: Added | None = None,
        bos_token: str | None = None,
        eos_token: str | None = None,
        add_bos: bool = False,
        add_eos: bool = False,
        pad_token_id: int | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        max_length: int | None = None,
        split_special_tokens: bool = False,
        add_prefix_space: bool = False,
        errors: str = "replace",
        dtype: str = "int32",
        **kwargs: Any,
    ) -> None:
        for name, value, allowed in (
            ("padding_side", padding_side, ("right", "left")),
            ("truncation_side", truncation_side, ("right", "left")),
            ("errors", errors, ("replace", "strict")),
        ):
            if value not in allowed:
                raise TokenizerError(f"{name} is {value!r}: choose {allowed[0]!r} or {allowed[1]!r}")
        if kwargs.pop("trainable", False):
            raise TokenizerError("a tokenizer has no weights to train: leave `trainable` out, or say False")
        add_bos, add_eos, split_special_tokens, add_prefix_space = (
            checked_switch(name, value)
            for name, value in (
                ("add_bos", add_bos),
                ("add_eos", add_eos),
                ("split_special_tokens", split_special_tokens),
                ("add_prefix_space", add_prefix_space),
            )
        )
        bos_token, eos_token = checked_token("bos_token", bos_token), checked_token("eos_token", eos_token)
        self._ids_dtype = checked_dtype(dtype)
        super().__init__(dtype=self._ids_dtype, trainable=False, **kwargs)
        # Strings never run under XLA: a jit-compiled model must begin after this layer.
        self.supports_jit = False
        # Strings and lists come as they are; Keras would try to make floats of them.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._given = checked_vocabulary(vocab, merges, added_tokens or {})
        ids = self._given.ids
        around = [
            checked_id_of(name, token, ids) if wanted else None
            for name, token, wanted in (("bos", bos_token, add_bos), ("eos", eos_token, add_eos))
        ]
        pad_token_id = checked_pad_id(ids.get(eos_token or "", 0) if pad_token_id is None else pad_token_id)
        layout = RowLayout(
            before=tuple(i for i in around[:1] if i is not None),
            after=tuple(i for i in around[1:] if i is not None),
            pad_id=pad_token_id,
            pad_left=padding_side == "left",
            cut_left=truncation_side == "left",
        )
        self._around = layout.around
        self.max_length = checked_default_length(max_length, self._around)
        self._options = {
            "bos_token": bos_token,
            "eos_token": eos_token,
            "add_bos": add_bos,
            "add_eos": add_eos,
            "pad_token_id": pad_token_id,
            "padding_side": padding_side,
            "truncation_side": truncation_side,
            "max_length": self.max_length,
            "split_special_tokens": split_special_tokens,
            "add_prefix_space": add_prefix_space,
            "errors": errors,
        }
        self._engine = TokenizerEngine(
            self._given.vocab,
            self._given.merges,
            self._given.added,
            layout,
            split_special=split_special_tokens,
            prefix_space=add_prefix_space,
            errors=errors,
        )
        self._saved_functions = SavedFunctions()
        self.built = True

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, **options: Any) -> TFGPT2Tokenizer:
        """The layer that gives the ids of a `GPT2Tokenizer` or `GPT2TokenizerFast`.

        Args:
            tokenizer: its vocabulary, added tokens, prefix space and tokens around rows are taken over.
            options: arguments of the constructor that shall differ.

        Raises:
            TypeError: it is no such tokenizer.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> layer = TFGPT2Tokenizer.from_tokenizer(GPT2TokenizerFast.from_pretrained("gpt2"))
            >>> layer("Hello world")["input_ids"].numpy().tolist()
            [15496, 995]
        """
        for name in ("encoder", "bpe_ranks", "_added"):
            if not hasattr(tokenizer, name):
                kind = type(tokenizer)
                place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
                raise TypeError(
                    f"from_tokenizer takes a GPT2Tokenizer or GPT2TokenizerFast of gpt2tok, not"
                    f" {place}{kind.__qualname__} (which has no {name!r}): one of"
                    " transformers comes by its files, save_pretrained(directory) and from_pretrained(directory)"
                )
        taken = {
            "added_tokens": dict(tokenizer._added.effective()),
            "bos_token": tokenizer.bos_token,
            "eos_token": tokenizer.eos_token,
            "add_bos": bool(getattr(tokenizer, "add_bos_token", False)),
            "add_eos": bool(getattr(tokenizer, "add_eos_token", False)),
            "pad_token_id": tokenizer.pad_token_id,
            "padding_side": tokenizer.padding_side,
            "truncation_side": tokenizer.truncation_side,
            "split_special_tokens": bool(getattr(tokenizer, "split_special_tokens", False)),
            "add_prefix_space": bool(getattr(tokenizer, "add_prefix_space", False)),
        }
        ranks = tokenizer.bpe_ranks
        return cls(tokenizer.encoder, sorted(ranks, key=ranks.__getitem__), **{**taken, **options})

    @classmethod
    def from_pretrained(
        cls, name_or_directory: str | os.PathLike[str] = "gpt2", **options: Any
    ) -> TFGPT2Tokenizer:
        """The layer for `"gpt2"` (embedded), a directory or a hub id, as `GPT2TokenizerFast.from_pretrained` has it.

        Args:
            name_or_directory: a name, the path of a directory with the files of a tokenizer, or a hub id (extra `hub`).
            options: arguments of the constructor that shall differ.

        Raises:
            OSError: no such directory, or it lacks a file.
            VocabError, SpecialTokenError, TokenizerError: the files or options are wrong.

        Example:
            >>> TFGPT2Tokenizer.from_pretrained("gpt2", padding_side="left")(["Hi"], max_length=2)["attention_mask"]
            <tf.Tensor: shape=(1, 2), dtype=int32, numpy=array([[0, 1]], dtype=int32)>
        """
        from ..hugging_face.fast import GPT2TokenizerFast

        return cls.from_tokenizer(GPT2TokenizerFast.from_pretrained(name_or_directory), **options)

    def call(self, text: Any, max_length: Any = None) -> dict[str, Tensor]:
        """Texts to `input_ids` and `attention_mask`.

        Args:
            text: string, of shape [], [batch] or [batch, n], or ragged [batch, None].
            max_length: int or scalar tensor, 1 or more (with `add_bos` and `add_eos`, 2): dense results with so many
                columns. None: the layer's own; without that, ragged results.

        Returns:
            Both shaped like `text` with one more dimension; for a single text, a vector.

        Raises:
            TypeError: the texts are no strings.
            TokenizerError: they have too many dimensions, or `max_length` is too small.
            tf.errors.InvalidArgumentError: bytes that are no UTF-8, if errors="strict"; a tensor `max_length` that is
                too small; dense results of more than 2**28 places.

        Example:
            >>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
            >>> layer(["Hello world", "Hi"])["input_ids"]
            <tf.RaggedTensor [[15496, 995], [17250]]>
            >>> layer("Hello world", max_length=4)["attention_mask"].numpy().tolist()
            [1, 1, 0, 0]
        """
        length = self._length(max_length)
        if in_symbolic_scope() and getattr(text, "dtype", None) == tf.as_dtype(keras.config.floatx()):
            # Keras builds a subclassed model that it loads with a guess at its input: floats of the right shape.
            text = tf.fill(tf.shape(text), "")
        return self._engine.tokenize(checked_text(text), length, tf.as_dtype(self.dtype))

    def _length(self, max_length: Any) -> Any:
        return self.max_length if max_length is None else checked_length(max_length, self._around)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if keras.backend.backend() == "tensorflow":
            return super().__call__(*args, **kwargs)
        # Keras with another backend has no symbols for strings, but outside of models TensorFlow runs as ever.
        kwargs.pop("training", None)
        if any(isinstance(x, keras.KerasTensor) for x in tf.nest.flatten((args, kwargs))):
            raise TokenizerError(
                f"Keras runs on {keras.backend.backend()!r}, whose models take no strings: set KERAS_BACKEND=tensorflow"
                " before importing keras, or tokenize outside the model, with dataset.map(tokenizer)"
            )
        return self.call(*args, **kwargs)

    def compute_output_spec(self, text: Any, max_length: Any = None) -> dict[str, keras.KerasTensor]:
        """The shapes that `call` returns, for functional models.

        Raises:
            TypeError: the texts are no strings.
            TokenizerError: they have too many dimensions, or `max_length` is too small.

        Example:
            >>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
            >>> layer(keras.Input((), dtype="string"), max_length=5)["input_ids"].shape
            (None, 5)
        """
        if keras.backend.standardize_dtype(text.dtype) != "string":
            raise TypeError(no_strings(text.dtype))
        if len(text.shape) > MAX_RANK:
            raise TokenizerError(too_deep(len(text.shape)))
        length = None if isinstance(max_length, keras.KerasTensor) else self._length(max_length)
        dense = length is not None or max_length is not None
        # Of ragged texts, each row has a matrix of its own.
        ragged = bool(getattr(text, "ragged", False)) if dense else len(text.shape) > 0
        shape = (*text.shape, length if isinstance(length, int) else None)
        return {
            name: keras.KerasTensor(shape, dtype=self.dtype, ragged=ragged)
            for name in ("input_ids", "attention_mask")
        }

    def compute_output_shape(
        self, text_shape: Any, max_length: Any = None
    ) -> dict[str, tuple[int | None, ...]]:
        """The shapes of `input_ids` and `attention_mask` for texts of a shape.

        Example:
            >>> TFGPT2Tokenizer.from_pretrained("gpt2").compute_output_shape((8,), max_length=5)["input_ids"]
            (8, 5)
        """
        outputs = self.compute_output_spec(keras.KerasTensor(text_shape, dtype="string"), max_length)
        return {name: tuple(output.shape) for name, output in outputs.items()}

    @property
    def dtype(self) -> str:
        """The type of ids and mask, which no dtype policy changes."""
        return self._ids_dtype

    @property
    def compute_dtype(self) -> str:
        """The type of what goes in: `keras.Sequential` makes its input of it."""
        return "string"

    @property
    def variable_dtype(self) -> str:
        """As `compute_dtype`: where they differ, Keras casts."""
        return "string"

    def tokenize(self, text: Any) -> Tensor:
        """The ids alone, ragged: `call(text)["input_ids"]` without `max_length`, whatever the layer's own is.

        Args:
            text: string, of shape [], [batch] or [batch, n], or ragged [batch, None].

        Returns:
            Like `text` with one more dimension, ragged; for a single text, a vector.

        Raises:
            TypeError, TokenizerError, tf.errors.InvalidArgumentError: as `call` has it.

        Example:
            >>> TFGPT2Tokenizer.from_pretrained("gpt2").tokenize(["a", "b c"])
            <tf.RaggedTensor [[64], [65, 269]]>
        """
        return self._engine.tokenize(checked_text(text), None, tf.as_dtype(self.dtype))["input_ids"]

    def detokenize(
        self, ids: Any, attention_mask: Any = None, *, skip_special_tokens: bool = False
    ) -> Tensor:
        """The bytes that ids stand for.

        Args:
            ids: integers, of any shape, or ragged: the last dimension is joined.
            attention_mask: like `ids`, ragged if they are; where it is 0, ids are left out.
            skip_special_tokens: leave special tokens out.

        Returns:
            string, one dimension less. Bytes, for a row may end inside a character.

        Raises:
            TypeError: the ids are no integers, or the mask holds no numbers.
            TokenizerError: the mask has another shape than the ids.
            tf.errors.InvalidArgumentError: an id is no token of the vocabulary; the mask holds more than 0 and 1.

        Example:
            >>> layer = TFGPT2Tokenizer.from_pretrained("gpt2")
            >>> layer.detokenize(layer(["Hello world", "Hi"])["input_ids"]).numpy().tolist()
            [b'Hello world', b'Hi']
            >>> layer.detokenize([[17250, 50256, 50256]], [[1, 0, 0]]).numpy().tolist()
            [b'Hi']
        """
        skip_special_tokens = checked_switch("skip_special_tokens", skip_special_tokens)
        ids = checked_ids(ids)
        if attention_mask is not None:
            attention_mask = checked_mask(attention_mask, ids)
        return self._engine.detokenize(ids, attention_mask, skip_special_tokens)

    def export(self, directory: str | os.PathLike[str], **options: Any) -> None:
        """Writes a SavedModel that tokenizes and detokenizes without Python.

        Args:
            directory: made by this call; servers expect a number as its last part.
            options: of `export_tokenizer`, which tells all: `max_length`, `skip_special_tokens`, `warm_up_texts`,
                `most_places`, `overwrite`.

        Raises:
            TypeError, TokenizerError: an option is wrong.
            FileExistsError: a SavedModel is there, and `overwrite` is False; or something else is.
            OSError: the directory cannot be written. Nothing is left behind.

        Example:
            >>> import tempfile
            >>> directory = tempfile.mkdtemp() + "/gpt2tok/1"
            >>> TFGPT2Tokenizer.from_pretrained("gpt2").export(directory)
            >>> tf.saved_model.load(directory).signatures["tokenize"](text=tf.constant(["Hi"]))["input_ids"].numpy()
            array([[17250]], dtype=int32)
        """
        export_tokenizer(self, directory, **options)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        # What `tf.saved_model.save(layer, directory)` writes: by itself, Keras gives it no function of a layer.
        children: dict[str, Any] = super()._trackable_children(save_type, **kwargs)
        return {**children, **self._saved_functions(self)} if save_type == "savedmodel" else children

    def get_config(self) -> dict[str, Any]:
        """All that makes the layer again, the vocabulary included, as the texts of its two files.

        Example:
            >>> sorted(TFGPT2Tokenizer.from_pretrained("gpt2").get_config()["added_tokens"])
            ['50256']
        """
        merges: str | list[str] = [f"{left} {right}" for left, right in self._given.merges]
        if not any(line.startswith(VERSION) for line in merges):
            merges = "\n".join(merges)  # one string is quicker to write and read than 50,000
        return {
            **super().get_config(),
            "dtype": self.dtype,
            "vocab": json.dumps(self._given.vocab, ensure_ascii=False),
            "merges": merges,
            "added_tokens": added_config(self._given.added),
            **self._options,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TFGPT2Tokenizer:
        """The layer of a configuration that `get_config` made. Reads no file.

        Raises:
            TypeError: it lacks an argument of the constructor, or has one of another kind.
            VocabError, SpecialTokenError, TokenizerError: as the constructor has it.

        Example:
            >>> layer = TFGPT2Tokenizer.from_pretrained("gpt2", padding_side="left")
            >>> TFGPT2Tokenizer.from_config(layer.get_config())(["Hi"], max_length=2)["attention_mask"].numpy().tolist()
            [[0, 1]]
        """
        return cls(**{**config, "added_tokens": checked_added_ids(config.get("added_tokens"))})
