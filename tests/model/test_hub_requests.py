"""What is asked of the Hugging Face hub, and how often? Counted by a hub of our own, and by none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import BACKEND

from checkpoint_files import FORMATS, PICKLE, SAFE
from hub_server import closed, run, serving

pytestmark = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")
MODELS = {
    "someone/tiny": SAFE,
    "someone/sharded": FORMATS / "huggingface_safetensors_sharded",
    "someone/flax": FORMATS / "huggingface_flax_msgpack",
    "someone/pickled": PICKLE,
}
CODE = """
import sys
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.locating import locate
try:
    with open_checkpoint(locate(sys.argv[1])) as checkpoint:
        print(len(checkpoint.names()))
except (OSError, ValueError) as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """The address of a hub, and what was asked of it."""
    with serving(MODELS) as hub:
        yield hub


def load(model: str, endpoint: str, cache: Path, **environment: str) -> str:
    return run(CODE, model, endpoint=endpoint, cache=cache, **environment)[0]


@pytest.mark.parametrize(
    ("model", "files"), [("someone/tiny", 2), ("someone/sharded", 6), ("someone/flax", 2)]
)
def test_a_model_is_listed_once_and_its_files_fetched(
    hub: tuple[str, list[str]], tmp_path: Path, model: str, files: int
) -> None:
    address, asked = hub
    assert load(model, address, tmp_path) == "28"
    assert sum(line.startswith("GET /api/") for line in asked) == 1
    fetched = [line.rpartition("/")[2] for line in asked if line.startswith("GET /someone")]
    assert len(fetched) == len(set(fetched)) == files
    assert len(asked) == 1 + 2 * files
    # What is in the cache needs no hub any more.
    assert load(model, closed(), tmp_path) == "28"
    assert load(model, address, tmp_path, HF_HUB_OFFLINE="1") == "28"
    assert len(asked) == 1 + 2 * files


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nobody/nothing", ["OSError", "nobody/nothing", "check the name", "hf auth login"]),
        ("broken/model", ["OSError", "503", "gives no answer", "hf download broken/model"]),
        ("someone/pickled", ["CheckpointError", "pytorch_model.bin, which is a pickle", "python -c"]),
    ],
)
def test_a_model_that_cannot_be_had(
    hub: tuple[str, list[str]], tmp_path: Path, model: str, words: list[str]
) -> None:
    address, asked = hub
    answer = load(model, address, tmp_path)
    assert all(word in answer for word in words), answer
    assert len(asked) <= 3, asked


def test_no_hub_at_all(tmp_path: Path) -> None:
    begin = time.monotonic()
    answer = load("some/unreachable-id", closed(), tmp_path)
    assert answer.startswith("OSError") and answer.count("\n") == 0
    for word in ("some/unreachable-id", "127.0.0.1", "hf download", "HF_HUB_OFFLINE", "not in the cache"):
        assert word in answer
    assert time.monotonic() - begin < 60
    answer = load("some/unreachable-id", closed(), tmp_path, HF_HUB_OFFLINE="1")
    assert "not in the cache" in answer and "offline" in answer.lower()


@pytest.mark.parametrize(
    "name",
    [
        "nodir/", "./x", "/x", "../x", "~/x", "a/b/", "a\\b", ".\\x", "here/gone", "a/b/c", "gone.safetensors",
        "gone/model.keras", ".", "..", "here/", "gone/pytorch_model.bin",
    ],
)  # fmt: skip
def test_a_path_is_never_asked_of_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    from gpt2model import CheckpointError, GPT2LMHeadModel

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    for method in ("hf_hub_download", "HfApi"):
        monkeypatch.setattr(huggingface_hub, method, lambda *_, **__: pytest.fail("the hub was asked"))
    is_there = Path(name).is_dir()
    with pytest.raises(
        CheckpointError if is_there else FileNotFoundError,
        match="no weights among" if is_there else "no such directory or file",
    ):
        GPT2LMHeadModel.from_pretrained(name)
