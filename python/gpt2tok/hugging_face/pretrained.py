"""How does a tokenizer come from files, and how does it become files?

Owns `from_pretrained`, `save_pretrained` and `save_vocabulary`, in the layouts of transformers 4 and 5.
Refuses to download anything for the names of OpenAI's sizes: their vocabulary is in the package.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .._core import TokenizerError, VocabError
from ..files import from_home, new_directory, write_files_atomically
from ..formats import merges_txt_bytes, tokenizer_json_bytes, vocab_json_bytes
from .added_tokens import AddedToken
from .arguments import flag, path_of, shown
from .hub import fetch
from .offsets import Trimming
from .pretrained_files import (
    ADDED,
    CONFIG,
    FILES,
    MERGES,
    SPECIAL_MAP,
    TOKENIZER,
    VOCAB,
    arguments_of,
    is_loadable,
    refuse_files,
)
from .special_tokens import NAMES
from .tokenizer_json import counted_ids, template_json
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
        name = path_of(pretrained_model_name_or_path, "pretrained_model_name_or_path")
        subfolder = None if subfolder is None else path_of(subfolder, "subfolder")
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
        if not name:  # Which the system would take for the directory we are in.
            raise FileNotFoundError(
                "'' is neither a directory nor the name of a model: give one, as in from_pretrained('gpt2')"
            )
        name = from_home(name)
        place = Path(name, subfolder or "")
        paths = {file: str(place / file) for file in FILES if (place / file).is_file()}
        if Path(name).is_file():
            if name.endswith(".tiktoken"):
                raise VocabError(
                    f"{name!r} is a .tiktoken file, which says nothing of a tokenizer's settings: read it by"
                    f" Encoding.from_tiktoken, or `gpt2tok convert {name} tokenizer.json`"
                )
            paths = {TOKENIZER: name}
        elif not is_loadable(paths):
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
                enough=is_loadable,
                subfolder=subfolder,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
                revision=revision,
            )
            if not is_loadable(paths):
                raise FileNotFoundError(
                    f"{name!r} has {', '.join(paths)}, but a tokenizer needs {TOKENIZER}, or {VOCAB} and {MERGES}"
                )
        arguments, extras = arguments_of(paths, kwargs)
        try:
            tokenizer = cls(**{**arguments, **kwargs})
        except (TokenizerError, TypeError):
            refuse_files(cls, paths, arguments)
            raise  # The files alone load, so it is the caller's argument.
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

        All files appear, or the directory stays as it was; one that was made for them goes again. Only a crash
        between two renames (power, `kill -9`) can leave new files beside old ones, each of them whole.

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
            TokenizerError: a `filename_prefix` that holds a directory, or a setting that JSON cannot say.
            TypeError: an argument is of the wrong type.
            NotImplementedError: `push_to_hub=True`.

        Example:
            >>> import tempfile
            >>> from gpt2tok import GPT2TokenizerFast
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = GPT2TokenizerFast.from_pretrained("gpt2", pad_token="<pad>").save_pretrained(folder)
            ...     GPT2TokenizerFast.from_pretrained(folder).pad_token_id
            50257
        """
        save_directory = from_home(path_of(save_directory, "save_directory"))
        legacy_format = None if legacy_format is None else flag(legacy_format, "legacy_format")
        if flag(push_to_hub, "push_to_hub"):
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
            Both paths. A `UserWarning` says if a `tokenizer.json` with another vocabulary is there, which
            `from_pretrained` would read instead, here and in transformers.

        Raises:
            OSError: they cannot be written; then neither of them is changed.
            TokenizerError: a `filename_prefix` that holds a directory.
            TypeError: an argument is of the wrong type.

        Example:
            >>> import os, tempfile
            >>> from gpt2tok import GPT2TokenizerFast
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     paths = GPT2TokenizerFast.from_pretrained("gpt2").save_vocabulary(folder, "my")
            ...     [os.path.basename(path) for path in paths]
            ['my-vocab.json', 'my-merges.txt']
        """
        save_directory = from_home(path_of(save_directory, "save_directory"))
        paths = _save(save_directory, filename_prefix, self._vocabulary_files())
        rival = Path(save_directory, TOKENIZER)
        if not filename_prefix and rival.is_file() and not _says(rival, self._base.vocab, self._base.merges):
            warnings.warn(
                f"{rival} holds another vocabulary than the {VOCAB} and {MERGES} just saved beside it, and"
                " from_pretrained reads it first: remove it, or save with save_pretrained, which replaces it",
                UserWarning,
                stacklevel=2,
            )
        return paths

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The settings as `tokenizer_config.json` has them: what is set now, and what came from the file unused."""
        settings: dict[str, Any] = {
            **self._extras,
            "add_bos_token": self.add_bos_token,
            "add_eos_token": self.add_eos_token,
            "add_prefix_space": self.add_prefix_space,
            "added_tokens_decoder": {str(i): _flags(token) for i, token in self._added.effective()},
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
        unknown = self._unknown_bytes() if self._base.lacks_bytes else None
        # A token whose id readers would count otherwise is given it by the vocabulary.
        vocab = dict(self._base.vocab)
        counted = counted_ids(vocab, (token.content for _, token in self._added))
        vocab |= {token.content: i for i, token in self._added if counted[token.content] != i}
        written = tokenizer_json_bytes(
            vocab,
            self._base.merges,
            [{"id": i, **token.as_dict()} for i, token in self._added.effective()],
            self.add_prefix_space,
            self._trimming is not None,
            unknown[0] if unknown is not None and unknown[0] in self._base.vocab else None,
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


def _flags(token: AddedToken) -> dict[str, Any]:
    return dict(sorted(token.as_dict().items()))


def _looks_like_a_path(name: str) -> bool:
    return Path(name).is_absolute() or name.startswith((".", "~")) or "\\" in name or name.count("/") > 1


def _says(file: Path, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> bool:
    """Whether a tokenizer.json is of this base vocabulary; it may say tokens beside it."""
    try:
        model = json.loads(file.read_bytes())["model"]
        theirs = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
        return vocab.items() <= model["vocab"].items() and theirs == list(map(tuple, merges))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _path(directory: AnyPath, prefix: str | None, name: str) -> Path:
    return Path(directory, f"{prefix}-{name}" if prefix else name)


def _save(directory: AnyPath, prefix: str | None, files: dict[str, bytes]) -> tuple[str, ...]:
    directory = path_of(directory, "save_directory")
    prefix = None if prefix is None else path_of(prefix, "filename_prefix")
    if prefix and Path(prefix).name != prefix:
        raise TokenizerError(
            f"filename_prefix {prefix!r} holds a directory: it only begins file names; put the directory in the first"
            " argument"
        )
    paths = {name: _path(directory, prefix, name) for name in files}
    with new_directory(directory):
        write_files_atomically(directory, {paths[name].name: data for name, data in files.items()})
    return tuple(map(str, paths.values()))


def _json_bytes(content: dict[str, Any]) -> bytes:
    try:
        written = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        for name, value in content.items():
            try:
                json.dumps({name: value}, sort_keys=True)
            except (TypeError, ValueError):  # noqa: PERF203 - on the way to an error
                raise TokenizerError(
                    f"the setting {shown(name)} is {shown(value)}, which JSON cannot say: leave it out, or give it as"
                    " text, numbers, lists and dicts"
                ) from error
        raise TokenizerError(
            f"the settings cannot be written as JSON ({error}): name each by a str"
        ) from error
    try:
        return written.encode()
    except UnicodeEncodeError:  # Half a surrogate pair in a setting: JSON can say it in ASCII.
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
