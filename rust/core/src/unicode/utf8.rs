//! What is the code point at this byte? Reads characters out of text that is already known to be UTF-8.

/// The code point that begins at `at`, and its width in bytes (1 to 4).
///
/// `bytes` must be valid UTF-8 and `at` a character boundary before its end; anything else gives a meaningless code
/// point, never a panic or a width of 0.
#[inline]
pub(crate) fn decode(bytes: &[u8], at: usize) -> (u32, usize) {
    let tail = |i: usize| u32::from(bytes.get(at + i).copied().unwrap_or(0) & 0x3f);
    match bytes.get(at).copied().unwrap_or(0) {
        first @ 0..0x80 => (u32::from(first), 1),
        first @ 0x80..0xe0 => (u32::from(first & 0x1f) << 6 | tail(1), 2),
        first @ 0xe0..0xf0 => (u32::from(first & 0x0f) << 12 | tail(1) << 6 | tail(2), 3),
        first => (u32::from(first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4),
    }
}

/// Where the character before `at` begins: 1 or more bytes before it.
#[inline]
pub(crate) fn before(bytes: &[u8], at: usize) -> usize {
    let mut at = at - 1;
    while at > 0 && !begins_char(bytes[at]) {
        at -= 1;
    }
    at
}

/// Whether this byte begins a character (is not a UTF-8 continuation byte).
#[inline]
pub(crate) fn begins_char(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}
