"""A model and its tokenizer become one directory: the call, whatever backend the model lives on.

Owns the arguments, checked before any work, and the choice between this process and one of TensorFlow's. Refuses
everything else: the files beside this one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpt2tok import Encoding

from ..extras import extra_named
from ..generation.fields import flag
from ..vocabulary import FIELD, check_fit, vocabulary_of
from .isolated import exported_elsewhere
from .options import export_options


def export_text_generator(
    model: Any,
    tokenizer: Any,
    directory: str | os.PathLike[str],
    *,
    max_new_tokens: int | None = None,
    max_prompt_tokens: int | None = None,
    max_batch_size: int = 8,
    max_score_tokens: int | None = None,
    long_prompts: str = "cut",
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    eos_token_id: int | Sequence[int] | None = None,
    weights: str = "float32",
    xla: bool = True,
    skip_special_tokens: bool = True,
    warm_up_texts: Sequence[str | bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a SavedModel from string to string, for TensorFlow Serving, TensorFlow's C API, or Python.

    Its signatures, dimension 0 being the batch everywhere:
    `serving_default(text)` gives `continuation_bytes`;
    `generate(text, max_new_tokens, temperature, top_k, top_p, seed)`, one number of each for every text, gives
    `continuation_bytes`, `token_ids` [batch, most] (-1 where none is) and `token_count`;
    `score(text)` gives `log_probability`, `token_count` and `perplexity`;
    `tokenize(text)` and `detokenize(input_ids, attention_mask)` are `gpt2tok.tf.TFGPT2Tokenizer.export`'s.
    A text ends at an eos token, which is not part of it. What a text gets depends on no other text of its batch. A
    request out of bounds is InvalidArgument with the reason.

    Args:
        model: a `GPT2LMHeadModel` or `GPT2DoubleHeadsModel`, of any backend.
        tokenizer: a `GPT2TokenizerFast`, `GPT2Tokenizer` or `gpt2tok.tf.TFGPT2Tokenizer` whose ids the model knows.
        directory: made by this call. Servers expect a number as its last part: `models/gpt2/1`.
        max_new_tokens: most new tokens of a text, and what `serving_default` makes. None: the model's own
            `generation_config`, else 128 or half of its positions.
        max_prompt_tokens: most tokens of a prompt. None: what `n_positions` leaves beside the new tokens.
        max_batch_size: most texts of a request; with 1, float32 and bfloat16 weights lie as a lone text is continued
            fastest (about 8% for gpt2-small on two cores).
        max_score_tokens: most tokens of a text to be scored; None: 16 times `n_positions`.
        long_prompts: "cut" takes the beginning of a prompt that is too long away; "refuse" refuses it.
        temperature, top_k, top_p, seed: how `serving_default` samples. Temperature 0, the default of a model whose
            `generation_config` does not sample, takes the likeliest token; top_k 0 and top_p 1 keep all tokens.
        eos_token_id: ends a text; several may. None: the model's own.
        weights: "float32", "bfloat16" or "int8".
        xla: compile the model's part of the graph with XLA when it first runs, once for every size. TensorFlow
            Serving wants the flag `--xla_cpu_compilation_enabled=true` for that. False: core operations only.
        skip_special_tokens: leave special tokens out of continuations.
        warm_up_texts: prompts of the requests that a server replays before it takes traffic. None: one short prompt;
            an empty list: no warm-up file. Give prompts of the lengths you expect: each size is compiled once.
        overwrite: replace a SavedModel that is there. A directory of other things is never replaced.

    Raises:
        TypeError: an argument of the wrong kind.
        VocabError: the tokenizer is not the model's: it has ids that the model does not, or too few for its rows (see
            `gpt2model.vocabulary.most_padding`), or, where the model's configuration tells it, another hash.
        GenerationConfigError, ContextLengthError: an option out of range.
        TokenizerError: `warm_up_texts` are refused by what is exported, or the tokenizer fits no graph.
        FileExistsError: a SavedModel is there, and `overwrite` is False; or something else is.
        OSError: the directory cannot be written. Nothing is left behind, and what was there is there.

    Example:
        >>> import tempfile
        >>> from gpt2model import GPT2Config, GPT2LMHeadModel
        >>> from gpt2tok import GPT2TokenizerFast
        >>> model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, n_positions=32))
        >>> directory = tempfile.mkdtemp() + "/tiny/1"
        >>> export_text_generator(model, GPT2TokenizerFast.from_pretrained("gpt2"), directory, max_new_tokens=4)
        >>> from gpt2model import load_text_generator
        >>> len(load_text_generator(directory)(["Hello"]))
        1
    """
    _check_model(model)
    if isinstance(tokenizer, Encoding):
        raise TypeError(
            "tokenizer is an Encoding: give the GPT2TokenizerFast of its files, which gpt2tok.training.save writes."
        )
    vocabulary = vocabulary_of(tokenizer)
    check_fit(vocabulary, model.config.vocab_size, getattr(model.config, FIELD))
    with extra_named("export_text_generator"):
        from ..generation.generate import config_of

        options = export_options(
            model.config,
            config_of(model),
            {
                "max_new_tokens": max_new_tokens,
                "max_prompt_tokens": max_prompt_tokens,
                "max_batch_size": max_batch_size,
                "max_score_tokens": max_score_tokens,
                "long_prompts": long_prompts,
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "seed": seed,
                "eos_token_id": eos_token_id,
                "weights": weights,
                "xla": xla,
                "skip_special_tokens": skip_special_tokens,
            },
        )
        _check_texts(warm_up_texts)
        flag("overwrite", overwrite)
        target = Path(directory).absolute()
        from ..backend import BACKEND

        if BACKEND != "tensorflow":
            exported_elsewhere(
                model, tokenizer, target, options, warm_up_texts=warm_up_texts, overwrite=overwrite
            )
            return
        from gpt2tok.tf import TFGPT2Tokenizer

        from .writing import write_generator

        layer = tokenizer
        if not isinstance(tokenizer, TFGPT2Tokenizer):
            layer = TFGPT2Tokenizer.from_tokenizer(tokenizer)
        write_generator(
            model, layer, vocabulary, target, options, warm_up_texts=warm_up_texts, overwrite=overwrite
        )


def _check_model(model: Any) -> None:
    if not hasattr(model, "generate") or not hasattr(model, "transformer"):
        raise TypeError(
            f"model must be a GPT2LMHeadModel or GPT2DoubleHeadsModel of gpt2model, not {type(model).__qualname__}."
        )
    if model.config.add_cross_attention:
        raise ValueError("The model attends to an encoder (add_cross_attention), which no text brings.")


def _check_texts(texts: Any) -> None:
    if texts is None:
        return
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise TypeError(f"warm_up_texts must be a list of texts, not {texts!r}.")
    for place, text in enumerate(texts):
        if not isinstance(text, str | bytes):
            raise TypeError(f"warm_up_texts[{place}] must be str or bytes, not {text!r}.")
