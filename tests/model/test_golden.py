"""Does every class answer as transformers 4.57.6 did? The golden cases, on this backend."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import GOLDEN, TOLERANCE, answer, array, difference, golden_model

CASES = sorted(folder.name for folder in GOLDEN.iterdir())


def look_up(output, path):
    """The part of an answer that a golden tensor's name means: `hidden_states.2`, `past_key_values.1.key`."""
    for step in path.split("."):
        if step.isdigit():
            output = output[int(step)]
        elif step in ("key", "value"):
            output = output[("key", "value").index(step)]
        else:
            output = getattr(output, step)
    return output


@pytest.mark.parametrize("case", CASES)
def test_golden_case(case):
    model, calls, tensors = golden_model(case)
    compared = 0
    for name, call in calls.items():
        inputs = {argument: tensors[f"in.{place}"] for argument, place in call["args"].items()}
        output = answer(model, **inputs, **call["kwargs"])
        prefix = f"out.{name}."
        expected = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        assert expected, f"{case}.{name} has no golden outputs"
        for path, value in expected.items():
            got = array(look_up(output, path))
            mask = inputs.get("attention_mask")
            if mask is not None and path == "logits" and value.ndim == 3:  # other positions are unspecified
                difference_here = difference(got[mask == 1], value[mask == 1])
            else:
                difference_here = difference(got, value)
            assert difference_here < TOLERANCE, f"{case}.{name}.{path}"
            compared += 1
        names = {path.split(".")[0] for path in expected}
        assert set(output) == names | ({"past_key_values"} & set(output)), f"{case}.{name}: fields"
    assert compared and all(np.isfinite(array(output[key])).all() for key in output if "logits" in key)
