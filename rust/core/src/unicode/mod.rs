//! Which of GPT-2's four classes does a character belong to? Owns the class tables (Unicode 16); knows nothing of text.
//!
//! Letters are `\p{L}`, numbers `\p{N}`, white space is the White_Space property (so U+001C to U+001F are not in it,
//! U+0085 and U+00A0 are), and everything else is one class. The tables are generated and packed two bits a code point,
//! a block of 256 at a time, equal blocks shared: about 10 KB, so the hot part of any one script stays in L1.

mod tables;
pub(crate) mod utf8;

/// The class of a character in GPT-2's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Neither white space, letter nor number: `[^\s\p{L}\p{N}]`.
    Other = 0,
    /// `\p{L}`.
    Letter = 1,
    /// `\p{N}`.
    Number = 2,
    /// `\s`, the White_Space property.
    Space = 3,
}

impl Class {
    const ALL: [Class; 4] = [Class::Other, Class::Letter, Class::Number, Class::Space];

    /// The class of a Unicode code point. Values past U+10FFFF, and surrogates, are [`Class::Other`].
    #[inline]
    #[must_use]
    pub const fn of(code_point: u32) -> Class {
        if code_point > char::MAX as u32 {
            return Class::Other;
        }
        let block = tables::INDEX[(code_point >> 8) as usize];
        let packed = tables::BLOCKS[block as usize][(code_point as usize >> 2) & 63];
        Class::ALL[(packed >> ((code_point & 3) * 2)) as usize & 3]
    }

    /// The class of an ASCII byte; bytes from 0x80 on are [`Class::Other`] and must not be asked for.
    #[inline]
    #[must_use]
    pub fn of_ascii(byte: u8) -> Class {
        ASCII[byte as usize]
    }

    /// Every code point of this class, as inclusive ranges in ascending order.
    ///
    /// ```
    /// use gpt2tok_core::unicode::Class;
    /// assert_eq!(Class::Space.ranges()[0], (0x09, 0x0d));
    /// ```
    #[must_use]
    pub fn ranges(self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for code_point in 0..=u32::from(char::MAX) {
            if Class::of(code_point) == self {
                match ranges.last_mut() {
                    Some((_, end)) if *end + 1 == code_point => *end = code_point,
                    _ => ranges.push((code_point, code_point)),
                }
            }
        }
        ranges
    }
}

static ASCII: [Class; 256] = ascii_classes();

const fn ascii_classes() -> [Class; 256] {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Number,
            b'\t'..=b'\r' | b' ' => Class::Space,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
}
