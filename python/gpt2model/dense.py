"""What is kept of a product that LoRA adapts? Keras' Dense layer, saved and loaded with its addition apart.

Owns two differences from `keras.layers.Dense`. That one merges the addition into the kernel when it saves (and
where the kernel is int8, quantizes the sum anew, which moves every number), so that training could not go on
from a file. And on JAX this one makes one list of all positions. Refuses arithmetic: the layer computes as Keras' does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import keras
import numpy as np

from .backend import BACKEND, Tensor
from .low_rank import LORA_ARRAYS, merged, plain_alpha


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2Dense(keras.layers.Dense):
    """A `keras.layers.Dense` whose LoRA survives saving.

    Source: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models.

    Example:
        >>> layer = GPT2Dense(3)
        >>> layer.build((None, 2))
        >>> layer.enable_lora(1, lora_alpha=4)
        >>> arrays = {}
        >>> layer.save_own_variables(arrays)
        >>> sorted(arrays)
        ['0', '1', 'lora_alpha', 'lora_kernel_a', 'lora_kernel_b']
    """

    lora_enabled: bool
    lora_alpha: int | float

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """As Keras', (..., width) to (..., units); on JAX over one list of all positions.

        For the gradient of the kernel XLA makes one axis of two contracted ones by copying both factors transposed. A
        training step of gpt2-small on two cores, 8 x 512, JAX 0.10: 34.5 seconds of CPU time as they come, 29.5 so.
        """
        if BACKEND != "jax" or len(inputs.shape) < 3:
            return super().call(inputs, training=training)
        *leading, width = inputs.shape
        listed = super().call(keras.ops.reshape(inputs, (-1, width)), training=training)
        return keras.ops.reshape(listed, (*leading, listed.shape[-1]))

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """As Keras'. (Keras' own refuses every subclass, for fear of what they compute.)"""
        super().quantize(mode, type_check=False, config=config)

    def save_own_variables(self, store: Any) -> None:
        """The kernel as it is, and the addition under names of its own."""
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        self.lora_enabled = False  # or Keras would store the sum
        try:
            super().save_own_variables(store)
        finally:
            self.lora_enabled = True
        store["lora_kernel_a"] = self.lora_kernel_a
        store["lora_kernel_b"] = self.lora_kernel_b
        store["lora_alpha"] = np.asarray(self.lora_alpha, "float32")

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """What `save_own_variables` stored; a layer without LoRA takes the sum.

        Raises:
            ValueError: LoRA of another rank, or a sum that would have to be quantized anew.
        """
        refused = self.__dict__.pop("_refused", None)
        if refused is not None and not len(store.keys()):
            raise refused  # Keras comes again, by a path that the file does not have, and shows the last error only
        try:
            self._load(store)
        except ValueError as error:
            object.__setattr__(self, "_refused", error)
            raise

    def _load(self, store: Mapping[str, Any]) -> None:
        if not any(name in store.keys() for name in LORA_ARRAYS):  # noqa: SIM118 - Keras' stores have keys alone
            super().load_own_variables(store)
            return
        low, high, alpha = (np.asarray(store[name]) for name in LORA_ARRAYS)
        rest = {name: store[name] for name in store.keys() if name not in LORA_ARRAYS}  # noqa: SIM118
        if self.lora_enabled:
            if low.shape != tuple(self.lora_kernel_a.shape) or high.shape != tuple(self.lora_kernel_b.shape):
                raise ValueError(
                    f"{self.path}: its LoRA is of rank {self.lora_rank}, and that of the file of rank {low.shape[-1]}"
                    f": enable_lora({low.shape[-1]}) before loading the weights."
                )
            super().load_own_variables(rest)
            self.lora_kernel_a.assign(low)
            self.lora_kernel_b.assign(high)
            self.lora_alpha = plain_alpha(alpha)
            return
        if self.quantization_mode is not None:
            raise ValueError(
                f"{self.path}: the file holds LoRA beside a quantized kernel, and this layer has none: call "
                f"enable_lora({low.shape[-1]}) before loading the weights, or use keras.saving.load_model."
            )
        rest["0"] = merged(rest["0"], low, high, float(alpha))
        super().load_own_variables(rest)
