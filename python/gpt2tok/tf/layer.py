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

from .._core import TokenizerError
from .arguments import (
    MAX_RANK,
    Added,
    added_config,
    checked_default_length,
    checked_id_of,
    checked_ids,
    checked_length,
    checked_mask,
    checked_pad_id,
    checked_text,
    checked_vocabulary,
    no_strings,
    too_deep,
)
from .dense import RowLayout
from .engine import TokenizerEngine
from .export import export_tokenizer

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
            ("dtype", getattr(dtype, "name", dtype), ("int32", "int64")),
        ):
            if value not in allowed:
                raise TokenizerError(f"{name} is {value!r}: choose {allowed[0]!r} or {allowed[1]!r}")
        super().__init__(dtype=dtype, trainable=False, **kwargs)
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
        self.max_length = checked_default_length(max_length)
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
        layout = RowLayout(
            before=tuple(i for i in around[:1] if i is not None),
            after=tuple(i for i in around[1:] if i is not None),
            pad_id=pad_token_id,
            pad_left=padding_side == "left",
            cut_left=truncation_side == "left",
        )
        self._engine = TokenizerEngine(
            self._given.vocab,
            self._given.merges,
            self._given.added,
            layout,
            split_special=split_special_tokens,
            prefix_space=add_prefix_space,
            errors=errors,
        )
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
        for name in ("encoder", "bpe_ranks", "added_tokens_decoder"):
            if not hasattr(tokenizer, name):
                raise TypeError(
                    f"from_tokenizer takes a GPT2Tokenizer or GPT2TokenizerFast of gpt2tok, not"
                    f" {type(tokenizer).__name__} (which has no {name!r})"
                )
        taken = {
            "added_tokens": tokenizer.added_tokens_decoder,
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
            max_length: int or scalar tensor, 1 or more: dense results with so many columns. None: ragged ones.

        Returns:
            Both shaped like `text` with one more dimension; for a single text, a vector.

        Raises:
            TypeError: the texts are no strings.
            TokenizerError: they have too many dimensions, or `max_length` is below 1.
            tf.errors.InvalidArgumentError: bytes that are no UTF-8, if errors="strict"; a tensor `max_length` below 1.
        """
        length = self.max_length if max_length is None else checked_length(max_length)
        return self._engine.tokenize(checked_text(text), length, tf.as_dtype(self.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if keras.backend.backend() == "tensorflow":
            return super().__call__(*args, **kwargs)
        # Keras with another backend has no symbols for strings, but outside of models TensorFlow runs as ever.
        if any(isinstance(x, keras.KerasTensor) for x in tf.nest.flatten((args, kwargs))):
            raise TokenizerError(
                f"Keras runs on {keras.backend.backend()!r}, whose models take no strings: set KERAS_BACKEND=tensorflow"
                " before importing keras, or tokenize outside the model, with dataset.map(tokenizer)"
            )
        return self.call(*args, **kwargs)

    def compute_output_spec(self, text: Any, max_length: Any = None) -> dict[str, keras.KerasTensor]:
        """The shapes that `call` returns, for functional models."""
        if keras.backend.standardize_dtype(text.dtype) != "string":
            raise TypeError(no_strings(text.dtype))
        if len(text.shape) > MAX_RANK:
            raise TokenizerError(too_deep(len(text.shape)))
        length = self.max_length if max_length is None else checked_length(max_length)
        if length is not None:
            shape = (*text.shape, length if isinstance(length, int) else None)
            return {
                name: keras.KerasTensor(shape, dtype=self.dtype) for name in ("input_ids", "attention_mask")
            }
        ragged = len(text.shape) > 0
        shape = (*text.shape, None)
        return {
            name: keras.KerasTensor(shape, dtype=self.dtype, ragged=ragged)
            for name in ("input_ids", "attention_mask")
        }

    def tokenize(self, text: Any) -> Tensor:
        """The ids alone, ragged: `call(text)["input_ids"]` without `max_length`, whatever the layer's own is.

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
            attention_mask: like `ids`; where it is 0, ids are left out. Not for ragged ids.
            skip_special_tokens: leave special tokens out.

        Returns:
            string, one dimension less. Bytes, for a row may end inside a character.

        Raises:
            TypeError: the ids are no integers, or the mask holds no numbers.
            TokenizerError: the mask has another shape than the ids.
            tf.errors.InvalidArgumentError: an id is no token of the vocabulary.
        """
        ids = checked_ids(ids)
        if attention_mask is not None:
            attention_mask = checked_mask(attention_mask, ids)
        return self._engine.detokenize(ids, attention_mask, skip_special_tokens)

    def export(self, directory: str | os.PathLike[str], **options: Any) -> None:
        """Writes a SavedModel that tokenizes and detokenizes without Python: see `export_tokenizer`."""
        export_tokenizer(self, directory, **options)

    def get_config(self) -> dict[str, Any]:
        """All that makes the layer again, the vocabulary included, as the texts of its two files."""
        merges = "\n".join(f"{left} {right}" for left, right in self._given.merges)
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
        """The layer of a configuration that `get_config` made. Reads no file."""
        config = dict(config)
        config.pop("trainable", None)
        config["added_tokens"] = {int(i): token for i, token in (config.get("added_tokens") or {}).items()}
        return cls(**config)
