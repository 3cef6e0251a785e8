"""What is baked into an exported generator? Its bounds and its defaults, checked together.

Owns the options of `export_text_generator`, and what a model's own generation configuration says of them. Refuses
to build a graph. Loads no framework.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ..errors import ContextLengthError, GenerationConfigError
from ..generation.config import GenerationConfig
from ..generation.fields import OPTIONS, flag, unknown_token
from ..number_checks import real_number, whole_number

WEIGHTS = ("float32", "bfloat16", "int8")
MOST_TEMPERATURE = 100.0
LEAST_TEMPERATURE = 0.01  # but for 0: below it, logits divided by it leave the range of float32
MOST_SEED = 2**31 - 1
# Options of a generation configuration that a graph of this kind has, or that say nothing to it.
_KNOWN = frozenset(
    """
    bos_token_id eos_token_id pad_token_id do_sample temperature top_k top_p max_new_tokens max_length use_cache
    num_beams num_return_sequences output_scores output_logits return_dict_in_generate
    """.split()  # noqa: SIM905
)


@final
@dataclass(frozen=True)
class ExportOptions:
    """What the graph allows and what it does unasked.

    Attributes:
        max_new_tokens: most new tokens of a text, and what `serving_default` makes.
        max_prompt_tokens: most tokens of a prompt.
        max_batch_size: most texts of a request.
        max_score_tokens: most tokens of a text that `score` judges.
        long_prompts: "cut" on the left, or "refuse".
        temperature, top_k, top_p, seed: how `serving_default` samples; temperature 0 takes the likeliest token.
        ends: tokens that end a text.
        weights: one of `WEIGHTS`.
        xla: compile the model's part of the graph.
        skip_special_tokens: leave special tokens out of continuations.
    """

    max_new_tokens: int
    max_prompt_tokens: int
    max_batch_size: int
    max_score_tokens: int
    long_prompts: str
    temperature: float
    top_k: int
    top_p: float
    seed: int
    ends: tuple[int, ...]
    weights: str
    xla: bool
    skip_special_tokens: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "ends": list(self.ends)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExportOptions:
        """What `to_dict` gave."""
        return cls(**{**values, "ends": tuple(values["ends"])})


def export_options(config: Any, own: GenerationConfig, given: Mapping[str, Any]) -> ExportOptions:
    """The options of a call, None meaning the default, for a model.

    Args:
        config: of the model.
        own: the model's options of generation, which are the defaults of these.
        given: by the caller; every field but `ends`, and `eos_token_id`.

    Raises:
        TypeError: a value of the wrong kind.
        GenerationConfigError: out of range, or an option of `own` that no exported graph has; named.
        ContextLengthError: more positions than the model has.
    """
    _refuse_unknown(own)
    said = {name: value for name, value in given.items() if value is not None}
    positions = int(config.n_positions)
    new = _whole(
        "max_new_tokens", said.get("max_new_tokens", own.max_new_tokens or min(128, positions // 2)), 1
    )
    if new >= positions:
        raise ContextLengthError(
            f"max_new_tokens={new} leaves no place for a prompt: the model has n_positions={positions}."
        )
    # By default all that the model has room for: a request for fewer new tokens may have a longer prompt.
    prompt = _whole("max_prompt_tokens", said.get("max_prompt_tokens", positions - 1), 1)
    if prompt >= positions:
        raise ContextLengthError(
            f"max_prompt_tokens={prompt} leaves no place for a new token: the model has n_positions={positions}."
        )
    sample = own.do_sample
    temperature = _number(
        "temperature", said.get("temperature", own.temperature if sample else 0.0), 0.0, MOST_TEMPERATURE
    )
    if 0.0 < temperature < LEAST_TEMPERATURE:
        raise GenerationConfigError(
            f"temperature must be 0 (the likeliest token) or from {LEAST_TEMPERATURE} to {MOST_TEMPERATURE}, not "
            f"{temperature}."
        )
    top_p = _number("top_p", said.get("top_p", own.top_p if sample else 1.0), 0.0, 1.0)
    if top_p == 0.0:
        raise GenerationConfigError("top_p must be more than 0: with 0 no token is left.")
    long_prompts = said.get("long_prompts", "cut")
    if long_prompts not in ("cut", "refuse"):
        raise GenerationConfigError(f"long_prompts must be 'cut' or 'refuse', not {long_prompts!r}.")
    weights = said.get("weights", "float32")
    if weights not in WEIGHTS:
        raise GenerationConfigError(f"weights must be one of {', '.join(WEIGHTS)}, not {weights!r}.")
    return ExportOptions(
        max_new_tokens=new,
        max_prompt_tokens=prompt,
        max_batch_size=_whole("max_batch_size", said.get("max_batch_size", 8), 1, 4096),
        max_score_tokens=_whole("max_score_tokens", said.get("max_score_tokens", 16 * positions), 2),
        long_prompts=long_prompts,
        temperature=temperature,
        top_k=_whole("top_k", said.get("top_k", own.top_k or 0 if sample else 0), 0),
        top_p=top_p,
        seed=_whole("seed", said.get("seed", 0), 0, MOST_SEED),
        ends=_ends(said.get("eos_token_id", own.eos_token_id), int(config.vocab_size)),
        weights=weights,
        xla=flag("xla", said.get("xla", True)),
        skip_special_tokens=flag("skip_special_tokens", said.get("skip_special_tokens", True)),
    )


def _refuse_unknown(own: GenerationConfig) -> None:
    values = own.to_dict()
    extra = [name for name, value in values.items() if name not in _KNOWN and value != OPTIONS[name].default]
    extra += [name for name in ("num_beams", "num_return_sequences") if getattr(own, name) != 1]
    if extra:
        raise GenerationConfigError(
            f"model.generation_config asks for {', '.join(extra)}, which an exported generator does not have: it knows "
            "temperature, top_k, top_p, max_new_tokens and eos_token_id. Set model.generation_config to a "
            "GenerationConfig without the others, or generate in Python."
        )


def _ends(value: Any, vocabulary: int) -> tuple[int, ...]:
    found: tuple[int, ...] = GenerationConfig(eos_token_id=value).eos_token_id or ()
    for token in found:
        if token >= vocabulary:
            raise GenerationConfigError(unknown_token("eos_token_id", token, vocabulary))
    return found


def _whole(name: str, value: Any, low: int, high: int = MOST_SEED) -> int:
    return whole_number(name, value, low, high, error=GenerationConfigError)


def _number(name: str, value: Any, low: float, high: float) -> float:
    return real_number(name, value, low, high, error=GenerationConfigError)
