"""What is a GPT-2 tokenizer to its user? Everything that the slow and the fast one share.

Owns construction, copying and pickling; the methods come from the four surfaces it joins. Refuses to be a tokenizer
itself: `slow.py` and `fast.py` add the algorithm, and nothing else.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from .._core import SpecialTokenError, VocabError
from .added_tokens import AddedToken, AddedVocabulary
from .arguments import flag, is_number, path_of, shown
from .base_vocabulary import BaseVocabulary
from .decoding_surface import DecodingSurface
from .prepare_surface import PrepareSurface
from .settings import CHECKS
from .special_tokens import NAMES, SpecialTokens, TokenLike
from .template import Template, framed
from .tokenizer_json import TokenizerFile, parse_tokenizer_json, read_tokenizer_json
from .training_surface import TrainingSurface
from .vocabulary_files import read_vocabulary

S = TypeVar("S", bound="TokenizerSurface")
AnyPath = str | os.PathLike[str]

# Arguments of transformers that choose among its own implementations, or name files it found: nothing to do for us.
_IDLE = frozenset(
    [
        "use_fast",
        "tokenizer_class",
        "tokenizer_type",
        "backend",
        "is_local",
        "local_files_only",
        "trust_remote_code",
        "_from_auto",
        "special_tokens_map_file",
        "name_or_path",
        "files_loaded",
        "processor_class",
        "auto_map",
        "is_fast",
        "fix_mistral_regex",
        "do_lower_case",
        "slow_tokenizer_class",
        "max_length",
        "truncation_strategy",
        "stride",
    ]
)


class TokenizerSurface(PrepareSurface, DecodingSurface, TrainingSurface):
    """A GPT-2 tokenizer with Hugging Face's names, arguments, defaults and results. Abstract.

    Args:
        vocab: token to id, or the path of a `vocab.json`. Without any vocabulary, OpenAI's is used, which the
            package holds.
        merges: pairs of tokens (or strings `"left right"`) in rank order, or the path of a `merges.txt`.
        errors: what to do with bytes that are no UTF-8 when decoding, as for `bytes.decode`.
        unk_token: stands for tokens and bytes that the vocabulary lacks. GPT-2's has every byte. Where a
            `tokenizer.json` names an unk_token of its own, that one stands for bytes, and this for tokens.
        bos_token: opens a sequence, if `add_bos_token`.
        eos_token: ends a sequence, if `add_eos_token`.
        pad_token: fills rows up. GPT-2 has none; `"<|endoftext|>"` is the usual choice.
        add_prefix_space: put a space before texts that open without one.
        add_bos_token: put `bos_token` before each sequence.
        add_eos_token: put `eos_token` after each sequence.
        vocab_file: transformers 4's name for the path `vocab`.
        merges_file: transformers 4's name for the path `merges`.
        tokenizer_file: the path of a `tokenizer.json`, instead of both.
        kwargs: `sep_token`, `cls_token`, `mask_token`, any other `..._token`, `extra_special_tokens`
            (transformers 4: `additional_special_tokens`), `model_max_length`, `padding_side`,
            `truncation_side`, `model_input_names`, `clean_up_tokenization_spaces`, `split_special_tokens`,
            `added_tokens_decoder` (id to token), `tokenizer_object` (a `tokenizers.Tokenizer` to take over),
            `verbose`. Others are kept, so that `save_pretrained` writes them, with a warning.

    Special tokens that the vocabulary lacks are added to it. One that is set later (`tokenizer.pad_token = ...`)
    is not: until `add_special_tokens` adds it, its id is that of `unk_token`, as in transformers.

    Results are those of transformers 5's tokenizer, except where that loses something without a word:

    - Bytes that the vocabulary lacks become `unk_token`, as documented there; they are not left out.
    - Ids that no token has are errors; decoding does not leave them out.
    - An added token decodes to its text, also if that has letters of the byte alphabet (`é`).
    - `tokens()` and `tokenize` name an added token by its text, without the white space that it took with it, so
      that `convert_tokens_to_ids` finds it.
    - A `max_length` without room for the special tokens is an error, not an input that is too long.
    - `bos_token`, `eos_token`, `add_prefix_space` count as soon as they are set, and `add_bos_token` of a loaded
      tokenizer says what it does.
    - An AddedToken among `extra_special_tokens` is special, so `decode` can skip it.
    - `clean_up_tokenization_spaces=True` passed to `decode` is done.
    - Where it fails by accident (an empty batch, a tuple of new tokens, negative token numbers), the plain meaning
      holds; where its Rust code panics, there is a `TokenizerError`.

    Raises:
        VocabError: the vocabulary is wrong in itself, or its files are.
        TokenizerError: another argument is wrong.
        TypeError: an argument is of the wrong type.
        OSError: a file cannot be read.
    """

    padding_side: str = "right"
    truncation_side: str = "right"
    model_input_names: list[str] = ["input_ids", "attention_mask"]  # noqa: RUF012 - each tokenizer has its own copy
    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": "vocab.json", "merges_file": "merges.txt"}

    def __init__(  # noqa: PLR0917 - transformers' order
        self,
        vocab: Mapping[str, int] | AnyPath | None = None,
        merges: Sequence[tuple[str, str] | str] | AnyPath | None = None,
        errors: str = "replace",
        unk_token: TokenLike | None = "<|endoftext|>",
        bos_token: TokenLike | None = "<|endoftext|>",
        eos_token: TokenLike | None = "<|endoftext|>",
        pad_token: TokenLike | None = None,
        add_prefix_space: bool | None = None,
        add_bos_token: bool | None = None,
        add_eos_token: bool | None = None,
        *,
        vocab_file: AnyPath | None = None,
        merges_file: AnyPath | None = None,
        tokenizer_file: AnyPath | None = None,
        **kwargs: Any,
    ) -> None:
        backend = kwargs.pop("tokenizer_object", None)
        file = None if backend is None else parse_tokenizer_json(_json_of(backend), "tokenizer_object")
        if tokenizer_file is not None:
            file = read_tokenizer_json(path_of(tokenizer_file, "tokenizer_file"))
        arguments = self._remember(
            {
                "errors": errors,
                "unk_token": unk_token,
                "bos_token": bos_token,
                "eos_token": eos_token,
                "pad_token": pad_token,
            },
            kwargs,
            {} if file is None else file.defaults,
        )
        if file is not None:
            if any(given is not None for given in (vocab, merges, vocab_file, merges_file)):
                raise TypeError("tokenizer_file holds a vocabulary itself: leave vocab and merges out")
            self._base = BaseVocabulary(file.vocab, file.merges, (file.what,))
        else:
            self._base = read_vocabulary(
                _one(vocab, vocab_file, "vocab"), _one(merges, merges_file, "merges")
            )
        self._added = AddedVocabulary()
        self._special = SpecialTokens()
        self._model_unknown = None if file is None else file.unk_token
        self._names_now = None
        self._engine_changed()
        arguments = self._special.take(arguments)
        self._place_added(file, arguments.pop("added_tokens_decoder", None))
        self._settle(arguments)
        prefix = add_prefix_space if file is None or add_prefix_space is not None else file.add_prefix_space
        self._add_prefix_space = flag(prefix, "add_prefix_space")
        self._trimming = None if file is None else file.trimming
        self._own_template = None
        self._add_bos_token = self._add_eos_token = False
        self._use_template(file, add_bos_token, add_eos_token)
        self._engine_now = self._engine  # Made here, so that a wrong vocabulary is told of at the door.

    def _remember(
        self, named: dict[str, Any], others: dict[str, Any], defaults: dict[str, Any]
    ) -> dict[str, Any]:
        """All arguments but the vocabulary in one dict; what the caller did not say comes from the file."""
        arguments = {**named, **others}
        for name, value in defaults.items():
            if arguments.get(name) is None:
                arguments[name] = value
        if arguments.get("additional_special_tokens") is not None and not arguments.get(
            "extra_special_tokens"
        ):
            arguments["extra_special_tokens"] = arguments["additional_special_tokens"]
        arguments.pop("additional_special_tokens", None)
        return arguments

    def _place_added(self, file: TokenizerFile | None, decoder: object) -> None:
        """The added tokens of a file at their ids, then the special tokens that nobody has yet."""
        for what, tokens in (
            ("" if file is None else file.what, {} if file is None else file.added),
            ("added_tokens_decoder", _decoder(decoder)),
        ):
            for token_id, token in sorted(tokens.items()):
                with _named(what):
                    self._added.place(token_id, token, self._base)
        missing = [token for token in self._special.every() if str(token) not in self._added]
        self._added.add([AddedToken.of(token, special=True) for token in missing], self._base)

    def _settle(self, arguments: dict[str, Any]) -> None:
        """The settings that are plain values."""
        take = arguments.pop
        limit, older = take("model_max_length", None), take("max_len", None)
        # Setting one checks it (`__setattr__`).
        self.errors = take("errors")
        self.verbose = take("verbose", False)
        self.name_or_path = str(take("name_or_path", ""))
        self.model_max_length = older if limit is None else limit
        self.padding_side = take("padding_side", "right")
        self.truncation_side = take("truncation_side", "right")
        self.model_input_names = take("model_input_names", self.model_input_names)
        self.pad_token_type_id = take("pad_token_type_id", 0)
        self.split_special_tokens = take("split_special_tokens", False)
        self.clean_up_tokenization_spaces = take("clean_up_tokenization_spaces", False)
        self.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = take(
            "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", False
        )
        self._warned_of_length = False
        self._extras = {name: value for name, value in arguments.items() if name not in _IDLE}
        if self._extras:
            names = ", ".join(sorted(self._extras))
            warnings.warn(
                f"unknown arguments are kept but not used: {names}; correct or remove them",
                UserWarning,
                stacklevel=3,
            )

    def _use_template(self, file: TokenizerFile | None, bos: bool | None, eos: bool | None) -> None:
        """The file's template, unless the caller says what he wants; as the two flags, if it is what they describe."""
        template = None if file is None else file.template
        if file is not None and template is not None and bos is None and eos is None:
            self._require_known(template, file.what)
            for flags in ((True, False), (False, True), (True, True), (False, False)):
                if template == self._framed(*flags):
                    self._frame(*flags)
                    return
            self._own_template = template
            self._add_bos_token = self._stands_at(template, 0, self.bos_token_id)
            self._add_eos_token = self._stands_at(template, -1, self.eos_token_id)
            self._template_changed()
            return
        self._frame(flag(bos, "add_bos_token"), flag(eos, "add_eos_token"))

    def _require_known(self, template: Template, what: str) -> None:
        for part in (*template.single, *template.pair):
            for token_id in part.ids:
                if self._added.get(token_id) is None and self._base.id_to_token(token_id) is None:
                    raise VocabError(
                        f"{what}: post_processor puts in the id {shown(token_id)}, which no token has: add that token"
                        " to added_tokens, or correct the id"
                    )

    @staticmethod
    def _stands_at(template: Template, place: int, token_id: int | None) -> bool:
        """Whether a single text has this token at its beginning (0) or end (-1)."""
        part = template.single[place] if template.single else None
        return part is not None and token_id is not None and part.ids == (token_id,)

    def _framed(self, bos: bool, eos: bool) -> Template | None:
        """The template of two flags, or None if their tokens are not there."""
        try:
            return framed(
                self._framing("bos_token") if bos else None, self._framing("eos_token") if eos else None
            )
        except SpecialTokenError:
            return None

    # --- being a Python object ---

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is no attribute: the parts that a model names itself, `image_token` and `image_token_id`.
        special = self.__dict__.get("_special")
        if special is not None and name.removesuffix("_id") in special:
            token = special.get(name.removesuffix("_id"))
            if token is None or not name.endswith("_id"):
                return None if token is None else str(token)
            return self.convert_tokens_to_ids(str(token))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CHECKS:
            value = CHECKS[name](value, name)
            if name == "split_special_tokens":
                self._simple_plan_now = None
        elif name.endswith("_token") and name not in NAMES and name in self.__dict__.get("_special", ()):
            self._special.put(name, value)
            return
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        added = "".join(f"\n\t{token_id}: {token!r}," for token_id, token in self._added)
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, vocab_size={self.vocab_size},"
            f" model_max_length={self.model_max_length}, padding_side={self.padding_side!r},"
            f" truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map},"
            f" added_tokens_decoder={{{added}\n}})"
        )

    def __getstate__(self) -> dict[str, Any]:
        # What can be made again is not carried along; GPT-2's vocabulary travels as its name.
        return {
            **self.__dict__,
            "_engine_now": None,
            "_names_now": None,
            "_template_now": None,
            "_simple_plan_now": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __copy__(self: S) -> S:
        # Added tokens and special tokens change in place, so they must not be shared.
        return copy.deepcopy(self)


def _one(value: Any, file: Any, name: str) -> Any:
    if value is not None and file is not None:
        raise TypeError(f"{name} and {name}_file are the same thing: give one")
    return file if value is None else value


def _json_of(backend: Any) -> str:
    """The `tokenizer.json` of a `tokenizers.Tokenizer`."""
    to_str = getattr(backend, "to_str", None)
    if not callable(to_str):
        raise TypeError(f"tokenizer_object is a tokenizers.Tokenizer, not {type(backend).__name__}")
    return str(to_str())


def _decoder(value: object) -> dict[int, AddedToken]:
    """The argument `added_tokens_decoder`: id, as JSON has it too, to token."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"added_tokens_decoder is a dict of id to token, not {type(value).__name__}")
    found: dict[int, AddedToken] = {}
    for key, saved in value.items():
        is_id = is_number(key) and not isinstance(key, bool)
        if not is_id and not (isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 20):
            raise VocabError(
                f"added_tokens_decoder has the key {shown(key)}: its keys are ids, whole numbers from 0"
            )
        where = f"added_tokens_decoder[{shown(key)}]"
        with _named(where):
            token = AddedToken.from_dict(saved) if isinstance(saved, Mapping) else AddedToken.of(saved)
        found[int(key)] = token
    return found


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Lets a VocabError or TypeError inside say what it is about."""
    try:
        yield
    except VocabError as error:
        raise VocabError(f"{what}: {error}") from None
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from None
