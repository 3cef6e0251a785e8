"""Which ids do pretokens have? One look into a table, and byte-pair merges for those that are not in it.

Owns the table lookup and the rounds of merges. Refuses to find pretokens (`pretokens.py`) and to arrange results in
rows of equal length (`dense.py`). The tables come from `graph_tables.py`; why a round may join many pairs at once and
is still exact is told in `graph_merges.py`.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import tensorflow as tf

from .branches import apart, either, traced
from .graph_hash import PerfectHash
from .graph_merges import NEVER
from .graph_tables import ADDED_DIGITS, ADDED_MARK, DIGIT, KEY_BYTES, ROW_END, GraphTables, key_masks
from .pretokens import FIRST_ROW, Pretokens, at, places

Tensor = Any

_FRONT_MARKS, _BACK_MARKS = 2, 3  # end marks around the parts, so that each pair has neighbours to ask
# Rounds written out, for a turn of a loop costs four times as much. After four, nine pretokens of ten are done in
# English; after eight, all but strange ones. Of many parts, six of seven have nothing to do after two, and leave.
_ROUNDS, _ROUNDS_OF_MANY = 4, 2
_FEW_PARTS = 4096
_GOING, _STUCK, _DONE = range(3)
_SLOW_PROGRESS = 16  # when fewer than one pair in so many is joined, look harder for safe ones


@final
class Merger:
    """The ids of pretokens, by one vocabulary. Immutable.

    Args:
        tables: of the vocabulary.
        added_ids: the ids of added tokens, in the order of their marks' numbers.
    """

    def __init__(self, tables: GraphTables, added_ids: list[int]) -> None:
        self._tables = tables
        with tf.init_scope(), tf.device("/CPU:0"):
            self._pretoken_displacement = tf.constant(tables.pretoken_hash.displacement)
            self._pretoken_keys = tf.constant(tables.pretoken_keys)
            self._pretoken_ids = tf.constant(tables.pretoken_ids)
            self._key_masks = tf.constant(key_masks())
            self._pair_displacement = tf.constant(tables.pair_hash.displacement)
            self._pairs = tf.constant(tables.pairs)
            # The end mark has a number, too, but its id is never looked at.
            self._ids = tf.constant(np.append(tables.ids, 0).astype(np.int32))
            self._added_ids = tf.constant(np.array(added_ids, np.int32)) if added_ids else None
        # Traced once however often they are called: they are most of the graph.
        parts = tf.TensorSpec([None], tf.int32)
        self._ranks = traced(self._ranks_of_pairs, parts)
        self._round = traced(self._joined_once, parts)
        self._lowest = traced(self._lowest_rank, parts)
        self._turn = traced(self._one_turn, parts)
        self._to_the_end = apart(self._joined_to_the_end, parts)
        self._more_rounds = apart(self._joined_in_more_rounds, parts)

    def ids(self, pretokens: Pretokens, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The ids of all texts, and where each text's begin.

        Args:
            rows: int32, how many texts there are.

        Returns:
            int32 [ids] and int64 [rows + 1].
        """
        found, whole = self._look_up(pretokens)

        def all_whole() -> tuple[Tensor, Tensor]:
            ends, real = places(found == ROW_END), places(found >= 0)
            # Each has one id, but marks and pretokens that a contraction emptied have none.
            before = tf.raw_ops.LowerBound(
                sorted_inputs=real[None, :], values=ends[None, :], out_type=tf.int64
            )
            return tf.gather(found, real), before[0]

        def some_merged() -> tuple[Tensor, Tensor]:
            source, start, count = self._merged(pretokens, found, whole)
            taken = tf.raw_ops.RaggedRange(starts=start, limits=start + count, deltas=_i64(1))
            ends = places(whole & (found == ROW_END))
            return tf.gather(source, taken.rt_dense_values), tf.gather(taken.rt_nested_splits, ends)

        ids, ends = either(tf.reduce_all(whole), all_whole, some_merged)
        return ids, ends[FIRST_ROW : FIRST_ROW + rows + 1]

    def _look_up(self, pretokens: Pretokens) -> tuple[Tensor, Tensor]:
        """int32 [pretokens], the id or mark of those that are in the table, and bool, which are."""
        length = tf.minimum(pretokens.end - pretokens.start, KEY_BYTES + 1)  # [pretokens], as is all here
        low_mask, high_mask = tf.unstack(_gather_16_bytes(self._key_masks, length), axis=1)
        low = tf.bitwise.bitwise_and(pretokens.head, low_mask)
        high = tf.bitwise.bitwise_and(at(pretokens.words, pretokens.start + 8), high_mask)
        high = tf.bitwise.bitwise_or(high, tf.bitwise.left_shift(length, _i64(56)))
        keys = (tf.bitcast(low, tf.uint64), tf.bitcast(high, tf.uint64))
        slot = _slot(self._tables.pretoken_hash, self._pretoken_displacement, *keys)
        low_there, high_there = tf.unstack(_gather_16_bytes(self._pretoken_keys, slot), axis=1)
        whole = (low_there == low) & (high_there == high)
        found = tf.gather(self._pretoken_ids, slot)
        if self._added_ids is None:
            return found, whole
        return self._with_added(pretokens.head, found, whole), whole

    def _with_added(self, head: Tensor, found: Tensor, whole: Tensor) -> Tensor:
        mark = whole & (found == ADDED_MARK)

        def named() -> Tensor:
            which = places(mark)
            digits = tf.gather(head, which)
            number = tf.zeros_like(digits)
            for i in range(1, 1 + ADDED_DIGITS):
                number = (
                    number * 8
                    + tf.bitwise.bitwise_and(tf.bitwise.right_shift(digits, _i64(8 * i)), 0xFF)
                    - DIGIT
                )
            return tf.tensor_scatter_nd_update(found, which[:, None], tf.gather(self._added_ids, number))

        return either(~tf.reduce_any(mark), lambda: found, named)

    def _merged(self, pretokens: Pretokens, found: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A vector of ids, and for each pretoken where in it its ids are and how many they are."""
        which = places(~whole)  # [misses]
        start, end = tf.gather(pretokens.start, which), tf.gather(pretokens.end, which)  # [misses]
        # The byte after each pretoken gives its place to an end mark.
        bytes_of = tf.raw_ops.RaggedRange(starts=start, limits=end + 1, deltas=_i64(1))
        # [parts]: the bytes of the misses and an end mark for each
        parts = tf.cast(tf.gather(pretokens.raw, bytes_of.rt_dense_values), tf.int32)
        last = bytes_of.rt_nested_splits[1:] - 1
        parts = tf.tensor_scatter_nd_update(parts, last[:, None], tf.fill(tf.shape(last), self._tables.end))
        parts = self._framed(parts)
        few = tf.size(parts) < _FEW_PARTS
        return either(
            few, lambda: self._few_merged(parts, found, which), lambda: self._many_merged(parts, found, which)
        )

    def _few_merged(self, parts: Tensor, found: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Few enough that those who are done cost less than taking them out."""
        return self._put(self._finished(parts), found, which)

    def _many_merged(self, parts: Tensor, found: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for _ in range(_ROUNDS_OF_MANY):
            parts = self._round(parts)
        possible = tf.cast(self._ranks(parts)[0] < NEVER, tf.int32)  # [parts - 1]
        joins_before = tf.cumsum(possible, exclusive=True)
        source, start, counts = self._put(parts, found, which)
        offset, count = self._segments(parts)  # [misses]
        active = places(tf.gather(joins_before, offset + count) > tf.gather(joins_before, offset))
        first = tf.gather(offset, active)
        taken = tf.raw_ops.RaggedRange(
            starts=first, limits=first + tf.gather(count, active) + 1, deltas=_i64(1)
        )
        active_parts = tf.gather(parts, taken.rt_dense_values)
        rest = self._finished(self._framed(active_parts))  # [fewer parts]
        offset, count = self._segments(rest)
        rest_which = tf.gather(which, active)[:, None]
        return (
            tf.concat([source, tf.gather(self._ids, rest)], 0),
            tf.tensor_scatter_nd_update(start, rest_which, tf.size(source, tf.int64) + offset),
            tf.tensor_scatter_nd_update(counts, rest_which, count),
        )

    def _put(self, parts: Tensor, found: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `_merged` returns, if these are the parts of the pretokens that were not whole."""
        offset, count = self._segments(parts)
        pretokens = tf.size(found, tf.int64)
        return (
            tf.concat([found, tf.gather(self._ids, parts)], 0),
            tf.tensor_scatter_nd_update(tf.range(pretokens), which[:, None], pretokens + offset),
            tf.tensor_scatter_nd_update(tf.cast(found >= 0, tf.int64), which[:, None], count),
        )

    def _finished(self, parts: Tensor) -> Tensor:
        """The parts when no pair is left to join."""
        for _ in range(_ROUNDS):
            parts = self._round(parts)
        return tf.cond(self._lowest(parts) == NEVER, lambda: parts, lambda: self._more_rounds(parts))

    def _joined_in_more_rounds(self, parts: Tensor) -> Tensor:
        for _ in range(_ROUNDS):
            parts = self._round(parts)
        return tf.cond(self._lowest(parts) == NEVER, lambda: parts, lambda: self._to_the_end(parts))

    def _joined_once(self, parts: Tensor) -> Tensor:
        return self._join(parts, *_safe(*self._ranks(parts)))

    def _lowest_rank(self, parts: Tensor) -> Tensor:
        return tf.reduce_min(self._ranks(parts)[0])

    def _framed(self, parts: Tensor) -> Tensor:
        end = self._tables.end
        return tf.concat([tf.constant([end] * _FRONT_MARKS), parts, tf.constant([end] * _BACK_MARKS)], 0)

    def _segments(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Where each pretoken's parts begin, and how many there are: int64."""
        ends = places(parts[_FRONT_MARKS - 1 : 1 - _BACK_MARKS - 1] == self._tables.end) + _FRONT_MARKS - 1
        return ends[:-1] + 1, ends[1:] - ends[:-1] - 1

    def _ranks_of_pairs(self, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rank, left threat and right threat of each pair of neighbours, int32 [parts - 1]; NEVER for none."""
        table = self._tables.pair_hash
        half = table.bits // 2
        kind = tf.uint32 if table.bits == 32 else tf.uint64
        wide = tf.bitcast(parts, tf.uint32) if table.bits == 32 else tf.cast(parts, tf.uint64)
        key = wide[:-1] * tf.constant(1 << half, kind) + wide[1:]
        slot = _slot(table, self._pair_displacement, key)
        if table.bits == 32:
            columns = tf.unstack(_gather_16_bytes(self._pairs, slot), axis=1)
            other = columns[0] != tf.bitcast(key, tf.int32)
        else:
            columns = tf.unstack(tf.gather(self._pairs, slot), axis=1)
            other = (columns[0] != parts[:-1]) | (columns[1] != parts[1:])
        never = tf.cast(other, tf.int32) * NEVER
        rank, left_threat, right_threat = (tf.maximum(column, never) for column in columns[-3:])
        return rank, left_threat, right_threat

    def _join(self, parts: Tensor, chosen: Tensor, rank: Tensor) -> Tensor:
        """The parts after the chosen pairs became one: `chosen` and `rank` are of all pairs but two at each end."""
        joined = tf.where(chosen, rank + 256, parts[_FRONT_MARKS:-_BACK_MARKS])  # [parts - 5]
        front, back = (tf.constant([True] * count) for count in (_FRONT_MARKS + 1, _BACK_MARKS - 1))
        keep = tf.concat([front, ~chosen, back], 0)  # [parts], without the part that a join takes in
        return tf.gather(self._framed(joined), places(keep))

    def _joined_to_the_end(self, parts: Tensor) -> Tensor:
        shapes = (tf.TensorShape([None]), tf.TensorShape([]))

        def rounds(parts: Tensor) -> tuple[Tensor, Tensor]:
            return tf.while_loop(
                lambda _, state: state == _GOING,
                lambda parts, _: self._turn(parts),
                (parts, tf.constant(_GOING)),
                shape_invariants=shapes,
                parallel_iterations=1,
            )

        def harder(parts: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
            ranks = self._ranks(parts)
            chosen, rank = _safe(*ranks)
            return rounds(self._join(parts, chosen | self._safe_by_reach(parts, *ranks), rank))

        return tf.while_loop(
            lambda _, state: state == _STUCK,
            harder,
            rounds(parts),
            shape_invariants=shapes,
            parallel_iterations=1,
        )[0]

    def _one_turn(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        chosen, rank = _safe(*self._ranks(parts))
        possible = _count(rank < NEVER)
        progress = _count(chosen) * _SLOW_PROGRESS >= possible
        # Done, going well, or in need of more work.
        state = tf.where(possible > 0, tf.where(progress, _GOING, _STUCK), _DONE)
        return self._join(parts, chosen, rank), state

    def _safe_by_reach(
        self, parts: Tensor, rank: Tensor, left_threat: Tensor, right_threat: Tensor
    ) -> Tensor:
        """More pairs that may be joined now, found with more work: in runs of one token, and by rank alone."""
        here = rank[2:-2]
        possible = here < NEVER

        # x x x x is joined in twos from its left end, if the end is safe and nothing grows into x before.
        new = tf.concat([tf.constant([True]), parts[1:] != parts[:-1]], 0)
        run_start = tf.gather(places(new), tf.cumsum(tf.cast(new, tf.int32)) - 1)
        even = tf.bitwise.bitwise_and(tf.range(tf.size(parts, tf.int64)) - run_start, 1) == 0
        end_safe = tf.concat([tf.constant([False]), rank[1:] < left_threat[:-1], tf.constant([False])], 0)
        in_run = (parts[2:-3] == parts[3:-2]) & even[2:-3] & tf.gather(end_safe, run_start[2:-3])
        in_run &= possible & (here <= left_threat[1:-3]) & (here <= right_threat[3:-1])

        # The lowest rank of a pretoken, or the lowest within reach of the longest token, is next there.
        number = tf.cumsum(tf.cast(parts == self._tables.end, tf.int32))[2:-3]
        lowest = tf.math.segment_min(here, number - number[0])
        lowest_of_all = here == tf.gather(lowest, number - number[0])
        before, after, reach = rank, rank, 1
        widened = traced(
            _widened, ranks := tf.TensorSpec([None], tf.int32), ranks, tf.TensorSpec([], tf.int32)
        )
        while reach < self._tables.longest:
            before, after = widened(before, after, reach)
            reach *= 2
        lowest_near = (here <= before[2:-2]) & (here <= after[2:-2])
        leftmost = (here < rank[1:-3]) & (here <= rank[3:-1])
        return in_run | (possible & leftmost & (lowest_of_all | lowest_near))


def _safe(rank: Tensor, left_threat: Tensor, right_threat: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs nothing can break up before their turn, and their ranks; for all pairs but two at each end.

    What grows into a threat must first take the part next to it: its own threat, one place on, bounds the rank too.
    """
    left = tf.minimum(rank[1:-3], tf.maximum(left_threat[1:-3], left_threat[:-4]))
    right = tf.minimum(rank[3:-1], tf.maximum(right_threat[3:-1], right_threat[4:]))
    here = rank[2:-2]
    return (here < left) & (here <= right), here  # nothing is below NEVER on the left but a rank


def _widened(before: Tensor, after: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest ranks of twice as many pairs: in front of each pair and behind it, itself included.

    Args:
        before: int32 [pairs], the lowest of `reach` pairs.
        after: the same.
        reach: int32 scalar.
    """
    never = tf.fill([reach], NEVER)
    return (
        tf.minimum(before, tf.concat([never, before], 0)[:-reach]),
        tf.minimum(after, tf.concat([after, never], 0)[reach:]),
    )


def _slot(table: PerfectHash, displacement: Tensor, *parts: Tensor) -> Tensor:
    """`PerfectHash.find` in the graph: int32."""
    kind = parts[0].dtype
    mixed = sum(part * tf.constant(m, kind) for part, m in zip(parts, table.multipliers, strict=True))
    bucket = _small(tf.bitwise.right_shift(mixed, tf.constant(table.bits - table.bucket_bits, kind)))
    slot = tf.bitwise.right_shift(mixed, tf.constant(table.slot_shift, kind)) if table.slot_shift else mixed
    slot = tf.bitwise.bitwise_and(_small(slot), table.slots - 1)
    return tf.bitwise.bitwise_xor(slot, tf.gather(displacement, bucket))


def _gather_16_bytes(rows: Tensor, index: Tensor) -> Tensor:
    """`tf.gather(rows, index)` for rows of 16 bytes: as one number each they are moved without a call of memcpy."""
    wide = tf.gather(tf.bitcast(rows, tf.complex128), index)
    return tf.bitcast(wide, rows.dtype)


def _small(value: Tensor) -> Tensor:
    """The low 32 bits as int32."""
    return tf.bitcast(value, tf.int32) if value.dtype == tf.uint32 else tf.cast(value, tf.int32)


def _i64(value: int) -> Tensor:
    return tf.constant(value, tf.int64)


def _count(mask: Tensor) -> Tensor:
    return tf.math.count_nonzero(mask, dtype=tf.int32)
