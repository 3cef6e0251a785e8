"""What becomes of the in-graph tokenizer when it is saved: SavedModels, what they are made of, warm-up files."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.tools import saved_model_cli
from tf_proof_set import differences, expected, proof_set

from gpt2tok import AddedToken, TokenizerError
from gpt2tok.tf import TFGPT2Tokenizer

HERE = Path(__file__).parent

# Everything that the graph may be made of: ops of TensorFlow's core, none that needs a resource, a file or Python.
ALLOWED_OPS = frozenset(
    """
    AddV2 All Any ArgMax Assert Bitcast BitwiseAnd BitwiseOr BitwiseXor Cast ConcatV2 Const Cumsum
    DecodeRaw DenseBincount EnsureShape Equal Fill FloorDiv GatherNd GatherV2 Greater GreaterEqual Identity If Invert
    LeftShift Less LessEqual LogicalAnd LogicalNot LogicalOr LowerBound Max Maximum Min Minimum Mul Neg NoOp NotEqual
    Pack PartitionedCall Placeholder RaggedRange Range ReduceJoin Reshape RightShift SegmentMin Select
    SelectV2 Shape Size StatefulPartitionedCall StatelessIf StatelessWhile StaticRegexFullMatch
    StaticRegexReplace StridedSlice StringJoin StringLength StringSplitV2 StringToHashBucketFast Sub Substr Sum
    TensorScatterUpdate UnicodeTranscode Unpack UnsortedSegmentJoin Where ZerosLike
    """.split()  # noqa: SIM905
)
# The format saves a checkpoint, here an empty one, by two functions of its own.
SAVING_OPS = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})


@pytest.fixture(scope="module")
def meta_graph(saved: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes()).meta_graphs[0]


def test_a_clean_process_gets_the_same_ids(
    saved: Path, tmp_path: Path, tiktoken_gpt2: tiktoken.Encoding, multilingual: list[str]
) -> None:
    texts = [text for text in proof_set(tiktoken_gpt2, multilingual) if len(text) < 2000]
    np.save(tmp_path / "texts.npy", np.array(texts, object))
    program = [
        sys.executable,
        "-I",
        HERE / "tf_clean_process.py",
        saved,
        tmp_path / "texts.npy",
        tmp_path / "result.npz",
    ]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(program, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    with np.load(tmp_path / "result.npz", allow_pickle=True) as result:
        assert not differences(texts, expected(tiktoken_gpt2, texts), result["ids"], result["counts"])
        assert result["spelt"].tolist() == [text.decode(errors="replace").encode() for text in texts]


# Where a model may differ in its ops: what is found in the text, what is put around rows, which ids there are.
VARIANTS: dict[str, dict[str, Any]] = {
    "flags": {
        "added_tokens": {
            50_256: "<|endoftext|>",
            60_000: AddedToken("<l>", lstrip=True),
            60_001: AddedToken("<r>", rstrip=True, special=True),
            60_002: AddedToken("al0ne", single_word=True),
            60_003: AddedToken(" ", lstrip=True),
            60_004: AddedToken("\ufffd"),
        },
        "add_prefix_space": True,
        "add_bos": True,
        "padding_side": "left",
        "truncation_side": "left",
    },
    "strict": {"errors": "strict", "split_special_tokens": True, "add_eos": True, "max_length": 9},
    "far ids": {"added_tokens": {(1 << 31) - 1: "<last>"}, "dtype": "int64"},
}


@pytest.mark.parametrize("name", ["default", *VARIANTS])
def test_only_allowed_ops(name: str, saved: Path, tmp_path: Path) -> None:
    if name != "default":
        saved = tmp_path / "1"
        TFGPT2Tokenizer.from_pretrained("gpt2", **VARIANTS[name]).export(saved, skip_special_tokens=True)
    graph = (
        saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes())
        .meta_graphs[0]
        .graph_def
    )
    functions = {function.signature.name: function for function in graph.library.function}
    used: set[str] = {node.op for node in graph.node}
    for function_name, function in functions.items():
        ops = {node.op for node in function.node_def}
        used |= (
            ops - SAVING_OPS
            if function_name.startswith(("__inference__traced_save", "__inference__traced_restore"))
            else ops
        )
    assert used - functions.keys() - ALLOWED_OPS == set()
    # A walk that sees too little would pass too: these do the work.
    assert {"RaggedRange", "DecodeRaw", "StatelessWhile", "TensorScatterUpdate", "Assert"} <= used
    assert ("UnicodeTranscode" in used) == (name != "strict")


def test_constants_are_saved_once(saved: Path) -> None:
    assert (saved / "saved_model.pb").stat().st_size < 6_000_000


def test_signatures(meta_graph: Any) -> None:
    def shapes(tensors: Any) -> dict[str, tuple[int, list[int]]]:
        return {name: (info.dtype, [d.size for d in info.tensor_shape.dim]) for name, info in tensors.items()}

    signatures = {
        name: definition for name, definition in meta_graph.signature_def.items() if not name.startswith("__")
    }
    assert signatures.keys() == {"tokenize", "detokenize"}
    string, int32 = tf.string.as_datatype_enum, tf.int32.as_datatype_enum
    rows = {"input_ids": (int32, [-1, -1]), "attention_mask": (int32, [-1, -1])}
    assert shapes(signatures["tokenize"].inputs) == {"text": (string, [-1])}
    assert shapes(signatures["tokenize"].outputs) == rows
    assert shapes(signatures["detokenize"].inputs) == rows
    assert shapes(signatures["detokenize"].outputs) == {"text_bytes": (string, [-1])}


def test_a_strict_layer(strict: TFGPT2Tokenizer, tmp_path: Path) -> None:
    strict.export(tmp_path / "1")
    with pytest.raises(TokenizerError, match=r"refuses warm_up_texts.*not valid UTF-8"):
        strict.export(tmp_path / "2", warm_up_texts=[b"\xff"])
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    tokenize = tf.saved_model.load(str(tmp_path / "1")).signatures["tokenize"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="not valid UTF-8"):
        tokenize(text=tf.constant([b"\xff"]))
    assert tokenize(text=tf.constant(["Hello world"]))["input_ids"].numpy().tolist() == [[15496, 995]]


def test_a_request_whose_answer_would_fill_the_memory(
    saved: Path, default_layer: TFGPT2Tokenizer, tmp_path: Path
) -> None:
    default_layer.export(tmp_path / "1", most_places=6)
    tokenize = tf.saved_model.load(str(tmp_path / "1")).signatures["tokenize"]
    assert tokenize(text=tf.constant(["a b c", "d"]))["input_ids"].shape == (2, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows times max_length may be 6 at most"):
        tokenize(text=tf.constant(["a b c d", "e"]))
    assert tokenize(text=tf.constant(["a"]))["input_ids"].shape == (1, 1)
    # As exported by default: 2 MB of text, 3 TB of answer.
    tokenize = tf.saved_model.load(str(saved)).signatures["tokenize"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows times max_length"):
        tokenize(text=tf.constant(["a b " * 250_000] + ["a"] * 500_000))
    assert tokenize(text=tf.constant(["a"]))["input_ids"].shape == (1, 1)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"max_length": True}, TypeError, "max_length"),
        ({"max_length": "a"}, TypeError, "max_length"),
        ({"max_length": 2.5}, TypeError, "max_length"),
        ({"max_length": tf.constant(3)}, TypeError, "max_length"),
        ({"max_length": 0}, TokenizerError, "max_length"),
        ({"max_length": 1 << 40}, TokenizerError, "max_length"),
        ({"most_places": 0}, TokenizerError, "most_places"),
        ({"most_places": 1 << 40}, TokenizerError, "most_places"),
        ({"most_places": "a"}, TypeError, "most_places"),
        ({"warm_up_texts": "abc"}, TypeError, "warm_up_texts"),
        ({"warm_up_texts": ["a", 5]}, TypeError, r"warm_up_texts\[1\]"),
        ({"warm_up_texts": 5}, TypeError, "warm_up_texts"),
        ({"warm_up_texts": {"a": 1}}, TypeError, "warm_up_texts"),
        ({"warm_up_texts": ["\ud800"]}, TokenizerError, r"warm_up_texts\[0\] holds half a surrogate"),
        (
            {"warm_up_texts": ["a b c"], "most_places": 2},
            TokenizerError,
            "refuses warm_up_texts.*most_places",
        ),
        ({"skip_special_tokens": "yes"}, TypeError, "skip_special_tokens"),
        ({"overwrite": "no"}, TypeError, "overwrite"),
    ],
    ids=str,
)
def test_wrong_options(layer: TFGPT2Tokenizer, tmp_path: Path, options: Any, error: Any, told: str) -> None:
    with pytest.raises(error, match=told):
        layer.export(tmp_path / "models" / "mine" / "1", **options)
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_replaced(layer: TFGPT2Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "1").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file"):
        layer.export(tmp_path / "1", overwrite=True)
    assert (tmp_path / "1").read_text() == "mine"


def test_an_export_keeps_what_it_cannot_replace(
    layer: TFGPT2Tokenizer, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("old")
    (tmp_path / "1" / "mine").write_text("kept")
    rename = Path.rename

    def refusing(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise PermissionError(13, "Permission denied")
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refusing)
        with pytest.raises(PermissionError):
            layer.export(tmp_path / "1", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "mine").read_text() == "kept"

    (tmp_path / "link").symlink_to(tmp_path / "1", target_is_directory=True)
    with pytest.raises(FileExistsError, match="is a link"):
        layer.export(tmp_path / "link", overwrite=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    layer.export(".")
    assert (tmp_path / "here" / "saved_model.pb").exists()


def test_options_of_an_export(tmp_path: Path) -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", padding_side="left", dtype="int64")
    layer.export(tmp_path / "1", max_length=4, skip_special_tokens=True, warm_up_texts=())
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    rows = loaded.signatures["tokenize"](text=tf.constant(["Hello world", "<|endoftext|>a"]))
    assert rows["input_ids"].numpy().tolist() == [[50256, 50256, 15496, 995], [50256, 50256, 50256, 64]]
    assert rows["attention_mask"].numpy().tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    assert rows["input_ids"].dtype == tf.int64
    assert loaded.signatures["detokenize"](**rows)["text_bytes"].numpy().tolist() == [b"Hello world", b"a"]
    assert not (tmp_path / "1" / "assets.extra").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1"]


def test_a_directory_of_other_things_is_never_replaced(layer: TFGPT2Tokenizer, tmp_path: Path) -> None:
    # One with versions in it, the number forgotten, is the likeliest.
    (tmp_path / "models" / "1").mkdir(parents=True)
    (tmp_path / "models" / "1" / "saved_model.pb").write_text("kept")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="holds other things than a SavedModel"):
            layer.export(tmp_path / "models", overwrite=overwrite)
    assert (tmp_path / "models" / "1" / "saved_model.pb").read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["models"]


def test_an_export_is_whole_or_not_there(layer: TFGPT2Tokenizer, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("old")
    (tmp_path / "1" / "mine").write_text("kept")
    with pytest.raises(FileExistsError, match="overwrite"):
        layer.export(tmp_path / "1")
    with pytest.raises(TokenizerError, match="max_length"):
        layer.export(tmp_path / "2", max_length=0)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tf.io, "TFRecordWriter", full)
        with pytest.raises(OSError, match="No space"):
            layer.export(tmp_path / "1", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1"]
    assert (tmp_path / "1" / "mine").read_text() == "kept"
    layer.export(tmp_path / "1", overwrite=True)
    assert sorted(p.name for p in (tmp_path / "1").iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1"]


def _prediction_log_class() -> Any:
    """`PredictionLog` from its published schema, so that the hand-written bytes are read by protobuf itself."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="serving", syntax="proto3")

    def message(name: str, *fields: tuple[int, str, str | None], parent: Any = None) -> Any:
        made = (parent.nested_type if parent else file.message_type).add(name=name)
        for number, label, kind in fields:
            repeated = label.startswith("*")
            made.field.add(
                name=label.lstrip("*"),
                number=number,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type=field.TYPE_MESSAGE
                if kind and kind != "bytes"
                else field.TYPE_BYTES
                if kind
                else field.TYPE_STRING,
                type_name=kind if kind and kind != "bytes" else None,
            )
        return made

    message("ModelSpec", (1, "name", None), (3, "signature_name", None))
    request = message(
        "PredictRequest",
        (1, "model_spec", ".serving.ModelSpec"),
        (2, "*inputs", ".serving.PredictRequest.InputsEntry"),
    )
    entry = message("InputsEntry", (1, "key", None), (2, "value", "bytes"), parent=request)
    entry.options.map_entry = True
    message("PredictLog", (1, "request", ".serving.PredictRequest"))
    message("PredictionLog", (6, "predict_log", ".serving.PredictLog"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("serving.PredictionLog"))


def test_the_warm_up_file_is_what_serving_reads(saved: Path) -> None:
    records = [
        r.numpy() for r in tf.data.TFRecordDataset(str(saved / "assets.extra" / "tf_serving_warmup_requests"))
    ]
    kind = _prediction_log_class()
    loaded = tf.saved_model.load(str(saved))
    asked: list[str] = []
    texts: list[bytes] = []
    batches: list[int] = []
    for record in records:
        log = kind.FromString(record)
        assert log.SerializeToString(deterministic=True) == kind.FromString(
            log.SerializeToString()
        ).SerializeToString(deterministic=True)
        request = log.predict_log.request
        asked.append(request.model_spec.signature_name)
        inputs = {
            name: tf.constant(tf.make_ndarray(tensor_pb2.TensorProto.FromString(value)))
            for name, value in request.inputs.items()
        }
        assert loaded.signatures[request.model_spec.signature_name](**inputs)
        texts += inputs["text"].numpy().tolist() if "text" in inputs else []
        batches.append(sum(map(len, texts)))
    assert asked == ["tokenize", "detokenize"] * (len(asked) // 2)
    # What takes a branch of its own, each in some request: see the branches of merging.py, pretokens.py, added.py.
    assert any(b"<|endoftext|>" in text for text in texts)
    assert any(text != text.decode(errors="replace").encode() for text in texts)
    assert any("\u3000" in text.decode(errors="replace") for text in texts)
    assert any(b"'" in text for text in texts)
    assert max(b - a for a, b in itertools.pairwise([0, *batches])) > 4096


def test_saved_model_cli_runs_it(saved: Path, monkeypatch: Any, capsys: Any) -> None:
    arguments = ["--dir", str(saved), "--tag_set", "serve", "--signature_def", "tokenize"]
    given = ["--input_exprs", "text=[b'Hello world', b'Hi']"]
    monkeypatch.setattr(sys, "argv", ["saved_model_cli", "run", *arguments, *given])
    with pytest.raises(SystemExit):
        saved_model_cli.main()
    assert "[[15496   995]\n [17250 50256]]" in capsys.readouterr().out
