"""The parts that special tokens play, against transformers 5."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hf_oracle import Kind, assert_same, both, plain, same_call, small, small_oracle, theirs

from gpt2tok import AddedToken, SpecialTokenError, UnknownTokenError
from gpt2tok.hugging_face.special_tokens import NAMES


def assert_same_parts(ours: Any, oracle: Any) -> None:
    """Everything that can be asked about special tokens."""
    assert ours.special_tokens_map == oracle.special_tokens_map
    assert list(ours.special_tokens_map) == list(oracle.special_tokens_map)
    assert ours.all_special_tokens == oracle.all_special_tokens
    assert ours.all_special_ids == oracle.all_special_ids
    assert ours.extra_special_tokens == oracle.extra_special_tokens
    assert ours.extra_special_tokens_ids == oracle.extra_special_tokens_ids
    for name in NAMES:
        assert getattr(ours, name) == getattr(oracle, name), name
        assert getattr(ours, f"{name}_id") == getattr(oracle, f"{name}_id"), name
    assert plain(ours.added_tokens_decoder) == plain(oracle.added_tokens_decoder)
    assert len(ours) == len(oracle)


CONSTRUCTIONS: list[dict[str, Any]] = [
    {},
    {"pad_token": "<|endoftext|>"},
    {"pad_token": "<pad>", "sep_token": "<sep>", "mask_token": "<mask>", "cls_token": "<cls>"},
    {"pad_token": AddedToken("<pad>", lstrip=True), "bos_token": AddedToken("<s>", normalized=True)},
    {"unk_token": None, "bos_token": None, "eos_token": None},
    {"extra_special_tokens": ["<x>", AddedToken("<y>", rstrip=True, special=True)]},
    {"additional_special_tokens": ["<x>"]},
    {"image_token": "<img>", "pad_token": "<pad>", "extra_special_tokens": ["<x>"]},
    {"extra_special_tokens": {"image_token": "<img>"}},
    {"model_specific_special_tokens": {"image_token": "<img>"}},
    {"bos_token": "he", "eos_token": "Ġt"},
]


@both
@pytest.mark.parametrize("arguments", CONSTRUCTIONS, ids=str)
def test_construction(kind: Kind, arguments: dict[str, Any]) -> None:
    with (
        pytest.warns(UserWarning, match="spells other bytes")
        if "he" in arguments.values()
        else contextlib.nullcontext()
    ):
        ours = small(kind, **arguments)
    oracle = small_oracle(**arguments)
    assert_same_parts(ours, oracle)
    if "image_token" in str(arguments):
        assert (ours.image_token, ours.image_token_id) == (oracle.image_token, oracle.image_token_id)
    same_call(ours, oracle, "a <pad> b <x> c<img> the <s> <y>  d", return_offsets_mapping=True)


@both
def test_extra_special_tokens_are_special(kind: Kind) -> None:
    # transformers 5 takes an AddedToken here as it is, and then does not skip it, though it documents that it
    # does.
    ours = small(kind, extra_special_tokens=[AddedToken("<y>", rstrip=True)])
    assert ours.decode(ours.encode("a<y>b"), skip_special_tokens=True) == "ab"


ADDITIONS: list[dict[str, Any]] = [
    {"pad_token": "<pad>"},
    {"pad_token": "<|endoftext|>"},
    {"pad_token": AddedToken("<pad>", rstrip=True, normalized=True)},
    {"additional_special_tokens": ["<x>", "<y>"], "pad_token": "<pad>"},
    {"extra_special_tokens": ["<x>", AddedToken("<y>")], "cls_token": "<cls>"},
    {"bos_token": "he", "eos_token": "</s>", "mask_token": AddedToken("<mask>", lstrip=True)},
    {},
]


@both
@pytest.mark.parametrize("addition", ADDITIONS, ids=str)
def test_addition(kind: Kind, addition: dict[str, Any]) -> None:
    ours, oracle = small(kind, extra_special_tokens=["<z>"]), small_oracle(extra_special_tokens=["<z>"])
    for replace in (False, True, False):
        assert ours.add_special_tokens(addition, replace) == oracle.add_special_tokens(
            theirs(addition), replace
        )
        assert_same_parts(ours, oracle)
    text = "a<x> <pad> b <mask><z>"
    same_call(ours, oracle, text)
    ids = oracle.encode(text)
    assert ours.decode(ids, skip_special_tokens=True) == oracle.decode(ids, skip_special_tokens=True)
    assert ours.convert_ids_to_tokens(ids, True) == oracle.convert_ids_to_tokens(ids, True)


@both
def test_a_name_of_the_model_can_be_added_and_set(kind: Kind) -> None:
    ours, oracle = small(kind, image_token="<img>"), small_oracle(image_token="<img>")
    for tokenizer in (ours, oracle):
        tokenizer.add_special_tokens({"image_token": "<picture>"})
    assert_same_parts(ours, oracle)
    for tokenizer in (ours, oracle):
        tokenizer.image_token = "he"
    assert (
        (ours.image_token, ours.image_token_id) == (oracle.image_token, oracle.image_token_id) == ("he", 258)
    )
    assert ours.special_tokens_map == oracle.special_tokens_map
    with pytest.raises(AttributeError, match="video_token"):
        _ = ours.video_token


@both
def test_setting(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    steps: list[tuple[str, Any]] = [
        ("pad_token", "<|endoftext|>"),
        ("sep_token", "not in the vocabulary"),
        ("pad_token_id", 5),
        ("mask_token", AddedToken("he", lstrip=True)),
        ("pad_token_id", None),
        ("pad_token", None),
        ("extra_special_tokens", ["<x>", "he"]),
        ("extra_special_tokens", None),
        ("unk_token", "he"),
        ("unk_token", None),
    ]
    for name, value in steps:
        setattr(ours, name, value)
        setattr(oracle, name, theirs(value))
        assert_same_parts(ours, oracle)


@both
def test_setting_nonsense(kind: Kind) -> None:
    ours = small(kind)
    with pytest.raises(TypeError, match="pad_token is a str or an AddedToken, not int"):
        ours.pad_token = 5
    with pytest.raises(UnknownTokenError, match="5000000"):
        ours.pad_token_id = 5_000_000  # transformers quietly sets None
    with pytest.raises(TypeError, match="extra_special_tokens is a list"):
        ours.extra_special_tokens = "<x>"
    with pytest.raises(TypeError, match="pad_token is a str or an AddedToken"):
        small(kind, pad_token=5)
    with pytest.raises(SpecialTokenError, match="'foo_token' is no part"):
        ours.add_special_tokens({"foo_token": "<x>"})
    with pytest.raises(TypeError, match="special tokens come as a dict"):
        ours.add_special_tokens(["<x>"])
    with pytest.raises(TypeError, match="extra_special_tokens is a list"):
        ours.add_special_tokens({"extra_special_tokens": "<x>"})
    with pytest.raises(TypeError, match="not int"):
        ours.add_special_tokens({"pad_token": 5})
    assert ours.special_tokens_map == small(kind).special_tokens_map


@both
def test_older_names(kind: Kind) -> None:
    ours = small(kind, additional_special_tokens=["<x>"], pad_token=AddedToken("<pad>", lstrip=True))
    assert ours.additional_special_tokens == ours.extra_special_tokens == ["<x>"]
    assert ours.additional_special_tokens_ids == ours.extra_special_tokens_ids
    ours.additional_special_tokens = ["<|endoftext|>"]
    assert ours.extra_special_tokens == ["<|endoftext|>"]
    assert ours.special_tokens_map_extended["pad_token"] == AddedToken("<pad>", lstrip=True)
    assert [str(token) for token in ours.all_special_tokens_extended] == ours.all_special_tokens
    ours.add_special_tokens({"additional_special_tokens": ["<y>"]}, replace_additional_special_tokens=False)
    assert ours.additional_special_tokens == ["<|endoftext|>", "<y>"]


@both
def test_beginning_and_end(kind: Kind) -> None:
    ours, oracle = small(kind), small_oracle()
    for bos, eos in [(True, False), (True, True), (False, True), (False, False)]:
        for tokenizer in (ours, oracle):
            tokenizer.add_bos_token = bos
            tokenizer.add_eos_token = eos
        assert (ours.add_bos_token, ours.add_eos_token) == (bos, eos)
        same_call(ours, oracle, "a", "b", return_token_type_ids=True, return_special_tokens_mask=True)
        assert ours.encode("a") == oracle.encode("a")
    # transformers keeps the old token until update_post_processor().
    ours.add_bos_token = oracle.add_bos_token = True
    ours.bos_token = oracle.bos_token = "he"
    oracle.update_post_processor()
    ours.update_post_processor()
    assert ours.encode("a") == oracle.encode("a")
    assert_same(ours("a", "b"), oracle("a", "b"))


@both
def test_a_beginning_needs_its_token(kind: Kind) -> None:
    # transformers quietly answers add_bos_token=True with False.
    with pytest.raises(SpecialTokenError, match="add_bos_token=True needs a bos_token"):
        small(kind, bos_token=None, add_bos_token=True)
    ours = small(kind)
    ours.bos_token = None
    with pytest.raises(SpecialTokenError, match="add_bos_token=True needs a bos_token"):
        ours.add_bos_token = True
    ours = small(kind, add_bos_token=True)
    ours.bos_token = "not in the vocabulary"
    with pytest.raises(SpecialTokenError, match="add it with add_special_tokens"):
        ours("a")


@both
def test_special_tokens_around_ids(kind: Kind) -> None:
    """What transformers 4 documents of these methods; transformers 5's fast tokenizer has most of them no
    longer.
    """
    ours = small(kind, add_bos_token=True, eos_token="<e>")
    assert ours.build_inputs_with_special_tokens([1, 2]) == [756, 1, 2]
    assert ours.build_inputs_with_special_tokens([1, 2], [3]) == [756, 1, 2, 756, 3]
    assert ours.create_token_type_ids_from_sequences([1, 2], [3]) == [0, 0, 0, 1, 1]
    assert ours.get_special_tokens_mask([1, 2], [3]) == [1, 0, 0, 1, 0]
    ours.add_eos_token = True
    assert ours.build_inputs_with_special_tokens([1], [2]) == [756, 1, 757, 756, 2, 757]
    oracle = small_oracle(add_bos_token=True, add_eos_token=True, eos_token="<e>")
    both_ = {"return_token_type_ids": True, "return_special_tokens_mask": True}
    for arguments in (("a",), ("a b", "c")):
        expected = oracle(*arguments, **both_)
        ids = [ours.encode(text, add_special_tokens=False) for text in arguments]
        assert ours.build_inputs_with_special_tokens(*ids) == expected["input_ids"]
        assert ours.create_token_type_ids_from_sequences(*ids) == expected["token_type_ids"]
        assert ours.get_special_tokens_mask(*ids) == expected["special_tokens_mask"]
    assert ours.get_special_tokens_mask([756, 1, 757], already_has_special_tokens=True) == [1, 0, 1]
    assert ours.get_special_tokens_mask(
        [756, 1], already_has_special_tokens=True
    ) == oracle.get_special_tokens_mask([756, 1], already_has_special_tokens=True)
    with pytest.raises(ValueError, match="leave token_ids_1 out"):
        ours.get_special_tokens_mask([1], [2], already_has_special_tokens=True)
    plain_ = small(kind)
    assert plain_.build_inputs_with_special_tokens([1], [2]) == [1, 2]
    assert plain_.get_special_tokens_mask([1], [2]) == [0, 0]


@both
def test_sides_are_checked(kind: Kind) -> None:
    for name in ("padding_side", "truncation_side"):
        with pytest.raises(ValueError, match=f"{name} is 'left' or 'right', not 'up'"):
            small(kind, **{name: "up"})
        ours = small(kind, **{name: "left"})
        assert getattr(ours, name) == "left"
        with pytest.raises(ValueError, match=f"{name} is 'left' or 'right'"):
            setattr(ours, name, "up")


# The toy vocabulary of transformers' own GPT-2 tests.
TOY = [
    *["l", "o", "w", "e", "r", "s", "t", "i", "d", "n", "Ġ", "Ġl", "Ġn", "Ġlo", "Ġlow", "er"],
    *["Ġlowest", "Ġnewer", "Ġwider", "<unk>", "<|endoftext|>"],
]
TOY_MERGES = ["Ġ l", "Ġl o", "Ġlo w", "e r"]


@both
def test_the_toy_vocabulary(kind: Kind, tmp_path: Any) -> None:
    vocab = {token: i for i, token in enumerate(TOY)}
    (tmp_path / "vocab.json").write_text(__import__("json").dumps(vocab) + "\n", encoding="utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *TOY_MERGES, ""]), encoding="utf-8")
    made = [
        kind(vocab, TOY_MERGES, unk_token="<unk>", add_prefix_space=True),
        kind(tmp_path / "vocab.json", tmp_path / "merges.txt", unk_token="<unk>", add_prefix_space=True),
        kind(
            vocab_file=str(tmp_path / "vocab.json"),
            merges_file=str(tmp_path / "merges.txt"),
            unk_token="<unk>",
            add_prefix_space=True,
        ),
        kind.from_pretrained(tmp_path, unk_token="<unk>", add_prefix_space=True),
    ]
    for tokenizer in made:
        assert tokenizer.tokenize("lower newer") == ["Ġlow", "er", "Ġ", "n", "e", "w", "er"]
        assert tokenizer.encode("lower newer") == [14, 15, 10, 9, 3, 2, 15]
        # Ġlowest is in the vocabulary, but no merge makes it.
        assert tokenizer.tokenize("lowest") == ["Ġlow", "e", "s", "t"]
        assert tokenizer.convert_tokens_to_ids(["Ġlow", "er", "x", "<unk>"]) == [14, 15, 19, 19]
        # transformers 5 leaves out what the vocabulary lacks; as documented, it becomes unk_token.
        assert tokenizer.encode("l x é<|endoftext|>") == [11, 10, 19, 10, 19, 19, 20]
        assert tokenizer("l xé", return_offsets_mapping=True)["offset_mapping"] == [
            (0, 1),
            (1, 2),
            (2, 3),
            (3, 4),
            (3, 4),
        ]
        assert tokenizer.decode([14, 15, 19]) == " lower<unk>"
        assert len(tokenizer) == 21


@both
def test_the_toy_vocabulary_with_an_unknown_token_of_its_own(kind: Kind) -> None:
    vocab = {token: i for i, token in enumerate(TOY[:-2])}
    tokenizer = kind(vocab, TOY_MERGES, unk_token="<?>", bos_token=None, eos_token=None)
    assert tokenizer.unk_token_id == 19
    assert tokenizer.encode("lx<?>") == [0, 19, 19]
    assert tokenizer.decode([0, 19]) == "l<?>"
    tokenizer.add_special_tokens({"unk_token": "<??>"})
    assert tokenizer.encode("lx") == [0, 20]
