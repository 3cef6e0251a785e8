//! What stands beside the pair that is being merged? The neighbours on one side, summed by their ids.
//!
//! One merge meets the same neighbours again and again, so their sums are kept in arrays over all ids, and the table of
//! pairs is asked once for each neighbour and not once for each place.

use super::pairs::{Pairs, Place};

#[derive(Debug)]
pub(super) struct Side {
    sums: Vec<Sum>,
    /// Whose sum is not zero, in the order they were met.
    pub met: Vec<u32>,
    /// Neighbour and place of the pair that it makes with the product, in the order they were met.
    pub log: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// How often the neighbour stood there.
    pub count: u64,
    /// In how many places.
    pub places: u32,
    /// Where the pair with this neighbour is noted, plus one; 0 if it is not.
    pub target: u32,
}

impl Side {
    pub(super) fn new(ids: usize) -> Self {
        Side { sums: vec![Sum::default(); ids], met: Vec::new(), log: Vec::new() }
    }

    #[inline]
    pub(super) fn meet(&mut self, id: u32, place: u32, count: u64) {
        let sum = &mut self.sums[id as usize];
        if sum.places == 0 {
            self.met.push(id);
        }
        sum.count += count;
        sum.places += 1;
        self.log.push((id, place));
    }

    #[inline]
    pub(super) fn sum(&self, id: u32) -> Sum {
        self.sums[id as usize]
    }

    #[inline]
    pub(super) fn set_target(&mut self, id: u32, place: Place) {
        self.sums[id as usize].target = place + 1;
    }

    /// Notes the places of all pairs that have a target.
    pub(super) fn note(&mut self, pairs: &mut Pairs) {
        for &(id, at) in &self.log {
            if let Some(place) = self.sums[id as usize].target.checked_sub(1) {
                pairs.get(place).places.push(at);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        for id in self.met.drain(..) {
            self.sums[id as usize] = Sum::default();
        }
        self.log.clear();
    }
}
