"""Which tensors does a GPT-2 checkpoint hold? Hugging Face's names and shapes, from the configuration alone.

Owns the canonical names (backbone under `transformer.`, heads beside it), the shapes each class expects, the
names that
are no weights, and the guess of which class a set of names belongs to. Refuses files and frameworks: what it
says can be checked before a model is built. `gpt2model.weight_names` says the same of a live model, and a
test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..activation_weights import LEARNED, activation_weights

if TYPE_CHECKING:
    from ..config import GPT2Config

PREFIX = "transformer."

_LEARNED = sorted({name for weights in LEARNED.values() for name in weights})

# The classes, with the tensors of their heads.
HEADS: Mapping[str, tuple[str, ...]] = {
    "GPT2Model": (),
    "GPT2LMHeadModel": ("lm_head.weight",),
    "GPT2DoubleHeadsModel": (
        "lm_head.weight",
        "multiple_choice_head.summary.weight",
        "multiple_choice_head.summary.bias",
        *(f"multiple_choice_head.activation.{name}" for name in _LEARNED),
    ),
    "GPT2ForSequenceClassification": ("score.weight",),
    "GPT2ForTokenClassification": ("classifier.weight", "classifier.bias"),
    "GPT2ForQuestionAnswering": ("qa_outputs.weight", "qa_outputs.bias"),
}
HEAD_NAMES = frozenset(name for names in HEADS.values() for name in names)

_BACKBONE = re.compile(
    r"(?:wte\.weight|wpe\.weight|ln_f\.(?:weight|bias)"
    rf"|h\.(?P<act>0|[1-9]\d{{0,5}})\.mlp\.act\.(?:{'|'.join(_LEARNED)})"
    r"|h\.(?P<layer>0|[1-9]\d{0,5})\.(?P<part>ln_1|ln_2|ln_cross_attn|attn\.c_attn|attn\.c_proj|mlp\.c_fc"
    r"|mlp\.c_proj|crossattention\.(?:c_attn|q_attn|c_proj))\.(?:weight|bias))"
)
# Causal masks that PyTorch versions of the model saved among the weights.
_MASK = re.compile(r"(?:transformer\.)?h\.\d+\.(?:attn|crossattention)\.(?:bias|masked_bias)")
_ACTIVATION = re.compile(r"(?:(?:transformer\.)?h\.\d+\.mlp\.act|multiple_choice_head\.activation)\.\w+")
_CROSS = re.compile(r"transformer\.h\.\d+\.(?:crossattention|ln_cross_attn)\.")
_OLD_NORM = {".gamma": ".weight", ".beta": ".bias"}


def canonical(name: str) -> str | None:
    """The canonical form of a name as Hugging Face's PyTorch files write it.

    Arguments:
        name: with or without the prefix `transformer.`; layer norms also as the oldest files name them
            (gamma, beta).

    Returns:
        The name with the prefix where it belongs to the backbone; None for a causal mask, which is no weight;
        a name that is no GPT-2 tensor's as it came.

    Example:
        >>> canonical("h.0.ln_1.gamma"), canonical("score.weight"), canonical("h.0.attn.masked_bias")
        ('transformer.h.0.ln_1.weight', 'score.weight', None)
    """
    if _MASK.fullmatch(name):
        return None
    bare = name.removeprefix(PREFIX)
    if _BACKBONE.fullmatch(bare):
        return PREFIX + bare
    for old, new in _OLD_NORM.items():
        if bare.endswith(old):
            bare = bare.removesuffix(old) + new
    return PREFIX + bare if _BACKBONE.fullmatch(bare) else name


def is_backbone(name: str) -> bool:
    """Whether a canonical name is one of a GPT-2's backbone, of whatever depth."""
    return name.startswith(PREFIX) and _BACKBONE.fullmatch(name.removeprefix(PREFIX)) is not None


def is_cross_attention(name: str) -> bool:
    """Whether a canonical name belongs to cross-attention, which only decoders over an encoder have."""
    return _CROSS.match(name) is not None


def is_activation(name: str) -> bool:
    """Whether a tensor is an activation's own, which transformers keeps in a type of its own.

    Example:
        >>> is_activation("transformer.h.0.mlp.act.alpha_p"), is_activation("transformer.h.0.mlp.c_fc.bias")
        (True, False)
    """
    return _ACTIVATION.fullmatch(name) is not None


def stored_name(name: str, class_name: str) -> str:
    """The name as Hugging Face's file of that class writes it: a bare `GPT2Model` has no prefix.

    Example:
        >>> [stored_name("transformer.ln_f.bias", name) for name in ("GPT2Model", "GPT2LMHeadModel")]
        ['ln_f.bias', 'transformer.ln_f.bias']
    """
    return name.removeprefix(PREFIX) if class_name == "GPT2Model" else name


def layer_count(names: Iterable[str]) -> int:
    """How many layers the names speak of: one more than the highest number, 0 when there is none."""
    found = (_BACKBONE.fullmatch(name.removeprefix(PREFIX)) for name in names)
    numbers = (match["layer"] or match["act"] for match in found if match)
    return max((int(number) + 1 for number in numbers if number), default=0)


def class_of(names: Iterable[str], architectures: Iterable[str] = ()) -> str:
    """The class a checkpoint was saved from.

    Arguments:
        names: canonical names of its tensors.
        architectures: what its configuration says, believed when it is one of the six (also as `TFGPT2...` or
            `FlaxGPT2...`) and the heads do not contradict it.

    Returns:
        A class name; `GPT2LMHeadModel` for a backbone alone, whose tied head has no tensor of its own.

    Example:
        >>> class_of(["transformer.wte.weight", "qa_outputs.weight"])
        'GPT2ForQuestionAnswering'
    """
    heads = HEAD_NAMES.intersection(names)
    for stated in architectures:
        bare = stated.removeprefix("TF").removeprefix("Flax")
        if bare in HEADS and heads <= {*HEADS[bare], "lm_head.weight"}:
            return bare
    for class_name in ("GPT2DoubleHeadsModel", *(name for name in HEADS if name != "GPT2DoubleHeadsModel")):
        if heads.intersection(HEADS[class_name]) - {"lm_head.weight"}:
            return class_name
    return "GPT2LMHeadModel"


def backbone_shapes(
    config: GPT2Config, most_layers: int | None = None
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of the backbone, in Hugging Face's order; of so many layers at most."""
    width = config.n_embd
    yield f"{PREFIX}wte.weight", (config.vocab_size, width)
    yield f"{PREFIX}wpe.weight", (config.n_positions, width)
    for layer in range(config.n_layer if most_layers is None else min(config.n_layer, most_layers)):
        for part, shape in _block_shapes(config).items():
            yield f"{PREFIX}h.{layer}.{part}", shape
    yield f"{PREFIX}ln_f.weight", (width,)
    yield f"{PREFIX}ln_f.bias", (width,)


def _block_shapes(config: GPT2Config) -> dict[str, tuple[int, ...]]:
    width, inner = config.n_embd, config.inner_dim
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def dense(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (inputs, outputs), (outputs,)

    norm("ln_1")
    dense("attn.c_attn", width, 3 * width)
    dense("attn.c_proj", width, width)
    norm("ln_2")
    if config.add_cross_attention:
        dense("crossattention.c_attn", width, 2 * width)
        dense("crossattention.q_attn", width, width)
        dense("crossattention.c_proj", width, width)
        norm("ln_cross_attn")
    dense("mlp.c_fc", width, inner)
    dense("mlp.c_proj", inner, width)
    for name, weight in activation_weights(config.activation_function).items():
        shapes[f"mlp.act.{name}"] = weight.shape
    return shapes


def head_shapes(config: GPT2Config, class_name: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of the tensors of a class's heads; a tied language-model head has none.

    Example:
        >>> from gpt2model import GPT2Config
        >>> head_shapes(GPT2Config(num_labels=3), "GPT2ForSequenceClassification")
        {'score.weight': (3, 768)}
    """
    width = config.n_embd
    shapes: dict[str, tuple[int, ...]] = {}
    for name in HEADS[class_name]:
        if name == "lm_head.weight":
            if not config.tie_word_embeddings:
                shapes[name] = (config.vocab_size, width)
        elif name.startswith("multiple_choice_head.activation."):
            own = activation_weights(config.summary_activation).get(name.rpartition(".")[2])
            if own is not None:
                shapes[name] = own.shape
        elif name.startswith("multiple_choice_head."):
            if config.summary_use_proj:
                # The double-heads model scores one choice at a time, whatever num_labels says.
                outputs = 1 if config.summary_proj_to_labels else width
                shapes[name] = (outputs, width) if name.endswith("weight") else (outputs,)
        else:
            outputs = 2 if name.startswith("qa_outputs.") else config.num_labels
            shapes[name] = (outputs, width) if name.endswith("weight") else (outputs,)
    return shapes
