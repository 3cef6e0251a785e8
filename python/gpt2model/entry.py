"""May these inputs come in? The door of every model.

Owns the shapes and ranges of what a caller passes, and the mapping form of a call (`model({"input_ids": ...,
...})`, which is how `fit` passes a batch). Refuses to look at values under tracing: there only shapes are
checked, at no cost in the graph.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, cast, final

import numpy as np

from .backend import BACKEND, Tensor, concrete, sides
from .cache import KVCache
from .config import GPT2Config
from .errors import ContextLengthError

IGNORED_LABEL = -100

_trusted: ContextVar[bool] = ContextVar("gpt2model_trusted", default=False)
Method = TypeVar("Method", bound=Callable[..., Any])


@final
class Held:
    """A cache on its way through Keras, which takes apart every structure it can see and refuses one that
    mixes tensors and plain numbers, as a cache with a known offset does."""

    __slots__ = ("content",)

    def __init__(self, content: KVCache) -> None:
        self.content = content


def held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with each cache in its holder, and nested lists of numbers as arrays.

    Raises:
        TypeError: a list that holds something else than numbers.
        ValueError: a list whose rows differ in length.
    """
    args = tuple(
        value if index == 1 else as_arrays(value, "input_ids" if index == 0 else "an argument", rows=True)
        for index, value in enumerate(args)
    )
    kwargs = {
        name: value if name == "past_key_values" else as_arrays(value, name, rows=True)
        for name, value in kwargs.items()
    }
    if any(isinstance(value, KVCache) for value in args):
        args = tuple(Held(value) if isinstance(value, KVCache) else value for value in args)
    if isinstance(kwargs.get("past_key_values"), KVCache):
        kwargs = {**kwargs, "past_key_values": Held(kwargs["past_key_values"])}
    return args, kwargs


def as_arrays(value: Any, name: str, *, rows: bool = False) -> Any:
    """A nested list of numbers, alone or in a mapping, as an array; anything else as it is.

    Arguments:
        value: what a caller passes; a tokenizer's answer is a mapping of lists.
        name: of the argument, for messages.
        rows: a list of arrays is one array's rows too. (To `fit` it is several inputs.)

    Raises:
        TypeError: a list that holds something else than numbers.
        ValueError: a list whose rows differ in length.

    Example:
        >>> as_arrays({"input_ids": [[1, 2], [3, 4]]}, "x")["input_ids"].shape
        (2, 2)
    """
    if isinstance(value, Mapping):
        changed = {
            key: part if key == "past_key_values" else as_arrays(part, str(key))
            for key, part in value.items()
        }
        is_same = type(value) is dict and all(changed[key] is part for key, part in value.items())
        return value if is_same else changed
    if not isinstance(value, list | tuple) or not _is_plain(value, rows and isinstance(value, list)):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name}: a list of {len(value)} rows is no rectangle ({error}); pad the rows to one length and pass an "
            "attention_mask, as the tokenizer does with padding=True."
        ) from error
    if array.size == 0:
        return array.astype("int32")
    if array.dtype.kind not in "biuf":
        what = (
            "texts: encode them with a tokenizer first"
            if array.dtype.kind in "US"
            else "something else beside them"
        )
        raise TypeError(
            f"{name} must be a tensor, an array or a nested list of numbers; this list holds {what}."
        )
    return array


def labels_as_arrays(labels: Any, name: str) -> Any:
    """As `as_arrays`, of what `fit` learns from: a tuple is several labels, each by itself.

    Example:
        >>> labels_as_arrays(([1, 2], [3, 4]), "y")
        (array([1, 2]), array([3, 4]))
    """
    if type(labels) is tuple:
        return tuple(as_arrays(part, name) for part in labels)
    return as_arrays(labels, name)


def _is_plain(value: Any, rows: bool) -> bool:
    """Whether a nested list holds numbers, texts or nothing, and no tensors (arrays when `rows`)."""
    while isinstance(value, list | tuple):
        if not value:
            return True
        value = value[0]
    return (
        value is None
        or isinstance(value, int | float | str | bytes | np.generic)
        or (rows and isinstance(value, np.ndarray))
    )


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Inside, values of ids are not looked at: for loops that feed a model its own answers."""
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def entry(call: Method) -> Method:
    """Let a model's `call` take a mapping of its arguments as the first one, and keep TensorFlow's autograph
    out of it.
    """
    names = tuple(inspect.signature(call).parameters)

    @functools.wraps(call)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(value.content if isinstance(value, Held) else value for value in args)
        if isinstance(kwargs.get("past_key_values"), Held):
            kwargs = {**kwargs, "past_key_values": kwargs["past_key_values"].content}
        first = args[0] if args else kwargs.get("input_ids")
        if not isinstance(first, Mapping):
            check_kinds((*zip(names[1:], args, strict=False), *kwargs.items()))
            return call(self, *args, **kwargs)
        if len(args) > 1:
            raise ValueError(
                "A mapping of inputs must be the only positional argument; pass the others by name."
            )
        kwargs.pop("input_ids", None)
        unknown = [name for name in first if name not in names]
        if unknown:
            raise ValueError(
                f"{type(self).__name__} takes no input {unknown}; it takes {', '.join(names[1:])}. "
                "Drop them from the batch or rename them."
            )
        check_kinds(first.items())
        return call(self, **{**kwargs, **first})

    if BACKEND == "tensorflow":
        # Python here decides by static facts only; rewriting it as a graph would cost seconds of tracing.
        return cast(Method, sys.modules["tensorflow"].autograph.experimental.do_not_convert(wrapper))
    return cast(Method, wrapper)


_PLAIN = frozenset(
    ["logits_to_keep", "output_attentions", "output_hidden_states", "return_dict", "training", "use_cache"]
)


def check_kinds(arguments: Iterable[tuple[str, Any]]) -> None:
    """Refuse texts and plain numbers where tensors belong.

    Raises:
        TypeError: naming the argument.
    """
    for name, value in arguments:
        if isinstance(value, str | bytes | int | float) and name not in _PLAIN:
            text = isinstance(value, str | bytes)
            raise TypeError(
                f"{name} must be a tensor, an array or a nested list, not {'text' if text else repr(value)}"
                f"{': encode it with a tokenizer first.' if text and name == 'input_ids' else '.'}"
            )


def same(side: Any, other: Any) -> bool:
    """Whether two sides of shapes agree as far as both are known (None and symbols are not)."""
    return not isinstance(side, int) or not isinstance(other, int) or side == other


def check_ids(name: str, ids: Tensor, limit: int, mend: str) -> None:
    """Refuse ids outside [0, limit), where they can be seen.

    Raises:
        TypeError: ids that are no integers.
        ValueError: naming the first offender and its place.
    """
    if "int" not in str(ids.dtype):
        raise TypeError(f"{name} must be integers, not {ids.dtype}; embeddings go in by inputs_embeds.")
    known = None if _trusted.get() else concrete(ids)
    if known is None or known.size == 0:
        return
    if known.min() < 0 or known.max() >= limit:
        place = tuple(int(i) for i in next(zip(*((known < 0) | (known >= limit)).nonzero(), strict=True)))
        raise ValueError(f"{name}{list(place)} is {int(known[place])}, outside 0..{limit - 1}; {mend}")


def check_tokens(
    config: GPT2Config, input_ids: Tensor | None, inputs_embeds: Tensor | None
) -> tuple[int | None, ...]:
    """Exactly one of ids and embeddings, of a usable shape; the shape without the embedding's width.

    Raises:
        ValueError: both, neither, misshapen, empty, or ids out of the vocabulary.
    """
    if (input_ids is None) == (inputs_embeds is None):
        both = "both" if input_ids is not None else "neither"
        raise ValueError(f"Give either input_ids or inputs_embeds; {both} came.")
    if input_ids is not None:
        shape = sides(input_ids)
        if len(shape) < 2:
            raise ValueError(
                f"input_ids must be (batch, positions), not {shape}; a single row needs a batch axis: "
                "ids[None], or tokenizer([text]) instead of tokenizer(text)."
            )
        check_ids(
            "input_ids", input_ids, config.vocab_size, "the tokenizer does not fit the model's vocabulary."
        )
    else:
        shape = sides(inputs_embeds)
        if len(shape) < 3 or not same(shape[-1], config.n_embd):
            raise ValueError(
                f"inputs_embeds must be (batch, positions, n_embd={config.n_embd}), not {shape}."
            )
        shape = shape[:-1]
    if shape[-1] == 0:
        raise ValueError(
            "The input has no positions; give one token at least (GPT-2 opens a text with id 50256)."
        )
    return shape


def check_like(name: str, value: Tensor, shape: tuple[int | None, ...]) -> None:
    """Refuse a tensor that is not shaped as the input.

    Raises:
        ValueError: both shapes.
    """
    given = sides(value)
    if len(given) != len(shape) or not all(map(same, given, shape)):
        raise ValueError(f"{name} has shape {given}, but the input has {shape}; they must be alike.")


def check_length(config: GPT2Config, before: int | None, steps: int | None) -> None:
    """Refuse more positions than the model has.

    Raises:
        ContextLengthError: `before` cached and `steps` new positions exceed `n_positions`.
    """
    total = (before or 0) + (steps or 0)
    if total > config.n_positions:
        cached = f" ({before} of them in the cache)" if before else ""
        raise ContextLengthError(
            f"{total} positions{cached} are more than the model's n_positions={config.n_positions}; "
            "cut the text, or slide a window over it."
        )


def check_positions(config: GPT2Config, position_ids: Tensor, shape: tuple[int | None, ...]) -> None:
    """Refuse position ids that are misshapen or that the model has no embedding for.

    Raises:
        ValueError, ContextLengthError.
    """
    given = sides(position_ids)
    if len(given) not in (1, 2, len(shape)) or not same(given[-1], shape[-1]):
        raise ValueError(
            f"position_ids has shape {given}; it must be (positions,) or (batch, positions) of {shape}."
        )
    if "int" not in str(position_ids.dtype):
        raise TypeError(f"position_ids must be integers, not {position_ids.dtype}.")
    known = None if _trusted.get() else concrete(position_ids)
    if known is not None and known.size and (known.min() < 0 or known.max() >= config.n_positions):
        raise ContextLengthError(
            f"position_ids run from {known.min()} to {known.max()}, but the model has positions "
            f"0..{config.n_positions - 1} (n_positions)."
        )


def check_labels(name: str, labels: Tensor, shape: tuple[int | None, ...], limit: int) -> None:
    """Refuse class labels of another shape or out of range; -100 is the label that is ignored.

    Raises:
        TypeError, ValueError: naming the labels.
    """
    check_like(name, labels, shape)
    if "int" not in str(labels.dtype):
        raise TypeError(f"{name} must be integers, not {labels.dtype}.")
    known = concrete(labels)
    if known is not None and known.size:
        bad = (known != IGNORED_LABEL) & ((known < 0) | (known >= limit))
        if bad.any():
            raise ValueError(
                f"{name} holds {int(known[bad][0])}; labels are 0..{limit - 1}, or {IGNORED_LABEL} where none counts."
            )
