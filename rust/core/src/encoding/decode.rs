//! How do ids become bytes again? Lookups in one table; an unknown id is an error with its place.

use super::Encoding;
use crate::bpe::TokenId;
use crate::vocab::Slots;

/// An id that no token has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "id {id} at position {position} is not in the vocabulary, whose ids are 0 to {}; were these ids made by another vocabulary?",
    .n_vocab.saturating_sub(1)
)]
pub struct DecodeError {
    /// The id.
    pub id: TokenId,
    /// Its place among the ids given.
    pub position: usize,
    /// One more than the largest id there is.
    pub n_vocab: usize,
}

impl Encoding {
    /// The bytes of these ids. They need not be UTF-8: a character may be split over tokens.
    ///
    /// # Errors
    /// [`DecodeError`] for the first id that no token has.
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = vec![0; self.decoded_len(ids)?];
        self.decode_to(ids, &mut bytes);
        Ok(bytes)
    }

    /// How many bytes these ids stand for.
    ///
    /// # Errors
    /// [`DecodeError`] for the first id that no token has.
    pub fn decoded_len(&self, ids: &[TokenId]) -> Result<usize, DecodeError> {
        let Some(slots) = self.slots() else {
            return self.decoded_len_plainly(ids);
        };
        let mut len = 0;
        for (position, &id) in ids.iter().enumerate() {
            match slots.len_of(id) {
                0 => len += self.token_len(id, position)?,
                short => len += short,
            }
        }
        Ok(len)
    }

    /// Writes the bytes of these ids to the front of `bytes` and says how many they were. Ids that no token has are left
    /// out, and what has no room: ask [`decoded_len`](Self::decoded_len) before.
    pub fn decode_to(&self, ids: &[TokenId], bytes: &mut [u8]) -> usize {
        let Some(slots) = self.slots() else {
            return self.decode_to_plainly(ids, bytes);
        };
        let mut at = 0;
        for &id in ids {
            if let Some((slot, len)) = slots.get(id)
                && let Some(window) = bytes[at..].first_chunk_mut()
            {
                // Past the token's own bytes, what comes next is written over it.
                *window = *slot;
                at += len;
            } else {
                at += put(self.table().get(id).unwrap_or_default(), &mut bytes[at..]);
            }
        }
        at
    }

    /// [`decoded_len`](Self::decoded_len) by the table alone: what the slots are held to, and what very large
    /// vocabularies use.
    fn decoded_len_plainly(&self, ids: &[TokenId]) -> Result<usize, DecodeError> {
        let mut len = 0;
        for (position, &id) in ids.iter().enumerate() {
            len += self.token_len(id, position)?;
        }
        Ok(len)
    }

    /// [`decode_to`](Self::decode_to) by the table alone.
    fn decode_to_plainly(&self, ids: &[TokenId], bytes: &mut [u8]) -> usize {
        let mut at = 0;
        for &id in ids {
            at += put(self.table().get(id).unwrap_or_default(), &mut bytes[at..]);
        }
        at
    }

    fn token_len(&self, id: TokenId, position: usize) -> Result<usize, DecodeError> {
        let unknown = || DecodeError { id, position, n_vocab: self.n_vocab() };
        self.table().get(id).map(<[u8]>::len).ok_or_else(unknown)
    }

    /// Made when something is first decoded: encoding does without.
    fn slots(&self) -> Option<&Slots> {
        match self.slots.get() {
            Some(slots) => slots.as_ref(),
            None => {
                // Made before it is set, so that nobody waits for a thread that a fork left behind.
                let made = Slots::of(self.table());
                self.slots.get_or_init(|| made).as_ref()
            }
        }
    }

    /// The bytes of one token; `None` for an id that no token has.
    #[must_use]
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.table().get(id)
    }
}

/// Copies as much of `token` as there is room for.
fn put(token: &[u8], room: &mut [u8]) -> usize {
    let len = token.len().min(room.len());
    room[..len].copy_from_slice(&token[..len]);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_table_say_the_same() {
        let gpt2 = Encoding::gpt2();
        let all: Vec<TokenId> = (0..gpt2.n_vocab() as TokenId).collect();
        // Long tokens first, last and side by side; every token at the end of a buffer without room to spare.
        let mut cases: Vec<Vec<TokenId>> = all.iter().map(|&id| vec![id]).collect();
        cases.push(all.clone());
        cases.push(all.iter().rev().copied().collect());
        cases.push(Vec::new());
        for ids in cases {
            let len = gpt2.decoded_len_plainly(&ids).unwrap();
            let mut plain = vec![0; len];
            assert_eq!(gpt2.decode_to_plainly(&ids, &mut plain), len);
            let joined: Vec<u8> = ids.iter().flat_map(|&id| gpt2.token_bytes(id).unwrap()).copied().collect();
            assert_eq!(plain, joined);
            assert_eq!(gpt2.decode_bytes(&ids).unwrap(), joined);
        }
    }

    #[test]
    fn unknown_ids_and_missing_room_are_no_panic() {
        let gpt2 = Encoding::gpt2();
        let error = gpt2.decoded_len(&[0, 60_000, 70_000]).unwrap_err();
        assert_eq!(error, DecodeError { id: 60_000, position: 1, n_vocab: 50_257 });
        assert_eq!(gpt2.decoded_len_plainly(&[0, 60_000, 70_000]), Err(error));
        let mut small = [0; 3];
        assert_eq!(gpt2.decode_to(&[15496, u32::MAX, 995], &mut small), 3);
        assert_eq!(&small, b"Hel");
    }
}
