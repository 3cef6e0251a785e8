"""Saving that fails, whatever the reason, leaves what was there; and nothing that is opened stays open."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from checkpoint_files import FORMATS, SAFE, copied, golden_config, golden_weights, write_golden
from checkpoint_refusals import QUICK
from gpt2model import CheckpointError
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.converting import convert
from gpt2model.checkpoints.saving import save_together
from gpt2tok.files import Writer


@pytest.mark.parametrize("format", ["safetensors", "keras-hub"])
def test_a_save_that_fails_changes_nothing(tmp_path: Path, format: str) -> None:
    """The process may write no file above 30 kB, as on a full disk; the old files must be what they were."""
    target = tmp_path / "target"
    convert(SAFE, target, format)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from gpt2model.checkpoints.converting import convert\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import gpt2model.checkpoints.keras_hub_writing, gpt2model.checkpoints.safetensors_writing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "for place in sys.argv[3:]:\n"
        "    try: convert(Path(sys.argv[2]), Path(place), sys.argv[1])\n"
        "    except OSError as error: print(error.filename, error)\n"
    )
    command = [sys.executable, "-c", code, format, SAFE, target, tmp_path / "new" / "folder"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=QUICK)
    assert [line.count("cannot save") for line in done.stdout.splitlines()] == [1, 1], (
        done.stdout + done.stderr
    )
    assert done.stdout.count("untouched") == 2
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_between_the_first_rename_and_the_last_there_is_nothing_but_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syncing takes milliseconds, and a process killed between two renames leaves old files beside new ones."""
    calls = []

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (calls.append(name), call(*arguments))[1]

    monkeypatch.setattr(os, "replace", noted("rename", os.replace))
    monkeypatch.setattr(os, "fsync", noted("sync", os.fsync))
    large = Writer(lambda path: Path(path).write_bytes(b"2"), room=1)
    for content in (b"1", b"3"):
        saved = save_together(tmp_path, {"a": content, "b": large, "c": content})
        assert [path.read_bytes() for path in saved] == [content, b"2", content]
        assert calls == ["sync"] * 3 + ["rename"] * 3 + ["sync"]
        calls.clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_source_that_breaks_on_the_way_changes_nothing(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["transformer.ln_f.bias"][3] = np.nan
    source = write_golden(tmp_path / "m", weights)
    for format in ("safetensors", "keras-hub"):
        with pytest.raises(CheckpointError, match=r"transformer\.ln_f\.bias"):
            convert(source, tmp_path / "new" / format, format)
    assert not (tmp_path / "new").exists()


def test_files_that_would_be_read_instead(tmp_path: Path) -> None:
    target = tmp_path / "t"
    convert(SAFE, target, "safetensors")
    for format in ("keras-hub", "keras", "weights.h5"):
        with pytest.raises(FileExistsError, match=r"model\.safetensors would be read instead"):
            convert(SAFE, target, format)
    with pytest.raises(CheckpointError, match=r"no layer_norm_epsilon=0\.001"):
        config = {**golden_config(), "layer_norm_epsilon": 1e-3}
        convert(write_golden(tmp_path / "eps", config=config), tmp_path / "hub", "keras-hub")
    assert not (tmp_path / "hub").exists()


def test_an_unwritable_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError):
            convert(SAFE, target, "safetensors")
    assert (tmp_path / "file").read_bytes() == b""


def test_a_shard_size_that_is_none() -> None:
    from gpt2model.checkpoints.safetensors_writing import shard_bytes

    for size in (0, -1, "0GB", "GB", "1", "1TB", "-1GB", "1 GB 2", 1.5, True, None, "9" * 99 + "GB"):
        with pytest.raises(ValueError, match="max_shard_size"):
            shard_bytes(size)  # type: ignore[arg-type]


def test_resources_are_let_go(tmp_path: Path) -> None:
    """Opening in a loop, well or badly, must not use up the process's files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    bad = copied("huggingface_tf_h5", tmp_path)
    with h5py.File(bad / "tf_model.h5", "r+") as file:
        file["elsewhere"] = h5py.SoftLink("/transformer")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 100), hard))
    try:
        for _ in range(60):
            with open_checkpoint(FORMATS / "huggingface_tf_h5") as checkpoint:
                checkpoint.read("transformer.ln_f.bias")
            with pytest.raises(CheckpointError):
                open_checkpoint(bad)
            with open_checkpoint(FORMATS / "huggingface_safetensors_sharded") as checkpoint:
                checkpoint.read("transformer.ln_f.bias")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
