"""Which options of generation contradict each other?

Owns the check of options together. Refuses single values (`fields.py`). Loads no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import GenerationConfigError
from .fields import OPTIONS

SAMPLING_ONLY = ("temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
BEAMS_ONLY = ("early_stopping", "length_penalty", "num_beam_groups", "diversity_penalty")


def check_together(values: Mapping[str, Any]) -> None:
    """Refuse what no generation can do.

    Raises:
        GenerationConfigError: naming both options.
    """
    beams, groups = values["num_beams"], values["num_beam_groups"]
    returned = values["num_return_sequences"]
    if groups > beams or beams % groups:
        raise GenerationConfigError(
            f"num_beam_groups={groups} must divide num_beams={beams}: each group has as many beams."
        )
    if groups > 1 and values["do_sample"]:
        raise GenerationConfigError("num_beam_groups (diverse beam search) does not sample: do_sample=False.")
    if values["diversity_penalty"] and groups == 1:
        raise GenerationConfigError(
            f"diversity_penalty={values['diversity_penalty']} acts between groups: set num_beam_groups above 1."
        )
    if beams > 1 and returned > beams:
        raise GenerationConfigError(
            f"num_return_sequences={returned} is more than num_beams={beams}, all the sequences there are."
        )
    if beams == 1 and returned > 1 and not values["do_sample"]:
        raise GenerationConfigError(
            f"num_return_sequences={returned} without sampling or beams would return one sequence so often: "
            "set do_sample=True or num_beams."
        )
    if values["penalty_alpha"] is not None and (values["do_sample"] or beams > 1):
        raise GenerationConfigError(
            "penalty_alpha means contrastive search, which neither samples nor has beams: leave out do_sample and "
            "num_beams."
        )
    if values["penalty_alpha"] and values["top_k"] == 0:
        raise GenerationConfigError(
            "penalty_alpha means contrastive search among the top_k likeliest tokens, and top_k=0 means all of them: "
            "set top_k, such as 4."
        )
    ways = {"num_beams": beams > 1, "penalty_alpha": bool(values["penalty_alpha"])}
    ways["prompt_lookup_num_tokens"] = values["prompt_lookup_num_tokens"] is not None
    if values["sliding_window"] and any(ways.values()):
        other = next(name for name, used in ways.items() if used)
        raise GenerationConfigError(
            f"sliding_window goes with greedy search and sampling: leave out {other}, or sliding_window."
        )
    if values["prompt_lookup_num_tokens"] is not None and values["penalty_alpha"]:
        raise GenerationConfigError(
            "prompt_lookup_num_tokens guesses what greedy search or sampling would say: leave out penalty_alpha."
        )
    if values["prompt_lookup_num_tokens"] is not None and beams > 1:
        raise GenerationConfigError(
            "prompt_lookup_num_tokens guesses one sequence ahead: num_beams must be 1."
        )


def check_given(given: Iterable[str], values: Mapping[str, Any]) -> None:
    """Refuse options that were asked for and could have no effect.

    Arguments:
        given: names that this call named.
        values: all options, those of the call among them.

    Raises:
        GenerationConfigError: naming both options.
    """
    said = {name for name in given if values[name] != OPTIONS[name].default}
    if {"max_length", "max_new_tokens"} <= said:
        raise GenerationConfigError(
            f"max_length={values['max_length']} and max_new_tokens={values['max_new_tokens']} both say how long: "
            "give one of them."
        )
    idle = [name for name in SAMPLING_ONLY if name in said and not values["do_sample"]]
    if idle:
        raise GenerationConfigError(
            f"{', '.join(idle)} without do_sample=True would do nothing: set it, or leave them out."
        )
    idle = [name for name in BEAMS_ONLY if name in said and values["num_beams"] == 1]
    if idle:
        raise GenerationConfigError(
            f"{', '.join(idle)} with num_beams=1 would do nothing: set num_beams, or leave them out."
        )
    if "window_stride" in said and not values["sliding_window"]:
        raise GenerationConfigError(
            "window_stride without sliding_window=True would do nothing: set it, or leave window_stride out."
        )
