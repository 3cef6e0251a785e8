"""How is text generated? One door to every method.

Owns `generate`: the checking of a call, the choice of the method, and the answer's form. Refuses the methods
themselves, each of which has a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from ..errors import GenerationConfigError
from . import door
from .answers import (
    GenerateBeamDecoderOnlyOutput,
    GenerateDecoderOnlyOutput,
    check_fault,
    per_step,
    tensor_of_ids,
)
from .beams import BeamPlan, ranked, search
from .compiling import program
from .config import GenerationConfig
from .contrastive import contrasted
from .history import NOTHING
from .loop import State, run
from .plain import plain_run
from .request import Request, requested
from .sliding import slid
from .speculative import from_a_model, from_the_text, speculated
from .stopping import bytes_of, rules
from .streaming import feed, streamed
from .watched import contrastive_plan, given_of, tokens_of, watched


def config_of(model: Any) -> GenerationConfig:
    """The model's own options: its `generation_config`, else the special tokens of its configuration."""
    own: GenerationConfig | None = model.__dict__.get("_generation_config")
    if own is not None:
        return own
    config = model.config
    return GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )


# What a call takes besides options of a configuration.
_ARGUMENTS: Mapping[str, Any] = {
    "attention_mask": None,
    "encoder_hidden_states": None,
    "encoder_attention_mask": None,
    "logits_processor": (),
    "stopping_criteria": (),
    "prefix_allowed_tokens_fn": None,
    "seed": None,
    "weights": None,
    "compile": None,
}


def options_of(
    model: Any, generation_config: GenerationConfig | None, options: Mapping[str, Any]
) -> tuple[GenerationConfig, dict[str, Any]]:
    """A call's configuration, and its arguments besides.

    Raises:
        TypeError, GenerationConfigError: what is wrong with them.
    """
    if generation_config is not None and not isinstance(generation_config, GenerationConfig):
        raise TypeError(
            "generation_config must be a GenerationConfig of gpt2model, not "
            f"{type(generation_config).__module__}.{type(generation_config).__qualname__}: "
            "GenerationConfig.from_dict makes one of a mapping, such as its to_dict()."
        )
    own = {name: options.get(name, default) for name, default in _ARGUMENTS.items()}
    said = {name: value for name, value in options.items() if name not in _ARGUMENTS}
    base = config_of(model) if generation_config is None else generation_config.inheriting(config_of(model))
    return base.update(**said) if said else base, own


def generate(
    model: Any,
    inputs: Any = None,
    generation_config: GenerationConfig | None = None,
    *,
    streamer: Any = None,
    assistant_model: Any = None,
    tokenizer: Any = None,
    **options: Any,
) -> Any:
    """`LanguageModelHead.generate`; see there."""
    if "input_ids" in options:
        named = options.pop("input_ids")
        if inputs is not None and named is not None:
            raise ValueError("There are two prompts, inputs and input_ids: give one of them.")
        inputs = named if inputs is None else inputs
    config, own = options_of(model, generation_config, options)
    request, output = _done(model, inputs, config, own, tokenizer, streamer, assistant_model)
    if door.is_text(inputs):
        texts = [tokenizer.decode(ids) for ids in ids_of(request, output)]
        if config.return_dict_in_generate:
            output.texts = texts
            return output
        return texts[0] if isinstance(inputs, str) and len(texts) == 1 else texts
    return output if config.return_dict_in_generate else output.sequences


def continuations(model: Any, inputs: Any, *, tokenizer: Any, **options: Any) -> list[str]:
    """The new texts alone, without prompts and end tokens, of all prompts and `num_return_sequences`.

    Arguments and errors: as `LanguageModelHead.generate`.
    """
    config, own = options_of(model, None, options)
    request, output = _done(model, inputs, config, own, tokenizer)
    rows = ids_of(request, output)
    prompts = request.prompt.ids
    texts = []
    for index, row in enumerate(rows):
        start = int((prompts[index * len(prompts) // len(rows)] != NOTHING).sum())
        texts.append(bytes_of(tokenizer, row[start:]).decode("utf-8", "replace"))
    return texts


def _done(  # noqa: PLR0917
    model: Any,
    inputs: Any,
    config: GenerationConfig,
    own: Mapping[str, Any],
    tokenizer: Any,
    streamer: Any = None,
    assistant: Any = None,
) -> tuple[Request, Any]:
    """What was asked for, and the answer."""
    request = _checked(model, inputs, config, tokenizer, own)
    stops = rules(request, own["stopping_criteria"], tokenizer)
    request = request.repeated() if config.num_beams == 1 else request
    return request, _method(request, stops, streamer, assistant)


def _checked(
    model: Any, inputs: Any, config: GenerationConfig, tokenizer: Any, own: Mapping[str, Any]
) -> Request:
    if inputs is None:
        raise ValueError("There is no prompt: pass ids or a text, such as [[bos_token_id]].")
    return requested(
        model,
        inputs,
        own["attention_mask"],
        config,
        own["logits_processor"],
        own["prefix_allowed_tokens_fn"],
        tokenizer,
        own["seed"],
        own["weights"],
        own["compile"],
        (own["encoder_hidden_states"], own["encoder_attention_mask"]),
    )


def _method(request: Request, stops: Sequence[Any], streamer: Any, assistant: Any) -> Any:
    config = request.config
    if assistant is not None or config.prompt_lookup_num_tokens is not None:
        return guessed_ahead(request, stops, streamer, assistant)
    if config.num_beams > 1:
        return beams(request, streamer)
    return decoded(request, stops, streamer)


def guessed_ahead(
    request: Request, stops: Sequence[Any], streamer: Any, assistant: Any
) -> GenerateDecoderOnlyOutput:
    """Greedy search and sampling, several tokens at a time."""
    config = request.config
    if assistant is not None and config.prompt_lookup_num_tokens is not None:
        raise GenerationConfigError(
            "assistant_model and prompt_lookup_num_tokens both guess: give one of them."
        )
    if config.sliding_window or config.penalty_alpha:
        raise GenerationConfigError(
            "Guessing ahead (assistant_model, prompt_lookup_num_tokens) goes with greedy search and sampling within "
            "n_positions: leave out sliding_window and penalty_alpha."
        )
    if stops or streamer is not None or config.max_time is not None or config.num_beams > 1:
        raise GenerationConfigError(
            "Guessing ahead (assistant_model, prompt_lookup_num_tokens) checks several tokens at once: leave out "
            "num_beams, streamer, max_time, stop_strings and stopping_criteria."
        )
    if assistant is not None:
        count = config.num_assistant_tokens
        guess = from_a_model(request, assistant, count)
    else:
        count = config.prompt_lookup_num_tokens
        guess = from_the_text(config.max_matching_ngram_size, count)
    new = speculated(request, guess, count)
    ids = np.concatenate([request.prompt.given, new], axis=1)
    return GenerateDecoderOnlyOutput(sequences=tensor_of_ids(ids))


def stream(
    model: Any,
    inputs: Any,
    generation_config: GenerationConfig | None = None,
    *,
    tokenizer: Any = None,
    **options: Any,
) -> Iterator[str]:
    """`LanguageModelHead.stream`; see there."""
    if tokenizer is None:
        raise TypeError("stream gives text: pass tokenizer=gpt2tok.GPT2TokenizerFast.from_pretrained(...).")
    config, own = options_of(model, generation_config, options)
    request = _checked(model, inputs, config, tokenizer, own)
    if config.num_beams > 1:
        raise GenerationConfigError(
            "Beams are not streamed: no text is certain before the end. Leave out num_beams."
        )
    stops = rules(request, own["stopping_criteria"], tokenizer)
    return streamed(request, watched(request, stops), tokenizer)


def beams(request: Request, streamer: Any) -> GenerateBeamDecoderOnlyOutput:
    """Beam search of every kind."""
    config = request.config
    if streamer is not None or config.max_time is not None or request.looks:
        raise GenerationConfigError(
            "Beam search is one program: streamer, max_time, prefix_allowed_tokens_fn and functions as "
            "logits_processor need num_beams=1 (a gpt2model.generation.Processor works with beams)."
        )
    if not config.use_cache:
        raise GenerationConfigError("Beam search has a cache always: leave out use_cache=False.")
    plan = BeamPlan(request.plan(), config.num_beams, config.num_beam_groups, config.early_stopping)
    given = request.given(config.length_penalty, config.diversity_penalty)
    found = program(search, plan, compile=request.compile)(request.weights(), given)
    check_fault(int(found.walk.fault), int(found.walk.new))
    new, scores, path = ranked(found, given.ids.shape[1])
    keep = config.num_return_sequences
    new, path = (part[:, :keep].reshape(-1, part.shape[-1]) for part in (new, path))
    length = int((path >= 0).sum(axis=1).max())
    new = np.where(new == NOTHING, plan.plan.pad, new)[:, :length]
    ids = np.concatenate([np.repeat(request.prompt.given, keep, axis=0), new], axis=1)
    steps, told = int(found.walk.new), config.output_scores
    return GenerateBeamDecoderOnlyOutput(
        sequences=tensor_of_ids(ids),
        sequences_scores=ops.convert_to_tensor(scores[:, :keep].reshape(-1)) if told else None,
        scores=per_step(found.walk.scores, steps) if told else None,
        logits=per_step(found.walk.logits, steps) if config.output_logits else None,
        beam_indices=tensor_of_ids(path[:, :length]),
    )


def decoded(request: Request, stops: Sequence[Any], streamer: Any) -> GenerateDecoderOnlyOutput:
    """Greedy search, sampling and contrastive search."""
    if stops or streamer is not None or request.looks or request.config.max_time is not None:
        *_, state = feed(request, watched(request, stops), streamer)
        return answer(request, state)
    given, contrast = given_of(request), contrastive_plan(request)
    if not request.config.use_cache:
        return answer(request, plain_run(request, given, contrast))
    if request.stride:
        return answer(request, slid(request))
    if contrast is not None:
        contrasting = program(contrasted, contrast, compile=request.compile)
        return answer(request, contrasting(request.weights(contrast.candidates), given))
    return answer(request, program(run, request.plan(), compile=request.compile)(request.weights(), given))


def answer(request: Request, state: State) -> GenerateDecoderOnlyOutput:
    """The answer that a last state means."""
    new = int(state.new)
    check_fault(int(state.fault), new)
    config = request.config
    ids = np.concatenate([request.prompt.given, tokens_of(request, state)], axis=1)
    return GenerateDecoderOnlyOutput(
        sequences=tensor_of_ids(ids),
        scores=per_step(state.scores, new) if config.output_scores else None,
        logits=per_step(state.logits, new) if config.output_logits else None,
    )


def ids_of(request: Request, output: Any) -> list[list[int]]:
    """The rows of an answer without padding, as lists: what a tokenizer turns into text."""
    sequences = np.asarray(ops.convert_to_numpy(output.sequences))
    times = sequences.shape[0] // request.prompt.ids.shape[0]
    rows = []
    for row, prompt in zip(sequences, np.repeat(request.prompt.ids, times, axis=0), strict=True):
        new = row[request.prompt.width :].tolist()
        end = next((place for place, token in enumerate(new) if token in request.ends), len(new))
        rows.append([*prompt[prompt != NOTHING].tolist(), *new[:end]])
    return rows
