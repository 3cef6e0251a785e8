"""Truncation and overflow: in calls, and of lists of ids, against transformers 5."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import transformers
from hf_oracle import Kind, assert_same, both, failure, gpt2, gpt2_files, same_call, small, small_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok.hugging_face.truncation import Truncation, TruncationStrategy, windows_of

STRATEGIES = ["longest_first", "only_first", "only_second", "do_not_truncate"]
EVERYTHING: dict[str, Any] = {
    "return_token_type_ids": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
}


@both
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("bos", [False, True], ids=["", "bos"])
def test_every_strategy_length_and_stride(kind: Kind, side: str, bos: bool) -> None:
    """All small combinations; where transformers fails or panics, an error of ours."""
    arguments = {"truncation_side": side, "add_bos_token": bos, "pad_token": "<|endoftext|>"}
    ours, oracle = small(kind, **arguments), small_oracle(**arguments)
    inputs = [("ABQJXZK",), ("ABQJXZK", "XZQ"), ("QZ", "XVQJZ"), ("XZQJ", "JQZX"), ("", "XQZ"), ("QXZ", "")]
    compared = 0
    for texts, strategy, length, stride in itertools.product(inputs, STRATEGIES, range(0, 9), range(0, 4)):
        options = {
            "truncation": strategy,
            "max_length": length,
            "stride": stride,
            "return_overflowing_tokens": True,
        }
        failed = failure(lambda t=texts, o=options: oracle(*t, **o))
        pair = len(texts) == 2 and texts[1] != ""
        room = length - oracle.num_special_tokens_to_add(False)
        if (failed and "effective max length" in failed) or (
            strategy != "do_not_truncate" and 0 <= room == stride > 0
        ):
            # Refused before it is known whether anything is too long; of equal numbers see below.
            for inputs_ in (texts, ([],)):
                with pytest.raises(TokenizerError, match=r"max_length|stride"):
                    ours(*inputs_, **options)
            continue
        if failed or (strategy != "do_not_truncate" and length < oracle.num_special_tokens_to_add(pair)):
            with pytest.raises(TokenizerError):
                ours(*texts, **options)
            continue
        compared += 1
        same_call(ours, oracle, *texts, **options, **EVERYTHING)
        same_call(ours, oracle, *texts, truncation=strategy, max_length=length, **EVERYTHING)
    assert compared > 200


@both
def test_a_stride_as_long_as_a_window_is_refused_at_once(kind: Kind) -> None:
    """Its message says "greater than or equal", but transformers lets the equal pass, and panics at a longer text."""
    options = {"truncation": True, "max_length": 3, "stride": 3, "return_overflowing_tokens": True}
    oracle = small_oracle()
    assert oracle("ABQ", **options)["input_ids"] == [[32, 33, 48]]
    assert "PanicException" in str(failure(lambda: oracle("ABQJ", **options)))
    for text in ("ABQ", "ABQJ", "", []):
        with pytest.raises(TokenizerError, match="stride=3 leaves no progress"):
            small(kind)(text, **options)
    # Special tokens that are not wanted take no room.
    ours = small(kind, add_bos_token=True)
    expected = small_oracle(add_bos_token=True)("ABQJX", **{**options, "stride": 2}, add_special_tokens=False)
    assert_same(ours("ABQJX", **{**options, "stride": 2}, add_special_tokens=False), expected)


@both
def test_truncation_by_words_in_batches_and_by_the_models_length(kind: Kind) -> None:
    arguments = {"model_max_length": 3, "pad_token": "<|endoftext|>"}
    ours, oracle = small(kind, **arguments), small_oracle(**arguments)
    words = [["ab", "c", "", "def"], ["x"]]
    for overflow in (False, True):
        options = {"return_overflowing_tokens": overflow, **EVERYTHING}
        same_call(ours, oracle, words, is_split_into_words=True, truncation=True, **options)
        same_call(
            ours, oracle, words, is_split_into_words=True, truncation=True, max_length=2, stride=1, **options
        )
        same_call(ours, oracle, ["abcdef", "x"], truncation=True, **options)
        same_call(ours, oracle, ["abcdef", "x"], max_length=2, **options)
        same_call(ours, oracle, ["abcdef", "x"], max_length=2, truncation=False, **options)
        same_call(ours, oracle, ["abcdef", "x"], max_length=2, padding=True, truncation=True, **options)
    assert small(kind)("ZQX", truncation=True)["input_ids"] == [
        57,
        48,
        55,
    ]  # without any limit, nothing happens


@both
def test_overflow_is_known_even_if_not_asked_for(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    mine, its = (t("abcdefg", max_length=3, stride=1, truncation=True) for t in (ours, oracle))
    assert [row.ids for row in mine[0].overflowing] == [row.ids for row in its[0].overflowing] != []
    assert [row.offsets for row in mine[0].overflowing] == [row.offsets for row in its[0].overflowing]
    assert ours("ab")[0].overflowing == []


@both
@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (("ZQX",), {"max_length": 2, "stride": 2, "truncation": True}, "stride=2 leaves no progress"),
        (("ZQX",), {"max_length": 2, "truncation": "only_second"}, "needs a second sequence"),
        (
            ("Z", "QXJ"),
            {"max_length": 2, "truncation": "only_first"},
            "would have to drop 2 tokens of a sequence of 1",
        ),
    ],
)
def test_impossible_truncations(
    kind: Kind, texts: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TokenizerError, match=message):
        small(kind)(*texts, **options)


@both
def test_millions_of_rows_are_refused(kind: Kind) -> None:
    with pytest.raises(TokenizerError, match="overflows into 2999 times 2999 rows"):
        small(kind)(
            "ZQ" * 1500, "XJ" * 1500, max_length=4, stride=1, truncation=True, return_overflowing_tokens=True
        )


@given(
    st.integers(0, 12),
    st.none() | st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 3),
    st.integers(0, 5),
)
@settings(max_examples=500)
def test_laws_of_windows(first: int, second: int | None, length: int, added: int, stride: int) -> None:
    """What stays fits; windows cover every token, in order, and neighbours share `stride`."""
    truncation = Truncation(TruncationStrategy.LONGEST_FIRST, length, stride)
    try:
        cut = windows_of(truncation, added, first, second)
    except TokenizerError:
        assert added > length or stride > 0
        return
    kept = sum(windows[0][1] - windows[0][0] for windows in cut if windows)
    assert kept == min(first + (second or 0), length - added)
    for windows, size in zip(cut, (first, second), strict=True):
        if windows is None:
            continue
        assert {token for start, end in windows for token in range(start, end)} == set(range(size or 0))
        if windows[0] != (0, 0):
            shared = [end - start for (_, end), (start, _) in itertools.pairwise(windows)]
            assert all(count == stride for count in shared)


# --- lists of ids; transformers keeps these methods for tokenizers written in Python ---


class Written(transformers.PreTrainedTokenizer):  # type: ignore[misc]
    """The least that such a tokenizer needs, with a bos token."""

    def __init__(self, **kwargs: Any) -> None:
        self._vocab = gpt2_files()[0]
        super().__init__(bos_token="<|endoftext|>", pad_token="<|endoftext|>", **kwargs)

    @property
    def vocab_size(self) -> int:
        return len(self._vocab)

    def get_vocab(self) -> dict[str, int]:
        return dict(self._vocab)

    def _convert_token_to_id(self, token: str) -> int | None:
        return self._vocab.get(token)

    def build_inputs_with_special_tokens(self, ids: list[int], pair: list[int] | None = None) -> list[int]:
        return [50256, *ids] if pair is None else [50256, *ids, 50256, *pair]

    def create_token_type_ids_from_sequences(
        self, ids: list[int], pair: list[int] | None = None
    ) -> list[int]:
        return [0] * (1 + len(ids)) + ([] if pair is None else [1] * (1 + len(pair)))

    def get_special_tokens_mask(self, ids: list[int], pair: list[int] | None = None, *_: Any) -> list[int]:
        return [1, *([0] * len(ids)), *([] if pair is None else [1, *([0] * len(pair))])]


@pytest.fixture(scope="module", params=["right", "left"])
def written(request: pytest.FixtureRequest) -> Written:
    return Written(truncation_side=request.param)


@both
def test_truncate_sequences(kind: Kind, written: Written) -> None:
    ours = small(kind, truncation_side=written.truncation_side)
    for first, second, strategy, remove, stride in itertools.product(
        range(0, 5), (None, 0, 2, 5), STRATEGIES[:3], range(0, 6), (0, 2)
    ):
        ids, pair = list(range(first)), None if second is None else list(range(10, 10 + second))
        victim = pair if strategy == "only_second" else ids
        available = len(ids) + len(pair or []) if strategy == "longest_first" else len(victim or [])
        if remove > available or (remove and victim is None):
            with pytest.raises(TokenizerError):
                ours.truncate_sequences(ids, pair, remove, strategy, stride)
            continue
        if not pair and pair is not None:
            continue  # an empty second sequence: there it becomes None, or is left alone, by strategy and side
        expected = written.truncate_sequences(ids, pair, remove, strategy, stride)
        got = ours.truncate_sequences(ids, pair, remove, strategy, stride)
        assert got == tuple(expected), (ids, pair, strategy, remove, stride)


@both
def test_truncate_sequences_checks_its_arguments(kind: Kind) -> None:
    ours = small(kind)
    assert ours.truncate_sequences([1, 2, 3], None, 2, "do_not_truncate") == ([1, 2, 3], None, [])
    with pytest.raises(TokenizerError, match="truncation_strategy is one of"):
        ours.truncate_sequences([1], None, 1, "bogus")
    with pytest.raises(TypeError):
        ours.truncate_sequences([1], None, 0.5)


@both
def test_prepare_for_model(kind: Kind, written: Written) -> None:
    ours = kind(add_bos_token=True, pad_token="<|endoftext|>", truncation_side=written.truncation_side)
    for pair, options in itertools.product(
        (None, [7, 8, 9, 10]),
        [
            {},
            {"add_special_tokens": False},
            {"max_length": 5, "truncation": True},
            {"max_length": 5, "truncation": "only_first", "return_overflowing_tokens": True, "stride": 1},
            {"max_length": 9, "padding": "max_length", "return_special_tokens_mask": True},
            {"return_token_type_ids": True, "return_length": True, "pad_to_multiple_of": 8, "padding": True},
            {"return_attention_mask": False},
            {"max_length": 4, "padding": "max_length", "truncation": True, "return_length": True},
        ],
    ):
        ids = [1, 2, 3, 4, 5, 6]
        failed = failure(lambda i=ids, p=pair, o=options: written.prepare_for_model(i, p, **o))
        if failed or (options.get("truncation") == "only_first" and pair):
            continue
        mine = ours.prepare_for_model(ids, pair, **options)
        its = written.prepare_for_model(ids, pair, **options)
        assert list(mine) == list(its)
        assert dict(mine) == dict(its), (pair, options)
    assert ids == [1, 2, 3, 4, 5, 6]


@both
def test_prepare_for_model_refuses(kind: Kind) -> None:
    ours = gpt2(kind)
    with pytest.raises(TokenizerError, match="belongs to two sequences"):
        ours.prepare_for_model([1, 2], [3], truncation=True, max_length=2, return_overflowing_tokens=True)
    with pytest.raises(TokenizerError, match="ids have no text"):
        ours.prepare_for_model([1, 2], return_offsets_mapping=True)
    batch = ours.prepare_for_model([1, 2], prepend_batch_axis=True, return_tensors="np")
    assert batch["input_ids"].shape == (1, 2)


def test_slow_and_fast_cut_alike() -> None:
    text = "Offsets of what stays point into the whole text. " * 3
    for side in ("left", "right"):
        results = [
            small(kind, truncation_side=side)(
                text,
                max_length=9,
                stride=3,
                truncation=True,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
            for kind in (GPT2Tokenizer, GPT2TokenizerFast)
        ]
        assert dict(results[0]) == dict(results[1])
        pieces = ["".join(text[a:b] for a, b in spans) for spans in results[0]["offset_mapping"]]
        assert all(piece in text for piece in pieces)
