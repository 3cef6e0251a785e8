//! Classes by arithmetic on 64-bit words: runs anywhere, and is the safe twin of the vector kernels.

use super::{BLOCK, Kernel, LETTERS_ONLY, Leads, Masks};

/// Eight bytes a step in one machine word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swar;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES * 0x80;

impl Kernel for Swar {
    #[inline(always)]
    fn classify(self, block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        let (words, _) = block.as_chunks::<8>();
        for (place, &word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(word);
            let shift = 8 * place;
            let blank = within::<b' ', b' '>(word);
            masks.letter |= bits(within::<b'a', b'z'>(word | (ONES * 0x20)) & !word) << shift;
            masks.number |= bits(within::<b'0', b'9'>(word)) << shift;
            masks.space |= bits(within::<b'\t', b'\r'>(word) | blank) << shift;
            masks.blank |= bits(blank) << shift;
            masks.apostrophe |= bits(within::<b'\'', b'\''>(word)) << shift;
            masks.high |= bits(word) << shift;
        }
        masks
    }

    #[inline(always)]
    fn leads(self, block: &[u8; BLOCK]) -> Leads {
        let mut leads = Leads::default();
        let (words, _) = block.as_chunks::<8>();
        for (place, &word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(word);
            // The bits of a byte below its highest, each moved up to that place.
            let (second, third, fourth) = (word << 1, word << 2, word << 3);
            let any = word & second;
            leads.any |= bits(any) << (8 * place);
            leads.three |= bits(any & third) << (8 * place);
            leads.four |= bits(any & third & fourth) << (8 * place);
        }
        let mut left = leads.any;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            leads.letter |= u64::from(LETTERS_ONLY[usize::from(block[at & 63])]) << at;
        }
        leads
    }
}

/// The high bit of every byte that is ASCII from `FIRST` to `LAST`; the other bits mean nothing.
#[inline(always)]
fn within<const FIRST: u8, const LAST: u8>(word: u64) -> u64 {
    let low = word & !HIGHS;
    let from_first = low + ONES * (0x80 - FIRST as u64);
    let past_last = low + ONES * (0x7f - LAST as u64);
    from_first & !past_last & !word
}

/// The high bits of eight bytes, gathered into one: multiplication puts each into a place of its own in the top byte.
#[inline(always)]
fn bits(word: u64) -> u64 {
    ((word & HIGHS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
