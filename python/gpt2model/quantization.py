"""How is a model quantized? The policies of its layers and the quantizers of their inputs as plain data, and back.

Owns what `get_config` says of both, so that a loaded model computes as the saved one did. Refuses to quantize:
that is `keras.Model.quantize`'s, and so are the integers and their scales.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras


def policy_of(layer: keras.layers.Layer) -> keras.DTypePolicy:
    """A layer's own policy, where it was made with a map of those of all layers."""
    policy = layer.dtype_policy
    if not isinstance(policy, keras.dtype_policies.DTypePolicyMap):
        return policy
    return policy[layer.path] if layer.path else policy.default_policy


def checked_mode(class_name: str, mode: Any) -> Any:
    """What a model may be quantized to: all that Keras knows but float8.

    Keras rounds what goes into a Dense layer's products to float8 and keeps the weights as they are, leaves the
    embeddings alone, and no checkpoint can say so: nothing gets smaller, and on no machine of ours faster.

    Raises:
        ValueError: float8, with what to write instead.

    Example:
        >>> checked_mode("GPT2Model", "int8")
        'int8'
    """
    if isinstance(mode, str) and mode.startswith("float8"):
        raise ValueError(
            f"{class_name} is not quantized to {mode}: quantize('int8') and quantize('int4') make it smaller,"
            " and one made or loaded with dtype='bfloat16' or 'float16' computes in half precision."
        )
    return mode


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While a model is quantized: Keras warns of every layer that has nothing to quantize, such as Dropout."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
        yield


def policies_of(model: keras.Model) -> dict[str, Any]:
    """The model's policy as Keras writes it, with those of the layers that have another one."""
    policies = keras.dtype_policies.DTypePolicyMap(default_policy=model.dtype_policy)
    for layer in model._flatten_layers(include_self=False):
        if layer.path and layer.dtype_policy != model.dtype_policy:
            policies[layer.path] = layer.dtype_policy
    written: dict[str, Any] = keras.dtype_policies.serialize(
        policies if len(policies) else model.dtype_policy
    )
    return written


def quantizers_of(model: keras.Model) -> list[list[Any]]:
    """What a policy does not say: whether, and how, a layer quantizes its inputs.

    Returns:
        Pairs of a configuration, as Keras writes it, and the paths of the layers that have it. Empty for what
        `quantize("int8")` makes, which is what Keras makes of a policy alone.

    Example:
        >>> from gpt2model import GPT2Config, GPT2Model
        >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> quantizers_of(model)
        []
    """
    usual = _written(keras.quantizers.Int8QuantizationConfig())
    pairs: list[list[Any]] = []
    for layer in model._flatten_layers(include_self=False):
        config = getattr(layer, "quantization_config", None)
        if layer.quantization_mode is None or config is None:
            continue
        written = _written(config)
        if written == usual:
            continue
        paths = next((paths for known, paths in pairs if known == written), None)
        if paths is None:
            pairs.append([written, [layer.path]])
        else:
            paths.append(layer.path)
    return pairs


def _written(config: Any) -> Any:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):  # the number is Keras' own mark of what it wrote before
            return {name: plain(part) for name, part in value.items() if name != "shared_object_id"}
        return [plain(part) for part in value] if isinstance(value, list | tuple) else value

    return plain(keras.saving.serialize_keras_object(config))


def restore_quantizers(model: keras.Model, pairs: Sequence[Sequence[Any]]) -> None:
    """Give the layers of a quantized model the quantizers of which `quantizers_of` spoke.

    Raises:
        ValueError: something else than a configuration of Keras', or layers that are not there.
    """
    layers = {layer.path: layer for layer in model._flatten_layers(include_self=False)}
    for written, paths in pairs:
        config = keras.saving.deserialize_keras_object(written)
        unknown = [path for path in paths if path not in layers]
        if not isinstance(config, keras.quantizers.QuantizationConfig) or unknown:
            raise ValueError(
                f"{type(model).__name__}: quantizers of {', '.join(unknown[:8]) or type(config).__name__}: the "
                "configuration is of another model, or damaged."
            )
        for path in paths:
            layers[path].quantization_config = config
            if hasattr(layers[path], "inputs_quantizer"):
                layers[path].inputs_quantizer = config.activation_quantizer
