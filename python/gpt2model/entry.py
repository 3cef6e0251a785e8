"""May these inputs come in? The door of every model.

Owns the kinds and shapes of what a caller passes, and the mapping form of a call (`model({"input_ids": ...,
...})`, which is how `fit` passes a batch). Refuses values, which are `bounds.py`'s: under tracing only shapes are
checked here, at no cost in the graph.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast, final

import keras
import numpy as np
from keras import ops

from .backend import BACKEND, Tensor, sides
from .bounds import outside
from .cache import KVCache
from .config import GPT2Config
from .errors import ContextLengthError
from .old_names import call_hint

Method = TypeVar("Method", bound=Callable[..., Any])


@final
class Held:
    """What goes through Keras unseen: a cache, since Keras takes apart every structure it can see and refuses
    one that mixes tensors and plain numbers, as a cache with a known offset does; and labels that are no whole
    numbers, since Keras would round them to the type that the model computes in."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


def check_names(class_name: str, names: Sequence[str], given: Iterable[str]) -> None:
    """Refuse arguments that a call does not take.

    Arguments:
        class_name: of the model.
        names: of the arguments that it takes.
        given: those of a call.

    Raises:
        TypeError: saying what is written instead, or which class takes it.
    """
    for name in given:
        if name in names:
            continue
        hint = call_hint(name)  # no `:=`, here and in `as_arrays`: AutoGraph, which comes by, cannot read it
        if hint is not None:
            raise TypeError(f"A call takes no argument {name!r}: {hint}.")
        near = difflib.get_close_matches(name, names, n=1)
        hint = takers(name) or (f"did you mean {near[0]}?" if near else f"it takes {', '.join(names)}.")
        raise TypeError(f"{class_name} takes no argument {name!r}: {hint}")


def takers(name: str) -> str:
    """Which models take an input of that name, as the end of a message; empty when none does.

    Example:
        >>> takers("mc_labels")
        'GPT2DoubleHeadsModel takes it.'
    """
    from . import family  # which imports the models, and they this module

    models = {getattr(family, model) for model in family.__all__ if model.startswith("GPT2")}
    found = sorted(
        model.__name__
        for model in models
        if name in getattr(getattr(model, "call", None), "argument_names", ())
    )
    return f"{', '.join(found)} {'takes' if len(found) == 1 else 'take'} it." if found else ""


def arrays_of(
    names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with nested lists of numbers as arrays.

    Arguments:
        names: of the positional arguments.

    Raises:
        TypeError: something else than numbers.
        ValueError: a list whose rows differ in length.
    """

    def array(name: str, value: Any) -> Any:
        if name in _FLAGS and isinstance(value, np.generic):
            return value.item()  # Keras would make a tensor of it
        return value if name == "past_key_values" else as_arrays(value, name, rows=True)

    first = args[0] if args else kwargs.get("input_ids")
    if isinstance(first, list | tuple) and any(part is None for part in first):
        raise TypeError(
            "input_ids is a list with None in it, which says nothing of what the others are: give inputs by name, "
            "model(ids, attention_mask=mask), or as a mapping."
        )
    # More arguments than there are names go on to Python, which has its own word for that.
    named = (*names, *("an argument",) * max(0, len(args) - len(names)))
    return (
        tuple(array(name, value) for name, value in zip(named, args, strict=False)),
        {name: array(name, value) for name, value in kwargs.items()},
    )


def held(
    names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with each cache and each float label in its holder; those in a mapping of inputs come out of it.

    Raises:
        TypeError: a cache of a kind that is not taken.
    """
    kwargs = {name: _held(name, value) for name, value in kwargs.items()}
    args = tuple(_held(name, value) for name, value in zip(names, args, strict=False)) + args[len(names) :]
    first = args[0] if args else kwargs.get("input_ids")
    if isinstance(first, Mapping) and not {"labels", "past_key_values"}.isdisjoint(first):
        # Keras refuses a structure in which tensors and holders meet.
        parts = {name: _held(name, value) for name, value in first.items()}
        kwargs |= {name: part for name, part in parts.items() if isinstance(part, Held)}
        rest = {name: part for name, part in parts.items() if not isinstance(part, Held)}
        args, kwargs = ((rest, *args[1:]), kwargs) if args else (args, {**kwargs, "input_ids": rest})
    return args, kwargs


def _held(name: str, value: Any) -> Any:
    if name == "past_key_values":
        check_past(value)
        return Held(value) if isinstance(value, KVCache) else value
    if name == "labels":
        floats = "float" in str(getattr(value, "dtype", ""))
        return Held(value) if floats and not isinstance(value, keras.KerasTensor) else value
    return value


def _released(value: Any) -> Any:
    """What a holder holds; labels as float32, in which losses are computed."""
    if not isinstance(value, Held):
        return value
    if isinstance(value.content, KVCache):
        return value.content
    return ops.cast(ops.convert_to_tensor(value.content), "float32")


# TensorFlow's tensors that are no rectangles, and what makes them such.
_DENSE: Mapping[str, str] = {
    "RaggedTensor": "ids.to_tensor() makes one, and tf.ones_like(ids).to_tensor() is its attention_mask",
    "SparseTensor": "tf.sparse.to_dense makes one",
}


def as_arrays(value: Any, name: str, *, rows: bool = False) -> Any:
    """A nested list of numbers, alone or in a mapping, as an array; anything else as it is. (For PyTorch, which has
    hardly any unsigned numbers of 64 bits, NumPy's as signed ones.)

    Arguments:
        value: what a caller passes; a tokenizer's answer is a mapping of lists.
        name: of the argument, for messages.
        rows: a list of arrays is one array's rows too. (To `fit` it is several inputs.)

    Raises:
        TypeError: a list or an array that holds something else than numbers, or a ragged or sparse tensor.
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
    if isinstance(value, np.ndarray | np.generic):
        return _numbers(value, name)
    mend = _DENSE.get(type(value).__name__)
    if mend is not None:
        raise TypeError(f"{name} must be a rectangle of numbers, not a {type(value).__name__}: {mend}.")
    if not isinstance(value, list | tuple) or not _is_plain(value, rows and isinstance(value, list)):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name}: a list of {len(value)} rows is no rectangle ({error}); pad the rows to one length and pass an "
            "attention_mask, as the tokenizer does with padding=True."
        ) from error
    return array.astype("int32") if array.size == 0 else _numbers(array, name, "list")


def _numbers(array: Any, name: str, form: str = "array") -> Any:
    """The array, of numbers that every backend has."""
    if array.dtype.kind in "USOcmM":
        what = f"{array.dtype}: real numbers belong here"
        if array.dtype.kind in "USO":
            is_text = array.dtype.kind != "O"
            what = "texts: encode them with a tokenizer first" if is_text else "something else beside them"
        raise TypeError(
            f"{name} must be a tensor, an array or a nested list of numbers; this {form} holds {what}."
        )
    if BACKEND == "torch" and array.dtype == np.uint64 and (array.size == 0 or array.max() < 2**63):
        return array.astype("int64")  # what 63 bits do not hold is out of every bound, and refused as it is
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


def entry(call: Method) -> Method:
    """Let a model's `call` take a mapping of its arguments as the first one, and keep TensorFlow's autograph
    out of it.
    """
    names = tuple(inspect.signature(call).parameters)

    @functools.wraps(call)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return told(self, *args, **kwargs)
        except (ValueError, TypeError) as error:
            _keep_words(error)
            raise

    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(map(_released, args))
        kwargs = {name: _released(value) for name, value in kwargs.items()}
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
            hint = takers(unknown[0]) or f"it takes {', '.join(names[1:])}."
            raise ValueError(
                f"{type(self).__name__} takes no input {unknown}; {hint} Drop them from the batch or rename them."
            )
        given = {**kwargs, **{name: _released(value) for name, value in first.items()}}
        check_kinds(given.items())
        return call(self, **given)

    door: Any = wrapper
    if BACKEND == "tensorflow":
        # Python here decides by static facts only; rewriting it as a graph would cost seconds of tracing.
        door = sys.modules["tensorflow"].autograph.experimental.do_not_convert(wrapper)
    door.argument_names = names[1:]
    return cast(Method, door)


def _keep_words(error: Exception) -> None:
    """Have Keras pass an error of this package as it is: it says what was wrong, where, and how to mend it.

    Keras makes another message of whatever a call raises, with codes of a terminal's bold type around the first one and
    a line for each argument behind it. That helps where a library says little, so other errors keep it.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith(f"{__package__}."):
        error._keras_call_info_injected = True  # type: ignore[attr-defined]


_FLAGS = frozenset(["output_attentions", "output_hidden_states", "return_dict", "training", "use_cache"])
_PLAIN = frozenset(["logits_to_keep", *_FLAGS])
_FLOATS = frozenset(["inputs_embeds", "encoder_hidden_states"])


def check_kinds(arguments: Iterable[tuple[str, Any]]) -> None:
    """Refuse texts and plain numbers where tensors belong, whole numbers where vectors do, and flags that are
    neither true nor false.

    Raises:
        TypeError: naming the argument.
    """
    for name, value in arguments:
        if name in _FLAGS and not (value is None or isinstance(value, bool | np.bool_ | int)):
            raise TypeError(f"{name} must be True, False or None (as configured), not {value!r}.")
        if "complex" in str(getattr(value, "dtype", "")):
            raise TypeError(f"{name} must be real numbers, not {value.dtype}.")
        if name in _FLOATS and value is not None and "float" not in str(getattr(value, "dtype", "float")):
            ids = "; ids go in by input_ids." if name == "inputs_embeds" else "."
            raise TypeError(
                f"{name} must be floating-point vectors, not {tuple(value.shape)} of {value.dtype}{ids}"
            )
        if isinstance(value, str | bytes | int | float) and name not in _PLAIN:
            text = isinstance(value, str | bytes)
            raise TypeError(
                f"{name} must be a tensor, an array or a nested list, not {'text' if text else repr(value)}"
                f"{': encode it with a tokenizer first.' if text and name == 'input_ids' else '.'}"
            )


def same(side: Any, other: Any) -> bool:
    """Whether two sides of shapes agree as far as both are known (None and symbols are not)."""
    return not isinstance(side, int) or not isinstance(other, int) or side == other


def check_ids(name: str, ids: Tensor, limit: int | Tensor) -> Tensor | None:
    """Refuse ids outside [0, limit), where they can be seen; elsewhere say which are, as `bounds.outside` does.

    Raises:
        TypeError: ids that are no integers.
        ValueError: naming the first offender and its place.
    """
    if "int" not in str(ids.dtype):
        raise TypeError(f"{name} must be integers, not {ids.dtype}; embeddings go in by inputs_embeds.")
    return outside(name, ids, limit)


def check_past(past: Any) -> None:
    """Refuse what is no cache of ours.

    transformers' own caches among it: they are filled in place, and whoever passes one counts on that, while a
    call here gives back another cache.

    Raises:
        TypeError: with the line that converts it.
    """
    if (
        past is None
        or isinstance(past, KVCache | tuple | list | np.ndarray | keras.KerasTensor)
        or ops.is_tensor(past)
    ):
        return
    kind, mend = type(past).__name__, "leave it out for none."
    if hasattr(past, "layers") or hasattr(past, "to_legacy_cache"):
        mend = "tuple((layer.keys.numpy(), layer.values.numpy()) for layer in cache.layers) makes the latter of it."
    raise TypeError(
        f"past_key_values must be a KVCache or Hugging Face's tuple of (key, value) for each layer, not {kind}; {mend}"
    )


def check_tokens(
    config: GPT2Config, input_ids: Tensor | None, inputs_embeds: Tensor | None
) -> tuple[int | None, ...]:
    """Exactly one of ids and embeddings, of a usable shape; the shape without the embedding's width.

    Raises:
        ValueError: both, neither, misshapen or empty.
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


def check_positions(
    config: GPT2Config, position_ids: Tensor, shape: tuple[int | None, ...], batch: int | None
) -> Tensor | None:
    """Refuse position ids that are misshapen or that the model has no embedding for; where they have no values
    yet, say which have none, as `bounds.outside` does.

    Arguments:
        shape: of the input.
        batch: its rows, leading axes joined.

    Raises:
        ValueError, ContextLengthError.
    """
    given = sides(position_ids)
    good = len(given) in (1, 2, len(shape)) and same(given[-1], shape[-1])
    if good and len(given) == 2:
        good = same(given[0], batch) or same(given[0], 1)
    elif good:
        good = len(given) == 1 or all(map(same, given, shape))
    if not good:
        raise ValueError(
            f"position_ids has shape {given}; it must be {shape}, (1, {shape[-1]}) or ({shape[-1]},): one position for "
            "each token."
        )
    if "int" not in str(position_ids.dtype):
        raise TypeError(f"position_ids must be integers, not {position_ids.dtype}.")
    return outside("position_ids", position_ids, config.n_positions)


def check_labels(name: str, labels: Tensor, shape: tuple[int | None, ...], limit: int) -> None:
    """Refuse class labels of another shape or out of range; -100 is the label that is ignored. (Where labels
    have no values yet, those out of range make the loss NaN; see `losses.cross_entropy`.)

    Raises:
        TypeError, ValueError: naming the labels.
    """
    check_like(name, labels, shape)
    if "int" not in str(labels.dtype):
        raise TypeError(f"{name} must be integers, not {labels.dtype}.")
    outside(name, labels, limit)
