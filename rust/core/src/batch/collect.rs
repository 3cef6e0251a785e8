//! Where ids of a batch go: into one array, counted only, or portion after portion as threads are done with them.

use std::collections::BTreeMap;

use super::{Id, Portion};
use crate::bpe::{Sink, TokenId};
use crate::pages;

/// Ids put behind those that are there, into memory that the system hands out in windows.
pub(super) struct Collect<'v, T> {
    pub(super) ids: &'v mut Vec<T>,
    /// Up to this place the system was told.
    told: usize,
}

impl<'v, T: Id> Collect<'v, T> {
    pub(super) fn new(ids: &'v mut Vec<T>) -> Self {
        Collect { told: ids.len(), ids }
    }

    /// Makes room for `count` more.
    #[inline]
    fn make_room(&mut self, count: usize) {
        if self.ids.len() + count > self.told {
            self.tell(count);
        }
    }

    #[cold]
    fn tell(&mut self, count: usize) {
        let before = self.ids.capacity();
        self.ids.reserve(count);
        let is_new = self.told == 0 || self.ids.capacity() != before;
        let window = count.max(WINDOW / size_of::<T>()).min(self.ids.capacity() - self.ids.len());
        let memory = self.ids.spare_capacity_mut();
        if is_new && size_of_val(memory) >= pages::LARGE_SINCE {
            pages::make_large(memory);
        }
        pages::hand_out(&mut memory[..window]);
        self.told = self.ids.len() + window;
    }
}

/// So many bytes of ids are asked of the system at a time.
const WINDOW: usize = 1 << 18;

impl<T: Id> Sink for Collect<'_, T> {
    #[inline]
    fn push(&mut self, id: TokenId) {
        self.make_room(1);
        self.ids.push(T::from_token_id(id));
    }

    #[inline]
    fn push_all(&mut self, ids: &[TokenId]) {
        self.make_room(ids.len());
        self.ids.extend(ids.iter().map(|&id| T::from_token_id(id)));
    }

    #[inline]
    fn push_all_narrow(&mut self, ids: &[u16]) {
        self.make_room(ids.len());
        self.ids.extend(ids.iter().map(|&id| T::from_token_id(TokenId::from(id))));
    }
}

pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    #[inline]
    fn push(&mut self, _: TokenId) {
        self.0 += 1;
    }

    #[inline]
    fn push_all(&mut self, ids: &[TokenId]) {
        self.0 += ids.len();
    }

    #[inline]
    fn push_all_narrow(&mut self, ids: &[u16]) {
        self.0 += ids.len();
    }
}

/// Portions put together in the order of their numbers, each while its ids are still in the cache of who made them.
pub(super) struct Joined<T> {
    pub(super) ids: Vec<T>,
    pub(super) lengths: Vec<i64>,
    next: usize,
    early: BTreeMap<usize, Portion<T>>,
    /// As [`Collect::told`].
    told: usize,
}

impl<T: Id> Joined<T> {
    pub(super) fn new(bytes: usize, texts: usize) -> Self {
        let ids = Vec::with_capacity(bytes / 4 + texts);
        Joined { ids, lengths: vec![0; texts], next: 0, early: BTreeMap::new(), told: 0 }
    }

    pub(super) fn add(&mut self, number: usize, portion: Portion<T>) {
        self.early.insert(number, portion);
        let mut collect = Collect { told: self.told, ids: &mut self.ids };
        while let Some(Portion { ids, counts }) = self.early.remove(&self.next) {
            collect.make_room(ids.len());
            collect.ids.extend_from_slice(&ids);
            for (text, count) in counts {
                self.lengths[text] += count as i64;
            }
            self.next += 1;
        }
        self.told = collect.told;
    }
}
