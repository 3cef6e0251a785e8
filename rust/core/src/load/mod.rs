//! Which vocabulary does this file hold? One parser a format, from the bytes of a file to a checked [`crate::Encoding`].
//!
//! Nothing here opens a file. Mistakes are [`VocabError`]s with their place; nothing is guessed and nothing dropped.

mod files;
mod tiktoken;
mod tokenizer_json;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::bpe::TokenId;
use crate::vocab::{Definition, VocabError, alphabet};

pub use files::{Options, SpecialId, check_entries, from_parts, parse_merges, parse_vocab};
pub use tiktoken::from_tiktoken;
pub use tokenizer_json::from_tokenizer_json;

/// GPT-2's special token.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// A merge as a file spells it, with the line (or place in a list) it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpelledMerge {
    /// Counted from 1.
    pub line: usize,
    /// The left token as `vocab.json` spells it.
    pub left: String,
    /// The right one.
    pub right: String,
}

/// Text of a file: UTF-8, without a byte order mark.
fn text_of<'b>(what: &'static str, bytes: &'b [u8]) -> Result<&'b str, VocabError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => Err(VocabError::NotUtf8 { what, offset: error.valid_up_to() }),
    }
}

/// Fills in tokens and merges from their spellings. Entries spelled outside the byte alphabet (added tokens that were
/// written into the vocabulary) stand for their own UTF-8.
fn resolve(
    definition: &mut Definition,
    vocab: &[(String, TokenId)],
    merges: &[SpelledMerge],
    special: &[(String, TokenId)],
) -> Result<(), VocabError> {
    let ids = check_entries(vocab)?;
    let mut lines: FxHashMap<(TokenId, TokenId), usize> = FxHashMap::default();
    let mut joined = String::new();
    for SpelledMerge { line, left, right } in merges {
        let id = |token: &str| {
            let unknown = || VocabError::MergeUnknownToken { line: *line, token: token.to_owned() };
            ids.get(token).copied().ok_or_else(unknown)
        };
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        let (left_id, right_id, product) = (id(left)?, id(right)?, id(&joined)?);
        if let Some(first) = lines.insert((left_id, right_id), *line) {
            let (left, right) = (left.clone(), right.clone());
            return Err(VocabError::DuplicateMerge { line: *line, first, left, right });
        }
        definition.merges.push((left_id, right_id, product));
    }
    // A special token is no token of the base vocabulary, unless it is a byte or a merge makes it.
    let products: FxHashSet<TokenId> = definition.merges.iter().map(|&(_, _, product)| product).collect();
    let special: FxHashSet<(&str, TokenId)> = special.iter().map(|(token, id)| (token.as_str(), *id)).collect();
    let only_special = |token: &str, id: TokenId, bytes: Option<&Vec<u8>>| {
        special.contains(&(token, id)) && !products.contains(&id) && bytes.is_none_or(|bytes| bytes.len() != 1)
    };
    // Spellings outside the alphabet come last: where one has the bytes of another token, it is not that token.
    let mut others = Vec::new();
    for (token, id) in vocab {
        match alphabet::unspell(token) {
            bytes if only_special(token, *id, bytes.as_ref()) => {}
            Some(bytes) => definition.tokens.push((bytes, *id)),
            None => others.push((token.as_bytes().to_vec(), *id)),
        }
    }
    definition.tokens.append(&mut others);
    Ok(())
}
