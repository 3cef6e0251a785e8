//! Which rank do two symbols merge at? A sparse matrix of ranks in one array of 32-bit slots, its rows laid over each
//! other where they leave room: a pair's slot is a sum, and one look there says all.
//!
//! A row is a left symbol; its entries stand as far behind the row's base as their right symbols say, round the array. A
//! slot names its row, so a slot of another row, like an empty one, is no answer. GPT-2's 50,000 merges fit 65,536 slots,
//! 256 KB beside 128 KB of bases, and those of frequent symbols lie near each other.

use super::held::Held;

/// No rank: of an empty slot, and of a pair that does not merge.
pub(super) const NONE: u16 = u16::MAX;

/// An empty slot: of a row that no symbol has, and without a rank.
const EMPTY: u32 = u32::MAX;

/// More slots than this a table does not get.
const MOST_SLOTS: usize = 1 << 18;

#[derive(Debug, PartialEq)]
pub(super) struct Packed {
    /// Where each left symbol's row begins, in units of `1 << scale` slots; a power of two of them.
    pub bases: Held<[u16]>,
    /// Left symbol above, rank below; a power of two, more than there are symbols.
    pub slots: Held<[u32]>,
    scale: u32,
}

impl Packed {
    /// From (left, right, rank), sorted, each pair once; no symbol and no rank is `u16::MAX`. `None` if the rows found
    /// no places.
    pub(super) fn new(pairs: &[(u16, u16, u16)]) -> Option<Self> {
        let last = pairs.iter().map(|pair| pair.0.max(pair.1)).max().unwrap_or(0);
        let bases = (usize::from(last) + 2).next_power_of_two();
        let enough = (pairs.len() + pairs.len() / 4).next_power_of_two().max(bases).max(64);
        let mut rows: Vec<&[(u16, u16, u16)]> = pairs.chunk_by(|one, next| one.0 == next.0).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.len()));
        let mut slots = enough;
        while slots <= MOST_SLOTS {
            if let Some(packed) = Packed::of_rows(&rows, bases, slots) {
                return Some(packed);
            }
            slots *= 2;
        }
        None
    }

    /// Long rows first, each at the first place where it is found to fit: 64 places are tried at a time.
    fn of_rows(rows: &[&[(u16, u16, u16)]], base_count: usize, slot_count: usize) -> Option<Self> {
        let mut packed = Packed::from_tables(vec![0; base_count].into(), vec![EMPTY; slot_count].into());
        let (scale, mask) = (packed.scale, slot_count - 1);
        let (bases, slots) = (packed.bases.to_mut(), packed.slots.to_mut());
        let mut free = Free::new(slot_count);
        // Bases are multiples of `1 << scale`.
        let step = (1 << scale) - 1;
        let bases_of_64 = (0..64).filter(|bit| bit & step == 0).fold(0, |bits, bit| bits | 1 << bit);
        // No place before `first_free` is empty. Rows of the same length go on from the last one of them, for before it few
        // such find a place; the next length begins at the front again, so that the array fills from there.
        let (mut first_free, mut from, mut length) = (0, 0, 0);
        for row in rows {
            let Some(&(left, first, _)) = row.first() else { continue };
            while slots.get(first_free).is_some_and(|&slot| slot != EMPTY) {
                first_free += 1;
            }
            if row.len() != length || from < first_free {
                (length, from) = (row.len(), first_free);
            }
            let fits = |base: usize| {
                let mut bits = bases_of_64;
                for &(_, right, _) in *row {
                    bits &= free.from((base + usize::from(right)) & mask);
                    if bits == 0 {
                        break;
                    }
                }
                bits
            };
            // The row's first entry goes to 64 places at a time, round the array.
            let start = from.wrapping_sub(usize::from(first)) & mask & !step;
            let base = (0..=slot_count / 64).map(|at| (start + 64 * at) & mask).find_map(|base| {
                let bits = fits(base);
                (bits != 0).then(|| (base + bits.trailing_zeros() as usize) & mask)
            })?;
            from = (base + usize::from(first)) & mask;
            bases[usize::from(left)] = (base >> scale) as u16;
            for &(left, right, rank) in *row {
                let place = (base + usize::from(right)) & mask;
                slots[place] = u32::from(left) << 16 | u32::from(rank);
                free.take(place);
            }
        }
        Some(packed)
    }

    /// Of tables that were made before.
    pub(super) fn from_tables(bases: Held<[u16]>, slots: Held<[u32]>) -> Self {
        let scale = slots.len().trailing_zeros().saturating_sub(16);
        Packed { bases, slots, scale }
    }

    /// The rank of a pair, or [`NONE`].
    #[inline(always)]
    pub(super) fn rank(&self, left: u16, right: u16) -> u16 {
        let slot = self.slots[self.place(left, right)];
        if slot >> 16 == u32::from(left) { slot as u16 } else { NONE }
    }

    #[inline(always)]
    fn place(&self, left: u16, right: u16) -> usize {
        let base = self.bases[usize::from(left) & (self.bases.len() - 1)];
        ((usize::from(base) << self.scale) + usize::from(right)) & (self.slots.len() - 1)
    }

    /// Every pair and its rank.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, u16, u16)> {
        self.slots.iter().enumerate().filter(|&(_, &slot)| slot != EMPTY).map(|(place, &slot)| {
            let left = (slot >> 16) as u16;
            let right = place.wrapping_sub(self.place(left, 0)) & (self.slots.len() - 1);
            (left, right as u16, slot as u16)
        })
    }
}

/// Which slots are empty, a bit each. The first 64 stand at the end again, so that reading goes round the array.
struct Free(Vec<u64>);

impl Free {
    /// `slots`: a multiple of 64.
    fn new(slots: usize) -> Self {
        Free(vec![u64::MAX; slots / 64 + 1])
    }

    /// The bits of 64 slots from this one on.
    #[inline]
    fn from(&self, slot: usize) -> u64 {
        let (low, high) = (self.0[slot / 64], self.0[slot / 64 + 1]);
        ((u128::from(high) << 64 | u128::from(low)) >> (slot % 64)) as u64
    }

    fn take(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
        if let [first, .., last] = &mut self.0[..] {
            *last = *first;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Every pair of a few symbols, some of many, and one row of all: what is in is found, what is not is not.
    #[test]
    fn pairs_have_the_ranks_they_were_given_and_others_none() {
        let every = |count: u16| (0..count).flat_map(move |left| (0..count).map(move |right| (left, right)));
        let some =
            |step: usize| (0..30_000).map(move |at| ((at * step / 7 % 9_973) as u16, (at * step % 50_021) as u16));
        let cases: [Vec<(u16, u16)>; 6] = [
            vec![],
            vec![(0, 0)],
            every(40).collect(),
            some(12_289).collect(),
            (0..u16::MAX).map(|right| (7, right)).collect(),
            (0..u16::MAX).map(|left| (left, left / 3)).collect(),
        ];
        for mut pairs in cases {
            pairs.sort_unstable();
            pairs.dedup();
            let ranked: Vec<_> = (0..).zip(&pairs).map(|(rank, &(left, right))| (left, right, rank)).collect();
            let packed = Packed::new(&ranked).unwrap();
            let mut again: Vec<_> = packed.iter().collect();
            again.sort_unstable();
            assert_eq!(again, ranked);
            let ranks: HashMap<_, _> = ranked.iter().map(|&(left, right, rank)| ((left, right), rank)).collect();
            let others = some(7_919).chain(every(60)).chain((0..=u16::MAX).map(|one| (one, u16::MAX)));
            for (left, right) in others.chain((0..=u16::MAX).map(|one| (u16::MAX, one))).chain(pairs) {
                let rank = ranks.get(&(left, right)).copied().unwrap_or(NONE);
                // A symbol that no pair has is the end of a window, or not asked about.
                if rank != NONE || right == u16::MAX || usize::from(left.max(right)) < packed.bases.len() {
                    assert_eq!(packed.rank(left, right), rank, "{left} {right}");
                }
            }
        }
    }
}
