//! Which pairs may still be merged, how frequent are they, and where do they stand?
//!
//! Only pairs of at least the threshold's count are here: see [`super::learn`]. A pair that was merged stays, with the
//! count it had, for when one of its tokens comes back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

/// Two ids in one number that sorts as the pair does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair(u64);

impl Pair {
    #[inline]
    pub(super) fn new(left: u32, right: u32) -> Self {
        Pair(u64::from(left) << 32 | u64::from(right))
    }

    #[inline]
    pub(super) fn left(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// A hash whose first bits are good.
    #[inline]
    pub(super) fn hash(self) -> u64 {
        (self.0 ^ self.0 >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    pub(super) fn right(self) -> u32 {
        self.0 as u32
    }
}

/// The place of a pair in [`Pairs`].
pub(super) type Place = u32;

#[derive(Debug)]
pub(super) struct Known {
    pub pair: Pair,
    /// Below 0 only after a token came back by another way.
    pub count: i64,
    /// Where it stands; some places may be out of date, none is missing.
    pub places: Vec<u32>,
    /// Whether it waits to be merged.
    pub waits: bool,
    /// Whether it was merged before.
    pub merged: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    index: FxHashMap<Pair, Place>,
    known: Vec<Known>,
    queue: BinaryHeap<(u64, Reverse<Pair>, Place)>,
}

impl Pairs {
    #[inline]
    pub(super) fn find(&self, pair: Pair) -> Option<Place> {
        self.index.get(&pair).copied()
    }

    pub(super) fn get(&mut self, place: Place) -> &mut Known {
        &mut self.known[place as usize]
    }

    /// Adds a pair that is not there yet, and lets it wait.
    pub(super) fn insert(&mut self, pair: Pair, count: i64, places: Vec<u32>) -> Place {
        let place = self.known.len() as Place;
        self.known.push(Known { pair, count, places, waits: false, merged: false });
        self.index.insert(pair, place);
        self.wait(place);
        place
    }

    /// Lets a pair wait to be merged, at its present count.
    pub(super) fn wait(&mut self, place: Place) {
        let known = &mut self.known[place as usize];
        if known.count > 0 {
            known.waits = true;
            self.queue.push((known.count as u64, Reverse(known.pair), place));
        }
    }

    /// The pair to merge next, which no longer waits: the most frequent, of equals the one with the smallest ids. `None`
    /// if no waiting pair has `least`.
    pub(super) fn pop(&mut self, least: u64) -> Option<(Pair, Place)> {
        while let Some((count, Reverse(pair), place)) = self.queue.pop() {
            let known = &mut self.known[place as usize];
            let now = u64::try_from(known.count).unwrap_or(0);
            if !known.waits {
                continue;
            }
            if now == count && count >= least {
                known.waits = false;
                known.merged = true;
                return Some((pair, place));
            }
            if count < least {
                // So has everything behind it.
                self.queue.push((count, Reverse(pair), place));
                return None;
            }
            if now >= least {
                self.queue.push((now, Reverse(pair), place));
            }
        }
        None
    }

    /// Forgets all but the pairs that were merged before, and of those the places.
    pub(super) fn forget_unmerged(&mut self) {
        let known = std::mem::take(&mut self.known);
        *self = Pairs::default();
        for known in known.into_iter().filter(|known| known.merged) {
            self.index.insert(known.pair, self.known.len() as Place);
            self.known.push(Known { places: Vec::new(), ..known });
        }
    }

    /// Pairs that were waiting when all was forgotten wait again.
    pub(super) fn wait_again(&mut self) {
        for place in 0..self.known.len() as Place {
            if self.known[place as usize].waits {
                self.wait(place);
            }
        }
    }
}
