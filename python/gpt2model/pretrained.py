"""How does a model come from a checkpoint, and how does it become one?

Owns `load_pretrained` and `save_pretrained`, which the model classes' `from_pretrained` and `save_pretrained`
call: where the checkpoint is, which configuration counts, what a difference between both means, and what is
said of it. Refuses formats: `gpt2model.checkpoints` reads and writes them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from gpt2tok.cli.progress import Progress, progress

from .checkpoints.assigning import assign, let_go
from .checkpoints.comparing import LM_HEAD, Comparison, break_promises, compare
from .checkpoints.locating import locate
from .checkpoints.messages import listed
from .checkpoints.model_tensors import checkpoint_of_model, slots_of
from .checkpoints.names import HEADS
from .checkpoints.numbers import check_tie
from .checkpoints.opening import open_found
from .checkpoints.places import (
    CONFIG,
    KERAS,
    Found,
    find,
    refuse_rivals,
)
from .checkpoints.safetensors_writing import DEFAULT_SHARD
from .checkpoints.tensors import Checkpoint
from .config import GPT2Config
from .errors import CheckpointError
from .folders import AnyPath, folder_to_save
from .generation.own import load_own_options, own_options
from .initialisation import blank, residual_initializer, weight_initializer
from .vocabulary import check_fit, vocabulary_of

FORMATS = ("safetensors", "keras-hub", "keras", "weights.h5")
# Arguments of transformers' from_pretrained that ask for what happens here anyway, or for nothing that exists
# here.
_IDLE = frozenset(
    [
        "from_pt",
        "from_tf",
        "from_flax",
        "use_safetensors",
        "low_cpu_mem_usage",
        "attn_implementation",
        "proxies",
        "resume_download",
        "_fast_init",
        "_from_pipeline",
        "_commit_hash",
        "mirror",
    ]
)


def load_pretrained(
    cls: type[Any],
    where: AnyPath,
    *,
    config: GPT2Config | Mapping[str, Any] | AnyPath | None = None,
    dtype: Any = None,
    ignore_mismatched_sizes: bool = False,
    ignore_unexpected: bool = False,
    output_loading_info: bool = False,
    subfolder: str | None = None,
    cache_dir: AnyPath | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    revision: str = "main",
    **changes: Any,
) -> Any:
    """A model with the weights of a checkpoint, whichever of the formats it has.

    Tensors are read one block at a time into the model's variables, so memory holds the model once. A head
    that the checkpoint does not have starts anew, and a warning names its tensors; likewise cross-attention
    that the caller asks for (`add_cross_attention=True`). Where the checkpoint's own configuration promises it,
    its absence is an error.

    The answer is a fresh model of real numbers, all of which learn: of Keras' files LoRA is merged and int8
    turned back (quantizing again gives the same integers). `keras.saving.load_model` gives the model as it was.

    Arguments:
        cls: one of the six classes.
        where: a directory, a weight file, or an id of the Hugging Face hub ("gpt2", "owner/name").
        config: a `GPT2Config`, a mapping or the path of a JSON file, used instead of the checkpoint's own.
        dtype: the model's Keras dtype or policy; None for Keras' global one (float32), "auto" for the
            checkpoint's. The checkpoint's numbers are converted to it.
        ignore_mismatched_sizes: tensors of another shape start anew instead of being an error.
        ignore_unexpected: tensors that no GPT-2 has are left out instead of being an error.
        output_loading_info: also give a dictionary of what was missing, unexpected and mismatched, as
            transformers does.
        subfolder, cache_dir, force_download, local_files_only, token, revision: see `locate`.
        **changes: fields of the configuration that shall differ (`num_labels=3`). Arguments of transformers
        that have no
            meaning here (`from_pt=True`) are passed over.

    Raises:
        OSError: no such directory, file or model.
        CheckpointError: a pickle or unknown format, a broken file, tensors that are missing, extra, wrongly
            shaped or not finite, or a configuration that is not a GPT-2's; the message names them and says
            what to do.
        TypeError: a field that the configuration does not have.
        ImportError: the format's library is not installed.

    Example:
        >>> import tempfile
        >>> from gpt2model import GPT2LMHeadModel
        >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_pretrained(folder)
        ...     again = GPT2LMHeadModel.from_pretrained(folder)
        >>> again.config.n_embd, bool((again.weights[0].numpy() == model.weights[0].numpy()).all())
        (4, True)
    """
    if changes.pop("trust_remote_code", False):
        raise ValueError("trust_remote_code: nothing in a checkpoint is code to this package; leave it out.")
    dtype = changes.pop("torch_dtype", None) if dtype is None else dtype
    changes = {name: value for name, value in changes.items() if name not in _IDLE}
    class_name = _class_name(cls)
    path = locate(
        where,
        subfolder=subfolder,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
        revision=revision,
    )
    found = find(path)
    with open_found(found, str(path)) as checkpoint:
        own = _config(config, checkpoint, found)
        wanted = own.replace(**changes)
        model_dtype = _dtype(dtype, checkpoint)
        if class_name == "GPT2DoubleHeadsModel":
            wanted = wanted.replace(
                num_labels=1
            )  # It scores one choice at a time, and makes its configuration say so.
        comparison = compare(wanted, checkpoint, class_name)
        if config is None:
            break_promises(comparison, own, checkpoint, changes)
        if ignore_mismatched_sizes and not comparison.missing:
            comparison.new += comparison.misshapen
            mismatched, comparison.misshapen = comparison.misshapen, {}
        else:
            mismatched = {}
        unexpected = list(comparison.unused)
        if ignore_unexpected:
            unexpected += comparison.extra
            comparison.extra = []
        comparison.raise_faults(checkpoint.place, class_name)
        with progress(checkpoint.nbytes, to_terminal=False) as line:
            if comparison.tied and LM_HEAD not in mismatched:
                check_tie(checkpoint)
            model = _filled(cls, wanted, model_dtype, checkpoint=checkpoint, comparison=comparison, line=line)
    model.config.architectures = [class_name]
    load_own_options(model, path)
    _say(checkpoint.place, class_name, comparison.new, unexpected)
    if not output_loading_info:
        return model
    return model, {
        "missing_keys": [name for name in comparison.new if name not in mismatched],
        "unexpected_keys": unexpected,
        "mismatched_keys": [(name, theirs, ours) for name, (ours, theirs) in mismatched.items()],
        "error_msgs": [],
    }


def save_pretrained(
    model: Any,
    directory: AnyPath,
    *,
    format: str = "safetensors",
    dtype: str | None = None,
    max_shard_size: int | str = DEFAULT_SHARD,
    is_main_process: bool = True,
    safe_serialization: bool = True,
    push_to_hub: bool = False,
    saved_model: bool = False,
    tokenizer: Any = None,
) -> list[Path]:
    """Saves a model so that this package and the format's owner load it again. All files appear or none.

    Arguments:
        model: one of the six classes. "keras" and "weights.h5" keep LoRA, int8 and, the former, what is frozen
            and the optimizer, for `keras.saving.load_model` and `load_weights`; the others merge LoRA and turn
            int8 back to real numbers, as `from_pretrained` does of all of them.
        directory: made if it is not there.
        format: "safetensors" (transformers loads it), "keras-hub" (a preset), "keras" (`model.keras`) or
            "weights.h5".
        dtype: for the first two: "float32", "float16" or "bfloat16" to convert to; None keeps the model's.
        max_shard_size: for "safetensors": bytes, or text like "5GB". A shard is what is held in memory while
            saving.
        is_main_process: False saves nothing, for all but one of several training processes.
        safe_serialization, push_to_hub, saved_model: must stay as they are.
        tokenizer: the one that the model was trained with, a `GPT2TokenizerFast`, `GPT2Tokenizer` or `Encoding`. The
            model's configuration keeps its hash from now on (`vocabulary_sha256`), so that another one is refused; the
            former two are saved beside the model.

    Returns:
        The paths of the files.

    Raises:
        OSError: they cannot be written, or files are there that would be read instead of what is saved.
        CheckpointError: the format cannot hold this model.
        TypeError, ValueError: no such format, dtype or size, or the name of a file where a directory belongs.
        VocabError: `tokenizer` has ids that the model does not.
        NotImplementedError: `push_to_hub=True`, `saved_model=True` or `safe_serialization=False`.

    Example:
        >>> import tempfile
        >>> from gpt2model import GPT2Model
        >>> model = GPT2Model(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in save_pretrained(model, folder)]
        ['model.safetensors', 'config.json']
    """
    if push_to_hub:
        raise NotImplementedError(
            "saving does not upload: save to a directory, then use huggingface_hub.upload_folder"
        )
    if saved_model:
        raise NotImplementedError(
            "saving writes a checkpoint, and no SavedModel beside it: use model.export(directory) for one from ids to"
            " logits, gpt2model.export_text_generator for one from text to text"
        )
    if not safe_serialization:
        raise NotImplementedError(
            "safe_serialization=False asks for a pickle, which this package neither reads nor writes"
        )
    if dtype is not None and dtype not in ("float32", "float16", "bfloat16"):
        raise ValueError(f"dtype={dtype!r}: a checkpoint is saved as float32, float16 or bfloat16")
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: a model is saved as one of {', '.join(FORMATS)}")
    if dtype is not None and format not in FORMATS[:2]:
        raise ValueError(
            f"dtype={dtype!r}: {format} keeps the model's own; load the model with that dtype, then save it"
        )
    if tokenizer is not None:
        if format == "keras-hub":
            raise ValueError(
                "tokenizer: a preset's configuration has no place for its hash; save both as safetensors, then use"
                " `gpt2model convert DIRECTORY PRESET --format keras-hub`"
            )
        vocabulary = vocabulary_of(tokenizer)
        # That it is the model's, the caller says; what remains is whether that can be.
        check_fit(vocabulary, model.config.vocab_size, vocabulary.sha256)
        model.config.vocabulary_sha256 = vocabulary.sha256
    if not is_main_process:
        return []
    folder = folder_to_save(directory)
    refuse_rivals(folder, format)
    beside = getattr(tokenizer, "save_pretrained", None)
    source, options = checkpoint_of_model(model), own_options(model)
    fields = {**model.config.to_dict(), "architectures": [_class_name(type(model))]}
    if format == "safetensors":
        from .checkpoints.safetensors_writing import write_safetensors

        paths = write_safetensors(
            source, folder, fields, dtype=dtype, max_shard_size=max_shard_size, beside=options
        )
    elif format == "keras-hub":
        from .checkpoints.keras_hub_writing import write_keras_hub

        return write_keras_hub(source, folder, model.config, dtype=dtype, beside=options)
    else:
        from .checkpoints.keras_files import write_keras, write_weights_h5

        if format == "keras":
            paths = write_keras(model, folder / KERAS, options)
        else:
            paths = write_weights_h5(model, folder, options)
    return paths if beside is None else [*paths, *map(Path, beside(folder))]


def _class_name(cls: type[Any]) -> str:
    for base in cls.__mro__:
        if base.__name__ in HEADS:
            return base.__name__
    raise TypeError(f"{cls.__name__} is none of {', '.join(HEADS)}: load one of these classes")


def _config(
    given: GPT2Config | Mapping[str, Any] | AnyPath | None, checkpoint: Checkpoint, found: Found
) -> GPT2Config:
    if isinstance(given, GPT2Config):
        return given.replace()
    place: object = "config"
    try:
        if isinstance(given, Mapping):
            return GPT2Config.from_dict(given)
        if given is not None:
            place = given
            return GPT2Config.from_json(Path(given))
        if checkpoint.fields is None:
            raise CheckpointError(
                f"{checkpoint.place}: no {CONFIG} is beside the weights, and they do not say how many"
                " heads there are: copy it"
                " there, or pass config=GPT2Config(...)"
            )
        place = found.config or checkpoint.place
        return GPT2Config.from_dict(checkpoint.fields)
    except CheckpointError:
        raise
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{place}: {error}") from error


def _dtype(dtype: Any, checkpoint: Checkpoint) -> Any:
    if dtype != "auto":
        return keras.backend.standardize_dtype(dtype) if _is_framework_dtype(dtype) else dtype
    return checkpoint.common_dtype


def _is_framework_dtype(dtype: Any) -> bool:
    """torch.float16, jax.numpy.float16, tf.float16: not a name, not a policy."""
    return dtype is not None and not isinstance(dtype, str | dict | keras.DTypePolicy)


def _filled(
    cls: type[Any],
    config: GPT2Config,
    dtype: Any,
    *,
    checkpoint: Checkpoint,
    comparison: Comparison,
    line: Progress,
) -> Any:
    """The model, built without drawing numbers that would be overwritten at once."""
    with blank():
        model = cls(config) if dtype is None else cls(config, dtype=dtype)
    slots = slots_of(model)
    new = set(comparison.new)
    let_go(slot for name, slot in slots.items() if name not in new)
    for name, slot in slots.items():
        if name in new:
            _start_anew(name, slot.variable, config)
        else:
            assign(slot, checkpoint.tensors[name])
            line.add(checkpoint.tensors[name].nbytes)
    return model


def _start_anew(name: str, variable: keras.Variable, config: GPT2Config) -> None:
    """Biases are zeros and norms are ones already."""
    if name.endswith(".weight") and len(variable.shape) == 2:
        residual = name.endswith(
            (".attn.c_proj.weight", ".crossattention.c_proj.weight", ".mlp.c_proj.weight")
        )
        initializer = (residual_initializer if residual else weight_initializer)(config)
        variable.assign(initializer(variable.shape, variable.dtype))


def _say(place: str, class_name: str, new: list[str], unused: list[str]) -> None:
    if new:
        warnings.warn(
            f"{class_name} from {place}: the checkpoint does not have these weights, so they start anew:"
            f" {listed(new)}."
            " Train the model before you use it.",
            stacklevel=4,
        )
    if unused:
        warnings.warn(
            f"{class_name} from {place}: these weights of the checkpoint are not used: {listed(unused)}.",
            stacklevel=4,
        )
