"""What may stand beside the configuration when a model is made? Keras' options, and nothing misspelt.

Owns the check of `name`, `dtype` and the like. Refuses fields of the configuration, which go into `GPT2Config`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import keras

from .config_fields import ALIASES, FIELDS
from .old_names import constructor_hint
from .quantization import checked_mode

_OPTIONS = ("name", "dtype", "trainable", "autocast", "activity_regularizer")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def checked_options(class_name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a model's constructor, the dtype as a policy.

    Arguments:
        class_name: of the model, for messages.
        options: what came beside the configuration.

    Raises:
        TypeError: an option that does not exist.
        ValueError: a dtype that no model can have.

    Example:
        >>> checked_options("GPT2Model", {"dtype": "mixed_bfloat16"})["dtype"].compute_dtype
        'bfloat16'
        >>> checked_options("GPT2Model", {"n_layer": 2})
        Traceback (most recent call last):
        ...
        TypeError: GPT2Model: n_layer belongs to the configuration: GPT2Model(GPT2Config(n_layer=...)).
    """
    for name in options:
        if name in _OPTIONS:
            continue
        if name in FIELDS or name in ALIASES or name == "num_labels":
            raise TypeError(
                f"{class_name}: {name} belongs to the configuration: {class_name}(GPT2Config({name}=...))."
            )
        if (old := constructor_hint(name)) is not None:
            raise TypeError(f"{class_name} takes no option {name!r}: {old}.")
        near = difflib.get_close_matches(name, [*_OPTIONS, *FIELDS, *ALIASES], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise TypeError(
            f"{class_name} takes no option {name!r}, only {', '.join(_OPTIONS)} beside the configuration{hint}"
        )
    if options.get("dtype") is None:
        return dict(options)
    return {**options, "dtype": _policy(class_name, options["dtype"])}


def refuse_other_types(model: Any, change: Any) -> None:
    """Refuse what would give a module of PyTorch weights of another type: Keras goes on in that of its policy.

    Arguments:
        model: on PyTorch.
        change: a function of tensors, as `torch.nn.Module._apply` takes it.

    Raises:
        NotImplementedError: with what to write instead.
    """
    kept = next((weight for weight in model.parameters() if weight.is_floating_point()), None)
    if kept is None:
        return
    became = str(change(kept.new_empty(0)).dtype).removeprefix("torch.")
    if became != str(kept.dtype).removeprefix("torch."):
        raise NotImplementedError(
            f"{type(model).__name__} was made to compute in {model.compute_dtype}, and its weights alone cannot become"
            f" {became}: make it so, by from_pretrained(directory, dtype={became!r}) or"
            f" {type(model).__name__}(config, dtype={became!r})."
        )


def _policy(class_name: str, dtype: Any) -> Any:
    try:
        if not isinstance(dtype, str | dict | keras.DTypePolicy):
            dtype = keras.backend.standardize_dtype(dtype)  # torch.bfloat16, np.float16
        policy = keras.dtype_policies.get(dtype)
    except (TypeError, ValueError):
        policy = None
    kinds = keras.dtype_policies
    if isinstance(policy, kinds.QuantizedDTypePolicy):  # which fits no embedding of positions, nor a norm
        raise ValueError(
            f"{class_name}: dtype={policy.name!r} makes no whole model: make it, then call"
            " model.quantize('int8') or model.quantize('int4')."
        )
    if isinstance(policy, kinds.DTypePolicyMap):
        for part in policy.values():
            checked_mode(class_name, part.quantization_mode)
    elif policy is None or policy.compute_dtype not in _FLOATS:
        raise ValueError(
            f"{class_name}: dtype={dtype!r} is no type that a model computes in: give {', '.join(_FLOATS)},"
            " mixed_bfloat16, mixed_float16 or a keras.DTypePolicy."
        )
    return policy
