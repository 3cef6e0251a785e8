"""Which weights of a model learn? The flags and the LoRA additions as plain data, and back.

Owns what `get_config` says of both, so that training goes on after a model was saved and loaded. (Keras writes
down whether a whole model learns, and nothing of its parts.) Refuses values: they are saved as all weights are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from .lora import forget_compiled
from .low_rank import check_rank, plain_alpha

Owned = tuple[str, keras.layers.Layer, keras.layers.Layer]


def learning_of(model: keras.Model) -> dict[str, Any]:
    """What differs from a fresh model.

    Returns:
        `lora`: rank and alpha of every layer that has LoRA, by path; `flipped`: the layers and weights that
        learn where their owner does not, or the other way. Empty when nothing differs.

    Example:
        >>> from gpt2model import GPT2Config, GPT2Model
        >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> model.h[0].trainable = False
        >>> learning_of(model)
        {'flipped': ['h_0']}
    """
    lora: dict[str, list[float]] = {}
    flipped: list[str] = []
    for path, layer, owner in _layers(model):
        if getattr(layer, "lora_enabled", False):
            lora[path] = [layer.lora_rank, plain_alpha(layer.lora_alpha)]
        if layer.trainable != owner.trainable:
            flipped.append(path)
        flipped += [
            f"{path}/{weight.name}"
            for weight in layer._trainable_variables
            if weight.trainable != layer.trainable
        ]
    return {name: value for name, value in (("lora", lora), ("flipped", flipped)) if value}


def restore_learning(model: keras.Model, state: Mapping[str, Any]) -> None:
    """Make a fresh model learn as the one did of which `learning_of` spoke.

    Raises:
        ValueError: names that the model does not have, or numbers that no LoRA has.
    """
    lora, flipped = dict(state.get("lora") or {}), set(state.get("flipped") or ())
    for path, layer, owner in _layers(model):
        if path in lora:
            rank, alpha = lora.pop(path)
            check_rank(rank, alpha)
            layer.enable_lora(rank, lora_alpha=alpha)
        layer.trainable = owner.trainable != (path in flipped)  # and all below it, whose turn comes later
        flipped.discard(path)
        for weight in layer._trainable_variables:
            name = f"{path}/{weight.name}"
            weight.trainable = layer.trainable != (name in flipped)
            flipped.discard(name)
    unknown = [*lora, *sorted(flipped)]
    if unknown:
        raise ValueError(
            f"{type(model).__name__} has no layer or weight {', '.join(unknown[:8])}: the configuration is of another "
            "model, or damaged."
        )
    forget_compiled(model)


def _layers(owner: Any, prefix: str = "") -> Iterator[Owned]:
    """Every layer that has weights, with its path below the model and its owner; owners before what they own."""
    for layer in owner._layers:
        if layer.weights:
            path = f"{prefix}{layer.name}"
            yield path, layer, owner
            yield from _layers(layer, f"{path}/")
