//! Can any merge join these two bytes? A set of byte pairs, one bit each: 8 KB.
//!
//! A merge that joined text across the boundary of bytes `a` and `b` would make a token that holds `ab`. So where `ab`
//! stands in no product, a pretoken may be cut without changing a single id. GPT-2's tokens hold 2,689 of the 65,536.

use super::held::Held;

#[derive(Debug)]
pub(super) struct Joins {
    pub(super) bits: Held<[u64; 1024]>,
}

impl Joins {
    /// The bytes where these tokens meet, each the last of a merge's left part and the first of its right: inside the
    /// parts, other merges have met.
    pub(super) fn new(borders: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut bits = Box::new([0u64; 1024]);
        for (left, right) in borders {
            let (word, bit) = place(left, right);
            bits[word & 1023] |= bit;
        }
        Joins { bits: Held::Built(bits) }
    }

    #[inline]
    pub(super) fn contains(&self, left: u8, right: u8) -> bool {
        let (word, bit) = place(left, right);
        self.bits[word & 1023] & bit != 0
    }
}

#[inline]
fn place(left: u8, right: u8) -> (usize, u64) {
    (usize::from(left) << 2 | usize::from(right >> 6), 1 << (right & 63))
}

#[cfg(test)]
mod tests {
    use crate::Encoding;

    /// Borders of merges are the neighbours inside tokens.
    #[test]
    fn every_pair_of_bytes_inside_a_token_may_be_joined_and_no_other() {
        let gpt2 = Encoding::gpt2();
        let mut inside = [[false; 256]; 256];
        for (_, token) in gpt2.tokens() {
            for pair in token.windows(2) {
                inside[usize::from(pair[0])][usize::from(pair[1])] = true;
            }
        }
        assert_eq!(inside.iter().flatten().filter(|&&pair| pair).count(), 2_689);
        for left in 0..=255 {
            for right in 0..=255 {
                let joins = gpt2.bpe().joins.contains(left, right);
                assert_eq!(joins, inside[usize::from(left)][usize::from(right)], "{left} {right}");
            }
        }
    }
}
