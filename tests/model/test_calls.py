"""Can a model be called in every way the frameworks call? Compiled, as `.forward`, by mapping, and in other
precisions.
"""

from __future__ import annotations

import pickle
import warnings

import keras
import numpy as np
import pytest
from helpers import BACKEND, TOLERANCE, answer, array, compiled, difference, tensor, twins

import gpt2model
from gpt2model import outputs as output_types

BASE = {"vocab_size": 120, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
IDS = np.random.default_rng(0).integers(0, 120, (2, 12))


@pytest.fixture(scope="module")
def model():
    return twins("GPT2LMHeadModel", **BASE)[0]


@pytest.fixture(scope="module")
def logits():
    """transformers' logits of IDS."""
    import torch

    with torch.no_grad():
        return twins("GPT2LMHeadModel", **BASE)[1](torch.tensor(IDS)).logits.numpy()


def test_compiled_ways(model, logits):
    if BACKEND == "jax":
        import jax

        ways = [jax.jit(model), jax.jit(lambda ids: model(ids, use_cache=False))]
        variables = (
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
        )
        stateless = jax.jit(lambda ids: model.stateless_call(*variables, ids)[0])
        for way in [*ways, stateless]:
            assert difference(array(way(tensor(IDS)).logits), logits) < TOLERANCE
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        open_shape = [tf.TensorSpec((None, None), tf.int64)]
        for options in ({}, {"jit_compile": True}, {"input_signature": open_shape}):
            way = tf.function(lambda ids: model(ids, use_cache=True, output_attentions=True), **options)
            output = way(tf.constant(IDS))
            assert isinstance(output, output_types.CausalLMOutputWithCrossAttentions)
            assert difference(array(output.logits), logits) < TOLERANCE
            assert difference(array(way(tf.constant(IDS[:, :5])).logits), logits[:, :5]) < TOLERANCE
        fused = tf.function(model, input_signature=open_shape)
        assert difference(array(fused(tf.constant(IDS)).logits), logits) < TOLERANCE
    else:
        import torch

        with torch.no_grad():
            output = model(torch.tensor(IDS))
            assert not output.logits.requires_grad
            assert difference(array(output.logits), logits) < TOLERANCE
        assert model(torch.tensor(IDS)).logits.requires_grad
        assert difference(array(model.forward(torch.tensor(IDS)).logits), logits) < TOLERANCE
        count = sum(parameter.numel() for parameter in model.parameters() if parameter.is_floating_point())
        assert count == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_open_shapes_with_a_mask_and_a_cache(model, logits):
    """TensorFlow graphs with unknown batch and length, left padding and a static cache."""
    if BACKEND != "tensorflow":
        pytest.skip("only TensorFlow has unknown sides")
    import tensorflow as tf

    @tf.function(
        input_signature=[tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None, None), tf.int64)]
    )
    def run(ids, mask):
        first = model(ids[:, :-1], attention_mask=mask[:, :-1], use_cache=True)
        return model(ids[:, -1:], attention_mask=mask, past_key_values=first.past_key_values).logits

    got = run(tf.constant(IDS), tf.ones(IDS.shape, tf.int64))
    assert difference(array(got), logits[:, -1:]) < TOLERANCE


def test_mapping_and_arrays(model, logits):
    for call in (
        lambda: model({"input_ids": IDS}),
        lambda: model(
            {"input_ids": tensor(IDS), "attention_mask": tensor(np.ones_like(IDS))}, training=False
        ),
        lambda: model(IDS),
        lambda: model(input_ids=IDS.tolist()),
        lambda: model(tensor(IDS), None, tensor(np.ones_like(IDS))),
    ):
        assert difference(array(call().logits), logits) < TOLERANCE
    with pytest.raises(ValueError, match=r"takes no input \['lables'\]"):
        model({"input_ids": IDS, "lables": IDS})


def test_rows_of_unlike_lengths_in_one_tensor(model):
    """TensorFlow's ragged tensors, as an in-graph tokenizer gives them, and sparse ones."""
    if BACKEND != "tensorflow":
        pytest.skip("only TensorFlow has them")
    import tensorflow as tf

    ragged = tf.ragged.constant([[1, 2, 3], [4]])
    calls = (
        lambda: model(ragged),
        lambda: model({"input_ids": ragged}),
        lambda: tf.function(model)(ragged),
        lambda: model.predict(tf.data.Dataset.from_tensors(ragged), verbose=0),
    )
    for call in calls:
        with pytest.raises(
            TypeError, match=r"input_ids must be .*RaggedTensor.*to_tensor\(\).*attention_mask"
        ):
            call()
    with pytest.raises(TypeError, match=r"attention_mask must be .*SparseTensor.*tf\.sparse\.to_dense"):
        model(IDS, attention_mask=tf.sparse.from_dense(np.ones_like(IDS)))


@pytest.mark.parametrize("name", ["Model", "LMHeadModel", "DoubleHeadsModel", "ForSequenceClassification",
                                  "ForTokenClassification", "ForQuestionAnswering"])  # fmt: skip
def test_as_a_layer_of_a_functional_model(name):
    """Keras' functional models, with sides that are not known yet; n_positions below what Keras tries them with."""
    config = gpt2model.GPT2Config(**{**BASE, "n_positions": 16, "n_layer": 1}, pad_token_id=0)
    inner = getattr(gpt2model, f"GPT2{name}")(config)
    ids = np.random.default_rng(0).integers(1, 120, (2, 2, 6) if name == "DoubleHeadsModel" else (2, 6))
    inputs = [keras.Input((None,) * (ids.ndim - 1), dtype="int32") for _ in range(2)]
    output = inner(inputs[0], attention_mask=inputs[1])
    whole = keras.Model(inputs, output.to_tuple()[0] * 2.0)
    wanted = array(answer(inner, ids).to_tuple()[0])
    got = whole.predict([ids.astype("int32"), np.ones_like(ids, "int32")], verbose=0)
    assert difference(got, wanted * 2.0) < TOLERANCE


def test_small_integers_are_ids(model, logits):
    """The types in which token files are kept (gpt2tok gives uint16 and uint32)."""
    for dtype in ("uint8", "uint16", "uint32", "int32"):
        assert difference(array(answer(model, IDS.astype(dtype)).logits), logits) < TOLERANCE
    flags = np.ones_like(IDS)
    for dtype in ("bool", "float32", "int8"):
        assert (
            difference(array(answer(model, IDS, attention_mask=flags.astype(dtype)).logits), logits)
            < TOLERANCE
        )


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_a_padding_id_that_the_ids_type_does_not_hold(dtype):
    """Rows of bytes without padding, for a model that pads with 299, which is 43 in eight bits."""
    config = gpt2model.GPT2Config(**{**BASE, "vocab_size": 300, "n_layer": 1}, pad_token_id=299)
    classifier = gpt2model.GPT2ForSequenceClassification(config)
    ids = np.array([[1, 2, 43], [43, 7, 43]], dtype)
    wanted = array(answer(classifier, ids.astype("int32")).logits)
    assert difference(array(answer(classifier, ids).logits), wanted) < TOLERANCE


def test_logits_to_keep(model, logits):
    assert difference(array(model(tensor(IDS), logits_to_keep=1).logits), logits[:, -1:]) < TOLERANCE
    assert difference(array(model(tensor(IDS), logits_to_keep=3).logits), logits[:, -3:]) < TOLERANCE
    places = tensor(np.array([4, 0]))
    assert difference(array(model(tensor(IDS), logits_to_keep=places).logits), logits[:, [4, 0]]) < TOLERANCE


def test_return_dict(model):
    output = model(tensor(IDS), return_dict=False, labels=tensor(IDS), use_cache=False)
    assert isinstance(output, tuple) and len(output) == 2
    assert output[0].shape == () and tuple(output[1].shape) == (2, 12, 120)
    config = model.config.replace(return_dict=False, use_cache=False)
    assert isinstance(gpt2model.GPT2LMHeadModel(config)(tensor(IDS)), tuple)


def test_configured_outputs():
    config = gpt2model.GPT2Config(**BASE, output_attentions=True, output_hidden_states=True, use_cache=False)
    output = gpt2model.GPT2Model(config)(tensor(IDS))
    assert set(output) == {"last_hidden_state", "hidden_states", "attentions"}
    assert len(output.hidden_states) == 3 and tuple(output.attentions[0].shape) == (2, 4, 12, 12)


def test_output_manners():
    output = output_types.CausalLMOutputWithCrossAttentions(logits=2, loss=1)
    assert list(output) == ["loss", "logits"] and output[1] == output.logits == output["logits"] == 2
    assert (
        output[:1] == (1,)
        and output.to_tuple() == (1, 2)
        and output.attentions is None
        and "attentions" not in output
    )
    output.attentions = (3,)
    output["loss"] = None
    assert output.to_tuple() == (2, (3,))
    assert pickle.loads(pickle.dumps(output)) == output and type(pickle.loads(pickle.dumps(output))) is type(
        output
    )
    with pytest.raises(AttributeError, match="no field 'logit'"):
        _ = output.logit
    with pytest.raises(TypeError, match="no field"):
        output_types.TokenClassifierOutput(mc_loss=1)
    with pytest.raises(KeyError):
        output["else"] = 1


def test_output_field_names_are_transformers():
    """Same names in the same order, where transformers 5 still has the type.

    5.24 calls the second field `cache`; all before it, and the code that comes here, `past_key_values`.
    """
    import dataclasses

    from transformers import modeling_outputs
    from transformers.models.gpt2.modeling_gpt2 import GPT2DoubleHeadsModelOutput

    def names_of(theirs):
        names = [field.name for field in dataclasses.fields(theirs)]
        return ["past_key_values" if name == "cache" else name for name in names]

    for name in (
        "BaseModelOutputWithPastAndCrossAttentions",
        "CausalLMOutputWithCrossAttentions",
        "SequenceClassifierOutputWithPast",
        "TokenClassifierOutput",
        "QuestionAnsweringModelOutput",
    ):
        assert list(getattr(gpt2model, name).fields) == names_of(getattr(modeling_outputs, name)), name
    assert list(gpt2model.GPT2DoubleHeadsModelOutput.fields) == names_of(GPT2DoubleHeadsModelOutput)


def test_trees(model):
    """An answer is a structure to keras.tree, optree and the backend's own tree library."""
    import optree

    output = compiled(lambda ids: model(ids, use_cache=True))(tensor(IDS))
    trees = [keras.tree.map_structure, lambda f, x: optree.tree_map(f, x, namespace="gpt2model")]
    if BACKEND == "jax":
        import jax

        trees.append(jax.tree.map)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        trees.append(tf.nest.map_structure)
    if BACKEND == "torch":
        import torch.utils._pytree as pytree

        trees.append(pytree.tree_map)
    for tree_map in trees:
        doubled = tree_map(lambda leaf: leaf * 2, output)
        assert type(doubled) is type(output) and list(doubled) == list(output)
        assert difference(array(doubled.logits), array(output.logits) * 2) == 0
        assert difference(array(doubled.past_key_values[1][0]), array(output.past_key_values[1][0]) * 2) == 0
        cache = model.make_cache(2)._replace(offset=tensor(np.int32(3)))
        again = tree_map(lambda leaf: leaf + 1, cache)
        assert isinstance(again, gpt2model.KVCache) and int(again.offset) == 4


def test_aliases():
    for name in ("GPT2Model", "GPT2LMHeadModel", "GPT2DoubleHeadsModel", "GPT2ForSequenceClassification"):
        assert getattr(gpt2model, f"TF{name}") is getattr(gpt2model, name)
    assert gpt2model.FlaxGPT2Model is gpt2model.GPT2Model
    assert gpt2model.FlaxGPT2LMHeadModel is gpt2model.GPT2LMHeadModel
    assert gpt2model.TFGPT2DoubleHeadsModelOutput is gpt2model.GPT2DoubleHeadsModelOutput
    assert gpt2model.TFSequenceClassifierOutputWithPast is gpt2model.SequenceClassifierOutputWithPast


@pytest.mark.parametrize(
    ("dtype", "bound"), [("bfloat16", 0.06), ("float16", 0.01), ("mixed_bfloat16", 0.06), ("float64", 1e-4)]
)
def test_precisions(dtype, bound, logits):
    """Lower precision stays near: the error of every logit is small beside the logits' own spread."""
    exact = twins("GPT2LMHeadModel", **BASE)[0]
    from gpt2model.weight_names import named_weights

    if dtype == "float64" and BACKEND != "tensorflow":
        pytest.skip("Keras has float64 products on TensorFlow only")
    rough = gpt2model.GPT2LMHeadModel(exact.config, dtype=dtype)
    for name, slot in named_weights(rough).items():
        slot.assign(named_weights(exact)[name].read())
    output = answer(rough, IDS, labels=IDS)
    assert keras.backend.standardize_dtype(output.logits.dtype) == dtype.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(output.loss.dtype) == "float32"
    got = array(keras.ops.cast(output.logits, "float32"))
    assert difference(got, logits) < bound * logits.std() * 2
    cache = rough.make_cache(2)._replace(offset=tensor(np.int32(0)))
    assert keras.backend.standardize_dtype(cache.keys[0].dtype) == dtype.removeprefix("mixed_")
    first = answer(rough, IDS[:, :8], past_key_values=cache)
    second = answer(rough, IDS[:, 8:], past_key_values=first.past_key_values)
    late = array(keras.ops.cast(second.logits, "float32"))
    assert difference(late, logits[:, 8:]) < bound * logits.std() * 2


def test_upcast_in_half_precision():
    """reorder_and_upcast_attn holds where float16 overflows: scores near 1e6 before scaling down."""
    fields = {**BASE, "n_embd": 32, "n_head": 1, "n_layer": 1, "scale_attn_by_inverse_layer_idx": True}
    results = {}
    for upcast in (True, False):
        model = gpt2model.GPT2Model(
            gpt2model.GPT2Config(**fields, reorder_and_upcast_attn=upcast), dtype="float16"
        )
        layer = model.h[0].attn.c_attn
        kernel = np.zeros((32, 96), "float16")
        kernel[:, :64] = 12.0
        layer._kernel.assign(kernel)
        layer.bias.assign(np.full(96, 200.0, "float16"))
        # With weights, because a fused kernel may keep its products in float32 of its own accord.
        hidden = array(model(tensor(IDS), output_attentions=True).last_hidden_state)
        results[upcast] = bool(np.isfinite(hidden).all())
    assert results == {True: True, False: False}


@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("rows", [150, 100], ids=["more", "fewer"])
def test_resize_token_embeddings(tie, rows, tmp_path):
    """As transformers' own: old rows stay, and old ids give the logits that they gave, before and after a file."""
    import torch

    model, theirs = twins("GPT2LMHeadModel", **BASE, tie_word_embeddings=tie)
    theirs.resize_token_embeddings(rows, mean_resizing=False)
    assert model.resize_token_embeddings(rows - 7, pad_to_multiple_of=50) is model.get_input_embeddings()
    assert model.config.vocab_size == rows == theirs.config.vocab_size
    kept, ids = min(rows, 120), IDS % min(rows, 120)
    state = theirs.state_dict()
    table = state["transformer.wte.weight"].numpy()
    assert difference(array(model.transformer.wte.embeddings)[:kept], table[:kept]) == 0
    if not tie:
        assert difference(array(model.lm_head.kernel).T[:kept], state["lm_head.weight"].numpy()[:kept]) == 0
    with torch.no_grad():
        wanted = theirs(torch.tensor(ids)).logits.numpy()
    got = array(answer(model, ids).logits)
    assert got.shape == wanted.shape and difference(got[..., :kept], wanted[..., :kept]) < TOLERANCE
    new = array(model.transformer.wte.embeddings)[kept:]
    assert rows < 120 or 0.5 * 0.02 < new.std() < 2 * 0.02, "new rows are drawn as at the start"
    assert not any(120 in tuple(v.shape) for v in model.variables)
    if BACKEND == "torch":
        assert not any(120 in tuple(p.shape) for p in model.parameters())
    model.save(tmp_path / "model.keras")
    model.save_pretrained(tmp_path / "m")
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        gpt2model.GPT2LMHeadModel.from_pretrained(tmp_path / "m"),
    ):
        assert again.config.vocab_size == rows
        assert difference(array(answer(again, ids).logits), got) < 1e-6


@pytest.mark.parametrize("name", ["Model", "LMHeadModel", "DoubleHeadsModel", "ForSequenceClassification",
                                  "ForTokenClassification"])  # fmt: skip
def test_every_model_that_takes_a_cache_makes_one(name):
    model = getattr(gpt2model, f"GPT2{name}")(
        gpt2model.GPT2Config(**{**BASE, "n_layer": 1}, pad_token_id=0), dtype="bfloat16"
    )
    cache = model.make_cache(2, 20)
    assert (cache.batch_size, cache.max_length) == (2, 20)
    assert keras.backend.standardize_dtype(cache.keys[0].dtype) == "bfloat16"
    ids = IDS % 119 + 1
    shaped = ids[:, None] if name == "DoubleHeadsModel" else ids
    passed = model(tensor(shaped), past_key_values=cache, use_cache=True)
    if "past_key_values" in passed.fields:
        assert int(passed.past_key_values.offset) == 12


@pytest.mark.parametrize("summary_type", ["cls_index", "last", "first", "mean"])
@pytest.mark.parametrize("field", ["summary_use_proj", "summary_proj_to_labels"])
def test_summaries_that_are_not_one_score(field, summary_type):
    """Without the projection to one score transformers gives vectors, and takes each for a row of choices."""
    import torch

    fields = {**BASE, field: False, "summary_type": summary_type}
    ours, theirs = twins("GPT2DoubleHeadsModel", **fields)
    ids = np.random.default_rng(1).integers(0, 120, (2, 3, 7))
    rows = 6 if summary_type == "cls_index" else 14
    right = np.random.default_rng(2).integers(0, 32, rows)
    with torch.no_grad():
        wanted = theirs(torch.tensor(ids)).mc_logits
        # transformers' own line for the loss fails where these vectors do not lie in one run.
        loss = torch.nn.functional.cross_entropy(wanted.reshape(-1, wanted.shape[-1]), torch.tensor(right))
    got = answer(ours, ids, mc_labels=right)
    assert tuple(got.mc_logits.shape) == tuple(wanted.shape)
    assert difference(array(got.mc_logits), wanted.numpy()) < TOLERANCE
    assert abs(float(got.mc_loss) - float(loss)) < TOLERANCE
    with pytest.raises(ValueError, match="one right choice a row"):
        ours(ids, mc_labels=right[:2])


@pytest.mark.skipif(BACKEND != "torch", reason="a method of PyTorch's modules")
@pytest.mark.parametrize("become", ["half", "bfloat16", "double", "outer"])
def test_weights_of_another_type_are_refused(become):
    import torch

    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config(**BASE))
    before = array(model(IDS).logits.detach())
    with pytest.raises(
        NotImplementedError, match=r"to compute in float32, .*from_pretrained\(directory, dtype='"
    ):
        torch.nn.Sequential(model).to(torch.float16) if become == "outer" else getattr(model, become)()
    assert model.float() is model and model.to("cpu") is model
    assert difference(array(model(IDS).logits.detach()), before) == 0


@pytest.mark.parametrize(
    "inputs", [[IDS, None, IDS], [None, IDS], (IDS, None), [None]], ids=["ids", "none", "tuple", "alone"]
)
def test_a_list_of_inputs_with_none_in_it(inputs):
    """Keras' form of old TensorFlow code, whose places nobody can tell."""
    with pytest.raises(TypeError, match=r"give inputs by name, model\(ids, attention_mask=mask\)"):
        gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config(**BASE))(inputs)


def test_one_token_is_no_reason_to_warn():
    """Keras warns of a softmax over one number."""
    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config(**BASE))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*softmax")
        output = model(IDS[:, :1], output_attentions=True)
        assert (array(output.attentions[0]) == 1).all()
        first = array(model(IDS[:, :1]).logits)
    assert difference(first, array(model(IDS).logits)[:, :1]) < TOLERANCE


@pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch's modules are told to train")
def test_train_and_eval_as_in_pytorch():
    """An old loop says `model.train()` and nothing in its calls."""
    model = gpt2model.GPT2LMHeadModel(gpt2model.GPT2Config(**{**BASE, "embd_pdrop": 0.5}))

    def differs(**arguments):
        return difference(*(array(model(IDS, **arguments).logits.detach()) for _ in range(2))) > 0

    assert not differs() and differs(training=True), "as Keras has it, until it is told"
    assert model.train() is model
    assert differs() and not differs(training=False)
    model.compile("sgd")
    model.evaluate({"input_ids": IDS, "labels": IDS}, verbose=0)
    assert differs(), "Keras' own modes end with its methods"
    assert model.eval() is model and not differs()
    model.fit({"input_ids": IDS, "labels": IDS}, verbose=0)
    with pytest.raises(ValueError, match="outside"):
        model.fit(((IDS + 10**6, IDS) for _ in range(1)), verbose=0)
    assert not differs(), "even where they fail in the midst"
