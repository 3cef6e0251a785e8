"""Is a tokenizer that is not the model's refused everywhere, before any work? And does padding never come out?"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import tokenizer
from helpers import BACKEND, array

import gpt2model
import gpt2tok
from gpt2model import GPT2Config, GPT2LMHeadModel, export_text_generator
from gpt2model.checkpoints.converting import convert
from gpt2model.vocabulary import Vocabulary, check_fit, fitted, vocabulary_of
from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, VocabError
from gpt2tok.cli import main

IDS = 300  # of `tokenizer()`


def made(rows: int, **fields: Any) -> Any:
    sizes = {"n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(vocab_size=rows, **sizes, bos_token_id=299, eos_token_id=299, **fields))


def other_of_the_same_size() -> GPT2TokenizerFast:
    """Two merges in another order: other ids for some texts, the same number of them."""
    ours = tokenizer()
    ranks = ours.bpe_ranks
    merges = sorted(ranks, key=ranks.__getitem__)
    return GPT2TokenizerFast(ours.encoder, [merges[1], merges[0], *merges[2:]])


@functools.cache
def eager_padding() -> Any:
    """A model of ten rows more than there are ids, which would come always."""
    model = made(310)
    model.transformer.ln_f.beta.assign(np.full(16, 3.0, "float32"))
    table = array(model.transformer.wte.embeddings).copy()
    table[IDS:] = 5.0 + np.arange(10)[:, None] / 10
    model.transformer.wte.embeddings.assign(table)
    return model


@pytest.mark.parametrize(
    ("size", "rows", "fits"),
    [(300, 300, True), (300, 299, False), (300, 427, True), (300, 428, False),
     (50257, 50304, True), (50257, 51200, True), (50257, 51263, False), (391, 50257, False)],
)  # fmt: skip
def test_sizes(size: int, rows: int, fits: bool) -> None:
    if fits:
        check_fit(Vocabulary(size), rows)
    else:
        with pytest.raises(VocabError, match=f"has {size} ids, and the model knows {rows}"):
            check_fit(Vocabulary(size), rows)
    if size <= rows:
        check_fit(Vocabulary(size, "a"), rows, "a")  # whoever says that it is this one may have any padding
    with pytest.raises(VocabError):
        check_fit(Vocabulary(size, "a"), rows, "b")


def test_a_hash_is_of_ids_and_merges(tmp_path: Path) -> None:
    ours = tokenizer()
    ours.save_pretrained(tmp_path)
    ranks = ours.bpe_ranks
    same = [
        GPT2Tokenizer(ours.encoder, sorted(ranks, key=ranks.__getitem__)),
        GPT2TokenizerFast.from_pretrained(tmp_path),
        gpt2tok.Encoding.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt"),
    ]
    assert {vocabulary_of(twin) for twin in same} == {vocabulary_of(ours)}
    assert vocabulary_of(ours).size == IDS
    swapped = dict(ours.encoder)
    left, right = [token for token, number in swapped.items() if number in (280, 290)]
    swapped[left], swapped[right] = swapped[right], swapped[left]
    longer = GPT2TokenizerFast.from_pretrained(tmp_path)
    before = vocabulary_of(longer)
    longer.add_tokens(["<new>"])  # noticed, although the tokenizer was looked at before
    others = [other_of_the_same_size(), GPT2TokenizerFast(swapped, list(ranks)), longer]
    assert len({vocabulary_of(found).sha256 for found in [*others, ours]}) == 4
    assert (before.size, vocabulary_of(longer).size, fitted(longer, made(310).config)) == (IDS, 301, 301)


WAYS = {
    "generate": lambda model, tokens: model.generate("def", tokenizer=tokens),
    "stop strings": lambda model, tokens: model.generate([[1]], tokenizer=tokens, stop_strings="x"),
    "stream": lambda model, tokens: model.stream("def", tokenizer=tokens),
    "score": lambda model, tokens: model.score("def f", tokenizer=tokens),
    "export": lambda model, tokens: export_text_generator(model, tokens, "never/1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_refused_before_any_work(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("generation.request.prepared", "generation.scoring.prepared", "export.door.export_options"):
        monkeypatch.setattr(f"gpt2model.{name}", None)  # any work would need them
    gpt2 = GPT2TokenizerFast.from_pretrained("gpt2")
    told = made(IDS, vocabulary_sha256=vocabulary_of(tokenizer()).sha256)
    cases = [
        (made(600), tokenizer(), "has 300 ids, and the model knows 600, more than are left over"),
        (made(IDS), gpt2, "has 50257 ids, and the model knows 300"),
        (told, other_of_the_same_size(), "trained with another tokenizer"),
    ]
    for model, tokens, words in cases:
        with pytest.raises(VocabError, match=words):
            WAYS[way](model, tokens)


def test_other_libraries_tokenizers_are_checked_by_size() -> None:
    import tokenizers
    import transformers

    inside = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 5}, unk_token="a"))
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=inside)
    assert fitted(theirs, made(6).config) == 6  # not 2: ids may have gaps
    with pytest.raises(VocabError, match="has 6 ids, and the model knows 5"):
        fitted(theirs, GPT2Config(vocab_size=5))


HOW: dict[str, dict[str, Any]] = {
    "greedy": {},
    "plain": {"use_cache": False},
    "watched": {"stop_strings": "never"},
    "sampled": {"do_sample": True, "top_k": 0, "seed": 1},
    "beams": {"num_beams": 2},
    "contrastive": {"penalty_alpha": 0.5, "top_k": 3},
    "lookup": {"prompt_lookup_num_tokens": 2},
}


@pytest.mark.parametrize("how", HOW)
def test_rows_beyond_the_tokenizer_never_come(how: str) -> None:
    model, ids = eager_padding(), tokenizer().encode("def f")
    options = {"max_new_tokens": 6, "eos_token_id": None, **HOW[how]}
    found = array(model.generate([ids], tokenizer=tokenizer(), **options))[0, len(ids) :]
    assert len(found) == 6 and (found < IDS).all()
    if how != "watched":
        alone = array(model.generate([ids], **options))[0, len(ids) :]
        assert (alone >= IDS).any()  # nobody said what the ids mean


@pytest.mark.skipif(BACKEND != "tensorflow", reason="builds the graph in this process")
def test_nor_do_they_in_an_exported_generator(tmp_path: Path) -> None:
    model = eager_padding()
    export_text_generator(model, tokenizer(), tmp_path / "1", max_new_tokens=6, warm_up_texts=[], xla=False)
    loaded = gpt2model.load_text_generator(tmp_path / "1", tokenizer=tokenizer())
    for options in ({}, {"temperature": 1.0, "seed": 3}):
        chance = {"do_sample": True, "top_k": 0, **options} if options else {}
        ids = tokenizer().encode("def f")
        own = array(model.generate([ids], tokenizer=tokenizer(), max_new_tokens=6, **chance))[0]
        [text] = loaded(["def f"], **options)
        assert text.decode(errors="replace") == tokenizer().decode(own[len(ids) :].tolist())
    file = tmp_path / "1" / "assets.extra" / "gpt2model_generator.json"
    told = json.loads(file.read_text("utf-8"))
    assert told["model"]["vocabulary_sha256"] == vocabulary_of(tokenizer()).sha256
    for change in ({"vocab_size": 299}, {"vocabulary_sha256": "0" * 64}):
        file.write_text(json.dumps({**told, "model": {**told["model"], **change}}), "utf-8")
        with pytest.raises(VocabError, match=r"1: the .*export it again"):
            gpt2model.load_text_generator(tmp_path / "1")


@pytest.mark.parametrize("format", ["safetensors", "keras", "weights.h5"])
def test_a_model_saved_with_its_tokenizer_knows_it(format: str, tmp_path: Path) -> None:
    model = made(600)  # more rows than a padded table has: whoever saves it says that they belong together
    assert "vocabulary_sha256" not in model.config.to_dict()
    model.save_pretrained(tmp_path, format=format, tokenizer=tokenizer())
    again = GPT2LMHeadModel.from_pretrained(tmp_path)
    beside = GPT2TokenizerFast.from_pretrained(tmp_path)
    assert again.config.vocabulary_sha256 == vocabulary_of(beside).sha256 == vocabulary_of(tokenizer()).sha256
    assert fitted(beside, again.config) == fitted(tokenizer(), model.config) == IDS
    with pytest.raises(VocabError, match="trained with another tokenizer"):
        again.score("def f", tokenizer=other_of_the_same_size())
    again.resize_token_embeddings(301)
    assert again.config.vocabulary_sha256 is None
    with pytest.raises(VocabError, match="has 50257 ids"):
        again.save_pretrained(tmp_path, tokenizer=gpt2tok.get_encoding("gpt2"))
    with pytest.raises(ValueError, match="preset"):
        again.save_pretrained(tmp_path, tokenizer=tokenizer(), format="keras-hub")
    with pytest.raises(ValueError, match="vocabulary_sha256 must be 64 hexadecimal digits"):
        again.config.vocabulary_sha256 = "abc"


def test_converting_writes_the_hash_of_the_tokenizer_that_goes_along(tmp_path: Path) -> None:
    made(310).save_pretrained(tmp_path / "one")
    tokenizer().save_vocabulary(str(tmp_path / "one"))
    for format in ("safetensors", "keras"):
        convert(tmp_path / "one", tmp_path / format, format)
        found = GPT2Config.from_pretrained(tmp_path / format)
        assert found.vocabulary_sha256 == vocabulary_of(tokenizer()).sha256
    made(100).save_pretrained(tmp_path / "one")
    with pytest.warns(UserWarning, match="one: the tokenizer has 300 ids, and the model knows 100"):
        convert(tmp_path / "one", tmp_path / "other", "safetensors")
    assert GPT2Config.from_pretrained(tmp_path / "other").vocabulary_sha256 is None
    (tmp_path / "one" / "vocab.json").write_text("{")
    convert(tmp_path / "one", tmp_path / "third", "safetensors")
    assert (tmp_path / "third" / "vocab.json").read_text() == "{"


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(600).save_pretrained(tmp_path / "model")
    other_of_the_same_size().save_pretrained(tmp_path / "other")
    arguments = ["generate", str(tmp_path / "model"), "def", "--vocab", str(tmp_path / "other")]
    assert main(arguments) == 1
    assert "has 300 ids, and the model knows 600" in capsys.readouterr().err
    made(300).save_pretrained(tmp_path / "model", tokenizer=tokenizer())
    assert main(arguments) == 1
    assert "trained with another tokenizer" in capsys.readouterr().err
    assert main(arguments[:3]) == 0
