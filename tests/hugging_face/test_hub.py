"""Models of the Hugging Face hub: what is asked of it, and what its cache is good for. The hub is one of our own."""

from __future__ import annotations

import shutil
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hf_files import rich
from hf_oracle import Kind, both, small

from gpt2tok import GPT2TokenizerFast
from hub_server import closed, run, serving

CODE = """
import sys
import gpt2tok
kind, name, *options = sys.argv[1:]
try:
    tokenizer = getattr(gpt2tok, kind).from_pretrained(name, **dict(option.split("=") for option in options))
    print(len(tokenizer), tokenizer.mask_token_id)
except (OSError, ValueError) as error:
    print(type(error).__name__, error)
"""
NAMES = ("tokenizer_config.json", "tokenizer.json", "vocab.json", "merges.txt", "special_tokens_map.json")


@both
def test_a_hub_id_needs_the_extra(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'gpt2tok\[hub\]'"):
        kind.from_pretrained("someone/some-model")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with a mask token of its own, whole and in parts."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = rich(lambda **a: small(GPT2TokenizerFast, **a))
    for place in ("whole", "below/sub"):
        tokenizer.save_pretrained(folder / place)
    (folder / "half").mkdir()
    shutil.copy(folder / "whole" / "vocab.json", folder / "half")
    return folder


@pytest.fixture
def hub(models: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub, and what was asked of it."""
    with serving({f"someone/{name}": models / name for name in ("whole", "below", "half")}) as hub:
        yield hub


@both
@pytest.mark.parametrize(("name", "options"), [("whole", ()), ("below", ("subfolder=sub", "revision=main"))])
def test_once_fetched_a_tokenizer_needs_no_hub(
    kind: Kind, name: str, options: tuple[str, ...], hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    """The listing asks once, every file once; the cache remembers also which files there are not."""
    address, asked = hub
    expected = f"{small(kind).vocab_size + 5} {small(kind).vocab_size + 4}"

    def load(endpoint: str, **environment: str) -> tuple[str, str]:
        arguments = (kind.__name__, f"someone/{name}", *options)
        return run(CODE, *arguments, endpoint=endpoint, cache=tmp_path, **environment)

    assert load(address) == (expected, "")
    files = [line.rpartition("/")[2] for line in asked if line.startswith("GET /someone")]
    assert sum(line.startswith("GET /api/") for line in asked) == 1
    assert len(files) == len(set(files)) and set(files) >= set(NAMES)
    before = len(asked)
    assert load(closed()) == (expected, "")
    assert load(address, HF_HUB_OFFLINE="1") == (expected, "")
    assert len(asked) == before


def test_what_the_cache_does_not_know_is_said(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    """Files that another program fetched: going on without one could change the tokenizer, and never silently."""
    address, _ = hub
    some = """
from huggingface_hub import hf_hub_download
for name in ("vocab.json", "merges.txt"):
    hf_hub_download("someone/whole", name)
"""
    run(some, endpoint=address, cache=tmp_path)
    size = small(GPT2TokenizerFast).vocab_size
    said = run(CODE, "GPT2TokenizerFast", "someone/whole", endpoint=closed(), cache=tmp_path)
    assert said[0].split()[0] == str(size)
    for word in (
        "UserWarning",
        "without tokenizer_config.json, tokenizer.json",
        "gives no answer",
        "someone/whole",
    ):
        assert word in said[1], said[1]
    (tmp_path / "hub/models--someone--whole/snapshots").joinpath(
        "0123456789abcdef0123456789abcdef01234567", "merges.txt"
    ).unlink()
    said = run(CODE, "GPT2TokenizerFast", "someone/whole", endpoint=closed(), cache=tmp_path)
    for word in (
        "OSError",
        "has vocab.json of it",
        "merges.txt",
        "is not known",
        "load it once with a connection",
    ):
        assert word in said[0], said[0]


@both
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody/model", ("OSError", "'nobody/model'", "check the name", "hf auth login")),
        ("broken/model", ("OSError", "503", "gives no answer", "hf download broken/model")),
        ("someone/below", ("OSError", "'someone/below' has no tokenizer's files", "subfolder=")),
        ("someone/half", ("FileNotFoundError", "'someone/half' has vocab.json, but a tokenizer needs")),
        ("a name!", ("OSError", "that is no name there", "no directory here")),
    ],
)
def test_a_tokenizer_that_cannot_be_had(
    kind: Kind, name: str, words: tuple[str, ...], hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = hub
    answer, _ = run(CODE, kind.__name__, name, endpoint=address, cache=tmp_path)
    assert all(word in answer for word in words), answer
    assert len(asked) <= 9, asked


def test_no_hub_at_all(tmp_path: Path) -> None:
    begin = time.monotonic()
    answer, noise = run(CODE, "GPT2TokenizerFast", "some/unreachable-id", endpoint=closed(), cache=tmp_path)
    assert answer.startswith("OSError") and answer.count("\n") == 0
    for word in ("some/unreachable-id", "127.0.0.1", "hf download", "HF_HUB_OFFLINE", "not in the cache"):
        assert word in answer, answer
    assert "Retry" not in noise
    assert time.monotonic() - begin < 60


def test_the_hub_is_imported_only_for_a_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", types.ModuleType("broken"))
    GPT2TokenizerFast.from_pretrained("gpt2")
