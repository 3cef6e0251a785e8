//! Which bytes does an id stand for? The table that decoding reads, over all ids, special tokens included.

use super::embedded::Embedded;
use crate::bpe::{Held, TokenId};

/// Marks an id that no token has.
const GAP: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

/// Tokens in any order, as a vocabulary that is loaded gives them.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Spans {
    pub(crate) fn with_capacity(tokens: usize, bytes: usize) -> Self {
        Spans { bytes: Vec::with_capacity(bytes), spans: Vec::with_capacity(tokens) }
    }

    /// Gives `id` its bytes. Ids may come in any order; a later call for the same id wins.
    pub(crate) fn insert(&mut self, id: TokenId, token: &[u8]) {
        let place = id as usize;
        if self.spans.len() <= place {
            self.spans.resize(place + 1, Span { start: 0, len: GAP });
        }
        self.spans[place] = Span { start: self.bytes.len() as u32, len: token.len() as u32 };
        self.bytes.extend_from_slice(token);
    }

    #[inline]
    pub(crate) fn get(&self, id: TokenId) -> Option<&[u8]> {
        let span = self.spans.get(id as usize)?;
        let start = span.start as usize;
        // A gap's length reaches past the end, so it finds nothing.
        self.bytes.get(start..start + span.len as usize)
    }
}

#[derive(Debug)]
pub(crate) enum Table {
    Spans(Spans),
    Embedded(Embedded),
}

impl From<Spans> for Table {
    fn from(spans: Spans) -> Self {
        Table::Spans(spans)
    }
}

impl Table {
    /// One more than the largest id.
    pub(crate) fn len(&self) -> usize {
        match self {
            Table::Spans(table) => table.spans.len(),
            Table::Embedded(table) => table.slots.len(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: TokenId) -> Option<&[u8]> {
        match self {
            Table::Spans(table) => table.get(id),
            Table::Embedded(table) => table.get(id),
        }
    }

    /// Every id that has a token, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TokenId, &[u8])> {
        (0..self.len() as TokenId).filter_map(|id| Some((id, self.get(id)?)))
    }
}

/// Tokens of at most 15 bytes in one load each, the length behind them: all but a few of a real vocabulary.
#[derive(Debug)]
pub(crate) struct Slots(Held<[[u8; 16]]>);

impl Slots {
    /// A table with more ids than this has none: 16 bytes an id would be too much memory.
    const MOST_IDS: usize = 1 << 18;

    pub(crate) fn of(table: &Table) -> Option<Self> {
        if let Table::Embedded(table) = table {
            return Some(Slots(Held::Embedded(table.slots)));
        }
        if table.len() > Self::MOST_IDS {
            return None;
        }
        let mut slots = vec![[0; 16]; table.len()];
        for (id, token) in table.iter() {
            if token.len() < 16 {
                slots[id as usize][..token.len()].copy_from_slice(token);
                slots[id as usize][15] = token.len() as u8;
            }
        }
        Some(Slots(slots.into()))
    }

    /// The length of a short token; 0 for a long one and for an id that no token has.
    #[inline]
    pub(crate) fn len_of(&self, id: TokenId) -> usize {
        self.0.get(id as usize).map_or(0, |slot| usize::from(slot[15]))
    }

    /// A short token's bytes with others behind them, and how many are its own.
    #[inline]
    pub(crate) fn get(&self, id: TokenId) -> Option<(&[u8; 16], usize)> {
        let slot = self.0.get(id as usize)?;
        let len = usize::from(slot[15]);
        (len > 0).then_some((slot, len))
    }
}
