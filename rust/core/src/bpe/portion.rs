//! How do many pretokens become ids? The loop over boundaries: nearly all are found in the thread's cache, and what is
//! not is looked up, cut at barriers, or merged, and remembered.
//!
//! A pretoken beyond ASCII that is no token is cut between characters that no merge can join, and each part is looked
//! up for itself: Chinese phrases are nearly all new, their characters are not.

use super::cache::{Cache, View};
use super::keys::{Key, MAX_LEN};
use super::phrases::{Long, Phrase, Phrases, Short};
use super::stage::{ENOUGH, Stage, Unit};
use super::{Bpe, Interrupted, Scratch, Sink, TokenId, short};

/// So many pretokens are hashed together, before the first of them is looked up: what their sets hold is on its way from
/// memory meanwhile.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct Batch {
    keys: [Key; BATCH],
    hashes: [u64; BATCH],
}

impl Default for Batch {
    fn default() -> Self {
        Batch { keys: [Key::default(); BATCH], hashes: [0; BATCH] }
    }
}

impl Batch {
    /// Hashes the pretokens between these boundaries, one more than the batch holds at most.
    #[inline(always)]
    fn fill(&mut self, text: &[u8], boundaries: &[usize], owner: u64, view: View<'_>) {
        let slots = self.keys.iter_mut().zip(&mut self.hashes);
        for ((key, hash), bounds) in slots.zip(boundaries.windows(2)) {
            let bare = Key::new(text, bounds[0], bounds[1].wrapping_sub(bounds[0]));
            *hash = bare.hash();
            *key = bare.owned_by(owner);
            view.prefetch(*hash);
        }
    }

    /// Takes the ids of pretokens `from..to` out of the cache until one is not there; says which, or `to`.
    #[inline(always)]
    fn take_known<U: Unit>(&self, from: usize, to: usize, view: View<'_>, stage: &mut Stage<U>) -> usize {
        let room = stage.room(BATCH);
        let mut len = 0;
        let mut at = from;
        for (&key, &hash) in self.keys[from..to].iter().zip(&self.hashes[from..to]) {
            let Some(ids) = view.find(key, hash) else { break };
            if let Some(room) = room.get_mut(len..).and_then(|room| room.first_chunk_mut()) {
                *room = U::of_entry(ids);
            }
            len += usize::from(ids[7]);
            at += 1;
        }
        stage.keep(len);
        at
    }
}

/// What one portion of a text is encoded with.
struct Work<'w, U> {
    bpe: &'w Bpe,
    text: &'w [u8],
    /// What marks this vocabulary's keys in the cache.
    owner: u64,
    scratch: &'w mut Scratch,
    stage: Stage<U>,
}

impl Bpe {
    /// Sends the ids of the pretokens between these boundaries of `text` to `sink`.
    #[inline(always)]
    pub(crate) fn encode_portion(
        &self,
        text: &[u8],
        boundaries: &[usize],
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        if self.narrow {
            self.encode_portion_as::<u16>(text, boundaries, scratch, sink, keep_going)
        } else {
            self.encode_portion_as::<TokenId>(text, boundaries, scratch, sink, keep_going)
        }
    }

    #[inline(always)]
    fn encode_portion_as<U: Unit>(
        &self,
        text: &[u8],
        boundaries: &[usize],
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let owner = scratch.cache.serve(&self.identity);
        let stage = std::mem::take(U::stage(scratch));
        let mut work = Work { bpe: self, text, owner, scratch, stage };
        let done = work.encode(boundaries, sink, keep_going);
        work.stage.flush(sink);
        *U::stage(work.scratch) = work.stage;
        done
    }
}

impl<U: Unit> Work<'_, U> {
    #[inline(always)]
    fn encode(
        &mut self,
        boundaries: &[usize],
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let last = boundaries.len().saturating_sub(1);
        for first in (0..last).step_by(BATCH) {
            let boundaries = &boundaries[first..=last.min(first + BATCH)];
            let count = boundaries.len() - 1;
            self.scratch.batch.fill(self.text, boundaries, self.owner, self.scratch.cache.view());
            let mut at = 0;
            loop {
                let Scratch { batch, cache, .. } = &*self.scratch;
                at = batch.take_known(at, count, cache.view(), &mut self.stage);
                if at == count {
                    break;
                }
                let (start, end) = (boundaries[at], boundaries[at + 1]);
                if end - start <= MAX_LEN {
                    let (key, hash) = (batch.keys[at], batch.hashes[at]);
                    self.learn(start, end, key, hash);
                } else {
                    self.encode_long(start, end, sink, keep_going)?;
                }
                at += 1;
            }
            self.stage.flush_if_full(sink);
        }
        Ok(())
    }

    /// A pretoken of at most 15 bytes that is not where the cache has most.
    #[inline(never)]
    fn learn(&mut self, start: usize, end: usize, key: Key, hash: u64) {
        // Indentation, of more bytes than an entry has ids.
        if end - start > U::MOST_IDS
            && key.repeats_its_second_byte()
            && let Some((one, again)) = self.repeated_byte(start, end)
        {
            self.stage.push_repeating(one, again, end - start);
            return;
        }
        if let Some(ids) = self.scratch.cache.find_further(key, hash) {
            self.stage.take(&ids);
            return;
        }
        let (bpe, before) = (self.bpe, self.stage.len);
        if let Some(id) = bpe.whole.get_key(key.bare(), hash) {
            self.stage.push(id);
        } else if bpe.whole_is_merged && !self.text[start..end].is_ascii() {
            self.encode_units(start, end);
        } else {
            self.merge_segments(start, end);
        }
        self.remember(key, hash, before);
    }

    /// A pretoken of more than 15 bytes.
    #[inline(never)]
    fn encode_long(
        &mut self,
        start: usize,
        end: usize,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let (bpe, text) = (self.bpe, self.text);
        if let Some((one, again)) = self.repeated_byte(start, end) {
            self.stage.push(one);
            let mut left = end - start - 1;
            while left > 0 {
                let block = left.min(ENOUGH);
                self.stage.fill(again, block);
                self.stage.flush_if_full(sink);
                self.scratch.worked(block, keep_going)?;
                left -= block;
            }
            return Ok(());
        }
        if end - start <= Short::MAX_LEN {
            self.learn_phrase(start, end, |cache| &mut cache.phrases);
            return Ok(());
        }
        if end - start <= Long::MAX_LEN {
            self.learn_phrase(start, end, |cache| &mut cache.long_phrases);
            return Ok(());
        }
        if let Some(id) = bpe.whole.get(text, start, end) {
            self.stage.push(id);
            return Ok(());
        }
        if !bpe.whole_is_merged {
            self.stage.flush(sink);
            return bpe.encode_segments(text, start, end, self.scratch, sink, keep_going);
        }
        // Units of short stretches go the quick way; a long unit goes to the methods that can be interrupted.
        let mut from = start;
        while from < end {
            let to = self.end_of_long_unit(from, end, keep_going)?;
            if to - from <= MAX_LEN {
                self.encode_unit(from, to);
                self.stage.flush_if_full(sink);
                if end - start > super::ASK_EVERY {
                    self.scratch.worked(to - from, keep_going)?;
                }
            } else {
                self.stage.flush(sink);
                if let Some(id) = bpe.whole.get(text, from, to) {
                    sink.push(id);
                } else {
                    bpe.encode_segments(text, from, to, self.scratch, sink, keep_going)?;
                }
            }
            from = to;
        }
        Ok(())
    }

    /// A pretoken of 16 to 110 bytes, and where such are remembered.
    fn learn_phrase<const WORDS: usize>(
        &mut self,
        start: usize,
        end: usize,
        phrases: impl Fn(&mut Cache) -> &mut Phrases<WORDS>,
    ) {
        let phrase = Phrase::new(self.text, start, end, self.owner);
        if let Some(ids) = phrases(&mut self.scratch.cache).find(&phrase) {
            self.stage.take(&ids);
            return;
        }
        let (bpe, before) = (self.bpe, self.stage.len);
        if let Some(id) = bpe.whole.get(self.text, start, end) {
            self.stage.push(id);
        } else if bpe.whole_is_merged {
            self.encode_units(start, end);
        } else {
            self.merge_segments(start, end);
        }
        if let Some(ids) = self.stage.entry_since(before) {
            phrases(&mut self.scratch.cache).put(&phrase, &ids);
        }
    }

    /// Cuts at most 110 bytes between characters that no merge joins, and encodes the parts.
    #[inline]
    fn encode_units(&mut self, start: usize, end: usize) {
        let mut to = self.end_of_unit(start, end);
        if to == end {
            self.merge_segments(start, end);
            return;
        }
        let mut from = start;
        loop {
            self.encode_unit(from, to);
            if to == end {
                return;
            }
            from = to;
            to = self.end_of_unit(from, end);
        }
    }

    /// The first boundary of characters after `from` that no merge crosses; at most `end`.
    #[inline]
    fn end_of_unit(&self, from: usize, end: usize) -> usize {
        let mut at = from + 1;
        let mut left = self.text[from];
        while at < end {
            let right = self.text[at];
            if right & 0xc0 != 0x80 && !self.bpe.joins.contains(left, right) {
                return at;
            }
            left = right;
            at += 1;
        }
        end
    }

    /// The same, where it may be far away.
    #[inline]
    fn end_of_long_unit(
        &mut self,
        from: usize,
        end: usize,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<usize, Interrupted> {
        let mut seen = from;
        loop {
            let limit = end.min(seen + super::ASK_EVERY);
            let to = self.end_of_unit(seen, limit);
            if to < limit || limit == end {
                return Ok(to);
            }
            self.scratch.worked(limit - seen, keep_going)?;
            seen = limit - 1; // whether the unit ends at the limit is not known yet
        }
    }

    /// A part of a pretoken, at most 110 bytes, that merges with nothing around it.
    #[inline]
    fn encode_unit(&mut self, start: usize, end: usize) {
        if end - start == 1 {
            self.stage.push(self.bpe.ids[usize::from(self.text[start])]);
            return;
        }
        if end - start > MAX_LEN {
            match self.bpe.whole.get(self.text, start, end) {
                Some(id) => self.stage.push(id),
                None => self.merge_segments(start, end),
            }
            return;
        }
        let bare = Key::new(self.text, start, end - start);
        let (key, hash) = (bare.owned_by(self.owner), bare.hash());
        let cache = &mut self.scratch.cache;
        if let Some(ids) = cache.view().find(key, hash) {
            self.stage.take(ids);
            return;
        }
        if let Some(ids) = cache.find_further(key, hash) {
            self.stage.take(&ids);
            return;
        }
        let before = self.stage.len;
        if let Some(id) = self.bpe.whole.get_key(bare, hash) {
            self.stage.push(id);
        } else {
            self.merge_segments(start, end);
        }
        self.remember(key, hash, before);
    }

    /// Puts what was staged since `before` into the cache, if it fits.
    #[inline]
    fn remember(&mut self, key: Key, hash: u64, before: usize) {
        if let Some(ids) = self.stage.entry_since(before) {
            self.scratch.cache.put(key, hash, &ids);
        }
    }

    /// Merges at most 110 bytes, which are no token.
    fn merge_segments(&mut self, start: usize, end: usize) {
        if U::NARROW
            && end - start <= MAX_LEN
            && let Some(window) = short::window(self.bpe, Key::new(self.text, start, end - start))
        {
            let count = window.count();
            if count <= U::MOST_IDS {
                let mut ids = [count as u16; 8];
                for (id, symbol) in ids.iter_mut().zip(window.first_seven()) {
                    *id = self.bpe.ids[usize::from(symbol)] as u16;
                }
                self.stage.take(&ids);
            } else {
                window.tokens().for_each(|(symbol, _)| self.stage.push(self.bpe.ids[usize::from(symbol)]));
            }
            return;
        }
        // So short a segment is never interrupted.
        let _ = self.bpe.encode_segments(self.text, start, end, self.scratch, &mut self.stage, &|| true);
    }

    /// The ids of one byte and of another that follows any number of times, if none of them merge: indentation, in GPT-2's
    /// vocabulary. Of at most 15 bytes it is known that they repeat.
    fn repeated_byte(&self, start: usize, end: usize) -> Option<(TokenId, TokenId)> {
        let bpe = self.bpe;
        let text = &self.text[start..end];
        let [first, second, ..] = text else { return None };
        if !bpe.whole_is_merged
            || bpe.joins.contains(*first, *second)
            || bpe.joins.contains(*second, *second)
            || (text.len() > MAX_LEN && text[1..text.len() - 1] != text[2..])
        {
            return None;
        }
        Some((bpe.ids[usize::from(*first)], bpe.ids[usize::from(*second)]))
    }
}
