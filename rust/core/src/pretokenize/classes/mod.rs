//! Which class is each of 64 bytes? Owns the masks and the choice of kernel; knows nothing of pretokens.
//!
//! A kernel answers for ASCII alone, by arithmetic on whole vectors or machine words. [`Masks::settle`] then gives every
//! byte of every other character the class of its character, from the Unicode tables.

mod swar;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::unicode::{Class, utf8};

pub(crate) use swar::Swar;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Avx2;

/// Bytes that a kernel looks at together: one bit of a mask each, the first byte lowest.
pub(crate) const BLOCK: usize = 64;

/// Which of 64 bytes are ...
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    pub letter: u64,
    pub number: u64,
    pub space: u64,
    /// U+0020 alone, which a run may take to itself.
    pub blank: u64,
    pub apostrophe: u64,
    /// No ASCII.
    pub high: u64,
}

/// Which of 64 bytes begin a character beyond ASCII, ...
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leads {
    /// of any width;
    pub any: u64,
    /// of three or four bytes;
    pub three: u64,
    /// of four bytes;
    pub four: u64,
    /// that is a letter because all characters with this first byte are.
    pub letter: u64,
}

/// A way to classify bytes. Equal for every kernel, whatever the bytes.
pub(crate) trait Kernel: Copy {
    fn classify(self, block: &[u8; BLOCK]) -> Masks;
    fn leads(self, block: &[u8; BLOCK]) -> Leads;
}

/// What [`Masks::settle`] found beyond the masks themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wide {
    /// How many bytes of the block are whole characters.
    pub whole: usize,
    /// Every byte of white space that is no ASCII, and the first byte of each such character.
    pub space: u64,
    pub space_first: u64,
}

/// Whether all characters that begin with this byte are letters.
const fn leads_letters_only(lead: u8) -> bool {
    let (first, count) = match lead {
        0xc2..0xe0 => ((lead as u32 & 0x1f) << 6, 1 << 6),
        0xe0..0xf0 => ((lead as u32 & 0x0f) << 12, 1 << 12),
        _ => return false,
    };
    let mut offset = 0;
    while offset < count {
        if !matches!(Class::of(first + offset), Class::Letter) {
            return false;
        }
        offset += 1;
    }
    true
}

static LETTERS_ONLY: [bool; 256] = {
    let mut only = [false; 256];
    let mut lead = 0xc0;
    while lead < 0x100 {
        only[lead] = leads_letters_only(lead as u8);
        lead += 1;
    }
    only
};

impl Masks {
    /// Gives the bytes of characters beyond ASCII their classes; a character that the block cuts off is left out.
    #[inline(always)]
    pub(crate) fn settle(&mut self, leads: Leads, block: &[u8; BLOCK], count: usize) -> Wide {
        let mut wide = Wide { whole: count, space: 0, space_first: 0 };
        let last = 63 - (leads.any | 1).leading_zeros() as usize;
        let width = 2 + (leads.three >> last & 1) as usize + (leads.four >> last & 1) as usize;
        if leads.any != 0 && last + width > count {
            wide.whole = last;
        }
        self.letter |= leads.letter | leads.letter << 1 | (leads.letter & leads.three) << 2;
        let mut left = leads.any & !leads.letter;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            let (code_point, width) = utf8::decode(block, at);
            let class = Class::of(code_point);
            let bytes = ((1u64 << width) - 1) << at;
            // Selected by masks, not by branches: neighbouring characters differ in class as they please.
            self.letter |= bytes & u64::from(class as u8 == Class::Letter as u8).wrapping_neg();
            self.number |= bytes & u64::from(class as u8 == Class::Number as u8).wrapping_neg();
            let space = bytes & u64::from(class as u8 == Class::Space as u8).wrapping_neg();
            self.space |= space;
            wide.space |= space;
            wide.space_first |= space & (1 << at);
        }
        wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a byte at a time.
    fn plain(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        for (at, &byte) in block.iter().enumerate() {
            let bit = 1 << at;
            if byte >= 0x80 {
                masks.high |= bit;
                continue;
            }
            match Class::of(u32::from(byte)) {
                Class::Letter => masks.letter |= bit,
                Class::Number => masks.number |= bit,
                Class::Space => masks.space |= bit,
                Class::Other => {}
            }
            masks.blank |= bit & u64::from(byte == b' ').wrapping_neg();
            masks.apostrophe |= bit & u64::from(byte == b'\'').wrapping_neg();
        }
        masks
    }

    fn plain_leads(block: &[u8; BLOCK]) -> Leads {
        let mut leads = Leads::default();
        for (at, &byte) in block.iter().enumerate() {
            let bit = |yes: bool| u64::from(yes) << at;
            leads.any |= bit(byte >= 0xc0);
            leads.three |= bit(byte >= 0xe0);
            leads.four |= bit(byte >= 0xf0);
            leads.letter |= bit(leads_letters_only(byte));
        }
        leads
    }

    #[test]
    fn some_first_bytes_lead_letters_only() {
        let only: Vec<u8> = (0..=255).filter(|&byte| leads_letters_only(byte)).collect();
        // Latin, Cyrillic and Armenian; Chinese (U+5000 to U+9FFF) and Korean (U+B000 to U+CFFF).
        for lead in [0xc4, 0xd0, 0xd1, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xeb, 0xec] {
            assert!(only.contains(&lead), "{lead:x}");
        }
        // U+00D7, combining marks, kana with punctuation, fullwidth forms.
        for lead in [0x80, 0xc2, 0xc3, 0xcc, 0xe0, 0xe3, 0xe4, 0xef, 0xf0] {
            assert!(!only.contains(&lead), "{lead:x}");
        }
    }

    fn blocks() -> impl Iterator<Item = [u8; BLOCK]> {
        // Every byte at every place beside every byte of a few kinds, and every pair of neighbours.
        let beside = [0u8, b' ', b'\'', b'0', b'a', b'z', b'{', 0x7f, 0x80, 0xff];
        let placed = (0..=255u8).flat_map(move |byte| {
            beside.into_iter().flat_map(move |other| {
                (0..BLOCK).map(move |at| {
                    let mut block = [other; BLOCK];
                    block[at] = byte;
                    block
                })
            })
        });
        let pairs = (0..=255u8).flat_map(|left| {
            (0..=255u8).map(move |right| std::array::from_fn(|at| if at % 2 == 0 { left } else { right }))
        });
        placed.chain(pairs)
    }

    #[test]
    fn every_kernel_is_the_definition() {
        for block in blocks() {
            let wanted = plain(&block);
            let wanted_leads = plain_leads(&block);
            assert_eq!(Swar.classify(&block), wanted, "{block:?}");
            assert_eq!(Swar.leads(&block), wanted_leads, "{block:?}");
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = Avx2::new() {
                assert_eq!(avx2.classify(&block), wanted, "{block:?}");
                assert_eq!(avx2.leads(&block), wanted_leads, "{block:?}");
            }
        }
    }
}
