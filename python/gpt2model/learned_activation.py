"""Which activations learn? Those with weights of their own, as a layer that holds them.

Owns the layer of "prelu" and "xielu". Refuses the formulas (`activations.py`) and the names and first values of the
weights (`activation_weights.py`).
"""

from __future__ import annotations

from typing import Any, final

import keras

from .activation_weights import LEARNED, activation_weights
from .activations import Activation, activation
from .backend import Tensor


@final
class GPT2Activation(keras.layers.Layer):
    """An activation with weights of its own.

    Arguments:
        function: a name of `LEARNED`.

    Sources: He et al. 2015, Delving Deep into Rectifiers (prelu); Huang and Schlag 2024, Deriving Activation
    Functions Using Integration (xielu).

    Example:
        >>> layer = GPT2Activation("prelu")
        >>> layer.build(None)
        >>> float(layer(keras.ops.convert_to_tensor([-2.0]))[0])
        -0.5
    """

    def __init__(self, function: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        for name, weight in LEARNED[self.function].items():
            variable = self.add_weight(
                shape=weight.shape,
                initializer=keras.initializers.Constant(weight.first),
                trainable=weight.learns,
                name=name,
            )
            setattr(self, name, variable)
        self.built = True

    @property
    def numbers(self) -> tuple[Any, ...]:
        """The variables, in the order in which the function takes them."""
        return tuple(getattr(self, name) for name in LEARNED[self.function])

    def call(self, inputs: Tensor) -> Tensor:
        """Any shape to the same."""
        return activation(self.function)(inputs, *self.numbers)


def activation_layer(name: str | None, dtype: Any, layer_name: str) -> Activation | GPT2Activation:
    """The function of that name, or the layer where it learns.

    Arguments:
        dtype: of the layer.
        layer_name: by which a model and its files know it.

    Raises:
        ValueError: an unknown name.
    """
    if activation_weights(name):
        return GPT2Activation(str(name), dtype=dtype, name=layer_name)
    return activation(name)
