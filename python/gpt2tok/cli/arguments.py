"""What may stand on the command line.

Owns every command's options, their help and examples. Refuses to do the work, and to import what does it
before a command is chosen: `--help`, `--version` and a typing error answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from gpt2tok._core import __version__
from gpt2tok.cli import generate_arguments
from gpt2tok.cli.option_kinds import add_special_choice, positive
from gpt2tok.cli.overwriting import add_overwrite
from gpt2tok.cli.problems import UsageError
from gpt2tok.cli.stdout import print_text


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command; `run` among them is the function to call with the result.

    Raises:
        UsageError: the arguments make no command.
        SystemExit: `--help` or `--version` has been answered.
    """
    parser = _Parser(
        prog="gpt2tok",
        description="GPT-2's tokenizer: text to token ids and back; and texts completed by a model.",
        epilog="Give `gpt2tok COMMAND --help` for the options and examples of a command.\n\n"
        "Exit codes: 0 done, 1 bad data or a failing system, 2 wrong usage. A reader of the output that goes away\n"
        "(| head) and Ctrl-C end the command without a word, as a shell reports those signals: 141 and 130.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gpt2tok {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for add in (
        _add_encode,
        _add_decode,
        _add_count,
        _add_convert,
        _add_show,
        _add_train,
        _add_stats,
        _add_generate,
        _add_serve,
    ):
        add(commands)
    options, unknown = parser.parse_known_args(arguments)
    # argparse takes a list of files in one place only: what stands behind an option is of the same list.
    if unknown and hasattr(options, "files") and not any(word.startswith("-") for word in unknown):
        options.files += unknown
        unknown = []
    # Not argparse's own two errors: one names the help that lists no option of the command, the other hides it.
    if unknown:
        _refuse_unknown(commands.choices.get(options.command, parser), unknown[0])
    if options.command is None:
        parser.error(f"a command is missing: give {', '.join(commands.choices)}")
    return options


def _refuse_unknown(command: _Parser, unknown: str) -> NoReturn:
    import difflib  # No other command line waits for it.

    known = set(re.findall(r"(?<![\w-])--[a-z-]+", command.format_help()))
    if not unknown.startswith("-"):
        is_text = command.prog.endswith(" generate")
        mend = "a prompt is one text, right behind DIR: put it in quotes" if is_text else "leave it out"
        command.error(f"unrecognized arguments: {unknown}: {mend}")
    option = unknown.partition("=")[0]
    if option in known:  # ... and yet not recognized: it stands before the command.
        command.error(f"{option} stands before the command: give `{command.prog} {option} ...`")
    close = difflib.get_close_matches(option, known, n=1)
    mend = f": did you mean {close[0]}?" if close else ""
    command.error(f"unrecognized arguments: {unknown}{mend}")


def _add_encode(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "encode",
        "write the token ids of texts",
        """
  gpt2tok encode -t "Hello world"                     15496 995
  gpt2tok encode --ids-per-line notes.txt | head      one id on each line
  gpt2tok encode --raw -o train.bin part1.txt part2.txt
                                                      uint16, for numpy.fromfile("train.bin", "<u2")
  cat *.md | gpt2tok encode --json --errors replace   {"file": "-", "ids": [...]}""",
    )
    _add_inputs(parser, "TEXT", "encode this text instead of files")
    _add_text_options(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="a JSON object for each input, on a line of its own"
    )
    form.add_argument("--ids-per-line", action="store_true", help="one id on each line")
    form.add_argument(
        "--raw", action="store_true", help="bare little-endian integers, uint16 if the vocabulary fits"
    )
    _add_dtype(parser)
    _add_output(parser)


def _add_decode(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "decode",
        "write the text of token ids, byte for byte",
        """
  gpt2tok decode -i "15496 995"                       Hello world
  gpt2tok encode notes.txt | gpt2tok decode | cmp - notes.txt
  gpt2tok decode --raw train.bin -o train.txt         uint16, as `encode --raw` writes it
  gpt2tok decode --json -i "15496 995"                "Hello world"
  echo '{"ids": [15496, 995]}' | gpt2tok decode       JSON is recognised""",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="ids as text, JSON or raw; - or none: standard input"
    )
    parser.add_argument(
        "-i", "--ids", metavar="IDS", dest="text", action=_Once, help="decode these ids instead of files"
    )
    _add_vocab(parser)
    parser.add_argument("--raw", action="store_true", help="read bare little-endian integers")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a JSON string for each input, on a line of its own; bytes that are not UTF-8 as U+FFFD",
    )
    _add_dtype(parser)
    _add_output(parser)


def _add_count(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "count",
        "count tokens, for each file and in total",
        """
  gpt2tok count *.md                                  like wc
  gpt2tok count --json notes.txt                      bytes and tokens
  git diff | gpt2tok count                            does it fit the context?""",
    )
    _add_inputs(parser, "TEXT", "count this text instead of files")
    _add_text_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object with bytes and tokens")


def _add_convert(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "convert",
        "save a vocabulary in another format",
        """
  gpt2tok convert gpt2 my-gpt2/                       vocab.json and merges.txt in a directory
  gpt2tok convert my-gpt2/ tokenizer.json             for the tokenizers library
  gpt2tok convert gpt2 - --to tiktoken | gzip         to standard output
  gpt2tok convert tokenizer.json gpt2.tiktoken        ranks, for tiktoken, without special tokens
  gpt2tok convert --special '<|endoftext|>=50256' gpt2.tiktoken my-gpt2/

What was written is read back and compared before it is put in place, whole or not at all.""",
    )
    parser.add_argument(
        "source", metavar="FROM", help="gpt2, a directory, a tokenizer.json or a .tiktoken file"
    )
    parser.add_argument("target", metavar="TO", help="a directory, *.json, *.tiktoken, or - with --to")
    parser.add_argument(
        "--to",
        choices=("vocab", "tokenizer.json", "tiktoken"),
        help="the format to write, where TO's name does not tell (vocab: vocab.json and merges.txt)",
    )
    _add_special(parser)
    add_overwrite(parser)


def _add_show(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "show",
        "show tokens in colours",
        """
  gpt2tok show -t "Hello world"
  gpt2tok show --ids --bytes -t "naïve 日本語"          what each token is made of
  gpt2tok show --color always --limit 200 notes.txt | less -R
  gpt2tok show --json -t "Hi"
                              [{"id": 17250, "bytes": "4869", "text": "Hi", "start": 0, "end": 2}]""",
    )
    _add_inputs(parser, "TEXT", "show this text instead of files")
    _add_text_options(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="a JSON list of the tokens of each input, on a line of its own: id, bytes in hexadecimal, text, and"
        " start and end in bytes of the text's UTF-8",
    )
    parser.add_argument("--ids", action="store_true", help="the id below each token")
    parser.add_argument("--bytes", action="store_true", help="the bytes below each token, in hexadecimal")
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set (default)",
    )
    parser.add_argument(
        "--width", type=positive, metavar="N", help="columns to fill (default: the terminal's)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N tokens of each input")


def _add_train(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "train",
        "learn a vocabulary from texts",
        """
  gpt2tok train poems.txt -o poems/ --vocab-size 8000
                                                      vocab.json and merges.txt in a directory
  gpt2tok train --field text corpus.jsonl -o tokenizer.json --vocab-size 32000
  zcat corpus.gz | gpt2tok train - -o mine.tiktoken --vocab-size 50257
  gpt2tok train --whole-files src/*.py -o code/ --vocab-size 16000
                                                      line feeds and indentation in one token

The merges are those of tokenizers' BpeTrainer (ByteLevel, no prefix space). Nothing is saved before all is learned.""",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="UTF-8 text, or JSON lines with --field; - : standard input"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="TO",
        required=True,
        action=_Once,
        help="a directory, *.json (tokenizer.json) or *.tiktoken; whole or not at all",
    )
    parser.add_argument(
        "--vocab-size",
        metavar="N",
        required=True,
        type=positive,
        help="ids in all, bytes and special tokens too",
    )
    parser.add_argument(
        "--to",
        choices=("vocab", "tokenizer.json", "tiktoken"),
        help="the format, where TO's name does not tell",
    )
    add_overwrite(parser)
    special = parser.add_mutually_exclusive_group()
    special.add_argument(
        "--special",
        dest="special_tokens",
        metavar="TEXT",
        action="append",
        help="a special token; may be repeated (default: <|endoftext|>)",
    )
    special.add_argument("--no-special", action="store_true", help="no special token at all")
    parser.add_argument(
        "--min-frequency",
        metavar="N",
        type=positive,
        default=0,
        help="merge no pair seen less often than this",
    )
    parser.add_argument(
        "--max-token-length",
        metavar="N",
        type=positive,
        help="tokens of three bytes and more stay shorter than N bytes",
    )
    parser.add_argument(
        "--max-pretokens",
        metavar="N",
        type=positive,
        help="keep at most N distinct pretokens in memory (50 to 150 bytes each): the rarest are dropped, and a note"
        " says how many",
    )
    parser.add_argument("--field", metavar="NAME", help="files are JSON lines: this field is the text")
    parser.add_argument(
        "--whole-files",
        action="store_true",
        help="a file is one text (default: each line is, as for tokenizers)",
    )
    _add_errors(parser)
    _add_threads(parser)


def _add_stats(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(
        commands,
        "stats",
        "say how well a vocabulary fits texts",
        """
  gpt2tok stats poems/ poems.txt                      bytes per token, unused entries, longest tokens
  gpt2tok stats poems/ --against gpt2 poems.txt       two vocabularies on the same text
  gpt2tok stats poems/ --against gpt2 --picture tokens.png poems.txt
                                                      a histogram of the tokens' lengths (needs matplotlib)""",
    )
    parser.add_argument(
        "vocab",
        metavar="VOCAB",
        help="gpt2, a directory, a tokenizer.json or a .tiktoken file",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="UTF-8 text; - or none: standard input")
    parser.add_argument("--against", metavar="VOCAB", help="compare with this vocabulary")
    parser.add_argument(
        "--picture",
        metavar="FILE",
        action=_Once,
        help="draw the histogram: .png, .svg or .pdf, whole or not at all",
    )
    parser.add_argument(
        "--longest",
        metavar="N",
        type=positive,
        default=10,
        help="how many of the longest tokens to show (default 10)",
    )
    parser.add_argument("--field", metavar="NAME", help="files are JSON lines: this field is the text")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    _add_errors(parser)
    _add_threads(parser)


def _add_generate(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = _command(commands, "generate", generate_arguments.PURPOSE, generate_arguments.EXAMPLES)
    generate_arguments.add(parser)


def _add_serve(commands: argparse._SubParsersAction[_Parser]) -> None:
    from gpt2tok.cli.serve import add_options

    add_options(
        _command(
            commands,
            "serve",
            "answer TensorFlow Serving's REST requests from a SavedModel",
            """
  gpt2tok serve models/gpt2/1                         http://127.0.0.1:8501/v1/models/gpt2:predict
  gpt2tok serve models/gpt2 --port 0                  the last version, at a port that is free
  curl -d '{"instances": ["Hello"]}' http://127.0.0.1:8501/v1/models/gpt2:predict""",
        )
    )


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, purpose: str, examples: str
) -> _Parser:
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # An option that is added later must not change what a script says today.
    )
    parser.set_defaults(run=lambda options: importlib.import_module(f"gpt2tok.cli.{name}").run(options))
    return parser


def _add_inputs(parser: _Parser, metavar: str, text_help: str) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="UTF-8 text; - or none: standard input")
    parser.add_argument("-t", "--text", metavar=metavar, action=_Once, help=text_help)


def _add_text_options(parser: _Parser) -> None:
    _add_vocab(parser)
    add_special_choice(parser, "the text")
    _add_errors(parser)
    _add_threads(parser)


def _add_errors(parser: _Parser) -> None:
    parser.add_argument(
        "--errors",
        choices=("strict", "replace"),
        default="strict",
        help="bytes that are not UTF-8: an error that says where (default), or U+FFFD",
    )


def _add_threads(parser: _Parser) -> None:
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all cores)")


def _add_vocab(parser: _Parser) -> None:
    parser.add_argument(
        "--vocab",
        default="gpt2",
        metavar="PATH",
        help="a directory with vocab.json and merges.txt or with tokenizer.json, a tokenizer.json, or a"
        " .tiktoken file (default: gpt2, which is built in)",
    )
    _add_special(parser)


def _add_special(parser: _Parser) -> None:
    parser.add_argument(
        "--special",
        dest="special_tokens",
        action=_Special,
        type=_special_token,
        default={},
        metavar="TEXT=ID",
        help="a special token of a .tiktoken file, which holds none itself; may be repeated",
    )


def _add_dtype(parser: _Parser) -> None:
    parser.add_argument(
        "--dtype", choices=("uint16", "uint32"), help="the integers of --raw, which it implies"
    )


def _add_output(parser: _Parser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="FILE", action=_Once, help="write here, whole or not at all"
    )


def _special_token(text: str) -> tuple[str, int]:
    token, _, number = text.rpartition("=")
    if not token or not number.isdecimal() or len(number) > 10:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a special token and its id, like '<|endoftext|>=50256'"
        )
    return token, int(number)


class _Once(argparse.Action):
    """Of two texts, or two outputs, argparse would forget the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"argument {'/'.join(self.option_strings)}: given twice: give it once")
        setattr(namespace, self.dest, values)


class _Special(argparse.Action):
    """A dict of special tokens, of which none may get two ids."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        token, token_id = values
        given: dict[str, int] = getattr(namespace, self.dest)
        if token in given:
            parser.error(f"argument {option_string}: {token!r} is given twice: give it once")
        setattr(namespace, self.dest, {**given, token: token_id})


class _Parser(argparse.ArgumentParser):
    """Complains in one line, through the exit that every error takes, and prints as everything is printed."""

    def _print_message(self, message: str, file: object = None) -> None:
        # For --help and --version. argparse's own passes over a full disk and a closed pipe in silence.
        print_text(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")
