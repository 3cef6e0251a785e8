"""Which extra brings the package that is missing? The line to type, wherever an import fails.

Owns the table of this distribution's extras, as pyproject.toml declares them, and the message. Refuses to
import any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

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
        # Alone, unless it is there and broken: what led here is Keras' import of its parts, sixty lines that say less.
        cause = error if _is_here(package) else None
        raise ImportError(_message(what, package, extra), name=error.name) from cause


def _is_here(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # imported, and without a word of where from
        return True


def _message(what: str, package: str, extra: str) -> str:
    if package not in _BACKENDS:
        line = f"pip install 'gpt2tok[{'model,jax' if package == 'keras' else extra}]'"
        if package == "keras":
            line += " (or tf or torch for jax; KERAS_BACKEND chooses the framework, before Keras is imported)"
        return f"{what} needs {package}, which is not installed: {line}"
    installed = [name for name in _BACKENDS if name != package and _is_here(name)]
    if not installed:
        return (
            f"{what} needs TensorFlow, JAX or PyTorch beneath Keras, and none of them is installed:"
            " pip install 'gpt2tok[model,jax]' (or tf or torch for jax; KERAS_BACKEND chooses between several, before"
            " Keras is imported)"
        )
    return (
        f"{what} needs {package}, which is not installed: pip install 'gpt2tok[model,{extra}]', or set"
        f" KERAS_BACKEND={' or '.join(installed)} before Keras is imported"
    )
