"""Is what `make demo` shows true, and does what it keeps stay whole?

Owns the whole road, walked by a tiny model in processes of its own, whose figures tiktoken, tokenizers and transformers
judge; and each proof, which must fail where it should.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiktoken
import tokenizers

import gpt2tok

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
sys.path.append(str(SCRIPTS))

from demo import (  # noqa: E402
    __main__,
    completing,
    corpus,
    curve,
    held_out,
    progress,
    road,
    shown,
    tokenizing,
    training,
    vocabulary,
)
from demo.settings import NEW_TOKENS, QUICK  # noqa: E402

# --- the whole road -----------------------------------------------------------------------------------------


class Walk:
    """A run of the demo in a process of its own, with a model that learns for seconds."""

    def __init__(self, folder: Path, *, until: str | None = None) -> None:
        command = [sys.executable, SCRIPTS / "demo", "--quick", "--folder", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if until is not None and until in line:
                process.send_signal(signal.SIGINT)  # what Ctrl-C does
                break
        rest, self.stderr = process.communicate(timeout=300)
        self.shown = "".join(lines) + rest
        self.code = process.returncode
        self.files = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def interrupted(folder: Path) -> Walk:
    return Walk(folder, until="  step ")


@pytest.fixture(scope="module")
def walk(folder: Path, interrupted: Walk) -> Walk:
    return Walk(folder)


@pytest.fixture(scope="module")
def own() -> corpus.Corpus:
    return corpus.split(corpus.library(), QUICK.train_bytes, QUICK.held_out_bytes)


def test_ctrl_c_leaves_no_half_checkpoint(interrupted: Walk) -> None:
    assert (interrupted.code, interrupted.stderr) == (1, "interrupted\n")
    assert "  step " in interrupted.shown and "proven: decode" in interrupted.shown
    assert interrupted.files == ["tensorflow.log"]


def test_the_road_is_walked_to_its_end(walk: Walk) -> None:
    assert (walk.code, walk.stderr) == (0, "")
    assert walk.shown.startswith(f"gpt2tok {gpt2tok.__version__}, Python ")
    assert re.findall(r"^== (\d)", walk.shown, re.MULTILINE) == ["1", "2", "3", "4"]
    assert len(re.findall("^  proven: ", walk.shown, re.MULTILINE)) == 8
    assert "training a checkpoint, since none has been kept" in walk.shown
    kept = {
        "model.safetensors",
        "config.json",
        "vocab.json",
        "merges.txt",
        "tokenizer.json",
        "made_from.json",
    }
    assert {f"checkpoint/{name}" for name in kept} | {"loss.png", "savedmodel/1/saved_model.pb"} <= set(
        walk.files
    )


def test_the_figures_of_tokenization_are_true(walk: Walk, tiktoken_gpt2: tiktoken.Encoding) -> None:
    for token_id in tiktoken_gpt2.encode(tokenizing.GREETING):
        assert re.search(rf"\b{token_id}\b", walk.shown)
    library = corpus.first((text for _, text in corpus.library()), road.TOKENIZED_BYTES)
    for name, documents in (("library of Python: ", library), ("languages: ", corpus.multilingual())):
        part = walk.shown.split(name)[1].split("\n\n")[0]
        tokens = sum(map(len, tiktoken_gpt2.encode_ordinary_batch(documents)))
        counts = {int(n.replace(",", "")) for n in re.findall(r"([\d,]+) tokens at [\d,.]+ MB/s", part)}
        assert counts == {tokens}
        assert len(re.findall("  proven: (slow == fast|decode)", part)) == 2
        size = sum(len(text.encode()) for text in documents)
        assert f"{len(documents):,} texts, {size / 1e6:.2f} MB" in part


def test_the_figures_of_the_vocabulary_are_true(
    walk: Walk, folder: Path, own: corpus.Corpus, tiktoken_gpt2: tiktoken.Encoding
) -> None:
    judge = tokenizers.Tokenizer.from_file(str(folder / "checkpoint" / "tokenizer.json"))
    size = sum(len(text.encode()) for text in own.held_out)
    tokens = sum(len(judge.encode(text).ids) for text in own.held_out)
    assert f"this vocabulary     512 ids   {size / tokens:.2f}\n" in walk.shown
    tokens = sum(map(len, tiktoken_gpt2.encode_ordinary_batch(own.held_out)))
    assert f"GPT-2's          50,257 ids   {size / tokens:.2f}\n" in walk.shown


JUDGE = """
import json, sys
from collections import Counter
from math import log2
import torch
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

folder, texts, positions, batch = sys.argv[1], json.load(sys.stdin), int(sys.argv[2]), int(sys.argv[3])
tokenizer, model = Tokenizer.from_file(folder + "/tokenizer.json"), GPT2LMHeadModel.from_pretrained(folder)
end = tokenizer.token_to_id("<|endoftext|>")
train, ids = ([i for text in part for i in [end, *tokenizer.encode(text).ids]] for part in texts)
rows = (len(ids) - 1) // (positions - 1) // batch * batch
windows = torch.tensor([ids[r * (positions - 1) :][:positions] for r in range(rows)])
with torch.no_grad():
    logits = model(windows).logits[:, :-1].reshape(-1, tokenizer.get_vocab_size())
aim = windows[:, 1:].reshape(-1)
bits = torch.nn.functional.cross_entropy(logits, aim, reduction="sum").item() / torch.log(torch.tensor(2.0)).item()
# In a byte-level vocabulary every character of an entry stands for one byte.
size = sum(len(tokenizer.id_to_token(i)) for i in aim.tolist() if i != end)
count, total = Counter(train), len(train) + tokenizer.get_vocab_size()
unigram = sum(-log2((count[i] + 1) / total) for i in aim.tolist())
print(json.dumps([bits / size, unigram / size, len(aim)]))
"""


def test_the_model_has_learned_what_the_demo_says_and_transformers_agrees(
    walk: Walk, folder: Path, own: corpus.Corpus
) -> None:
    command = [sys.executable, "-c", JUDGE, folder / "checkpoint", str(QUICK.n_positions), str(QUICK.batch)]
    texts = json.dumps([own.train, own.held_out])
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True, timeout=120)
    model, unigram, tokens = json.loads(done.stdout.splitlines()[-1])
    assert model < unigram
    said = re.search(
        r"proven: ([\d.]+) bits per byte on ([\d,]+) held-out tokens, under the ([\d.]+) of", walk.shown
    )
    assert said is not None
    assert [float(said[1]), float(said[3])] == pytest.approx([model, unigram], abs=1e-3)
    assert int(said[2].replace(",", "")) == tokens


def test_the_curve_is_what_was_measured(walk: Walk, folder: Path) -> None:
    history = json.loads((folder / "checkpoint" / "made_from.json").read_text("utf-8"))["history"]
    reports = re.findall(
        r"  step +(\d+) +\d+ s +bits per byte: ([\d.]+) in training, ([\d.]+) held out", walk.shown
    )
    assert len(reports) == QUICK.reports
    assert reports[-1][0] == str(QUICK.steps)
    assert [(int(step), float(held)) for step, _, held in reports] == [
        (step, round(bits, 3)) for step, bits in history["held_out"]
    ]
    assert [step for step, _ in history["training"]] == list(range(10, QUICK.steps + 1, training.EVERY))
    bits = [bits for _, bits in history["training"]]
    assert bits[-1] < 0.9 * bits[0]  # It learns.


def test_the_saved_model_completes_the_prompts(walk: Walk, own: corpus.Corpus) -> None:
    part = walk.shown.split("== 4.")[1]
    made = re.search(r"from then on (\d+) tokens for 4 prompts take ([\d.]+) s: ([\d,]+) tokens/s", part)
    assert made is not None and 4 <= int(made[1]) <= 4 * NEW_TOKENS
    completions = part.split("\n\n")[1:-1]
    assert len(completions) == len(completing.PROMPTS)
    for prompt, completion in zip(completing.PROMPTS, completions, strict=True):
        text = "\n".join(line.removeprefix("  | ").removeprefix("  |") for line in completion.splitlines())
        assert text.startswith(prompt.rstrip()) and len(text) > len(prompt) + 5
    ids = re.search(
        r"proven: ids in the graph == ids of the Rust core on [\d.]+ MB of held-out files, ([\d,]+) ", part
    )
    assert ids is not None
    tokens = sum(map(len, gpt2tok.train(own.train, QUICK.vocab_size).encode_batch(own.held_out)))
    assert int(ids[1].replace(",", "")) == tokens
    assert "proven: that process has loaded nothing of this project" in part


def test_a_second_run_starts_from_the_checkpoint(walk: Walk, folder: Path) -> None:
    weights = folder / "checkpoint" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    again = Walk(folder, until="  drawn: ")
    assert (again.code, again.stderr) == (1, "interrupted\n")
    assert "from an earlier run on the same corpus with the same settings" in again.shown
    assert "  step " not in again.shown
    assert weights.stat().st_mtime_ns == before


# --- its parts ----------------------------------------------------------------------------------------------


def test_the_corpus_is_the_library_and_holds_some_of_it_out() -> None:
    files = corpus.library()
    names = [name for name, _ in files]
    assert {"os.py", "json/decoder.py", "asyncio/tasks.py"} <= set(names)
    assert not [name for name in names if name.startswith(("test/", "site-packages/", "encodings/"))]
    own = corpus.split(files, None, None)
    texts = [text for _, text in files]
    assert sorted(own.train + own.held_out) == sorted(texts)
    assert 0.02 < len(own.held_out) / len(texts) < 0.08
    backwards = corpus.split(reversed(files), None, None)  # by name, not by place
    assert sorted(backwards.held_out) == sorted(own.held_out)
    few = corpus.split(files, 100_000, 10_000)
    assert few.train == own.train[: len(few.train)] and few.held_out == own.held_out[: len(few.held_out)]
    assert corpus.bytes_of(few.train[:-1]) < 100_000 <= corpus.bytes_of(few.train)
    assert len({own.sha256(), backwards.sha256(), few.sha256()}) == 3


def test_an_interpreter_without_sources_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(corpus.sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(SystemExit, match="next to no sources of Python's standard library"):
        corpus.library()


def test_held_out_windows_foresee_every_token_once() -> None:
    encoding = gpt2tok.train(["naïve text, plain text"] * 3, 270)
    texts = ["naïve text, and more of it", "", "日本語 plain"] * 4
    ids, lengths = held_out.stream(encoding, texts), held_out.byte_lengths(encoding)
    assert ids.tolist() == [i for text in texts for i in [encoding.eot_token, *encoding.encode(text)]]
    assert int(lengths[ids].sum()) == sum(len(text.encode()) for text in texts)
    windows = held_out.cut(ids, lengths, 8, 2)
    rows = (len(ids) - 1) // 7 // 2 * 2
    assert windows.windows.shape == (rows, 8) and windows.tokens == rows * 7
    assert windows.windows[:, 1:].reshape(-1).tolist() == ids[1 : 1 + rows * 7].tolist()
    assert windows.windows[:, 0].tolist() == ids[: rows * 7 : 7].tolist()
    assert windows.byte_count == len(
        encoding.decode_bytes([i for i in ids[1 : 1 + rows * 7] if i != encoding.eot_token])
    )
    assert windows.bits_per_byte(np.log(2)) == pytest.approx(windows.tokens / windows.byte_count)
    some = held_out.cut(ids, lengths, 8, 2, 4)
    assert {tuple(row) for row in some.windows.tolist()} <= {tuple(row) for row in windows.windows.tolist()}
    assert len(some.windows) == 4
    with pytest.raises(ValueError, match="take more text"):
        held_out.cut(ids[:10], lengths, 8, 2)


def test_training_reads_each_window_once_before_any_again() -> None:
    settings = replace(QUICK, n_positions=5, batch=2, steps=12)
    rows = training.order(np.arange(100, dtype="int32"), settings)
    assert rows.shape == (12, 2, 5)
    flat = rows.reshape(-1, 5)
    assert (np.diff(flat, axis=1) == 1).all()  # Windows are whole.
    assert len({int(row[0]) // 5 for row in flat[:19]}) == 19
    assert not np.array_equal(np.sort(flat[:19, 0]), flat[:19, 0])  # They are shuffled.
    assert np.array_equal(rows, training.order(np.arange(100, dtype="int32"), settings))


def test_the_bar_says_how_far_and_how_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = progress.Bar(4)
    bar.step("1.00 bits per byte")
    assert bar.line(2.0, "x") == f"  [{'#' * 8}{'.' * 22}]  25%  x  6 s left"
    bar.wipe()
    assert capsys.readouterr().out == ""  # Nobody watches.
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    bar = progress.Bar(4)
    bar.step("x")
    bar.wipe()
    drawn = capsys.readouterr().out
    assert "25%" in drawn and drawn.endswith("\r\x1b[K")


def test_the_picture_shows_the_curves(tmp_path: Path) -> None:
    from matplotlib.image import imread

    history = training.History([(10, 3.0), (20, 2.5), (30, 2.0)], [(15, 2.9), (30, 2.2)], 1.0)
    curve.draw(history, 3.5, "a title", tmp_path / "loss.png")
    picture = (imread(str(tmp_path / "loss.png"))[:, :, :3] * 255).round().astype(int)

    def height_of(colour: str) -> float:
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        rows = np.nonzero((picture == wanted).all(axis=2))[0]
        assert len(rows) > 50
        return float(np.median(rows))

    assert height_of(curve.UNIGRAM) < height_of(curve.HELD_OUT)  # Rows count from the top.
    assert height_of(curve.UNIGRAM) < height_of(curve.TRAINING)


# --- proofs that do not hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["slow", "decode"])
def test_a_wrong_tokenizer_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    surface = gpt2tok.GPT2Tokenizer if broken == "slow" else gpt2tok.GPT2TokenizerFast
    real = surface.from_pretrained("gpt2")

    def call(texts: list[str]) -> Any:
        ids = real(texts)["input_ids"]
        wrong = [broken == "slow" and "wrong" in text for text in texts]
        return {"input_ids": [[0] if bad else row for bad, row in zip(wrong, ids, strict=True)]}

    class Faulty:
        @staticmethod
        def from_pretrained(_name: str, **_options: object) -> Any:
            return call

    if broken == "slow":
        monkeypatch.setattr(gpt2tok, "GPT2Tokenizer", Faulty)
    else:
        monkeypatch.setattr(surface, "batch_decode", lambda _self, rows: ["right", "other"][: len(rows)])
    assert tokenizing.compare("good", ["right"])
    assert not tokenizing.compare("bad", ["right", "wrong here"])
    said = capsys.readouterr().out
    assert said.count("DIFFERENT: ") == 1 and "not for text 1, which starts 'wrong here'" in said


def test_a_vocabulary_that_loses_text_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = corpus.Corpus(["low lower lowest"] * 3, ["slow", "lowest"])
    real = gpt2tok.train(own.train, 262)
    assert vocabulary.learn(own, 262)[1]
    faulty = SimpleNamespace(**{name: getattr(real, name) for name in dir(real) if not name.startswith("_")})
    faulty.decode_batch = lambda rows: [real.decode(row).replace("est", "er") for row in rows]
    monkeypatch.setattr(gpt2tok, "train", lambda *_args, **_options: faulty)
    assert not vocabulary.learn(own, 262)[1]
    assert "not for text 1, which starts 'lowest'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, said",
    [
        ({}, "proven: that process has loaded nothing of this project"),
        ({"ids": [[1], [2]]}, "DIFFERENT: ids in the graph"),
        ({"modules": ["gpt2tok", "sys"]}, "NOT SO: that process has loaded nothing of this project: gpt2tok"),
    ],
)
def test_wrong_answers_of_the_clean_process_are_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    encoding = gpt2tok.train(["low lower lowest"] * 3, 262)
    texts = ["low", "slow"]
    answer = {
        "continuations": [b"pass\n\xff".hex()] * len(completing.PROMPTS),
        "token_count": [2] * len(completing.PROMPTS),
        "ids": encoding.encode_batch(texts),
        "modules": ["sys", "tensorflow"],
        **dict.fromkeys(
            ("import_seconds", "load_seconds", "first_seconds", "seconds", "tokenize_seconds"), 0.5
        ),
    }
    monkeypatch.setattr(completing, "ask", lambda *_: {**answer, **change})
    assert completing.complete(Path("nowhere"), encoding, texts) == (not change)
    out = capsys.readouterr().out
    assert said in out and f"{2 * len(completing.PROMPTS)} tokens for" in out and "16 tokens/s" in out


def test_a_model_that_has_learned_nothing_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert road.learned(2.0, 2.5, 10)
    assert not road.learned(2.5, 2.5, 10) and not road.learned(float("nan"), 2.5, 10)
    assert capsys.readouterr().out.count("NOT SO: ") == 2


def test_missing_answers_are_no_proof() -> None:
    with pytest.raises(ValueError, match="shorter"):
        shown.check("claim", ["a", "b"], ["a"], ["a", "b"])


@pytest.mark.parametrize("holds", [True, False])
def test_the_exit_code_says_whether_all_proofs_held(monkeypatch: pytest.MonkeyPatch, holds: bool) -> None:
    for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "torch")  # so that the test leaves no trace
    monkeypatch.setattr(road, "walk", lambda *_: holds)
    assert __main__.main(["--quick"]) == (0 if holds else 1)


def test_without_tensorflow_the_rest_of_the_road_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(road, "TOKENIZED_BYTES", 1000)
    monkeypatch.setattr(road, "find_spec", lambda name: None if name == "tensorflow" else object())
    assert road.walk(QUICK, tmp_path)
    said = capsys.readouterr().out
    assert said.count("proven: ") == 4 and "needs tensorflow, which this environment lacks" in said
    assert "== 2." not in said and list(tmp_path.iterdir()) == []
