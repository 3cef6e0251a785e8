"""Which encodings come with the wheel? Owns `get_encoding`; loads nothing from anywhere else."""

from gpt2tok._core import Encoding, TokenizerError

_NAMES = ("gpt2",)
_loaded: dict[str, Encoding] = {}


def get_encoding(name: str) -> Encoding:
    """Return the encoding of this name, loaded once a process and shared by all who ask.

    Args:
        name: ``"gpt2"``, GPT-2's own 50,257 ids, embedded in the wheel.

    Raises:
        TokenizerError: There is no encoding of this name.
        TypeError: The name is no str.

    Example:
        >>> import gpt2tok
        >>> gpt2tok.get_encoding("gpt2").encode("Hello, world!")
        [15496, 11, 995, 0]
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be str, as 'gpt2', not {type(name).__name__}")
    if name not in _NAMES:
        known = ", ".join(repr(known) for known in _NAMES)
        raise TokenizerError(
            f"there is no encoding {name!r} in gpt2tok (it has {known}); "
            "load files of your own with Encoding.from_files, from_tokenizer_json or from_tiktoken"
        )
    encoding = _loaded.get(name)
    if encoding is None:
        # Two threads may both load it, once; setdefault lets one of the two win for everybody.
        encoding = _loaded.setdefault(name, Encoding.gpt2())
    return encoding
