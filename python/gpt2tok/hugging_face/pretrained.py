"""How does a tokenizer come from files, and how does it become files?

Owns `from_pretrained`, `save_pretrained` and `save_vocabulary`, in the layouts of transformers 4 and 5.
Refuses to download anything for the names of OpenAI's sizes: their vocabulary is in the package.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from .._core import TokenizerError, VocabError
from ..files import write_files_atomically
from ..formats import merges_txt_bytes, tokenizer_json_bytes, vocab_json_bytes
from .added_tokens import AddedToken
from .hub import fetch
from .offsets import Trimming
from .special_tokens import NAMES
from .tokenizer_json import read_json, template_json
from .vocabulary_surface import VocabularySurface

P = TypeVar("P", bound="PretrainedSurface")
AnyPath = str | os.PathLike[str]

# All of these are one vocabulary, with room for 1024 tokens.
GPT2_NAMES = frozenset(
    [
        *(
            f"{owner}gpt2{size}"
            for owner in ("", "openai-community/")
            for size in ("", "-medium", "-large", "-xl")
        ),
        "distilgpt2",
        "distilbert/distilgpt2",
    ]
)
GPT2_MAX_LENGTH = 1024

VOCAB, MERGES, TOKENIZER = "vocab.json", "merges.txt", "tokenizer.json"
CONFIG, SPECIAL_MAP, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
FILES = (CONFIG, TOKENIZER, VOCAB, MERGES, SPECIAL_MAP, ADDED)

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
        "extra_special_tokens",
        "additional_special_tokens",
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
        "model_specific_special_tokens",
        "added_tokens_decoder",
    ]
)


class PretrainedSurface(VocabularySurface):
    """The files of a tokenizer. Abstract."""

    errors: str
    model_max_length: int
    padding_side: str
    truncation_side: str
    model_input_names: list[str]
    split_special_tokens: bool
    clean_up_tokenization_spaces: bool
    clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: bool
    _trimming: Trimming | None
    _extras: dict[str, Any]

    @classmethod
    def from_pretrained(
        cls: type[P],
        pretrained_model_name_or_path: AnyPath,
        *,
        cache_dir: AnyPath | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str = "main",
        subfolder: str | None = None,
        **kwargs: Any,
    ) -> P:
        """Loads a tokenizer by name or from its files.

        Args:
            pretrained_model_name_or_path: a directory as transformers 4 or 5 or this package save it; the
                path of a `tokenizer.json`; `"gpt2"`, `"gpt2-medium"`, `"gpt2-large"`, `"gpt2-xl"`,
                `"distilgpt2"` (also under `openai-community/` and `distilbert/`), which are in the package;
                or any other model on the Hugging Face hub. A directory comes before a name.
            cache_dir, force_download, local_files_only, token, revision, subfolder: for the hub; `subfolder`
                for directories too.
            kwargs: arguments of the constructor, which take precedence over the files.

        A directory's `tokenizer.json` comes before its `vocab.json` and `merges.txt`, and its template before
        `add_bos_token` of `tokenizer_config.json`, as in transformers 5. (transformers 5 then answers False
        to `add_bos_token` though the token is put in; here the answer is True.)

        Raises:
            OSError: no such directory or model, or it lacks the files.
            ImportError: a hub id, but huggingface_hub is not installed.
            VocabError: a file is broken, or is of another kind of tokenizer.

        Example:
            >>> from gpt2tok import GPT2TokenizerFast
            >>> GPT2TokenizerFast.from_pretrained("gpt2").model_max_length
            1024
        """
        name = os.fspath(pretrained_model_name_or_path)
        for idle in (
            "proxies",
            "resume_download",
            "use_auth_token",
            "_from_pipeline",
            "_commit_hash",
            "gguf_file",
        ):
            kwargs.pop(idle, None)
        kwargs.setdefault("name_or_path", name)
        place = Path(name, subfolder or "")
        paths = {file: str(place / file) for file in FILES if name and (place / file).is_file()}
        if Path(name).is_file():
            paths = {TOKENIZER: name}
        elif not _is_loadable(paths):
            if name in GPT2_NAMES:
                kwargs.setdefault("model_max_length", GPT2_MAX_LENGTH)
                return cls(**kwargs)
            if place.is_dir() or _looks_like_a_path(name):
                raise FileNotFoundError(
                    f"{str(place)!r} is no directory of a tokenizer: it needs {TOKENIZER}, or {VOCAB} and {MERGES}"
                )
            paths = fetch(
                name,
                FILES,
                subfolder=subfolder,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
                revision=revision,
            )
            if not _is_loadable(paths):
                raise FileNotFoundError(
                    f"{name!r} has {', '.join(paths)}, but a tokenizer needs {TOKENIZER}, or {VOCAB} and {MERGES}"
                )
        arguments, extras = _arguments(paths)
        tokenizer = cls(**{**arguments, **kwargs})
        tokenizer._extras = {**extras, **tokenizer._extras}
        return tokenizer

    def save_pretrained(
        self,
        save_directory: AnyPath,
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Saves the whole tokenizer, so that this package and transformers 4 and 5 load it again.

        All files appear or none does.

        Args:
            save_directory: made if it is not there.
            legacy_format: False for `tokenizer.json` and the configuration alone, True for all but
                `tokenizer.json`, left out for everything.
            filename_prefix: goes before every name, with a hyphen.
            push_to_hub: must stay False.

        Returns:
            The paths of the files.

        Raises:
            OSError: they cannot be written, or `legacy_format=True` and a `tokenizer.json` is there, which
                would be loaded instead of what is saved.
            NotImplementedError: `push_to_hub=True`.

        Example:
            >>> import tempfile
            >>> from gpt2tok import GPT2TokenizerFast
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<pad>").save_pretrained(folder)
            ...     GPT2TokenizerFast.from_pretrained(folder).pad_token_id 50257
        """
        if push_to_hub:
            raise NotImplementedError(
                "saving does not upload: save to a directory, then use huggingface_hub.upload_folder"
            )
        files = {CONFIG: _json_bytes(self.init_kwargs)}
        if legacy_format is not True:
            files[TOKENIZER] = self._tokenizer_json()
        if legacy_format is not False:
            files[SPECIAL_MAP] = _json_bytes(self._special_map())
            files |= self._vocabulary_files()
            beyond = {t: i for t, i in self.added_tokens_encoder.items() if self._base.token_to_id(t) is None}
            if beyond:
                files[ADDED] = _json_bytes(beyond)
        stale = _path(save_directory, filename_prefix, TOKENIZER)
        if legacy_format is True and stale.exists():
            raise FileExistsError(
                f"{stale} is there and would be loaded instead of what legacy_format=True saves: remove it,"
                " or save with legacy_format=None"
            )
        return _save(save_directory, filename_prefix, files)

    def save_vocabulary(self, save_directory: AnyPath, filename_prefix: str | None = None) -> tuple[str, ...]:
        """Saves the base vocabulary as `vocab.json` and `merges.txt`; of GPT-2's, OpenAI's files byte for byte.

        Args:
            save_directory: made if it is not there.
            filename_prefix: goes before both names, with a hyphen.

        Returns:
            Both paths.

        Raises:
            OSError: they cannot be written.

        Example:
            >>> import os, tempfile
            >>> from gpt2tok import GPT2TokenizerFast
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     paths = GPT2TokenizerFast.from_pretrained("gpt2").save_vocabulary(folder, "my")
            ...     [os.path.basename(path) for path in paths]
            ['my-vocab.json', 'my-merges.txt']
        """
        return _save(save_directory, filename_prefix, self._vocabulary_files())

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The settings as `tokenizer_config.json` has them: what is set now, and what came from the file unused."""
        settings: dict[str, Any] = {
            **self._extras,
            "add_bos_token": self.add_bos_token,
            "add_eos_token": self.add_eos_token,
            "add_prefix_space": self.add_prefix_space,
            "added_tokens_decoder": {str(i): _flags(token) for i, token in self._added},
            "clean_up_tokenization_spaces": self.clean_up_tokenization_spaces,
            "errors": self.errors,
            "model_max_length": self.model_max_length,
            "pad_token": None,
            "padding_side": self.padding_side,
            "truncation_side": self.truncation_side,
            "tokenizer_class": "GPT2Tokenizer",
            **self.special_tokens_map,
        }
        # Left out where they are what everybody has. transformers 4 and 5 both read this name for the extra tokens.
        if self.extra_special_tokens:
            settings["additional_special_tokens"] = self.extra_special_tokens
        if self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output:
            settings["clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"] = True
        if self.split_special_tokens:
            settings["split_special_tokens"] = True
        if self.pad_token_type_id:
            settings["pad_token_type_id"] = self.pad_token_type_id
        if self.model_input_names != ["input_ids", "attention_mask"]:
            settings["model_input_names"] = self.model_input_names
        # A part that nobody plays is said too, or loading would bring the default back.
        return settings | {name: None for name in NAMES[:3] if self._special.get(name) is None}

    def _vocabulary_files(self) -> dict[str, bytes]:
        return {VOCAB: vocab_json_bytes(self._base.vocab), MERGES: merges_txt_bytes(self._base.merges)}

    def _special_map(self) -> dict[str, Any]:
        extra = self.extra_special_tokens
        return {**self.special_tokens_map, **({"additional_special_tokens": extra} if extra else {})}

    def _tokenizer_json(self) -> bytes:
        unknown = self._special.get("unk_token")
        name = None if unknown is None or not self._base.lacks_bytes else str(unknown)
        written = tokenizer_json_bytes(
            self._base.vocab,
            self._base.merges,
            [{"id": i, **token.as_dict()} for i, token in self._added],
            self.add_prefix_space,
            self._trimming is not None,
            name if name in self._base.vocab else None,
        )
        template = self._template
        if self._trimming is None and not template.added(pair=True):
            return written
        content = json.loads(written)
        content["post_processor"] = template_json(template)
        if self._trimming is not None:
            byte_level = {
                "type": "ByteLevel",
                "add_prefix_space": self._trimming.spare_first_space,
                "trim_offsets": True,
                "use_regex": True,
            }
            content["post_processor"] = {
                "type": "Sequence",
                "processors": [byte_level, content["post_processor"]],
            }
        return json.dumps(content, ensure_ascii=False, indent=2).encode()


def _arguments(paths: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the files say, as arguments of the constructor, and the settings that it does not know."""
    config = _read_object(paths, CONFIG)
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
                arguments[name] = bool(config.pop(name))
    if "added_tokens_decoder" not in config:
        # As transformers 3 and early 4 saved it: the tokens' flags and ids in files of their own.
        config.update(_read_object(paths, SPECIAL_MAP))
    extras: dict[str, Any] = {}
    for name, value in config.items():
        if name in _SETTINGS:
            arguments[name] = _with_tokens(value) if name.endswith("special_tokens") else value
        elif name.endswith("_token") and (value is None or isinstance(value, (str, dict))):
            arguments[name] = _with_tokens(value)
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
            raise VocabError(f"{paths[ADDED]}: the id of {content!r} is {token_id!r}, not a whole number")
        given = next(
            (token for token in (*parts, *extra) if isinstance(token, AddedToken) and str(token) == content),
            None,
        )
        added[token_id] = given or AddedToken(content, special=content in special)
    return added


def _with_tokens(value: Any) -> Any:
    """AddedTokens for the objects that stand for them."""
    if isinstance(value, dict) and "content" in value:
        return AddedToken.from_dict(value, special=True)
    if isinstance(value, list):
        return [_with_tokens(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_tokens(item) for name, item in value.items()}
    return value


def _flags(token: AddedToken) -> dict[str, Any]:
    return dict(sorted(token.as_dict().items()))


def _read_object(paths: dict[str, str], name: str) -> dict[str, Any]:
    if name not in paths:
        return {}
    content = read_json(paths[name])
    if not isinstance(content, dict):
        raise VocabError(f"{paths[name]} holds {type(content).__name__}, not a JSON object")
    return content


def _is_loadable(paths: dict[str, str]) -> bool:
    return TOKENIZER in paths or (VOCAB in paths and MERGES in paths)


def _looks_like_a_path(name: str) -> bool:
    return (
        Path(name).is_absolute()
        or name.startswith((".", "~"))
        or "\\" in name
        or name.count("/") > 1
        or not name
    )


def _path(directory: AnyPath, prefix: str | None, name: str) -> Path:
    return Path(directory, f"{prefix}-{name}" if prefix else name)


def _save(directory: AnyPath, prefix: str | None, files: dict[str, bytes]) -> tuple[str, ...]:
    if prefix and Path(prefix).name != prefix:
        raise TokenizerError(
            f"filename_prefix {prefix!r} holds a directory: it only begins file names; put the directory in the first"
            " argument"
        )
    Path(directory).mkdir(parents=True, exist_ok=True)
    paths = {name: _path(directory, prefix, name) for name in files}
    write_files_atomically(directory, {paths[name].name: data for name, data in files.items()})
    return tuple(map(str, paths.values()))


def _json_bytes(content: Any) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(
        "utf-8", "surrogatepass"
    )
