//! How is a long segment merged fast? A window of sixteen symbols after another, spliced where they overlap.
//!
//! Under a proper vocabulary a sequence of tokens is what merging gives if and only if every two neighbours stay as they
//! are when they are merged together ([`linear`](super::linear)). A window is merged by the definition, alone: its
//! neighbours stay apart. The next window begins two tokens before the end of this one; if the first token that it finds
//! is the one found there before, the neighbours across are known, too, and the two lists are one encoding. If not, it
//! begins a token earlier; and where that does not help, or tokens fill whole windows, the linear method goes on for a
//! while from the tokens that there are.
//!
//! Before that, bytes are joined into pairs ([`Bounds::join`]) wherever no merge nearby can come first.

use super::pairs::{Narrow, Pairs};
use super::row::{NONE, ROW, Rows, Window, Words};
use super::{Bpe, Interrupted, Rank, Symbol, heap, linear};
#[cfg(target_arch = "x86_64")]
use crate::pretokenize::Avx2;

/// Bytes that are joined into symbols at a time.
const BLOCK: usize = 1 << 11;

/// `keep_going` is asked once in so many blocks.
const BLOCKS_A_QUESTION: usize = 8;

/// How many tokens at the end of a window the next one finds again. With one, every fourth window of digits or letters
/// finds another; with two, one in fifty; with three, one in a thousand, but every window is a token shorter.
const OVERLAP: usize = 2;

/// So many times a window begins a token earlier before the linear method is asked.
const MOST_RETRIES: usize = 4;

/// So many windows of at most so many tokens say that the linear method is quicker here, which takes a token at a time.
const FEW_TOKENS: usize = 4;
const FEW_WINDOWS: usize = 4;

/// How many bytes the linear method goes on.
const STRETCH: usize = 1 << 10;

/// What may happen around two bytes, by rank; `NONE` where nothing does.
#[derive(Clone, Copy, Debug)]
struct Around {
    /// These two merge.
    pair: u16,
    /// The first of merges of the left byte with anything that begins with the right one.
    onwards: u16,
    /// The first of merges of anything that ends with the left byte with the right one.
    backwards: u16,
    /// The same, if that has two bytes or more.
    far_backwards: u16,
}

const NOTHING: Around = Around { pair: NONE, onwards: NONE, backwards: NONE, far_backwards: NONE };

#[derive(Debug)]
pub(super) struct Bounds {
    around: Box<[Around; 1 << 16]>,
    lengths: Box<[u32]>,
}

#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What a block became, its pairs' ranks, and where each symbol begins in it.
    symbols: Vec<u16>,
    ranks: Vec<u16>,
    places: Vec<u16>,
}

/// How the windows of a block ended.
enum End {
    /// The segment is encoded.
    Done,
    /// A block should begin where the tokens end.
    Block,
    /// The linear method should go on: no window fits, or tokens are so long that it is quicker.
    Linear,
}

/// Tokens that are the encoding of the segment's beginning, and of more of it with those that windows found after them.
struct Found<'s> {
    state: &'s mut linear::Scratch,
    /// The token found behind them, or `NONE` where there are none.
    expected: u16,
    /// Where the linear method began last: before it nothing is looked at again.
    floor: Option<usize>,
    furthest: usize,
    retries: usize,
}

impl Found<'_> {
    /// Goes a token back, if there is one since the linear method began: that is what is expected now.
    fn step_back(&mut self, lengths: &[u32]) -> bool {
        let Some(&token) = self.state.tokens.last() else { return false };
        let at = self.state.at - lengths[token.place()] as usize;
        if self.floor.is_some_and(|floor| at <= floor) {
            return false;
        }
        self.state.tokens.pop();
        self.state.at = at;
        self.expected = if self.state.tokens.is_empty() { NONE } else { token.0 as u16 };
        true
    }
}

impl Bounds {
    /// `pairs` are those of a proper vocabulary of `count` symbols. `None` if ranks and symbols do not fit 16 bits.
    pub(super) fn new(pairs: &Pairs, count: usize) -> Option<Self> {
        if pairs.narrow().is_none() || count > usize::from(NONE) {
            return None;
        }
        let halves = linear::halves(pairs, count);
        let mut ends: Vec<(u8, u8)> = (0..=255).map(|byte| (byte, byte)).collect();
        let mut lengths = vec![1; 256];
        let mut around: Box<[Around; 1 << 16]> = vec![NOTHING; 1 << 16].into_boxed_slice().try_into().ok()?;
        for (rank, &(left, right)) in (0..).zip(&halves[256..]) {
            let ((first, left_end), (right_start, last)) = (ends[left.place()], ends[right.place()]);
            ends.push((first, last));
            lengths.push(lengths[left.place()] + lengths[right.place()]);
            let around = &mut around[place(left_end, right_start)];
            let keep = |kept: &mut u16| *kept = rank.min(*kept);
            if left.is_byte() {
                keep(&mut around.onwards);
            }
            if right.is_byte() {
                keep(&mut around.backwards);
                keep(if left.is_byte() { &mut around.pair } else { &mut around.far_backwards });
            }
        }
        Some(Bounds { around, lengths: lengths.into_boxed_slice() })
    }

    pub(super) fn merge(
        &self,
        bpe: &Bpe,
        segment: &[u8],
        scratch: &mut super::Scratch,
        emit: &mut impl FnMut(Symbol),
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            // SAFETY: an `Avx2` exists only where the processor was found to have all of these.
            return unsafe { self.merge_by_avx2(avx2, bpe, segment, scratch, emit, keep_going) };
        }
        self.merge_by(Words, bpe, segment, scratch, emit, keep_going)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn merge_by_avx2(
        &self,
        avx2: Avx2,
        bpe: &Bpe,
        segment: &[u8],
        scratch: &mut super::Scratch,
        emit: &mut impl FnMut(Symbol),
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        self.merge_by(avx2, bpe, segment, scratch, emit, keep_going)
    }

    #[inline(always)]
    fn merge_by(
        &self,
        rows: impl Rows,
        bpe: &Bpe,
        segment: &[u8],
        scratch: &mut super::Scratch,
        emit: &mut impl FnMut(Symbol),
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let Some(pairs) = bpe.pairs.narrow() else {
            return heap::merge(bpe, segment, Rank::LAST, &mut scratch.heap, emit, keep_going);
        };
        let super::Scratch { linear: state, windows: block, heap, slow, .. } = scratch;
        state.clear();
        let mut found = Found { state, expected: NONE, floor: None, furthest: 0, retries: 0 };
        let (mut blocks, mut stretch, mut stretched) = (0usize, STRETCH, 0);
        while found.state.at < segment.len() {
            blocks += 1;
            if blocks.is_multiple_of(BLOCKS_A_QUESTION) && !keep_going() {
                return Err(Interrupted);
            }
            let rest = &segment[found.state.at..];
            self.join(pairs, &rest[..rest.len().min(BLOCK)], block);
            found.state.reserve(BLOCK);
            let linear_is_made = bpe.linear.get().is_some();
            match self.walk(rows, pairs, block, rest.len() <= BLOCK, linear_is_made, slow, &mut found) {
                End::Done => break,
                End::Block => continue,
                End::Linear => {}
            }
            if !linear_is_made && *slow <= super::WORTH_LINEAR {
                *slow += segment.len();
                if *slow <= super::WORTH_LINEAR {
                    return heap::merge(bpe, segment, Rank::LAST, heap, emit, keep_going);
                }
            }
            // Where windows do not get further than the linear method did, they are tried less and less.
            stretch = if found.state.at < stretched + STRETCH { 2 * stretch } else { STRETCH };
            (found.floor, found.retries) = (Some(found.state.at), 0);
            let mut until = found.state.at;
            loop {
                until += stretch;
                bpe.linear().grow(&bpe.pairs, segment, until, found.state, keep_going)?;
                stretched = found.state.at;
                if stretched == segment.len() || found.step_back(&self.lengths) {
                    break;
                }
            }
            if stretched == segment.len() {
                break;
            }
            found.step_back(&self.lengths);
        }
        found.state.tokens.iter().copied().for_each(emit);
        Ok(())
    }

    /// Window after window over a block that begins where the tokens end; `ends` if the segment ends with it.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn walk(
        &self,
        rows: impl Rows,
        pairs: Narrow<'_>,
        block: &Scratch,
        ends: bool,
        linear_is_made: bool,
        slow: &mut usize,
        found: &mut Found<'_>,
    ) -> End {
        let Scratch { symbols, ranks, places } = block;
        let (base, mut from, mut long_ones) = (found.state.at, 0, 0);
        loop {
            let to = symbols.len().min(from + ROW);
            let last = to == symbols.len();
            if last && !ends {
                return End::Block;
            }
            let window = Window::merge(rows, pairs, &symbols[from..to], &ranks[from..to]);
            if found.expected != NONE && window.first() != found.expected {
                found.retries += 1;
                if found.retries > MOST_RETRIES || !found.step_back(&self.lengths) {
                    return End::Linear;
                }
                let Some(back) = found.state.at.checked_sub(base) else { return End::Block };
                while usize::from(places[from]) > back {
                    from -= 1;
                }
                if usize::from(places[from]) != back {
                    return End::Block;
                }
                continue;
            }
            let count = window.count();
            if last {
                found.state.tokens.extend(window.tokens().map(|(symbol, _)| Symbol(u32::from(symbol))));
                return End::Done;
            }
            if count == 1 {
                return End::Linear;
            }
            let mut tokens = window.tokens();
            let taken = tokens.by_ref().take(count.saturating_sub(OVERLAP).max(1));
            found.state.tokens.extend(taken.map(|(symbol, _)| Symbol(u32::from(symbol))));
            let Some((next, place)) = tokens.next() else { return End::Linear };
            from += place;
            found.state.at = base + usize::from(places[from]);
            found.expected = next;
            if found.state.at > found.furthest {
                (found.furthest, found.retries) = (found.state.at, 0);
            }
            long_ones = if count <= FEW_TOKENS { long_ones + 1 } else { 0 };
            if long_ones == FEW_WINDOWS {
                if linear_is_made || *slow > super::WORTH_LINEAR {
                    return End::Linear;
                }
                *slow += FEW_WINDOWS * ROW;
                long_ones = 0;
            }
        }
    }

    /// Merges two bytes wherever their merge comes before every other that either could be part of, whatever the bytes
    /// around become meanwhile: that is what merging does there, sooner or later, so that it may be done at once.
    fn join(&self, pairs: Narrow<'_>, bytes: &[u8], block: &mut Scratch) {
        let Scratch { symbols, ranks, places } = block;
        symbols.resize(bytes.len() + 1, NONE);
        places.resize(bytes.len() + 1, 0);
        let mut count = 0;
        let mut before = NOTHING;
        let mut here = self.around(bytes, 0);
        // Whether the byte is the second of two that were joined, and whether the byte before it was.
        let (mut taken, mut taken_before) = (false, false);
        for (at, &byte) in bytes.iter().enumerate() {
            let next = self.around(bytes, at + 1);
            let first = here.pair < NONE && here.pair <= next.onwards;
            // After two that were joined, nothing of one byte is left to merge with.
            let joined =
                first & !taken & ((here.pair < before.backwards) | (taken_before & (here.pair < before.far_backwards)));
            symbols[count] = if joined { here.pair + 256 } else { u16::from(byte) };
            places[count] = at as u16;
            count += usize::from(!taken);
            (taken_before, taken) = (taken, joined);
            (before, here) = (here, next);
        }
        symbols.truncate(count);
        places.truncate(count);
        ranks.clear();
        ranks.extend(symbols.windows(2).map(|two| pairs.rank_or_none(two[0], two[1])));
        ranks.push(NONE);
    }

    #[inline(always)]
    fn around(&self, bytes: &[u8], at: usize) -> Around {
        match bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(&[left, right]) => self.around[place(left, right)],
            None => NOTHING,
        }
    }
}

#[inline(always)]
fn place(left: u8, right: u8) -> usize {
    usize::from(left) << 8 | usize::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Method};

    /// What processors without AVX2 run, held to the heap.
    #[test]
    fn windows_by_words_agree_with_the_heap() {
        let gpt2 = Encoding::gpt2();
        let bpe = gpt2.bpe();
        let bounds = Bounds::new(&bpe.pairs, bpe.ids.len());
        let mut scratch = super::super::Scratch::default();
        let mut state = 1u32;
        for letters in [&b"0123456789"[..], b"abcdefghijklmnopqrstuvwxyz", b"ab", b"=-", b"!"] {
            for len in [0, 1, 15, 16, 17, 40, 5000] {
                let segment: Vec<u8> = std::iter::repeat_with(|| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    letters[(state >> 16) as usize % letters.len()]
                })
                .take(len)
                .collect();
                let wanted = bpe.merge_by(Method::Heap, &segment, &mut scratch);
                let mut ids = Vec::new();
                let mut emit = |symbol| ids.push(bpe.id(symbol));
                let done = bounds
                    .as_ref()
                    .map(|bounds| bounds.merge_by(Words, bpe, &segment, &mut scratch, &mut emit, &|| true));
                assert_eq!(done, Some(Ok(())));
                assert_eq!(ids, wanted, "{}", String::from_utf8_lossy(&segment));
            }
        }
    }
}
