//! Which pairs may still be merged, how frequent are they, and where do they stand?
//!
//! Only pairs that had the threshold's count when they came up are here: see [`super::learn`].

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
    count: u64,
    /// Where it stands, in order; some places may be out of date, none is missing.
    pub places: Vec<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    index: FxHashMap<Pair, Place>,
    known: Vec<Known>,
    /// Every pair that is not merged yet, under a count that it had once.
    queue: BinaryHeap<(u64, Reverse<Pair>, Place)>,
}

impl Pairs {
    #[inline]
    pub(super) fn find(&self, pair: Pair) -> Option<Place> {
        self.index.get(&pair).copied()
    }

    #[inline]
    pub(super) fn get(&mut self, place: Place) -> &mut Known {
        &mut self.known[place as usize]
    }

    /// Adds a pair that is not there yet, with room for its places.
    pub(super) fn insert(&mut self, pair: Pair, count: u64, places: u32) -> Place {
        let place = self.known.len() as Place;
        self.known.push(Known { count, places: Vec::with_capacity(places as usize) });
        self.index.insert(pair, place);
        self.queue.push((count, Reverse(pair), place));
        place
    }

    /// Takes from a pair's count, if the pair is here.
    pub(super) fn lose(&mut self, pair: Pair, count: u64) {
        if let Some(place) = self.find(pair) {
            let known = self.get(place);
            known.count = known.count.saturating_sub(count);
        }
    }

    /// The pair to merge next: the most frequent, of equals the one with the smallest ids. `None` if no pair that is
    /// left has `least`.
    pub(super) fn pop(&mut self, least: u64) -> Option<(Pair, Place)> {
        while let Some((count, Reverse(pair), place)) = self.queue.pop() {
            let known = &mut self.known[place as usize];
            if known.count == count && count >= least {
                return Some((pair, place));
            }
            if known.count >= least {
                self.queue.push((known.count, Reverse(pair), place));
            } else {
                // Too rare to be merged as long as this table lasts.
                known.places = Vec::new();
            }
        }
        None
    }
}
