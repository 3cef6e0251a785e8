"""Does an exported generator say what the model says? In a clean process, whatever backend the model lives on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import NEW, POSITIONS, TEXTS, asked, inputs, model, tokenizer
from helpers import BACKEND, array

import gpt2model
from gpt2model import ContextLengthError, GenerationConfig, GenerationConfigError, export_text_generator
from gpt2model.generation import weights
from gpt2model.vocabulary import vocabulary_of
from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, TokenizerError, VocabError, get_encoding
from gpt2tok.formats import byte_alphabet

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="builds the graph in this process")
LONG = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3
JUDGED = ["def f(x):", "class A", LONG]

GREEDY = inputs([*TEXTS[:3], LONG], max_new_tokens=[NEW, 5, 1, 3])
SAMPLED = inputs(
    TEXTS,
    temperature=[0.7, 1.0, 1.3, 0.0],
    top_k=[0, 40, 7, 0],
    top_p=[0.9, 1.0, 0.6, 1.0],
    seed=[1, 2, 2**31 - 1, 4],
)
BAD: list[tuple[dict[str, Any], str]] = [
    (inputs(["a"], max_new_tokens=0), "max_new_tokens must be from 1 to 12"),
    (inputs(["a"], max_new_tokens=13), "max_new_tokens must be from 1 to 12"),
    (inputs(["a"], temperature=-1.0), "temperature must be 0"),
    (inputs(["a"], temperature=0.001), "temperature must be 0"),
    (inputs(["a"], temperature=1e9), "temperature must be 0"),
    (inputs(["a"], top_k=-1), "top_k must be 0"),
    (inputs(["a"], top_p=0.0), "top_p must be more than 0"),
    (inputs(["a"], top_p=1.01), "top_p must be more than 0"),
    (inputs(["a"], seed=-1), "seed must be from 0"),
    (inputs(["a", "b"], seed=[1]), "one number for each text"),
    (inputs(["a"] * 5), "a request may have 4 texts at most"),
    (inputs(["a", ""]), "the prompt is empty.*\\[1\\]"),
]


@pytest.fixture(scope="module")
def answers(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One clean process is asked everything, the bad requests between the good ones."""
    text = {"text": ("string", JUDGED)}
    requests: list[tuple[str, Any]] = [
        ("generate", GREEDY),
        *[("generate", bad) for bad, _ in BAD],
        ("generate", SAMPLED),
        ("generate", inputs(TEXTS[1:2], temperature=1.0, top_k=40, seed=2)),
        ("serving_default", {"text": ("string", TEXTS)}),
        ("serving_default", {"text": ("string", [])}),
        ("score", text),
        ("score", {"text": ("string", [])}),
        ("score", {"text": ("string", ["ab", "x"])}),
        ("tokenize", {"text": ("string", TEXTS)}),
        ("detokenize", {"input_ids": ("int32", [[68, 69]]), "attention_mask": ("int32", [[1, 0]])}),
    ]
    names = [
        "greedy",
        *range(len(BAD)),
        "sampled",
        "alone",
        "default",
        "default 0",
        "score",
        "score 0",
        "score bad",
    ]
    found = asked(directory, requests, tmp_path_factory.mktemp("asked"))
    return dict(zip([*names, "tokenize", "detokenize"], found, strict=True))


def continued(text: str, most: int, **options: Any) -> list[int]:
    """What `generate` makes of one text, cut as the export cuts it, without the end."""
    ids = tokenizer().encode(text)[-(POSITIONS - most) :]
    found = array(model().generate([ids], max_new_tokens=most, **options))[0, len(ids) :].tolist()
    return found[: found.index(299)] if 299 in found else found


def rows_of(answer: dict[str, Any]) -> list[list[int]]:
    for row, count in zip(answer["token_ids"], answer["token_count"], strict=True):
        assert all(token == -1 for token in row[count:])
    return [row[:count] for row, count in zip(answer["token_ids"], answer["token_count"], strict=True)]


def test_greedy_ids_are_those_of_generate(answers: dict[str, Any]) -> None:
    answer = answers["greedy"]
    texts, most = GREEDY["text"][1], GREEDY["max_new_tokens"][1]
    expected = [continued(text, count) for text, count in zip(texts, most, strict=True)]
    assert rows_of(answer) == expected
    assert len({tuple(row) for row in expected}) == len(expected)


def test_continuations_are_the_bytes_of_the_ids(answers: dict[str, Any]) -> None:
    spelt = dict(enumerate(tokenizer().convert_ids_to_tokens(range(300))))
    byte_of = {character: bytes([byte]) for byte, character in byte_alphabet().items()}
    for name in ("greedy", "sampled"):
        joined = [
            b"".join(byte_of[c] for token in row for c in spelt[token]) for row in rows_of(answers[name])
        ]
        assert answers[name]["continuation_bytes"] == joined


def test_the_default_signature(answers: dict[str, Any]) -> None:
    expected = [tokenizer().decode(continued(text, NEW)) for text in TEXTS]
    assert [text.decode(errors="replace") for text in answers["default"]["continuation_bytes"]] == expected
    assert answers["default 0"] == {"continuation_bytes": []}


def test_a_row_is_sampled_as_if_alone(answers: dict[str, Any]) -> None:
    assert rows_of(answers["alone"]) == rows_of(answers["sampled"])[1:2]
    if BACKEND == "torch":  # has other chance
        return
    options = [{name: values[row] for name, (_, values) in SAMPLED.items()} for row in range(3)]
    for row, said in enumerate(options):
        text, most = said.pop("text"), said.pop("max_new_tokens")
        assert rows_of(answers["sampled"])[row] == continued(text, most, do_sample=True, **said)
    assert rows_of(answers["sampled"])[3] == continued(TEXTS[3], NEW)


@pytest.mark.parametrize("case", range(len(BAD)), ids=lambda case: BAD[case][1])
def test_bounds_are_told(answers: dict[str, Any], case: int) -> None:
    assert isinstance(answers[case], str), answers[case]
    assert re.search(BAD[case][1], answers[case].replace("\n", " ")), answers[case]


def test_scores_are_those_of_score(answers: dict[str, Any]) -> None:
    expected, found = model().score(JUDGED, tokenizer=tokenizer()), answers["score"]
    np.testing.assert_allclose(found["log_probability"], [score.total for score in expected], rtol=1e-4)
    np.testing.assert_allclose(found["perplexity"], [score.perplexity for score in expected], rtol=1e-3)
    assert found["token_count"] == [len(score.log_probabilities) + 1 for score in expected]
    assert max(found["token_count"]) > 2 * POSITIONS > 4 * min(found["token_count"])


def test_scores_of_nothing(answers: dict[str, Any]) -> None:
    assert answers["score 0"] == {"log_probability": [], "token_count": [], "perplexity": []}
    assert "fewer than two tokens" in answers["score bad"] and "[1]" in answers["score bad"]


def test_the_tokenizer_is_in_it(answers: dict[str, Any]) -> None:
    ids, mask = answers["tokenize"]["input_ids"], answers["tokenize"]["attention_mask"]
    found = [[token for token, real in zip(*row, strict=True) if real] for row in zip(ids, mask, strict=True)]
    assert found == [tokenizer().encode(text) for text in TEXTS]
    assert answers["detokenize"] == {"text_bytes": [tokenizer().decode([68]).encode()]}


def operations(place: Path) -> set[str]:
    """What an exported graph is made of."""
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString((place / "saved_model.pb").read_bytes()).meta_graphs[0]
    return {node.op for function in graph.graph_def.library.function for node in function.node_def}


@on_tensorflow
@pytest.mark.parametrize("form", [pytest.param("bfloat16", marks=pytest.mark.long), "int8", "plain"])
def test_other_forms(form: str, tmp_path: Path) -> None:
    how: dict[str, Any] = {"xla": False} if form == "plain" else {"weights": form}
    export_text_generator(model(), tokenizer(), tmp_path / "1", max_new_tokens=NEW, warm_up_texts=[], **how)
    (answer,) = asked(tmp_path / "1", [("generate", inputs(TEXTS))], tmp_path)
    how = {} if form == "plain" else {"weights": form}
    assert rows_of(answer) == [continued(text, NEW, **how) for text in TEXTS]
    # A server has XLA's own operations only where it has XLA.
    assert any("Xla" in op for op in operations(tmp_path / "1")) == (form != "plain")
    assert not (tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests").exists()
    size = (tmp_path / "1" / "variables" / "variables.data-00000-of-00001").stat().st_size
    whole = 4 * model().count_params()
    share = {"plain": 1.0, "bfloat16": 0.5, "int8": 0.25}[form]
    assert share * whole < size < (share + 0.2) * whole + 5000, size / whole


@on_tensorflow
def test_the_warm_up_file_can_be_replayed(directory: Path) -> None:
    import tensorflow as tf

    records = list(tf.data.TFRecordDataset(str(directory / "assets.extra/tf_serving_warmup_requests")))
    asked_for = [record.numpy() for record in records]
    names = (b"serving_default", b"generate", b"score", b"tokenize", b"detokenize")
    assert [name for name in names if any(name in record for record in asked_for)] == list(names)


@on_tensorflow
def test_long_prompts_are_refused_where_asked(tmp_path: Path) -> None:
    export_text_generator(
        model(),
        tokenizer(),
        tmp_path / "1",
        max_new_tokens=NEW,
        max_prompt_tokens=9,
        long_prompts="refuse",
        warm_up_texts=[],
    )
    loaded = gpt2model.load_text_generator(tmp_path / "1", tokenizer=tokenizer())
    with pytest.raises(TypeError, match=r"one text alone is \[text\]"):
        loaded("def f")
    assert len(loaded(["ab"], max_new_tokens=3)) == 1
    told = "a prompt has more tokens than there are places .* tokens; text: 1 tokens: 10 places: 9"
    with pytest.raises(ValueError, match=f"^{told}$"):
        loaded(["ab", "0123456789"])
    with pytest.raises(ValueError, match=r"^temperature must be 0 .* 100.0; it is -1$"):
        loaded(["ab"], temperature=-1.0)
    with pytest.raises(TypeError, match=r"texts\[1\] must be str or bytes, not 3"):
        loaded(["ab", 3])
    with pytest.raises(TypeError, match="'top_q' is no option"):
        loaded(["ab"], top_q=3)


@on_tensorflow
def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    broken = gpt2model.GPT2LMHeadModel(model().config)
    broken.set_weights([weight * np.nan for weight in model().get_weights()])
    export_text_generator(broken, tokenizer(), tmp_path / "1", max_new_tokens=3, warm_up_texts=[])
    loaded = gpt2model.load_text_generator(tmp_path / "1")
    with pytest.raises(
        ValueError, match=r"^the logits hold no number .* look for NaN in the weights; fault: \d$"
    ):
        loaded(["ab"])


def test_another_tokenizer(directory: Path, tmp_path: Path) -> None:
    """By size and by hash, when exporting and when loading; nothing is written."""
    gpt2 = GPT2TokenizerFast.from_pretrained("gpt2")
    with pytest.raises(VocabError, match="has 50257 ids, and the model knows 300"):
        export_text_generator(model(), gpt2, tmp_path / "1")
    with pytest.raises(VocabError, match="is not the one in"):
        gpt2model.load_text_generator(directory, tokenizer=gpt2)
    told = {**model().config.to_dict(), "vocabulary_sha256": vocabulary_of(gpt2).sha256}
    other = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config.from_dict(told))
    with pytest.raises(VocabError, match="was trained with another tokenizer"):
        export_text_generator(other, tokenizer(), tmp_path / "1")
    ranks = tokenizer().bpe_ranks
    slow = GPT2Tokenizer(tokenizer().encoder, sorted(ranks, key=ranks.__getitem__))
    assert vocabulary_of(slow) == vocabulary_of(tokenizer())
    description = directory / "assets.extra" / "gpt2model_generator.json"
    said = json.loads(description.read_text("utf-8"))
    assert said["vocabulary"] == {"size": 300, "sha256": vocabulary_of(slow).sha256}
    assert said["options"]["max_new_tokens"] == NEW
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"max_new_tokens": 0}, GenerationConfigError, "max_new_tokens must lie between 1"),
        ({"max_new_tokens": 48}, ContextLengthError, "n_positions=48"),
        ({"max_new_tokens": 2.0}, TypeError, "max_new_tokens"),
        ({"max_prompt_tokens": 48}, ContextLengthError, "n_positions=48"),
        ({"max_batch_size": 0}, GenerationConfigError, "max_batch_size"),
        ({"max_score_tokens": 1}, GenerationConfigError, "max_score_tokens"),
        ({"long_prompts": "drop"}, GenerationConfigError, "'cut' or 'refuse'"),
        ({"temperature": float("nan")}, GenerationConfigError, "temperature"),
        ({"temperature": 0.001}, GenerationConfigError, "temperature"),
        ({"top_k": -1}, GenerationConfigError, "top_k"),
        ({"top_p": 0}, GenerationConfigError, "top_p"),
        ({"seed": -1}, GenerationConfigError, "seed"),
        ({"eos_token_id": 300}, GenerationConfigError, "token 300"),
        ({"weights": "float16"}, GenerationConfigError, "weights must be one of"),
        ({"xla": "yes"}, TypeError, "xla"),
        ({"overwrite": 1}, TypeError, "overwrite"),
        ({"warm_up_texts": "abc"}, TypeError, "warm_up_texts"),
        ({"warm_up_texts": [3]}, TypeError, r"warm_up_texts\[0\]"),
        ({"tokenizer": object()}, TypeError, "GPT2TokenizerFast"),
        ({"tokenizer": get_encoding("gpt2")}, TypeError, "GPT2TokenizerFast"),
        ({"model": object()}, TypeError, "GPT2LMHeadModel"),
    ],
    ids=str,
)
def test_wrong_arguments(options: dict[str, Any], error: Any, told: str, tmp_path: Path) -> None:
    given = {"model": model(), "tokenizer": tokenizer(), **options}
    with pytest.raises(error, match=told):
        export_text_generator(given.pop("model"), given.pop("tokenizer"), tmp_path / "1", **given)
    assert not list(tmp_path.iterdir())


def test_options_that_no_graph_has(tmp_path: Path) -> None:
    other = gpt2model.GPT2LMHeadModel(model().config)
    other.generation_config = GenerationConfig(repetition_penalty=1.3, num_beams=2)
    with pytest.raises(GenerationConfigError, match="repetition_penalty, num_beams"):
        export_text_generator(other, tokenizer(), tmp_path / "1")
    cross = gpt2model.GPT2LMHeadModel(
        gpt2model.GPT2Config(n_layer=1, n_embd=8, n_head=1, add_cross_attention=True)
    )
    with pytest.raises(ValueError, match="attends to an encoder"):
        export_text_generator(cross, GPT2TokenizerFast.from_pretrained("gpt2"), tmp_path / "1")


def test_what_is_there_stays(directory: Path, tmp_path: Path) -> None:
    """From whatever backend: errors come back from the other process as what they are."""
    before = sorted(path.name for path in directory.parent.iterdir())
    with pytest.raises(FileExistsError, match="is there already"):
        export_text_generator(model(), tokenizer(), directory)
    with pytest.raises(TokenizerError, match=r"refuses warm_up_texts.*the prompt is empty"):
        export_text_generator(
            model(), tokenizer(), directory, max_new_tokens=2, warm_up_texts=[""], overwrite=True
        )
    assert sorted(path.name for path in directory.parent.iterdir()) == before
    (directory.parent / "other").mkdir()
    (directory.parent / "other" / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="holds other things"):
        export_text_generator(model(), tokenizer(), directory.parent / "other", overwrite=True)


def test_broken_descriptions(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="was not written by export_text_generator"):
        gpt2model.load_text_generator(tmp_path)
    (directory.parent / "10").symlink_to(directory)
    (directory.parent / "9").symlink_to(directory)
    newest = re.escape(str(directory.parent / "10"))
    with pytest.raises(FileNotFoundError, match=rf"\(1, 9, 10\): load one, such as {newest}"):
        gpt2model.load_text_generator(directory.parent)
    (directory.parent / "10").unlink()
    (directory.parent / "9").unlink()
    file = tmp_path / "assets.extra" / "gpt2model_generator.json"
    file.parent.mkdir()
    whole = json.loads((directory / "assets.extra" / file.name).read_text("utf-8"))
    for broken in (
        "{",
        "[]",
        "{}",
        json.dumps({**whole, "options": 3}),
        json.dumps({**whole, "vocabulary": {}}),
    ):
        file.write_text(broken, "utf-8")
        with pytest.raises(gpt2model.CheckpointError, match="export the model again"):
            gpt2model.load_text_generator(tmp_path)
    file.write_text(json.dumps({**whole, "vocabulary": {"size": 301, "sha256": ""}}), "utf-8")
    with pytest.raises(VocabError, match=r"has 301 ids, and the model knows 300.*export it again"):
        gpt2model.load_text_generator(tmp_path)


@on_tensorflow
def test_weights_lie_as_the_largest_batch_wants_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lone text's products are shared out among one shard more than cores, and say the same."""
    import tensorflow as tf

    monkeypatch.setattr(weights.os, "cpu_count", lambda: 2)
    said, parts = [], []
    for most in (1, 2):
        directory = tmp_path / str(most)
        export_text_generator(
            model(), tokenizer(), directory, max_new_tokens=NEW, max_batch_size=most, warm_up_texts=[]
        )
        loaded = tf.saved_model.load(str(directory))
        parts.append(len(loaded.weights))
        said.append(
            loaded.signatures["serving_default"](text=tf.constant(TEXTS[:1]))["continuation_bytes"].numpy()
        )
    assert parts[0] == parts[1] + 1  # only the embeddings are long enough to be cut
    assert said[0].tolist() == said[1].tolist()
