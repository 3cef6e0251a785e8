"""How wrong was the model? The losses of the heads, as Hugging Face's PyTorch models compute them.

Owns the formulas, all in float32. One thing differs by intent: where every label is ignored, the loss is 0
(and so is its gradient), where PyTorch's mean over nothing is NaN and would wreck the weights. A label that is no
class and that nobody could refuse (`bounds.py`) makes the loss NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from .backend import BACKEND, Tensor
from .bounds import IGNORED_LABEL, poison, signed
from .config import PROBLEM_TYPES, GPT2Config


def _plain_surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """log of the sum of exp(logits), without overflow, less the logit of the label: (...)."""
    greatest = ops.max(logits, axis=-1, keepdims=True)
    total = ops.squeeze(greatest, -1) + ops.log(ops.sum(ops.exp(logits - greatest), axis=-1))
    picked = ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1)
    return total - ops.squeeze(picked, -1)


if BACKEND == "jax":
    import jax

    # Keras' own way for JAX keeps the log-probabilities beside the logits, each of them 823 MB for 8 x 512 positions
    # of gpt2-small; left to itself, JAX keeps exp(logits - greatest) and scatters the label's derivative. Head and loss
    # with their gradients there, CPU seconds and temporary megabytes: Keras 8.9 and 1570, derivative left to JAX 8.3
    # and 785, as here 7.7 and 785, of which the three products alone are 7.6. Picking the label by comparison in the
    # first passage as well, which XLA writes out whole, took a training step's memory from 10.4 to 10.9 GB.
    _jax_surprise: Any = jax.custom_jvp(_plain_surprise)

    @_jax_surprise.defjvp
    def _softmax_less_label(primals: Any, tangents: Any) -> Any:
        """The derivative is softmax less one at the label, computed afresh, by comparison, where it is needed."""
        (logits, labels), (change, _) = primals, tangents
        value = _jax_surprise(logits, labels)
        place = ops.arange(logits.shape[-1], dtype=labels.dtype)
        chosen = ops.expand_dims(labels, -1)
        picked = ops.take_along_axis(logits, chosen, axis=-1)
        softmax = ops.exp(logits - (ops.expand_dims(value, -1) + picked))
        return value, ops.sum((softmax - ops.cast(ops.equal(place, chosen), logits.dtype)) * change, axis=-1)


def cross_entropy(logits: Tensor, labels: Tensor, ignored: int | Tensor = IGNORED_LABEL) -> Tensor:
    """Mean of -log softmax(logits)[label] over the labels that are not ignored.

    Arguments:
        logits: (..., classes).
        labels: (...) integers of any type.
        ignored: the label that does not count.

    Returns:
        A float32 scalar; NaN if a label is neither a class nor ignored.

    Example:
        >>> float(cross_entropy(ops.zeros((2, 4)), ops.convert_to_tensor([1, -100]))) == float(ops.log(4.0))
        True
    """
    labels = signed(labels)
    counts = ops.not_equal(labels, ignored)
    good = ops.logical_and(ops.greater_equal(labels, 0), ops.less(labels, ops.shape(logits)[-1]))
    chosen = ops.cast(ops.where(ops.logical_and(counts, good), labels, ops.zeros_like(labels)), "int32")
    surprise = _surprise(ops.cast(logits, "float32"), chosen)
    weight = ops.cast(counts, "float32")
    bad = ops.logical_and(counts, ops.logical_not(good))
    total = ops.sum(surprise * (weight + poison(bad, "float32")))
    return total / ops.maximum(ops.sum(weight), 1.0)


def _surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label], (...)."""
    if BACKEND != "jax":
        # These backends have a kernel for it; picking from the logits by index instead cost TensorFlow tens of
        # gigabytes.
        return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return _jax_surprise(logits, labels)


def counted(
    labels: Tensor, scores: Tensor, ignored: int | Tensor = IGNORED_LABEL
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, their scores and a weight of 1 for each that counts, 0 for each that is ignored: what Keras' metrics ask.

    Arguments:
        labels: (...) integers; ignored ones come back as 0.
        scores: (..., classes).
    """
    counts = ops.not_equal(signed(labels), ignored)
    return ops.where(counts, labels, ops.zeros_like(labels)), scores, ops.cast(counts, "float32")


def by_name(counted_parts: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> tuple[Any, Any, Any]:
    """What `counted` gave for several outputs, as Keras' metrics ask: mappings of labels, of scores, of weights."""
    labels, scores, weights = (
        {name: parts[place] for name, parts in counted_parts.items()} for place in range(3)
    )
    return labels, scores, weights


def language_model_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each position's logits against the next position's label.

    Arguments:
        logits: (..., positions, vocab_size).
        labels: (..., positions); the same ids as the input, -100 where none counts.
    """
    labels = signed(labels)  # an unsigned type has no -100
    # Labels move, not logits: cutting the logits would copy the largest tensor of the model.
    ahead = labels[..., 1:]
    last = ops.full_like(labels[..., :1], IGNORED_LABEL)
    return cross_entropy(logits, ops.concatenate([ahead, last], axis=-1))


def problem_of(config: GPT2Config, labels: Tensor) -> str:
    """The problem type that the configuration names, or that the labels imply."""
    if config.problem_type is not None:
        return str(config.problem_type)
    regression, single, multiple = PROBLEM_TYPES
    if config.num_labels == 1:
        return regression
    return single if "int" in str(labels.dtype) else multiple


def sequence_loss(config: GPT2Config, logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error, cross-entropy or binary cross-entropy, by problem type.

    Arguments:
        logits: (batch, num_labels).
        labels: (batch,) class numbers; or (batch, num_labels) numbers, (batch,) when there is one label.
    """
    problem = problem_of(config, labels)
    logits = ops.cast(logits, "float32")
    if problem == "single_label_classification":
        return cross_entropy(logits, ops.reshape(labels, (-1,)))
    labels = ops.reshape(ops.cast(labels, "float32"), ops.shape(logits))
    if problem == "regression":
        return ops.mean(ops.square(logits - labels))
    # max(x, 0) - x y + log(1 + exp(-|x|)) is -y log s(x) - (1 - y) log(1 - s(x)) without overflow.
    return ops.mean(ops.relu(logits) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits))))


def span_loss(start_logits: Tensor, end_logits: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Mean of two cross-entropies; positions outside the input are clamped to its length and do not count.

    Arguments:
        start_logits, end_logits: (batch, positions).
        start, end: (batch,) or (batch, 1).
    """
    length = ops.shape(start_logits)[1]
    total = 0.0
    for logits, positions in ((start_logits, start), (end_logits, end)):
        total = total + cross_entropy(logits, clamped(positions, length), ignored=length)
    return total / 2.0


def clamped(positions: Tensor, length: int | Tensor) -> Tensor:
    """Positions of the ends of spans as the loss takes them, (batch,): `length` is the one that does not count."""
    return ops.clip(ops.reshape(signed(positions), (-1,)), 0, length)


def checked_loss(loss: Any) -> Any:
    """The loss given to `compile`: one, of labels and logits, or none, for the model's own.

    Raises:
        ValueError: several, or what transformers' models took in place of none.

    Example:
        >>> checked_loss({"logits": "mse"})
        Traceback (most recent call last):
        ValueError: compile() takes one loss, of labels and logits, not dict. Leave it out: ...
    """
    name = repr(loss) if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    is_own = name in {"'passthrough'", "compute_loss", "hf_compute_loss"}
    if is_own or isinstance(loss, Mapping) or (isinstance(loss, list | tuple) and len(loss) != 1):
        raise ValueError(
            f"compile() takes one loss, of labels and logits, not {name}. Leave it out: then the model's own is learned"
            " from, with labels among the inputs ({'input_ids': ids, 'labels': labels}) or as y."
        )
    return loss
