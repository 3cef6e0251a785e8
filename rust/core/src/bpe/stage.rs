//! Where are ids kept until the caller takes them? A buffer that is written past its end and handed over in one piece, in
//! 16 bits where all ids of the vocabulary fit: half of what is copied.

use super::cache::Ids;
use super::{Scratch, Sink, TokenId};

/// How wide ids are kept.
pub(super) trait Unit: Copy + Default + std::fmt::Debug {
    /// Whether ids are kept as the cache's entries have them.
    const NARROW: bool;
    /// How many ids fit the cache's entry.
    const MOST_IDS: usize;

    /// The id, which is known to fit.
    fn of(id: TokenId) -> Self;
    /// All of an entry: seven ids at most, and something in the eighth place.
    fn of_entry(ids: &Ids) -> [Self; 8];
    /// At most `MOST_IDS` ids as an entry.
    fn to_entry(ids: &[Self]) -> Ids;
    /// The stage of this width.
    fn stage(scratch: &mut Scratch) -> &mut Stage<Self>;
    fn hand_over(ids: &[Self], sink: &mut impl Sink);
}

impl Unit for u16 {
    const NARROW: bool = true;
    const MOST_IDS: usize = 7;

    #[inline(always)]
    fn of(id: TokenId) -> Self {
        id as u16
    }

    #[inline(always)]
    fn of_entry(ids: &Ids) -> [Self; 8] {
        *ids
    }

    fn to_entry(ids: &[Self]) -> Ids {
        let mut entry = [0; 8];
        entry[..ids.len()].copy_from_slice(ids);
        entry[7] = ids.len() as u16;
        entry
    }

    #[inline(always)]
    fn stage(scratch: &mut Scratch) -> &mut Stage<Self> {
        &mut scratch.narrow
    }

    #[inline]
    fn hand_over(ids: &[Self], sink: &mut impl Sink) {
        sink.push_all_narrow(ids);
    }
}

impl Unit for TokenId {
    const NARROW: bool = false;
    const MOST_IDS: usize = 3;

    #[inline(always)]
    fn of(id: TokenId) -> Self {
        id
    }

    #[inline(always)]
    fn of_entry(ids: &Ids) -> [Self; 8] {
        let mut wide = [0; 8];
        for (place, &[low, high]) in wide.iter_mut().zip(ids.as_chunks::<2>().0) {
            *place = TokenId::from(low) | TokenId::from(high) << 16;
        }
        wide
    }

    fn to_entry(ids: &[Self]) -> Ids {
        let mut entry = [0; 8];
        for (place, &id) in entry.as_chunks_mut::<2>().0.iter_mut().zip(ids) {
            *place = [id as u16, (id >> 16) as u16];
        }
        entry[7] = ids.len() as u16;
        entry
    }

    #[inline(always)]
    fn stage(scratch: &mut Scratch) -> &mut Stage<Self> {
        &mut scratch.wide
    }

    #[inline]
    fn hand_over(ids: &[Self], sink: &mut impl Sink) {
        sink.push_all(ids);
    }
}

/// Handed over when it holds this many.
pub(super) const ENOUGH: usize = 1 << 12;

#[derive(Debug, Default)]
pub(super) struct Stage<U> {
    /// Always of the length that was ever needed; only the first `len` count.
    ids: Vec<U>,
    pub(super) len: usize,
}

impl<U: Unit> Stage<U> {
    /// Room for `entries` more of the cache's. Of each, eight units are written whatever they are, and as many counted
    /// as there are ids: [`Stage::keep`] says how many these were.
    #[inline(always)]
    pub(super) fn room(&mut self, entries: usize) -> &mut [U] {
        if self.ids.len() < self.len + 8 * entries {
            self.grow(8 * entries);
        }
        &mut self.ids[self.len..]
    }

    /// Counts ids that were written into the room.
    #[inline(always)]
    pub(super) fn keep(&mut self, ids: usize) {
        self.len += ids;
    }

    /// Takes the ids of one entry.
    #[inline(always)]
    pub(super) fn take(&mut self, ids: &Ids) {
        if let Some(room) = self.room(1).first_chunk_mut() {
            *room = U::of_entry(ids);
            self.len += usize::from(ids[7]);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.ids.resize((self.len + more).max(2 * ENOUGH), U::default());
    }

    /// The ids from place `first` on as an entry of the cache, if they fit.
    pub(super) fn entry_since(&self, first: usize) -> Option<Ids> {
        let ids = &self.ids[first..self.len];
        (1..=U::MOST_IDS).contains(&ids.len()).then(|| U::to_entry(ids))
    }

    /// One id and another that follows, `count` in all, at most 16.
    #[inline(always)]
    pub(super) fn push_repeating(&mut self, one: TokenId, again: TokenId, count: usize) {
        if let Some(room) = self.room(2).first_chunk_mut::<16>() {
            *room = [U::of(again); 16];
            room[0] = U::of(one);
            self.len += count;
        }
    }

    /// The same id again and again.
    pub(super) fn fill(&mut self, id: TokenId, count: usize) {
        if self.ids.len() < self.len + count {
            self.grow(count);
        }
        self.ids[self.len..self.len + count].fill(U::of(id));
        self.len += count;
    }

    /// Hands over everything.
    pub(super) fn flush(&mut self, sink: &mut impl Sink) {
        U::hand_over(&self.ids[..self.len], sink);
        self.len = 0;
        if self.ids.len() > 16 * ENOUGH {
            self.ids = Vec::new();
        }
    }

    /// Hands over what is there if it is much.
    #[inline]
    pub(super) fn flush_if_full(&mut self, sink: &mut impl Sink) {
        if self.len >= ENOUGH {
            self.flush(sink);
        }
    }
}

impl<U: Unit> Sink for Stage<U> {
    #[inline]
    fn push(&mut self, id: TokenId) {
        if self.ids.len() <= self.len {
            self.grow(1);
        }
        self.ids[self.len] = U::of(id);
        self.len += 1;
    }
}
