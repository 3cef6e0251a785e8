"""`from_pretrained` and `save_pretrained`: what their arguments do, what starts anew, and what is said of
it."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import array
from safetensors.numpy import load_file

import gpt2model
from checkpoint_files import FORMATS, SAFE, copied, golden_config, golden_weights, write_golden
from gpt2model import CheckpointError, GPT2Config, GPT2LMHeadModel, GPT2Model
from gpt2model.checkpoints.inspecting import describe
from gpt2model.checkpoints.opening import open_checkpoint
from gpt2model.weight_names import named_weights

BASE = FORMATS / "huggingface_safetensors_base_only"
NEW = {
    "GPT2DoubleHeadsModel": ["multiple_choice_head.summary.weight", "multiple_choice_head.summary.bias"],
    "GPT2ForSequenceClassification": ["score.weight"],
    "GPT2ForTokenClassification": ["classifier.weight", "classifier.bias"],
    "GPT2ForQuestionAnswering": ["qa_outputs.weight", "qa_outputs.bias"],
}


def values(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {name: slot.read() for name, slot in named_weights(model).items()}


@pytest.mark.parametrize("class_name", NEW)
@pytest.mark.parametrize("source", [SAFE, BASE], ids=lambda path: path.name)
def test_heads_that_start_anew(class_name: str, source: Path) -> None:
    with pytest.warns(UserWarning) as caught:
        model, report = getattr(gpt2model, class_name).from_pretrained(
            source, output_loading_info=True, num_labels=40
        )
    [message] = [str(warning.message) for warning in caught]
    assert message.startswith(f"{class_name} from {source}") and "Train the model" in message
    assert caught[0].filename == __file__, "the warning must point at the caller"
    assert all(name in message for name in NEW[class_name])
    assert report == {
        "missing_keys": NEW[class_name],
        "unexpected_keys": [],
        "mismatched_keys": [],
        "error_msgs": [],
    }
    found = values(model)
    for name, value in golden_weights().items():
        assert np.array_equal(found[name], value)
    kernel = found[NEW[class_name][0]]
    assert 0.6 * 0.2 < kernel.std() < 1.4 * 0.2, "initializer_range is 0.2"
    assert not np.any(found.get(NEW[class_name][-1], kernel - kernel) if len(NEW[class_name]) > 1 else 0)
    # A second load draws other numbers.
    with pytest.warns(UserWarning):
        again = getattr(gpt2model, class_name).from_pretrained(source, num_labels=40)
    assert not np.array_equal(values(again)[NEW[class_name][0]], kernel)


def test_nothing_is_said_when_everything_is_there() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for cls in (GPT2Model, GPT2LMHeadModel):
            for source in (SAFE, BASE):
                _, report = cls.from_pretrained(source, output_loading_info=True)
                assert not any(report.values())


def test_heads_that_are_not_used() -> None:
    folder = FORMATS.parents[1] / "checkpoints" / "tf_sequence_classification"
    with pytest.warns(UserWarning, match=r"not used: score\.weight"):
        _, report = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert report["unexpected_keys"] == ["score.weight"]


def test_an_untied_head_and_cross_attention_start_anew() -> None:
    with pytest.warns(UserWarning, match=r"start anew: .*crossattention.*lm_head\.weight"):
        model, report = GPT2LMHeadModel.from_pretrained(
            SAFE, add_cross_attention=True, tie_word_embeddings=False, output_loading_info=True
        )
    found = values(model)
    assert set(report["missing_keys"]) == found.keys() - golden_weights().keys()
    block = "transformer.h.1"
    assert np.all(found[f"{block}.ln_cross_attn.weight"] == 1) and not np.any(
        found[f"{block}.ln_cross_attn.bias"]
    )
    assert not np.any(found[f"{block}.crossattention.c_proj.bias"])
    # The projection that ends a residual branch is narrower by sqrt(2 n_layer) = 2.
    assert 0.08 < found[f"{block}.crossattention.c_proj.weight"].std() < 0.12
    assert 0.17 < found[f"{block}.crossattention.c_attn.weight"].std() < 0.23
    assert 0.17 < found["lm_head.weight"].std() < 0.23


# What a checkpoint's own configuration says, the class to be read, and what must be said: "" where nothing may be
# missing for it, "new" where the class or the caller asked for more than the checkpoint is said to have.
PROMISES: dict[str, tuple[dict[str, Any], str, dict[str, Any], str]] = {
    "cross-attention": ({"add_cross_attention": True}, "GPT2LMHeadModel", {}, "add_cross_attention=True: .*attention"),
    "of a backbone": ({"add_cross_attention": True}, "GPT2Model", {}, "add_cross_attention=True: .*ln_cross_attn"),
    "a head": ({"tie_word_embeddings": False}, "GPT2LMHeadModel", {}, r"tie_word_embeddings=False: lm_head\.weight\."),
    "a head, no class stated": (
        {"tie_word_embeddings": False, "architectures": None}, "GPT2DoubleHeadsModel", {}, r"lm_head\.weight"),
    "both": (
        {"tie_word_embeddings": False, "add_cross_attention": True}, "GPT2LMHeadModel", {},
        "add_cross_attention=True to start them anew, or add_cross_attention=False to do without; tie_word_embedd"),
    "both, one asked for": (
        {"tie_word_embeddings": False, "add_cross_attention": True}, "GPT2LMHeadModel",
        {"add_cross_attention": True}, r"tie_word_embeddings=False: lm_head\.weight\."),
    "the former asked for": ({"add_cross_attention": True}, "GPT2LMHeadModel", {"add_cross_attention": True}, "new"),
    "a head asked for": ({}, "GPT2LMHeadModel", {"tie_word_embeddings": False}, "new"),
    "both denied": (
        {"tie_word_embeddings": False, "add_cross_attention": True}, "GPT2LMHeadModel",
        {"add_cross_attention": False, "tie_word_embeddings": True}, ""),
    "a class without the head": ({"tie_word_embeddings": False}, "GPT2Model", {}, ""),
    "saved by a class without the head": (
        {"tie_word_embeddings": False, "architectures": ["GPT2Model"]}, "GPT2LMHeadModel", {}, "new"),
    "saved by a classifier": (
        {"tie_word_embeddings": False, "architectures": ["GPT2ForSequenceClassification"]}, "GPT2LMHeadModel", {},
        "new"),
}  # fmt: skip


@pytest.mark.parametrize("case", PROMISES)
def test_what_a_configuration_promises_must_be_there(case: str, tmp_path: Path) -> None:
    """A model whose head is drawn at random, though its files say it has one, would be a silent wrong answer."""
    fields, class_name, arguments, said = PROMISES[case]
    folder = write_golden(tmp_path / "m", config={**golden_config(), **fields})
    load = getattr(gpt2model, class_name).from_pretrained
    if said in {"", "new"}:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load(folder, **arguments)
        told = [str(warning.message) for warning in caught if "start anew" in str(warning.message)]
        assert len(told) == (said == "new")
    else:
        with pytest.raises(CheckpointError, match=f"missing, though config.json says .*{said}"):
            load(folder, **arguments)
        # The caller's own configuration is a wish, not a promise.
        with pytest.warns(UserWarning, match="start anew"):
            load(folder, config=GPT2Config.from_dict({**golden_config(), **fields}))


def test_an_inspection_sees_a_broken_promise(tmp_path: Path) -> None:
    folder = write_golden(tmp_path / "m", config={**golden_config(), "tie_word_embeddings": False})
    with open_checkpoint(folder) as checkpoint:
        found = describe(checkpoint)
    assert found["faults"] == ["missing, though config.json says tie_word_embeddings=False: lm_head.weight"]


def test_a_tied_head_that_differs(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["lm_head.weight"] = weights["transformer.wte.weight"] * 2
    folder = write_golden(tmp_path / "m", weights)
    with pytest.raises(CheckpointError, match="tie_word_embeddings"):
        GPT2LMHeadModel.from_pretrained(folder)
    model = GPT2LMHeadModel.from_pretrained(folder, tie_word_embeddings=False)
    assert np.array_equal(values(model)["lm_head.weight"], weights["lm_head.weight"])


def test_sizes_that_differ(tmp_path: Path) -> None:
    from gpt2model import GPT2ForSequenceClassification

    source = tmp_path / "three"
    with pytest.warns(UserWarning):
        GPT2ForSequenceClassification.from_pretrained(SAFE, num_labels=3).save_pretrained(source)
    with pytest.raises(
        CheckpointError, match=r"score\.weight \(3, 24\) instead of \(5, 24\).*ignore_mismatched_sizes"
    ):
        GPT2ForSequenceClassification.from_pretrained(source, num_labels=5)
    with pytest.warns(UserWarning, match=r"start anew: score\.weight"):
        model, report = GPT2ForSequenceClassification.from_pretrained(
            source, num_labels=5, ignore_mismatched_sizes=True, output_loading_info=True
        )
    assert report["mismatched_keys"] == [("score.weight", (3, 24), (5, 24))] and report["missing_keys"] == []
    assert values(model)["score.weight"].shape == (5, 24) and values(model)["score.weight"].any()
    # What is missing stays an error.
    weights = golden_weights()
    del weights["transformer.ln_f.bias"]
    with pytest.raises(CheckpointError, match=r"missing: transformer\.ln_f\.bias"):
        GPT2LMHeadModel.from_pretrained(write_golden(tmp_path / "m", weights), ignore_mismatched_sizes=True)


def test_tensors_that_no_gpt2_has(tmp_path: Path) -> None:
    weights = {**golden_weights(), "v_head.summary.weight": np.zeros((1, 24), "int8")}
    folder = write_golden(tmp_path / "m", weights)
    with pytest.raises(CheckpointError, match=r"extra: v_head\.summary\.weight.*ignore_unexpected=True"):
        GPT2LMHeadModel.from_pretrained(folder)
    with pytest.warns(UserWarning, match=r"not used: v_head\.summary\.weight"):
        GPT2LMHeadModel.from_pretrained(folder, ignore_unexpected=True)


def test_the_configuration_that_counts(tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(SAFE, attn_pdrop=0.0, pad_token_id=3)
    assert (model.config.attn_pdrop, model.config.pad_token_id, model.config.resid_pdrop) == (0.0, 3, 0.1)
    given = GPT2Config.from_dict({**golden_config(), "layer_norm_epsilon": 1e-3})
    assert GPT2LMHeadModel.from_pretrained(SAFE, config=given).config.layer_norm_epsilon == 1e-3
    before = given.to_dict()
    GPT2LMHeadModel.from_pretrained(SAFE, config=given, use_cache=False)
    assert given.to_dict() == before, "the caller's configuration is not changed"
    fields = {**golden_config(), "resid_pdrop": 0.5}
    assert GPT2LMHeadModel.from_pretrained(SAFE, config=fields).config.resid_pdrop == 0.5
    (tmp_path / "other.json").write_text(json.dumps(fields))
    assert GPT2LMHeadModel.from_pretrained(SAFE, config=tmp_path / "other.json").config.resid_pdrop == 0.5
    folder = copied("huggingface_safetensors", tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json is beside the weights.*config=GPT2Config"):
        GPT2LMHeadModel.from_pretrained(folder)
    assert GPT2LMHeadModel.from_pretrained(folder, config=given).config.n_layer == 2
    with pytest.raises(CheckpointError, match="n_head"):
        GPT2LMHeadModel.from_pretrained(SAFE, config={**fields, "n_head": 7})


def test_arguments_that_do_not_exist_or_mean_nothing() -> None:
    with pytest.raises(TypeError, match="n_layr"):
        GPT2LMHeadModel.from_pretrained(SAFE, n_layr=2)
    with pytest.raises(ValueError, match="trust_remote_code"):
        GPT2LMHeadModel.from_pretrained(SAFE, trust_remote_code=True)
    model = GPT2LMHeadModel.from_pretrained(
        str(SAFE), from_pt=True, use_safetensors=True, trust_remote_code=False, low_cpu_mem_usage=True
    )
    assert isinstance(model, GPT2LMHeadModel)


def test_a_configuration_names_no_code_and_no_path(tmp_path: Path) -> None:
    """transformers would import `auto_map`'s module when trusted; here it is dropped, and so is where files
    once were."""
    marker = tmp_path / "ran"
    folder = write_golden(
        tmp_path / "m",
        config={
            **golden_config(),
            "auto_map": {"AutoModel": "evil.Model"},
            "_name_or_path": "/etc/passwd",
            "custom_pipelines": {"x": {"impl": "evil.Pipeline"}},
            "tokenizer_file": "../../secret",
        },
    )
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.warns(UserWarning, match="auto_map"):
        model = GPT2LMHeadModel.from_pretrained(folder)
    assert not marker.exists()
    assert not {"auto_map", "_name_or_path", "custom_pipelines"} & model.config.to_dict().keys()


def test_names_of_tensorflow_and_flax_and_classes_of_ones_own() -> None:
    assert gpt2model.TFGPT2LMHeadModel.from_pretrained(SAFE, from_pt=True).config.n_layer == 2

    class Mine(GPT2LMHeadModel):
        pass

    assert isinstance(Mine.from_pretrained(SAFE), Mine)


def test_the_model_remembers_its_class(tmp_path: Path) -> None:
    model = GPT2Model.from_pretrained(SAFE)
    assert model.config.architectures == ["GPT2Model"]
    model.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == {
        name.removeprefix("transformer.") for name in golden_weights()
    }
    again = GPT2LMHeadModel.from_pretrained(tmp_path)
    assert np.array_equal(values(again)["transformer.wte.weight"], golden_weights()["transformer.wte.weight"])


def test_a_failed_load_says_nothing_of_new_heads(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["transformer.ln_f.bias"][0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(CheckpointError, match="not finite"):
            gpt2model.GPT2ForQuestionAnswering.from_pretrained(write_golden(tmp_path / "m", weights))


def test_arguments_of_save_pretrained(tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(SAFE)
    for arguments, error, words in (
        ({"format": "pickle"}, ValueError, "safetensors"),
        ({"dtype": "int8"}, ValueError, "float16"),
        ({"dtype": "float16", "format": "keras"}, ValueError, "keeps the model's own"),
        ({"max_shard_size": "much"}, ValueError, "max_shard_size"),
        ({"safe_serialization": False}, NotImplementedError, "pickle"),
        ({"push_to_hub": True}, NotImplementedError, "upload_folder"),
        ({"saved_model": True}, NotImplementedError, r"use model\.export\(directory\)"),
    ):
        with pytest.raises(error, match=words):
            model.save_pretrained(tmp_path / "x", **arguments)
    model.save_pretrained(tmp_path / "x", is_main_process=False)
    assert not (tmp_path / "x").exists()
    model.save_pretrained(str(tmp_path / "x"), max_shard_size="30KB", dtype="float16")
    assert len(list((tmp_path / "x").glob("model-*-of-*.safetensors"))) > 1
    again = GPT2LMHeadModel.from_pretrained(tmp_path / "x")
    wte = golden_weights()["transformer.wte.weight"]
    assert np.array_equal(array(again.transformer.wte.embeddings), wte.astype("float16").astype("float32"))
    with pytest.raises(FileExistsError, match="would be read instead"):
        model.save_pretrained(tmp_path / "x", format="keras")


def test_large_files_show_their_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, once there is time to see it; the line is wiped at the end."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    model = GPT2LMHeadModel.from_pretrained(SAFE)
    monkeypatch.setattr("gpt2tok.cli.progress._FIRST_SECONDS", -1.0)
    for act in (lambda: GPT2LMHeadModel.from_pretrained(SAFE), lambda: model.save_pretrained(tmp_path)):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        act()
        assert "of 0.1 MB" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[K")


def test_saving_does_not_change_the_model(tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(SAFE)
    before = model.config.to_dict()
    for format in ("safetensors", "keras-hub", "keras", "weights.h5"):
        model.save_pretrained(tmp_path / format.replace(".", "-"), format=format)
    assert model.config.to_dict() == before
    assert all(np.array_equal(value, golden_weights()[name]) for name, value in values(model).items())
