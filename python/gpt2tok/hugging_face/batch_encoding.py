"""What does a tokenizer give back? A mapping of features that also knows where each token came from.

Owns `BatchEncoding`. The details of its rows are made when somebody asks for them. Refuses to encode (`rows.py`).
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core import TokenizerError
from .arguments import described, index_of
from .rows import Plan, Rows
from .sequence_encoding import CharSpan, SequenceEncoding, TokenSpan
from .tensors import TensorType, to_tensor
from .tensors import tensor_type as _kind_of


class BatchEncoding(UserDict):  # type: ignore[type-arg]
    """A model's inputs by name, as mapping and as attributes, with look-ups between text and tokens. Final.

    `batch["input_ids"]` and `batch.input_ids` are the feature, `batch[0]` is all that is known of row 0. Look-ups
    take the row first and may leave it out when there is one row: `batch.token_to_chars(3)`,
    `batch.token_to_chars(1, 3)`. Both tokenizers provide them (in transformers only the fast one does). Negative
    token and pretoken numbers count from the end of their row. Numbers past the end have no answer: None, as in
    transformers; a row that is not there is an IndexError, and what is no whole number a TypeError.

    "Word" in Hugging Face's names (`word_ids`, `word_to_chars`) is a pretoken, or with `is_split_into_words` a word
    that was passed.

    Offsets, names and pretoken numbers are not made together with the ids but on the first look-up, by encoding
    the texts once more as the tokenizer was then: ids alone are made four times as fast, and most callers never
    look.

    Args:
        data: features by name.
        encoding: what is known of the rows, if anything.
        tensor_type: "np", "pt", "tf" or "jax" to make tensors of the features.
        prepend_batch_axis: make a batch of one first.
        n_sequences: 1, or 2 for pairs.

    Raises:
        TokenizerError: features that have no shape, or an unknown kind of tensor.
        TypeError: `data` is no mapping, or `encoding` holds something else than rows.

    Example:
        >>> from gpt2tok import GPT2TokenizerFast
        >>> batch = GPT2TokenizerFast.from_pretrained("gpt2")("Hello world")
        >>> batch.input_ids, batch.tokens(), batch.token_to_chars(1)
        ([15496, 995], ['Hello', 'Ġworld'], CharSpan(start=5, end=11))
    """

    data: dict[str, Any]

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        encoding: SequenceEncoding | Sequence[SequenceEncoding] | Rows | None = None,
        tensor_type: str | TensorType | None = None,
        prepend_batch_axis: bool = False,
        n_sequences: int | None = None,
    ) -> None:
        self.data = _features(data)
        self._rows: Rows | None = None
        self._encodings: list[SequenceEncoding] | None = None
        if isinstance(encoding, Rows):
            self._rows = encoding
        elif isinstance(encoding, SequenceEncoding):
            self._encodings = [encoding]
        elif encoding is not None:
            self._encodings = _details(encoding)
        self._n_sequences = n_sequences
        self._one: tuple[Plan, str] | None = None
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    @classmethod
    def of_one(cls, ids: list[int], plan: Plan, text: str) -> BatchEncoding:
        """The result of the plainest call: one text, no options. It must cost next to nothing."""
        batch = cls.__new__(cls)
        batch.data = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        batch._rows = batch._encodings = None
        batch._n_sequences = 1
        batch._one = (plan, text)
        return batch

    # --- the mapping ---

    def __getitem__(self, item: Any) -> Any:
        """A feature by name, a row's details by number, or with a slice those of several rows.

        A slice of a batch without details gives the features' slices.

        Raises:
            KeyError: no such feature, or numbers where there are no details.
            IndexError: no such row.
            TypeError: neither a name nor a number nor a slice.
        """
        if isinstance(item, str):
            if item not in self.data:
                raise KeyError(f"{item!r}: this batch has the features {self._known()}")
            return self.data[item]
        if self.encodings is not None:
            return self.encodings[item] if isinstance(item, slice) else self._row("batch[...]", item)
        if isinstance(item, slice):
            return {name: value[item] for name, value in self.data.items()}
        raise KeyError(
            f"{item!r}: this batch has features by name ({self._known()}), but no details of its rows"
        )

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is no attribute; `data` itself is missing while an object is being unpickled.
        data = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise AttributeError(
            f"a BatchEncoding with {', '.join(map(str, data)) or 'no features'} has no attribute {name!r}"
        )

    def _known(self) -> str:
        return ", ".join(map(str, self.data)) or "none"

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "encodings": self.encodings, "n_sequences": self.n_sequences}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data = state["data"]
        self._encodings = state["encodings"]
        self._n_sequences = state["n_sequences"]
        self._rows = self._one = None

    # --- the details ---

    @property
    def encodings(self) -> list[SequenceEncoding] | None:
        """The details of every row, or None if they are unknown (after `pad`, say)."""
        if self._encodings is None:
            if self._one is not None:
                plan, text = self._one
                self._rows = Rows(plan, [(text, None)], traced=True)
            if self._rows is not None:
                self._encodings = self._rows.details()
        return self._encodings

    @property
    def is_fast(self) -> bool:
        """Whether details of the rows are known. True for what either tokenizer encoded, False after `pad`."""
        return not (self._encodings is None and self._rows is None and self._one is None)

    @property
    def n_sequences(self) -> int | None:
        """1, or 2 if pairs were encoded; None if unknown."""
        if self._n_sequences is None:
            if self._rows is not None:
                return self._rows.n_sequences
            if self._encodings:
                return self._encodings[0].n_sequences
        return self._n_sequences

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The names of a row's tokens."""
        return self._row("tokens", batch_index).tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token the number of its pretoken, or of its word if words were passed; None for special tokens."""
        return self._row("word_ids", batch_index).word_ids

    def words(self, batch_index: int = 0) -> list[int | None]:
        """The older name of `word_ids`."""
        return self.word_ids(batch_index)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token 0 or 1, the sequence of a pair that it came from; None for special tokens."""
        return self._row("sequence_ids", batch_index).sequence_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The sequence (0 or 1) that a token came from, or None."""
        row, token = self._place("token_to_sequence", batch_or_token_index, token_index, "token_index")
        return row.token_to_sequence(_from_end(token, len(row)))

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The number of a token's pretoken (or word passed), or None."""
        row, token = self._place("token_to_word", batch_or_token_index, token_index, "token_index")
        return row.token_to_word(_from_end(token, len(row)))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters that a token touches, or None."""
        row, token = self._place("token_to_chars", batch_or_token_index, token_index, "token_index")
        return row.token_to_chars(_from_end(token, len(row)))

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a pretoken (or word passed), or None."""
        row, word = self._place("word_to_tokens", batch_or_word_index, word_index, "word_index")
        return row.word_to_tokens(_word_from_end(word, row, sequence_index), sequence_index)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a pretoken (or word passed), or None."""
        row, word = self._place("word_to_chars", batch_or_word_index, word_index, "word_index")
        return row.word_to_chars(_word_from_end(word, row, sequence_index), sequence_index)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The first token that touches a character, or None."""
        row, char = self._place("char_to_token", batch_or_char_index, char_index, "char_index")
        return row.char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The number of the pretoken (or word passed) that a character belongs to, or None."""
        row, char = self._place("char_to_word", batch_or_char_index, char_index, "char_index")
        return row.char_to_word(char, sequence_index)

    # --- tensors ---

    def convert_to_tensors(
        self, tensor_type: str | TensorType | None = None, prepend_batch_axis: bool = False
    ) -> BatchEncoding:
        """Turns the features into tensors, in place.

        Args:
            tensor_type: "np", "pt", "tf" or "jax"; None does nothing.
            prepend_batch_axis: make a batch of one first.

        Returns:
            The same object.

        Raises:
            TokenizerError: a feature has no shape.
            ImportError: the library is not installed.
        """
        if tensor_type is not None:
            kind = _kind_of(tensor_type)
            values = {name: [value] if prepend_batch_axis else value for name, value in self.data.items()}
            self.data.update({name: to_tensor(value, kind, name) for name, value in values.items()})
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Moves the PyTorch tensors to a device, in place; other features stay where they are.

        Args:
            device: what `Tensor.to` takes as a device: "cuda:0", a number, a torch.device.
            non_blocking: passed on.

        Returns:
            The same object.

        Raises:
            TypeError: `device` is none, a dtype say: ids must stay whole numbers.
        """
        if not isinstance(device, (str, int)) and type(device).__name__ != "device":
            raise TypeError(f"device is a str, an int or a torch.device, not {type(device).__name__}")
        for name, value in self.data.items():
            if callable(getattr(value, "to", None)):
                self.data[name] = value.to(device=device, non_blocking=non_blocking)
        return self

    def _row(self, asker: str, batch_index: object) -> SequenceEncoding:
        encodings = self.encodings
        if encodings is None:
            raise TokenizerError(
                f"{asker}() needs to know where the tokens came from, and this batch was not made from text"
            )
        number = index_of(batch_index, "batch_index")
        if not -len(encodings) <= number < len(encodings):
            raise IndexError(f"there is no row {number}: this batch has {len(encodings)}, and the first is 0")
        return encodings[number]

    def _place(
        self, asker: str, batch_or_index: int, index: int | None, name: str
    ) -> tuple[SequenceEncoding, int]:
        if index is None:
            return self._row(asker, 0), index_of(batch_or_index, name)
        return self._row(asker, batch_or_index), index_of(index, name)


def _features(data: Any) -> dict[str, Any]:
    try:
        return {} if data is None else dict(data)
    except (TypeError, ValueError):
        raise TypeError(
            f"data is {described(data)}, not features by name: pass a dict like {{'input_ids': ids}}"
        ) from None


def _details(encoding: Any) -> list[SequenceEncoding]:
    rows = list(encoding) if isinstance(encoding, Iterable) else [encoding]
    for i, row in enumerate(rows):
        if not (hasattr(row, "ids") and hasattr(row, "offsets")):
            raise TypeError(
                f"encoding[{i}] is {described(row)}, not a SequenceEncoding, as another batch[0] gives"
            )
    return rows


def _from_end(index: int, length: int) -> int:
    return index + length if index < 0 else index


def _word_from_end(word: int, row: SequenceEncoding, sequence: int) -> int:
    if word >= 0:
        return word
    words = [
        w for s, w in zip(row.sequence_ids, row.word_ids, strict=True) if s == sequence and w is not None
    ]
    return max(words, default=-1) + 1 + word
