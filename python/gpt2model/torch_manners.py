"""What does a model answer where PyTorch is beneath Keras, as those expect who write PyTorch? A module's manners.

Owns `train`, `half` and its kin, `parameters` and `device`: Keras' models are `torch.nn.Module`s there, and these four
would say something else than they mean. Refuses to be there on other backends, where `old_names.py` has the words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from .backend import BACKEND
from .options import refuse_other_types

Model = TypeVar("Model", bound="TorchManners")
_SEED = "seed_generator_state"  # Keras' name of the variable of a SeedGenerator


class TorchManners:
    """Abstract: what a model has besides Keras' own on PyTorch; nothing elsewhere."""

    if BACKEND == "torch":
        _told_to_train: bool
        weights: Any

        def train(self: Model, mode: bool = True) -> Model:
            """As `torch.nn.Module.train`: calls that do not say `training` drop out until `eval()`.

            (A module of PyTorch trains from the start; a model here does once it is told to.)
            """
            self._told_to_train = bool(mode)
            return cast(Model, super().train(mode))  # type: ignore[misc]

        def _apply(self: Model, fn: Any, *args: Any, **kwargs: Any) -> Model:
            """As `torch.nn.Module._apply`, by which `half()`, `to(dtype)` and their like change every weight.

            Raises:
                NotImplementedError: the weights would be of another type, and the model still compute in its own.
            """
            refuse_other_types(self, fn)
            return cast(Model, super()._apply(fn, *args, **kwargs))  # type: ignore[misc]

        def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
            """As `torch.nn.Module.named_parameters`, of the weights: the seeds of dropout are none.

            Keras keeps each seed as a parameter, which whoever counts or saves all parameters would find there.
            """
            for name, parameter in super().named_parameters(*args, **kwargs):  # type: ignore[misc]
                if not name.endswith(_SEED):
                    yield name, parameter

        @property
        def device(self) -> Any:
            """The `torch.device` that the weights are on, as transformers' models have it.

            Example:
                >>> from gpt2model import GPT2Config, GPT2Model
                >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
                >>> model.device == model.weights[0].value.device
                True
            """
            return self.weights[0].value.device
