//! What is a vocabulary? Its definition as data, the checks it must pass, and the table that ids are decoded by.

pub mod alphabet;
mod compile;
pub(crate) mod embedded;
mod error;
mod table;

use crate::bpe::TokenId;
pub(crate) use compile::{Compiled, MergeIds, compile, gpt2};
pub use error::VocabError;
pub(crate) use table::{Slots, Table};

/// A vocabulary as plain data, before any check. The loaders in [`crate::load`] make it; so may you.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// What to call the encoding in messages.
    pub name: String,
    /// The base vocabulary: the bytes of each token and its id, without special tokens.
    pub tokens: Vec<(Vec<u8>, TokenId)>,
    /// The merges in rank order, as the ids of left part, right part and product.
    pub merges: Vec<(TokenId, TokenId, TokenId)>,
    /// Special tokens: text that becomes one id when allowed.
    pub special: Vec<(String, TokenId)>,
    /// The id of bytes that the vocabulary lacks. Without it, all 256 bytes must be there.
    pub unknown: Option<TokenId>,
    /// Whether a pretoken that is a token becomes that token even where merging would not (`ignore_merges`, tiktoken).
    pub whole_pretokens_first: bool,
    /// Whether any two neighbours merge whose bytes, joined, are a token (tiktoken's rule): then `merges` is empty, and
    /// the rank of a token is its id.
    pub merges_by_token: bool,
}

/// Ids must stay below this, so that a table over all ids stays small: 2^24.
pub const ID_LIMIT: TokenId = 1 << 24;
