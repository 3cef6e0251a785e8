"""Files: what is saved loads again here and in transformers 5, and what transformers 4 and 5 save loads here."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hf_files import TEXT, base_files, rich, token_object, write
from hf_oracle import TEXTS, Kind, both, details, gpt2, plain, same_call, small, small_oracle

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok.hugging_face.pretrained import GPT2_NAMES

EVERYTHING: dict[str, Any] = {"return_token_type_ids": True, "return_offsets_mapping": True}


def assert_alike(one: Any, other: Any) -> None:
    """The settings that files carry, and what they do."""
    assert one.get_vocab() == other.get_vocab()
    assert plain(one.added_tokens_decoder) == plain(other.added_tokens_decoder)
    assert one.special_tokens_map == other.special_tokens_map
    assert one.extra_special_tokens == other.extra_special_tokens
    for name in (
        "padding_side",
        "truncation_side",
        "model_max_length",
        "add_prefix_space",
        "model_input_names",
    ):
        assert getattr(one, name) == getattr(other, name), name
    assert one.image_token_id == other.image_token_id
    for text in (*TEXTS, TEXT):
        assert dict(one(text, "b", **EVERYTHING)) == dict(other(text, "b", **EVERYTHING))
        ids = one.encode(text)
        assert one.decode(ids, skip_special_tokens=True) == other.decode(ids, skip_special_tokens=True)


FRAMES = [
    {},
    {"add_bos_token": True},
    {"add_bos_token": True, "add_eos_token": True, "add_prefix_space": True},
]


@both
@pytest.mark.parametrize("frame", FRAMES, ids=str)
@pytest.mark.parametrize("legacy", [None, False, True])
def test_round_trip(kind: Kind, frame: dict[str, Any], legacy: bool | None, tmp_path: Path) -> None:
    saved = rich(lambda **a: small(kind, **a), **frame, errors="ignore", split_special_tokens=True)
    paths = saved.save_pretrained(tmp_path / "new" / "folder", legacy_format=legacy)
    assert sorted(Path(path).name for path in paths) == sorted(
        path.name for path in (tmp_path / "new" / "folder").iterdir()
    )
    for other in (GPT2Tokenizer, GPT2TokenizerFast):
        loaded = other.from_pretrained(tmp_path / "new" / "folder")
        assert_alike(loaded, saved)
        for name in ("add_bos_token", "add_eos_token", "errors", "split_special_tokens", "init_kwargs"):
            assert getattr(loaded, name) == getattr(saved, name), name
        assert details(loaded(TEXT, padding="max_length", max_length=40)) == details(
            saved(TEXT, padding="max_length", max_length=40)
        )


@both
@pytest.mark.parametrize("frame", FRAMES, ids=str)
@pytest.mark.parametrize("legacy", [None, False, True])
def test_transformers_loads_what_we_save(
    kind: Kind, frame: dict[str, Any], legacy: bool | None, tmp_path: Path
) -> None:
    saved = rich(lambda **a: small(kind, **a), **frame)
    saved.save_pretrained(tmp_path, legacy_format=legacy)
    assert_alike(saved, transformers.GPT2TokenizerFast.from_pretrained(tmp_path))
    assert_alike(saved, transformers.AutoTokenizer.from_pretrained(tmp_path))
    if legacy is not True:
        raw = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        for text in (*TEXTS, TEXT):
            assert raw.encode(text, "b").ids == saved.encode(text, "b")


@both
@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_what_transformers_5_saves(kind: Kind, frame: dict[str, Any], tmp_path: Path) -> None:
    saved = rich(small_oracle, **frame)
    saved.save_pretrained(tmp_path)
    loaded = kind.from_pretrained(tmp_path)
    assert_alike(loaded, saved)
    # transformers 5 forgets these two when it loads; the file's template says them.
    assert loaded.add_bos_token is saved.add_bos_token
    assert loaded.add_eos_token is saved.add_eos_token
    assert_alike(kind.from_pretrained(tmp_path), transformers.GPT2TokenizerFast.from_pretrained(tmp_path))
    assert_alike(kind.from_pretrained(tmp_path / "tokenizer.json", **_settings(saved)), saved)


def _settings(saved: Any) -> dict[str, Any]:
    names = ("padding_side", "truncation_side", "model_max_length", "extra_special_tokens", "image_token")
    return {**saved.special_tokens_map, **{name: getattr(saved, name) for name in names}}


# --- transformers 4 ---


@both
def test_what_transformers_4_saved_with_its_slow_tokenizer(kind: Kind, tmp_path: Path) -> None:
    """The files of transformers 4.57, rebuilt by hand over the small vocabulary."""
    special = {"special": True}
    decoder = {
        "756": token_object("<|endoftext|>", **special),
        "757": token_object("<pad>", **special),
        "758": token_object("<x>", **special, normalized=False),
        "759": token_object("<user>", special=False, lstrip=True),
        "760": token_object("<mask>", **special, lstrip=True),
    }
    config = {
        "add_bos_token": True,
        "add_prefix_space": True,
        "added_tokens_decoder": decoder,
        "additional_special_tokens": ["<x>"],
        "bos_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": True,
        "eos_token": "<|endoftext|>",
        "errors": "replace",
        "extra_special_tokens": {},
        "mask_token": "<mask>",
        "model_max_length": 1024,
        "pad_token": "<pad>",
        "padding_side": "left",
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": "<|endoftext|>",
        "some_setting_of_later_days": {"kept": True},
    }
    write(
        tmp_path,
        **base_files(),
        tokenizer_config=config,
        added_tokens={"<mask>": 760, "<pad>": 757, "<user>": 759, "<x>": 758},
        special_tokens_map={"pad_token": "<pad>", "bos_token": token_object("<|endoftext|>")},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = kind.from_pretrained(tmp_path)
    oracle = transformers.GPT2TokenizerFast.from_pretrained(tmp_path)
    assert plain(loaded.added_tokens_decoder) == plain(oracle.added_tokens_decoder)
    assert loaded.special_tokens_map == oracle.special_tokens_map
    assert loaded.extra_special_tokens == oracle.extra_special_tokens == ["<x>"]
    for text in (*TEXTS, TEXT):
        same_call(loaded, oracle, text)
    assert (loaded.add_bos_token, loaded.model_max_length, loaded.padding_side) == (True, 1024, "left")
    assert loaded.decode(loaded.encode("a . b", add_special_tokens=False)) == " a . b"
    assert loaded.init_kwargs["some_setting_of_later_days"] == {"kept": True}
    loaded.save_pretrained(tmp_path / "again")
    assert kind.from_pretrained(tmp_path / "again").init_kwargs == loaded.init_kwargs


@both
def test_what_transformers_4_saved_with_its_fast_tokenizer(kind: Kind, tmp_path: Path) -> None:
    """Its template puts no second bos token before the second sequence: a template that no flags describe."""
    oracle = small_oracle(add_bos_token=True)
    oracle.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    del content["post_processor"]["pair"][2]
    write(tmp_path, tokenizer=content, **base_files())
    loaded, oracle = kind.from_pretrained(tmp_path), transformers.GPT2TokenizerFast.from_pretrained(tmp_path)
    for arguments in (("a b",), ("a b", "c"), (["a", "b"], ["c", "d"])):
        same_call(loaded, oracle, *arguments, **EVERYTHING, return_special_tokens_mask=True)
    assert (loaded.add_bos_token, loaded.add_eos_token) == (True, False)
    assert loaded.encode("a", "b")[0] == 756 and loaded.encode("a", "b").count(756) == 1
    loaded.save_pretrained(tmp_path / "again")
    assert kind.from_pretrained(tmp_path / "again").encode("a", "b") == loaded.encode("a", "b")
    assert transformers.GPT2TokenizerFast.from_pretrained(tmp_path / "again").encode(
        "a", "b"
    ) == loaded.encode("a", "b")
    # Saying what one wants replaces it.
    assert kind.from_pretrained(tmp_path, add_bos_token=True).encode("a", "b").count(756) == 2
    assert kind.from_pretrained(tmp_path, add_bos_token=False).encode("a", "b").count(756) == 0


@both
def test_files_of_old_without_a_configuration(kind: Kind, tmp_path: Path) -> None:
    write(
        tmp_path,
        **base_files(),
        special_tokens_map={
            "pad_token": token_object("<pad>", lstrip=True),
            "additional_special_tokens": ["<x>", token_object("<y>", rstrip=True)],
        },
        added_tokens={"<x>": 757, "<pad>": 758, "<user>": 759, "<y>": 760},
    )
    loaded = kind.from_pretrained(tmp_path)
    assert loaded.convert_tokens_to_ids(["<x>", "<pad>", "<user>", "<y>"]) == [757, 758, 759, 760]
    assert loaded.pad_token == "<pad>"
    assert loaded.added_tokens_decoder[758].lstrip is True
    assert loaded.added_tokens_decoder[760].rstrip is True
    assert [loaded.added_tokens_decoder[i].special for i in (757, 758, 759, 760)] == [True, True, False, True]
    assert loaded.decode([757, 758, 759, 760], skip_special_tokens=True) == "<user>"
    assert kind.from_pretrained(write(tmp_path / "bare", **base_files())).encode("a b") == small(kind).encode(
        "a b"
    )


@both
def test_special_tokens_saved_as_objects(kind: Kind, tmp_path: Path) -> None:
    config = {"pad_token": {"__type": "AddedToken", **token_object("<pad>", lstrip=True)}, "eos_token": None}
    loaded = kind.from_pretrained(write(tmp_path, **base_files(), tokenizer_config=config))
    assert (loaded.pad_token, loaded.eos_token) == ("<pad>", None)
    assert loaded.added_tokens_decoder[757] == AddedToken("<pad>", lstrip=True, normalized=True, special=True)
    loaded.save_pretrained(tmp_path / "again")
    assert kind.from_pretrained(tmp_path / "again").special_tokens_map == loaded.special_tokens_map


# --- names ---


@both
def test_names_of_gpt2_are_the_embedded_vocabulary(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert len(GPT2_NAMES) == 10
    for name in sorted(GPT2_NAMES):
        loaded = kind.from_pretrained(name)
        assert (loaded.name_or_path, loaded.model_max_length, loaded.vocab_size) == (name, 1024, 50257)
    assert kind.from_pretrained("gpt2", model_max_length=7, pad_token="<pad>").pad_token_id == 50257
    # A package of that name is not a tokenizer; a directory with one comes first.
    (tmp_path / "gpt2").mkdir()
    assert kind.from_pretrained("gpt2").vocab_size == 50257
    small(kind).save_pretrained("gpt2")
    assert kind.from_pretrained("gpt2").vocab_size == 757


# --- saving ---


@both
def test_save_vocabulary_is_openais_files(kind: Kind, tmp_path: Path) -> None:
    """The sums that OpenAI's encoder.json and vocab.bpe are published with."""
    paths = gpt2(kind).save_vocabulary(tmp_path / "made", filename_prefix="my")
    assert [Path(path).name for path in paths] == ["my-vocab.json", "my-merges.txt"]
    sums = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    assert sums == [
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    ]
    loaded = kind(*paths)
    assert loaded.get_vocab() == gpt2(kind).get_vocab()
    assert loaded.encode(TEXT) == gpt2(kind).encode(TEXT)


@both
def test_prefixes_and_files_in_the_way(kind: Kind, tmp_path: Path) -> None:
    paths = small(kind).save_pretrained(tmp_path, filename_prefix="my")
    assert all(Path(path).name.startswith("my-") and Path(path).is_file() for path in paths)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x")
    for save in (small(kind).save_pretrained, small(kind).save_vocabulary):
        for place in (in_the_way, in_the_way / "under" / "it"):
            with pytest.raises(
                FileExistsError, match="a file stands there, not a directory: remove it or"
            ) as caught:
                save(place)
            assert caught.value.filename == str(in_the_way)
        for prefix in ("a/b", "../a", "/a", "a/"):
            with pytest.raises(
                TokenizerError, match=r"holds a directory.*put the directory in the first argument"
            ):
                save(tmp_path / "made", filename_prefix=prefix)
    assert in_the_way.read_text() == "x" and not (tmp_path / "made").exists()
    small(kind).save_pretrained(tmp_path / "whole")
    with pytest.raises(FileExistsError, match=r"tokenizer.json is there and would be loaded instead"):
        small(kind).save_pretrained(tmp_path / "whole", legacy_format=True)
    with pytest.raises(NotImplementedError, match="upload_folder"):
        small(kind).save_pretrained(tmp_path, push_to_hub=True)


@both
def test_saving_is_all_or_nothing(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(kind).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    changed = rich(lambda **a: small(kind, **a))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="disk is full"):
            changed.save_pretrained(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        for save in (changed.save_pretrained, changed.save_vocabulary):
            with pytest.raises(OSError, match="disk is full"):
                save(tmp_path / "made" / "for" / "this")
        assert not (tmp_path / "made").exists()
    # The second rename fails: the first file is put back.
    replace, calls = os.replace, 0

    def faulty(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(5, "Input/output error")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", faulty)
        with pytest.raises(OSError, match="cannot save"):
            changed.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    changed.save_pretrained(tmp_path)
    assert kind.from_pretrained(tmp_path).init_kwargs == changed.init_kwargs


@both
def test_settings_that_json_cannot_say(kind: Kind, tmp_path: Path) -> None:
    for value in (object(), {1, 2}, b"x", {("a", "b"): 1}):
        with pytest.warns(UserWarning, match="kept but not used: odd"):
            tokenizer = small(kind, odd=value)
        with pytest.raises(
            TokenizerError, match=r"the setting 'odd' is .*, which JSON cannot say: leave it out"
        ):
            tokenizer.save_pretrained(tmp_path / "new")
        assert not (tmp_path / "new").exists()
    with pytest.warns(UserWarning, match="kept but not used: odd"):
        tokenizer = small(kind, odd="half a pair: \ud800")
    tokenizer.save_pretrained(tmp_path / "new")
    assert kind.from_pretrained(tmp_path / "new").init_kwargs["odd"] == "half a pair: \ud800"


def test_a_vocabulary_saved_beside_another_tokenizer_json_is_no_secret(tmp_path: Path) -> None:
    """Loaders read tokenizer.json first, here and in transformers: the two files would never be seen."""
    other = GPT2TokenizerFast({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3}, [("a", "b")])
    other.save_pretrained(tmp_path)
    own = GPT2TokenizerFast({"b": 0, "a": 1, "ab": 2, "<|endoftext|>": 3}, [("a", "b")])
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        with pytest.warns(
            UserWarning, match=r"tokenizer\.json holds another vocabulary than the vocab\.json"
        ) as caught:
            kind({"b": 0, "a": 1, "ab": 2, "<|endoftext|>": 3}, [("a", "b")]).save_vocabulary(tmp_path)
        assert len(caught) == 1 and caught[0].filename == __file__
    assert transformers.AutoTokenizer.from_pretrained(tmp_path)("ba")["input_ids"] == [
        1,
        0,
    ]  # what is warned of
    (tmp_path / "tokenizer.json").write_text("[", "utf-8")
    with pytest.warns(UserWarning, match="remove it, or save with save_pretrained"):
        own.save_vocabulary(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.save_vocabulary(tmp_path, "mine")  # under names of its own
        own.save_pretrained(tmp_path)
        own.save_vocabulary(tmp_path)  # the same as that of the tokenizer.json


@both
def test_the_home_directory(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` as a shell reads it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kind.from_pretrained("gpt2", pad_token="<pad>").save_pretrained("~/tiny")
    gpt2(kind).save_vocabulary("~/vocabulary")
    assert kind.from_pretrained("~/tiny").pad_token_id == 50257
    assert (tmp_path / "home" / "vocabulary" / "vocab.json").is_file() and not list(Path().iterdir())
