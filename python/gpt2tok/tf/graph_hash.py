"""How does a graph without loops find a key in a table? By a perfect hash: one multiplication, two gathers.

Owns the building of such tables (multiply, take a bucket, displace the slot: Fox, Heath, Chen and Daoud, "Practical
minimal perfect hash functions", 1992, with XOR as the displacement). Refuses to know what the keys mean and what
framework looks them up: arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LOAD = 0.8  # of the slots are taken: at 0.95 the last keys take ten times as long to place
_KEYS_PER_BUCKET_LOG2 = 2
_MULTIPLIERS_TO_TRY = 1000
_ROUNDS_PER_SIZE = 20_000


@final
@dataclass(frozen=True)
class PerfectHash:
    """Where each key stands. `bits` is 32 or 64, all arithmetic is modulo 2**bits.

    For a key of parts p: `h = sum(p * multiplier)`, `bucket = h >> (bits - bucket_bits)`,
    `slot = (h >> slot_shift) & (slots - 1) ^ displacement[bucket]`.
    """

    bits: int
    multipliers: tuple[int, ...]
    bucket_bits: int
    slot_bits: int
    displacement: Array  # int32 [2**bucket_bits]
    slot_of_key: Array  # int64 [keys], in the order of the keys given

    @property
    def slots(self) -> int:
        return 1 << self.slot_bits

    @property
    def slot_shift(self) -> int:
        return self.bits - self.bucket_bits - self.slot_bits

    def find(self, *parts: Array) -> Array:
        """The slots at which keys would stand: the plain version of what the graph does.

        Args:
            parts: unsigned integers of `bits` bits, one array for each part of the key.
        """
        return _displaced(*_mixed(self, parts), self.displacement)


def fits(count: int, bits: int) -> bool:
    """Whether so many keys find place with arithmetic of 32 or 64 bits.

    Example:
        >>> fits(100_000, 32), fits(110_000, 32), fits(110_000, 64)
        (True, False, True)
    """
    return sum(_sizes(count)) <= bits


def _sizes(count: int) -> tuple[int, int]:
    """The bits of a slot and of a bucket, for so many keys."""
    slot_bits = max(4, int(np.ceil(np.log2(max(count, 1) / _LOAD))))
    return slot_bits, max(2, slot_bits - _KEYS_PER_BUCKET_LOG2)


def perfect_hash(*parts: Array, seed: int = 0) -> PerfectHash:
    """A perfect hash of distinct keys.

    Args:
        parts: one array for each part of a key, all uint32 (one part only) or all uint64. No two keys may be equal.
        seed: the same keys and seed give the same table.

    Raises:
        ValueError: two keys are equal, or they are too many for their bits.

    Example:
        >>> import numpy as np
        >>> table = perfect_hash(np.arange(100, dtype=np.uint64) ** 3)
        >>> len(set(table.slot_of_key.tolist()))
        100
    """
    count = len(parts[0])
    if len(np.unique(np.stack(parts, axis=1), axis=0)) < count:
        raise ValueError("a perfect hash needs distinct keys: two of those given are equal")
    bits = parts[0].dtype.itemsize * 8
    slot_bits, bucket_bits = _sizes(count)
    if not fits(count, bits):
        raise ValueError(f"{count} keys are too many for {bits} bits: give them as uint64")
    random = np.random.default_rng(seed)
    for _ in range(_MULTIPLIERS_TO_TRY):
        multipliers = tuple(int(random.integers(0, 1 << 63)) % (1 << (bits - 1)) * 2 + 1 for _ in parts)
        trial = PerfectHash(bits, multipliers, bucket_bits, slot_bits, np.empty(0, np.int32), np.empty(0))
        buckets, slots = _mixed(trial, parts)
        # Keys that share bucket and slot can never be parted by a displacement.
        if len(np.unique(buckets << slot_bits | slots)) < count:
            continue
        displacement = _place(buckets, slots, 1 << bucket_bits, 1 << slot_bits, random)
        if displacement is not None:
            found = _displaced(buckets, slots, displacement)
            return PerfectHash(bits, multipliers, bucket_bits, slot_bits, displacement, found)
    raise ValueError(f"no perfect hash found for {count} keys after {_MULTIPLIERS_TO_TRY} multipliers")


def _mixed(table: PerfectHash, parts: tuple[Array, ...]) -> tuple[Array, Array]:
    """The bucket of each key, and its slot before the displacement."""
    kind = parts[0].dtype.type
    mixed = np.zeros(len(parts[0]), kind)
    for part, multiplier in zip(parts, table.multipliers, strict=True):
        mixed = mixed + part * kind(multiplier)
    buckets = (mixed >> kind(table.bits - table.bucket_bits)).astype(np.int64)
    slots = ((mixed >> kind(table.slot_shift)) & kind(table.slots - 1)).astype(np.int64)
    return buckets, slots


def _displaced(buckets: Array, slots: Array, displacement: Array) -> Array:
    return slots ^ displacement[buckets].astype(np.int64)


def _place(
    buckets: Array, slots: Array, n_buckets: int, n_slots: int, random: np.random.Generator
) -> Array | None:
    """A displacement for each bucket so that no two keys meet: the fullest buckets first, all of a size at once."""
    sizes = np.bincount(buckets, minlength=n_buckets)
    by_bucket = np.argsort(buckets, kind="stable")
    first = np.cumsum(sizes) - sizes
    displacement = np.zeros(n_buckets, np.int32)
    taken = np.zeros(n_slots, np.bool_)
    for size in range(int(sizes.max(initial=0)), 0, -1):
        pending = np.flatnonzero(sizes == size)
        wanted = slots[by_bucket[first[pending][:, None] + np.arange(size)]]  # [pending, size]
        for _ in range(_ROUNDS_PER_SIZE):
            if not len(pending):
                break
            tried = random.integers(0, n_slots, len(pending))
            places = wanted ^ tried[:, None]
            free = np.flatnonzero(~taken[places].any(axis=1))
            # Buckets tried in the same round may want the same slot: the first of them gets it.
            flat = places[free].ravel()
            first_to_ask = np.zeros(len(flat), np.bool_)
            first_to_ask[np.unique(flat, return_index=True)[1]] = True
            won = free[first_to_ask.reshape(-1, size).all(axis=1)]
            taken[places[won]] = True
            displacement[pending[won]] = tried[won]
            lost = np.ones(len(pending), np.bool_)
            lost[won] = False
            pending, wanted = pending[lost], wanted[lost]
        if len(pending):
            return None
    return displacement
