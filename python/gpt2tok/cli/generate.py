"""`gpt2tok generate`: prompts in, texts out.

Owns the loading of a checkpoint with its vocabulary, the passage of prompts to the model, and the form of what comes
back. The model's package does the generating, and is imported here, when the command runs: nothing else in gpt2tok
knows of it. Refuses to go on past a prompt that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpt2tok._core import Encoding, SpecialTokenError
from gpt2tok.cli.backends import choose_backend
from gpt2tok.cli.generate_arguments import OPTIONS
from gpt2tok.cli.problems import DONE, DataError, UsageError, note
from gpt2tok.cli.quiet import keep_tensorflow_quiet
from gpt2tok.cli.stdout import flush_stdout, print_text
from gpt2tok.cli.streams import Source, refuse_no_name
from gpt2tok.cli.vocabularies import DEFAULT, find, load

_BY_CHANCE = ("temperature", "top_k", "top_p", "min_p")


def run(options: argparse.Namespace) -> int:
    """Generate as the options say; returns the exit code."""
    refuse_no_name(options.model, "a directory with a checkpoint")
    given = _generation_options(options)
    from_stdin = options.prompt == "-"
    several = given.get("num_return_sequences", 1) > 1 or given.get("num_beams", 1) > 1
    if options.stream and (several or from_stdin or options.json):
        raise UsageError(
            "--stream shows one text while it is made: leave out --num-return-sequences, --num-beams, --json and -"
        )
    keep_tensorflow_quiet()
    choose_backend(options.backend)
    with _told():
        model = _load_model(options.model)
        encoding = _vocabulary(options, model)
    streams = options.stream is not False and not (several or from_stdin or options.json)
    for prompt in _prompts() if from_stdin else [options.prompt]:
        ids = _ids(model, encoding, prompt, options.special)
        with _told():
            if streams:
                _stream(model, encoding, prompt, ids, given, only_new=options.only_new)
            else:
                texts = _texts(model, encoding, ids, given)
                _print(prompt, texts, as_json=options.json or from_stdin, only_new=options.only_new)
    return DONE


def _generation_options(options: argparse.Namespace) -> dict[str, Any]:
    """What of the command line the model is told."""
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    contrast = "penalty_alpha" in given
    chance = [name for name in _BY_CHANCE if name in given and not (contrast and name == "top_k")]
    if "seed" in given and not contrast:
        chance.append("seed")
    if given.get("num_return_sequences", 1) > 1 and "num_beams" not in given:
        chance.append("num_return_sequences")
    if chance and given.get("do_sample") is False:
        raise UsageError(f"{OPTIONS[chance[0]]} is for sampling: leave out --greedy")
    if chance:
        given["do_sample"] = True
    return given


@contextmanager
def _told() -> Iterator[None]:
    """What the model's package raises and warns of, as this command says it."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except ImportError as error:
            raise DataError(str(error)) from error
        except ValueError as error:
            kind = type(error).__name__
            if kind == "GenerationConfigError":
                raise UsageError(_in_our_words(str(error))) from error
            raise DataError(
                _in_our_words(str(error)) if kind == "ContextLengthError" else str(error)
            ) from error
    for kept in notes:
        if type(kept.message) is UserWarning:
            note(str(kept.message))


def _in_our_words(message: str) -> str:
    """A message of the model's package with its arguments named as they are here."""
    message = re.sub(r"\b(do_sample|sliding_window)=True", lambda found: OPTIONS[found[1]], message)
    message = message.removeprefix("GenerationConfig: ")
    names = "|".join(sorted(OPTIONS, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])({names})(?=[ =:,.)])(?! of)", lambda found: OPTIONS[found[1]], message)


def _load_model(place: str) -> Any:
    """The checkpoint as a model that generates.

    Raises:
        ImportError: the extra that brings it is not installed; says which.
        DataError: it cannot be read.
    """
    from gpt2model.extras import extra_named

    with extra_named("gpt2tok generate"):
        from gpt2model import GPT2LMHeadModel

        try:
            return GPT2LMHeadModel.from_pretrained(place)
        except OSError as error:  # of the checkpoint, not of what this command reads and writes
            raise DataError(str(error)) from error


def _vocabulary(options: argparse.Namespace, model: Any) -> Encoding:
    """The vocabulary of the command line, of the checkpoint, or GPT-2's own.

    Raises:
        DataError: there is none, or it is not the model's.
    """
    from gpt2model.vocabulary import fitted

    size, name = model.config.vocab_size, options.vocab
    if name is None:
        name = options.model if Path(options.model).is_dir() else str(Path(options.model).parent)
        try:
            find(name)
        except DataError as error:
            if size < load(DEFAULT).n_vocab:
                raise DataError(f"{error}; or --vocab PATH") from error
            name = DEFAULT
    encoding = load(name)
    try:
        fitted(encoding, model.config)
    except ValueError as error:
        raise DataError(f"{name}: {error} (--vocab names another)") from error
    return encoding


def _prompts() -> Iterator[str]:
    """The prompts on standard input.

    Raises:
        DataError: a line that holds none; says which.
    """
    kept = b""
    number = 0
    with Source("-").reader() as read:
        while True:
            block = read(1 << 16)
            kept += block
            *lines, kept = kept.split(b"\n") if block else [kept, b""]
            for line in lines:
                number += 1
                if line.strip():
                    yield _prompt(line, number)
            if not block:
                return


def _prompt(line: bytes, number: int) -> str:
    where = f"standard input: line {number}"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one
        raise DataError(f'{where}: no JSON ({error}): give a JSON string, or {{"prompt": "..."}}') from error
    value = value.get("prompt") if isinstance(value, dict) else value
    if not isinstance(value, str):
        raise DataError(f'{where}: holds no prompt: give a JSON string, or {{"prompt": "..."}}')
    return value


def _ids(model: Any, encoding: Encoding, prompt: str, special: str) -> list[int]:
    """The prompt's ids; for an empty one the token that begins a text.

    Raises:
        DataError: a special token in it, text that is not UTF-8, or nothing to begin with.
    """
    try:
        ids = encoding.encode(
            os.fsencode(prompt),
            allowed_special="all" if special == "allow" else set(),
            disallowed_special=() if special == "text" else "all",
        )
    except SpecialTokenError as error:
        raise DataError(
            f"the prompt {prompt[:40]!r} holds a special token: give --allow-special to take it as that token, or"
            " --special-as-text to take it as ordinary text"
        ) from error
    except UnicodeError as error:
        raise DataError(f"the prompt is not UTF-8 ({error}): convert it") from error
    begin = model.config.bos_token_id
    if ids or begin is None:
        if not ids:
            raise DataError(
                "the prompt is empty, and the model has no token that begins a text: give a prompt"
            )
        return list(ids)
    return [int(begin)]


def _stream(
    model: Any, encoding: Encoding, prompt: str, ids: list[int], given: dict[str, Any], *, only_new: bool
) -> None:
    texts = model.stream([ids], tokenizer=encoding, **given)
    first = next(texts, None)  # whatever is wrong comes out now, before a line is begun
    if not only_new:
        print_text(prompt, end="")
    held = Held(given.get("stop_strings", ()))
    for text in () if first is None else _chain(first, texts):
        print_text(held.step(text), end="")
        flush_stdout()
    print_text(held.finish())


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _texts(model: Any, encoding: Encoding, ids: list[int], given: dict[str, Any]) -> list[str]:
    """The continuations of one prompt."""
    from gpt2model.generation.generate import continuations

    stops = given.get("stop_strings", ())
    texts = continuations(model, [ids], tokenizer=encoding, **given)
    return [held.step(text) + held.finish() for text, held in ((text, Held(stops)) for text in texts)]


def _print(prompt: str, texts: Sequence[str], *, as_json: bool, only_new: bool) -> None:
    for index, text in enumerate(texts):
        if as_json:
            found = {} if only_new else {"prompt": prompt}
            print_text(json.dumps({**found, "sequence": index, "text": text}))
            continue
        if len(texts) > 1:
            print_text(f"=== {index + 1} of {len(texts)} ===")
        print_text(text if only_new else prompt + text)
    flush_stdout()


class Held:
    """Text on its way out that ends before any of some stops, and so is held back where one may have begun.

    Args:
        stops: the texts that end it.

    Example:
        >>> held = Held(["###"])
        >>> [held.step(part) for part in ("a#", "b##", "#c")], held.finish()
        (['a', '#b', ''], '')
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._kept = ""
        self._ended = False

    def step(self, text: str) -> str:
        """What of the text so far is certain to come, and has not come yet."""
        if self._ended:
            return ""
        self._kept += text
        places = [place for stop in self._stops if (place := self._kept.find(stop)) >= 0]
        if places:
            self._ended = True
            out, self._kept = self._kept[: min(places)], ""
            return out
        back = max((self._begun(stop) for stop in self._stops), default=0)
        out = self._kept[: len(self._kept) - back]
        self._kept = self._kept[len(out) :]
        return out

    def finish(self) -> str:
        """What was held back for nothing."""
        out, self._kept = self._kept, ""
        return out

    def _begun(self, stop: str) -> int:
        """How many characters at the end may be the beginning of a stop."""
        return next((size for size in range(len(stop) - 1, 0, -1) if self._kept.endswith(stop[:size])), 0)
