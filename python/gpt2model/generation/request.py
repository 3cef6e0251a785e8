"""What was asked for, once all of it is checked? One value that every method takes.

Owns the passage from a caller's arguments to that value. Refuses the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from keras import ops

from ..backend import BACKEND, Tensor
from ..errors import GenerationConfigError
from ..number_checks import whole_number
from . import door
from .config import GenerationConfig
from .decoder import Shape
from .history import NOTHING, History
from .loop import Given, Plan
from .pipeline import processors
from .processor import Processor, split
from .randomness import fresh_seed
from .sizes import padded, rounded
from .weights import Weights, check_form, prepared

Array = np.ndarray[Any, Any]


@final
@dataclass(frozen=True, eq=False)
class Called(Processor):
    """A caller's own function `(input_ids, scores) -> scores`, as transformers has them.

    It may look at values, so it runs outside of any program. `input_ids` are (rows, length), padding and all.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    pad: int

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        start = int(history.filled) - int(history.length)
        ids = history.ids[:, start : int(history.filled)]
        scores = self.function(ops.where(ids == NOTHING, self.pad, ids), logits)
        if not hasattr(scores, "shape"):
            raise TypeError(
                f"A logits processor gave {scores!r}; it must return scores of shape {tuple(logits.shape)}."
            )
        if tuple(scores.shape) != tuple(logits.shape):
            raise ValueError(
                f"A logits processor gave scores of shape {tuple(scores.shape)}; it must keep {tuple(logits.shape)}."
            )
        return ops.cast(scores, "float32")


@final
@dataclass(frozen=True, eq=False)
class Allowed(Processor):
    """Only the tokens that a caller's function `(row, input_ids) -> tokens` names (`prefix_allowed_tokens_fn`)."""

    function: Callable[[int, Tensor], Sequence[int]]
    beams: int

    def __call__(self, history: History, logits: Tensor) -> Tensor:
        """See `Processor`."""
        start = int(history.filled) - int(history.length)
        ids = history.ids[:, start : int(history.filled)]
        refused = np.full(tuple(logits.shape), -np.inf, "float32")
        for row in range(logits.shape[0]):
            allowed = [int(token) for token in self.function(row // self.beams, ids[row])]
            door.check_ids("prefix_allowed_tokens_fn", allowed, logits.shape[1])
            refused[row, allowed] = 0.0
        return logits + ops.convert_to_tensor(refused)


@final
@dataclass(frozen=True)
class Request:
    """A generation to be done.

    Attributes:
        model: the model.
        prompt: the prompts, as they came.
        config: the options.
        most: new tokens there may be.
        processors: what the logits pass through.
        seed: of chance.
        form: of the weights, one of `FORMS`, or "model" for the model's own call.
        compile: as programs, where the backend has them.
        encoder: hidden states (rows, places, n_embd) and which of them count (rows, places), or None.
    """

    model: Any
    prompt: door.Prompt
    config: GenerationConfig
    most: int
    processors: tuple[Processor, ...]
    seed: int
    form: str
    compile: bool
    encoder: tuple[Array, Array] | None = None

    @property
    def stride(self) -> int:
        """Tokens that a sliding window drops at once; 0 where it does not slide."""
        return door.window_stride(self.config, self.model.config)

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens that end a row."""
        return self.config.eos_token_id or ()

    @property
    def looks(self) -> bool:
        """Whether a processor looks at values, and so cannot be part of a program."""
        return any(isinstance(processor, Called | Allowed) for processor in self.processors)

    def repeated(self) -> Request:
        """Every prompt as often as sequences are to be returned for it."""
        times = self.config.num_return_sequences
        encoder = self.encoder
        if encoder is not None:
            encoder = np.repeat(encoder[0], times, axis=0), np.repeat(encoder[1], times, axis=0)
        return replace(self, prompt=self.prompt.repeated(times), encoder=encoder)

    def weights(self, each: int = 1) -> Weights:
        """The model's weights in the form asked for, for steps of so many tokens of each row."""
        return prepared(self.model, self.form, len(self.prompt.ids) * self.config.num_beams * each)

    def plan(self, **changes: Any) -> Plan:
        """What the program for this request is made for."""
        plan = Plan(
            shape=Shape.of(self.model.config),
            processors=split(self.processors)[0],
            room=rounded(self.most),
            sample=self.config.do_sample,
            ends=self.ends,
            pad=door.pad_of(self.config),
            scores=self.config.output_scores,
            logits=self.config.output_logits,
        )
        return replace(plan, **changes)

    def given(self, *numbers: float) -> Given:
        """What the program is given; `numbers` of the method stand behind those of the processors."""
        ids = padded(self.prompt.ids, rounded(self.prompt.width))
        all_numbers = [*split(self.processors)[1], *numbers]
        given = Given(
            ids=ops.convert_to_tensor(ids, "int32"),
            numbers=ops.convert_to_tensor(np.asarray(all_numbers, "float32")),
            most=ops.convert_to_tensor(self.most, "int32"),
            prompt=ops.convert_to_tensor(self.prompt.width, "int32"),
            seed=ops.convert_to_tensor(self.seed, "int32"),
        )
        if self.encoder is None:
            return given
        states, seen = self.encoder
        more = rounded(states.shape[1]) - states.shape[1]
        return given._replace(
            states=ops.convert_to_tensor(np.pad(states, ((0, 0), (0, more), (0, 0)))),
            seen=ops.convert_to_tensor(np.pad(seen, ((0, 0), (0, more)))),
        )


# Old code gives TensorFlow's (42, 0) and Flax' jax.random.PRNGKey(42).
_ONE_NUMBER = " such as seed=42, where TensorFlow took a pair and Flax a key"


def requested(  # noqa: PLR0917
    model: Any,
    inputs: Any,
    mask: Any,
    config: GenerationConfig,
    own: Sequence[Any],
    allowed: Callable[[int, Tensor], Sequence[int]] | None,
    tokenizer: Any,
    seed: int | None,
    form: str | None,
    compile: bool | None,
    encoder: tuple[Any, Any] = (None, None),
) -> Request:
    """A request, if all of it can be done.

    Raises:
        GenerationConfigError, ContextLengthError, ValueError, TypeError: what is wrong, before any work.
    """
    shape = model.config
    door.check_tokens(config, shape.vocab_size)
    config = door.readable(config, tokenizer, shape)
    prompt = door.prompt_of(inputs, mask, config, shape, tokenizer)
    most = door.new_tokens(prompt, config, shape)
    if seed is not None:
        seed = whole_number("seed", seed, 0, 2**31 - 1, hint=_ONE_NUMBER, error=GenerationConfigError)
    if form is not None:
        check_form(form)
    door.window_stride(config, shape)
    encoder_states = door.encoder_of(*encoder, prompt.ids.shape[0], shape)
    if form is not None and not config.use_cache:
        raise GenerationConfigError(
            f"weights={form!r} is a form for the cached ways: leave out use_cache=False."
        )
    callables: list[Processor] = [
        item if isinstance(item, Processor) else Called(_callable(item), door.pad_of(config))
        for item in door.functions("logits_processor", own)
    ]
    if compile is not None and not isinstance(compile, bool):
        raise TypeError(f"compile must be True or False, not {compile!r}.")
    if allowed is not None:
        if not callable(allowed):
            raise TypeError(
                f"prefix_allowed_tokens_fn must be a function of a row and its ids, not {allowed!r}."
            )
        callables.append(Allowed(allowed, config.num_beams))
    return Request(
        model=model,
        prompt=prompt,
        config=config,
        most=most,
        processors=processors(config, most, callables),
        seed=fresh_seed() if seed is None else int(seed),
        form=form or "float32",
        compile=BACKEND != "torch" if compile is None else compile,
        encoder=encoder_states,
    )


def _callable(item: Any) -> Callable[[Tensor, Tensor], Tensor]:
    if not callable(item):
        raise TypeError(
            f"A logits processor must be callable or a gpt2model.generation.Processor, not {item!r}."
        )
    return item
