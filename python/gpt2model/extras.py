"""Which extra brings the package that is missing? The line to type, wherever an import fails.

Owns the table of this distribution's extras, as pyproject.toml declares them, and the message. Refuses to
import anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_EXTRAS: Mapping[str, str] = {
    **dict.fromkeys(("h5py", "keras", "ml_dtypes", "msgpack", "numpy", "safetensors"), "model"),
    "tensorflow": "tf",
    "jax": "jax",
    "torch": "torch",
    "huggingface_hub": "hub",
}
_BACKENDS = ("tensorflow", "jax", "torch")


@contextmanager
def extra_named(what: str) -> Iterator[None]:
    """Inside, a package that is missing is told with the line that installs it.

    Arguments:
        what: needs the package, for the message.

    Raises:
        ImportError: a package of an extra is not installed. Other failing imports pass as they are.

    Example:
        >>> with extra_named("reading weights"):
        ...     raise ModuleNotFoundError("No module named 'h5py'", name="h5py")
        Traceback (most recent call last):
        ...
        ImportError: reading weights needs h5py, which is not installed: pip install 'gpt2tok[model]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(package)
        if extra is None:
            raise
        raise ImportError(
            f"{what} needs {package}, which is not installed: {_line(package, extra)}"
        ) from error


def _line(package: str, extra: str) -> str:
    if package == "keras":
        extra = "model,jax"
    elif package in _BACKENDS:
        extra = f"model,{extra}"
    line = f"pip install 'gpt2tok[{extra}]'"
    if package == "keras":
        return (
            f"{line} (or tf or torch for jax; KERAS_BACKEND chooses the framework, before Keras is imported)"
        )
    if package in _BACKENDS:
        others = " or ".join(name for name in _BACKENDS if name != package)
        return f"{line}, or set KERAS_BACKEND={others} before Keras is imported"
    return line
