"""What do the files of a saved tokenizer say?

Owns the reading of `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`, as transformers 3 to 5
and this package write them, into arguments of the constructor; whatever is wrong there names its file. Refuses to
find the files (`pretrained.py`) and to read vocabularies (`vocabulary_files.py`, `tokenizer_json.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

from .._core import TokenizerError, VocabError
from .added_tokens import AddedToken
from .arguments import flag, shown
from .settings import CHECKS
from .special_tokens import NAMES
from .tokenizer_json import read_json

VOCAB, MERGES, TOKENIZER = "vocab.json", "merges.txt", "tokenizer.json"
CONFIG, SPECIAL_MAP, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
FILES = (CONFIG, TOKENIZER, VOCAB, MERGES, SPECIAL_MAP, ADDED)

# Special tokens without a part, and those with a part of the model's own.
_EXTRA = ("extra_special_tokens", "additional_special_tokens", "model_specific_special_tokens")
# Settings of a tokenizer_config.json that the constructor takes; the rest is kept and written back.
_SETTINGS = frozenset(
    [
        "errors",
        "add_prefix_space",
        "model_max_length",
        "max_len",
        "padding_side",
        "truncation_side",
        "model_input_names",
        "pad_token_type_id",
        "split_special_tokens",
        "clean_up_tokenization_spaces",
        "verbose",
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
        "added_tokens_decoder",
    ]
)


def arguments_of(paths: dict[str, str], given: Container[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the files say, as arguments of the constructor, and the settings that it does not know.

    Args:
        paths: name to path of the files that are there.
        given: arguments that the caller gives, so that what the files say of them does not count.

    Raises:
        VocabError: a file is broken: it names the file.
        OSError: one cannot be read.
    """
    config = _read_object(paths, CONFIG)
    for name, check in CHECKS.items():
        if name in config and name not in given:
            with _found_in(paths[CONFIG]):
                check(config[name], name)
    arguments: dict[str, Any] = {}
    if TOKENIZER in paths:
        arguments["tokenizer_file"] = paths[TOKENIZER]
        # Its template says which tokens are put in.
        config.pop("add_bos_token", None)
        config.pop("add_eos_token", None)
    else:
        arguments["vocab"], arguments["merges"] = paths[VOCAB], paths[MERGES]
        for name in ("add_bos_token", "add_eos_token"):
            if name in config:
                with _found_in(paths[CONFIG]):
                    arguments[name] = flag(config.pop(name), name)
    where = dict.fromkeys(config, paths.get(CONFIG, ""))
    if "added_tokens_decoder" not in config:
        # As transformers 3 and early 4 saved it: the tokens' flags and ids in files of their own.
        parts = _read_object(paths, SPECIAL_MAP)
        config.update(parts)
        where.update(dict.fromkeys(parts, paths.get(SPECIAL_MAP, "")))
    extras: dict[str, Any] = {}
    for name, value in config.items():
        if name in _EXTRA:
            with _found_in(where[name]):
                arguments[name] = _extra_tokens(name, value)
        elif name in _SETTINGS:
            arguments[name] = value
        elif name in NAMES or (name.endswith("_token") and (value is None or isinstance(value, (str, dict)))):
            with _found_in(where[name]):
                arguments[name] = _part(name, value)
        elif name not in (
            "tokenizer_class",
            "init_inputs",
            "name_or_path",
            "backend",
            "special_tokens_map_file",
        ):
            extras[name] = value
    if "added_tokens_decoder" not in config:
        arguments["added_tokens_decoder"] = _added_json(paths, arguments)
    return arguments, extras


def _added_json(paths: dict[str, str], arguments: dict[str, Any]) -> dict[int, AddedToken]:
    """The tokens of an added_tokens.json, which holds their ids alone; those with a part are special."""
    parts = [value for name, value in arguments.items() if name.endswith("_token")]
    extra = [
        *(arguments.get("additional_special_tokens") or ()),
        *(arguments.get("extra_special_tokens") or ()),
    ]
    special = {str(token) for token in (*parts, *extra)}
    added: dict[int, AddedToken] = {}
    for content, token_id in _read_object(paths, ADDED).items():
        if type(token_id) is not int:
            raise VocabError(
                f"{paths[ADDED]}: the id of {shown(content)} is {shown(token_id)}, not a whole number: correct it"
            )
        if token_id in added:
            raise VocabError(
                f"{paths[ADDED]}: {added[token_id].content!r} and {content!r} both have the id {token_id}: give each"
                " its own"
            )
        given = next(
            (token for token in (*parts, *extra) if isinstance(token, AddedToken) and str(token) == content),
            None,
        )
        with _found_in(paths[ADDED]):
            added[token_id] = given or AddedToken(content, special=content in special)
    return added


@contextmanager
def _found_in(path: str) -> Iterator[None]:
    """What is wrong inside stands in this file."""
    try:
        yield
    except (TokenizerError, TypeError) as error:
        raise VocabError(f"{path}: {error}") from None


def refuse_files(cls: Callable[..., Any], paths: dict[str, str], arguments: dict[str, Any]) -> None:
    """Names the file, if the files alone make no tokenizer."""
    try:
        cls(**arguments)
    except (TokenizerError, TypeError) as error:
        if any(path in str(error) for path in paths.values()):
            raise
        added = "added_tokens_decoder" in str(error) and ADDED in paths
        where = paths[ADDED] if added else paths.get(CONFIG) or paths.get(SPECIAL_MAP)
        raise VocabError(f"{where or ' with '.join(paths.values())}: {error}") from None


def _part(name: str, value: Any) -> str | AddedToken | None:
    """A token as a file writes it: its text, an object with flags, or null."""
    if isinstance(value, dict):
        return AddedToken.from_dict(value, special=True)
    if value is None or isinstance(value, str):
        return value
    raise VocabError(
        f"{name} is {shown(value)}: it must be a token's text, an object with `content`, or null"
    )


def _extra_tokens(name: str, value: Any) -> Any:
    """Special tokens without a part: a list, or as transformers 5 also has it an object of parts with own names."""
    if isinstance(value, dict):
        return {part: _part(f"{name}[{part!r}]", token) for part, token in value.items()}
    if value is None or isinstance(value, list):
        return [_part(f"{name}[{i}]", token) for i, token in enumerate(value or ())]
    raise VocabError(
        f"{name} is {shown(value)}: it must be a list of tokens, or an object from names to tokens"
    )


def _read_object(paths: dict[str, str], name: str) -> dict[str, Any]:
    if name not in paths:
        return {}
    content = read_json(paths[name])
    if not isinstance(content, dict):
        raise VocabError(
            f"{paths[name]} holds {type(content).__name__}, not a JSON object: is it the right file?"
        )
    return content


def is_loadable(paths: dict[str, str]) -> bool:
    return TOKENIZER in paths or (VOCAB in paths and MERGES in paths)
