//! How is a long segment merged in linear time? Longest match first, stepping back where merging would have differed.
//!
//! Under a proper vocabulary (every product comes from one pair and encodes to itself) a sequence of tokens is what
//! merging gives if and only if every two neighbours, encoded together, stay as they are; and each prefix of the text
//! has exactly one such sequence. So the encoding can be grown from the left: try the longest token here that stays
//! apart from the token before it, then shorter ones, and give up the token before it when none does. A position that
//! was given up is never entered again, which bounds the work by a constant per byte.
//! Source of the idea: GitHub's `bpe` crate and its article "So many tokens, so little time".

use super::keys::{fold, slots_for};
use super::pairs::Pairs;
use super::symbols::{Rank, Symbol, Symbols};
use super::{Interrupted, pairs::Step};
use crate::pages::{LARGE_SINCE, make_large};

const CHECK_EVERY: usize = 1 << 14;
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The encoding of the segment's beginning.
    pub(super) tokens: Vec<Symbol>,
    /// Where they end.
    pub(super) at: usize,
    /// Bit `i` is set when position `i` was given up: no encoding of the prefix that ends there goes on.
    closed: Vec<u64>,
}

impl Scratch {
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.at = 0;
        self.closed.clear();
    }

    /// Makes room for `more` tokens: beyond a few MB in memory that the system hands out in large pages, for each small
    /// one would cost as much as merging what it holds.
    pub(super) fn reserve(&mut self, more: usize) {
        if self.tokens.capacity() - self.tokens.len() >= more {
            return;
        }
        let wanted = more.max(2 * self.tokens.capacity());
        if size_of::<Symbol>() * wanted < LARGE_SINCE {
            self.tokens.reserve(wanted - self.tokens.len());
            return;
        }
        let mut tokens = Vec::with_capacity(wanted);
        make_large(tokens.spare_capacity_mut());
        tokens.extend_from_slice(&self.tokens);
        self.tokens = tokens;
    }

    /// How many tokens there is room for.
    pub(super) fn room(&self) -> usize {
        self.tokens.capacity()
    }
}

#[derive(Debug)]
pub(super) struct Linear {
    lengths: Box<[u32]>,
    /// [`halves`] of the vocabulary.
    halves: Box<[(Symbol, Symbol)]>,
    /// The longest token that is a proper prefix of each token, or `NONE`.
    shorter: Box<[u32]>,
    trie: Trie,
}

impl Linear {
    /// `pairs` must be those of a proper vocabulary of `count` symbols, which has exactly one pair for each product.
    pub(super) fn new(pairs: &Pairs, count: usize) -> Self {
        let halves = halves(pairs, count);
        let mut symbols = Symbols::of_bytes(count);
        for &(left, right) in halves.iter().skip(symbols.len()) {
            symbols.push_joined(left, right);
        }
        let mut trie = Trie::new(&symbols);
        let mut shorter = vec![NONE; symbols.len()].into_boxed_slice();
        for symbol in symbols.all() {
            trie.insert(symbols.bytes(symbol), symbol);
        }
        for symbol in symbols.all() {
            let bytes = symbols.bytes(symbol);
            if let Some(prefix) = trie.longest(&bytes[..bytes.len() - 1]) {
                shorter[symbol.place()] = prefix.0;
            }
        }
        let lengths = symbols.all().map(|symbol| symbols.bytes(symbol).len() as u32).collect();
        Linear { lengths, halves, shorter, trie }
    }

    pub(super) fn merge(
        &self,
        pairs: &Pairs,
        segment: &[u8],
        scratch: &mut Scratch,
        emit: &mut impl FnMut(Symbol),
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        scratch.clear();
        self.grow(pairs, segment, segment.len(), scratch, keep_going)?;
        scratch.tokens.iter().copied().for_each(emit);
        Ok(())
    }

    /// Goes on from the tokens that there are until at least `until` or the end is reached. Some of them may be given up;
    /// what is closed stays so for the same segment.
    pub(super) fn grow(
        &self,
        pairs: &Pairs,
        segment: &[u8],
        until: usize,
        scratch: &mut Scratch,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let Scratch { tokens, at, closed } = scratch;
        closed.resize(segment.len() / 64 + 1, 0);
        let mut tries = 0usize;
        // Where these tokens stand, longer ones were not tried yet.
        let mut untried = tokens.len();
        let mut candidate = self.trie.longest(&segment[*at..]);
        while let Some(mut token) = candidate {
            tries += 1;
            if tries.is_multiple_of(CHECK_EVERY) && !keep_going() {
                return Err(Interrupted);
            }
            candidate = loop {
                let end = *at + self.lengths[token.place()] as usize;
                let open = closed[end / 64] >> (end % 64) & 1 == 0;
                if open && tokens.last().is_none_or(|&before| self.stay_apart(pairs, before, token)) {
                    tokens.push(token);
                    *at = end;
                    if end >= until {
                        return Ok(());
                    }
                    break self.trie.longest(&segment[end..]);
                }
                match self.shorter[token.place()] {
                    NONE => {
                        closed[*at / 64] |= 1 << (*at % 64);
                        let given_up = tokens.pop();
                        *at -= given_up.map_or(0, |token| self.lengths[token.place()] as usize);
                        if given_up.is_some() && tokens.len() < untried {
                            untried = tokens.len();
                            break self.trie.longest(&segment[*at..]);
                        }
                        break given_up;
                    }
                    prefix => token = Symbol(prefix),
                }
            };
        }
        Ok(())
    }

    /// Whether `left` followed by `right` encodes to just these two.
    ///
    /// Undoes the merges of both, latest first, looking at each moment of that history at the pair across the boundary:
    /// if it merges before the merge just undone, it would have come first.
    #[inline]
    fn stay_apart(&self, pairs: &Pairs, mut left: Symbol, mut right: Symbol) -> bool {
        let mut before = Rank::LAST;
        loop {
            let step = pairs.get(left, right);
            if step != Step::NONE && step.rank() < before {
                return false;
            }
            // Symbols are in rank order, so the larger of the two was made later. Equal ranks merge from the left:
            // undoing the left token, a pair across of the same rank comes too late; undoing the right one, in time.
            if left > right {
                if left.is_byte() {
                    return true;
                }
                before = rank_of(left);
                left = self.halves[left.place()].1;
            } else {
                if right.is_byte() {
                    return true;
                }
                before = Rank(rank_of(right).0 + 1);
                right = self.halves[right.place()].0;
            }
        }
    }
}

/// The pair that makes each product of a proper vocabulary; meaningless for bytes.
pub(super) fn halves(pairs: &Pairs, count: usize) -> Box<[(Symbol, Symbol)]> {
    let mut halves = vec![(Symbol(0), Symbol(0)); count].into_boxed_slice();
    for (pair, step) in pairs.iter() {
        halves[step.product().place()] = pair;
    }
    halves
}

/// The rank that makes this product: under a proper vocabulary merge `i` makes symbol `256 + i`.
#[inline]
fn rank_of(product: Symbol) -> Rank {
    Rank(product.0 - 256)
}

/// A trie over tokens whose edges are one hash table: (node, byte) to node.
#[derive(Debug)]
struct Trie {
    edges: Box<[(u64, u32)]>,
    shift: u32,
    /// The token that ends at each node, or `NONE`. Node 0 is the root.
    tokens: Vec<u32>,
}

impl Trie {
    fn new(symbols: &Symbols) -> Self {
        // At most one node a byte of the vocabulary; prefixes are shared, so this is ample.
        let slots = slots_for(symbols.all().map(|symbol| symbols.bytes(symbol).len()).sum());
        let shift = u64::BITS - slots.trailing_zeros();
        Trie { edges: vec![(u64::MAX, NONE); slots].into_boxed_slice(), shift, tokens: vec![NONE] }
    }

    #[inline]
    fn place(&self, node: u32, byte: u8) -> usize {
        let key = u64::from(node) << 8 | u64::from(byte);
        let mask = self.edges.len() - 1;
        let mut place = (fold(key, 0) >> self.shift) as usize & mask;
        while self.edges[place].0 != key && self.edges[place].0 != u64::MAX {
            place = (place + 1) & mask;
        }
        place
    }

    fn insert(&mut self, bytes: &[u8], token: Symbol) {
        let mut node = 0;
        for &byte in bytes {
            let place = self.place(node, byte);
            if self.edges[place].1 == NONE {
                let new = self.tokens.len() as u32;
                self.edges[place] = (u64::from(node) << 8 | u64::from(byte), new);
                self.tokens.push(NONE);
            }
            node = self.edges[place].1;
        }
        self.tokens[node as usize] = token.0;
    }

    /// The longest token that `bytes` begins with.
    #[inline]
    fn longest(&self, bytes: &[u8]) -> Option<Symbol> {
        let (mut node, mut found) = (0, NONE);
        for &byte in bytes {
            node = self.edges[self.place(node, byte)].1;
            if node == NONE {
                break;
            }
            let token = self.tokens[node as usize];
            if token != NONE {
                found = token;
            }
        }
        (found != NONE).then_some(Symbol(found))
    }
}
