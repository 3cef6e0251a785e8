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
        let mut row = rows.load(&kept);
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

    use super::{Avx2, ROW, Rows};

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
