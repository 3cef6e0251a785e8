"""How shall text be generated? The options of one generation.

Owns `GenerationConfig`: options under Hugging Face's names, checked, never changed after they are made, and
their file, generation_config.json. Refuses to act on them. Loads no framework.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from gpt2tok.files import from_home, new_directory, write_atomically

from ..errors import GenerationConfigError
from .conflicts import check_given, check_together
from .fields import NOTES, OPTIONS, check_option

FILE = "generation_config.json"


@final
class GenerationConfig:
    """The options of generation, with Hugging Face's names and defaults.

    Arguments:
        **options: any of `gpt2model.generation.OPTIONS`: `max_new_tokens`, `do_sample`, `temperature`,
            `top_k`, `num_beams`, `repetition_penalty`, `eos_token_id`, ... What is not said, or None, has its
            default.

    Options are read as attributes. A configuration never changes; `update` makes another.

    Raises:
        GenerationConfigError: an option that does not exist, is out of range, or contradicts another; named.
        TypeError: a value of the wrong type.

    Source: names and defaults of transformers' `GenerationConfig`.

    Example:
        >>> config = GenerationConfig(max_new_tokens=8, do_sample=True, top_p=0.9)
        >>> config.update(top_p=0.5).top_p, config.top_p, config.top_k
        (0.5, 0.9, 50)
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        values = {name: option.default for name, option in OPTIONS.items()}
        values |= {name: check_option(name, value) for name, value in options.items()}
        check_together(values)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":  # absent while copying or unpickling
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"GenerationConfig has no option {name!r}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A GenerationConfig does not change; use config.update({name}={value!r}).")

    def __reduce__(self) -> tuple[Any, ...]:
        return GenerationConfig.from_dict, (self.to_dict(),)

    def update(self, **options: Any) -> GenerationConfig:
        """Another configuration with some options changed.

        Raises:
            GenerationConfigError, TypeError: as the constructor; also for options named here that could have
                no effect (`temperature` without `do_sample`), and for both `max_length` and
                `max_new_tokens`.

        Example:
            >>> GenerationConfig().update(num_beams=4).num_beams
            4
        """
        if options.get("max_new_tokens") is not None and options.get("max_length") is None:
            options = {**options, "max_length": None}  # one length replaces the other
        elif options.get("max_length") is not None and options.get("max_new_tokens") is None:
            options = {**options, "max_new_tokens": None}
        values = {**self._values, **{name: check_option(name, value) for name, value in options.items()}}
        check_together(values)
        check_given(options, values)
        return GenerationConfig(**values)

    def inheriting(self, other: GenerationConfig) -> GenerationConfig:
        """This configuration, with the special tokens of another one where it names none itself.

        Example:
            >>> GenerationConfig(top_k=3).inheriting(GenerationConfig(eos_token_id=7, top_k=9))
            GenerationConfig(eos_token_id=7, top_k=3)
        """
        tokens = ("bos_token_id", "eos_token_id", "pad_token_id")
        taken = {name: getattr(other, name) for name in tokens if getattr(self, name) is None}
        return GenerationConfig(**{**self._values, **taken})

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON values.

        Example:
            >>> GenerationConfig(eos_token_id=50256, top_k=40).to_dict()
            {'eos_token_id': 50256, 'top_k': 40}
        """
        said = {name: value for name, value in self._values.items() if value != OPTIONS[name].default}
        for name in ("eos_token_id", "forced_eos_token_id"):
            if name in said and len(said[name]) == 1:
                said[name] = said[name][0]  # as the files have it
        return {name: _plain(value) for name, value in sorted(said.items())}

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> GenerationConfig:
        """The configuration in a mapping as generation_config.json holds it.

        Example:
            >>> GenerationConfig.from_dict({"top_k": 3, "transformers_version": "5.0"}).top_k
            3
        """
        if not isinstance(options, Mapping):
            raise TypeError(f"GenerationConfig.from_dict takes a mapping, not {type(options).__name__}.")
        return cls(
            **{
                name: value
                for name, value in options.items()
                # Hugging Face's options that are not here may stand in a file as long as they say nothing.
                if name not in NOTES and not (name not in OPTIONS and value in (None, False, {}, []))
            }
        )

    @classmethod
    def from_pretrained(cls, where: str | Path, **options: Any) -> GenerationConfig:
        """The configuration in a directory's generation_config.json, or in a file.

        Arguments:
            where: the directory or the file.
            **options: what shall differ.

        Raises:
            OSError: no such file.
            GenerationConfigError: no JSON object, or options that are not good; the file is named.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = GenerationConfig(top_k=3).save_pretrained(folder)
            ...     GenerationConfig.from_pretrained(folder)
            GenerationConfig(top_k=3)
        """
        path = Path(from_home(os.fspath(where)))
        path = path / FILE if path.is_dir() else path
        data = path.read_bytes()
        try:
            config = cls.from_dict(json.loads(data.decode()))
        except (TypeError, ValueError, RecursionError) as error:
            raise GenerationConfigError(f"{path}: {error}") from error
        return config.update(**options) if options else config

    def save_pretrained(self, directory: str | Path) -> Path:
        """Write generation_config.json into a directory, made if it is not there; gives its path.

        Raises:
            OSError: it cannot be written; an old file is untouched.
        """
        path = Path(from_home(os.fspath(directory))) / FILE
        with new_directory(path.parent):
            write_atomically(path, file_bytes(self))
        return path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationConfig) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        said = (f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"GenerationConfig({', '.join(said)})"


def file_bytes(config: GenerationConfig) -> bytes:
    """The content of generation_config.json."""
    return (json.dumps(config.to_dict(), indent=2) + "\n").encode()


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
