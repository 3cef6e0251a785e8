"""`gpt2tok stats`: how well does a vocabulary fit a text?

Owns the figures, the table and the picture. Refuses to train, and to judge: it shows one vocabulary, or two on the
same text.
"""

from __future__ import annotations

import argparse
import io
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpt2tok import files
from gpt2tok._core import Encoding, TokenizerError, VocabError
from gpt2tok.blocks import exact_blocks
from gpt2tok.cli.problems import DONE, DataError, UsageError
from gpt2tok.cli.progress import Progress, progress
from gpt2tok.cli.stdout import print_text
from gpt2tok.cli.streams import Source, sources
from gpt2tok.cli.vocabularies import load
from gpt2tok.training.corpora import JsonLines

_PICTURES = (".png", ".svg", ".pdf")
_AT_A_TIME = 16


@dataclass(frozen=True)
class Idle:
    """Entries of a vocabulary that never came as a token of a text, as ids in their order.

    Args:
        single_bytes: without which some text could not be encoded.
        steps: merged on the way to longer tokens, which came.
        never: all others: this text has no use for them.
    """

    single_bytes: list[int]
    steps: list[int]
    never: list[int]


@dataclass(frozen=True)
class Use:
    """How a vocabulary's tokens are used in a text.

    Args:
        name: the vocabulary, as the user called it.
        encoding: the vocabulary.
        counts: how often each id came, special tokens never.
        size: bytes of the text.
    """

    name: str
    encoding: Encoding
    counts: Counter[int]
    size: int

    @property
    def tokens(self) -> int:
        """How many tokens the text has."""
        return self.counts.total()

    @property
    def bytes_per_token(self) -> float:
        """0 for an empty text."""
        return self.size / self.tokens if self.tokens else 0.0

    def unused(self) -> list[int]:
        """The ids of the base vocabulary that never came."""
        return [token_id for token_id, _ in self.encoding.token_bytes() if token_id not in self.counts]

    def idle(self) -> Idle:
        """Those, by why they are there all the same."""
        tokens = dict(self.encoding.token_bytes())
        unused = [token_id for token_id in tokens if token_id not in self.counts]
        passed = self._steps()
        longer = [token_id for token_id in unused if len(tokens[token_id]) > 1]
        return Idle(
            single_bytes=[token_id for token_id in unused if len(tokens[token_id]) == 1],
            steps=[token_id for token_id in longer if tokens[token_id] in passed],
            never=[token_id for token_id in longer if tokens[token_id] not in passed],
        )

    def _steps(self) -> set[bytes]:
        """What is merged on the way to the tokens that came."""
        try:
            merges = self.encoding.merges()
        except VocabError:  # Some .tiktoken files merge as no list of merges does.
            return set()
        came = {token for token_id, token in self.encoding.token_bytes() if token_id in self.counts}
        passed: set[bytes] = set()
        for left, right in reversed(merges):  # a token is made before it is part of another
            if left + right in came or left + right in passed:
                passed |= {left, right}
        return passed

    def longest(self, most: int) -> list[tuple[int, bytes, int]]:
        """The longest tokens that came: id, bytes and how often."""
        used = [(i, token, self.counts[i]) for i, token in self.encoding.token_bytes() if i in self.counts]
        return sorted(used, key=lambda row: (-len(row[1]), row[0]))[:most]

    def lengths(self) -> dict[int, int]:
        """How many tokens of the text have so many bytes."""
        found: Counter[int] = Counter()
        for token_id, token in self.encoding.token_bytes():
            if token_id in self.counts:
                found[len(token)] += self.counts[token_id]
        return dict(sorted(found.items()))

    def report(self, most: int) -> dict[str, Any]:
        """All of it, for JSON."""
        unused, idle = self.unused(), self.idle()
        return {
            "vocab": self.name,
            "entries": self.encoding.n_vocab,
            "bytes": self.size,
            "tokens": self.tokens,
            "bytes_per_token": round(self.bytes_per_token, 4),
            "unused": len(unused),
            "unused_single_bytes": len(idle.single_bytes),
            "unused_steps": len(idle.steps),
            "unused_merges": len(idle.never),
            "unused_ids": unused,
            "unused_merge_ids": idle.never,
            "longest": [
                {"id": i, "text": token.decode("utf-8", "replace"), "bytes": len(token), "count": n}
                for i, token, n in self.longest(most)
            ],
            "tokens_by_bytes": {str(length): n for length, n in self.lengths().items()},
        }


def run(options: argparse.Namespace) -> int:
    """Report as the options say; returns the exit code."""
    if options.picture is not None:
        _refuse_picture(options.picture)
    inputs = sources(options.files, None, None)
    names = [options.vocab, *([options.against] if options.against is not None else [])]
    encodings = [load(name) for name in names]
    counts: list[Counter[int]] = [Counter() for _ in encodings]
    size = 0
    with progress(sum(source.size() for source in inputs), to_terminal=False) as line:
        for source in inputs:
            for texts in _texts(source, options, line):
                size += sum(map(len, texts))
                for encoding, count in zip(encodings, counts, strict=True):
                    lists = encoding.encode_ordinary_batch(
                        texts, num_threads=options.threads, errors="replace"
                    )
                    for ids in lists:
                        count.update(ids)
    uses = [
        Use(name, encoding, count, size)
        for name, encoding, count in zip(names, encodings, counts, strict=True)
    ]
    if not size:
        raise DataError("the text is empty: give a file with text in it, or pipe one in")
    if options.picture is not None:
        files.write_atomically(options.picture, draw(uses, Path(options.picture).suffix[1:].lower()))
    if options.json:
        print_text(json.dumps({"vocabularies": [use.report(options.longest) for use in uses]}))
    else:
        print_text("\n\n".join(_table(use, options.longest) for use in uses))
        if len(uses) == 2 and uses[0].tokens:
            ratio = uses[1].tokens / uses[0].tokens
            print_text(f"\n{names[1]} needs {ratio:.3f} times the tokens of {names[0]}")
    return DONE


def _texts(source: Source, options: argparse.Namespace, line: Progress) -> Iterator[list[bytes]]:
    """The texts of a source, or parts of them that are encoded apart, some at a time."""
    with source.reader() as read:
        if options.field is not None:
            made = JsonLines(options.field, options.errors, source.name).texts(read)
            parts: Iterable[bytes] = (text.encode() for text in made)
        else:
            parts = exact_blocks(read)
        some: list[bytes] = []
        done = 0
        try:
            for part in parts:
                if options.field is None and options.errors == "strict":
                    part.decode("utf-8")
                some.append(part)
                done += len(part)
                line.add(len(part))
                if len(some) >= _AT_A_TIME:
                    yield some
                    some = []
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source.name}: not UTF-8: byte 0x{error.object[error.start]:02x} at offset {done + error.start}:"
                " give --errors replace to read such bytes as U+FFFD"
            ) from error
        except TokenizerError as error:
            raise DataError(str(error).replace("errors='replace'", "--errors replace")) from error
        if some:
            yield some


def _table(use: Use, most: int) -> str:
    idle, tokens = use.idle(), use.encoding.token_bytes()
    merges = sum(len(token) > 1 for _, token in tokens)
    share = len(idle.never) / max(merges, 1)
    rows = [
        f"{use.name}: {use.encoding.n_vocab} ids",
        f"  {use.size} bytes, {use.tokens} tokens, {use.bytes_per_token:.3f} bytes per token",
        f"  {len(idle.never)} of {merges} merges unused ({share:.1%}); {len(idle.steps)} more are only steps to longer"
        f" tokens, and {len(idle.single_bytes)} of {len(tokens) - merges} single bytes never came",
    ]
    longest = use.longest(most)
    if longest:
        rows.append("  longest tokens: bytes, times, token")
        rows += [
            f"  {len(token):>6} {n:>9} {token.decode('utf-8', 'backslashreplace')!r}"
            for _, token, n in longest
        ]
    return "\n".join(rows)


def _refuse_picture(path: str) -> None:
    if Path(path).suffix.lower() not in _PICTURES:
        raise UsageError(f"{path!r} names no picture: end it in {', '.join(_PICTURES)}")
    if not Path(path).absolute().parent.is_dir():
        raise DataError(f"{path}: the directory {Path(path).parent} does not exist: create it first")
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError("--picture needs matplotlib, which is not installed: pip install 'gpt2tok[stats]'")


def draw(uses: list[Use], kind: str) -> bytes:
    """The histogram of the tokens' lengths, as the bytes of a picture.

    Args:
        uses: one vocabulary, or two on the same text.
        kind: "png", "svg" or "pdf".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    longest = max((length for use in uses for length in use.lengths()), default=1)
    shown = min(longest, 24)
    width = 0.8 / len(uses)
    for place, use in enumerate(uses):
        share = [0.0] * shown
        for length, count in use.lengths().items():
            share[min(length, shown) - 1] += count / max(use.tokens, 1)
        left = [length + (place - (len(uses) - 1) / 2) * width for length in range(1, shown + 1)]
        axes.bar(left, share, width, label=_label(use))
    axes.set_xlabel("bytes of a token" + (f" ({shown}: that many or more)" if longest > shown else ""))
    axes.set_ylabel("share of all tokens")
    axes.set_title(f"{uses[0].size:,} bytes of text")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for text in axes.legend().get_texts():
        text.set_parse_math(False)  # A name may hold dollar signs.
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(buffer, format=kind)
    return buffer.getvalue()


def _label(use: Use) -> str:
    hidden = " " if use.name.startswith("_") else ""  # matplotlib's legends leave out names that begin so
    return f"{hidden}{use.name} ({use.bytes_per_token:.2f} bytes per token)"
