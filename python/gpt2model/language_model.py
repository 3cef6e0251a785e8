"""What comes next? GPT-2 with its language-model head.

Owns the head, tied to the word embeddings or not, its loss, and the methods that generate. Refuses generation
loops (`generation/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, final

import keras
from keras import ops

from .backend import Tensor, concrete, product_of_rows, sides, static_int
from .base import GPT2PreTrainedModel
from .bounds import outside, poison, signed
from .cache import KVCache
from .config import GPT2Config
from .dense import GPT2Dense
from .entry import check_labels, entry
from .generation.config import GenerationConfig
from .initialisation import weight_initializer
from .losses import counted, language_model_loss
from .model import GPT2Model
from .outputs import CausalLMOutputWithCrossAttentions

Model = TypeVar("Model", bound="LanguageModelHead")


def tied_logits(wte: keras.layers.ReversibleEmbedding, hidden: Tensor) -> Tensor:
    """Hidden states against every word embedding: (..., n_embd) to (..., vocab_size)."""
    if wte.quantization_mode is not None:
        return wte(hidden, reverse=True)
    return product_of_rows(hidden, ops.cast(wte.embeddings, wte.compute_dtype))


def kept_positions(hidden: Tensor, logits_to_keep: int | Tensor) -> Tensor:
    """The positions whose logits are wanted: all for 0, the last so many, or those of a list of indices, of which
    negative ones count from the end.

    Raises:
        TypeError: neither an integer nor a list of them.
        ValueError: a number below 0, or a position that is not there (NaN stands there while tracing).
    """
    shape = tuple(getattr(logits_to_keep, "shape", ()))
    kind = str(getattr(logits_to_keep, "dtype", type(logits_to_keep).__name__))
    if "int" not in kind or len(shape) > 1:
        what = f"{kind} of shape {shape}" if shape else kind
        raise TypeError(f"logits_to_keep must be an integer or a list of indices, not {what}.")
    if not shape:
        last = static_int(logits_to_keep)
        if last is None:
            raise TypeError(
                "logits_to_keep is traced; a number of positions must be known, or give a list of one."
            )
        if last < 0:
            raise ValueError(f"logits_to_keep must be 0 (all) or more, not {last}.")
        return hidden if last == 0 else hidden[..., -last:, :]
    length = sides(hidden)[-2]
    known = concrete(logits_to_keep)
    if known is not None and length is not None:
        bad = (known < -length) | (known >= length)
        if bad.any():
            raise ValueError(
                f"logits_to_keep{[int(bad.argmax())]} is {int(known[bad][0])}, but there are {length} positions."
            )
    steps = ops.shape(hidden)[-2]
    places = signed(ops.convert_to_tensor(logits_to_keep))
    places = ops.where(ops.less(places, 0), places + ops.cast(steps, places.dtype), places)
    taken = ops.take(hidden, places, axis=-2)
    stray = outside("logits_to_keep", places, steps)
    return taken if stray is None else taken + ops.expand_dims(poison(stray, taken.dtype), -1)


class LanguageModelHead(GPT2PreTrainedModel):
    """Abstract: what the models with a language-model head share."""

    def _language_model_head(self) -> GPT2Dense:
        return GPT2Dense(
            self.config.vocab_size,
            use_bias=False,
            kernel_initializer=weight_initializer(self.config),
            dtype=self.dtype_policy,
            name="lm_head",
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the vocabulary: (..., n_embd) to (..., vocab_size)."""
        return self.lm_head(hidden) if self.lm_head is not None else tied_logits(self.transformer.wte, hidden)

    def value_limits(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """As of every model, and labels are of the vocabulary."""
        return {**super().value_limits(inputs), "labels": self.config.vocab_size}

    def get_output_embeddings(self) -> keras.layers.Layer:
        """The untied head, or the word embeddings."""
        return self.transformer.wte if self.lm_head is None else self.lm_head

    @property
    def generation_config(self) -> GenerationConfig:
        """The options that `generate` and its kin start from; set another one to change them.

        Those of the checkpoint's generation_config.json, else the special tokens of the model's configuration.

        Raises:
            TypeError: another's, by whose name too, is set.

        Example:
            >>> tiny = GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2, eos_token_id=None)
            >>> model = GPT2LMHeadModel(tiny.replace(bos_token_id=None))
            >>> model.generation_config = model.generation_config.update(max_new_tokens=3)
            >>> model.generate([[1, 2]]).shape[1]
            5
        """
        from .generation.generate import config_of

        return config_of(self)

    @generation_config.setter
    def generation_config(self, config: GenerationConfig | None) -> None:
        if config is not None and not isinstance(config, GenerationConfig):
            kind = f"{type(config).__module__}.{type(config).__qualname__}"
            raise TypeError(
                f"generation_config must be a GenerationConfig of gpt2model, not {kind}: of one of transformers',"
                " GenerationConfig.from_dict(config.to_diff_dict()) makes it."
            )
        self._generation_config = config

    def get_config(self) -> dict[str, Any]:
        """As of every model, with the options of generation that were set."""
        own = self.__dict__.get("_generation_config")
        return {**super().get_config(), **({} if own is None else {"generation_config": own.to_dict()})}

    @classmethod
    def from_config(cls: type[Model], config: Mapping[str, Any], custom_objects: Any = None) -> Model:
        """As of every model, with the options of generation that were set."""
        fields = dict(config)
        own = fields.pop("generation_config", None)
        model: Model = super().from_config(fields, custom_objects)
        if own is not None:
            model.generation_config = GenerationConfig.from_dict(own)
        return model

    def generate(self, inputs: Any = None, generation_config: Any = None, **options: Any) -> Any:
        """Tokens, or text, that follow prompts.

        Arguments:
            inputs: ids (rows, tokens) of any framework, or lists of them, of any lengths; or a text, or
                texts, with `tokenizer`.
            generation_config: a `GenerationConfig`; the model's own (`model.generation_config`) when None.
            **options: any option of a `GenerationConfig` (`max_new_tokens=50`, `do_sample=True`, `top_p=0.9`,
                `num_beams=4`, ...), and:
            attention_mask: as ids, nonzero where a token counts; padding stands on the left.
            encoder_hidden_states, encoder_attention_mask: (rows, places, n_embd) and (rows, places), for a
                model with `add_cross_attention`; beams and samples share their row's.
            logits_processor: `gpt2model.generation.Processor`s, which become part of the program, and
                functions `(input_ids, scores) -> scores`, which run between programs.
            stopping_criteria: functions `(input_ids, None)` to one boolean for each row.
            prefix_allowed_tokens_fn: a function `(row, input_ids)` to the tokens that may come.
            streamer: an object with `put(ids)` and `end()`; see also `stream`.
            assistant_model: a smaller model that guesses ahead; the answer is this model's.
            tokenizer: turns texts into ids and back, for prompts and `stop_strings`.
            seed: of sampling; the same one gives the same tokens on the same backend.
            weights: "float32", "bfloat16" or "int8": the form of the weights that tokens are computed with.
            compile: False runs operation by operation (PyTorch always does).

        Returns:
            Ids (rows * num_return_sequences, prompt + new tokens), shorter rows filled up with the pad token;
            for texts, texts, each with its prompt; with `return_dict_in_generate`, an output that has `sequences`,
            `texts` where prompts were texts, and `scores` and the like where asked for.

        Raises:
            GenerationConfigError: unknown, conflicting or impossible options.
            ContextLengthError: prompt and new tokens are more than `n_positions`, without `sliding_window`;
                before any work.
            ValueError: an empty prompt, ids out of the vocabulary, logits that became NaN (with the step).
            TypeError: values of the wrong type.

        Example:
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2,
            ... eos_token_id=None, bos_token_id=None))
            >>> model.generate([[1, 2, 3]], max_new_tokens=4).shape == (1, 7)
            True
        """
        from .generation.generate import generate

        return generate(self, inputs, generation_config, **options)

    def stream(
        self, inputs: Any, generation_config: Any = None, *, tokenizer: Any = None, **options: Any
    ) -> Iterator[str]:
        """The text that follows one prompt, as soon as its characters are whole.

        Arguments:
            inputs: one prompt, ids or text.
            tokenizer: turns ids into text; gpt2tok's, or any with `decode`.
            generation_config, **options: as for `generate`.

        Returns:
            An iterator of texts; joined they are the new text, without the prompt (`generate` has it) and an end token.

        Raises:
            As `generate`, at once; ValueError for several prompts.

        Example:
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=3, n_positions=8, n_embd=4, n_layer=1, n_head=2,
            ... eos_token_id=None, bos_token_id=None))
            >>> class Letters:
            ...     def decode(self, ids):
            ...         return "".join("abc"[i] for i in ids)
            >>> len("".join(model.stream([[1, 2]], max_new_tokens=4, tokenizer=Letters())))
            4
        """
        from .generation.generate import stream

        return stream(self, inputs, generation_config, tokenizer=tokenizer, **options)

    def score(self, inputs: Any, **options: Any) -> Any:
        """How likely texts are, of any length: past `n_positions` a window slides over them.

        Arguments:
            inputs: ids (rows, tokens), lists of them of any lengths, or texts.
            **options: `tokenizer`, for texts; `stride`, by which the window moves (half of `n_positions`:
                then each token sees as many before it, at least); `weights`, as for `generate`.

        Returns:
            One `gpt2model.generation.Score` for each row: `log_probabilities`, `total`, `perplexity`.

        Raises:
            ValueError: a text of less than two tokens, ids out of the vocabulary.
            TypeError: texts without a tokenizer.

        Example:
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
            >>> [found] = model.score([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
            >>> found.log_probabilities.shape, found.perplexity > 1
            ((9,), True)
        """
        from .generation.scoring import score

        return score(self, inputs, **options)

    def compute_transition_scores(
        self, sequences: Any, scores: Any, beam_indices: Any = None, normalize_logits: bool = False
    ) -> Tensor:
        """What every generated token contributed, from an answer with `output_scores`.

        Arguments:
            sequences, scores, beam_indices: of the answer; the last for beam search only.
            normalize_logits: make log-probabilities of the scores first.

        Returns:
            (rows, new tokens) float32; 0 after the end of a beam.

        Source: transformers' method of this name.

        Example:
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2,
            ... eos_token_id=None, bos_token_id=None))
            >>> answer = model.generate([[1, 2]], max_new_tokens=3, output_scores=True,
            ... return_dict_in_generate=True)
            >>> model.compute_transition_scores(answer.sequences, answer.scores).shape == (1, 3)
            True
        """
        from .generation.scoring import transition_scores

        return transition_scores(sequences, scores, beam_indices, normalize_logits=normalize_logits)


@final
@keras.saving.register_keras_serializable(package="gpt2model")
class GPT2LMHeadModel(LanguageModelHead):
    """GPT-2 with a language-model head.

    Arguments:
        config: the numbers of the model; `tie_word_embeddings` says whether the head has weights of its own.
        dtype: Keras dtype or policy.

    Called as `GPT2Model`, and with:
        labels: as input_ids; moved by one inside the model. -100 where none counts.
        logits_to_keep: 0 for all positions, n for the last n (1 while generating), or a list of indices.

    Returns:
        `CausalLMOutputWithCrossAttentions`; `loss` when labels came.

    Example:
        >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> ids = ops.convert_to_tensor([[1, 2, 3]])
        >>> output = model(ids, labels=ids)
        >>> output.logits.shape == (1, 3, 11), len(output.past_key_values)
        (True, 1)
    """

    ignores_labels = True

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = GPT2Model(config, dtype=self.dtype_policy, name="transformer")
        self.lm_head = None if config.tie_word_embeddings else self._language_model_head()
        self._finish()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights."""
        if self.lm_head is not None and not self.lm_head.built:
            self.lm_head.build((None, None, self.config.n_embd))
        self.transformer.build()
        self.built = True

    @entry
    def call(  # noqa: PLR0917  (Hugging Face's order, for callers who wrote it)
        self,
        input_ids: Tensor | None = None,
        past_key_values: KVCache | Sequence[Any] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        training: bool | None = None,
    ) -> Any:
        """See the class."""
        inner = self.transformer(
            input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            head_mask=head_mask,
            inputs_embeds=inputs_embeds,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            use_cache=self._keeps_cache(use_cache, training),
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            training=training,
        )
        logits = self.logits(kept_positions(inner.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            if getattr(logits_to_keep, "shape", ()) != () or static_int(logits_to_keep) != 0:
                raise ValueError("labels need the logits of every position; leave logits_to_keep at 0.")
            check_labels("labels", labels, tuple(logits.shape)[:-1], self.config.vocab_size)
            loss = language_model_loss(logits, labels)
        output = CausalLMOutputWithCrossAttentions(
            loss=loss,
            logits=logits,
            past_key_values=inner.past_key_values,
            hidden_states=inner.hidden_states,
            attentions=inner.attentions,
            cross_attentions=inner.cross_attentions,
        )
        return self._answer(output, return_dict)

    def compared(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """Each token with the logits (batch, positions - 1, vocab) of the place before it."""
        labels = labels["labels"] if isinstance(labels, Mapping) else labels
        return counted(labels[:, 1:], scores[:, :-1])

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """The language-model loss; `labels` as the argument of the call, or a mapping that holds them."""
        if isinstance(labels, Mapping):
            labels = labels["labels"]
        check_labels("labels", labels, tuple(output.logits.shape)[:-1], self.config.vocab_size)
        return {"loss": language_model_loss(output.logits, labels)}
