//! Where are ids kept until the caller takes them? A buffer that is written past its end and handed over in one piece.

use super::cache::Found;
use super::{Sink, TokenId};

/// Handed over when it holds this many.
const ENOUGH: usize = 1 << 12;

#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Always of the length that was ever needed; only the first `len` count.
    ids: Vec<TokenId>,
    pub(super) len: usize,
}

impl Stage {
    /// Takes ids out of the cache: eight are written whatever they are, and as many counted as there are.
    #[inline(always)]
    pub(super) fn take<const NARROW: bool>(&mut self, found: Found<'_>) {
        if self.ids.len() < self.len + 8 {
            self.grow(8);
        }
        if let Some(room) = self.ids.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            self.len += found.write::<NARROW>(room);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.ids.resize((self.len + more).max(2 * ENOUGH), 0);
    }

    /// The ids from place `first` on.
    pub(super) fn since(&self, first: usize) -> &[TokenId] {
        &self.ids[first..self.len]
    }

    /// The same id again and again.
    pub(super) fn fill(&mut self, id: TokenId, count: usize) {
        if self.ids.len() < self.len + count {
            self.grow(count);
        }
        self.ids[self.len..self.len + count].fill(id);
        self.len += count;
    }

    /// Hands over everything.
    pub(super) fn flush(&mut self, sink: &mut impl Sink) {
        sink.push_all(&self.ids[..self.len]);
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

impl Sink for Stage {
    #[inline]
    fn push(&mut self, id: TokenId) {
        if self.ids.len() <= self.len {
            self.grow(1);
        }
        self.ids[self.len] = id;
        self.len += 1;
    }
}
