//! How does `vocab.json` spell a byte? GPT-2's byte-level alphabet: every byte as one printable character.
//!
//! Printable Latin-1 stands for itself; the 68 other bytes take U+0100 and on, in byte order, so a space is `Ġ` (U+0120).
//! The same order gives GPT-2's byte ids: byte 33 is id 0, byte 0 is id 188.
//! Source: OpenAI's encoder.py, `bytes_to_unicode`.

/// The byte values in the order of GPT-2's first 256 ids.
pub const BYTES_BY_ID: [u8; 256] = bytes_by_id();

const fn is_printable(byte: u8) -> bool {
    matches!(byte, 33..=126 | 161..=172 | 174..=255)
}

const fn bytes_by_id() -> [u8; 256] {
    let mut order = [0; 256];
    let (mut filled, mut pass) = (0, 0);
    while pass < 2 {
        let mut byte = 0;
        while byte < 256 {
            if is_printable(byte as u8) == (pass == 0) {
                order[filled] = byte as u8;
                filled += 1;
            }
            byte += 1;
        }
        pass += 1;
    }
    order
}

/// The character that stands for this byte.
#[must_use]
pub fn char_of(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let place = match byte {
        0..=32 => u32::from(byte),
        127..=160 => u32::from(byte) - 127 + 33,
        _ => 67, // 173, the soft hyphen
    };
    char::from_u32(0x100 + place).unwrap_or('\u{100}')
}

/// The byte that this character stands for; `None` for characters outside the alphabet.
#[must_use]
pub fn byte_of(symbol: char) -> Option<u8> {
    match u32::from(symbol) {
        code @ (33..=126 | 161..=172 | 174..=255) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 127).ok(),
        0x143 => Some(173),
        _ => None,
    }
}

/// A token as `vocab.json` spells it.
///
/// ```
/// use gpt2tok_core::alphabet::{spell, unspell};
/// assert_eq!(spell(b" a"), "Ġa");
/// assert_eq!(unspell("Ġa").as_deref(), Some(&b" a"[..]));
/// ```
#[must_use]
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char_of(byte)).collect()
}

/// The bytes of a token as `vocab.json` spells it; `None` if a character is outside the alphabet.
#[must_use]
pub fn unspell(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_a_bijection_and_keeps_the_published_order() {
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        // Published facts: "!" is the first id, byte 0 is id 188, space (Ġ) is id 220.
        assert_eq!((BYTES_BY_ID[0], BYTES_BY_ID[188], BYTES_BY_ID[220]), (b'!', 0, b' '));
        assert_eq!((char_of(0), char_of(b' '), char_of(173)), ('\u{100}', '\u{120}', '\u{143}'));
    }
}
