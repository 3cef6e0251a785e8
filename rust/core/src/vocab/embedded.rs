//! Which bytes do GPT-2's ids stand for? The table that decoding reads, as `build.rs` left it for the binary.

use super::table::Table;
use crate::bpe::TokenId;
use crate::bpe::embedded::{Aligned, made};

/// A slot of 16 bytes an id: a token of at most 15 bytes and, in the last, its length. Where that is 0 the token is longer,
/// and the slot says where it begins and how long it is, in four bytes each.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(super) slots: &'static [[u8; 16]],
    long: &'static [u8],
}

impl Table {
    pub(crate) fn gpt2() -> Self {
        static SLOTS: Aligned<[u8; made!("table_slots").len()]> = Aligned(*made!("table_slots"));
        Table::Embedded(Embedded { slots: SLOTS.0.as_chunks().0, long: made!("table_long") })
    }
}

impl Embedded {
    pub(super) fn get(&self, id: TokenId) -> Option<&'static [u8]> {
        let slot = self.slots.get(id as usize)?;
        let &[a, b, c, d, e, f, g, h, .., len] = slot;
        if len > 0 {
            return slot.get(..usize::from(len));
        }
        let (start, len) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize);
        self.long.get(start..start + len)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::vocab::{Slots, alphabet};
    use crate::{Definition, Encoding};

    /// GPT-2's own as anybody loads a vocabulary, from the merges alone and while the test runs.
    pub(crate) fn loaded() -> Encoding {
        let mut tokens: Vec<(Vec<u8>, u32)> =
            (0..).zip(alphabet::BYTES_BY_ID).map(|(id, byte)| (vec![byte], id)).collect();
        let mut merges = Vec::new();
        for (id, pair) in (256..).zip(include_bytes!("../../data/gpt2_merges.bin").as_chunks().0) {
            let &[a, b, c, d] = pair;
            let (left, right) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            let parts = [left, right].map(|part| tokens[usize::from(part)].0.clone());
            tokens.push((parts.concat(), id));
            merges.push((left.into(), right.into(), id));
        }
        let special = vec![("<|endoftext|>".to_owned(), 50_256)];
        let name = "gpt2".to_owned();
        Encoding::new(Definition { name, tokens, merges, special, ..Definition::default() }).unwrap()
    }

    #[test]
    fn the_embedded_table_says_what_a_table_that_is_built_says() {
        let (embedded, built) = (Encoding::gpt2(), loaded());
        assert_eq!(embedded.n_vocab(), built.n_vocab());
        let slots = [&embedded, &built].map(|encoding| Slots::of(encoding.table()).unwrap());
        let mut long = 0;
        for id in 0..built.n_vocab() as u32 + 1 {
            assert_eq!(embedded.token_bytes(id), built.token_bytes(id), "{id}");
            assert_eq!(slots[0].get(id), slots[1].get(id), "{id}");
            long += usize::from(slots[0].get(id).is_none() && embedded.token_bytes(id).is_some());
        }
        assert_eq!(long, 130, "tokens of more than 15 bytes");
        assert_eq!(embedded.definition(), built.definition());
    }
}
