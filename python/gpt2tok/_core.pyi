"""Types of the compiled module: the Rust core as Python sees it. Checked against the built module by stubtest."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AddedTokens",
    "DecodeStream",
    "Encoding",
    "SpecialTokenError",
    "TokenizerError",
    "Trainer",
    "UnknownTokenError",
    "VocabError",
    "__version__",
    "_before_fork",
    "_restore",
    "gpt2_vocabulary",
    "last_cut",
    "read_merges_txt",
    "read_vocab_json",
    "unicode_ranges",
]

__version__: str

_Text = str | bytes
_Errors = Literal["strict", "replace"]
_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Allowed = Literal["all"] | Collection[str]

class TokenizerError(ValueError): ...
class VocabError(TokenizerError): ...
class SpecialTokenError(TokenizerError): ...
class UnknownTokenError(TokenizerError): ...

@final
class AddedTokens:
    """An ordered set of added tokens, compiled for matching (Hugging Face's rules)."""

    def __new__(cls, tokens: Sequence[tuple[str, int, bool, bool, bool, bool, bool]]) -> AddedTokens: ...
    # each: (content, id, single_word, lstrip, rstrip, normalized, special)
    def __len__(self) -> int: ...

@final
class DecodeStream:
    def step(self, id: int) -> str: ...
    def finish(self) -> str: ...

@final
class Encoding:
    @staticmethod
    def gpt2() -> Encoding: ...
    @staticmethod
    def from_files(
        vocab_file: _Path,
        merges_file: _Path,
        *,
        special_tokens: Collection[str] | Mapping[str, int] | None = None,
        unk_token: str | None = None,
        name: str | None = None,
    ) -> Encoding: ...
    @staticmethod
    def from_tokenizer_json(path: _Path, *, name: str | None = None) -> Encoding: ...
    @staticmethod
    def from_tiktoken(
        path: _Path, *, special_tokens: Mapping[str, int] | None = None, name: str | None = None
    ) -> Encoding: ...
    # The same three, from memory.
    @staticmethod
    def from_vocab_and_merges(
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        special_tokens: Collection[str] | Mapping[str, int] | None = None,
        unk_token: str | None = None,
        name: str | None = None,
    ) -> Encoding: ...
    @property
    def name(self) -> str: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def max_token_value(self) -> int: ...
    @property
    def eot_token(self) -> int: ...
    @property
    def special_tokens_set(self) -> set[str]: ...
    @property
    def special_tokens(self) -> dict[str, int]: ...
    def encode_ordinary(self, text: _Text, *, errors: _Errors = "strict") -> list[int]: ...
    def encode(
        self,
        text: _Text,
        *,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> list[int]: ...
    def encode_ordinary_batch(
        self, texts: Sequence[_Text], *, num_threads: int | None = None, errors: _Errors = "strict"
    ) -> list[list[int]]: ...
    def encode_batch(
        self,
        texts: Sequence[_Text],
        *,
        num_threads: int | None = None,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> list[list[int]]: ...
    def encode_to_numpy(
        self,
        text: _Text,
        *,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> NDArray[np.uint32]: ...
    def encode_ragged(
        self,
        texts: Sequence[_Text],
        *,
        num_threads: int | None = None,
        dtype: Literal["uint32", "uint16"] = "uint32",
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
    def encode_file(
        self,
        path: _Path,
        out: _Path,
        *,
        dtype: Literal["uint32", "uint16"] | None = None,
        num_threads: int | None = None,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> int: ...
    # All ids of the texts as little-endian integers: what encode_file and the command line write.
    def _encode_raw(
        self,
        texts: Sequence[_Text],
        *,
        dtype: Literal["uint32", "uint16"] | None = None,
        num_threads: int | None = None,
        allowed_special: _Allowed | None = None,
        disallowed_special: _Allowed | None = None,
        errors: _Errors = "strict",
    ) -> bytes: ...
    def encode_with_offsets(
        self,
        text: _Text,
        *,
        unit: Literal["char", "byte"] = "char",
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> tuple[list[int], list[tuple[int, int]]]: ...
    def encode_single_token(self, text_or_bytes: _Text) -> int: ...
    def count(
        self,
        text: _Text,
        *,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> int: ...
    def count_batch(
        self,
        texts: Sequence[_Text],
        *,
        num_threads: int | None = None,
        allowed_special: _Allowed = (),
        disallowed_special: _Allowed = "all",
        errors: _Errors = "strict",
    ) -> list[int]: ...
    def decode(self, ids: Iterable[int], errors: str = "replace") -> str: ...
    def decode_bytes(self, ids: Iterable[int]) -> bytes: ...
    def decode_batch(
        self, batch: Sequence[Iterable[int]], *, errors: str = "replace", num_threads: int | None = None
    ) -> list[str]: ...
    def decode_ragged(self, ids: Any, row_splits: Any, *, errors: str = "replace") -> list[str]: ...
    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]: ...
    def decode_single_token_bytes(self, id: int) -> bytes: ...
    def decode_tokens_bytes(self, ids: Iterable[int]) -> list[bytes]: ...
    def decode_stream(self) -> DecodeStream: ...
    # The base vocabulary in id order, specials left out but for an unk_token.
    def token_bytes(self) -> list[tuple[int, bytes]]: ...
    def merges(self) -> list[tuple[bytes, bytes]]: ...  # in rank order
    # What GPT2TokenizerFast stands on: added tokens by Hugging Face's rules, then the BPE.
    # the third list: the number of the pretoken or added token that each came from; offsets are characters,
    # untrimmed, as tokenizers' ByteLevel gives them.
    def encode_added(
        self, text: str, added: AddedTokens, *, add_prefix_space: bool, split_special_tokens: bool
    ) -> list[int]: ...
    def encode_added_batch(
        self,
        texts: Sequence[str],
        added: AddedTokens,
        *,
        add_prefix_space: bool,
        split_special_tokens: bool,
        num_threads: int | None = None,
    ) -> list[list[int]]: ...
    def encode_added_with_offsets(
        self, text: str, added: AddedTokens, *, add_prefix_space: bool, split_special_tokens: bool
    ) -> tuple[list[int], list[tuple[int, int]], list[int]]: ...
    def __copy__(self) -> Encoding: ...
    def __deepcopy__(self, _memo: Any, /) -> Encoding: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Trainer:
    def __new__(
        cls,
        vocab_size: int,
        special_tokens: Sequence[str],
        *,
        min_frequency: int = 0,
        max_token_length: int | None = None,
        max_pretokens: int | None = None,
        num_threads: int | None = None,
    ) -> Trainer: ...
    # None at the iterator's end, (item,) for an item that is no text, True when some text has been counted.
    def feed(
        self, texts: Iterator[Any], *, lines: bool = False, errors: str = "strict"
    ) -> Literal[True] | tuple[Any] | None: ...
    # One text in blocks.
    def begin(self, *, lines: bool, errors: str = "strict") -> None: ...
    def block(self, block: bytes) -> None: ...
    def end(self) -> None: ...
    @property
    def items(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    # The encoding, tokens learned and wanted, pretokens dropped and how often those were seen.
    def learn(
        self, name: str, *, progress: Callable[[int, int], object] | None = None
    ) -> tuple[Encoding, int, int, int, int]: ...

def _before_fork() -> None: ...
def _restore(state: Any = None) -> Encoding: ...
def gpt2_vocabulary() -> tuple[
    dict[str, int], list[tuple[str, str]]
]: ...  # vocab.json's dict, merges.txt's pairs
def read_vocab_json(path: _Path) -> dict[str, int]: ...
def read_merges_txt(path: _Path) -> list[tuple[str, str]]: ...
def last_cut(data: bytes, start: int) -> int: ...  # where the beginning of a text may be cut; 0 for nowhere
def unicode_ranges(
    name: Literal["letter", "number", "space", "word"],
) -> list[tuple[int, int]]: ...  # inclusive code points
