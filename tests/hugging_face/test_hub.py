"""Models of the Hugging Face hub, with the hub on disk."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hf_files import rich
from hf_oracle import Kind, both, small

from gpt2tok import GPT2TokenizerFast


@both
def test_a_hub_id_needs_the_extra(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'gpt2tok\[hub\]'"):
        kind.from_pretrained("someone/some-model")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A hub on disk: a model is a directory."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    calls: list[dict[str, Any]] = []

    def download(model: str, name: str, **options: Any) -> str:
        calls.append({"name": name, **options})
        path = tmp_path / "hub" / model / (options.get("subfolder") or "") / name
        if not (tmp_path / "hub" / model).is_dir():
            error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
            OSError.__init__(error, "no such model")
            raise error
        if not path.is_file():
            raise EntryNotFoundError.__new__(EntryNotFoundError)
        return str(path)

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub", calls


@both
def test_a_hub_id(kind: Kind, hub: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, calls = hub
    rich(lambda **a: small(kind, **a)).save_pretrained(folder / "someone" / "model" / "sub")
    loaded = kind.from_pretrained(
        "someone/model", subfolder="sub", revision="v2", token="secret", cache_dir="c"
    )
    assert loaded.mask_token_id == small(kind).vocab_size + 4
    assert calls[0]["revision"] == "v2" and calls[0]["token"] == "secret" and calls[0]["cache_dir"] == "c"
    with pytest.raises(OSError, match="'someone/model' has no tokenizer's files"):
        kind.from_pretrained("someone/model")
    with pytest.raises(OSError, match=r"cannot fetch tokenizer_config\.json of 'nobody/model'"):
        kind.from_pretrained("nobody/model")
    (folder / "someone" / "half").mkdir()
    (folder / "someone" / "half" / "vocab.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"'someone/half' has vocab\.json, but a tokenizer needs"):
        kind.from_pretrained("someone/half")


@both
@pytest.mark.parametrize("missing", ["tokenizer_config.json", "vocab.json", "added_tokens.json"])
def test_a_file_of_which_the_hub_says_nothing_is_not_taken_for_missing(
    kind: Kind, hub: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Neither an answer nor a copy in the cache: going on without the file could change the tokenizer silently."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    folder, _ = hub
    rich(lambda **a: small(kind, **a)).save_pretrained(folder / "someone" / "model")
    assert issubclass(LocalEntryNotFoundError, EntryNotFoundError), "so the order of the two matters"
    download = huggingface_hub.hf_hub_download

    def offline(model: str, name: str, **options: Any) -> str:
        if name == missing:
            raise LocalEntryNotFoundError("the cache has no such file, and outgoing traffic is disabled")
        return download(model, name, **options)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    place = rf"cannot tell whether 'someone/model' has {re.escape(missing)}"
    with pytest.raises(OSError, match=place + ".*cannot be reached.*give the path of a directory") as caught:
        kind.from_pretrained("someone/model")
    assert isinstance(caught.value.__cause__, LocalEntryNotFoundError)


def test_the_hub_is_imported_only_for_a_hub_id(
    hub: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, calls = hub
    monkeypatch.setitem(sys.modules, "huggingface_hub", types.ModuleType("broken"))
    GPT2TokenizerFast.from_pretrained("gpt2")
    assert not calls
