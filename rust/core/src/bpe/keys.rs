//! How are a few bytes of text made into one integer to look up? Loads of up to 8 or 16 bytes, and a hash of integers.

/// `text[start..start + len]` as a little-endian integer, the length in the top byte. `len` is 1 to 7.
#[inline]
pub(crate) fn key_of_7(text: &[u8], start: usize, len: usize) -> u64 {
    let window = match text[start..].first_chunk::<8>() {
        Some(window) => u64::from_le_bytes(*window),
        None => {
            let mut window = [0; 8];
            window[..len].copy_from_slice(&text[start..start + len]);
            u64::from_le_bytes(window)
        }
    };
    (window & ((1 << (8 * len)) - 1)) | (len as u64) << 56
}

/// `text[start..start + len]` as a little-endian integer, the length in the top byte. `len` is 1 to 15.
#[inline]
pub(crate) fn key_of_15(text: &[u8], start: usize, len: usize) -> u128 {
    let window = match text[start..].first_chunk::<16>() {
        Some(window) => u128::from_le_bytes(*window),
        None => {
            let mut window = [0; 16];
            window[..len].copy_from_slice(&text[start..start + len]);
            u128::from_le_bytes(window)
        }
    };
    (window & ((1 << (8 * len)) - 1)) | (len as u128) << 120
}

/// Mixes two words into one whose high bits depend on all of both: one wide multiplication, halves folded.
///
/// The tables hashed with it are built once from a vocabulary and bounded by it, so text cannot make them degenerate.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (product >> 64) as u64 ^ product as u64
}

/// A hash of any bytes.
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = fold(state, u64::from_le_bytes(word));
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(state, u64::from_le_bytes(word))
}

/// How many slots, a power of two, a table for `entries` gets: at most two thirds are ever full.
pub(crate) fn slots_for(entries: usize) -> usize {
    (entries + entries / 2).next_power_of_two().max(16)
}
