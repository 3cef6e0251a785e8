"""What do exports and servers agree on? Where warm-up requests lie, and where a refusal has its reason.

Owns these two things, which both sides know. Refuses frameworks.
"""

from __future__ import annotations

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"


def reason_of(message: str) -> str:
    """What an assertion of a graph says, or the first line of an error's message.

    Example:
        >>> reason_of("assertion failed: [the prompt is] [empty]\\n\\t [[{{node Assert}}]]")
        'the prompt is empty'
    """
    asserted = message.partition("assertion failed: ")[2]
    lines = (asserted or message).strip().split("\n")
    line = next((line.strip() for line in lines if line.strip()), "the model refuses the inputs")
    # An assertion writes each of its values in brackets.
    return (
        line[1:-1].replace("] [", " ") if asserted and line.startswith("[") and line.endswith("]") else line
    )
