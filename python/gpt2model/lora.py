"""How is a model fine-tuned by a few numbers? LoRA over Keras' own Dense layers.

Owns the choice of layers and the freezing of all others. Refuses the arithmetic:
`keras.layers.Dense.enable_lora` has it, and `dense.py` keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .backend import BACKEND
from .low_rank import check_rank


def restrict_to_lora(
    model: Any, rank: int, lora_alpha: int | None, target_names: Sequence[str], also_train: Sequence[str]
) -> None:
    """Freeze a model but for low-rank additions to the Dense layers named, and for layers named to stay
    trainable.

    Raises:
        TypeError: a rank that is no integer, a factor that is no number, or one name instead of several.
        ValueError: a rank below 1, a name that no layer has, or a layer that has LoRA already.
    """
    rank = check_rank(rank, lora_alpha)
    for argument, given in (("target_names", target_names), ("also_train", also_train)):
        if isinstance(given, str):
            raise TypeError(f"enable_lora: {argument} is a sequence of names: [{given!r}], not {given!r}.")
    leaves = [
        layer for layer in model._flatten_layers(include_self=False) if not list(layer._flatten_layers(False))
    ]
    targets = [
        layer for layer in leaves if layer.name in target_names and isinstance(layer, keras.layers.Dense)
    ]
    kept = [layer for layer in leaves if layer.name in also_train]
    names = {layer.name for layer in targets} | {layer.name for layer in kept}
    missing = (set(target_names) | set(also_train)) - names
    others = missing & {layer.name for layer in leaves}
    if others:
        raise ValueError(
            f"enable_lora: {', '.join(sorted(others))} cannot have LoRA, which is for products "
            f"({', '.join(sorted({layer.name for layer in leaves if isinstance(layer, keras.layers.Dense)}))}); "
            "also_train trains them whole."
        )
    if missing:
        raise ValueError(
            f"enable_lora: {type(model).__name__} has no such layer: {', '.join(sorted(missing))}; it has "
            f"{', '.join(sorted({layer.name for layer in leaves if layer.variables}))}."
        )
    twice = [layer.path for layer in targets if layer.lora_enabled]
    if twice:
        raise ValueError(
            f"enable_lora: {', '.join(twice)} have LoRA already; to begin with another one, merge the first: "
            "save_pretrained, then from_pretrained."
        )
    for layer in leaves:
        if layer not in kept:
            layer.trainable = False
    for layer in targets:
        layer.trainable = True
        layer.enable_lora(rank, lora_alpha=lora_alpha)  # freezes the kernel itself
        if layer.bias is not None:
            layer.bias.trainable = False
    forget_compiled(model)


def forget_compiled(model: Any) -> None:
    """Tell Keras and the backend that the weights are not those they knew: compiled functions and lists of
    parameters.
    """
    model.train_function = model.test_function = model.predict_function = None
    if BACKEND == "torch":
        for layer in model._flatten_layers():
            layer._track_variables()
