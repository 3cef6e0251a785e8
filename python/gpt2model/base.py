"""What do all models of the family share? Configuration, building, embeddings, saving, what is common in training.

Owns the abstract class beneath the models: it makes their weights at construction, resizes the vocabulary,
restricts training to LoRA, and connects `fit` with the losses that the models compute themselves. Refuses to
know any one head.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
from keras import ops

from .backend import BACKEND, Tensor
from .bounds import check_arrays
from .cache import KVCache
from .config import GPT2Config
from .entry import arrays_of, check_names, held
from .exporting import check_exportable, save_signature, usual_inputs
from .feeding import data_for
from .initialisation import weight_initializer
from .layout_map import layout_map
from .learning import learning_of, restore_learning
from .lora import restrict_to_lora
from .losses import checked_loss
from .old_names import method_hint
from .options import checked_options
from .outputs import ModelOutput
from .quantization import checked_mode, policies_of, policy_of, quantizers_of, quiet, restore_quantizers
from .recomputing import leave_to_blocks
from .recovery import guarded, prepare_optimizer
from .resize import resize_word_embeddings
from .torch_manners import TorchManners

Model = TypeVar("Model", bound="GPT2PreTrainedModel")


def backbone_of(model: Any) -> Any:
    """The `GPT2Model` inside a model, or the model itself. (Not a property: Keras' saving walks those, in
    circles.)
    """
    return getattr(model, "transformer", model)


class GPT2PreTrainedModel(TorchManners, keras.Model):
    """Abstract: a model of the family. Subclasses make their layers, then call `_finish`."""

    base_model_prefix = "transformer"
    config_class = GPT2Config
    label_names: tuple[str, ...] = ("labels",)  # what a call learns from, in the order of a tuple given as y
    ignores_labels = False  # whether a label of -100 does not count
    # Keras' functions of a step, made when they are first needed.
    train_function: Any
    test_function: Any
    predict_function: Any

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        if not isinstance(config, GPT2Config):
            raise TypeError(
                f"{type(self).__name__} takes a GPT2Config of gpt2model, not {type(config).__module__}."
                f"{type(config).__qualname__}: GPT2Config.from_dict makes one of a mapping, such as its to_dict()."
            )
        super().__init__(**checked_options(type(self).__name__, kwargs))
        self.config = config.replace()  # of its own: models change theirs, resizing and loading
        self._predicting = False  # caches have no use
        self._joining = False  # answers are joined by their rows, which a loss has not
        self._told_to_train = False
        # Keras wants only tensors as positional arguments; Hugging Face's callers also write None and flags there.
        self._allow_non_tensor_positional_args = True

    def _finish(self) -> None:
        """Make all weights now, so that a checkpoint can be read into them before the first call."""
        self.build(None)
        backbone_of(self).config = self.config  # one for the model and its backbone
        for layer in self._flatten_layers():
            layer._dtype_policy = policy_of(layer)
            leave_to_blocks(layer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model; see the class. (Keras' own, with a cache carried past its argument handling.)"""
        names = type(self).call.argument_names
        check_names(type(self).__name__, names, kwargs)
        args, kwargs = arrays_of(names, args, kwargs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if isinstance(given.get("input_ids"), Mapping):
            given = {**given, **given["input_ids"]}
        check_arrays(given, self.value_limits(given))
        args, kwargs = held(names, args, kwargs)
        if self._told_to_train and "training" not in names[: len(args)] and given.get("training") is None:
            kwargs["training"] = True
        return super().__call__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What is not here; of an old name, with what is written now. (PyTorch's modules keep weights behind it.)"""
        try:
            if BACKEND == "torch":
                return super().__getattr__(name)
            return super().__getattribute__(name)  # once more, for the words of a property that raised
        except AttributeError as error:
            if (hint := method_hint(name)) is None:
                raise
            raise AttributeError(f"{type(self).__name__} has no {name!r}: {hint}.") from error

    @contextlib.contextmanager
    def _mode_kept(self) -> Iterator[None]:
        """Keras tells a model on PyTorch to train, and to stop; afterwards the caller's word counts again."""
        told = self._told_to_train
        try:
            yield
        finally:
            if self._told_to_train != told:
                self.train(told)

    def value_limits(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """What the whole numbers among these inputs must be below, by name."""
        vocab = self.config.vocab_size
        return {"input_ids": vocab, "token_type_ids": vocab, "position_ids": self.config.n_positions}

    def _word_embeddings(self, rows: int) -> keras.layers.ReversibleEmbedding:
        return keras.layers.ReversibleEmbedding(
            rows,
            self.config.n_embd,
            embeddings_initializer=weight_initializer(self.config),
            dtype=self.dtype_policy,
            name="wte",
        )

    def _keeps_cache(self, use_cache: bool | None, training: bool | None) -> bool:
        if use_cache is None:
            # Neither training nor `predict` has a use for it, and `predict` would pile it up for all batches.
            return bool(self.config.use_cache and not training and not self._predicting)
        return bool(use_cache)

    def _answer(self, output: ModelOutput, return_dict: bool | None) -> Any:
        if self._joining:
            for name in ("loss", "mc_loss"):
                output.pop(name, None)
        as_mapping = self.config.return_dict if return_dict is None else return_dict
        return output if as_mapping else output.to_tuple()

    def make_cache(self, batch_size: int, max_length: int | None = None) -> KVCache:
        """An empty cache that fits this model; see `KVCache.empty`."""
        return KVCache.empty(self.config, batch_size, max_length, dtype=self.compute_dtype)

    # -- the vocabulary

    def get_input_embeddings(self) -> keras.layers.Layer:
        """The layer of word embeddings."""
        return backbone_of(self).wte

    def get_output_embeddings(self) -> keras.layers.Layer | None:
        """The layer that makes logits: the word embeddings when tied, None without a language-model head."""
        return None

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None
    ) -> keras.layers.Layer:
        """Give the vocabulary another size; rows that stay keep their values, new ones are drawn as at the start.

        Arguments:
            new_num_tokens: the new `vocab_size`; the present one when None.
            pad_to_multiple_of: round it up to a multiple.

        Returns:
            The new word embeddings.

        Raises:
            TypeError: a size that is no integer.
            ValueError: a size below 1, a quantized model, one whose head has LoRA, or one whose optimizer
                already has state for the old rows.

        Example:
            >>> from gpt2model import GPT2LMHeadModel
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
            >>> _ = model.resize_token_embeddings(13)
            >>> model(ops.convert_to_tensor([[12]])).logits.shape == (1, 1, 13)
            True
        """
        return resize_word_embeddings(self, new_num_tokens, pad_to_multiple_of)

    # -- Keras' features

    def enable_lora(
        self,
        rank: int,
        lora_alpha: int | None = None,
        target_names: Sequence[str] = ("c_attn",),
        also_train: Sequence[str] = (),
    ) -> None:
        """Freeze the model and train low-rank additions to some of its products only (Hu et al. 2021).

        Arguments:
            rank: of the additions.
            lora_alpha: they are scaled by `lora_alpha / rank`; `rank` when None.
            target_names: names of the Dense layers that get one (c_attn, q_attn, c_proj, c_fc).
            also_train: names of layers that stay trainable whole, such as a fresh head ("score").

        The additions and what is frozen are kept by `save` and `keras.saving.load_model`; `save_pretrained`
        merges them.

        Raises:
            TypeError: a rank that is no integer, or a single name where a sequence of names belongs.
            ValueError: a rank below 1, a name that no layer has, or layers that have LoRA already.

        Source: Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models.

        Example:
            >>> from gpt2model import GPT2LMHeadModel
            >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
            >>> model.enable_lora(2)
            >>> [tuple(weight.shape) for weight in model.trainable_weights]
            [(4, 2), (2, 12)]
        """
        restrict_to_lora(self, rank, lora_alpha, target_names, also_train)

    def quantize(self, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        """As `keras.Model.quantize`, to int8 or int4 (see `gpt2model.quantization.checked_mode`)."""
        with quiet():
            super().quantize(checked_mode(type(self).__name__, mode), config, **kwargs)

    @staticmethod
    def get_layout_map(
        device_mesh: keras.distribution.DeviceMesh,
        model_parallel_dim_name: str = "model",
        data_parallel_dim_name: str = "batch",
    ) -> keras.distribution.LayoutMap:
        """How to spread the weights over devices; see `gpt2model.layout_map.layout_map`."""
        return layout_map(device_mesh, model_parallel_dim_name, data_parallel_dim_name)

    def get_config(self) -> dict[str, Any]:
        """Plain data for `from_config`: an equal model without its weights, quantized, with LoRA and frozen alike."""
        more = {"learning": learning_of(self), "quantizers": quantizers_of(self)}
        return {
            "config": self.config.to_dict(),
            "name": self.name,
            "trainable": self.trainable,
            "dtype": policies_of(self),
            **{name: value for name, value in more.items() if value},
        }

    @classmethod
    def from_config(cls: type[Model], config: Mapping[str, Any], custom_objects: Any = None) -> Model:
        """The model that `get_config` described.

        Raises:
            TypeError, ValueError: as the constructor, as `GPT2Config.from_dict`, and as `restore_learning`.

        Example:
            >>> from gpt2model import GPT2Model
            >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
            >>> GPT2Model.from_config(model.get_config()).config == model.config
            True
        """
        fields = dict(config)
        if isinstance(fields.get("dtype"), dict):
            fields["dtype"] = keras.dtype_policies.deserialize(fields["dtype"])
        if "config" not in fields:
            raise ValueError(
                f"{cls.__name__}.from_config: there is no 'config' in it, only"
                f" {', '.join(map(str, fields)) or 'nothing'}: it is not what get_config gives, or damaged."
            )
        learning, quantizers = fields.pop("learning", None), fields.pop("quantizers", None)
        model = cls(GPT2Config.from_dict(fields.pop("config")), **fields)
        if quantizers:
            restore_quantizers(model, quantizers)
        if learning:
            restore_learning(model, learning)
        return model

    @classmethod
    def from_pretrained(cls: type[Model], where: str | Path, **kwargs: Any) -> Model:
        """A model with the weights of a checkpoint; see `gpt2model.pretrained.load_pretrained`."""
        from .pretrained import load_pretrained

        model: Model = load_pretrained(cls, where, **kwargs)
        return model

    def save_pretrained(self, directory: str | Path, **kwargs: Any) -> None:
        """Write a checkpoint that transformers reads; see `gpt2model.pretrained.save_pretrained`."""
        from .pretrained import save_pretrained

        save_pretrained(self, directory, **kwargs)

    def export(
        self,
        filepath: str | Path,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.export`, of a model that gives no cache.

        Arguments:
            input_signature: (batch, positions) int32 `input_ids` when None; for more inputs
                `[{"input_ids": keras.InputSpec(shape=(None, None), dtype="int32"), "attention_mask": ...}]`.
            verbose: also print what Keras prints of an export, each weight by a line (its own default).
            filepath, format, **kwargs: Keras' own.

        Raises:
            ValueError: besides Keras' own, a configuration with outputs that a SavedModel has no place for.
        """
        check_exportable(self.config, format)
        self._predicting = True
        try:
            super().export(filepath, format, bool(verbose), input_signature or usual_inputs(), **kwargs)
        finally:
            self._predicting = False

    @property
    def _default_save_signature(self) -> Any:
        """What TensorFlow's SavedModel asks of every Keras model that it finds, those inside others too."""
        return save_signature(self)

    # -- training

    def losses_of(self, output: Any, labels: Any) -> dict[str, Tensor]:
        """The losses of an answer against labels, by output field; heads define it."""
        raise ValueError(
            f"{type(self).__name__} has no head and so no loss of its own; compile it with one, or train a model "
            "with a head."
        )

    def scores_of(self, output: Any) -> Any:
        """What a loss or metric given to `compile` sees of an answer: the logits, or a mapping of several."""
        return output["logits"]

    def compared(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """Labels, scores and weights as the model's own loss compares them, for metrics."""
        return labels, scores, None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; without a loss the model's own is learned from.

        Beside the model's own loss every metric is a weighted one where labels of -100 do not count: Keras tells other
        metrics of no weights.
        """
        if loss is None and self.ignores_labels and weighted_metrics is None:
            metrics, weighted_metrics = None, metrics
        elif loss is None and self.ignores_labels and isinstance(metrics, list | tuple):
            metrics, weighted_metrics = None, [*metrics, *weighted_metrics]
        super().compile(optimizer, checked_loss(loss), loss_weights, metrics, weighted_metrics, **kwargs)

    def compile_from_config(self, config: Any) -> None:
        """As Keras', which leaves a model alone that has a `compile` of its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and getattr(self, "optimizer", None) is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`; `x` and `y` may be nested lists and a tokenizer's answer too.

        Raises:
            ValueError: besides Keras' own, a batch with ids, labels or positions that do not exist.
        """
        held_out = kwargs.get("validation_data")
        if isinstance(held_out, tuple) and held_out:
            whole = data_for(self, *held_out[:2], name="validation_data")
            kwargs["validation_data"] = (*whole[: len(held_out)], *held_out[2:])
        elif held_out is not None:
            kwargs["validation_data"] = data_for(self, held_out)[0]
        x, y = data_for(self, x, y)
        with self._mode_kept():
            return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`; `x` and `y` may be nested lists and a tokenizer's answer too."""
        x, y = data_for(self, x, y)
        with self._mode_kept():
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`, without caches and losses in the answer; `x` as for `fit`."""
        self._predicting = self._joining = True
        try:
            with self._mode_kept():
                return super().predict(data_for(self, x)[0], *args, **kwargs)
        finally:
            self._predicting = self._joining = False

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, without caches and losses in the answer; `x` as for `fit`."""
        self._predicting = self._joining = True
        try:
            return super().predict_on_batch(data_for(self, x)[0])
        finally:
            self._predicting = self._joining = False

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`; `x` and `y` as for `fit`."""
        x, y = data_for(self, x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`; `x` and `y` as for `fit`."""
        x, y = data_for(self, x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def make_train_function(self, force: bool = False) -> None:
        """As Keras', and a batch is looked at first, and a step that fails leaves the model as it was."""
        if force or self.train_function is None:
            prepare_optimizer(self)
            super().make_train_function(force=True)
            self.train_function = guarded(self, "train_function")

    def make_test_function(self, force: bool = False) -> None:
        """As Keras', and a batch is looked at first, and a step that fails leaves the model as it was."""
        if force or self.test_function is None:
            super().make_test_function(force=True)
            self.test_function = guarded(self, "test_function")

    def make_predict_function(self, force: bool = False) -> Any:
        """As Keras', and a batch is looked at first, and a step that fails leaves the model as it was."""
        if force or self.predict_function is None:
            super().make_predict_function(force=True)
            self.predict_function = guarded(self, "predict_function")
        return self.predict_function

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The loss of a batch: the one given to `compile`, applied to the logits; else the model's own.

        The model's own takes the labels from the inputs (`{"input_ids": ..., "labels": ...}`) or from `y`.

        Raises:
            ValueError: neither, or `sample_weight` with the model's own loss.
        """
        if not isinstance(y_pred, ModelOutput):
            raise ValueError("Training needs answers with names; leave return_dict as True.")
        if self._compile_loss is not None:
            return super().compute_loss(x, y, self.scores_of(y_pred), sample_weight, training)
        if sample_weight is not None:
            raise ValueError(
                "sample_weight needs a loss in compile(); the model's own losses leave out what is labelled -100."
            )
        if y is not None:
            losses = self.losses_of(y_pred, y)
        else:
            losses = {name: y_pred[name] for name in ("loss", "mc_loss") if name in y_pred}
        if not losses:
            raise ValueError(
                "Nothing to learn from: pass labels among the inputs ({'input_ids': ids, 'labels': labels}) or as y, "
                "or give compile() a loss."
            )
        total = sum(losses.values())
        for extra in self.losses:  # of regularizers
            total = total + ops.sum(ops.cast(extra, "float32"))
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Mapping[str, Any]:
        """As `keras.Model.compute_metrics`, of the logits; labels may stand among the inputs.

        Beside the model's own loss metrics compare what it compares: a language model's labels are the tokens
        themselves, each held against the logits one place before, and what is labelled -100 does not count.
        """
        if isinstance(y_pred, ModelOutput):
            if y is None and isinstance(x, Mapping):
                given = {name: x[name] for name in self.label_names if name in x}
                y = given.get("labels") if len(self.label_names) == 1 else given or None
            y_pred = self.scores_of(y_pred)
            if self._compile_loss is None and sample_weight is None and y is not None:
                y, y_pred, sample_weight = self.compared(y, y_pred)
        metrics: Mapping[str, Any] = super().compute_metrics(x, y, y_pred, sample_weight)
        return metrics
