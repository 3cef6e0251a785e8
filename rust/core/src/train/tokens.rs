//! Which tokens are there already? The vocabulary as it grows, in the ids that decide ties.
//!
//! tokenizers gives special tokens the first ids, then the alphabet in the order of its characters, then products as they
//! are made; a text that is there already keeps its id. GPT-2 has special tokens last. So ids here are tokenizers' own,
//! and [`Tokens::renumbered`] turns them into GPT-2's when all is learned. GPT-2's byte order is the order of the
//! alphabet's characters, so between bytes and products nothing moves.

use rustc_hash::FxHashMap;

use super::TrainError;
use crate::bpe::TokenId;
use crate::vocab::alphabet::{self, BYTES_BY_ID};

/// The longest token that an [`Encoding`](crate::Encoding) takes.
pub(super) const LONGEST_TOKEN: usize = 1 << 13;

/// A merge, in the ids of [`Tokens`] while learning and in GPT-2's afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    pub left: u32,
    pub right: u32,
    pub product: u32,
}

pub(super) struct Tokens {
    bytes: Vec<Box<[u8]>>,
    ids: FxHashMap<Box<[u8]>, u32>,
    special: Vec<String>,
    /// The id of each byte value.
    pub of_byte: [u32; 256],
}

impl Tokens {
    /// Special tokens, then the 256 bytes. A special token that is spelled like a byte is that byte.
    pub(super) fn new(special: &[String]) -> Self {
        let mut tokens =
            Tokens { bytes: Vec::new(), ids: FxHashMap::default(), special: special.to_vec(), of_byte: [0; 256] };
        for token in special {
            // Only a text in printable ASCII is spelled as a learned token might be: see `check_special`.
            match alphabet::unspell(token) {
                Some(bytes) if bytes == token.as_bytes() => {
                    tokens.insert(bytes.into());
                }
                _ => tokens.bytes.push(token.as_bytes().into()),
            }
        }
        for byte in BYTES_BY_ID {
            let token: Box<[u8]> = Box::new([byte]);
            let known = tokens.ids.get(&token).copied();
            tokens.of_byte[usize::from(byte)] = known.unwrap_or_else(|| tokens.insert(token));
        }
        tokens
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a token.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        &self.bytes[id as usize]
    }

    fn insert(&mut self, token: Box<[u8]>) -> u32 {
        let id = self.bytes.len() as u32;
        self.bytes.push(token.clone());
        self.ids.insert(token, id);
        id
    }

    /// The token that is these two joined: a new one, unless a special token has this text.
    pub(super) fn join(&mut self, left: u32, right: u32) -> Result<u32, TrainError> {
        let (left, right) = (self.bytes(left), self.bytes(right));
        if left.len() + right.len() > LONGEST_TOKEN {
            return Err(TrainError::TokenTooLong { left: left.len(), right: right.len(), limit: LONGEST_TOKEN });
        }
        let joined: Box<[u8]> = [left, right].concat().into();
        match self.ids.get(&joined) {
            Some(&id) => Ok(id),
            None => Ok(self.insert(joined)),
        }
    }

    /// GPT-2's layout: the bytes, the products in the order they were made, the special tokens that are neither.
    pub(super) fn renumbered(self, merges: &[Merge]) -> Layout {
        let count = self.special.len();
        let mut ids: Vec<Option<TokenId>> = vec![None; self.bytes.len()];
        let mut tokens: Vec<(Vec<u8>, TokenId)> = Vec::new();
        let products = merges.iter().map(|merge| merge.product);
        let ordinary = BYTES_BY_ID.iter().map(|&byte| self.of_byte[usize::from(byte)]).chain(products);
        for id in ordinary {
            let place = &mut ids[id as usize];
            if place.is_none() {
                *place = Some(tokens.len() as TokenId);
                tokens.push((self.bytes[id as usize].to_vec(), tokens.len() as TokenId));
            }
        }
        let mut next = tokens.len() as TokenId;
        let mut special = Vec::with_capacity(count);
        for (id, text) in self.special.into_iter().enumerate() {
            let id = ids[id].unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            special.push((text, id));
        }
        let new = |id: u32| ids[id as usize].unwrap_or_default();
        let merges = merges.iter().map(|m| (new(m.left), new(m.right), new(m.product))).collect();
        Layout { tokens, merges, special }
    }
}

/// A vocabulary in GPT-2's ids.
pub(super) struct Layout {
    pub tokens: Vec<(Vec<u8>, TokenId)>,
    pub merges: Vec<(TokenId, TokenId, TokenId)>,
    pub special: Vec<(String, TokenId)>,
}
