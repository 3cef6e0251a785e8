//! Which merges does a corpus teach? The most frequent pair, again and again, with the work kept to what changed.
//!
//! * A merge looks only at the places where its pair stands, which are noted ([`Pairs`]) when the pair comes up.
//! * Around those places, counts change. They are summed by neighbour first ([`Side`]).
//! * A pair is never more frequent than when it comes up, because only the merge that makes one of its two tokens adds
//!   to it. So a pair that comes up below a *threshold* that merging does not reach anyway is forgotten at once: most
//!   pairs are. When merging gets there after all, the threshold is lowered and the whole corpus counted again
//!   ([`Learning::recount`]), which is rare and runs through memory in order.
//! * The one exception is a token that comes back: its bytes were made before, of two other parts. The pairs with it may
//!   gain, so those that were forgotten are looked up in the whole corpus ([`Learning::merge_known`]). Real text hardly ever
//!   does this.

use rustc_hash::{FxHashMap, FxHashSet};

use super::corpus::{Corpus, Slot};
use super::pairs::{Pair, Pairs, Place};
use super::sides::Side;
use super::tokens::{Merge, Tokens};
use super::{Options, TrainError, Watch};

/// How often `watch` is asked, in places looked at.
const ASK_EVERY: usize = 1 << 16;

pub(super) struct Learning<'a, S> {
    corpus: Corpus<S>,
    tokens: &'a mut Tokens,
    options: &'a Options,
    watch: Watch<'a>,
    lengths: Vec<u32>,
    pairs: Pairs,
    threshold: u64,
    left: Side,
    right: Side,
    unasked: usize,
}

/// Learns all merges there are to learn.
pub(super) fn learn<S: Slot>(
    corpus: Corpus<S>,
    tokens: &mut Tokens,
    options: &Options,
    watch: Watch<'_>,
) -> Result<Vec<Merge>, TrainError> {
    let lengths = (0..tokens.len() as u32).map(|id| tokens.bytes(id).len() as u32).collect();
    let (left, right) = (Side::new(options.vocab_size + 1), Side::new(options.vocab_size + 1));
    let threshold = u64::MAX;
    let pairs = Pairs::default();
    let mut learning =
        Learning { corpus, tokens, options, watch, lengths, pairs, threshold, left, right, unasked: 0 };
    learning.run()
}

impl<S: Slot> Learning<'_, S> {
    fn run(&mut self) -> Result<Vec<Merge>, TrainError> {
        let least = self.options.min_frequency.max(1);
        let wanted = self.options.vocab_size.saturating_sub(self.tokens.len());
        let mut merges: Vec<Merge> = Vec::with_capacity(wanted);
        if wanted == 0 {
            return Ok(merges);
        }
        self.threshold = (self.corpus.pairs / (wanted as u64 * 16)).max(least);
        self.recount()?;
        while self.tokens.len() < self.options.vocab_size {
            let Some((pair, place)) = self.pairs.pop(self.threshold) else {
                if self.threshold <= least {
                    break;
                }
                self.threshold = (self.threshold / 4).max(least);
                self.recount()?;
                continue;
            };
            let (product, is_new) = self.tokens.join(pair.left(), pair.right())?;
            if is_new {
                self.lengths.push(self.tokens.bytes(product).len() as u32);
            }
            merges.push(Merge { left: pair.left(), right: pair.right(), product });
            self.merge_places(pair, place, product)?;
            if is_new {
                self.merge_new(pair, product);
            } else {
                self.merge_known(pair, product)?;
            }
            self.left.clear();
            self.right.clear();
            (self.watch.merges)(merges.len(), wanted);
        }
        Ok(merges)
    }

    fn worked(&mut self, places: usize) -> Result<(), TrainError> {
        self.unasked += places;
        if self.unasked >= ASK_EVERY {
            self.unasked = 0;
            if !(self.watch.keep_going)() {
                return Err(TrainError::Interrupted);
            }
        }
        Ok(())
    }

    /// Writes the product where the pair stands, and sums up what stands beside it.
    fn merge_places(&mut self, pair: Pair, place: Place, product: u32) -> Result<(), TrainError> {
        let mut places = std::mem::take(&mut self.pairs.get(place).places);
        if pair.left() == pair.right() && !places.is_sorted() {
            // Of three in a row the first two merge. Elsewhere the order changes nothing.
            places.sort_unstable();
        }
        // A rare merge is some work too.
        self.worked(64)?;
        for some in places.chunks(ASK_EVERY) {
            self.worked(some.len())?;
            self.merge_some(some, S::of(pair.left()), S::of(pair.right()), S::of(product));
        }
        Ok(())
    }

    fn merge_some(&mut self, places: &[u32], left: S, right: S, new: S) {
        let left_length = self.lengths[left.id() as usize] as usize;
        let length = left_length + self.lengths[right.id() as usize] as usize;
        let slots = &mut self.corpus.slots[..];
        for &at in places {
            let start = at as usize;
            let end = start + length;
            // The places that are out of date are those whose slots have changed.
            if slots[start] != left || slots[start + left_length] != right {
                continue;
            }
            slots[start + left_length - 1] = S::VOID;
            slots[start + left_length] = S::VOID;
            slots[start] = new;
            slots[end - 1] = new;
            let count = self.corpus.counts.at(at);
            let (before, after) = (slots[start - 1], slots[end]);
            if before != S::VOID {
                let id = before.id();
                self.left.meet(id, at - self.lengths[id as usize], count);
            }
            if after != S::VOID {
                self.right.meet(after.id(), at, count);
            }
        }
    }

    /// Whether two tokens may become one.
    fn fits(&self, left: u32, right: u32) -> bool {
        let length = self.lengths[left as usize] as usize + self.lengths[right as usize] as usize;
        self.options.max_token_length.is_none_or(|limit| length < limit)
    }

    /// Takes what the pairs around the merged one have lost.
    fn lose(&mut self, pair: Pair, count: u64) {
        if let Some(place) = self.pairs.find(pair) {
            self.pairs.get(place).count -= count as i64;
        }
    }

    /// Counts and places after a merge that made a new token: every pair with it is new.
    fn merge_new(&mut self, pair: Pair, product: u32) {
        let (mut left, mut right) = self.take_sides();
        for &id in left.met.iter().filter(|&&id| id != product) {
            self.lose(Pair::new(id, pair.left()), left.sum(id).count);
        }
        for &id in right.met.iter().filter(|&&id| id != product) {
            self.lose(Pair::new(pair.right(), id), right.sum(id).count);
        }
        // Where the pair stood twice in a row, the first product had the second pair's token beside it for a moment.
        let (before, after) = (left.sum(product), right.sum(product));
        for place in 0..left.met.len() {
            let id = left.met[place];
            let sum = left.sum(id);
            let count = match id {
                id if id == product => sum.count + after.count,
                id if id == pair.right() => sum.count.saturating_sub(after.count),
                _ => sum.count,
            };
            if count >= self.threshold && self.fits(id, product) {
                let capacity = if id == product { sum.places + after.places } else { sum.places };
                let places = Vec::with_capacity(capacity as usize);
                let place = self.pairs.insert(Pair::new(id, product), count as i64, places);
                left.set_target(id, place);
                if id == product && after.places > 0 {
                    right.set_target(id, place);
                }
            }
        }
        for place in 0..right.met.len() {
            let id = right.met[place];
            let sum = right.sum(id);
            let count = match id {
                // Seen from the other side as well, unless it was never seen from there.
                id if id == product && before.places > 0 => continue,
                id if id == pair.left() => sum.count.saturating_sub(before.count),
                _ => sum.count,
            };
            if count >= self.threshold && self.fits(product, id) {
                let places = Vec::with_capacity(sum.places as usize);
                let place = self.pairs.insert(Pair::new(product, id), count as i64, places);
                right.set_target(id, place);
            }
        }
        left.note(&mut self.pairs);
        right.note(&mut self.pairs);
        (self.left, self.right) = (left, right);
    }

    /// The same for a merge that made a token anew: its pairs may be known, or forgotten.
    fn merge_known(&mut self, pair: Pair, product: u32) -> Result<(), TrainError> {
        let (mut left, mut right) = self.take_sides();
        let mut gained = Vec::new();
        let mut forgotten = FxHashSet::default();
        let sides = [(&mut left, true), (&mut right, false)];
        for (side, is_left) in sides {
            for place in 0..side.met.len() {
                let id = side.met[place];
                let new = if is_left { Pair::new(id, product) } else { Pair::new(product, id) };
                if !self.fits(id, product) {
                    continue;
                }
                match self.pairs.find(new) {
                    Some(place) => {
                        self.pairs.get(place).count += side.sum(id).count as i64;
                        side.set_target(id, place);
                        gained.push(place);
                    }
                    None => {
                        forgotten.insert(new);
                    }
                }
            }
        }
        for &id in &left.met {
            self.lose(Pair::new(id, pair.left()), left.sum(id).count);
        }
        for &id in &right.met {
            self.lose(Pair::new(pair.right(), id), right.sum(id).count);
        }
        left.note(&mut self.pairs);
        right.note(&mut self.pairs);
        gained.into_iter().for_each(|place| self.pairs.wait(place));
        (self.left, self.right) = (left, right);
        if !forgotten.is_empty() {
            self.look_up(&forgotten)?;
        }
        Ok(())
    }

    fn take_sides(&mut self) -> (Side, Side) {
        (std::mem::replace(&mut self.left, Side::new(0)), std::mem::replace(&mut self.right, Side::new(0)))
    }

    /// Counts pairs that are not known in the whole corpus, and lets those that reach the threshold wait.
    fn look_up(&mut self, forgotten: &FxHashSet<Pair>) -> Result<(), TrainError> {
        let mut found: FxHashMap<Pair, (u64, Vec<u32>)> = FxHashMap::default();
        self.for_each_pair(|pair, at, count| {
            if forgotten.contains(&pair) {
                let (sum, places) = found.entry(pair).or_default();
                *sum += count;
                places.push(at);
            }
        })?;
        for (pair, (count, places)) in found {
            if count >= self.threshold {
                self.pairs.insert(pair, count as i64, places);
            }
        }
        Ok(())
    }

    /// Every two neighbours in the corpus, with the place where they stand and how often.
    fn for_each_pair(&self, mut each: impl FnMut(Pair, u32, u64)) -> Result<(), TrainError> {
        let slots = &self.corpus.slots[..];
        let mut at = 1;
        let mut unasked = 0;
        while at + 1 < slots.len() {
            let slot = slots[at];
            if slot == S::VOID {
                at += 1;
                continue;
            }
            let next = at + self.lengths[slot.id() as usize] as usize;
            let after = slots[next];
            if after != S::VOID {
                each(Pair::new(slot.id(), after.id()), at as u32, self.corpus.counts.at(at as u32));
            }
            at = next;
            unasked += 1;
            if unasked >= ASK_EVERY {
                unasked = 0;
                if !(self.watch.keep_going)() {
                    return Err(TrainError::Interrupted);
                }
            }
        }
        Ok(())
    }

    /// Counts all pairs anew, and notes those that reach the threshold.
    ///
    /// A sketch sums the pairs by a short hash first, so the exact counting that follows meets few that are too rare.
    fn recount(&mut self) -> Result<(), TrainError> {
        self.pairs.forget_unmerged();
        let bits = (self.corpus.slots.len() / 8).clamp(1 << 12, 1 << 22).ilog2();
        let hash = |pair: Pair| (pair.hash() >> (64 - bits)) as usize;
        let mut sketch = vec![0u32; 1 << bits];
        self.for_each_pair(|pair, _, count| {
            let sum = &mut sketch[hash(pair)];
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        })?;
        let threshold = u32::try_from(self.threshold).unwrap_or(u32::MAX);
        let mut counts: FxHashMap<Pair, (u64, u32)> = FxHashMap::default();
        self.for_each_pair(|pair, _, count| {
            if sketch[hash(pair)] >= threshold {
                let (sum, places) = counts.entry(pair).or_default();
                *sum += count;
                *places += 1;
            }
        })?;
        for (pair, (count, places)) in counts {
            if count >= self.threshold && self.may_merge(pair) && self.pairs.find(pair).is_none() {
                self.pairs.insert(pair, count as i64, Vec::with_capacity(places as usize));
            }
        }
        let mut pairs = std::mem::take(&mut self.pairs);
        let noted = self.for_each_pair(|pair, at, _| {
            if sketch[hash(pair)] >= threshold
                && let Some(place) = pairs.find(pair)
            {
                pairs.get(place).places.push(at);
            }
        });
        pairs.wait_again();
        self.pairs = pairs;
        noted
    }

    /// Whether a pair is counted at all: two bytes always, others if the product is short enough.
    fn may_merge(&self, pair: Pair) -> bool {
        let is_bytes = self.lengths[pair.left() as usize] == 1 && self.lengths[pair.right() as usize] == 1;
        is_bytes || self.fits(pair.left(), pair.right())
    }
}
