//! Which ids does one pretoken become? Owns byte-pair merging and picks the method; knows nothing of text or patterns.
//!
//! A pretoken goes through three steps, each exact for every vocabulary:
//!
//! 1. *whole lookup* ([`whole`]): most pretokens are a token. The table holds only tokens that merging their own bytes
//!    gives back, so an entry that no merge produces is never returned.
//! 2. *barriers* ([`joins`]): no merge can cross two neighbouring bytes that stand together in no product of a merge, so
//!    the pretoken falls into independent segments there. Text in scripts that GPT-2 hardly knows falls apart entirely.
//! 3. *merging* each segment: a scan for short ones ([`short`]), and for long ones windows that overlap ([`windows`]), with
//!    backtracking over longest matches where tokens are long ([`linear`]), or, for vocabularies whose merges do not
//!    allow either, a heap ([`heap`]). [`naive`] is the plain definition that the tests hold all of them to.
//!
//! Three numbers are kept apart: a [`Symbol`] is a token's place inside this engine (0 to 255 are the byte values, then
//! products of merges by rank), a [`Rank`] is a merge's priority, and a [`TokenId`] is what the user's vocabulary says.

mod cache;
pub(crate) mod embedded;
mod heap;
mod held;
mod joins;
pub(crate) mod keys;
mod linear;
mod naive;
mod packed;
mod pairs;
mod phrases;
mod portion;
mod prefetch;
mod row;
mod short;
mod stage;
mod symbols;
mod whole;
mod windows;

use std::sync::{Arc, OnceLock};

use crate::pretokenize::Starts;
pub(crate) use held::Held;
use joins::Joins;
use linear::Linear;
use pairs::Pairs;
pub(crate) use symbols::{Merge, Rank, Symbol, Symbols};
use whole::{Entry, Whole};
use windows::Bounds;

/// The number that a vocabulary gives a token.
pub type TokenId = u32;

/// Returned by long work when the caller's `keep_going` said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Where ids go: a list, a counter, a NumPy buffer.
pub trait Sink {
    /// Takes the next id.
    fn push(&mut self, id: TokenId);

    /// Takes many ids at once.
    #[inline]
    fn push_all(&mut self, ids: &[TokenId]) {
        for &id in ids {
            self.push(id);
        }
    }

    /// Takes many ids at once that were kept in 16 bits.
    #[inline]
    fn push_all_narrow(&mut self, ids: &[u16]) {
        for &id in ids {
            self.push(TokenId::from(id));
        }
    }
}

impl Sink for Vec<TokenId> {
    #[inline]
    fn push(&mut self, id: TokenId) {
        Vec::push(self, id);
    }

    #[inline]
    fn push_all(&mut self, ids: &[TokenId]) {
        self.extend_from_slice(ids);
    }

    #[inline]
    fn push_all_narrow(&mut self, ids: &[u16]) {
        self.extend(ids.iter().map(|&id| TokenId::from(id)));
    }
}

/// Working memory of an encoding thread, kept between calls so that encoding allocates nothing but its result.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) starts: Starts,
    batch: portion::Batch,
    narrow: stage::Stage<u16>,
    wide: stage::Stage<TokenId>,
    cache: cache::Cache,
    linear: linear::Scratch,
    heap: heap::Scratch,
    windows: windows::Scratch,
    /// Bytes encoded since `keep_going` was last asked.
    unasked: usize,
    /// Bytes of long segments that went to the heap because what windows need was not made yet.
    heaped: usize,
    /// Bytes that the linear method would have merged quicker, if what it needs had been made.
    slow: usize,
}

/// `keep_going` is asked about once in this many bytes of text.
const ASK_EVERY: usize = 1 << 18;

/// Room for more tokens or symbols than this is not kept.
const MOST_KEPT: usize = 1 << 18;

/// What windows need takes a millisecond to make: so many bytes of long segments come first.
const WORTH_WINDOWS: usize = 1 << 13;

/// What the linear method needs takes many.
const WORTH_LINEAR: usize = 1 << 16;

impl Scratch {
    /// Whether a long segment of `len` bytes is one too many for the heap, which is used until so many were worth more.
    fn deserves(&mut self, len: usize, worth: usize) -> bool {
        self.heaped = self.heaped.saturating_add(len);
        self.heaped > worth
    }

    /// Gives back what a huge pretoken took: a scratch lives long, as a thread's or an encoding's.
    pub(crate) fn trim(&mut self) {
        if self.linear.room() > MOST_KEPT {
            self.linear = linear::Scratch::default();
        }
        if self.heap.room() > MOST_KEPT {
            self.heap = heap::Scratch::default();
        }
    }

    /// Notes `bytes` of work and asks `keep_going` when enough has come together.
    #[inline]
    pub(crate) fn worked(&mut self, bytes: usize, keep_going: &dyn Fn() -> bool) -> Result<(), Interrupted> {
        self.unasked += bytes;
        if self.unasked < ASK_EVERY {
            return Ok(());
        }
        self.unasked = 0;
        if keep_going() { Ok(()) } else { Err(Interrupted) }
    }
}

/// Methods of merging a segment, for tests and benchmarks that compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The plain definition, quadratic.
    Naive,
    /// Scan for the lowest rank; at most 32 bytes, longer segments go to `Heap`.
    Short,
    /// Priority queue, O(n log n), any vocabulary.
    Heap,
    /// Windows of sixteen symbols, spliced, O(n); vocabularies that do not allow it go to `Heap`.
    Windows,
    /// Longest matches with backtracking, O(n); vocabularies that do not allow it go to `Heap`.
    Linear,
}

/// A vocabulary compiled for encoding. Immutable, shared between threads.
#[derive(Debug)]
pub(crate) struct Bpe {
    ids: Held<[TokenId]>,
    pairs: Pairs,
    joins: Joins,
    whole: Whole,
    /// Whether an entry of `whole` is what merging gives, so that segments may be looked up too.
    whole_is_merged: bool,
    /// Whether ranks, products and pairs correspond one to one and every product encodes to itself.
    proper: bool,
    /// Whether every id fits 16 bits, so that the cache holds more of them.
    narrow: bool,
    /// Tells this vocabulary from others in a cache.
    identity: Arc<()>,
    /// What windows need; `None` where they cannot be.
    bounds: OnceLock<Option<Bounds>>,
    linear: OnceLock<Linear>,
}

impl Bpe {
    /// `ids[s]` is the id of symbol `s`; `merges` are in rank order. A whole pretoken becomes a `forced` token though no
    /// merge produces that (`ignore_merges`).
    pub(crate) fn new(
        symbols: &Symbols,
        ids: Vec<TokenId>,
        merges: impl Iterator<Item = Merge> + Clone,
        forced: &[(&[u8], TokenId)],
    ) -> Self {
        let pairs = Pairs::new(merges.clone());
        let border = |merge: Merge| Some((*symbols.bytes(merge.left).last()?, *symbols.bytes(merge.right).first()?));
        let joins = Joins::new(merges.clone().filter_map(border));
        let mut bpe = Bpe {
            ids: ids.into(),
            pairs,
            joins,
            whole: Whole::new(std::iter::empty()),
            whole_is_merged: true,
            proper: false,
            narrow: false,
            identity: Arc::default(),
            bounds: OnceLock::new(),
            linear: OnceLock::new(),
        };
        let mut kept = Vec::with_capacity(symbols.len());
        let (mut scratch, mut found) = (Scratch::default(), Vec::new());
        for symbol in symbols.all() {
            let text = symbols.bytes(symbol);
            let encodes_to_itself = text.len() == 1 || {
                found.clear();
                short::merge(&bpe, text, &mut scratch.heap, &mut |s| found.push(s));
                found == [symbol]
            };
            if encodes_to_itself {
                kept.push(symbol);
            }
        }
        let entries = kept.iter().map(|&symbol| {
            let (text, len) = symbols.memory_from(symbol);
            Entry { text, len, id: bpe.ids[symbol.place()] }
        });
        let known: rustc_hash::FxHashSet<&[u8]> = if forced.is_empty() {
            Default::default()
        } else {
            entries.clone().map(|entry| &entry.text[..entry.len]).collect()
        };
        let added = forced.iter().filter(|(bytes, _)| !known.contains(bytes));
        let added = added.map(|&(text, id)| Entry { text, len: text.len(), id });
        let whole_is_merged = added.clone().next().is_none();
        let whole = Whole::new(entries.chain(added));
        let proper = kept.len() == symbols.len() && symbols::correspond(merges);
        bpe.whole = whole;
        bpe.whole_is_merged = whole_is_merged;
        bpe.proper = proper;
        let mut all_ids = bpe.ids.iter().chain(forced.iter().map(|(_, id)| id));
        bpe.narrow = all_ids.all(|&id| u16::try_from(id).is_ok());
        bpe
    }

    /// Whether every token that a merge produces comes out when its own bytes are encoded, and each from one pair only.
    pub(crate) fn is_proper(&self) -> bool {
        self.proper
    }

    /// What the linear method needs, made when a long segment first asks for it.
    ///
    /// Two threads may both make it. Neither waits for the other: a fork while one of them works would leave the
    /// child waiting for a thread that it does not have.
    fn linear(&self) -> &Linear {
        if let Some(linear) = self.linear.get() {
            return linear;
        }
        let made = Linear::new(&self.pairs, self.ids.len());
        self.linear.get_or_init(|| made)
    }

    /// What windows need, likewise.
    fn bounds(&self) -> Option<&Bounds> {
        if let Some(bounds) = self.bounds.get() {
            return bounds.as_ref();
        }
        let made = if self.proper { Bounds::new(&self.pairs, self.ids.len()) } else { None };
        self.bounds.get_or_init(|| made).as_ref()
    }

    /// The merges of a proper vocabulary in rank order, as the ids of left part, right part and product.
    pub(crate) fn merges(&self) -> Vec<(TokenId, TokenId, TokenId)> {
        let mut merges = vec![(0, 0, 0); self.ids.len() - 256];
        for ((left, right), step) in self.pairs.iter() {
            merges[step.rank().0 as usize] = (self.id(left), self.id(right), self.id(step.product()));
        }
        merges
    }

    /// The ids of all symbols: the bytes and the products of merges.
    pub(crate) fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    /// The id of a symbol.
    pub(crate) fn id(&self, symbol: Symbol) -> TokenId {
        self.ids[symbol.place()]
    }

    /// What is left of `bytes` when only the merges of ranks below `rank` are made.
    pub(crate) fn parts_below(&self, bytes: &[u8], rank: Rank, scratch: &mut Scratch) -> Vec<Symbol> {
        let mut parts = Vec::new();
        let done = heap::merge(self, bytes, rank, &mut scratch.heap, &mut |symbol| parts.push(symbol), &|| true);
        debug_assert_eq!(done, Ok(()));
        parts
    }

    fn encode_segments(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let mut from = start;
        let mut left = text[start];
        for block in (start + 1..end).step_by(ASK_EVERY) {
            let block_end = end.min(block + ASK_EVERY);
            if block_end - block == ASK_EVERY {
                scratch.worked(ASK_EVERY, keep_going)?;
            }
            for at in block..block_end {
                let right = text[at];
                if !self.joins.contains(left, right) {
                    self.encode_segment(text, from, at, self.whole_is_merged, scratch, sink, keep_going)?;
                    from = at;
                }
                left = right;
            }
        }
        let look_up = self.whole_is_merged && from != start;
        self.encode_segment(text, from, end, look_up, scratch, sink, keep_going)
    }

    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn encode_segment(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        look_up: bool,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let len = end - start;
        if len == 1 {
            sink.push(self.ids[text[start] as usize]);
            return Ok(());
        }
        if look_up && let Some(id) = self.whole.get(text, start, end) {
            sink.push(id);
            return Ok(());
        }
        let mut emit = |symbol: Symbol| sink.push(self.ids[symbol.place()]);
        let segment = &text[start..end];
        if len <= short::MAX_LEN {
            short::merge(self, segment, &mut scratch.heap, &mut emit);
            return Ok(());
        }
        if self.proper && (self.bounds.get().is_some() || scratch.deserves(len, WORTH_WINDOWS)) {
            if let Some(bounds) = self.bounds() {
                return bounds.merge(self, segment, scratch, &mut emit, keep_going);
            }
            if self.linear.get().is_some() || scratch.deserves(len, WORTH_LINEAR) {
                return self.linear().merge(&self.pairs, segment, &mut scratch.linear, &mut emit, keep_going);
            }
        }
        heap::merge(self, segment, Rank::LAST, &mut scratch.heap, &mut emit, keep_going)
    }

    /// Encodes `segment` by one method alone, without lookups or barriers.
    pub(crate) fn merge_by(&self, method: Method, segment: &[u8], scratch: &mut Scratch) -> Vec<TokenId> {
        let mut ids = Vec::new();
        let mut emit = |symbol: Symbol| ids.push(self.ids[symbol.place()]);
        let go_on = || true;
        let done = match method {
            Method::Naive => {
                naive::merge(self, segment, &mut emit);
                Ok(())
            }
            Method::Short => {
                short::merge(self, segment, &mut scratch.heap, &mut emit);
                Ok(())
            }
            Method::Linear if self.proper => {
                self.linear().merge(&self.pairs, segment, &mut scratch.linear, &mut emit, &go_on)
            }
            Method::Heap | Method::Linear | Method::Windows => {
                match self.bounds().filter(|_| method == Method::Windows) {
                    Some(bounds) => bounds.merge(self, segment, scratch, &mut emit, &go_on),
                    None => heap::merge(self, segment, Rank::LAST, &mut scratch.heap, &mut emit, &go_on),
                }
            }
        };
        debug_assert_eq!(done, Ok(()));
        ids
    }
}
