"""How do texts become a model's inputs? `tokenizer(...)` and its older names.

Owns the reading of Hugging Face's arguments and the shape of what comes back. Refuses the work itself:
`rows.py` assembles, the engine encodes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .._core import TokenizerError
from .arguments import flag, side, whole_number
from .batch_encoding import BatchEncoding
from .inputs import TEXTS, read_inputs, refuse_surrogates
from .offsets import Trimming
from .padding import Padding, PaddingStrategy
from .rows import Plan, Rows
from .strategies import resolve
from .truncation import Truncation, TruncationStrategy
from .vocabulary_surface import VocabularySurface

_log = logging.getLogger("gpt2tok")


@dataclass(frozen=True)
class CallOptions:
    """The options of a call, with transformers' names and defaults."""

    add_special_tokens: bool = True
    padding: bool | str = False
    truncation: bool | str | None = None
    max_length: int | None = None
    stride: int = 0
    is_split_into_words: bool = False
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: str | None = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    verbose: bool = True
    split_special_tokens: bool | None = None


_OPTIONS = frozenset(option.name for option in fields(CallOptions))
_FLAGS = tuple(option.name for option in fields(CallOptions) if option.type in ("bool", "bool | None"))
_DEFAULTS = CallOptions()


class CallSurface(VocabularySurface):
    """The encoding side of a tokenizer. Abstract."""

    padding_side: str
    truncation_side: str
    model_max_length: int
    model_input_names: list[str]
    split_special_tokens: bool
    _trimming: Trimming | None
    _warned_of_length: bool

    def __call__(  # noqa: PLR0917 - transformers' order
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        tokenizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encodes one text or many, alone or in pairs, into the inputs of a model.

        Args:
            text: a str, or a list of them for a batch; with `is_split_into_words` a list of words, or a list
                of such lists. An item of a batch may itself be a pair.
            text_pair: the second sequence of each.
            text_target: texts that become `labels`, or the inputs if there is no `text`.
            text_pair_target: their second sequences.
            add_special_tokens: put in the special tokens of the template (`add_bos_token`, `add_eos_token`).
            padding: True or "longest", "max_length", False or "do_not_pad".
            truncation: True or "longest_first", "only_first", "only_second", False or "do_not_truncate". Left
                out, a `max_length` truncates.
            max_length: the length to truncate and pad to; the model's own if left out.
            stride: tokens that an overflowing row shares with the one before.
            is_split_into_words: the input is words. They are joined without spaces between them: GPT-2 writes
                the space into the token, so pass `add_prefix_space=True` to the tokenizer, or words with their spaces.
            pad_to_multiple_of: round the padded length up.
            padding_side: "right" or "left", instead of the tokenizer's.
            return_tensors: "np", "pt", "tf" or "jax".
            return_token_type_ids: left out, they come if `model_input_names` has them.
            return_attention_mask: the same.
            return_overflowing_tokens: what truncation cuts off becomes rows too, and
                `overflow_to_sample_mapping` says whose. A single text then gives a batch.
            return_special_tokens_mask: 1 for special tokens that were put in, and for padding.
            return_offsets_mapping: the characters (start, end) of each token, a leading space included.
            return_length: the length of each row, padding included; a list even for a single text, as in transformers.
            verbose: warn where something asked for has no effect.
            tokenizer_kwargs: more of these arguments, which take precedence.
            kwargs: `split_special_tokens`: special tokens in the text are ordinary text. `max_target_length`:
                the `max_length` of `text_target`.

        Returns:
            A `BatchEncoding`: `input_ids` and `attention_mask`, lists for a single text, lists of lists for a
            batch, and what else was asked for.

        Raises:
            TypeError: something is not text.
            TokenizerError: an argument is wrong, padding without a `pad_token`, a length without room for the
                special tokens, a lone surrogate in a text. The message says where and how to mend it.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<|endoftext|>")
            >>> tokenizer(["Hello world", "Hi"], padding=True)
            {'input_ids': [[15496, 995], [17250, 50256]], 'attention_mask': [[1, 1], [1, 0]]}
        """
        if (
            text.__class__ is str
            and text_pair is None
            and text_target is None
            and max_length is None
            and return_tensors is None
            and return_attention_mask is None
            and padding is False
            and (truncation is None or truncation is False)
            and pad_to_multiple_of is None
            and padding_side is None
            and add_special_tokens is not None
            and not (is_split_into_words or return_token_type_ids or return_overflowing_tokens)
            and not (return_special_tokens_mask or return_offsets_mapping or return_length)
            and not (stride or tokenizer_kwargs or kwargs)
            and (plan := self._simple_plan) is not None
        ):
            # The call that everybody makes: reading 20 options would take longer than encoding a sentence.
            try:
                ids = plan.engine.ids(text, plan.split_special)
            except TokenizerError:
                refuse_surrogates(text, None)
                raise
            if len(ids) > self.model_max_length and verbose:
                self._warn_of_length(len(ids))
            return BatchEncoding.of_one(ids, plan, text)
        options = CallOptions(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
        )
        if tokenizer_kwargs is not None and not isinstance(tokenizer_kwargs, Mapping):
            raise TypeError(
                f"tokenizer_kwargs is a dict of arguments or None, not {type(tokenizer_kwargs).__name__}"
            )
        more = {**kwargs, **(tokenizer_kwargs or {})}
        max_target_length = more.pop("max_target_length", None)
        options = with_options(options, more)
        if text is None and text_target is None:
            raise TypeError("there is nothing to encode: pass text, or text_target")
        encoded = None if text is None else self._encode_all(text, text_pair, options)
        if text_target is None:
            return encoded  # type: ignore[return-value]
        if max_target_length is not None:
            options = replace(options, max_length=whole_number(max_target_length, "max_target_length"))
        targets = self._encode_all(
            text_target, text_pair_target, options, ("text_target", "text_pair_target")
        )
        if encoded is None:
            return targets
        encoded["labels"] = targets["input_ids"]
        return encoded

    def encode(  # noqa: PLR0917 - transformers' order
        self,
        text: Any,
        text_pair: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The ids alone: `tokenizer(...)["input_ids"]`.

        Args and errors as for `tokenizer(...)`.

        Returns:
            list[int] for a text, list[list[int]] for a batch, or a tensor of two dimensions.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").encode("Hello world")
            [15496, 995]
        """
        if (
            text.__class__ is str
            and text_pair is None
            and max_length is None
            and return_tensors is None
            and padding is False
            and (truncation is None or truncation is False)
            and padding_side is None
            and add_special_tokens is not None
            and not (stride or kwargs)
            and (plan := self._simple_plan) is not None
        ):
            try:
                ids = plan.engine.ids(text, plan.split_special)
            except TokenizerError:
                refuse_surrogates(text, None)
                raise
            if len(ids) > self.model_max_length:
                self._warn_of_length(len(ids))
            return ids
        options = CallOptions(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            padding_side=padding_side,
            return_tensors=return_tensors,
        )
        return self._encode_all(text, text_pair, with_options(options, kwargs))["input_ids"]

    def encode_plus(self, text: Any, text_pair: Any = None, **kwargs: Any) -> BatchEncoding:
        """transformers 4's name for encoding one text or pair: `tokenizer(text, text_pair, ...)`.

        Raises:
            TypeError: `text` is a batch (use `batch_encode_plus` or `tokenizer(...)`), or something is not text.
        """
        options = with_options(_DEFAULTS, kwargs)
        if isinstance(text, (list, tuple)) and not options.is_split_into_words:
            raise TypeError(
                "encode_plus takes one text: for a batch use tokenizer(...), for words is_split_into_words"
            )
        return self._encode_all(text, text_pair, options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Any, **kwargs: Any) -> BatchEncoding:
        """transformers 4's name for encoding a batch: `tokenizer(list_of_texts_or_pairs, ...)`.

        Raises:
            TypeError: it is no batch, or something in it is not text.
        """
        options = with_options(_DEFAULTS, kwargs)
        if not isinstance(batch_text_or_text_pairs, (list, tuple)):
            raise TypeError(f"a batch is a list or tuple, not {type(batch_text_or_text_pairs).__name__}")
        return self._encode_all(batch_text_or_text_pairs, None, options, ("batch_text_or_text_pairs", ""))

    def tokenize(
        self, text: Any, pair: Any = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> list[str]:
        """The tokens of a text by name, spelt as `vocab.json` spells them.

        Args:
            text: a str, or words with `is_split_into_words=True`.
            pair: the second sequence; its tokens follow.
            add_special_tokens: put in the special tokens of the template.
            kwargs: more options of `tokenizer(...)`.

        Raises:
            TypeError, TokenizerError: as for `tokenizer(...)`.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").tokenize("Hello world")
            ['Hello', 'Ġworld']
        """
        options = with_options(replace(_DEFAULTS, add_special_tokens=add_special_tokens), kwargs)
        if isinstance(text, (list, tuple)) and not options.is_split_into_words:
            raise TypeError("tokenize takes one text: for words pass is_split_into_words=True")
        options = replace(options, return_tensors=None, return_overflowing_tokens=False)
        return self._names.names(self._encode_all(text, pair, options, ("text", "pair"))["input_ids"])

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens the template puts around a text, or around a pair."""
        return self._template.added(pair=pair)

    @property
    def max_len_single_sentence(self) -> int:
        """How many tokens of a single text fit into `model_max_length`."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """How many tokens of a pair fit into `model_max_length`."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def _simple_plan(self) -> Plan | None:
        """The plan of a call without options, if it needs none of the general machinery; else None."""
        if self.model_input_names != ["input_ids", "attention_mask"]:
            return None
        if self._simple_plan_now is None:
            if self._template.added(pair=False):
                return None
            self._simple_plan_now = self._plan(_DEFAULTS, None, None)
        return self._simple_plan_now

    def _plan(self, options: CallOptions, truncation: Truncation | None, padding: Padding | None) -> Plan:
        split = options.split_special_tokens
        return Plan(
            engine=self._engine,
            names=self._names,
            template=self._template,
            special=options.add_special_tokens,
            split_special=self.split_special_tokens if split is None else flag(split, "split_special_tokens"),
            truncation=truncation,
            padding=padding,
            overflow=options.return_overflowing_tokens,
            trimming=self._trimming,
        )

    def _encode_all(
        self, text: Any, text_pair: Any, options: CallOptions, names: tuple[str, str] = TEXTS
    ) -> BatchEncoding:
        for name in _FLAGS:
            flag(getattr(options, name), name)
        if (
            options.add_special_tokens is None
        ):  # None is no elsewhere, but here yes is what goes without saying.
            raise TypeError("add_special_tokens is True or False, not None: leave it out for True")
        pads, cuts, max_length = resolve(
            options.padding,
            options.truncation,
            options.max_length,
            self.model_max_length,
            options.pad_to_multiple_of,
            verbose=options.verbose,
        )
        examples, many = read_inputs(
            text, text_pair, split_into_words=options.is_split_into_words, names=names
        )
        plan = self._plan(
            options,
            self._truncation(cuts, max_length, options),
            self._padding(pads, max_length, options.pad_to_multiple_of, options.padding_side),
        )
        try:
            rows = Rows(plan, examples, traced=options.return_offsets_mapping)
        except TokenizerError:
            refuse_surrogates(
                text, text_pair, names
            )  # The engines know the text, not where the caller has it.
            raise
        if options.verbose and max_length is None:
            self._warn_of_length(max(map(len, rows.input_ids), default=0))
        data = self._features(rows, options)
        if not many and options.return_tensors is None and not options.return_overflowing_tokens:
            # transformers leaves `length`, whose values are no lists, as it is.
            data = {name: value if name == "length" else value[0] for name, value in data.items()}
        return BatchEncoding(data, rows, tensor_type=options.return_tensors)

    def _features(self, rows: Rows, options: CallOptions) -> dict[str, Any]:
        """What was asked for, in transformers' order."""
        wants_types, wants_mask = options.return_token_type_ids, options.return_attention_mask
        if wants_types is None:
            wants_types = "token_type_ids" in self.model_input_names
        if wants_mask is None:
            wants_mask = "attention_mask" in self.model_input_names
        data: dict[str, Any] = {"input_ids": rows.input_ids}
        if wants_types:
            data["token_type_ids"] = rows.token_type_ids()
        if wants_mask:
            data["attention_mask"] = rows.attention_mask()
        if options.return_special_tokens_mask:
            data["special_tokens_mask"] = rows.special_tokens_mask()
        if options.return_offsets_mapping:
            data["offset_mapping"] = rows.offsets()
        if options.return_length:
            data["length"] = [len(ids) for ids in rows.input_ids]
        if options.return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = rows.overflow_to_sample()
        return data

    def _truncation(
        self, strategy: TruncationStrategy, max_length: int | None, options: CallOptions
    ) -> Truncation | None:
        stride = whole_number(options.stride, "stride") or 0
        if strategy is TruncationStrategy.DO_NOT_TRUNCATE or max_length is None:
            return None
        # Refused whatever the texts: otherwise it would pass until one is too long.
        room = max_length - (self._template.added(pair=False) if options.add_special_tokens else 0)
        if stride >= max(room, 1) and room >= 0:
            raise TokenizerError(
                f"stride={stride} leaves no progress: a window holds {room} tokens (max_length={max_length} less"
                " special tokens); choose a smaller stride or a larger max_length"
            )
        return Truncation(strategy, max_length, stride, self.truncation_side)

    def _padding(
        self,
        strategy: PaddingStrategy,
        max_length: int | None,
        multiple_of: int | None,
        padding_side: str | None,
    ) -> Padding | None:
        checked_side = side(self.padding_side if padding_side is None else padding_side, "padding_side")
        if strategy is PaddingStrategy.DO_NOT_PAD:
            return None
        token, token_id = self.pad_token, self.pad_token_id
        if token is None or token_id is None:
            raise TokenizerError(
                "padding needs a pad_token, and this tokenizer has none: set tokenizer.pad_token = tokenizer.eos_token,"
                " or add one with tokenizer.add_special_tokens({'pad_token': '<pad>'})"
            )
        length = max_length if strategy is PaddingStrategy.MAX_LENGTH else None
        return Padding(length, multiple_of, checked_side, token_id, token, self.pad_token_type_id)

    def _warn_of_length(self, length: int) -> None:
        """Says once that an input is longer than the model takes."""
        if length > self.model_max_length and not self._warned_of_length:
            self._warned_of_length = True
            _log.warning(
                "This input has %d tokens, but the model takes at most %d (model_max_length): truncate it with"
                " truncation=True, or split it.",
                length,
                self.model_max_length,
            )


def with_options(options: CallOptions, more: dict[str, Any]) -> CallOptions:
    """`options` changed by keyword arguments; those that are no options are warned of, as in transformers 4."""
    known = {name: value for name, value in more.items() if name in _OPTIONS}
    if len(known) < len(more):
        unknown = ", ".join(sorted(set(more) - _OPTIONS))
        warnings.warn(
            f"unknown arguments are not used: {unknown}; correct or remove them", UserWarning, stacklevel=3
        )
    return replace(options, **known) if known else options
