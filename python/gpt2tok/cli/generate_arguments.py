"""What may stand behind `gpt2tok generate`.

Owns the command's options, their ranges, help and examples, and which option of a generation each one is. Refuses to
do the work (`generate.py`), and to judge options together: the model's package does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gpt2tok.cli.option_kinds import add_special_choice, positive, whole

PURPOSE = "complete texts with a GPT-2 checkpoint"

EXAMPLES = """
  gpt2tok generate my-gpt2/ "def fibonacci(n):" --max-new-tokens 60
  gpt2tok generate my-gpt2/ "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 1
  gpt2tok generate my-gpt2/ "Q: Why? A:" --stop "Q:" --only-new
  gpt2tok generate my-gpt2/ "The" --sample --num-return-sequences 3 --json
  gpt2tok generate my-gpt2/ - < prompts.jsonl > answers.jsonl

The text appears as it is made, in whole characters. - reads prompts from standard input, one JSON string or object
({"prompt": "..."}) on each line, and answers with one JSON object on each line.

Options that nobody gives are those of the checkpoint's generation_config.json, else greedy search of 20 tokens.
--temperature, --top-k, --top-p, --min-p and --seed mean sampling (but --top-k with --penalty-alpha)."""

# Options of the command that are options of a generation, by their names there.
OPTIONS = {
    "max_new_tokens": "--max-new-tokens",
    "temperature": "--temperature",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "num_return_sequences": "--num-return-sequences",
    "num_beams": "--num-beams",
    "penalty_alpha": "--penalty-alpha",
    "repetition_penalty": "--repetition-penalty",
    "no_repeat_ngram_size": "--no-repeat-ngram-size",
    "stop_strings": "--stop",
    "sliding_window": "--sliding-window",
    "do_sample": "--sample",
    "seed": "--seed",
    "weights": "--weights",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Put all of them into the command's parser."""
    parser.add_argument(
        "model",
        metavar="DIR",
        help="the checkpoint: any directory or file that `gpt2model inspect` can read",
    )
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        default="",
        help="the text to go on with; - : prompts as JSON lines on standard input (default: none, a new text)",
    )
    natural, share, real = whole(0), _real(0.0, 1.0), _real(0.0)
    length = parser.add_argument_group("how long")
    length.add_argument("--max-new-tokens", metavar="N", type=positive, help="tokens at most (default 20)")
    length.add_argument(
        "--stop",
        dest="stop_strings",
        metavar="TEXT",
        action="append",
        help="end before this text; may be repeated",
    )
    length.add_argument(
        "--sliding-window",
        action="store_true",
        default=None,
        help="go on past the model's last position, forgetting the oldest half of what it sees (otherwise an error)",
    )
    way = parser.add_argument_group("which way")
    chance = way.add_mutually_exclusive_group()
    chance.add_argument("--sample", dest="do_sample", action="store_true", default=None, help="draw tokens")
    chance.add_argument(
        "--greedy", dest="do_sample", action="store_false", help="take the likeliest token each time"
    )
    way.add_argument("--temperature", metavar="T", type=real, help="below 1 sharper, above 1 flatter")
    way.add_argument("--top-k", metavar="K", type=natural, help="draw from the K likeliest; 0: from all")
    way.add_argument("--top-p", metavar="P", type=share, help="draw from the likeliest that make up P")
    way.add_argument(
        "--min-p", metavar="P", type=share, help="draw from those P times as likely as the likeliest"
    )
    way.add_argument("--seed", metavar="N", type=natural, help="the same seed draws the same text")
    way.add_argument(
        "--num-return-sequences", metavar="N", type=positive, help="so many texts for each prompt"
    )
    way.add_argument("--num-beams", metavar="N", type=positive, help="beam search")
    way.add_argument(
        "--penalty-alpha", metavar="A", type=share, help="contrastive search among the --top-k likeliest"
    )
    way.add_argument(
        "--repetition-penalty", metavar="X", type=real, help="above 1: what was said is less likely"
    )
    way.add_argument("--no-repeat-ngram-size", metavar="N", type=natural, help="no N tokens come twice")
    shape = parser.add_argument_group("what comes out")
    shape.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show the text while it is made (default where there is one text, not as JSON; --no-stream is faster)",
    )
    shape.add_argument("--only-new", action="store_true", help="without the prompt")
    shape.add_argument(
        "--json", action="store_true", help='{"prompt", "sequence", "text"} for each text, on a line'
    )
    machine = parser.add_argument_group("by what")
    machine.add_argument(
        "--weights",
        choices=("float32", "bfloat16", "int8"),
        help="the form to compute with (default float32)",
    )
    machine.add_argument(
        "--backend",
        choices=("jax", "tensorflow", "torch"),
        help="the framework (default: KERAS_BACKEND, else the first of these that is installed)",
    )
    machine.add_argument(
        "--vocab",
        metavar="PATH",
        help="the vocabulary (default: DIR's own, else gpt2 where it fits the model)",
    )
    add_special_choice(machine, "a prompt")


def _real(low: float, high: float | None = None) -> Callable[[str], float]:
    def real(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= (1e9 if high is None else high):
            border = f"from {low:g} on" if high is None else f"from {low:g} to {high:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {border}")
        return number

    return real
