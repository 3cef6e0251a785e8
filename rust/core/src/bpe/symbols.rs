//! What is a symbol, and which bytes does it stand for? Owns the engine's own numbering of tokens.

/// A token inside the engine: the byte values 0 to 255, then the products of merges in rank order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub u32);

impl Symbol {
    #[inline]
    pub(crate) fn of_byte(byte: u8) -> Self {
        Symbol(u32::from(byte))
    }

    #[inline]
    pub(crate) fn place(self) -> usize {
        self.0 as usize
    }

    #[inline]
    pub(crate) fn is_byte(self) -> bool {
        self.0 < 256
    }
}

/// The priority of a merge: the lowest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub u32);

impl Rank {
    /// After every merge.
    pub(crate) const LAST: Rank = Rank(u32::MAX);
}

/// `left` and `right`, side by side, become `product`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub left: Symbol,
    pub right: Symbol,
    pub product: Symbol,
    pub rank: Rank,
}

/// The bytes of every symbol, in one piece of memory.
#[derive(Debug)]
pub(crate) struct Symbols {
    bytes: Vec<u8>,
    /// `ends[s]` is where symbol `s` ends in `bytes`; it begins where the one before it ends.
    ends: Vec<u32>,
}

impl Symbols {
    /// The 256 bytes alone, with room for `more` products.
    pub(crate) fn of_bytes(more: usize) -> Self {
        let mut ends = Vec::with_capacity(256 + more);
        ends.extend(1..=256);
        let mut bytes = Vec::with_capacity(256 + 8 * more);
        bytes.extend(0..=255);
        Symbols { bytes, ends }
    }

    /// Adds the symbol that stands for `left` followed by `right`.
    pub(crate) fn push_joined(&mut self, left: Symbol, right: Symbol) -> Symbol {
        for part in [left, right] {
            let (start, end) = self.span(part);
            self.bytes.extend_from_within(start..end);
        }
        self.close()
    }

    /// Adds the symbol that stands for these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Symbol {
        self.bytes.extend_from_slice(bytes);
        self.close()
    }

    fn close(&mut self) -> Symbol {
        // The loaders bound a vocabulary's text far below 4 GiB, so both counts fit.
        self.ends.push(self.bytes.len() as u32);
        Symbol(self.ends.len() as u32 - 1)
    }

    #[inline]
    fn span(&self, symbol: Symbol) -> (usize, usize) {
        let place = symbol.place();
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        (start as usize, self.ends[place] as usize)
    }

    #[inline]
    pub(crate) fn bytes(&self, symbol: Symbol) -> &[u8] {
        let (start, end) = self.span(symbol);
        &self.bytes[start..end]
    }

    /// The memory that begins with a symbol's bytes, and how many they are.
    #[inline]
    pub(crate) fn memory_from(&self, symbol: Symbol) -> (&[u8], usize) {
        let (start, end) = self.span(symbol);
        (&self.bytes[start..], end - start)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Symbol> + use<> {
        (0..self.ends.len() as u32).map(Symbol)
    }
}

/// Whether merge `i` has rank `i`, makes symbol `256 + i`, and joins only older symbols: a trained merge list, in order.
pub(crate) fn correspond(merges: impl Iterator<Item = Merge>) -> bool {
    merges.enumerate().all(|(place, merge)| {
        merge.rank.0 as usize == place
            && merge.product.place() == 256 + place
            && merge.left < merge.product
            && merge.right < merge.product
    })
}
