"""How do ids that are there already become a model's inputs?

Owns transformers' methods on lists of ids: `pad`, `prepare_for_model`, `truncate_sequences` and what builds
their pieces. Refuses text (`call_surface.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core import TokenizerError
from .arguments import (
    described,
    flag,
    id_list,
    index_of,
    not_ids,
    shown,
    side,
    whole_number,
)
from .batch_encoding import BatchEncoding
from .call_surface import CallSurface
from .padding import pad_features
from .strategies import resolve
from .template import fill
from .tensors import kind_of
from .truncation import TruncationStrategy, truncate_sequences


class PrepareSurface(CallSurface):
    """The methods on ids. Abstract.

    Ids are lists, tuples, arrays or tensors of whole numbers; anything else is a TypeError.
    """

    def pad(  # noqa: PLR0917 - transformers' order
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Fills inputs up to one length: what a data loader's `collate_fn` needs.

        Args:
            encoded_inputs: one example, a batch of them, or a list of examples; each a dict or
                `BatchEncoding` of lists, arrays or tensors. `input_ids`, `attention_mask`, `token_type_ids`
                and `special_tokens_mask` are padded, everything else is left as it is.
            padding: True or "longest", "max_length", False or "do_not_pad".
            max_length: the length for "max_length"; the model's own if left out.
            pad_to_multiple_of: round the length up.
            padding_side: "right" or "left", instead of the tokenizer's.
            return_attention_mask: left out, it comes if `model_input_names` has it.
            return_tensors: "np", "pt", "tf" or "jax". Left out, arrays and tensors come back as what they were.
            verbose: warn where something asked for has no effect.

        Returns:
            A new `BatchEncoding`; what was passed is not changed.

        Raises:
            TokenizerError: no `input_ids`, features that differ in length, no `pad_token`, a wrong option.
            TypeError: what was passed is neither a mapping nor a list of them, or its ids are no ids.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<|endoftext|>")
            >>> tokenizer.pad([{"input_ids": [1, 2]}, {"input_ids": [3]}])
            {'input_ids': [[1, 2], [3, 50256]], 'attention_mask': [[1, 1], [1, 0]]}
        """
        features = _gathered(encoded_inputs)
        main = self.model_input_names[0] if self.model_input_names else "input_ids"
        if main not in features:
            raise TokenizerError(
                f"encoded_inputs has no {main!r}, only {', '.join(map(repr, features)) or 'nothing'}: add it"
            )
        kinds = {kind_of(value) for value in features.values()} - {None}
        if return_tensors is None and kinds:
            return_tensors = kinds.pop()
        features = {name: _as_lists(value) for name, value in features.items()}
        if not isinstance(features[main], list):
            raise not_ids(features[main], main)
        if not features[main]:
            if return_attention_mask:
                features["attention_mask"] = []
            return BatchEncoding(features, tensor_type=return_tensors)

        pads, _, max_length = resolve(
            padding, None, max_length, self.model_max_length, pad_to_multiple_of, verbose=verbose
        )
        if return_attention_mask is None:
            return_attention_mask = "attention_mask" in self.model_input_names
        return_attention_mask = flag(return_attention_mask, "return_attention_mask")
        one = not isinstance(features[main][0], list)
        examples = [features] if one else _examples(features, main)
        for i, example in enumerate(examples):
            example[main] = id_list(example[main], main if one else f"{main}[{i}]")
            _require_lists(example, main if one else f"{main}[{i}]")
        how = self._padding(pads, max_length, pad_to_multiple_of, padding_side)
        padded = []
        if how is None:
            for example in examples:
                mask = {"attention_mask": [1] * len(example[main])} if return_attention_mask else {}
                padded.append({**example, **{k: v for k, v in mask.items() if k not in example}})
        else:
            target = how.target(len(example[main]) for example in examples)
            padded = [
                pad_features(example, main, how, target, mask=return_attention_mask) for example in examples
            ]
        data = padded[0] if one else {name: [example[name] for example in padded] for name in padded[0]}
        return BatchEncoding(data, tensor_type=return_tensors)

    def prepare_for_model(  # noqa: PLR0917 - transformers' order
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = False,
        max_length: int | None = None,
        stride: int = 0,
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
        prepend_batch_axis: bool = False,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Makes a model's inputs of ids: truncates them, puts special tokens around them, pads.

        Args:
            ids: the first sequence.
            pair_ids: the second.
            return_overflowing_tokens: give what was cut off as `overflowing_tokens`, with `num_truncated_tokens`.
            prepend_batch_axis: make a batch of one.

        The other arguments are those of `tokenizer(...)`.

        Raises:
            TypeError: `ids` or `pair_ids` are no ids.
            TokenizerError: overflow of a pair cut by "longest_first" (it would belong to two sequences), or
                as for `tokenizer(...)`; `return_offsets_mapping`, since ids have no text.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
            >>> tokenizer.prepare_for_model([1, 2, 3], truncation=True, max_length=2)
            {'input_ids': [1, 2], 'attention_mask': [1, 1]}
        """
        ids = id_list(ids, "ids")
        pair_ids = None if pair_ids is None else id_list(pair_ids, "pair_ids")
        if return_offsets_mapping:
            raise TokenizerError(
                "ids have no text to point into: call tokenizer(text, return_offsets_mapping=True)"
            )
        pads, cuts, max_length = resolve(
            padding, truncation, max_length, self.model_max_length, pad_to_multiple_of, verbose=verbose
        )
        pair = pair_ids is not None
        if return_overflowing_tokens and pair and cuts is TruncationStrategy.LONGEST_FIRST:
            raise TokenizerError(
                "what 'longest_first' cuts off a pair belongs to two sequences and cannot be returned: truncate"
                " 'only_first' or 'only_second'"
            )
        added = self.num_special_tokens_to_add(pair=pair) if add_special_tokens else 0
        total = len(ids) + len(pair_ids or ()) + added
        overflowing: list[int] = []
        excess = 0
        if cuts is not TruncationStrategy.DO_NOT_TRUNCATE and max_length is not None and total > max_length:
            excess = total - max_length
            ids, pair_ids, overflowing = self.truncate_sequences(ids, pair_ids, excess, cuts, stride)
        parts = self._template.parts(pair=pair, special=add_special_tokens)
        sequences = (list(ids), list(pair_ids or ()))
        data: dict[str, Any] = {"input_ids": fill(parts, sequences, lambda part: list(part.ids))}
        if return_token_type_ids or (
            return_token_type_ids is None and "token_type_ids" in self.model_input_names
        ):
            types = self.create_token_type_ids_from_sequences(*sequences if pair else sequences[:1])
            data["token_type_ids"] = types if add_special_tokens else [0] * len(data["input_ids"])
        if return_special_tokens_mask:
            ones = ([0] * len(sequences[0]), [0] * len(sequences[1]))
            data["special_tokens_mask"] = fill(parts, ones, lambda part: [1] * len(part.ids))
        if return_overflowing_tokens and return_tensors is None and overflowing:
            data["overflowing_tokens"] = overflowing
            data["num_truncated_tokens"] = excess
        if verbose and max_length is None:
            self._warn_of_length(len(data["input_ids"]))
        rest = {
            name: data.pop(name) for name in ("overflowing_tokens", "num_truncated_tokens") if name in data
        }
        padded = self.pad(
            data,
            pads,
            max_length,
            pad_to_multiple_of,
            padding_side,
            return_attention_mask,
            verbose=verbose,
        )
        features = {**{k: v for k, v in padded.items() if k != "attention_mask"}, **rest}
        if "attention_mask" in padded:
            features["attention_mask"] = padded["attention_mask"]
        if return_length:
            features["length"] = len(features["input_ids"])
        return BatchEncoding(features, tensor_type=return_tensors, prepend_batch_axis=prepend_batch_axis)

    def truncate_sequences(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """Drops ids from one sequence or both.

        Args:
            ids: the first sequence.
            pair_ids: the second.
            num_tokens_to_remove: how many to drop.
            truncation_strategy: "longest_first", "only_first", "only_second" or "do_not_truncate".
            stride: how many ids next to the cut to repeat in the overflow.

        Returns:
            Both sequences and what was dropped (nothing for a pair cut by "longest_first").

        Raises:
            TypeError: `ids` or `pair_ids` are no ids.
            TokenizerError: there are not that many to drop (transformers returns too long an input).

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2")
            >>> tokenizer.truncate_sequences([1, 2, 3], num_tokens_to_remove=1)
            ([1, 2], None, [3])
        """
        try:
            strategy = TruncationStrategy(truncation_strategy)
        except ValueError:
            known = ", ".join(repr(known.value) for known in TruncationStrategy)
            raise TokenizerError(
                f"truncation_strategy is one of {known}, not {shown(truncation_strategy)}"
            ) from None
        ids = id_list(ids, "ids")
        pair_ids = None if pair_ids is None else id_list(pair_ids, "pair_ids")
        stride = whole_number(stride, "stride") or 0
        excess = index_of(num_tokens_to_remove, "num_tokens_to_remove")
        return truncate_sequences(
            ids, pair_ids, excess, strategy, stride, side(self.truncation_side, "truncation_side")
        )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Ids with the template's special tokens around them.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2", add_bos_token=True)
            >>> tokenizer.build_inputs_with_special_tokens([1, 2], [3])
            [50256, 1, 2, 50256, 3]
        """
        parts = self._template.parts(pair=token_ids_1 is not None, special=True)
        return fill(parts, _id_lists(token_ids_0, token_ids_1), lambda part: list(part.ids))

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The token types of what `build_inputs_with_special_tokens` makes of the same ids: 0, and 1 for the second.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").create_token_type_ids_from_sequences([1, 2], [3])
            [0, 0, 1]
        """
        lengths = tuple(map(len, _id_lists(token_ids_0, token_ids_1)))
        return [
            part.type_id
            for part in self._template.parts(pair=token_ids_1 is not None, special=True)
            for _ in range(len(part.ids) if part.sequence is None else lengths[part.sequence])
        ]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for special tokens, 0 for the others.

        Args:
            token_ids_0: the first sequence.
            token_ids_1: the second.
            already_has_special_tokens: the ids are a whole input; then 1 marks the ids of `all_special_ids`.
                Otherwise the mask is for what `build_inputs_with_special_tokens` makes of them.

        Raises:
            TokenizerError: a second sequence though the first is a whole input.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> tokenizer = GPT2TokenizerFast.from_pretrained("gpt2", add_bos_token=True)
            >>> tokenizer.get_special_tokens_mask([1, 2])
            [1, 0, 0]
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise TokenizerError(
                    "ids that have their special tokens are one sequence: leave token_ids_1 out"
                )
            special = set(self.all_special_ids)
            return [int(token_id in special) for token_id in id_list(token_ids_0, "token_ids_0")]
        parts = self._template.parts(pair=token_ids_1 is not None, special=True)
        first, second = _id_lists(token_ids_0, token_ids_1)
        zeros = ([0] * len(first), [0] * len(second))
        return fill(parts, zeros, lambda part: [1] * len(part.ids))


def _gathered(inputs: Any) -> dict[str, Any]:
    """What was passed, as one dict of features."""
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if isinstance(inputs, (list, tuple)):
        for i, example in enumerate(inputs):
            if not isinstance(example, Mapping):
                raise TypeError(f"encoded_inputs[{i}] is {described(example)}, not a dict of features")
    else:
        raise TypeError(
            f"encoded_inputs is {described(inputs)}, but pad takes a dict of features, or a list of such dicts"
        )
    if not inputs:
        raise TokenizerError("there is no example to pad: the list is empty")
    names = list(inputs[0])
    for i, example in enumerate(inputs):
        if set(example) != set(names):
            raise TokenizerError(
                f"encoded_inputs[{i}] has the features {_listed(example)}, the first one {_listed(names)}: give each"
                " example the same"
            )
    return {name: [example[name] for example in inputs] for name in names}


def _listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(repr, names))) or "none"


def _id_lists(first: Any, second: Any) -> tuple[list[int], list[int]]:
    return id_list(first, "token_ids_0"), [] if second is None else id_list(second, "token_ids_1")


def _require_lists(example: Mapping[str, Any], place: str) -> None:
    """The features that padding lengthens are lists."""
    for name in ("attention_mask", "token_type_ids", "special_tokens_mask"):
        if name in example and not isinstance(example[name], list):
            raise TypeError(
                f"{name} is {described(example[name])}, not a list with one value for each of {place}"
            )


def _examples(features: dict[str, Any], main: str) -> list[dict[str, Any]]:
    """A batch's features as one dict for each example."""
    count = len(features[main])
    for name, values in features.items():
        if not isinstance(values, list) or len(values) != count:
            found = len(values) if isinstance(values, list) else "no list"
            raise TokenizerError(
                f"{name} has {found} examples, {main} has {count}: give each example each feature"
            )
    return [{name: values[i] for name, values in features.items()} for i in range(count)]


def _as_lists(value: Any) -> Any:
    """Arrays and tensors as lists, also inside lists; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "numpy"):
        return value.numpy().tolist()
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    return value
