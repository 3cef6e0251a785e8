"""Which GPT-2 is this? The numbers of a model, under Hugging Face's names and defaults.

Owns the fields, their validation, their aliases, the five published sizes and the JSON form. Refuses anything
that names code or a path: such entries of a configuration file are dropped unread (`CODE_AND_PATHS`), never
stored and never run. Loads no framework.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from gpt2tok.files import new_directory, write_atomically

from .config_fields import (
    ACTIVATIONS,
    ALIASES,
    CODE_AND_PATHS,
    FIELDS,
    MOST_LABELS,
    PROBLEM_TYPES,
    SIZES,
    SUMMARY_TYPES,
    check_field,
    check_together,
    label_names,
    unknown_field_message,
)
from .folders import folder_to_save

__all__ = ["ACTIVATIONS", "PROBLEM_TYPES", "SUMMARY_TYPES", "GPT2Config"]


@final
class GPT2Config:
    """The numbers that make a GPT-2, with every field of Hugging Face's `GPT2Config`, same names and
    defaults.

    Arguments:
        **fields: any field of `gpt2model.config_fields.FIELDS` (`vocab_size=50257`, `n_positions=1024`,
        `n_embd=768`,
            `n_layer=12`, `n_head=12`, ...) or an alias of it (`hidden_size`, `num_attention_heads`,
            `num_hidden_layers`, `max_position_embeddings`); also `num_labels`.

    Fields can be read and set as attributes; setting validates.

    Raises:
        TypeError: a field that does not exist, or a value of the wrong type.
        ValueError: a value out of range; the message names the field.

    Source: Radford et al. 2019; Hugging Face's `configuration_gpt2.py` for names and defaults.

    Example:
        >>> config = GPT2Config(n_layer=2, n_head=4, hidden_size=64)
        >>> config.n_embd, config.num_attention_heads, config.head_dim
        (64, 4, 16)
    """

    model_type = "gpt2"

    def __init__(self, **fields: Any) -> None:
        values: dict[str, Any] = {name: copy.copy(field.default) for name, field in FIELDS.items()}
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_extra", {})
        num_labels = fields.pop("num_labels", None)
        for given, value in fields.items():
            name = ALIASES.get(given, given)
            if name not in FIELDS:
                raise TypeError(unknown_field_message(given))
            if name != given and name in fields:
                raise TypeError(
                    f"GPT2Config got both {given!r} and {name!r}, which are one field: give one of them."
                )
            values[name] = check_field(name, value)
        if "id2label" in fields and fields.get("label2id") is None:
            values["label2id"] = _by_label(values["id2label"])
        if num_labels is not None:
            self.num_labels = num_labels
        check_together(values)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values")  # absent while copying or unpickling
        if values is None or name.startswith("__"):
            raise AttributeError(name)
        name = ALIASES.get(name, name)
        if name in values:
            return values[name]
        if name in self.__dict__["_extra"]:
            return self.__dict__["_extra"][name]
        raise AttributeError(unknown_field_message(name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "num_labels":
            self._set_num_labels(value)
            return
        name = ALIASES.get(name, name)
        if name not in FIELDS:
            raise AttributeError(unknown_field_message(name))
        changed = {**self._values, name: check_field(name, value)}
        check_together(changed)
        self._values[name] = changed[name]
        if name == "id2label":
            self._values["label2id"] = _by_label(changed["id2label"])

    @property
    def num_labels(self) -> int:
        """How many labels the classification heads tell apart (the length of `id2label`)."""
        return len(self._values["id2label"])

    @num_labels.setter
    def num_labels(self, value: int) -> None:
        self._set_num_labels(value)

    def _set_num_labels(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"GPT2Config: num_labels must be an integer, not {value!r}.")
        if value < 1:
            raise ValueError(f"GPT2Config: num_labels must be at least 1, not {value}.")
        if value > MOST_LABELS:  # each gets a name, and a file may lie
            raise ValueError(
                f"GPT2Config: num_labels must be at most {MOST_LABELS:,}, not {value}; name more labels by id2label."
            )
        if value != self.num_labels:
            self._values["id2label"] = label_names(value)
            self._values["label2id"] = _by_label(self._values["id2label"])

    @property
    def head_dim(self) -> int:
        """Width of one attention head: `n_embd / n_head`."""
        return int(self._values["n_embd"]) // int(self._values["n_head"])

    @property
    def inner_dim(self) -> int:
        """Width of the feed-forward layer: `n_inner`, or four times `n_embd`."""
        return int(self._values["n_inner"] or 4 * self._values["n_embd"])

    @classmethod
    def of_size(cls, size: str, **changes: Any) -> GPT2Config:
        """The configuration of a published size: distilgpt2, gpt2, gpt2-medium, gpt2-large or gpt2-xl.

        Arguments:
            size: one of the five names.
            **changes: fields that shall differ.

        Raises:
            ValueError: an unknown size.

        Example:
            >>> GPT2Config.of_size("gpt2-medium").n_layer
            24
        """
        if size not in SIZES:
            raise ValueError(f"GPT2Config.of_size: no size {size!r}; the sizes are {', '.join(SIZES)}.")
        changes = {ALIASES.get(name, name): value for name, value in changes.items()}
        return cls(**{**SIZES[size], **changes})

    def replace(self, **changes: Any) -> GPT2Config:
        """A copy with some fields changed; this one stays as it is.

        Example:
            >>> GPT2Config().replace(n_layer=2).n_layer
            2
        """
        twin = copy.deepcopy(self)
        num_labels = changes.pop("num_labels", None)
        for given, value in changes.items():
            name = ALIASES.get(given, given)
            if name not in FIELDS:
                raise TypeError(unknown_field_message(given))
            twin._values[name] = check_field(name, value)
        if "id2label" in changes and changes.get("label2id") is None:
            twin._values["label2id"] = _by_label(twin._values["id2label"])
        if num_labels is not None:
            twin._set_num_labels(num_labels)
        check_together(twin._values)
        return twin

    def __copy__(self) -> GPT2Config:
        return copy.deepcopy(self)  # a shallow one would share its fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> GPT2Config:
        """The configuration in a mapping as `config.json` holds it.

        Entries that no GPT-2 needs are kept (`to_dict` gives them back); entries that name code or a path are
        dropped.

        Raises:
            TypeError, ValueError: as the constructor, and for a `model_type` other than "gpt2".

        Example:
            >>> GPT2Config.from_dict({"model_type": "gpt2", "n_layer": 2, "task": "x"}).to_dict()["task"]
            'x'
        """
        if not isinstance(fields, Mapping):
            raise TypeError(f"GPT2Config.from_dict takes a mapping, not {type(fields).__name__}.")
        kind = fields.get("model_type", cls.model_type)
        if kind != cls.model_type:
            raise ValueError(f"GPT2Config: model_type is {kind!r}; this package reads 'gpt2' only.")
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in fields.items():
            if name in CODE_AND_PATHS:
                if CODE_AND_PATHS[name]:
                    warnings.warn(
                        f"GPT2Config: {name!r} names code to run; gpt2model runs none and drops it.",
                        stacklevel=2,
                    )
            elif ALIASES.get(name, name) in FIELDS or name == "num_labels":
                known[name] = value
            elif name != "model_type":
                extra[name] = value
        for alias in known.keys() & ALIASES.keys():
            # Files may hold both; transformers' newer name of the numbers' type says what the older one said.
            name = ALIASES[alias]
            if name in known and (known[alias] == known[name] or name == "dtype"):
                del known[alias]
        if "num_labels" in known and "id2label" in known:
            del known["num_labels"]  # id2label says it and says more
        config = cls(**known)
        object.__setattr__(config, "_extra", copy.deepcopy(extra))
        return config

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values, `model_type` among them.

        Example:
            >>> GPT2Config.from_dict(GPT2Config(n_layer=3).to_dict()).n_layer
            3
        """
        fields = copy.deepcopy({**self._extra, **self._values})
        fields["id2label"] = {str(index): label for index, label in fields["id2label"].items()}
        fields["model_type"] = self.model_type
        if fields["vocabulary_sha256"] is None:  # no field of Hugging Face's
            del fields["vocabulary_sha256"]
        return dict(sorted(fields.items()))

    @classmethod
    def from_json(cls, source: str | Path) -> GPT2Config:
        """The configuration in a JSON file (a path) or in a JSON text (a string that opens with a brace).

        Raises:
            OSError: the file cannot be read.
            ValueError: no JSON object, or fields out of range.

        Example:
            >>> GPT2Config.from_json('{"n_layer": 2}').n_layer
            2
        """
        is_text = isinstance(source, str) and source.lstrip().startswith("{")
        place = "the text given" if is_text else str(source)
        text = str(source) if is_text else Path(source).read_text("utf-8")
        try:
            fields = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"GPT2Config: {place} is not JSON ({error}).") from error
        if not isinstance(fields, dict):
            raise ValueError(f"GPT2Config: {place} holds a JSON {type(fields).__name__}, not an object.")
        return cls.from_dict(fields)

    @classmethod
    def from_pretrained(cls, where: str | Path, **changes: Any) -> GPT2Config:
        """The configuration of a checkpoint of any format, in a directory, a file or on the Hugging Face hub.

        Arguments:
            where: as for a model's `from_pretrained`.
            **changes: fields that shall differ; `revision`, `cache_dir`, `token` and the like go to the hub.

        Raises:
            OSError: no such directory, file or model.
            CheckpointError: no configuration is there, or it is not a GPT-2's.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     GPT2Config(n_layer=2).save_pretrained(folder)
            ...     GPT2Config.from_pretrained(folder, n_head=4)
            GPT2Config(n_layer=2, n_head=4)
        """
        from .checkpoints.locating import load_config

        return load_config(where, **changes)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write `config.json` into a directory, made if it is not there.

        Raises:
            OSError: it cannot be written; an old file is untouched.
            TypeError, ValueError: no directory's path.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     GPT2Config(n_layer=2).save_pretrained(folder)
            ...     GPT2Config.from_json(Path(folder, "config.json")).n_layer
            2
        """
        folder = folder_to_save(directory)
        with new_directory(folder):
            self.to_json(folder / "config.json")

    def to_json(self, path: str | Path | None = None) -> str:
        """The JSON text of `to_dict`; also written to `path` when one is given.

        Raises:
            OSError: the file cannot be written; an old one is untouched.

        Example:
            >>> GPT2Config.from_json(GPT2Config(n_layer=2).to_json()) == GPT2Config(n_layer=2)
            True
        """
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"
        if path is not None:
            write_atomically(path, text.encode())
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GPT2Config) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # fields may be set, so a configuration is no key

    def __repr__(self) -> str:
        changed = [
            f"{name}={value!r}"
            for name, value in self._values.items()
            if name in FIELDS and value != FIELDS[name].default
        ]
        return f"GPT2Config({', '.join(changed)})"


def _by_label(id2label: Mapping[int, str]) -> dict[str, int]:
    return {label: index for index, label in id2label.items()}
