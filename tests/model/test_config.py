"""Is a configuration held to what a GPT-2 can be, and is it a value: copied, compared, written and read?"""

from __future__ import annotations

import copy

import pytest

import gpt2model
from gpt2model import GPT2Config

CONFIGS = [
    ({"n_embd": 10, "n_head": 3}, ValueError, r"n_embd \(10\) must be a multiple of n_head \(3\)"),
    ({"n_layer": 0}, ValueError, "n_layer must be at least 1"),
    ({"n_layer": 2.0}, TypeError, "n_layer must be an integer"),
    ({"vocab_size": True}, TypeError, "vocab_size must be an integer"),
    ({"resid_pdrop": 1.5}, ValueError, "resid_pdrop"),
    ({"resid_pdrop": 1.0}, ValueError, "would drop everything"),
    ({"layer_norm_epsilon": 0.0}, ValueError, "layer_norm_epsilon"),
    ({"layer_norm_epsilon": float("nan")}, ValueError, "layer_norm_epsilon"),
    ({"activation_function": "os.system"}, ValueError, "activation_function must be one of"),
    ({"activation_function": ["gelu"]}, ValueError, "activation_function"),
    ({"summary_type": "attn"}, ValueError, "summary_type"),
    ({"use_cache": "yes"}, TypeError, "use_cache must be true or false"),
    ({"n_embed": 8}, TypeError, "Did you mean n_embd"),
    ({"n_layers": 2}, TypeError, r"no field 'n_layers'\. Did you mean n_layer\?$"),
    ({"num_layer": 2}, TypeError, "Did you mean .*n_layer"),
    ({"task": "x"}, TypeError, "no field 'task'.$"),
    ({"n_embd": 8, "hidden_size": 8}, TypeError, "one field"),
    ({"n_embd": 8, "n_ctx": 8}, TypeError, "no field 'n_ctx': it is n_positions"),
    ({"do_sample": True}, TypeError, "no field 'do_sample': it belongs to a GenerationConfig"),
    ({"num_labels": 0}, ValueError, "num_labels must be at least 1"),
    ({"num_labels": 10**12}, ValueError, "num_labels must be at most 1,000,000"),
    ({"problem_type": "ranking"}, ValueError, "problem_type"),
    ({"id2label": {"a": "b"}}, ValueError, "id2label"),
    ({"label2id": {"a": "b"}}, ValueError, "values of label2id must be whole numbers"),
    ({"pad_token_id": -1}, ValueError, r"pad_token_id must be at least 0, not -1; None \(null in a file\)"),
    ({"eos_token_id": [3, -1]}, ValueError, r"eos_token_id must be at least 0, not -1; None"),
]


@pytest.mark.parametrize(("fields", "error", "message"), CONFIGS, ids=[str(case[0]) for case in CONFIGS])
def test_bad_configuration(fields, error, message):
    with pytest.raises(error, match=message):
        GPT2Config(**fields)


def test_configuration_names_no_code_and_no_path():
    fields = {
        "model_type": "gpt2",
        "_name_or_path": "/etc",
        "auto_map": {"AutoModel": "evil.Model"},
        "extra": [1],
    }
    with pytest.warns(UserWarning, match="auto_map"):
        config = GPT2Config.from_dict(fields)
    assert "auto_map" not in config.to_dict() and "_name_or_path" not in config.to_dict()
    assert config.to_dict()["extra"] == [1] and config.extra == [1]
    # A file may hold what this package does not know; whoever writes a keyword means a field.
    kept = GPT2Config.from_dict({"n_layers": 2, "task_specific_params": {}})
    assert kept.n_layer == 12 and kept.to_dict()["n_layers"] == 2
    assert GPT2Config.from_json('{"n_layers": 2}').n_layers == 2
    # And one field under both of its names, as long as they agree; of the numbers' type the newer name counts.
    twice = {"n_embd": 8, "hidden_size": 8, "n_head": 2, "torch_dtype": "float16", "dtype": "float32"}
    assert (GPT2Config.from_dict(twice).n_embd, GPT2Config.from_dict(twice).dtype) == (8, "float32")
    with pytest.raises(TypeError, match="one field"):
        GPT2Config.from_dict({**twice, "hidden_size": 16})
    with pytest.raises(AttributeError, match="Did you mean n_layer"):
        _ = GPT2Config().n_layers
    with pytest.raises(ValueError, match="model_type is 'llama'"):
        GPT2Config.from_dict({"model_type": "llama"})
    with pytest.raises(ValueError, match="not JSON"):
        GPT2Config.from_json("{")
    with pytest.raises(ValueError, match="no size 'gpt3'"):
        GPT2Config.of_size("gpt3")


@pytest.mark.parametrize("name", ["to_json_string", "to_json_file", "to_diff_dict", "update"])
def test_an_old_method_names_the_new(name):
    """Those of transformers' configurations; what the message tells to write is there."""
    with pytest.raises(AttributeError, match=rf"no field '{name}': write config\.\w+\(") as error:
        getattr(GPT2Config(), name)
    assert hasattr(GPT2Config, str(error.value).partition("config.")[2].partition("(")[0])


def test_configuration_as_a_value(tmp_path):
    config = GPT2Config.of_size("gpt2-medium", num_labels=4, hidden_size=512)
    assert (config.n_layer, config.hidden_size, config.num_labels, config.head_dim) == (24, 512, 4, 32)
    config.pad_token_id = 50256
    config.num_attention_heads = 8
    assert config.n_head == 8 and len(config.id2label) == len(config.label2id) == 4
    with pytest.raises(ValueError, match="multiple of n_head"):
        config.n_head = 7
    assert config.n_head == 8
    with pytest.raises(AttributeError, match="no field"):
        config.n_heads = 4
    config.to_json(tmp_path / "config.json")
    assert GPT2Config.from_json(tmp_path / "config.json") == config
    assert config.replace(n_head=16) != config and config.n_head == 8
    for named in (GPT2Config(id2label={0: "a"}), config.replace(id2label={0: "a"})):
        assert (named.num_labels, named.label2id) == (1, {"a": 0}), "a label's number follows its name"
    assert config.replace(id2label={0: "a"}, label2id={"b": 0}).label2id == {"b": 0}
    twin = copy.copy(config)
    twin.n_head, twin.id2label[0] = 4, "mine"
    assert config.n_head == 8 and config.id2label[0] == "LABEL_0", "a copy is another configuration"
    with pytest.raises(TypeError, match="takes a GPT2Config"):
        gpt2model.GPT2Model({"n_layer": 1})
