//! Which merges does a corpus teach? The most frequent pair, again and again, with the work kept to what changed.
//!
//! * A merge looks only at the places where its pair stands, which are noted ([`Pairs`]) when the pair comes up.
//! * Around those places, counts change. They are summed by neighbour first ([`Side`]).
//! * A pair is never more frequent than when it comes up, because only the merge that makes one of its two tokens adds
//!   to it. So a pair that comes up below a *threshold* that merging does not reach anyway is forgotten at once: most
//!   pairs are. When merging gets there after all, the threshold is lowered and the whole corpus counted again
//!   ([`Learning::recount`]), which is rare and runs through memory in order.
//!
//! A token never comes back by another way, so a product is always new to the corpus: where its bytes stand between two
//! edges of tokens, no merge so far has crossed those edges, so between them all went as it goes in those bytes alone,
//! and that ended in this token. (Only a special token may have its text already; then no place in the corpus has its
//! id.) Hence no pair ever gains from a later merge, and every list of places is in order.

use rustc_hash::FxHashMap;

use super::corpus::{Corpus, Slot};
use super::pairs::{Pair, Pairs, Place};
use super::sides::{Side, Sum};
use super::tokens::{Merge, Tokens};
use super::{Options, TrainError, Watch};

/// How often `watch` is asked, in places looked at.
const ASK_EVERY: usize = 1 << 16;

/// So many places are looked at before any of them is merged. Nothing waits for the outcome of another, so the processor
/// fetches them all at once: a place is a cache miss, and one at a time they were a quarter of all the time that Chinese
/// poems took (21 MB, 32,000 ids).
const AHEAD: usize = 64;

/// Bytes and special tokens up to this many have a table of all their pairs.
const FEW: usize = 512;

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
    let mut learning = Learning { corpus, tokens, options, watch, lengths, pairs, threshold, left, right, unasked: 0 };
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
        if self.tokens.len() <= FEW {
            self.count_bytes()?
        } else {
            self.recount()?
        }
        while self.tokens.len() < self.options.vocab_size {
            let Some((pair, place)) = self.pairs.pop(self.threshold) else {
                if self.threshold <= least {
                    break;
                }
                self.threshold = (self.threshold / 4).max(least);
                self.recount()?;
                continue;
            };
            let product = self.tokens.join(pair.left(), pair.right())?;
            if self.lengths.len() < self.tokens.len() {
                self.lengths.push(self.tokens.bytes(product).len() as u32);
            }
            merges.push(Merge { left: pair.left(), right: pair.right(), product });
            self.merge_places(pair, place, product)?;
            self.change_counts(pair, product);
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
        let places = std::mem::take(&mut self.pairs.get(place).places);
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
        // The places that are out of date are those whose slots have changed.
        let stands = |slots: &[S], at: usize| (slots[at] == left) & (slots[at + left_length] == right);
        let mut right_now = [0u32; AHEAD];
        for group in places.chunks(AHEAD) {
            let mut found = 0;
            for &at in group {
                right_now[found] = at;
                found += usize::from(stands(slots, at as usize));
            }
            for &at in &right_now[..found] {
                let start = at as usize;
                let end = start + length;
                // In a run of one token, merging a pair has changed the next one.
                if !stands(slots, start) {
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
    }

    /// Takes from the pairs around the merged one what they have lost, and adds the pairs with the product.
    fn change_counts(&mut self, pair: Pair, product: u32) {
        let Learning { pairs, left, right, lengths, options, threshold, .. } = self;
        let fits = |id: u32| {
            let length = lengths[id as usize] as usize + lengths[product as usize] as usize;
            options.max_token_length.is_none_or(|limit| length < limit)
        };
        // Where the pair stood twice in a row, the second one's first token was beside the product for a moment.
        let in_a_row = left.sum(product).count;
        for place in 0..left.met.len() {
            let id = left.met[place];
            let sum = left.sum(id);
            if id != product {
                pairs.lose(Pair::new(id, pair.left()), sum.count);
            }
            if sum.count >= *threshold && fits(id) {
                left.set_target(id, pairs.insert(Pair::new(id, product), sum.count, sum.places));
            }
        }
        for place in 0..right.met.len() {
            let id = right.met[place];
            let sum = right.sum(id);
            pairs.lose(Pair::new(pair.right(), id), sum.count);
            let count = if id == pair.left() { sum.count - in_a_row } else { sum.count };
            if count >= *threshold && fits(id) {
                right.set_target(id, pairs.insert(Pair::new(product, id), count, sum.places));
            }
        }
        left.note(pairs);
        right.note(pairs);
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

    /// What [`Learning::recount`] does, before any merge and without hashing: few tokens have few pairs.
    fn count_bytes(&mut self) -> Result<(), TrainError> {
        let tokens = self.tokens.len();
        let place = |pair: Pair| pair.left() as usize * tokens + pair.right() as usize;
        let mut sums = vec![Sum::default(); tokens * tokens];
        self.for_each_pair(|pair, _, count| {
            let sum = &mut sums[place(pair)];
            sum.count += count;
            sum.places += 1;
        })?;
        let mut pairs = Pairs::default();
        for (place, sum) in sums.iter_mut().enumerate().filter(|(_, sum)| sum.places > 0) {
            let pair = Pair::new((place / tokens) as u32, (place % tokens) as u32);
            if sum.count >= self.threshold && self.may_merge(pair) {
                sum.target = pairs.insert(pair, sum.count, sum.places) + 1;
            }
        }
        self.for_each_pair(|pair, at, _| {
            if let Some(target) = sums[place(pair)].target.checked_sub(1) {
                pairs.get(target).places.push(at);
            }
        })?;
        self.pairs = pairs;
        Ok(())
    }

    /// Counts all pairs anew, and notes those that reach the threshold.
    ///
    /// A sketch sums the pairs by a short hash first, so the exact counting that follows meets few that are too rare.
    fn recount(&mut self) -> Result<(), TrainError> {
        self.pairs = Pairs::default();
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
        let mut pairs = Pairs::default();
        for (pair, (count, places)) in counts {
            if count >= self.threshold && self.may_merge(pair) {
                pairs.insert(pair, count, places);
            }
        }
        self.for_each_pair(|pair, at, _| {
            if sketch[hash(pair)] >= threshold
                && let Some(place) = pairs.find(pair)
            {
                pairs.get(place).places.push(at);
            }
        })?;
        self.pairs = pairs;
        Ok(())
    }

    /// Whether a pair is counted at all: two bytes always, others if the product is short enough.
    fn may_merge(&self, pair: Pair) -> bool {
        let (left, right) = (self.lengths[pair.left() as usize], self.lengths[pair.right() as usize]);
        let fits = |limit| ((left + right) as usize) < limit;
        (left == 1 && right == 1) || self.options.max_token_length.is_none_or(fits)
    }
}
