"""The command `gpt2model`: checkpoints looked into and converted.

Owns the options, their help, the printed form of an inspection, and the exit codes: 0 done, 1 bad data or a
failing system, 2 wrong usage, 130 Ctrl-C, 141 a reader that went away. Refuses to read or write weights:
`gpt2model.checkpoints` does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, final

from gpt2tok.cli.backends import choose_backend
from gpt2tok.cli.overwriting import add_overwrite
from gpt2tok.cli.problems import UsageError
from gpt2tok.cli.quiet import keep_tensorflow_quiet

from .extras import extra_named

DONE, DATA_ERROR, USAGE_ERROR, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141
_WRITTEN_BY_KERAS = ("keras", "weights.h5")  # by a model, and so on a framework


@final
class _UsageError(Exception):
    """The command line asks for what cannot be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Arguments:
        arguments: the command line after the program's name; by default that of this process.

    Example:
        >>> main(["--version"]) == DONE  # doctest: +ELLIPSIS
        gpt2model ...
        True
    """
    try:
        options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
        if arguments is None:  # Only where the process is ours.
            keep_tensorflow_quiet()
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always", UserWarning)
            with extra_named("this command"):
                code: int = options.run(options)
        for note in notes:
            if issubclass(note.category, UserWarning):
                _explain("note", note.message)
        sys.stdout.flush()
    except SystemExit:  # argparse, after --help and --version: its errors are _UsageErrors.
        return DONE
    except (_UsageError, UsageError) as error:
        return _explain("error", error, USAGE_ERROR)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        with suppress(
            OSError, AttributeError, ValueError
        ):  # The interpreter's last flush must find no broken pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except MemoryError:
        return _explain(
            "error", "out of memory: give --max-shard-size, or convert on a larger machine", DATA_ERROR
        )
    except OSError as error:
        text = (
            f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename and error.strerror else error
        )
        return _explain("error", text, DATA_ERROR)
    except (ValueError, ImportError) as error:
        return _explain("error", error, DATA_ERROR)
    return code


def _explain(kind: str, text: object, code: int = DONE) -> int:
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"gpt2model: {kind}: {' '.join(str(text).split())}\n")
        sys.stderr.flush()
    return code


@final
class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> _Parser:
    from gpt2tok import __version__

    parser = _Parser(
        prog="gpt2model",
        description="GPT-2's checkpoints: what is in them, and from one format to another.",
        epilog="Give `gpt2model COMMAND --help` for the options and examples of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gpt2model {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_inspect(commands)
    _add_convert(commands)
    return parser


_SOURCES = """
A checkpoint is a directory or a file of: Hugging Face safetensors (one or sharded), tf_model.h5,
flax_model.msgpack, OpenAI's model.ckpt with hparams.json, a keras-hub preset, .keras or .weights.h5; or an id
on the Hugging Face hub."""


def _add_inspect(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "inspect",
        "show what a checkpoint holds, and whether it is sound",
        f"""
  gpt2model inspect my-gpt2/                          format, class, configuration, every tensor
  gpt2model inspect --check my-gpt2/                  also read every number: NaN, infinity, broken bytes
  gpt2model inspect --json my-gpt2/ | jq .config      one JSON object
{_SOURCES}
The exit code is 1 when weights and configuration disagree.""",
    )
    parser.add_argument(
        "source", metavar="FROM", help="a directory, a weight file or an id on the Hugging Face hub"
    )
    parser.add_argument("--check", action="store_true", help="read every number")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_hub(parser)
    parser.set_defaults(run=_inspect)


def _add_convert(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "convert",
        "save a checkpoint in another format",
        f"""
  gpt2model convert models/124M/ my-gpt2/             OpenAI's checkpoint, for transformers
  gpt2model convert my-gpt2/ preset/ --format keras-hub
  gpt2model convert my-gpt2/ my-gpt2.keras            for keras.saving.load_model
  gpt2model convert openai-community/gpt2-xl xl/ --dtype bfloat16 --max-shard-size 1GB
{_SOURCES}
A tokenizer beside FROM goes along. Files appear whole or not at all.""",
    )
    parser.add_argument(
        "source", metavar="FROM", help="a directory, a weight file or an id on the Hugging Face hub"
    )
    parser.add_argument("target", metavar="TO", help="a directory, made if it is not there, or NAME.keras")
    parser.add_argument(
        "--format",
        choices=("safetensors", "keras-hub", "keras", "weights.h5"),
        help="the format to write (default: safetensors, or keras where TO ends in .keras)",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="the numbers' type (default: as they are)"
    )
    parser.add_argument(
        "--max-shard-size",
        metavar="SIZE",
        help="split safetensors above this, which is also what memory holds (default: 5GB)",
    )
    add_overwrite(parser)
    _add_hub(parser)
    parser.set_defaults(run=_convert)


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, purpose: str, examples: str
) -> _Parser:
    return commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_hub(parser: _Parser) -> None:
    parser.add_argument(
        "--revision", default="main", help="on the hub: a branch, tag or commit (default: main)"
    )


def _inspect(options: argparse.Namespace) -> int:
    from .checkpoints import open_checkpoint
    from .checkpoints.inspecting import describe
    from .checkpoints.locating import locate

    with open_checkpoint(locate(options.source, revision=options.revision)) as checkpoint:
        found = describe(checkpoint, check=options.check)
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else "\n".join(_lines(found)))
    for fault in found["faults"]:
        _explain("error", fault)
    return DATA_ERROR if found["faults"] else DONE


def _convert(options: argparse.Namespace) -> int:
    from .checkpoints.converting import convert
    from .checkpoints.locating import locate
    from .checkpoints.safetensors_writing import shard_bytes

    target = Path(options.target)
    is_archive = target.suffix == ".keras"
    kind = options.format or ("keras" if is_archive else "safetensors")
    if is_archive and kind != "keras":
        raise _UsageError(f"TO is a .keras file and --format is {kind}: give a directory")
    size = options.max_shard_size
    if size is not None:
        if kind != "safetensors":
            raise _UsageError(f"--max-shard-size is for safetensors, not for {kind}")
        try:
            size = shard_bytes(int(size) if size.isdecimal() else size)
        except ValueError as error:
            raise _UsageError(str(error)) from error
    if kind in _WRITTEN_BY_KERAS:
        choose_backend()
    source = locate(options.source, revision=options.revision)
    for path in convert(
        source, target, kind, dtype=options.dtype, max_shard_size=size, overwrite=options.overwrite
    ):
        print(path)
    return DONE


def _lines(found: dict[str, Any]) -> list[str]:
    """An inspection for people: what it is, the numbers that make it, and a table of its tensors."""
    from .checkpoints.messages import size_text

    head = "" if not found["tied_head"] else ", language-model head tied to the token embeddings"
    lines = [
        f"{found['place']}: {found['class']} as {found['format']}{head}",
        f"{found['parameters']:,} parameters, {size_text(found['bytes'])} of weights in"
        f" {', '.join(file['name'] for file in found['files'])}",
    ]
    if found["config"] is not None:
        shown = (
            "n_layer",
            "n_head",
            "n_embd",
            "n_positions",
            "vocab_size",
            "n_inner",
            "activation_function",
            "num_labels",
        )
        config = {**found["config"], "num_labels": len(found["config"]["id2label"])}
        lines.append("  ".join(f"{name}={config[name]}" for name in shown if config[name] is not None))
    rows = [("tensor", "shape", "dtype", "size")]
    rows += [
        (t["name"], " x ".join(map(str, t["shape"])), t["dtype"], size_text(t["bytes"]))
        for t in found["tensors"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines += [
        "",
        *(f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows),
    ]
    lines += _beside_the_weights(found["ignored"])
    for what in ("new", "unused"):
        if found[what]:
            lines.append(f"{what}: {', '.join(found[what])}")
    return lines


def _beside_the_weights(names: list[str]) -> list[str]:
    """What the file holds that is no weight, and no fault: of an optimizer there are twice as many as weights."""
    from .checkpoints.messages import listed

    trained = sum(name.startswith(("optimizer/", "_optimizer/")) for name in names)
    others = [name for name in names if not name.startswith(("optimizer/", "_optimizer/"))]
    return [
        *([f"beside the weights: the state of an optimizer, {trained} arrays"] if trained else []),
        *([f"beside the weights, and not needed: {listed(others)}"] if others else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
