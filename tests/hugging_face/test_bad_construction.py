"""Tokenizers that cannot be made, and settings that cannot be set: a table of each, one clear error for each line.

Files are `test_vocabulary_files.py`'s and `test_tokenizer_json.py`'s, methods `test_bad_calls.py`'s.
"""

from __future__ import annotations

import numpy as np
from hf_oracle import Kind, both, small
from hf_refusals import KINDS, Case, cases, check

from gpt2tok import SpecialTokenError, TokenizerError, UnknownTokenError, VocabError

# How a tokenizer is made (C is the class).
CONSTRUCTORS: list[Case] = [
    (
        lambda C: C({"a": "0"}, []),
        TypeError,
        r"vocab\['a'\] is '0', but an id is a whole number: write it without",
    ),
    (lambda C: C({"a": True}, []), TypeError, r"vocab\['a'\] is True, but an id is a whole number"),
    (lambda C: C({"a": 1.0}, []), TypeError, r"vocab\['a'\] is 1.0, but an id is a whole number"),
    (lambda C: C({"a": None}, []), TypeError, r"vocab\['a'\] is None, but an id is a whole number"),
    (lambda C: C({5: 1}, []), TypeError, "vocab has the key 5, but tokens are str"),
    (lambda C: C({b"a": 1}, []), TypeError, "vocab has the key b'a', but tokens are str"),
    (lambda C: C({"a": -1}, []), VocabError, 'token "a" has id -1, but .*; renumber'),
    (lambda C: C({"a": 1 << 24}, []), VocabError, "below 16777216; renumber"),
    (lambda C: C({"a": 10**5000}, []), VocabError, r"vocab\['a'\] is a number of 16610 bits.*: renumber"),
    (lambda C: C({"a": -(10**5000)}, []), VocabError, r"vocab\['a'\] is a number of 16610 bits.*: renumber"),
    (lambda C: C({"a": 0, "b": 0}, []), VocabError, 'id 0 is given to both "a" and "b"'),
    (lambda C: C({"": 0}, []), VocabError, "is empty; remove it"),
    (
        lambda C: C({"a": 0, "x\ud800": 1}, []),
        VocabError,
        r"a key of vocab, 'x\\ud800', .* U\+D800 at character 1;",
    ),
    (lambda C: C(b"vocab.json", []), TypeError, "vocab is a dict or a path, not bytes"),
    (lambda C: C([("a", 0)], []), TypeError, "vocab is a dict or a path, not list"),
    (lambda C: C({"a": 0}, b"m"), TypeError, "merges is a list or a path, not bytes: list the pairs"),
    (
        lambda C: C({"a": 0}, {("a", "a"): 0}),
        TypeError,
        "merges is a list or a path, not dict: list the pairs",
    ),
    (lambda C: C({"a": 0}, {("a", "a")}), TypeError, "merges is a list or a path, not set: list the pairs"),
    (lambda C: C({"a": 0}, [5]), TypeError, r"merges\[0\] is 5, but a merge is a pair of str"),
    (
        lambda C: C({"a": 0}, [("a", "a"), ("a", 5)]),
        TypeError,
        r"merges\[1\] is \('a', 5\), but a merge is a pair",
    ),
    (
        lambda C: C({"a": 0}, ["a"]),
        VocabError,
        r"merges\[0\] is 'a', but a merge is two tokens.*: mend or remove",
    ),
    (lambda C: C({"a": 0}, ["a  b"]), VocabError, r"merges\[0\] is 'a  b', but a merge is two tokens"),
    (
        lambda C: C({"a": 0}, [("a", "")]),
        VocabError,
        r"merges\[0\] is \('a', ''\), but a merge is two tokens",
    ),
    (lambda C: C({"a": 0}, [("a", "\udfff")]), VocabError, r"merges\[0\], '\\udfff', is not valid Unicode"),
    (lambda C: C("a\0b", []), TokenizerError, r"vocab is 'a\\x00b', and no path can hold NUL: remove it"),
    (lambda C: C(vocab_file="x"), VocabError, "merges is missing: give both"),
    (lambda C: C(tokenizer_file=5), TypeError, "tokenizer_file is a path .*, not int"),
    (
        lambda C: C(tokenizer_file=b"x"),
        TypeError,
        "tokenizer_file is a path .*, not bytes: decode it with os.fsdecode",
    ),
    (lambda C: C(tokenizer_object=5), TypeError, "tokenizer_object is a tokenizers.Tokenizer, not int"),
    (lambda C: C(model_max_length="abc"), TypeError, "model_max_length is a whole number or None, not str"),
    (lambda C: C(model_max_length="7"), TypeError, "model_max_length is a whole number or None, not str"),
    (lambda C: C(model_max_length=-5), TokenizerError, "model_max_length=-5 is negative"),
    (lambda C: C(model_max_length=5.7), TypeError, "model_max_length is a whole number or None, not float"),
    (lambda C: C(model_max_length=float("nan")), TypeError, "model_max_length is a whole number or None"),
    (lambda C: C(model_max_length=True), TypeError, "model_max_length is a whole number or None, not bool"),
    (lambda C: C(max_len="x"), TypeError, "model_max_length is a whole number or None, not str"),
    (
        lambda C: C(model_input_names="input_ids"),
        TypeError,
        r"a list of str like \['input_ids'.*, not of type str",
    ),
    (lambda C: C(model_input_names=5), TypeError, "model_input_names is a list of str"),
    (lambda C: C(model_input_names=["input_ids", 5]), TypeError, r"model_input_names\[1\] is of type int"),
    (
        lambda C: C(model_input_names=[]),
        TokenizerError,
        "model_input_names is empty: name at least 'input_ids'",
    ),
    (
        lambda C: C(errors="junk"),
        TokenizerError,
        r"errors is a way to decode bytes \('replace'.*, not 'junk'",
    ),
    (
        lambda C: C(errors="xmlcharrefreplace"),
        TokenizerError,
        "errors is a way to decode bytes",
    ),  # only encodes
    (lambda C: C(errors="a\0b"), TokenizerError, "errors is a way to decode bytes"),
    (lambda C: C(errors="\ud800"), TokenizerError, "errors is a way to decode bytes"),
    (lambda C: C(errors=5), TypeError, "errors is a way to decode bytes, a str like 'replace', not int"),
    (
        lambda C: C(errors=None),
        TypeError,
        "errors is a way to decode bytes, a str like 'replace', not NoneType",
    ),
    (lambda C: C(padding_side=5), TypeError, "padding_side is 'left' or 'right', not of type int"),
    (lambda C: C(truncation_side=[]), TypeError, "truncation_side is 'left' or 'right', not of type list"),
    (lambda C: C(pad_token_type_id="x"), TypeError, "pad_token_type_id is a whole number"),
    (lambda C: C(pad_token_type_id=1.5), TypeError, "pad_token_type_id is a whole number"),
    (lambda C: C(add_prefix_space="no"), TypeError, "add_prefix_space is True or False, not 'no'"),
    (lambda C: C(add_bos_token="no"), TypeError, "add_bos_token is True or False, not 'no'"),
    (lambda C: C(add_eos_token=2), TypeError, "add_eos_token is True or False, not 2"),
    (lambda C: C(add_bos_token=True, bos_token=None), SpecialTokenError, "needs a bos_token: set one first"),
    (lambda C: C(split_special_tokens="no"), TypeError, "split_special_tokens is True or False, not 'no'"),
    (
        lambda C: C(clean_up_tokenization_spaces="no"),
        TypeError,
        "clean_up_tokenization_spaces is True or False",
    ),
    (lambda C: C(pad_token=5), TypeError, "pad_token is a str or an AddedToken, not int"),
    (
        lambda C: C(pad_token=b"<pad>"),
        TypeError,
        "pad_token is a str or an AddedToken, not bytes: decode it first",
    ),
    (
        lambda C: C(pad_token="\ud800"),
        TokenizerError,
        r"pad_token is not valid Unicode: lone surrogate U\+D800",
    ),
    (lambda C: C(extra_special_tokens="<x>"), TypeError, r"a list of tokens, not str: pass \[...\]"),
    (
        lambda C: C(additional_special_tokens="<x>"),
        TypeError,
        "extra_special_tokens is a list of tokens, not str",
    ),
    (
        lambda C: C(extra_special_tokens=["<x>", 5]),
        TypeError,
        r"extra_special_tokens\[1\] is a str or an AddedToken",
    ),
    (
        lambda C: C(extra_special_tokens={"image_token": 5}),
        TypeError,
        "image_token is a str or an AddedToken",
    ),
    (
        lambda C: C(extra_special_tokens={5: "<x>"}),
        TypeError,
        "extra_special_tokens has the key 5, but its keys are",
    ),
    (
        lambda C: C(added_tokens_decoder=5),
        TypeError,
        "added_tokens_decoder is a dict of id to token, not int",
    ),
    (
        lambda C: C(added_tokens_decoder=["<x>"]),
        TypeError,
        "added_tokens_decoder is a dict of id to token, not list",
    ),
    (lambda C: C(added_tokens_decoder={"x": "<x>"}), VocabError, "has the key 'x': its keys are ids"),
    (lambda C: C(added_tokens_decoder={60000.5: "<x>"}), VocabError, "has the key 60000.5: its keys are ids"),
    (lambda C: C(added_tokens_decoder={True: "<x>"}), VocabError, "has the key True: its keys are ids"),
    (
        lambda C: C(added_tokens_decoder={"9" * 5000: "<x>"}),
        VocabError,
        r"has the key '9{56}\.\.\.: its keys are ids",
    ),
    (lambda C: C(added_tokens_decoder={-1: "<x>"}), VocabError, "has the negative id -1: ids count from 0"),
    (
        lambda C: C(added_tokens_decoder={1 << 40: "<x>"}),
        VocabError,
        "ids must be below 16777216: renumber it",
    ),
    (
        lambda C: C(added_tokens_decoder={60000: 5}),
        TypeError,
        r"added_tokens_decoder\[60000\]: a token is a str or",
    ),
    (
        lambda C: C(added_tokens_decoder={60000: {"content": 5}}),
        VocabError,
        r"added_tokens_decoder\[60000\]: .* is no added token: it needs a string `content`",
    ),
    (
        lambda C: C(added_tokens_decoder={60000: {"content": "<\udc80>"}}),
        VocabError,
        r"added_tokens_decoder\[60000\]: added token '<\\udc80>' is not valid Unicode",
    ),
    (lambda C: C.from_pretrained(5), TypeError, "pretrained_model_name_or_path is a path .*, not int"),
    (
        lambda C: C.from_pretrained(None),
        TypeError,
        "pretrained_model_name_or_path is a path .*, not NoneType",
    ),
    (lambda C: C.from_pretrained("a\0b"), TokenizerError, "no path can hold NUL"),
    (lambda C: C.from_pretrained("gpt2", subfolder=5), TypeError, "subfolder is a path"),
    (
        lambda C: C.from_pretrained(""),
        FileNotFoundError,
        "^'' is neither a directory nor the name of a model: give",
    ),
    (
        lambda C: C.from_pretrained("gpt2", model_max_length="x"),
        TypeError,
        "model_max_length is a whole number",
    ),
]

# What is set later (t is a tokenizer over the small vocabulary).
SETTERS: list[Case] = [
    (lambda t: setattr(t, "errors", "junk"), TokenizerError, "errors is a way to decode bytes.*, not 'junk'"),
    (lambda t: setattr(t, "errors", 5), TypeError, "errors is a way to decode bytes"),
    (lambda t: setattr(t, "model_max_length", "x"), TypeError, "model_max_length is a whole number"),
    (lambda t: setattr(t, "model_max_length", -5), TokenizerError, "model_max_length=-5 is negative"),
    (lambda t: setattr(t, "model_input_names", "input_ids"), TypeError, "model_input_names is a list of str"),
    (
        lambda t: setattr(t, "padding_side", 5),
        TypeError,
        "padding_side is 'left' or 'right', not of type int",
    ),
    (lambda t: setattr(t, "pad_token_type_id", "x"), TypeError, "pad_token_type_id is a whole number"),
    (lambda t: setattr(t, "add_prefix_space", "no"), TypeError, "add_prefix_space is True or False"),
    (lambda t: setattr(t, "add_bos_token", "no"), TypeError, "add_bos_token is True or False"),
    (lambda t: setattr(t, "add_eos_token", []), TypeError, "add_eos_token is True or False"),
    (lambda t: setattr(t, "split_special_tokens", "no"), TypeError, "split_special_tokens is True or False"),
    (lambda t: setattr(t, "pad_token", 5), TypeError, "pad_token is a str or an AddedToken, not int"),
    (lambda t: setattr(t, "pad_token", "\ud800"), TokenizerError, "pad_token is not valid Unicode"),
    (
        lambda t: setattr(t, "pad_token_id", "x"),
        TypeError,
        "ids is of type str, not ids.*convert_tokens_to_ids",
    ),
    (
        lambda t: setattr(t, "pad_token_id", 10**9),
        UnknownTokenError,
        "id 1000000000 is not in the vocabulary of 757",
    ),
    (
        lambda t: setattr(t, "extra_special_tokens", "<x>"),
        TypeError,
        "extra_special_tokens is a list of tokens",
    ),
    (
        lambda t: setattr(t, "extra_special_tokens", [5]),
        TypeError,
        r"extra_special_tokens\[0\] is a str or an",
    ),
    (lambda t: t.add_tokens(5), TypeError, "new_tokens is a str or an AddedToken, not int"),
    (lambda t: t.add_tokens(None), TypeError, "new_tokens is a str or an AddedToken, not NoneType"),
    (
        lambda t: t.add_tokens(b"<x>"),
        TypeError,
        "new_tokens is a str or an AddedToken, not bytes: decode it first",
    ),
    (lambda t: t.add_tokens(["<x>", 5]), TypeError, r"new_tokens\[1\] is a str or an AddedToken, not int"),
    (
        lambda t: t.add_tokens({"<x>", "<y>"}),
        TypeError,
        "of type set, but the order of tokens decides their ids",
    ),
    (
        lambda t: t.add_tokens({"<x>": 800}),
        TypeError,
        "of type dict, but the order of tokens decides their ids",
    ),
    (
        lambda t: t.add_tokens(["<x>", "\ud800"]),
        TokenizerError,
        r"added token '\\ud800' is not valid Unicode",
    ),
    (
        lambda t: t.add_tokens("<x>", special_tokens="no"),
        TypeError,
        "special_tokens is True or False, not 'no'",
    ),
    (lambda t: t.add_special_tokens(5), TypeError, "special tokens come as a dict like"),
    (lambda t: t.add_special_tokens({"pad_token": None}), TypeError, "pad_token is a str or an AddedToken"),
    (
        lambda t: t.add_special_tokens({5: "<x>"}),
        SpecialTokenError,
        "5 is no part that a special token plays: choose",
    ),
    (
        lambda t: t.add_special_tokens({"sep_token": "<s>", "extra_special_tokens": ["<x>", 5]}),
        TypeError,
        r"extra_special_tokens\[1\] is a str or an AddedToken, not int",
    ),
    (
        lambda t: t.add_special_tokens({"sep_token": "<s>", "extra_special_tokens": "<x>"}),
        TypeError,
        "extra_special_tokens is a list of tokens, not str",
    ),
]


@cases(CONSTRUCTORS)
def test_constructors(case: Case) -> None:
    check(case, list(KINDS))


@cases(SETTERS)
def test_setters_change_nothing_when_they_fail(case: Case) -> None:
    tokenizers = [small(kind) for kind in KINDS]
    check(case, tokenizers)
    for kind, tokenizer in zip(KINDS, tokenizers, strict=True):
        assert tokenizer.init_kwargs == small(kind).init_kwargs
        assert tokenizer.get_vocab() == small(kind).get_vocab()
        assert tokenizer.add_bos_token is tokenizer.add_eos_token is False


@both
def test_what_is_unusual_but_meant_is_taken(kind: Kind) -> None:
    """The checks refuse nothing that has one plain meaning."""
    assert kind({"a": np.int64(0)}, [], unk_token="a", bos_token=None, eos_token=None).get_vocab() == {"a": 0}
    for limit in (1e30, float("inf"), None):
        assert small(kind, model_max_length=limit).model_max_length == int(1e30)
    assert small(kind, model_max_length=512.0).model_max_length == 512
    assert small(kind, model_max_length=np.int64(7)).model_max_length == 7
    assert small(kind, add_prefix_space=np.bool_(True)).add_prefix_space is True
    assert small(kind, add_prefix_space=1).add_prefix_space is True
    assert small(kind, verbose=None).verbose is False
    assert small(kind, model_input_names=("input_ids",)).model_input_names == ["input_ids"]
    assert small(kind, added_tokens_decoder={np.int64(757): "<x>"}).convert_tokens_to_ids("<x>") == 757
