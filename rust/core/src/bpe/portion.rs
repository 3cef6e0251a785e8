//! How do many pretokens become ids? The loop over boundaries: nearly all are found in the thread's cache, and what is
//! not is looked up, cut at barriers, or merged, and remembered.
//!
//! A pretoken beyond ASCII that is no token is cut between characters that no merge can join, and each part is looked
//! up for itself: Chinese phrases are nearly all new, their characters are not.

use super::cache::{Key, MAX_LEN, most_ids};
use super::{Bpe, Interrupted, Scratch, Sink};

/// Why the quick loop stopped.
struct Missed {
    /// The place of the pretoken among the boundaries.
    place: usize,
    /// Its key, if it is short enough to have one.
    key: Option<Key>,
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
        let done = if self.narrow {
            self.encode_portion_as::<true>(text, boundaries, scratch, sink, keep_going)
        } else {
            self.encode_portion_as::<false>(text, boundaries, scratch, sink, keep_going)
        };
        scratch.stage.flush(sink);
        done
    }

    #[inline(always)]
    fn encode_portion_as<const NARROW: bool>(
        &self,
        text: &[u8],
        boundaries: &[usize],
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let owner = scratch.cache.serve(&self.identity);
        let mut first = 0;
        while let Some(missed) = known::<NARROW>(text, boundaries, first, owner, scratch) {
            let (start, end) = (boundaries[missed.place], boundaries[missed.place + 1]);
            match missed.key {
                Some(key) => self.learn::<NARROW>(text, start, end, key, owner, scratch),
                None => self.encode_long::<NARROW>(text, start, end, owner, scratch, sink, keep_going)?,
            }
            scratch.stage.flush_if_full(sink);
            first = missed.place + 1;
        }
        Ok(())
    }

    /// A pretoken of at most 15 bytes that is not in the cache.
    #[inline(never)]
    fn learn<const NARROW: bool>(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        key: Key,
        owner: u64,
        scratch: &mut Scratch,
    ) {
        // Short indentation is remembered like anything else.
        if end - start > most_ids::<NARROW>() && self.whole_is_merged && self.repeats_a_byte(&text[start..end], scratch)
        {
            return;
        }
        let before = scratch.stage.len;
        if let Some(id) = self.whole.get(text, start, end) {
            scratch.stage.push(id);
        } else if self.whole_is_merged && !text[start..end].is_ascii() {
            self.encode_units::<NARROW>(text, start, end, owner, scratch);
        } else {
            self.merge_segments(text, start, end, scratch);
        }
        let Scratch { cache, stage, .. } = scratch;
        cache.put::<NARROW>(key, stage.since(before));
    }

    /// A pretoken of more than 15 bytes.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn encode_long<const NARROW: bool>(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        owner: u64,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        if self.whole_is_merged && self.repeats_a_byte(&text[start..end], scratch) {
            return Ok(());
        }
        if let Some(id) = self.whole.get(text, start, end) {
            scratch.stage.push(id);
            return Ok(());
        }
        if !self.whole_is_merged {
            scratch.stage.flush(sink);
            return self.encode_segments(text, start, end, scratch, sink, keep_going);
        }
        // Units of short stretches go the quick way; a long unit goes to the methods that can be interrupted.
        let mut from = start;
        while from < end {
            let to = self.end_of_unit(text, from, end);
            if to - from <= MAX_LEN {
                self.encode_unit::<NARROW>(text, from, to, owner, scratch);
                scratch.stage.flush_if_full(sink);
                if end - start > super::ASK_EVERY {
                    scratch.worked(to - from, keep_going)?;
                }
            } else {
                scratch.stage.flush(sink);
                if let Some(id) = self.whole.get(text, from, to) {
                    sink.push(id);
                } else {
                    self.encode_segments(text, from, to, scratch, sink, keep_going)?;
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Cuts at most 15 bytes between characters that no merge joins, and encodes the parts.
    #[inline]
    fn encode_units<const NARROW: bool>(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        owner: u64,
        scratch: &mut Scratch,
    ) {
        let mut to = self.end_of_unit(text, start, end);
        if to == end {
            self.merge_segments(text, start, end, scratch);
            return;
        }
        let mut from = start;
        loop {
            self.encode_unit::<NARROW>(text, from, to, owner, scratch);
            if to == end {
                return;
            }
            from = to;
            to = self.end_of_unit(text, from, end);
        }
    }

    /// The first boundary of characters after `from` that no merge crosses; at most `end`.
    #[inline]
    fn end_of_unit(&self, text: &[u8], from: usize, end: usize) -> usize {
        let mut at = from + 1;
        let mut left = text[from];
        while at < end {
            let right = text[at];
            if right & 0xc0 != 0x80 && !self.joins.contains(left, right) {
                return at;
            }
            left = right;
            at += 1;
        }
        end
    }

    /// A part of a pretoken, at most 15 bytes, that merges with nothing around it.
    #[inline]
    fn encode_unit<const NARROW: bool>(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        owner: u64,
        scratch: &mut Scratch,
    ) {
        if end - start == 1 {
            scratch.stage.push(self.ids[usize::from(text[start])]);
            return;
        }
        let key = Key::new(text, start, end - start, owner);
        let Scratch { cache, stage, .. } = scratch;
        if let Some(found) = cache.view().find(key) {
            stage.take::<NARROW>(found);
            return;
        }
        let before = scratch.stage.len;
        if let Some(id) = self.whole.get(text, start, end) {
            scratch.stage.push(id);
        } else {
            self.merge_segments(text, start, end, scratch);
        }
        let Scratch { cache, stage, .. } = scratch;
        cache.put::<NARROW>(key, stage.since(before));
    }

    /// Merges at most 15 bytes, which are no token.
    fn merge_segments(&self, text: &[u8], start: usize, end: usize, scratch: &mut Scratch) {
        let mut stage = std::mem::take(&mut scratch.stage);
        // So short a segment is never interrupted.
        let _ = self.encode_segments(text, start, end, scratch, &mut stage, &|| true);
        scratch.stage = stage;
    }

    /// One byte and then any number of times the same one, none of which merge: indentation, in GPT-2's vocabulary.
    fn repeats_a_byte(&self, pretoken: &[u8], scratch: &mut Scratch) -> bool {
        let [first, second, rest @ ..] = pretoken else { return false };
        if self.joins.contains(*first, *second)
            || self.joins.contains(*second, *second)
            || rest.iter().any(|byte| byte != second)
        {
            return false;
        }
        scratch.stage.push(self.ids[usize::from(*first)]);
        scratch.stage.fill(self.ids[usize::from(*second)], pretoken.len() - 1);
        true
    }
}

/// Takes the ids of pretokens out of the cache until one is not there.
#[inline(always)]
fn known<const NARROW: bool>(
    text: &[u8],
    boundaries: &[usize],
    first: usize,
    owner: u64,
    scratch: &mut Scratch,
) -> Option<Missed> {
    let Scratch { cache, stage, .. } = scratch;
    let view = cache.view();
    let mut start = *boundaries.get(first)?;
    for (place, &end) in boundaries.iter().enumerate().skip(first + 1) {
        let place = place - 1;
        if end - start > MAX_LEN {
            return Some(Missed { place, key: None });
        }
        let key = Key::new(text, start, end - start, owner);
        let Some(found) = view.find(key) else { return Some(Missed { place, key: Some(key) }) };
        stage.take::<NARROW>(found);
        start = end;
    }
    None
}
