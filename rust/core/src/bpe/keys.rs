//! How are a few bytes of text made into integers to look up? Loads of up to 15 bytes, and a hash of integers.

/// The longest text that a [`Key`] holds.
pub(crate) const MAX_LEN: usize = 15;

/// Text of 1 to 15 bytes as two little-endian integers, its length in the low half of the top byte. The high half is for
/// a cache, which tells vocabularies apart by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    pub low: u64,
    pub high: u64,
}

/// The half byte of a key that says whose it is.
const OWNER: u64 = 0xf << 60;

impl Key {
    /// `text[start..start + len]`. A `len` beyond 15 gives a key that no text has.
    #[inline(always)]
    pub(crate) fn new(text: &[u8], start: usize, len: usize) -> Key {
        let window = match text.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
            Some(window) => u128::from_le_bytes(*window),
            None => near_the_end(text, start),
        };
        let len = if len > MAX_LEN { 0 } else { len };
        let (low, high) = KEPT[len];
        Key { low: window as u64 & low, high: (window >> 64) as u64 & high | (len as u64) << 56 }
    }

    /// The same for all owners: from it every table takes its high bits.
    #[inline(always)]
    pub(crate) fn hash(self) -> u64 {
        fold(self.low, self.high & !OWNER)
    }

    /// `owner`: as a half byte at the top.
    #[inline(always)]
    pub(crate) fn owned_by(self, owner: u64) -> Key {
        Key { high: self.high & !OWNER | owner, ..self }
    }

    /// Of no owner.
    #[inline(always)]
    pub(crate) fn bare(self) -> Key {
        self.owned_by(0)
    }

    /// Whether all bytes from the second one on are the same.
    #[inline(always)]
    pub(crate) fn repeats_its_second_byte(self) -> bool {
        let second = (self.low >> 8 & 0xff) * 0x0101_0101_0101_0101;
        let (low, high) = KEPT[self.len()];
        (self.low ^ second) & low & !0xff == 0 && (self.high ^ second) & high == 0
    }

    /// How long the text is; 0 for the key that none has.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        (self.high >> 56 & 0xf) as usize
    }
}

/// The bits of the first 1 to 15 bytes of 16.
static KEPT: [(u64, u64); 16] = {
    let mut kept = [(0, 0); 16];
    let mut len = 1;
    while len < 16 {
        kept[len] = if len < 8 { ((1 << (8 * len)) - 1, 0) } else { (u64::MAX, (1 << (8 * (len - 8))) - 1) };
        len += 1;
    }
    kept
};

/// The last bytes of the text as an integer, from `start` on, which is fewer than 16 bytes before the end.
#[inline(never)]
fn near_the_end(text: &[u8], start: usize) -> u128 {
    let rest = &text[start..];
    match text.last_chunk::<16>() {
        Some(last) => u128::from_le_bytes(*last) >> (8 * (16 - rest.len())),
        None => {
            let mut window = [0; 16];
            window[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(window)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_whether_its_text_is_one_byte_and_another_again_and_again() {
        for len in 2..=MAX_LEN {
            for again in [b' ', 0, 0xff] {
                let mut text = [b'x'; 32];
                text[1..len].fill(again);
                let key = |text: &[u8]| Key::new(text, 0, len).owned_by(OWNER);
                assert!(key(&text).repeats_its_second_byte(), "{len}");
                for at in 2..len {
                    let mut other = text;
                    other[at] ^= 1;
                    assert!(!key(&other).repeats_its_second_byte(), "{len} {at}");
                }
            }
        }
    }
}
