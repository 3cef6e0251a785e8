"""How do examples become the rows of a batch?

Owns the assembly: encode each sequence, cut it into windows, put the template around, fill up; and, when somebody
asks, the details of each row. Refuses to read the caller's arguments (`call_surface.py`, `inputs.py`) and to make
tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from .engine import Engine, Offsets
from .inputs import Example, Sequence
from .offsets import Trimming
from .padding import Padding
from .sequence_encoding import SequenceEncoding
from .template import Parts, Template, fill
from .token_names import TokenNames
from .truncation import Truncation, Window, combine, windows_of

T = TypeVar("T")
Trace = tuple[
    list[int], list[Offsets], list[int]
]  # ids, offsets, pretoken numbers (or those of words passed)
_NO_TRACE: Trace = ([], [], [])


@dataclass(frozen=True)
class Plan:
    """Everything that decides what an example becomes; nothing of it changes later.

    Args:
        engine: text to ids.
        names: ids to names.
        template: what stands around the sequences.
        special: whether its special tokens are wanted.
        split_special: whether special tokens in the text are ordinary text.
        truncation: how to shorten, or None.
        padding: how to fill up, or None.
        overflow: whether overflowing windows become rows too.
        trimming: which white space offsets leave out.
    """

    engine: Engine
    names: TokenNames
    template: Template
    special: bool
    split_special: bool
    truncation: Truncation | None
    padding: Padding | None
    overflow: bool
    trimming: Trimming | None


class Row(NamedTuple):
    """One row: which example it shows, and which window of each of its sequences."""

    example: int
    first: Window
    second: Window | None


class Rows:
    """The rows of one call. Final.

    Ids are made at once, offsets and names only when asked for: most callers never ask, and ids alone are
        several times faster to make.
    """

    def __init__(self, plan: Plan, examples: list[Example], *, traced: bool) -> None:
        self._plan = plan
        self._examples = examples
        self._traces: list[tuple[Trace, Trace | None]] | None = None
        if traced:
            self._traces = [self._trace_example(example) for example in examples]
            sequences = [(list(one[0]), None if two is None else list(two[0])) for one, two in self._traces]
        else:
            sequences = self._encode(examples)
        self._lengths = [(len(one), None if two is None else len(two)) for one, two in sequences]
        # The caller owns the lists of ids; nothing below looks at them again.
        if self._is_plain:
            rows = [self._kept(one) for one, _ in sequences]
            self._row_lengths = list(map(len, rows))
            self._target = 0 if plan.padding is None else plan.padding.target(self._row_lengths)
            self.input_ids = (
                rows if plan.padding is None else [self._padded(row, self._pad_id) for row in rows]
            )
            return
        self._row_lengths = [self._length(row) for row in self._rows]
        if plan.padding is not None:
            self._target = plan.padding.target(self._main_lengths())
        self.input_ids = [self._ids(row, *sequences[row.example]) for row in self._rows]

    @cached_property
    def _rows(self) -> list[Row]:
        return [row for i in range(len(self._lengths)) for row in self._rows_of(i, self._plan.overflow)]

    @property
    def _is_plain(self) -> bool:
        """Whether each row is the ids of one text alone, so that no row needs to be put together."""
        plan = self._plan
        alone = not plan.overflow and len(plan.template.parts(pair=False, special=plan.special)) == 1
        return alone and all(two is None for _, two in self._lengths)

    def _kept(self, ids: list[int]) -> list[int]:
        """What truncation leaves of a text that stands alone."""
        truncation = self._plan.truncation
        if truncation is None or len(ids) <= truncation.max_length:
            return ids
        return ids[slice(*windows_of(truncation, 0, len(ids), None, overflow=False)[0][0])]

    @property
    def n_sequences(self) -> int:
        """1, or 2 if the first example is a pair."""
        return 2 if self._lengths and self._lengths[0][1] is not None else 1

    def overflow_to_sample(self) -> list[int]:
        """For each row, the number of the example that it shows."""
        return [row.example for row in self._rows]

    def attention_mask(self) -> list[list[int]]:
        """1 for each token, 0 for padding."""
        return [self._padded([1] * length, 0) for length in self._row_lengths]

    def token_type_ids(self) -> list[list[int]]:
        """The template's types; padding has its own."""
        return [self._type_ids(row) for row in self._rows]

    def special_tokens_mask(self) -> list[list[int]]:
        """1 for the template's special tokens and padding, 0 for tokens of the text."""
        return [self._special_mask(row) for row in self._rows]

    def offsets(self) -> list[list[Offsets]]:
        """The characters that each token touches; (0, 0) for special tokens and padding."""
        return [self._offsets(row) for row in self._rows]

    def details(self) -> list[SequenceEncoding]:
        """Every row with all that is known of it; if texts were not traced yet, this encodes them once more."""
        found: list[SequenceEncoding] = []
        shown = -1
        for row in self._rows:
            others = self._rows_of(row.example, True)[1:] if row.example != shown else []
            found.append(self._detail(row, [self._detail(other, []) for other in others]))
            shown = row.example
        return found

    def _encode(self, examples: list[Example]) -> list[tuple[list[int], list[int] | None]]:
        """All the ids, by one call to the engine, so that it may use several threads."""
        engine, split = self._plan.engine, self._plan.split_special
        texts: list[str] = []
        alone = True
        for one, two in examples:
            if two is None and isinstance(one, str):
                texts.append(one)
                continue
            alone = False
            for sequence in (one, [] if two is None else two):
                texts += [sequence] if isinstance(sequence, str) else sequence
        # One text is no work to share out: asking a pool of threads for it would take longer than encoding it.
        encoded = [engine.ids(texts[0], split)] if len(texts) == 1 else engine.ids_of_all(texts, split)
        if alone:
            return [(ids, None) for ids in encoded]
        found = iter(encoded)

        def ids(sequence: Sequence) -> list[int]:
            return next(found) if isinstance(sequence, str) else [i for _ in sequence for i in next(found)]

        return [(ids(one), None if two is None else ids(two)) for one, two in examples]

    def _trace_example(self, example: Example) -> tuple[Trace, Trace | None]:
        one, two = example
        return self._trace(one), None if two is None else self._trace(two)

    def _trace(self, sequence: Sequence) -> Trace:
        plan = self._plan
        if isinstance(sequence, str):
            trace = plan.engine.trace(sequence, plan.split_special)
        else:
            trace = ([], [], [])
            for number, word in enumerate(sequence):
                ids, offsets, _ = plan.engine.trace(word, plan.split_special)
                trace[0].extend(ids)
                trace[1].extend(offsets)
                trace[2].extend([number] * len(ids))
        if plan.trimming is None:
            return trace
        return trace[0], plan.trimming.trim(plan.names.names(trace[0]), trace[1]), trace[2]

    def _traces_of(self, row: Row) -> tuple[Trace, Trace]:
        if self._traces is None:
            self._traces = [self._trace_example(example) for example in self._examples]
        one, two = self._traces[row.example]
        return one, two if two is not None else _NO_TRACE

    def _rows_of(self, example: int, overflow: bool) -> list[Row]:
        one, two = self._lengths[example]
        truncation = self._plan.truncation
        if truncation is None:
            return [Row(example, (0, one), None if two is None else (0, two))]
        added = self._plan.template.added(pair=two is not None) if self._plan.special else 0
        firsts, seconds = windows_of(truncation, added, one, two, overflow=overflow)
        if not overflow:
            return [Row(example, firsts[0], seconds[0] if seconds else None)]
        return [Row(example, first, second) for first, second in combine(firsts, seconds)]

    def _main_lengths(self) -> Iterator[int]:
        """The lengths of the rows that are not overflow: those decide how far a batch is filled up."""
        shown = -1
        for row, length in zip(self._rows, self._row_lengths, strict=True):
            if row.example != shown:
                yield length
            shown = row.example

    def _parts(self, row: Row) -> Parts:
        return self._plan.template.parts(pair=row.second is not None, special=self._plan.special)

    def _length(self, row: Row) -> int:
        tokens = row.first[1] - row.first[0]
        if row.second is not None:
            tokens += row.second[1] - row.second[0]
        return tokens + (self._plan.template.added(pair=row.second is not None) if self._plan.special else 0)

    def _ids(self, row: Row, one: list[int], two: list[int] | None) -> list[int]:
        parts = self._parts(row)
        if len(parts) == 1 and row.first == (0, len(one)):
            return self._padded(one, self._pad_id)
        return self._padded(fill(parts, _cut(row, one, two or []), lambda part: list(part.ids)), self._pad_id)

    @property
    def _pad_id(self) -> int:
        return 0 if self._plan.padding is None else self._plan.padding.token_id

    def _type_ids(self, row: Row) -> list[int]:
        types = [
            part.type_id
            for part in self._parts(row)
            for _ in range(
                len(part.ids) if part.sequence is None else self._window_length(row, part.sequence)
            )
        ]
        return self._padded(types, 0 if self._plan.padding is None else self._plan.padding.type_id)

    def _special_mask(self, row: Row) -> list[int]:
        return self._padded(self._of_parts(row, 0, 0, 1), 1)

    def _of_parts(self, row: Row, first: T, second: T, special: T) -> list[T]:
        """One value for each token, the same within each part; without padding."""
        sequences = [first] * self._window_length(row, 0), [second] * self._window_length(row, 1)
        return fill(self._parts(row), sequences, lambda part: [special] * len(part.ids))

    def _offsets(self, row: Row) -> list[Offsets]:
        one, two = self._traces_of(row)
        offsets = fill(self._parts(row), _cut(row, one[1], two[1]), lambda part: [(0, 0)] * len(part.ids))
        return self._padded(offsets, (0, 0))

    @staticmethod
    def _window_length(row: Row, sequence: int) -> int:
        window = row.second if sequence else row.first
        return 0 if window is None else window[1] - window[0]

    def _padded(self, values: list[T], filler: T) -> list[T]:
        padding = self._plan.padding
        return values if padding is None else padding.fill(values, self._target - len(values), filler)

    def _detail(self, row: Row, overflowing: list[SequenceEncoding]) -> SequenceEncoding:
        one, two = self._traces_of(row)
        parts = self._parts(row)
        names = self._plan.names

        def tokens_of(trace: Trace, window: Window | None) -> list[str]:
            return [] if window is None else names.names(trace[0][slice(*window)])

        numbers: tuple[list[int | None], list[int | None]] = ([*one[2]], [*two[2]])
        sequences = self._of_parts(row, 0, 1, None)
        padding = self._plan.padding
        return SequenceEncoding(
            ids=self._padded(
                fill(parts, _cut(row, one[0], two[0]), lambda part: list(part.ids)), self._pad_id
            ),
            type_ids=self._type_ids(row),
            tokens=self._padded(
                fill(
                    parts,
                    (tokens_of(one, row.first), tokens_of(two, row.second)),
                    lambda part: list(part.tokens),
                ),
                "" if padding is None else padding.token,
            ),
            offsets=self._offsets(row),
            word_ids=self._padded(
                fill(parts, _cut(row, *numbers), lambda part: [None] * len(part.ids)), None
            ),
            sequence_ids=self._padded(sequences, None),
            special_tokens_mask=self._special_mask(row),
            attention_mask=self._padded([1] * self._length(row), 0),
            n_sequences=1 if row.second is None else 2,
            overflowing=overflowing,
        )


def _cut(row: Row, one: list[T], two: list[T]) -> tuple[list[T], list[T]]:
    """The windows of a row, cut out of the values of its two sequences."""
    return one[slice(*row.first)], [] if row.second is None else two[slice(*row.second)]
