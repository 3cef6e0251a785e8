"""Half of a surrogate pair in a text: both tokenizers say where it is and how to mend it, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hf_oracle import both, gpt2, small
from hf_refusals import KINDS, check

from gpt2tok import AddedToken, TokenizerError

# How the text came in, what it is called in the message, and at which character the surrogate stands.
PLACES: list[tuple[Callable[[Any], Any], str, int]] = [
    (lambda t: t("a\ud800"), "text", 1),
    (lambda t: t("日本\udc00b"), "text", 2),
    (lambda t: t("a <|endoftext|>\ud800"), "text", 15),
    (lambda t: t("\ud83d" + "\ude00"), "text", 0),  # a pair in two halves is no character either
    (lambda t: t("ab\ud800", return_offsets_mapping=True), "text", 2),
    (lambda t: t("ab\ud800", return_tensors="np"), "text", 2),
    (lambda t: t(["fine", "x\udfff"]), "text[1]", 1),
    (lambda t: t(["fine", "x\udfff"], return_offsets_mapping=True), "text[1]", 1),
    (lambda t: t("a", "\ud800"), "text_pair", 0),
    (lambda t: t(["a", "b"], ["c", "d\ud800"]), "text_pair[1]", 1),
    (lambda t: t([["a", "b"], ["c", "\ud800"]]), "text[1][1]", 0),
    (lambda t: t(["a", "b\ud800"], is_split_into_words=True), "text[1]", 1),
    (lambda t: t([["a"], ["b", "c\ud800"]], is_split_into_words=True), "text[1][1]", 1),
    (lambda t: t([[["a"], ["b"]], [["c"], ["d\ud800"]]], is_split_into_words=True), "text[1][1][0]", 1),
    (lambda t: t(text_target="\ud800"), "text_target", 0),
    (lambda t: t("a", text_target=["b", "\ud800"]), "text_target[1]", 0),
    (lambda t: t("a", text_target="b", text_pair_target="c\ud800"), "text_pair_target", 1),
    (lambda t: t.encode("a\ud800"), "text", 1),
    (lambda t: t.encode("a", "b\ud800"), "text_pair", 1),
    (lambda t: t.encode_plus("a\ud800"), "text", 1),
    (lambda t: t.batch_encode_plus(["a", "\ud800"]), "batch_text_or_text_pairs[1]", 0),
    (lambda t: t.tokenize("a\ud800"), "text", 1),
    (lambda t: t.tokenize("a", "b\ud800"), "pair", 1),
]


@pytest.mark.parametrize(("call", "place", "at"), PLACES, ids=[f"{i}-{p[1]}" for i, p in enumerate(PLACES)])
def test_a_lone_surrogate_is_refused_with_its_place(call: Callable[[Any], Any], place: str, at: int) -> None:
    tokenizers = [gpt2(kind) for kind in KINDS]
    for tokenizer in (tokenizers, [small(kind, add_bos_token=True) for kind in KINDS]):
        messages = []
        for one in tokenizer:
            with pytest.raises(TokenizerError) as caught:
                call(one)
            assert type(caught.value) is TokenizerError
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert messages[0].startswith(f"{place} is not valid Unicode: lone surrogate U+D")
        assert f" at character {at};" in messages[0]
        assert 'text.encode("utf-8", "replace").decode()' in messages[0]
        assert "pass errors" not in messages[0]


@both
def test_the_mend_mends(kind: Any) -> None:
    text = "a\ud800b"
    mended = text.encode("utf-8", "replace").decode()
    assert gpt2(kind).decode(gpt2(kind)(mended)["input_ids"]) == "a?b"


def test_added_tokens_change_nothing() -> None:
    tokenizers = [small(kind) for kind in KINDS]
    for tokenizer in tokenizers:
        tokenizer.add_tokens([AddedToken("<x>", single_word=True, lstrip=True), AddedToken("b", rstrip=True)])
    check(
        (lambda t: t("a <x> b\ud800"), TokenizerError, r"^text is not valid .* at character 7;"), tokenizers
    )
