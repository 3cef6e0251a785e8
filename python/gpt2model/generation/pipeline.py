"""Which processors does a configuration ask for, and in which order?

Owns the order, which is transformers'. Refuses the processors themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from .config import GenerationConfig
from .processor import Processor
from .repetition import CountPenalties, NoRepeatNGram, RepetitionPenalty
from .tokens import (
    ExponentialDecay,
    ForcedBos,
    ForcedEos,
    MinLength,
    MinNewTokens,
    RemoveInvalid,
    SequenceBias,
    SuppressTokens,
    SuppressTokensAtBegin,
    bad_words,
)
from .warpers import Epsilon, Eta, MinP, Normalize, Temperature, TopKTopP, Typical


def processors(
    config: GenerationConfig, most_new: int, own: Sequence[Processor] = ()
) -> tuple[Processor, ...]:
    """What the logits pass through before a token is chosen.

    Arguments:
        config: the options.
        most_new: new tokens there will be at most.
        own: the caller's processors, which stand between those of the configuration and the warpers.

    Example:
        >>> config = GenerationConfig(do_sample=True, temperature=0.5, repetition_penalty=1.2)
        >>> [type(processor).__name__ for processor in processors(config, 20)]
        ['RepetitionPenalty', 'Temperature', 'TopKTopP']
    """
    return (*_shaping(config, most_new), *own, *_warping(config), *_last(config))


def _shaping(config: GenerationConfig, most_new: int) -> list[Processor]:
    found: list[Processor] = []
    ends = config.eos_token_id or ()
    if config.sequence_bias:
        found.append(SequenceBias(config.sequence_bias))
    if config.repetition_penalty != 1.0:
        found.append(RepetitionPenalty(config.repetition_penalty))
    if config.frequency_penalty or config.presence_penalty:
        found.append(CountPenalties(config.frequency_penalty, config.presence_penalty))
    if config.no_repeat_ngram_size:
        found.append(NoRepeatNGram(config.no_repeat_ngram_size))
    if config.bad_words_ids:
        found.append(bad_words(config.bad_words_ids, ends))
    if config.min_length and ends:
        found.append(MinLength(config.min_length, ends))
    if config.min_new_tokens and ends:
        found.append(MinNewTokens(config.min_new_tokens, ends))
    if config.forced_bos_token_id is not None:
        found.append(ForcedBos(config.forced_bos_token_id))
    if config.forced_eos_token_id is not None:
        found.append(ForcedEos(most_new, config.forced_eos_token_id))
    if config.remove_invalid_values:
        found.append(RemoveInvalid())
    if config.exponential_decay_length_penalty is not None and ends:
        start, factor = config.exponential_decay_length_penalty
        found.append(ExponentialDecay(start, factor, ends))
    if config.suppress_tokens:
        found.append(SuppressTokens(config.suppress_tokens))
    if config.begin_suppress_tokens:
        forced = config.forced_bos_token_id is not None
        found.append(SuppressTokensAtBegin(config.begin_suppress_tokens, forced))
    return found


def _warping(config: GenerationConfig) -> list[Processor]:
    if not config.do_sample:
        return []
    found: list[Processor] = []
    # Beams need a token that is no end, to go on with.
    least = 1 + len(config.eos_token_id or (0,)) if config.num_beams > 1 else 1
    # All three of these stand always: switched on or off, they need no other program.
    found += [Temperature(config.temperature), TopKTopP(config.top_k, config.top_p, least)]
    if config.min_p is not None:
        found.append(MinP(config.min_p, least))
    if config.typical_p < 1.0:
        found.append(Typical(config.typical_p, least))
    if config.epsilon_cutoff:
        found.append(Epsilon(config.epsilon_cutoff, least))
    if config.eta_cutoff:
        found.append(Eta(config.eta_cutoff, least))
    return found


def _last(config: GenerationConfig) -> list[Processor]:
    return [Normalize()] if config.renormalize_logits else []
