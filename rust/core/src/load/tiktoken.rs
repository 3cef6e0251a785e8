//! How is a `.tiktoken` file read? A base64 token, a space and its rank a line; the rank is the id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustc_hash::FxHashMap;

use super::text_of;
use crate::bpe::TokenId;
use crate::encoding::Encoding;
use crate::vocab::{Definition, VocabError, alphabet};

/// Makes an encoding that merges as tiktoken does. The file names no special tokens, so they are given with their ids.
///
/// # Errors
/// [`VocabError`], naming the first mistake and its line.
pub fn from_tiktoken(bytes: &[u8], special: Vec<(String, TokenId)>, name: String) -> Result<Encoding, VocabError> {
    let text = text_of("the .tiktoken file", bytes)?;
    let mut tokens = Vec::new();
    let mut seen: FxHashMap<Vec<u8>, TokenId> = FxHashMap::default();
    for (place, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        let fail = |message: &str| VocabError::TiktokenLine { line: place + 1, message: message.to_owned() };
        let (token, rank) = line.split_once(' ').ok_or_else(|| fail("there is no space"))?;
        let token = STANDARD.decode(token).map_err(|error| fail(&format!("the token is not base64: {error}")))?;
        let rank: TokenId = rank.parse().map_err(|_| fail(&format!("the rank {rank:?} is not a whole number")))?;
        if let Some(first) = seen.insert(token.clone(), rank) {
            return Err(VocabError::DuplicateToken { token: alphabet::spell(&token), first, second: rank });
        }
        tokens.push((token, rank));
    }
    Encoding::new(Definition {
        name,
        tokens,
        special,
        whole_pretokens_first: true,
        merges_by_token: true,
        ..Definition::default()
    })
}
