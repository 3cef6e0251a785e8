"""Do a configuration and a checkpoint belong together? Every missing, extra or misshapen tensor, by name.

Owns the comparison and its verdicts: which differences are errors, which only mean that a head starts anew or
stays unused, as in Hugging Face's loading. Refuses to read tensors: all of this is known from names and
shapes, before a model is built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from ..errors import CheckpointError
from .messages import listed
from .names import (
    HEAD_NAMES,
    HEADS,
    PREFIX,
    backbone_shapes,
    head_shapes,
    is_backbone,
    is_cross_attention,
    layer_count,
)
from .places import CONFIG
from .tensors import DTYPES, Checkpoint

if TYPE_CHECKING:
    from ..config import GPT2Config

# What torch.compile, and DataParallel and its like, put before every name.
_WRAPPERS = ("_orig_mod.", "module.")
LM_HEAD, TOKEN_TABLE = "lm_head.weight", f"{PREFIX}wte.weight"


@final
@dataclass
class Comparison:
    """What a checkpoint has and lacks for a class. All names are canonical; shapes are (wanted, found).

    Attributes:
        wanted: every tensor of the class, with its shape.
        new: tensors of heads or of cross-attention that the checkpoint does not have; they start anew.
        unused: tensors of heads that the class does not have.
        tied: the checkpoint repeats the token table as `lm_head.weight`, and the class ties both.
        promised: a setting of the checkpoint's own configuration to the tensors that it promises and that are
            not there.
        missing, extra, misshapen, unreadable: faults, as `promised` is.
    """

    wanted: dict[str, tuple[int, ...]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    tied: bool = False
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    promised: dict[str, list[str]] = field(default_factory=dict)
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """A sentence for each kind of fault."""
        if self.missing:
            yield f"missing: {listed(self.missing)}"
        for setting, names in self.promised.items():
            yield f"missing, though {CONFIG} says {setting}: {listed(names)}"
        if self.extra:
            yield f"extra: {listed(self.extra)}"
        if self.misshapen:
            shapes = [
                f"{name} {found} instead of {wanted}" for name, (wanted, found) in self.misshapen.items()
            ]
            yield f"wrongly shaped: {listed(shapes)}"
        if self.unreadable:
            types = [f"{name} ({dtype})" for name, dtype in self.unreadable.items()]
            yield f"of a type that is no weight's: {listed(types)}"

    def raise_faults(self, place: str, class_name: str) -> None:
        """Nothing when there is no fault.

        Raises:
            CheckpointError: with every fault and what to do.
        """
        faults = list(self.faults())
        if faults:
            raise CheckpointError(
                f"{place}: its weights are not those of a {class_name} with this configuration;"
                f" {'; '.join(faults)}."
                f" {self._mend()}"
            )

    def _mend(self) -> str:
        if (
            self.promised
            and not self.missing
            and not self.extra
            and not self.misshapen
            and not self.unreadable
        ):
            ways = [
                f"{setting} to start them anew, or {_denied(setting)} to do without"
                for setting in self.promised
            ]
            return f"Use the weights that were saved with this {CONFIG}, or pass {'; '.join(ways)}."
        wrapper = next(
            (name for name in _WRAPPERS if all(extra.startswith(name) for extra in self.extra)), None
        )
        if self.missing and self.extra and wrapper:
            return f"{wrapper!r} is of a wrapper around the model: save what it wraps (model.{wrapper}save_pretrained)."
        if self.unreadable:
            return "Save the model without quantization, and quantize it after loading."
        heads = [name for name in self.misshapen if name in HEAD_NAMES]
        if heads and len(heads) == len(self.misshapen) and not self.missing and not self.extra:
            return "To start these heads anew in the wanted shape, pass ignore_mismatched_sizes=True."
        if self.extra and not self.missing and not self.misshapen:
            return "Correct the configuration, or pass ignore_unexpected=True to leave the extra tensors out."
        return "Use the config.json that was saved with these weights, or pass the right config=."


def _denied(setting: str) -> str:
    name, _, value = setting.partition("=")
    return f"{name}={value != 'True'}"


def break_promises(
    comparison: Comparison, own: GPT2Config, checkpoint: Checkpoint, given: Collection[str] = ()
) -> None:
    """Make faults of the new tensors that the checkpoint's own configuration says it has.

    Arguments:
        comparison: changed.
        own: the configuration in the checkpoint.
        checkpoint: that was compared.
        given: fields that the caller chose: what follows from those starts anew.
    """
    promises: dict[str, list[str]] = {}
    if own.add_cross_attention and "add_cross_attention" not in given:
        promises["add_cross_attention=True"] = [name for name in comparison.new if is_cross_attention(name)]
    if not own.tie_word_embeddings and "tie_word_embeddings" not in given and has_lm_head(checkpoint, own):
        promises["tie_word_embeddings=False"] = [name for name in comparison.new if name == LM_HEAD]
    for setting, names in promises.items():
        if names:
            comparison.promised[setting] = names
            comparison.new = [name for name in comparison.new if name not in names]


def has_lm_head(checkpoint: Checkpoint, own: GPT2Config) -> bool:
    """Whether a checkpoint is of a class with a language-model head, as far as it says of which it is."""
    stated = [name.removeprefix("TF").removeprefix("Flax") for name in own.architectures or ()]
    known = [name for name in stated if name in HEADS]
    if known:
        return any(LM_HEAD in HEADS[name] for name in known)
    # The names of a bare `GPT2Model` have no prefix, where the format has such names at all.
    return checkpoint.stored_prefix is not False and not (HEAD_NAMES & checkpoint.tensors.keys())


def compare(config: GPT2Config, checkpoint: Checkpoint, class_name: str) -> Comparison:
    """Holds the names and shapes of a checkpoint against what a class with a configuration has.

    Arguments:
        config: the model's.
        checkpoint: open; nothing of it is read.
        class_name: one of the six classes.
    """
    result = Comparison()
    found = checkpoint.tensors
    # What follows is as long as n_layer, which may be a lie; what the files hold is not.
    if config.n_layer > (layers := layer_count(found)):
        result.missing += [f"{PREFIX}h.{layer}.*" for layer in range(layers, min(config.n_layer, layers + 3))]
        if config.n_layer > layers + 3:
            result.missing[-1] = f"{PREFIX}h.{layers + 2}.* to {PREFIX}h.{config.n_layer - 1}.*"
    heads = head_shapes(config, class_name)
    result.wanted = {**dict(backbone_shapes(config, layers)), **heads}
    any_cross = any(map(is_cross_attention, found))
    for name, shape in result.wanted.items():
        if name in found:
            if found[name].dtype not in DTYPES:  # of a quantized tensor the shape says nothing
                result.unreadable[name] = found[name].dtype
            elif found[name].shape != shape:
                result.misshapen[name] = (shape, found[name].shape)
        elif name in heads or (is_cross_attention(name) and not any_cross):
            result.new.append(name)
        else:
            result.missing.append(name)
    for name in found.keys() - result.wanted.keys():
        if name == LM_HEAD and config.tie_word_embeddings:
            result.tied = True
        elif name in HEAD_NAMES:
            result.unused.append(name)
        else:
            result.extra.append(name)
    result.unused.sort()
    result.extra.sort(key=lambda name: (not is_backbone(name), name))
    return result
