"""Wrong arguments of a tokenizer's methods: one table, one clear error for each line, the same from both tokenizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hf_oracle import Kind, both, gpt2
from hf_refusals import KINDS, Case, cases, check

from gpt2tok import TokenizerError, UnknownTokenError

# What a tokenizer is asked (t is GPT-2's).
QUESTIONS: list[Case] = [
    (
        lambda t: t.decode([1.5]),
        TypeError,
        r"token_ids\[0\] is of type float, not an id .*: make it one with int\(\)",
    ),
    (lambda t: t.decode([1, 2.0], True), TypeError, r"token_ids\[1\] is of type float, not an id"),
    (lambda t: t.decode([1, 50256.0], True), TypeError, r"token_ids\[1\] is of type float, not an id"),
    (lambda t: t.decode(1.5), TypeError, "token_ids is of type float, not ids"),
    (lambda t: t.decode(None), TypeError, "token_ids is None, not ids .*: pass a list of int"),
    (
        lambda t: t.decode("abc"),
        TypeError,
        "token_ids is of type str, not ids .*: tokens become ids by convert_tok",
    ),
    (
        lambda t: t.decode(b"abc"),
        TypeError,
        "token_ids is of type bytes, not ids .*: decode bytes by bytes.decode",
    ),
    (lambda t: t.decode(["a"]), TypeError, r"token_ids\[0\] is of type str, not an id"),
    (lambda t: t.decode([1, None]), TypeError, r"token_ids\[1\] is None, not an id"),
    (
        lambda t: t.decode([1, [2]]),
        TypeError,
        r"token_ids\[1\] is of type list, not an id .*: there is one list too",
    ),
    (
        lambda t: t.decode([[1], 2]),
        TypeError,
        r"token_ids\[1\] is of type int, but token_ids\[0\] is a list of ids",
    ),
    (lambda t: t.decode([[1], [2.5]]), TypeError, r"token_ids\[1\]\[0\] is of type float, not an id"),
    (lambda t: t.decode([[[1]]]), TypeError, r"token_ids\[0\]\[0\] is of type list, not an id"),
    (lambda t: t.decode({1, 2}), TypeError, "token_ids is of type set, not ids .*: a set has no order"),
    (
        lambda t: t.decode({"ids": [1]}),
        TokenizerError,
        "token_ids is a mapping with 'ids', but 'input_ids' are",
    ),
    (lambda t: t.decode({"input_ids": None}), TypeError, r"token_ids\['input_ids'\] is None, not ids"),
    (lambda t: t.decode([{}], True), TypeError, r"token_ids\[0\] is of type dict, not an id"),
    (lambda t: t.decode(int), TypeError, "token_ids is of type type, not ids"),
    (lambda t: t.decode(np.array([1.5])), TypeError, r"token_ids\[0\] is of type float, not an id"),
    (
        lambda t: t.decode(np.zeros((1, 1, 1), int)),
        TypeError,
        r"token_ids\[0\]\[0\] is of type list, not an id",
    ),
    (
        lambda t: t.decode([1], skip_special_tokens="no"),
        TypeError,
        "skip_special_tokens is True or False, not 'no'",
    ),
    (
        lambda t: t.decode([1], False, "no"),
        TypeError,
        "clean_up_tokenization_spaces is True or False, not 'no'",
    ),
    (
        lambda t: t.decode([5, 60000]),
        UnknownTokenError,
        "id 60000 at position 1 of token_ids is not in the vocabulary",
    ),
    (lambda t: t.decode([50256, 60000], True), UnknownTokenError, "id 60000 at position 1 of token_ids"),
    (lambda t: t.decode([[1], [60000]]), UnknownTokenError, r"id 60000 at position 0 of token_ids\[1\]"),
    (lambda t: t.decode([-100]), UnknownTokenError, "labels of -100 must be taken out first"),
    (lambda t: t.decode([10**5000]), UnknownTokenError, "id a number of 16610 bits at position 0"),
    (lambda t: t.batch_decode(None), TypeError, "sequences is None, not ids"),
    (lambda t: t.batch_decode("abc"), TypeError, "sequences is of type str, not ids"),
    (
        lambda t: t.batch_decode([[1], None]),
        TypeError,
        r"sequences\[1\] is None, but sequences\[0\] is a list",
    ),
    (lambda t: t.batch_decode([[1.5]]), TypeError, r"sequences\[0\]\[0\] is of type float, not an id"),
    (lambda t: t.batch_decode({}), TokenizerError, "sequences is a mapping with nothing, but 'input_ids'"),
    (
        lambda t: t.convert_tokens_to_ids(5),
        TypeError,
        "tokens is of type int, not a list of str: pass a list",
    ),
    (lambda t: t.convert_tokens_to_ids(b"a"), TypeError, "tokens is of type bytes, not a list of str"),
    (
        lambda t: t.convert_tokens_to_ids(["a", 5]),
        TypeError,
        r"tokens\[1\] is of type int, .* convert_ids_to_tokens",
    ),
    (lambda t: t.convert_ids_to_tokens(None), TypeError, "ids is None, not ids"),
    (lambda t: t.convert_ids_to_tokens([1, 1.5]), TypeError, r"ids\[1\] is of type float, not an id"),
    (lambda t: t.convert_ids_to_tokens([[1]]), TypeError, r"ids\[0\] is of type list, not an id"),
    (lambda t: t.convert_ids_to_tokens([50256, 60000], True), UnknownTokenError, "id 60000 at position 1"),
    (lambda t: t.convert_tokens_to_string(None), TypeError, "tokens is None, not a list of str"),
    (
        lambda t: t.convert_tokens_to_string(["a", 5]),
        TypeError,
        r"tokens\[1\] is of type int, but tokens are str",
    ),
    (lambda t: t.convert_tokens_to_string(["\ud800"]), TokenizerError, r"tokens\[0\] is not valid Unicode"),
    (lambda t: t.clean_up_tokenization(5), TypeError, "text is of type int, not a str"),
    (lambda t: t("a", padding="all"), TokenizerError, "padding is True, False or one of .*, not 'all'"),
    (lambda t: t("a", padding=[]), TypeError, "padding is True, False or one of"),
    (lambda t: t("a", truncation=0), TypeError, "truncation is True, False or one of"),
    (lambda t: t("a", padding_side=[]), TypeError, "padding_side is 'left' or 'right', not of type list"),
    (lambda t: t("a", padding=1), TypeError, "padding is True, False or one of .*, not 1"),
    (lambda t: t([], padding=1.0), TypeError, "padding is True, False or one of .*, not 1.0"),
    (lambda t: t("a", truncation=1), TypeError, "truncation is True, False or one of .*, not 1"),
    (lambda t: t("a", return_tensors=5), TypeError, "return_tensors is None or one of 'np', .*, not 5"),
    (lambda t: t("a", return_tensors=True), TypeError, "return_tensors is None or one of .*, not True"),
    (lambda t: t("a", return_tensors="xx"), TokenizerError, "return_tensors is None or one of .*, not 'xx'"),
    (lambda t: t("a", max_length=True), TypeError, "max_length is a whole number or None, not bool: pass an"),
    (lambda t: t("a", stride=True), TypeError, "stride is a whole number or None, not bool"),
    (lambda t: t("a", pad_to_multiple_of=True), TypeError, "pad_to_multiple_of is a whole .*, not bool"),
    (
        lambda t: t("a", add_special_tokens=None),
        TypeError,
        "add_special_tokens is True or False, not None: leave it out",
    ),
    (lambda t: t.encode("a", add_special_tokens=None), TypeError, "add_special_tokens is True or False, not"),
    (lambda t: t.encode("a", max_length=True), TypeError, "max_length is a whole number or None, not bool"),
    (
        lambda t: t("a", truncation=True, max_length=3, stride=3),
        TokenizerError,
        r"stride=3 leaves no progress: a window holds 3 tokens .*; choose a smaller stride or a larger max",
    ),
    (
        lambda t: t([], truncation=True, max_length=3, stride=4),
        TokenizerError,
        "stride=4 leaves no progress: a window holds 3 tokens",
    ),
    (lambda t: t.encode("a", max_length=1, stride=1), TokenizerError, "stride=1 leaves no progress"),
    (lambda t: t("", max_length=0, truncation=True, stride=1), TokenizerError, "a window holds 0 tokens"),
    (lambda t: t("a", stride="x"), TypeError, "stride is a whole number or None, not str"),
    (lambda t: t("a", pad_to_multiple_of="x"), TypeError, "pad_to_multiple_of is a whole number"),
    (
        lambda t: t(["a"], return_offsets_mapping="no"),
        TypeError,
        "return_offsets_mapping is True or False, not 'no'",
    ),
    (lambda t: t(["a"], add_special_tokens="no"), TypeError, "add_special_tokens is True or False, not 'no'"),
    (
        lambda t: t("a", split_special_tokens="no"),
        TypeError,
        "split_special_tokens is True or False, not 'no'",
    ),
    (
        lambda t: t("a", tokenizer_kwargs=5),
        TypeError,
        "tokenizer_kwargs is a dict of arguments or None, not int",
    ),
    (lambda t: t(text_target=["a"], max_target_length="x"), TypeError, "max_target_length is a whole number"),
    (lambda t: t(text_target=5), TypeError, "text_target is of type int, not a str"),
    (lambda t: t("a", 0), TypeError, "text_pair is of type int, not a str"),
    (
        lambda t: t("a", text_target=["b", None]),
        TypeError,
        r"text_target\[1\] is None, not a str: pass a str",
    ),
    (lambda t: t({"a"}), TypeError, r"text is of type set, not a str: pass a list, as in list\(texts\)"),
    (lambda t: t(b"abc"), TypeError, r"text is of type bytes, not a str: decode it first, as in text.decode"),
    (lambda t: t(["a", b"b"]), TypeError, r"text\[1\] is of type bytes, not a str: decode it first"),
    (lambda t: t("a", b"b"), TypeError, "text_pair is of type bytes, not a str: decode it first"),
    (
        lambda t: t(["a", b"b"], is_split_into_words=True),
        TypeError,
        r"text\[1\] is of type bytes, but words are str",
    ),
    (
        lambda t: t.encode(bytearray(b"abc")),
        TypeError,
        "text is of type bytearray, not a str: decode it first",
    ),
    (lambda t: t.tokenize(b"abc"), TypeError, "text is of type bytes, not a str: decode it first"),
    (lambda t: t.tokenize("a", 5), TypeError, "pair is of type int, not a str"),
    (
        lambda t: t.batch_encode_plus(["a", 5]),
        TypeError,
        r"batch_text_or_text_pairs\[1\] is of type int, not a str",
    ),
    (lambda t: t.pad(None), TypeError, "encoded_inputs is None, but pad takes a dict of features"),
    (lambda t: t.pad({"input_ids": None}), TypeError, "input_ids is None, not ids"),
    (lambda t: t.pad({"input_ids": "abc"}), TypeError, "input_ids is of type str, not ids"),
    (lambda t: t.pad({"input_ids": 5}), TypeError, "input_ids is of type int, not ids"),
    (lambda t: t.pad({"input_ids": [1, 1.5]}), TypeError, r"input_ids\[1\] is of type float, not an id"),
    (lambda t: t.pad({"input_ids": [[1], 5]}), TypeError, r"input_ids\[1\] is of type int, not ids"),
    (lambda t: t.pad([{"input_ids": [[1]]}]), TypeError, r"input_ids\[0\]\[0\] is of type list, not an id"),
    (
        lambda t: t.pad({"input_ids": [1], "attention_mask": 5}),
        TypeError,
        "attention_mask is of type int, not a list",
    ),
    (
        lambda t: t.pad([{5: [1]}, {"x": [1]}]),
        TokenizerError,
        r"encoded_inputs\[1\] has the features 'x', the first",
    ),
    (lambda t: t.pad({5: [1]}), TokenizerError, "encoded_inputs has no 'input_ids', only 5: add it"),
    (
        lambda t: t.pad({"input_ids": [1]}, return_attention_mask="no"),
        TypeError,
        "return_attention_mask is True or",
    ),
    (lambda t: t.prepare_for_model(None), TypeError, "ids is None, not ids"),
    (lambda t: t.prepare_for_model("abc"), TypeError, "ids is of type str, not ids .*encode"),
    (lambda t: t.prepare_for_model([1], ["a"]), TypeError, r"pair_ids\[0\] is of type str, not an id"),
    (lambda t: t.truncate_sequences(5), TypeError, "ids is of type int, not ids"),
    (
        lambda t: t.truncate_sequences([1], None, "x"),
        TypeError,
        "num_tokens_to_remove is of type str, not a whole",
    ),
    (lambda t: t.truncate_sequences([1], None, 1, []), TokenizerError, "truncation_strategy is one of"),
    (lambda t: t.build_inputs_with_special_tokens(5), TypeError, "token_ids_0 is of type int, not ids"),
    (
        lambda t: t.create_token_type_ids_from_sequences([1], 5),
        TypeError,
        "token_ids_1 is of type int, not ids",
    ),
    (lambda t: t.get_special_tokens_mask([1.5], None, True), TypeError, r"token_ids_0\[0\] is of type float"),
    (lambda t: t.save_pretrained(5), TypeError, "save_directory is a path .*, not int"),
    (lambda t: t.save_vocabulary(b"x"), TypeError, "save_directory is a path .*, not bytes: decode it"),
    (lambda t: t.save_vocabulary("x\0"), TokenizerError, "save_directory is .*, and no path can hold NUL"),
    (lambda t: t.save_vocabulary("x", 5), TypeError, "filename_prefix is a path .*, not int"),
    (
        lambda t: t.save_vocabulary("x", "a/b"),
        TokenizerError,
        "filename_prefix 'a/b' holds a directory.*: it only",
    ),
    (lambda t: t.save_vocabulary("x", "/"), TokenizerError, "filename_prefix '/' holds a directory"),
    (
        lambda t: t.save_pretrained("x", filename_prefix="../a"),
        TokenizerError,
        "holds a directory.*put the directory",
    ),
    (
        lambda t: t.save_pretrained("x", legacy_format="no"),
        TypeError,
        "legacy_format is True or False, not 'no'",
    ),
]


@cases(QUESTIONS)
def test_questions(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, [gpt2(kind) for kind in KINDS])
    assert list(tmp_path.iterdir()) == []


@both
def test_what_is_unusual_but_meant_is_taken(kind: Kind) -> None:
    """The checks refuse nothing that has one plain meaning."""
    tokenizer = gpt2(kind)
    assert tokenizer.decode(iter([15496, 995])) == "Hello world"
    assert tokenizer.decode(range(15496, 15497)) == "Hello"
    assert tokenizer.batch_decode(np.zeros((0, 3), int)) == []
    assert tokenizer.batch_decode(iter([[15496], [995]])) == ["Hello", " world"]
    assert tokenizer.pad({"input_ids": np.array([1, 2])}).input_ids.tolist() == [1, 2]
    assert tokenizer.prepare_for_model(np.array([1, 2]))["input_ids"] == [1, 2]
    assert tokenizer("a", padding=False, truncation=False, stride=None)["input_ids"] == [64]
