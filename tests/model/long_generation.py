"""A thousand random generations, the fast way beside the slow ones. Minutes, so no test: run it by hand.

    KERAS_BACKEND=jax python tests/model/long_generation.py [--configs 1000] [--each 20] [--first 0] [--only METHOD]

A configuration is a random model, prompt, padding and set of options: greedy search, sampling, contrastive search,
guessing ahead, a sliding window, cross-attention; compiled, with a cache. Its judge is the plain uncached way
(`plain.py`), and for greedy search transformers, too (PyTorch, live). Beams come on top, a tenth as many: judged by
transformers, and diverse ones by the paper's words in plain Python.

What a program is compiled for (model, processors, methods) is drawn once for `--each` configurations; everything that
a program is given (prompts, lengths, numbers, seeds) is drawn for each. Ids must be the same, scores and logits near.
Prints how many of each method there were and which differ; ends with 1 if any does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # of programs that run for milliseconds
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Threads that share out a product of 16 by 16 numbers only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import torch._dynamo  # before TensorFlow, else its compiler crashes

# isort: split
import numpy as np
from helpers import BACKEND, array, twins

VOCABULARY, POSITIONS = 40, 48
KEEP = {"output_scores": True, "output_logits": True, "return_dict_in_generate": True}
NEAR = 1e-4
# For each ten programs; beams come on top.
METHODS = (
    "greedy",
    "greedy",
    "greedy",
    "sampling",
    "sampling",
    "sampling",
    "sampling",
    "contrastive",
    "sliding",
)
METHODS = (*METHODS, "guessing")
BEAMS = ("beams", "beams", "diverse")
PENALTIES = {"frequency_penalty", "presence_penalty"}

Random = np.random.Generator
Options = dict[str, Any]


def some(random: Random, choices: Options, share: float) -> Options:
    return {name: value for name, value in choices.items() if random.random() < share}


def tokens(random: Random, count: int, vocabulary: int = VOCABULARY) -> list[int]:
    return [int(token) for token in random.integers(0, vocabulary, count)]


class Kind:
    """What one program is compiled for: a model, a method, the options that are part of a program."""

    def __init__(self, number: int, method: str) -> None:
        random = np.random.default_rng([6, number, len(method)])
        self.method, self.number = method, number
        fields: Options = {
            "vocab_size": VOCABULARY,
            "n_positions": POSITIONS,
            "n_embd": 16,
            "n_layer": 2,
            "n_head": 2,
        }
        flags = {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True, "n_inner": 24}
        flags |= {"activation_function": "relu", "tie_word_embeddings": False, "scale_attn_weights": False}
        fields |= some(random, flags, 0.2)
        if method == "sampling" and random.random() < 0.3:
            fields["vocab_size"] = 1200  # more than the tokens among which a border is looked for first
        if method == "sliding":
            fields["n_positions"] = int(random.integers(6, 17))
        self.crossing = method in {"greedy", "sampling", "sliding"} and random.random() < 0.2
        fields |= {"add_cross_attention": True} if self.crossing else {}
        none = {"eos_token_id": None, "bos_token_id": None}
        self.ours, self.theirs = twins("GPT2LMHeadModel", seed=number, **fields, **none)
        self.vocabulary = fields["vocab_size"]
        self.rows = 1 if method == "guessing" else int(random.integers(1, 4))
        self.fixed = self._fixed(random)
        self.given = some(random, dict.fromkeys(GIVEN, True), 0.25)
        if method == "beams":  # transformers has neither penalty
            self.given = {name: True for name in self.given if name not in PENALTIES}
        self.known = not self.crossing and not PENALTIES & set(self.given)
        if method == "sampling":
            self.given |= some(random, dict.fromkeys(CUTS, True), 0.5)
        if method == "guessing":
            guess = {"num_assistant_tokens": int(random.integers(1, 4)), "assistant_model": None}
            self.fixed |= (
                guess if random.random() < 0.5 else {"prompt_lookup_num_tokens": int(random.integers(1, 4))}
            )
            if "assistant_model" in guess and "assistant_model" in self.fixed:
                fields |= {"n_layer": 1}
                self.fixed["assistant_model"] = twins("GPT2LMHeadModel", seed=number + 1, **fields, **none)[0]
        else:
            self.fixed |= KEEP

    def _fixed(self, random: Random) -> Options:
        size, method = self.vocabulary, self.method
        ends = tokens(random, int(random.integers(1, 3)), size)
        fixed: Options = {"pad_token_id": 3}  # not 0, which transformers' beams take for none
        fixed |= {} if method == "diverse" else {"eos_token_id": ends}
        shaping = {
            "no_repeat_ngram_size": int(random.integers(1, 4)),
            "suppress_tokens": tokens(random, 3, size),
            "begin_suppress_tokens": tokens(random, 9, size),
            "bad_words_ids": [tokens(random, count, size) for count in (1, 2, 2, 3)],
            "sequence_bias": [
                [tokens(random, count, size), float(random.normal() * 4)] for count in (1, 2, 2)
            ],
            "forced_eos_token_id": tokens(random, 1, size),
            "forced_bos_token_id": tokens(random, 1, size)[0],
            "renormalize_logits": True,
            "remove_invalid_values": True,
        }
        fixed |= {} if method == "diverse" else some(random, shaping, 0.2)
        if method == "contrastive":
            fixed["top_k"] = int(random.integers(2, 7))
        if method == "sampling":
            fixed |= {"do_sample": True, "num_return_sequences": int(random.integers(1, 3))}
        if method in {"guessing", "sliding"} and random.random() < 0.5:
            fixed["do_sample"] = True
        if method == "sliding":
            fixed |= {"sliding_window": True}
        if method == "beams":
            fixed["num_beams"] = int(random.integers(2, 5))
            fixed["early_stopping"] = [True, False, "never"][int(random.integers(0, 3))]
            fixed["num_return_sequences"] = int(random.integers(1, fixed["num_beams"] + 1))
        if method == "diverse":
            fixed |= {"num_beams": 4, "num_beam_groups": 2, "num_return_sequences": 4}
        return fixed

    def drawn(self, index: int) -> tuple[np.ndarray, Options]:
        """A prompt and the options of one call."""
        random = np.random.default_rng([66, self.number, len(self.method), index])
        long = self.method == "sliding"
        width = int(random.integers(1, 17))
        most = int(random.integers(1, 33 if long else 17))
        ids = random.integers(0, self.vocabulary, (self.rows, width)).astype("int32")
        mask = np.ones_like(ids)
        if self.rows > 1:
            mask[0, : int(random.integers(0, width))] = 0
        options = {name: GIVEN[name](random, width, most) for name in self.given if name in GIVEN}
        options |= {name: CUTS[name](random) for name in self.given if name in CUTS}
        options |= {"max_new_tokens": most, "attention_mask": mask, "seed": int(random.integers(0, 1 << 31))}
        if self.method == "contrastive":
            options["penalty_alpha"] = float(random.uniform(0.05, 1.0))
        if self.method == "beams":
            options["length_penalty"] = float(random.uniform(-1.0, 2.0))
        if self.method == "diverse":
            options = {"max_new_tokens": min(most, 5), "diversity_penalty": float(random.uniform(0.1, 2.0))}
            options["attention_mask"] = np.ones_like(ids)  # the pad token may stand in a prompt
        if self.method == "sliding":
            options["window_stride"] = int(random.integers(1, self.ours.config.n_positions + 1))
        if self.crossing:
            states = random.standard_normal((self.rows, int(random.integers(1, 9)), 16)).astype("float32")
            options["encoder_hidden_states"] = states
        return ids, self.fixed | options


# Numbers that a program is given, drawn from the random numbers, the prompt's width and the new tokens at most.
GIVEN: dict[str, Callable[[Random, int, int], Any]] = {
    "repetition_penalty": lambda random, width, most: float(random.uniform(0.6, 2.5)),
    "frequency_penalty": lambda random, width, most: float(random.normal()),
    "presence_penalty": lambda random, width, most: float(random.normal()),
    "min_new_tokens": lambda random, width, most: int(random.integers(1, most + 1)),
    "min_length": lambda random, width, most: int(random.integers(1, width + most + 1)),
    "exponential_decay_length_penalty": lambda random, width, most: (
        int(random.integers(0, 6)),
        float(random.uniform(0.8, 1.6)),
    ),
}
CUTS: dict[str, Callable[[Random], Any]] = {
    "temperature": lambda random: float(random.uniform(0.3, 2.0)),
    "top_k": lambda random: int(random.integers(0, 30)),
    "top_p": lambda random: float(random.uniform(0.0, 1.0)),
    "min_p": lambda random: float(random.uniform(0.001, 0.3)),
    "typical_p": lambda random: float(random.uniform(0.2, 0.99)),
    "epsilon_cutoff": lambda random: float(random.uniform(0.0001, 0.05)),
    "eta_cutoff": lambda random: float(random.uniform(0.0001, 0.05)),
}


class Answer:
    """What a call gave: ids, scores and logits, or the words of its error."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.ids: Any = None
        self.steps: dict[str, np.ndarray] = {}
        try:
            output = call()
        except ValueError as error:  # random options may leave no token to choose
            self.ids = str(error)
            return
        self.ids = array(getattr(output, "sequences", output)).tolist()
        for name in ("scores", "logits"):
            if getattr(output, name, None):
                self.steps[name] = np.stack([array(step) for step in getattr(output, name)]).astype("float64")
        if getattr(output, "sequences_scores", None) is not None:
            self.steps["sequences_scores"] = array(output.sequences_scores).astype("float64")

    def differs(self, other: Answer) -> str:
        """In what; empty: in nothing."""
        if isinstance(self.ids, str) and "No token was left" not in self.ids:
            return self.ids
        if self.ids != other.ids:
            return f"ids {self.ids} and {other.ids}"
        for name in self.steps.keys() & other.steps.keys():
            left, right = self.steps[name], other.steps[name]
            if left.shape != right.shape or not np.array_equal(np.isneginf(left), np.isneginf(right)):
                return f"{name}: refused tokens, or shapes {left.shape} and {right.shape}"
            finite = np.isfinite(left)
            # Relative, too: a penalty of 2.5 or a decay makes large numbers.
            if not np.allclose(left[finite], right[finite], rtol=NEAR, atol=NEAR):
                return f"{name} by {np.abs(left[finite] - right[finite]).max()}"
        return ""


def by_transformers(kind: Kind, ids: np.ndarray, options: Options) -> Answer:
    options = {name: value for name, value in options.items() if name != "seed"}
    if "sequence_bias" in options:
        options["sequence_bias"] = {tuple(key): value for key, value in options["sequence_bias"]}
    options["attention_mask"] = torch.tensor(options["attention_mask"])
    return Answer(lambda: kind.theirs.generate(torch.tensor(ids).long(), do_sample=False, **options))


def by_the_paper(kind: Kind, ids: np.ndarray, options: Options) -> Any:
    """Diverse beam search (Vijayakumar et al. 2016), every row by itself: plain sums, for there is no end token."""
    found = []
    for row in ids.tolist():
        held: list[list[tuple[float, list[int]]]] = [[(0.0, row)], [(0.0, row)]]
        for _ in range(options["max_new_tokens"]):
            taken = torch.zeros(kind.vocabulary, dtype=torch.float64)
            for index in range(2):
                longer = []
                for total, said in held[index]:
                    with torch.no_grad():
                        logits = kind.theirs(torch.tensor([said])).logits[0, -1].double()
                    log = torch.log_softmax(logits, dim=-1) - options["diversity_penalty"] * taken
                    longer += [(total + value, [*said, token]) for token, value in enumerate(log.tolist())]
                held[index] = sorted(longer, key=lambda pair: -pair[0])[:2]
                for _, said in held[index]:
                    taken[said[-1]] += 1
        found += [said for _, said in sorted(held[0] + held[1], key=lambda pair: -pair[0])]
    return found


def until_the_end(found: Answer, kind: Kind, width: int) -> None:
    """Leave out the scores of contrastive search after a row's end: nobody says which hidden states follow it."""
    if kind.method == "contrastive" and not isinstance(found.ids, str):
        new = np.array(found.ids)[:, width:]  # (rows, steps)
        ended = (np.isin(new, kind.fixed["eos_token_id"]).cumsum(axis=1) > 0)[:, :-1].T
        for name in ("scores", "logits"):
            found.steps[name][1:][ended] = 0.0


def compared(kind: Kind, index: int) -> dict[str, str]:
    """From each judge of a configuration to the difference, empty for none."""
    ids, options = kind.drawn(index)
    got = Answer(lambda: kind.ours.generate(ids, **options))
    if kind.method == "beams":
        return {"transformers": got.differs(by_transformers(kind, ids, options))}
    if kind.method == "diverse":
        expected = by_the_paper(kind, ids, options)
        return {"the paper": "" if got.ids == expected else f"ids {got.ids} and {expected}"}
    alone = {name: value for name, value in options.items() if name not in GUESSES}
    plain = Answer(lambda: kind.ours.generate(ids, use_cache=False, **alone))
    for found in (got, plain):
        until_the_end(found, kind, ids.shape[1])
    judges = {"plain": got.differs(plain)}
    if index % 5 == 0 and kind.method != "guessing":  # step by step, with a look between the steps
        watched = Answer(lambda: kind.ours.generate(ids, max_time=1e6, **options))
        until_the_end(watched, kind, ids.shape[1])
        judges["watched"] = got.differs(watched)
    if kind.method == "greedy" and kind.known and not isinstance(got.ids, str):
        judges["transformers"] = got.differs(by_transformers(kind, ids, options))
    return judges


GUESSES = {"assistant_model", "prompt_lookup_num_tokens", "num_assistant_tokens"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--configs", type=int, default=1000, help="configurations beside the plain way")
    parser.add_argument("--each", type=int, default=20, help="configurations of one program")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first program: other numbers, other runs"
    )
    parser.add_argument("--only", choices=sorted({*METHODS, *BEAMS}), help="this method, and no other")
    arguments = parser.parse_args()
    begun, last = time.monotonic(), 0.0
    count: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    wrong = 0
    programs = -(-arguments.configs // arguments.each)
    beams = -(-programs // 10)
    plan = [(number, METHODS[number % len(METHODS)]) for number in range(programs)]
    plan += [(number, BEAMS[number % len(BEAMS)]) for number in range(beams)]
    plan = [(number, method) for number, method in plan if arguments.only in {None, method}]
    left = arguments.configs
    for number, method in plan:
        kind = Kind(arguments.first + number, method)
        size = arguments.each if method in BEAMS else min(arguments.each, left)
        left -= 0 if method in BEAMS else size
        for index in range(size):
            count[method] += 1
            for judge, difference in compared(kind, index).items():
                judged[judge] += 1
                if difference:
                    wrong += 1
                    print(
                        f"DIFFERS from {judge}: {method}, program {kind.number}, configuration {index}: {difference}"
                    )
                    print(f"    {kind.drawn(index)[1]}", flush=True)
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(
                f"{sum(count.values())} configurations, {wrong} differences, {last - begun:.0f} s", flush=True
            )
    print(f"{BACKEND}: {dict(count)}")
    print(f"compared with {dict(judged)}; {wrong} differences; {time.monotonic() - begun:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
