"""How tests judge an error: its type, its words, and that both tokenizers use the same.

Owns the rule that no message is Python's own. Refuses to hold cases.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hf_oracle import Kind

from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast

Case = tuple[Callable[[Any], Any], type[Exception], str]
KINDS: list[Kind] = [GPT2Tokenizer, GPT2TokenizerFast]

# Python's own words, and NumPy's: an error that holds them was not made for the reader.
RAW = re.compile(
    r"object is not|object has no|has no attribute '(items|get|replace|to_str)|not supported between|list indices"
    r"|unsupported operand|invalid literal|cannot be interpreted|unhashable|embedded null|cannot convert float"
    r"|expected str, bytes|argument should be|codec can't|can only concatenate|has no len|dictionary update"
    r"|not subscriptable|index out of range|JSON serializable|Exceeds the limit|sequence item|inhomogeneous"
)


def failures(call: Callable[[Any], Any], things: list[Any]) -> list[Exception]:
    """What a call fails with on each thing; a thing on which it succeeds fails the test."""
    found: list[Exception] = []
    for thing in things:
        with pytest.raises(Exception) as caught:
            call(thing)
        found.append(caught.value)
    return found


def check(case: Case, things: list[Any]) -> None:
    call, error, message = case
    found = failures(call, things)
    for one in found:
        assert type(one) is error, repr(one)
        assert re.search(message, str(one)), str(one)
        assert not RAW.search(str(one)), str(one)
        assert len(str(one)) < 500
    assert len(set(map(str, found))) == 1, "the slow and the fast tokenizer must use the same words"


def cases(table: list[Case]) -> Any:
    return pytest.mark.parametrize(
        "case", table, ids=[f"{i}-{message[:40]}" for i, (_, _, message) in enumerate(table)]
    )
