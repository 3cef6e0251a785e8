//! How are sixteen symbols merged by the definition? Their pairs' ranks stand in two vectors, whose lowest one instruction
//! finds, or in an array where there is none.

use super::pairs::Narrow;
#[cfg(target_arch = "x86_64")]
use crate::pretokenize::Avx2;

/// How many symbols a window holds.
pub(super) const ROW: usize = 16;

/// No merge, and no symbol.
pub(super) const NONE: u16 = u16::MAX;

/// The ranks of sixteen pairs in places 1 to 16.
pub(super) trait Rows: Copy {
    type Row;

    fn load(self, ranks: &[u16; ROW]) -> Self::Row;
    /// The lowest, and the first place that has it.
    fn lowest(self, row: &Self::Row) -> (u16, usize);
    /// Writes one of places 1 to 16; at place 0 nothing happens.
    fn set(self, row: &mut Self::Row, place: usize, rank: u16);
}

/// Sixteen symbols after merging. Places are those of symbols before it, from 1 on.
pub(super) struct Window {
    symbols: [u16; 2 * ROW],
    /// Bit `i` is set where a symbol is left.
    left: u32,
}

impl Window {
    /// Merges 1 to 16 symbols; `ranks[i]` is that of symbols `i` and `i + 1`.
    #[inline(always)]
    pub(super) fn merge(rows: impl Rows, pairs: Narrow<'_>, symbols: &[u16], ranks: &[u16]) -> Self {
        let count = symbols.len().min(ROW);
        // Beyond both ends stand symbols that merge with nothing.
        let mut held = [NONE; 2 * ROW];
        held[1..=count].copy_from_slice(&symbols[..count]);
        let mut kept = [NONE; ROW];
        kept[..count - 1].copy_from_slice(&ranks[..count - 1]);
        Window::run(rows, pairs, held, rows.load(&kept), count)
    }

    /// Merges `count` symbols, which stand in `held` from place 1 on, with nothing around them.
    #[inline(always)]
    fn run<R: Rows>(rows: R, pairs: Narrow<'_>, mut held: [u16; 2 * ROW], mut row: R::Row, count: usize) -> Self {
        let real = (1 << (count + 1)) - 2;
        let mut left: u32 = real | 1 | 2 << ROW;
        loop {
            let (rank, at) = rows.lowest(&row);
            if rank == NONE {
                break;
            }
            let gone = after(left, at);
            left &= !(1 << gone);
            let (before, after) = (before(left, at), after(left, at));
            let product = rank + 256;
            held[at % (2 * ROW)] = product;
            rows.set(&mut row, gone, NONE);
            rows.set(&mut row, at, pairs.rank_or_none(product, held[after % (2 * ROW)]));
            rows.set(&mut row, before, pairs.rank_or_none(held[before % (2 * ROW)], product));
        }
        Window { symbols: held, left: left & real }
    }

    #[inline(always)]
    pub(super) fn first(&self) -> u16 {
        self.symbols[1]
    }

    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.left.count_ones() as usize
    }

    /// The first seven tokens; something where there are fewer.
    #[inline(always)]
    pub(super) fn first_seven(&self) -> [u16; 7] {
        let mut left = self.left;
        std::array::from_fn(|_| {
            // Where none is left it is place 1, which any window has.
            let place = (left | 1 << 31).trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            if place < 31 { self.symbols[place] } else { self.symbols[1] }
        })
    }

    /// Each token, and which of the symbols merged it begins with, from 0 on.
    #[inline(always)]
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u16, usize)> {
        let mut left = self.left;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place < 32).then(|| (self.symbols[place], place - 1))
        })
    }
}

/// The next place that is left.
#[inline(always)]
fn after(left: u32, at: usize) -> usize {
    (left & (!1 << at)).trailing_zeros() as usize
}

/// The place before that is left, which place 0 always is.
#[inline(always)]
fn before(left: u32, at: usize) -> usize {
    (left & !(!0 << at)).ilog2() as usize
}

/// For every processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words;

impl Rows for Words {
    /// Place 0 is written, never read.
    type Row = [u16; ROW + 1];

    #[inline(always)]
    fn load(self, ranks: &[u16; ROW]) -> Self::Row {
        let mut row = [NONE; ROW + 1];
        row[1..].copy_from_slice(ranks);
        row
    }

    #[inline(always)]
    fn lowest(self, row: &Self::Row) -> (u16, usize) {
        let lowest = row[1..].iter().zip(1u32..).map(|(&rank, place)| u32::from(rank) << 16 | place).min();
        let lowest = lowest.unwrap_or(u32::MAX);
        ((lowest >> 16) as u16, lowest as usize & 0xffff)
    }

    #[inline(always)]
    fn set(self, row: &mut Self::Row, place: usize, rank: u16) {
        row[place] = rank;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::keys::Key;
    use super::{Avx2, NONE, Narrow, ROW, Rows, Window};

    /// All bits of one place; of none for place 0.
    #[repr(align(32))]
    struct Mask([u16; ROW]);

    static MASKS: [Mask; ROW + 1] = {
        let mut masks = [const { Mask([0; ROW]) }; ROW + 1];
        let mut place = 1;
        while place <= ROW {
            masks[place].0[place - 1] = u16::MAX;
            place += 1;
        }
        masks
    };

    impl Rows for Avx2 {
        type Row = (__m128i, __m128i);

        #[inline(always)]
        fn load(self, ranks: &[u16; ROW]) -> Self::Row {
            // SAFETY: an `Avx2` exists only where the processor was found to have AVX2.
            unsafe { load(ranks) }
        }

        #[inline(always)]
        fn lowest(self, row: &Self::Row) -> (u16, usize) {
            // SAFETY: as above.
            unsafe { lowest(row) }
        }

        #[inline(always)]
        fn set(self, row: &mut Self::Row, place: usize, rank: u16) {
            // SAFETY: as above.
            unsafe { set(row, place, rank) }
        }
    }

    impl Window {
        /// Merges the 1 to 15 bytes of a key.
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        pub(in super::super) fn of_key(avx2: Avx2, pairs: Narrow<'_>, key: Key) -> Self {
            let count = key.len();
            let places = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let beyond = |last: usize| _mm256_cmpgt_epi16(places, _mm256_set1_epi16(last as i16));
            let bytes = _mm_set_epi64x(key.high as i64, key.low as i64);
            let symbols = _mm256_or_si256(_mm256_cvtepu8_epi16(bytes), beyond(count.wrapping_sub(1)));
            let mut held = [NONE; 2 * ROW];
            // SAFETY: the store, which needs no alignment, fills places 1 to 16 of 32.
            unsafe { _mm256_storeu_si256(held.as_mut_ptr().add(1).cast(), symbols) };
            // All pairs of bytes, whether they are of the text or not: no branch that would be guessed wrong.
            let text = u128::from(key.low.swap_bytes()) << 64 | u128::from(key.high.swap_bytes());
            let four = |first: u32| {
                (0..4).fold(0, |ranks, at| {
                    let pair = (text >> (112 - 8 * (first + at).min(14))) as u16;
                    ranks | u64::from(pairs.of_bytes[usize::from(pair)]) << (16 * at)
                }) as i64
            };
            let low = _mm_set_epi64x(four(4), four(0));
            let high = if count > 9 { _mm_set_epi64x(four(12), four(8)) } else { _mm_setzero_si128() };
            let one = _mm_set1_epi16(1);
            let none = beyond(count.wrapping_sub(2));
            let row = (
                _mm_or_si128(_mm_sub_epi16(low, one), _mm256_castsi256_si128(none)),
                _mm_or_si128(_mm_sub_epi16(high, one), _mm256_extracti128_si256(none, 1)),
            );
            Window::run(avx2, pairs, held, row, count)
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(ranks: &[u16; ROW]) -> (__m128i, __m128i) {
        // SAFETY: both loads, which need no alignment, stay inside the 32 bytes of the array.
        unsafe {
            let start = ranks.as_ptr().cast::<__m128i>();
            (_mm_loadu_si128(start), _mm_loadu_si128(start.add(1)))
        }
    }

    /// The instruction finds the first lowest of eight: its value, then its place.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn lowest(row: &(__m128i, __m128i)) -> (u16, usize) {
        let low = _mm_cvtsi128_si32(_mm_minpos_epu16(row.0)) as u32;
        let high = _mm_cvtsi128_si32(_mm_minpos_epu16(row.1)) as u32 + (8 << 16);
        let lowest = if low as u16 <= high as u16 { low } else { high };
        (lowest as u16, 1 + (lowest >> 16) as usize)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn set(row: &mut (__m128i, __m128i), place: usize, rank: u16) {
        let (low, high) = load(&MASKS[place].0);
        let rank = _mm_set1_epi16(rank as i16);
        row.0 = _mm_blendv_epi8(row.0, rank, low);
        row.1 = _mm_blendv_epi8(row.1, rank, high);
    }
}
