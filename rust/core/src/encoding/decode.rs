//! How do ids become bytes again? Lookups in one table; an unknown id is an error with its place.

use super::Encoding;
use crate::bpe::TokenId;

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
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        self.decode_into(ids, &mut bytes)?;
        Ok(bytes)
    }

    /// Appends the bytes of these ids to `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for the first id that no token has; the bytes before it stay appended.
    pub fn decode_into(&self, ids: &[TokenId], bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
        for (position, &id) in ids.iter().enumerate() {
            match self.table().get(id) {
                Some(token) => bytes.extend_from_slice(token),
                None => {
                    return Err(DecodeError { id, position, n_vocab: self.n_vocab() });
                }
            }
        }
        Ok(())
    }

    /// The bytes of one token; `None` for an id that no token has.
    #[must_use]
    pub fn token_bytes(&self, id: TokenId) -> Option<&[u8]> {
        self.table().get(id)
    }
}
