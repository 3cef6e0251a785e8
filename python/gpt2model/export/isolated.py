"""How is a model of another backend exported? Its weights and its tokenizer go, as files, to a process of TensorFlow's.

Owns both ends of that: `exported_elsewhere` here, and `main` there. Keras has one backend a process; and TensorFlow
beside PyTorch in one process is a risk of its own. Refuses the export itself (`writing.py`).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpt2tok import TokenizerError

from ..errors import CheckpointError, ContextLengthError, GenerationConfigError
from ..vocabulary import vocabulary_of
from .options import ExportOptions
from .texts import bytes_of

_RAISED = {
    kind.__name__: kind
    for kind in (
        CheckpointError,
        ContextLengthError,
        FileExistsError,
        GenerationConfigError,
        ImportError,
        OSError,
        TokenizerError,
        TypeError,
        ValueError,
    )
}


def exported_elsewhere(
    model: Any,
    tokenizer: Any,
    directory: Path,
    options: ExportOptions,
    *,
    warm_up_texts: Sequence[str | bytes] | None,
    overwrite: bool,
) -> None:
    """`write_generator` in a process of its own.

    Raises:
        RuntimeError: the process failed by no fault of the arguments; its last words are in the message.
        Others: as `export_text_generator` has them.
    """
    with tempfile.TemporaryDirectory(prefix="gpt2model-export-") as place:
        folder = Path(place)
        model.save_pretrained(folder / "model")
        if hasattr(tokenizer, "get_config"):  # TFGPT2Tokenizer
            (folder / "layer.json").write_text(json.dumps(tokenizer.get_config()), "utf-8")
        else:
            tokenizer.save_pretrained(folder / "tokenizer")
        texts = None
        if warm_up_texts is not None:
            texts = [base64.b64encode(bytes_of(text)).decode() for text in warm_up_texts]
        job = {
            "class": type(model).__name__,
            "directory": str(directory),
            "options": options.to_dict(),
            "warm_up_texts": texts,
            "overwrite": overwrite,
        }
        (folder / "job.json").write_text(json.dumps(job), "utf-8")
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-c", "from gpt2model.export.isolated import main; main()", str(folder)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return
        told = folder / "error.json"
        if told.is_file():
            error = json.loads(told.read_text("utf-8"))
            raise _RAISED[error["kind"]](error["message"])
        raise RuntimeError(
            f"the process that builds the TensorFlow graph failed with status {run.returncode}: {run.stderr[-2000:]}"
        )


def main() -> None:
    """The other end: reads the folder that the command line names, and exports."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text("utf-8"))
    try:
        _export(folder, job)
    except tuple(_RAISED.values()) as error:
        kind = next(name for name in (base.__name__ for base in type(error).__mro__) if name in _RAISED)
        (folder / "error.json").write_text(json.dumps({"kind": kind, "message": str(error)}), "utf-8")
        sys.exit(1)


def _export(folder: Path, job: dict[str, Any]) -> None:
    import gpt2model
    from gpt2tok import GPT2TokenizerFast
    from gpt2tok.tf import TFGPT2Tokenizer

    from .writing import write_generator

    model = getattr(gpt2model, job["class"]).from_pretrained(folder / "model")
    if (folder / "layer.json").is_file():
        layer = TFGPT2Tokenizer.from_config(json.loads((folder / "layer.json").read_text("utf-8")))
        vocabulary = vocabulary_of(layer)
    else:
        tokenizer = GPT2TokenizerFast.from_pretrained(folder / "tokenizer")
        layer, vocabulary = TFGPT2Tokenizer.from_tokenizer(tokenizer), vocabulary_of(tokenizer)
    texts = job["warm_up_texts"]
    write_generator(
        model,
        layer,
        vocabulary,
        job["directory"],
        ExportOptions.from_dict(job["options"]),
        warm_up_texts=None if texts is None else [base64.b64decode(text) for text in texts],
        overwrite=job["overwrite"],
    )
