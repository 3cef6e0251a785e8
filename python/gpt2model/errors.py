"""How does the model family say no? The error classes, and nothing else.

Owns the taxonomy: every error of bad input is a ValueError, so callers that know nothing of this package
catch them. Refuses messages: each is written where the fault is found, because it must say what, where and
how to mend it.
"""

from __future__ import annotations

from typing import final


@final
class CheckpointError(ValueError):
    """A checkpoint cannot be read as this model: tensors missing, extra, misshapen or not finite, or a broken
    file.

    Example:
        >>> issubclass(CheckpointError, ValueError)
        True
    """


@final
class ContextLengthError(ValueError):
    """More positions are asked for than the model (`n_positions`) or a key/value cache (`max_length`) has.

    Example:
        >>> issubclass(ContextLengthError, ValueError)
        True
    """


@final
class GenerationConfigError(ValueError):
    """Options of generation that are unknown, out of range or in conflict.

    Example:
        >>> issubclass(GenerationConfigError, ValueError)
        True
    """
