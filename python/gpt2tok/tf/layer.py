"""What does Keras see? `TFGPT2Tokenizer`, a layer from strings to ids.

Owns the layer, its checks at the door and its configuration. Refuses the graph itself (`engine.py`) and SavedModels
(`export.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, final

import keras
import tensorflow as tf

from .._core import SpecialTokenError, TokenizerError, VocabError
from ..hugging_face.added_tokens import FLAGS, AddedToken
from .dense import RowLayout
from .engine import MAX_RANK, TokenizerEngine
from .export import export_tokenizer

Tensor = Any
Added = Mapping[int, "AddedToken | Mapping[str, Any] | str"]


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
        self.vocabulary = _vocab_of(vocab)
        self.merge_list = _merges_of(merges)
        self.added_tokens = _added_of(added_tokens or {})
        ids = {**self.vocabulary, **{token.content: i for i, token in self.added_tokens.items()}}
        around = [
            _id_of(name, token, ids) if wanted else None
            for name, token, wanted in (("bos", bos_token, add_bos), ("eos", eos_token, add_eos))
        ]
        if pad_token_id is None:
            pad_token_id = ids.get(eos_token or "", 0)
        if not 0 <= pad_token_id <= 0x7FFFFFFF:
            raise TokenizerError(f"pad_token_id is {pad_token_id}: ids are 0 or greater, and have 31 bits")
        self.max_length = None if max_length is None else _checked_length(max_length)
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
            self.vocabulary,
            self.merge_list,
            self.added_tokens,
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
        length = self.max_length if max_length is None else _checked_length(max_length)
        return self._engine.tokenize(_checked_text(text), length, tf.as_dtype(self.dtype))

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
            raise TypeError(_no_strings(text.dtype))
        if len(text.shape) > MAX_RANK:
            raise TokenizerError(_too_deep(len(text.shape)))
        length = self.max_length if max_length is None else _checked_length(max_length)
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
        return self._engine.tokenize(_checked_text(text), None, tf.as_dtype(self.dtype))["input_ids"]

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
            TypeError: the ids are no integers.
            tf.errors.InvalidArgumentError: an id is no token of the vocabulary.
        """
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.convert_to_tensor(ids)
            if ids.dtype == tf.float32 and ids.shape.num_elements() == 0:
                ids = tf.cast(ids, tf.int32)  # an empty list says nothing of its type
        if not ids.dtype.is_integer:
            raise TypeError(f"detokenize takes ids as integers, not {ids.dtype.name}: cast them to int32")
        if attention_mask is not None:
            attention_mask = tf.convert_to_tensor(attention_mask)
            if isinstance(ids, tf.RaggedTensor):
                raise TypeError("ragged ids have no padding: leave attention_mask out")
        return self._engine.detokenize(ids, attention_mask, skip_special_tokens)

    def export(self, directory: str | os.PathLike[str], **options: Any) -> None:
        """Writes a SavedModel that tokenizes and detokenizes without Python: see `export_tokenizer`."""
        export_tokenizer(self, directory, **options)

    def get_config(self) -> dict[str, Any]:
        """All that makes the layer again, the vocabulary included, as the texts of its two files."""
        merges = "\n".join(f"{left} {right}" for left, right in self.merge_list)
        added = {
            str(i): {"content": token.content, **{flag: bool(getattr(token, flag)) for flag in FLAGS}}
            for i, token in self.added_tokens.items()
        }
        return {
            **super().get_config(),
            "dtype": self.dtype,
            "vocab": json.dumps(self.vocabulary, ensure_ascii=False),
            "merges": merges,
            "added_tokens": added,
            **self._options,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TFGPT2Tokenizer:
        """The layer of a configuration that `get_config` made. Reads no file."""
        config = dict(config)
        config.pop("trainable", None)
        config["added_tokens"] = {int(i): token for i, token in (config.get("added_tokens") or {}).items()}
        return cls(**config)


def _vocab_of(vocab: Mapping[str, int] | str) -> dict[str, int]:
    if isinstance(vocab, str):
        try:
            vocab = json.loads(vocab)
        except ValueError as error:
            raise VocabError(
                f"the vocabulary is a string, but not the JSON of a vocab.json: {error}"
            ) from None
    if not isinstance(vocab, Mapping):
        raise TypeError(
            f"vocab is a mapping of tokens to ids or the text of a vocab.json, not {type(vocab).__name__}"
        )
    seen: dict[int, str] = {}
    for token, token_id in vocab.items():
        if not isinstance(token, str) or not isinstance(token_id, int) or isinstance(token_id, bool):
            raise TypeError(f"vocab maps str to int, but holds {token!r}: {token_id!r}")
        if not 0 <= token_id <= 0x7FFFFFFF:
            raise VocabError(f"token {token!r} has the id {token_id}: ids are 0 or greater, and have 31 bits")
        if seen.setdefault(token_id, token) != token:
            raise VocabError(
                f"tokens {seen[token_id]!r} and {token!r} share the id {token_id}: give each its own"
            )
    return dict(vocab)


def _merges_of(merges: Sequence[tuple[str, str]] | str) -> list[tuple[str, str]]:
    lines: Any = merges
    if isinstance(merges, str):
        # A line of a file that begins like this tells its version; no merge has two words after "#version:".
        lines = [line for line in merges.split("\n") if line.strip() and not line.startswith("#version")]
    pairs = []
    for i, merge in enumerate(lines):
        parts = tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
        if len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
            raise VocabError(f"merge {i} is {merge!r}: two tokens with one space between them are wanted")
        pairs.append((parts[0], parts[1]))
    return pairs


def _added_of(added: Added) -> dict[int, AddedToken]:
    tokens = {}
    for token_id, given in sorted(added.items()):
        if isinstance(given, Mapping):
            token = AddedToken(**given)
        else:
            token = AddedToken.of(given, special=isinstance(given, str))
        if not token.content:
            raise SpecialTokenError(f"added token {token_id} has no text: give it one, or leave it out")
        if not 0 <= token_id <= 0x7FFFFFFF:
            raise SpecialTokenError(
                f"added token {token.content!r} has the id {token_id}: ids are 0 or greater"
            )
        tokens[token_id] = token
    return tokens


def _id_of(name: str, token: str | None, ids: Mapping[str, int]) -> int:
    if token is None:
        raise SpecialTokenError(f"add_{name} needs a {name}_token: name one")
    if token not in ids:
        raise SpecialTokenError(
            f"{name}_token {token!r} has no id: add it to the vocabulary or to added_tokens"
        )
    return ids[token]


def _checked_text(text: Any) -> Tensor:
    if isinstance(text, tf.RaggedTensor):
        rank = text.shape.rank
    else:
        text = tf.convert_to_tensor(text)
        if text.dtype == tf.float32 and text.shape.num_elements() == 0:
            text = tf.zeros(text.shape, tf.string)  # an empty list says nothing of its type
        rank = text.shape.rank
    if text.dtype != tf.string:
        raise TypeError(_no_strings(text.dtype.name))
    if rank is None:
        raise TokenizerError("texts of unknown rank: give them a shape, with tf.ensure_shape(text, [None])")
    if rank > MAX_RANK:
        raise TokenizerError(_too_deep(rank))
    return text


def _no_strings(dtype: Any) -> str:
    return f"the tokenizer takes strings (tf.string, str or bytes), not {dtype}: give it the text itself"


def _too_deep(rank: int) -> str:
    return f"texts come as one string, a vector or a matrix, not with {rank} dimensions: reshape them to [-1]"


def _checked_length(length: Any) -> Any:
    if isinstance(length, int) and not isinstance(length, bool):
        if length < 1:
            raise TokenizerError(f"max_length is {length}: give 1 or more, or None for ragged rows")
        return length
    tensor = tf.convert_to_tensor(length)
    if not tensor.dtype.is_integer or tensor.shape.rank not in (0, None):
        raise TypeError(f"max_length is an int or a scalar integer tensor, not {length!r}")
    message = "max_length must be 1 or more (leave it out for ragged rows); it is:"
    with tf.control_dependencies([tf.debugging.Assert(tensor >= 1, [message, tensor])]):
        return tf.identity(tensor)
