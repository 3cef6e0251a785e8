"""What `Encoding` says of bad texts, ids and arguments: the right exception, what was wrong, where, how to mend it.

Owns bad input of an encoding that is loaded. Bad files are `test_load_bad_files.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpt2tok
from gpt2tok import Encoding, SpecialTokenError, TokenizerError, UnknownTokenError, VocabError

END = "<|endoftext|>"
ONE_TEXT = ["encode_ordinary", "encode", "encode_to_numpy", "encode_with_offsets", "count"]
MANY_TEXTS = ["encode_ordinary_batch", "encode_batch", "encode_ragged", "count_batch"]
DECODERS = ["decode", "decode_bytes", "decode_with_offsets", "decode_tokens_bytes"]


def refused(kind: type[Exception], call: Callable[[], object], *parts: str) -> str:
    """Calls; checks the exact exception and that each part is in its message; returns the message."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    return message


def test_the_taxonomy() -> None:
    assert issubclass(TokenizerError, ValueError)
    for kind in (VocabError, SpecialTokenError, UnknownTokenError):
        assert issubclass(kind, TokenizerError)
        assert kind.__module__ == "gpt2tok" and getattr(gpt2tok, kind.__name__) is kind


@pytest.mark.parametrize(
    "text, place",
    [
        ("\ud800", "U+D800 at character 0"),
        ("ab\udfffc", "U+DFFF at character 2"),
        ("\U0001f600\u00e9\udc80", "U+DC80 at character 2"),
        ("x" * 100_000 + "\udbff", "U+DBFF at character 100000"),
        ("\ud83d\ude00", "U+D83D at character 0"),
    ],
    ids=["first", "middle", "after an astral character", "far", "a pair spelled apart"],
)  # fmt: skip
def test_lone_surrogates_are_refused_with_their_place(gpt2: Encoding, text: str, place: str) -> None:
    for name in ONE_TEXT:
        refused(
            TokenizerError,
            lambda name=name: getattr(gpt2, name)(text),
            f"text is not valid Unicode: lone surrogate {place}",
            "errors='replace'",
        )
    for name in MANY_TEXTS:
        refused(
            TokenizerError,
            lambda name=name: getattr(gpt2, name)(["ok", "", text]),
            f"texts[2] is not valid Unicode: lone surrogate {place}",
            "errors='replace'",
        )
    message = refused(TokenizerError, lambda: gpt2.encode_single_token(text), "text_or_bytes", place)
    assert "pass errors" not in message, "encode_single_token has no such argument"


SURROGATES = st.text(alphabet="\ud800\udbff\udc00\udfff\ud83d\ude00a \u00e9\U0001f600", max_size=8)


@settings(max_examples=500)
@given(text=SURROGATES)
def test_replaced_surrogates_are_tiktoken_s(gpt2: Encoding, tiktoken_gpt2: Any, text: str) -> None:
    right = tiktoken_gpt2.encode_ordinary(text)
    check_replaced(gpt2, text, right)
    assert gpt2.encode(text, errors="replace") == tiktoken_gpt2.encode(text)


@settings(max_examples=500)
@given(
    data=st.binary(max_size=20)
    | st.text(max_size=6)
    .map(str.encode)
    .flatmap(lambda data: st.integers(0, len(data)).map(lambda cut: data[cut:] + data[:cut]))
)
def test_invalid_bytes_are_refused_with_their_place_or_replaced(gpt2: Encoding, data: bytes) -> None:
    check_replaced(gpt2, data, gpt2.encode_ordinary(data.decode("utf-8", "replace")))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        place = f"is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        for name in ONE_TEXT:
            refused(
                TokenizerError,
                lambda name=name: getattr(gpt2, name)(data),
                f"text {place}",
                "errors='replace'",
            )
        for name in MANY_TEXTS:
            refused(
                TokenizerError,
                lambda name=name: getattr(gpt2, name)([b"ok", data]),
                f"texts[1] {place}",
                "errors='replace'",
            )
    else:
        assert gpt2.encode_ordinary(data) == gpt2.encode_ordinary(text)


def check_replaced(gpt2: Encoding, text: str | bytes, right: list[int]) -> None:
    assert gpt2.encode_ordinary(text, errors="replace") == right
    assert gpt2.encode(text, errors="replace") == right
    assert gpt2.encode_to_numpy(text, errors="replace").tolist() == right
    assert gpt2.encode_with_offsets(text, errors="replace")[0] == right
    assert gpt2.count(text, errors="replace") == len(right)
    assert gpt2.encode_batch(["a", text], errors="replace") == [[64], right]
    assert gpt2.encode_ordinary_batch([text], errors="replace") == [right]
    assert gpt2.count_batch([text], errors="replace") == [len(right)]
    assert gpt2.encode_ragged([text], errors="replace")[0].tolist() == right


def test_nul_is_a_character_like_any_other(gpt2: Encoding, tiktoken_gpt2: Any) -> None:
    for text in ("\0", "a\0b", "\0\0\0 \0", "\0" * 100, "'\0s", f"\0{END}\0"):
        assert gpt2.encode_ordinary(text) == tiktoken_gpt2.encode_ordinary(text)
        assert gpt2.decode(gpt2.encode(text, allowed_special="all")) == text
    message = refused(SpecialTokenError, lambda: gpt2.encode(f"\0\0{END}"), "at character 2")
    assert "\0" not in message


@pytest.mark.parametrize(
    "wrong", [None, 1, 1.5, ["a"], ("a",), bytearray(b"a"), memoryview(b"a"), object()], ids=repr
)
def test_other_types_of_text_are_type_errors(gpt2: Encoding, wrong: object) -> None:
    found = type(wrong).__name__
    for name in ONE_TEXT:
        refused(
            TypeError,
            lambda name=name: getattr(gpt2, name)(wrong),
            f"text must be str or UTF-8 bytes, not {found}",
        )
    for name in MANY_TEXTS:
        refused(
            TypeError,
            lambda name=name: getattr(gpt2, name)(["a", wrong]),
            f"texts[1] must be str or UTF-8 bytes, not {found}",
        )
    refused(TypeError, lambda: gpt2.encode_single_token(wrong), "text_or_bytes", found)


@pytest.mark.parametrize("wrong", ["abc", b"abc", None, 3, 1.5], ids=repr)
def test_one_text_is_no_batch(gpt2: Encoding, wrong: object) -> None:
    for name in MANY_TEXTS:
        refused(
            TypeError,
            lambda name=name: getattr(gpt2, name)(wrong),
            "texts must be a list of texts",
            type(wrong).__name__,
        )
    message = refused(
        TypeError, lambda: gpt2.decode_batch(wrong), "batch must be a list", type(wrong).__name__
    )
    assert "texts" not in message, "decode_batch takes ids"


def test_errors_inside_a_callers_iterable_come_through(gpt2: Encoding) -> None:
    def texts() -> Any:
        yield "a"
        raise KeyError("mine")

    for name in [*MANY_TEXTS, *DECODERS, "decode_batch"]:
        with pytest.raises((KeyError, TypeError)) as caught:
            getattr(gpt2, name)(texts())
        if name in MANY_TEXTS:
            assert caught.value.args == ("mine",)

    def ids() -> Any:
        yield 1
        raise KeyError("mine")

    for name in DECODERS:
        with pytest.raises(KeyError, match="mine"):
            getattr(gpt2, name)(ids())


@pytest.mark.parametrize(
    "bad", [-1, 50257, 2**16, 2**31, 2**32, 2**32 + 5, 2**63, 2**64, -(2**63), -(2**70), 10**30], ids=str
)
def test_ids_outside_the_vocabulary_are_refused_with_their_place(gpt2: Encoding, bad: int) -> None:
    forms: list[Callable[[list[int]], Any]] = [list, tuple, iter]
    forms += [lambda ids: np.array(ids, object)]
    if -(2**63) <= bad < 2**63:
        forms += [lambda ids: np.array(ids, "i8")]
    if 0 <= bad < 2**32:
        forms += [lambda ids: np.array(ids, "u4")]
    for form in forms:
        for name in DECODERS:
            refused(
                UnknownTokenError, lambda name=name, form=form: getattr(gpt2, name)(form([1, 2, bad, 3])),
                f"id {bad} at position 2", "5025", "another vocabulary",
            )  # fmt: skip
        refused(
            UnknownTokenError,
            lambda form=form: gpt2.decode_batch([[], form([3, bad])]),
            "batch[1]",
            f"id {bad} at position 1",
        )
    refused(UnknownTokenError, lambda: gpt2.decode_ragged([1, 2, bad], [0, 2, 3]), f"id {bad}")
    refused(UnknownTokenError, lambda: gpt2.decode_single_token_bytes(bad), f"id {bad}")
    stream = gpt2.decode_stream()
    assert stream.step(15496) == "Hello"
    refused(UnknownTokenError, lambda: stream.step(bad), f"id {bad} at position 1")
    assert stream.step(11) == ",", "the stream goes on"


def test_gaps_in_the_ids_are_refused_with_their_place() -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    vocab = {symbol: 2 * number for number, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    gappy = Encoding.from_vocab_and_merges(vocab, [])
    assert gappy.n_vocab == 511
    ids = gappy.encode_ordinary("ab")
    assert gappy.decode(ids) == "ab"
    for name in DECODERS:
        refused(
            UnknownTokenError, lambda name=name: getattr(gappy, name)([*ids, 509]), "id 509 at position 2"
        )
    refused(UnknownTokenError, lambda: gappy.decode_single_token_bytes(1), "id 1")
    refused(UnknownTokenError, lambda: gappy.decode_stream().step(3), "id 3")
    refused(UnknownTokenError, lambda: gappy.eot_token, END)


@pytest.mark.parametrize("wrong", [1.0, "1", None, b"1", [1], 1j, np.float32(1), float("nan")], ids=repr)
def test_other_types_of_ids_are_type_errors(gpt2: Encoding, wrong: object) -> None:
    for name in DECODERS:
        refused(
            TypeError,
            lambda name=name: getattr(gpt2, name)([1, wrong]),
            "ids must be int",
            type(wrong).__name__,
            "position 1",
        )
    refused(TypeError, lambda: gpt2.decode_stream().step(wrong), "ids must be int", type(wrong).__name__)
    refused(TypeError, lambda: gpt2.decode_single_token_bytes(wrong), "must be int", type(wrong).__name__)


@pytest.mark.parametrize("wrong", [None, 5, 1.5, np.uint32(3), object()], ids=repr)
def test_ids_that_are_no_collection_are_type_errors(gpt2: Encoding, wrong: object) -> None:
    for name in DECODERS:
        refused(
            TypeError,
            lambda name=name: getattr(gpt2, name)(wrong),
            "ids must be an iterable of int",
            type(wrong).__name__,
        )
    refused(TypeError, lambda: gpt2.decode_batch([[1], wrong]), "batch[1]", "iterable of int")
    for array in (np.zeros((2, 2), "u4"), np.zeros(2), np.array(["a"]), np.zeros(2, "M8[s]")):
        refused(TypeError, lambda array=array: gpt2.decode(array), "ids must be int")


@pytest.mark.parametrize(
    "row_splits, problem",
    [
        ([], "must begin with 0"),
        ([1, 3], "must begin with 0"),
        ([-1, 3], "must begin with 0"),
        ([0, 2, 1, 3], "decreases from 2 to 1 at position 2"),
        ([0, -1, 3], "decreases from 0 to -1 at position 1"),
        ([0], "must end with the number of ids, 3, not 0"),
        ([0, 2], "must end with the number of ids, 3, not 2"),
        ([0, 4], "must end with the number of ids, 3, not 4"),
        ([0, 2**62], "must end with the number of ids, 3, not"),
        (np.array([0, 2], "i4"), "must end with the number of ids, 3, not 2"),
        ([0, 2**70], "row_splits"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_row_splits_are_refused(gpt2: Encoding, row_splits: Any, problem: str) -> None:
    with pytest.raises(TokenizerError, match="row_splits") as caught:
        gpt2.decode_ragged([1, 2, 3], row_splits)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [None, 3, "abc", [0, 1.5, 3], [0, None, 3], np.zeros((1, 2), "i8"), np.array([0.0, 3.0])],
    ids=repr,
)
def test_other_types_of_row_splits_are_type_errors(gpt2: Encoding, wrong: Any) -> None:
    refused(TypeError, lambda: gpt2.decode_ragged([1, 2, 3], wrong), "row_splits")


def test_the_error_names_the_row_of_a_ragged_batch(gpt2: Encoding) -> None:
    refused(
        UnknownTokenError,
        lambda: gpt2.decode_ragged([1, 2, 50257], [0, 2, 3]),
        "[1]",
        "id 50257 at position 0",
    )


@pytest.mark.parametrize("number", [0, -1, -(10**30), 10**30], ids=str)
def test_num_threads_must_be_at_least_one(gpt2: Encoding, number: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda name=name: getattr(gpt2, name)(["a"], num_threads=number)
        for name in MANY_TEXTS  # type: ignore[misc]
    ]
    for call in [*calls, lambda: gpt2.decode_batch([[1]], num_threads=number)]:
        if number > 0:  # as many as there may be: allowed to work, but not to say something unclear
            try:
                call()
                continue
            except TokenizerError as error:
                assert "num_threads" in str(error)
                continue
        with pytest.raises(TokenizerError, match="num_threads must be at least 1") as caught:
            call()
        assert str(number) in str(caught.value)
    for wrong in (1.5, "2", True):
        refused(
            TypeError,
            lambda wrong=wrong: gpt2.encode_batch(["a"], num_threads=wrong),
            "num_threads",
            repr(wrong),
        )


def test_dtypes(gpt2: Encoding) -> None:
    for dtype in ("uint8", "int32", "int64", "float32", np.int32, "U3"):
        refused(
            TokenizerError,
            lambda dtype=dtype: gpt2.encode_ragged(["a"], dtype=dtype),
            "dtype must be 'uint32' or 'uint16', not",
            np.dtype(dtype).name,
        )
    for nonsense in ("foo", 3, object()):
        refused(
            TokenizerError if isinstance(nonsense, str) else TypeError,
            lambda nonsense=nonsense: gpt2.encode_ragged(["a"], dtype=nonsense),
            "dtype must be 'uint32' or 'uint16', not",
            repr(nonsense)[:40],
        )
    vocab, _ = gpt2tok._core.gpt2_vocabulary()
    for last, fits in ((65_535, True), (65_536, False)):
        encoding = Encoding.from_vocab_and_merges(vocab, [], special_tokens={"<x>": last})
        if fits:
            assert encoding.encode_ragged(["<x>"], dtype="uint16", allowed_special="all")[0].tolist() == [
                last
            ]
        else:
            refused(
                TokenizerError,
                lambda encoding=encoding: encoding.encode_ragged(["a"], dtype="uint16"),
                "65536",
                "uint16",
                "dtype='uint32'",
            )


@pytest.mark.parametrize("name", [*ONE_TEXT, *MANY_TEXTS])
def test_errors_and_units_have_names(gpt2: Encoding, name: str) -> None:
    argument = "a" if name in ONE_TEXT else ["a"]
    for errors in ("ignore", "", "STRICT", "surrogateescape"):
        refused(
            TokenizerError,
            lambda errors=errors: getattr(gpt2, name)(argument, errors=errors),
            "errors must be 'strict' or 'replace', not",
            errors,
        )
    with pytest.raises(TypeError, match="errors"):
        getattr(gpt2, name)(argument, errors=None)
    with pytest.raises(TypeError, match="unexpected keyword argument 'error'"):
        getattr(gpt2, name)(argument, error="strict")


def test_units(gpt2: Encoding) -> None:
    for unit in ("chars", "", "BYTE", "token"):
        refused(
            TokenizerError,
            lambda unit=unit: gpt2.encode_with_offsets("a", unit=unit),
            "unit must be 'char' or 'byte', not",
            unit,
        )
    with pytest.raises(TypeError, match="unit"):
        gpt2.encode_with_offsets("a", unit=1)  # type: ignore[arg-type]


def test_decoding_strictly_raises_what_python_raises(gpt2: Encoding) -> None:
    half = gpt2.encode_ordinary("\U0001f600")[:1]
    data = gpt2.decode_bytes([64, *half])
    with pytest.raises(UnicodeDecodeError) as right:
        data.decode()
    calls: list[Callable[[], object]] = [
        lambda: gpt2.decode([64, *half], errors="strict"),
        lambda: gpt2.decode([64, *half], "strict"),
        lambda: gpt2.decode_batch([[1], [64, *half]], errors="strict"),
        lambda: gpt2.decode_ragged([1, 64, *half], [0, 1, 2 + len(half)], errors="strict"),
        lambda: gpt2.decode_with_offsets([64, *half]),
    ]
    for call in calls:
        with pytest.raises(UnicodeDecodeError) as caught:
            call()
        assert caught.value.args == right.value.args
    for call, row in zip(calls[2:4], ("batch", "row"), strict=True):
        with pytest.raises(UnicodeDecodeError, match=rf"\(in {row}\[1\]\)"):
            call()
    # An unknown handler is an error even where it would not be needed.
    for call in (
        lambda: gpt2.decode([64], errors="bogus"),
        lambda: gpt2.decode(half, "bogus"),
        lambda: gpt2.decode_batch([[64]], errors="bogus"),
        lambda: gpt2.decode_ragged([64], [0, 1], errors="bogus"),
    ):
        refused(TokenizerError, call, "errors must be", "bogus")
    assert gpt2.decode(half, "backslashreplace") == gpt2.decode_bytes(half).decode(
        "utf-8", "backslashreplace"
    )


@pytest.mark.parametrize("name", ["encode", "count", "encode_to_numpy", "encode_with_offsets"])
def test_special_tokens_in_the_text_are_refused_with_their_place(gpt2: Encoding, name: str) -> None:
    call = getattr(gpt2, name)
    message = refused(
        SpecialTokenError, lambda: call(f"\u4e2d a{END}"), f'special token "{END}" at character 3 (byte 5)',
        f'allowed_special={{"{END}"}}', "disallowed_special=()",
    )  # fmt: skip
    # The advice works as it is written.
    rules = re.findall(r"(?:dis)?allowed_special=(?:\(\)|\{.*?\})", message)
    assert len(rules) == 2
    for rule in rules:
        eval(f"call(text, {rule})", {"call": call, "text": f"\u4e2d a{END}"})


def test_special_tokens_that_do_not_exist(gpt2: Encoding) -> None:
    for unknown in ({"<|nope|>"}, ["<|endoftext|>", "<|nope|>"], {"<|nope|>": 1}):
        for call in (gpt2.encode, gpt2.count, gpt2.encode_to_numpy, gpt2.encode_with_offsets):
            refused(
                SpecialTokenError,
                lambda call=call, unknown=unknown: call("a", allowed_special=unknown),
                '"<|nope|>" is not a special token',
                END,
            )
        refused(
            SpecialTokenError,
            lambda unknown=unknown: gpt2.encode_batch(["a"], allowed_special=unknown),
            '"<|nope|>"',
            END,
        )
    refused(SpecialTokenError, lambda: gpt2.encode("a", allowed_special={""}), '"" is not a special token')
    refused(SpecialTokenError, lambda: gpt2.encode("a", disallowed_special={""}), "empty")
    # Any text may be disallowed, as in tiktoken.
    refused(
        SpecialTokenError,
        lambda: gpt2.encode("my secret", disallowed_special={"secret"}),
        '"secret" at character 3 (byte 3), which disallowed_special names; leave it out',
    )


@pytest.mark.parametrize("wrong", [END, "ALL", "", 5, 1.5, [1], {None}, [b"x"], {"\ud800"}], ids=ascii)
def test_other_types_of_rules_are_type_errors(gpt2: Encoding, wrong: Any) -> None:
    for argument in ("allowed_special", "disallowed_special"):
        for name in ("encode", "count", "encode_to_numpy", "encode_with_offsets"):
            with pytest.raises((TypeError, TokenizerError), match=argument) as caught:
                getattr(gpt2, name)("a", **{argument: wrong})
            if wrong == {"\ud800"}:
                assert "U+D800 at character 0" in str(caught.value)
            else:
                assert type(caught.value) is TypeError


def test_single_tokens_that_do_not_exist(gpt2: Encoding) -> None:
    for unknown in ("", b"", "not one token", b"\xff\xfe", "\u4e2d\u6587"):
        refused(
            UnknownTokenError,
            lambda unknown=unknown: gpt2.encode_single_token(unknown),
            repr(unknown),
            "not a single token",
            "gpt2",
        )


@pytest.mark.parametrize("wrong", ["gpt3", "", "GPT2", "gpt2-xl"])
def test_encodings_that_do_not_exist(wrong: str) -> None:
    message = refused(TokenizerError, lambda: gpt2tok.get_encoding(wrong), repr(wrong), "'gpt2'")
    assert "from_files" in message


def test_a_name_of_another_type_is_no_encoding() -> None:
    for wrong in (None, 2, b"gpt2", ["gpt2"]):
        with pytest.raises((TypeError, ValueError)):
            gpt2tok.get_encoding(wrong)  # type: ignore[arg-type]
