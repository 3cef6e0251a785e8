//! Do these two symbols merge, and when? One open-addressing table from pair to rank and product.

use super::keys::{fold, slots_for};
use super::symbols::{Merge, Rank, Symbol};

/// A merge's rank and product in one integer that orders by rank; [`Step::NONE`] comes after all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u64);

impl Step {
    pub(super) const NONE: Step = Step(u64::MAX);

    fn new(rank: Rank, product: Symbol) -> Self {
        Step(u64::from(rank.0) << 32 | u64::from(product.0))
    }

    #[inline]
    pub(super) fn rank(self) -> Rank {
        Rank((self.0 >> 32) as u32)
    }

    #[inline]
    pub(super) fn product(self) -> Symbol {
        Symbol(self.0 as u32)
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    pair: u64,
    step: Step,
}

/// No pair of symbols: vocabularies are far smaller than 2^32.
const EMPTY: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Pairs {
    slots: Box<[Slot]>,
    shift: u32,
    /// One bit for every pair in `slots`, chosen by its hash: most questions are about pairs that do not merge, and
    /// this answers four of five of those from 32 KB instead of from 2 MB.
    maybe: Box<[u64]>,
}

impl Pairs {
    /// If a pair is named twice, its lowest rank counts.
    pub(super) fn new(merges: &[Merge]) -> Self {
        let count = slots_for(merges.len());
        let mut pairs = Pairs {
            slots: vec![Slot { pair: EMPTY, step: Step::NONE }; count].into_boxed_slice(),
            shift: u64::BITS - count.trailing_zeros(),
            maybe: vec![0; (count / 32).max(1)].into_boxed_slice(),
        };
        for merge in merges {
            let pair = key(merge.left, merge.right);
            let step = Step::new(merge.rank, merge.product);
            let (word, bit) = pairs.bit(fold(pair, 0));
            pairs.maybe[word] |= bit;
            let place = pairs.place(pair, fold(pair, 0));
            let slot = &mut pairs.slots[place];
            *slot = Slot { pair, step: step.min(slot.step) };
        }
        pairs
    }

    /// The step that merges `left` with `right`, or [`Step::NONE`].
    #[inline]
    pub(super) fn get(&self, left: Symbol, right: Symbol) -> Step {
        let pair = key(left, right);
        let hash = fold(pair, 0);
        let (word, bit) = self.bit(hash);
        if self.maybe[word] & bit == 0 {
            return Step::NONE;
        }
        self.slots[self.place(pair, hash)].step
    }

    /// Every pair and the step that merges it, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ((Symbol, Symbol), Step)> {
        let used = self.slots.iter().filter(|slot| slot.pair != EMPTY);
        used.map(|slot| ((Symbol((slot.pair >> 32) as u32), Symbol(slot.pair as u32)), slot.step))
    }

    /// The bit that stands for a hash, from hash bits that do not choose the slot.
    #[inline]
    fn bit(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & (self.maybe.len() - 1), 1 << (hash & 63))
    }

    /// Where this pair is, or where it would go.
    #[inline]
    fn place(&self, pair: u64, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = (hash >> self.shift) as usize & mask;
        while self.slots[place].pair != pair && self.slots[place].pair != EMPTY {
            place = (place + 1) & mask;
        }
        place
    }
}

#[inline]
fn key(left: Symbol, right: Symbol) -> u64 {
    u64::from(left.0) << 32 | u64::from(right.0)
}
