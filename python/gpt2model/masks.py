"""Who may look at whom? Attention masks, from what the caller says about padding and from the order of
positions.

Owns the boolean masks that attention consumes (True: may look). Refuses additive masks: adding large negative
numbers loses precision in half types, and every backend's attention takes booleans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from keras import ops

from .backend import Tensor, sides, static_int
from .bounds import check_flags
from .entry import same


@final
@dataclass(frozen=True)
class Visibility:
    """What the queries of one call may see.

    Attributes:
        causal: plain order and nothing else: query i sees keys 0..i, and there are as many keys as queries. A
            fused kernel has a way of its own for that, which reads no mask.
        mask: (1 or batch, 1, 1 or queries, keys) booleans with order included, or None if `causal` says all,
            or if everything may be seen.
        ordered: `mask` holds plain order, and there are as many keys as queries.
    """

    causal: bool
    mask: Tensor | None
    ordered: bool = False


def causal_mask(steps: Tensor | int, keys: Tensor | int, before: Tensor | int) -> Tensor:
    """Who stands before whom: (1, 1, steps, keys) booleans, the first query being the position after
    `before`.

    Example:
        >>> ops.convert_to_numpy(causal_mask(2, 3, 1))[0, 0].tolist()
        [[True, True, False], [True, True, True]]
    """
    query = ops.expand_dims(ops.arange(steps, dtype="int32") + before, 1)  # (steps, 1)
    key = ops.expand_dims(ops.arange(keys, dtype="int32"), 0)  # (1, keys)
    return ops.expand_dims(ops.less_equal(key, query), (0, 1))


def self_visibility(
    padding: Tensor | None,
    rows: Tensor | int,
    steps: Tensor | int,
    before: Tensor | int,
    keys: int | Tensor,
    *,
    static: bool,
) -> Visibility:
    """What new positions may see of themselves and of the cache.

    Arguments:
        padding: (batch, positions), nonzero where a token counts, or None; positions from the first cached
            one, up to the last new one at least.
        rows, steps: batch and number of new positions.
        before: positions filled before them.
        keys: positions there are keys for: `before + steps`, or the room of a static cache.
        static: keys beyond the filled ones exist and must not be seen.
    """
    fresh = static_int(before) == 0 and not static
    single = static_int(steps) == 1
    if padding is None and fresh:
        return Visibility(causal=not single, mask=None)
    if padding is None and single and not static:
        return Visibility(causal=False, mask=None)  # the last position sees everything
    mask = None
    if static or not single:
        mask = causal_mask(steps, keys, before)
    if padding is not None:
        seen = ops.not_equal(padding, 0)
        seen = _fit(seen, rows, keys) if static else seen
        seen = ops.expand_dims(seen, (1, 2))  # (batch, 1, 1, keys)
        mask = seen if mask is None else ops.logical_and(mask, seen)
    return Visibility(causal=False, mask=mask, ordered=fresh and not single)


def _fit(seen: Tensor, rows: Tensor | int, keys: int | Tensor) -> Tensor:
    """A padding mask that ends before a static cache does, drawn out with True: order hides what lies
    beyond.
    """
    short = static_int(keys)
    given = sides(seen)[1]
    if short is None or given is None or given == short:
        return seen
    rest = ops.ones((rows, short - given), dtype="bool")
    return ops.concatenate([seen, rest], axis=1)


def check_padding(
    padding: Tensor, batch: int | None, before: int | None, steps: int | None, room: int | None
) -> None:
    """Refuse a padding mask that does not tell of every key.

    Arguments:
        padding: (batch, positions), leading axes already joined.

    Raises:
        ValueError: its shape and the shape it must have.
    """
    shape = sides(padding)
    check_flags("attention_mask", padding)
    known = before is not None and steps is not None
    need = (before or 0) + (steps or 0) if known else None
    good = len(shape) == 2 and same(shape[0], batch)
    if good and shape[1] is not None and room is not None:
        good = shape[1] <= room and (need is None or shape[1] >= need)  # a static cache: up to its room
        good = good and (known or shape[1] == room)
    elif good and shape[1] is not None and need is not None:
        good = shape[1] == need
    if not good:
        cached = f", {before} of them cached" if before else ""
        where = f"up to {room} (the cache's max_length)" if room is not None else "exactly"
        if room is not None and not known:
            wanted = f"({batch}, {room}): the cache's offset is a traced value, so the mask must cover its whole room"
        else:
            wanted = f"({batch}, {need}), {where}" if room is not None else f"({batch}, {need})"
        raise ValueError(
            f"attention_mask has shape {shape}; it must be {wanted}: one number for each position{cached}."
        )


def encoder_visibility(
    mask: Tensor | None, batch: int | None, steps: int | None, positions: int | None
) -> Visibility:
    """What queries may see of the encoder.

    Arguments:
        mask: (batch, encoder positions) or (batch, queries, encoder positions), nonzero where a position
            counts.
        positions: of the encoder, as its states or the cached keys have them.

    Raises:
        ValueError: another shape, or numbers that no mask has.
    """
    if mask is None:
        return Visibility(causal=False, mask=None)
    check_flags("encoder_attention_mask", mask)
    shape = sides(mask)
    if len(shape) == 2 and same(shape[0], batch) and same(shape[1], positions):
        return Visibility(causal=False, mask=ops.expand_dims(ops.not_equal(mask, 0), (1, 2)))
    if len(shape) == 3 and same(shape[0], batch) and same(shape[1], steps) and same(shape[2], positions):
        return Visibility(causal=False, mask=ops.expand_dims(ops.not_equal(mask, 0), 1))
    raise ValueError(
        f"encoder_attention_mask has shape {shape}; it must be ({batch}, {positions}), as encoder_hidden_states is (or "
        f"the encoder's keys in the cache are), or ({batch}, {steps}, {positions})."
    )


def layer_head_masks(
    head_mask: Tensor | None,
    layers: int,
    scores: tuple[int | None, ...],
    encoder: int | None = None,
) -> list[Tensor | None]:
    """Per layer, what the attention weights are multiplied by: broadcastable to (batch, heads, queries,
    keys).

    Arguments:
        head_mask: (heads,), (layers, heads), or (layers, batch, heads, queries, keys) with any of the last
            four sides 1.
        scores: (batch, heads, queries, keys), as far as known.
        encoder: positions of the encoder, the weights of which are multiplied too; None if there is none.

    Raises:
        ValueError: another shape.
    """
    if head_mask is None:
        return [None] * layers
    shape, heads = sides(head_mask), scores[1]
    if "float" not in str(head_mask.dtype) and "int" not in str(head_mask.dtype):
        raise TypeError(
            f"head_mask must be numbers, factors of the attention weights, not {head_mask.dtype}."
        )
    if len(shape) == 1 and same(shape[0], heads):
        return [ops.reshape(head_mask, (1, heads, 1, 1))] * layers
    if len(shape) == 2 and same(shape[0], layers) and same(shape[1], heads):
        return [ops.reshape(head_mask[index], (1, heads, 1, 1)) for index in range(layers)]
    whole = len(shape) == 5 and same(shape[0], layers)
    if whole and all(side == 1 or same(side, other) for side, other in zip(shape[1:], scores, strict=True)):
        if shape[4] != 1 and encoder is not None and not same(shape[4], encoder):
            raise ValueError(
                f"head_mask has shape {shape}, factors for {shape[4]} keys, but the encoder has {encoder} positions, "
                "and both attentions are multiplied by them; let the last side be 1."
            )
        return [head_mask[index] for index in range(layers)]
    raise ValueError(
        f"head_mask has shape {shape}; it must be ({heads},) or ({layers}, {heads}): layers and heads; or "
        f"({layers}, {', '.join(map(str, scores))}), any of the last four 1: layers, batch, heads, queries and keys."
    )
