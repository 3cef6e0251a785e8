"""`train`: a vocabulary of one's own from any corpus.

Owns the call, the checks of its arguments and the telling of what fell short. Refuses to read files
(`corpora.py` does) and to count or merge (the core does).
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gpt2tok._core import Encoding, TokenizerError, Trainer
from gpt2tok.training.corpora import READ_SIZE, JsonLines, feed_texts, size_of
from gpt2tok.training.progress import Progress

Text = str | bytes
AnyPath = os.PathLike[str] | os.PathLike[bytes]
Corpus = Iterable[Text | AnyPath | Sequence[Text]] | AnyPath

END_OF_TEXT = "<|endoftext|>"
_LONGEST_NAME, _MOST_NAMES = 4096, 1000
_LARGEST = (1 << 63) - 1  # what the core's integers hold


@dataclass(frozen=True)
class Training:
    """What was learned, and what fell short.

    Args:
        encoding: the vocabulary.
        learned: how many tokens were learned.
        wanted: how many there was room for.
        dropped_pretokens: distinct pretokens that `max_pretokens` cost (again for each return).
        dropped_occurrences: how often these had been seen.
    """

    encoding: Encoding
    learned: int
    wanted: int
    dropped_pretokens: int
    dropped_occurrences: int

    def shortfalls(self) -> Iterator[str]:
        """A sentence for each way in which this is less than was asked for."""
        if self.learned < self.wanted:
            yield (
                f"the corpus had {self.learned} tokens to learn where {self.wanted} were asked for: the vocabulary has"
                f" {self.encoding.n_vocab} ids; give more text, a lower min_frequency or a smaller vocab_size"
            )
        if self.dropped_pretokens:
            yield (
                f"max_pretokens dropped {self.dropped_pretokens} rare pretokens, seen {self.dropped_occurrences} times"
                " in all; a higher bound keeps them"
            )


def train(
    texts_or_files: Corpus,
    vocab_size: int,
    *,
    special_tokens: Iterable[str] = (END_OF_TEXT,),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    max_pretokens: int | None = None,
    whole_files: bool = False,
    field: str | None = None,
    errors: str = "strict",
    num_threads: int | None = None,
    show_progress: bool = True,
    name: str = "trained",
) -> Encoding:
    """Learns a byte-level BPE vocabulary: the merges that tokenizers' `BpeTrainer` learns, in GPT-2's layout of ids.

    The 256 bytes come first, in GPT-2's order, then the merges, then the special tokens. The result depends on
    the corpus and the arguments alone, not on threads or on how the text came in (but for what `max_pretokens` drops,
    which is decided every half megabyte).

    Args:
        texts_or_files: the corpus, an iterable that is read once and never held. A `str` or UTF-8 `bytes` is a
            text; a list or tuple of these is some texts; a path object (`pathlib.Path`) is a file of text, which
            is read in blocks. A string is never taken for a path. One path object may stand alone.
        vocab_size: ids in all, bytes and special tokens included.
        special_tokens: these get the last ids. Where their text stands in the corpus it is ordinary text.
        min_frequency: a pair seen less often is not merged.
        max_token_length: tokens of three bytes and more stay shorter than this many bytes.
        max_pretokens: the bound on memory: so many distinct pretokens are kept at most, the rarest are dropped
            while reading, and a warning says how many. With all that is learned from it, a pretoken costs from
            50 bytes (English) to 150 (Chinese verse, with 18 bytes to a pretoken).
        whole_files: a file is one text. By default each line is, its line feed included, as for tokenizers'
            `train(files)`; for code, whose indentation follows line feeds, whole files give shorter encodings.
        field: files are JSON lines, and each object's string of this name is a text.
        errors: "strict" or "replace", for text that is not UTF-8.
        num_threads: threads to use; by default all cores.
        show_progress: draw a line on stderr, if that is a terminal.
        name: the encoding's.

    Returns:
        The vocabulary, ready to encode; `gpt2tok.training.save` writes it. For a tokenizer with Hugging Face's
        surface, save it in a directory: `GPT2TokenizerFast.from_pretrained(directory)`. A `UserWarning` says if the
        corpus had fewer tokens to learn than there was room for, what `max_pretokens` dropped, or that a text of a
        list is the name of a file.

    Raises:
        TokenizerError: vocab_size does not hold the bytes and special tokens, the corpus is empty, text is not
            UTF-8 (it says where), a JSON line has no such field, or a number is out of range.
        SpecialTokenError: a special token is empty or repeated.
        TypeError: an argument, or something in the corpus, is of another type.
        OSError: a file cannot be read.

    Example:
        >>> import gpt2tok
        >>> encoding = gpt2tok.train(["low lower lowest"] * 3, 260)
        >>> encoding.decode_tokens_bytes(encoding.encode("low lowest"))
        [b'low', b' low', b'e', b's', b't']
    """
    if mistaken := _mistaken(texts_or_files):
        warnings.warn(mistaken, UserWarning, stacklevel=2)
    training = run(
        texts_or_files,
        vocab_size,
        special_tokens=special_tokens,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        max_pretokens=max_pretokens,
        whole_files=whole_files,
        field=field,
        errors=errors,
        num_threads=num_threads,
        show_progress=show_progress,
        name=name,
    )
    for shortfall in training.shortfalls():
        warnings.warn(shortfall, UserWarning, stacklevel=2)
    return training.encoding


def run(
    texts_or_files: Corpus,
    vocab_size: int,
    *,
    special_tokens: Iterable[str],
    min_frequency: int,
    max_token_length: int | None,
    max_pretokens: int | None,
    whole_files: bool,
    field: str | None,
    errors: str,
    num_threads: int | None,
    show_progress: bool,
    name: str,
) -> Training:
    """`train`, with what fell short as data."""
    for argument, value in (("whole_files", whole_files), ("show_progress", show_progress)):
        if not isinstance(value, bool):
            raise TypeError(f"{argument} must be True or False, not {value!r:.60}")
    for argument, text in (("name", name), ("errors", errors), ("field", "" if field is None else field)):
        if not isinstance(text, str):
            raise TypeError(f"{argument} must be str, not {type(text).__name__}")
    if field == "":
        raise TokenizerError("field is empty; name the field that holds the text, as 'text'")
    trainer = new_trainer(
        vocab_size,
        special_tokens,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        max_pretokens=max_pretokens,
        num_threads=num_threads,
    )
    items = _items(texts_or_files)
    with Progress(_known_size(texts_or_files), show_progress) as line:
        while (other := feed_texts(trainer, items, errors, line)) is not None:
            path = other[0]
            if not isinstance(path, os.PathLike):
                raise TypeError(
                    f"item {trainer.items} of the corpus is of type {type(path).__name__}; give str, UTF-8 bytes, a"
                    " list of these, or a path object for a file"
                )
            _feed_file(trainer, path, line, whole=whole_files, field=field, errors=errors)
        line.read(trainer.bytes)
        return learn(trainer, name, line)


def new_trainer(
    vocab_size: int,
    special_tokens: Iterable[str],
    *,
    min_frequency: int,
    max_token_length: int | None,
    max_pretokens: int | None,
    num_threads: int | None,
) -> Trainer:
    """A trainer, once its arguments have been looked at.

    Raises:
        TokenizerError, SpecialTokenError, TypeError: as for `train`.
    """
    if isinstance(special_tokens, str | bytes):
        raise TypeError(
            f"special_tokens must be a list of str, not one {type(special_tokens).__name__}; put it in a list"
        )
    if isinstance(special_tokens, set | frozenset):
        raise TypeError(
            f"special_tokens must be a list of str, not {type(special_tokens).__name__}, which has no order: ids would"
            " change from run to run; sort it into a list"
        )
    try:
        special = list(special_tokens)
    except TypeError:
        found = type(special_tokens).__name__
        raise TypeError(f"special_tokens must be a list of str, not {found}") from None
    return Trainer(
        _number(vocab_size, "vocab_size"),
        special,
        min_frequency=_number(min_frequency, "min_frequency"),
        max_token_length=None if max_token_length is None else _number(max_token_length, "max_token_length"),
        max_pretokens=None if max_pretokens is None else _number(max_pretokens, "max_pretokens"),
        num_threads=num_threads,
    )


def learn(trainer: Trainer, name: str, line: Progress) -> Training:
    """Learns from what the trainer has been fed."""
    return Training(*trainer.learn(name, progress=line.merged))


def _number(value: object, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be int, not bool")
    try:
        number = operator.index(cast(Any, value))
    except TypeError:
        raise TypeError(f"{name} must be int, not {type(value).__name__}") from None
    if not 0 <= number <= _LARGEST:
        wrong = "negative" if number < 0 else "larger than any corpus"
        raise TokenizerError(f"{name} is {wrong}; give a number from 0 to {_LARGEST}")
    return number


def _items(corpus: Corpus) -> Iterator[Any]:
    if isinstance(corpus, str | bytes):
        found = type(corpus).__name__
        raise TypeError(
            f"texts_or_files must be an iterable of texts or files, not one {found}; put a text in a list, and wrap the"
            " name of a file: pathlib.Path(name)"
        )
    if isinstance(corpus, os.PathLike):
        return iter([corpus])
    try:
        return iter(corpus)
    except TypeError:
        found = type(corpus).__name__
        raise TypeError(f"texts_or_files must be an iterable of texts or files, not {found}") from None


def _mistaken(corpus: Corpus) -> str:
    """A warning where the names of files are about to be taken for texts; such a list is short."""
    for text in corpus[:_MOST_NAMES] if isinstance(corpus, list | tuple) else ():
        if isinstance(text, str) and len(text) < _LONGEST_NAME and os.path.isfile(text):  # noqa: PTH113
            return (
                f"{text!r} is taken for a text, and is the name of a file: to read that file, wrap it,"
                f" pathlib.Path({text!r})"
            )
    return ""


def _known_size(corpus: Corpus) -> int:
    """Bytes to come, 0 where nobody knows."""
    paths = [corpus] if isinstance(corpus, os.PathLike) else corpus
    if not isinstance(paths, list | tuple) or not all(isinstance(path, os.PathLike) for path in paths):
        return 0
    return sum(size_of(path) for path in paths)


def _feed_file(
    trainer: Trainer, path: AnyPath, line: Progress, *, whole: bool, field: str | None, errors: str
) -> None:
    name = os.fsdecode(path)
    try:
        # Unbuffered: blocks are large, and a read that waits for a pipe ends with Ctrl-C.
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - a bytes path is a path too
            if field is not None:
                JsonLines(field, errors, name).feed(trainer, file.read, line)
                return
            trainer.begin(lines=not whole, errors=errors)
            while block := file.read(READ_SIZE):
                trainer.block(block)
                line.read(trainer.bytes)
            trainer.end()
    except TokenizerError as error:
        if name in str(error):
            raise
        raise type(error)(f"{name}: {error}") from None
