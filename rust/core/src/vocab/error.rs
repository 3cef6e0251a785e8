//! What can be wrong with a vocabulary? One variant a mistake, each with its place and the way to mend it.

use super::{ID_LIMIT, alphabet};
use crate::bpe::TokenId;

/// Why a vocabulary was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the message of each variant is its documentation
pub enum VocabError {
    #[error("{what} is not UTF-8: invalid byte at offset {offset}; save the file as UTF-8")]
    NotUtf8 { what: &'static str, offset: usize },

    #[error(
        "not the JSON of a {what}: {message} at line {line}, column {column}; is the file truncated or another kind of file?"
    )]
    Json { what: &'static str, line: usize, column: usize, message: String },

    #[error(
        "tokenizer.json: {path} is {found}, but an exact GPT-2 encoding needs {wanted}; use the tokenizers library for this file"
    )]
    Unsupported { path: &'static str, found: String, wanted: &'static str },

    #[error("this is no tokenizer.json: {found}; {mend}")]
    NotTokenizerJson { found: String, mend: &'static str },

    #[error(
        "tokenizer.json: added token {token:?} says it has id {stated}, but readers of this format give it {given}; \
         write that id, or put the token into model.vocab"
    )]
    AddedId { token: String, stated: TokenId, given: TokenId },

    #[error(
        "tokenizer.json: added token {token:?} has {flag}, which an Encoding's special tokens do not know; load the file \
         with GPT2TokenizerFast(tokenizer_file=...), or take the flag away"
    )]
    AddedFlag { token: String, flag: &'static str },

    #[error("token {token:?} stands twice, with ids {first} and {second}; remove one of the two entries")]
    DuplicateToken { token: String, first: TokenId, second: TokenId },

    #[error("id {id} is given to both {first:?} and {second:?}; every token needs an id of its own")]
    DuplicateId { id: TokenId, first: String, second: String },

    #[error("token {token:?} has id {id}, but ids must be whole numbers below {limit}; renumber the vocabulary", limit = ID_LIMIT)]
    IdOutOfRange { token: String, id: String },

    #[error("the token with id {id} is empty; remove it")]
    EmptyToken { id: TokenId },

    #[error("{count} of the 256 byte tokens are missing: {}; add them to the vocabulary, or name an unk_token", list_bytes(.missing))]
    MissingBytes { count: usize, missing: Vec<u8> },

    #[error(
        "merges line {line} is {text:?}, but a merge is two tokens with one space between; mend or remove the line"
    )]
    MergeSyntax { line: usize, text: String },

    #[error("merges line {line} names {token:?}, which the vocabulary lacks; are the two files of one model?")]
    MergeUnknownToken { line: usize, token: String },

    #[error(
        "merges line {line} repeats the merge of {left:?} and {right:?} on line {first}; remove one of the two lines"
    )]
    DuplicateMerge { line: usize, first: usize, left: String, right: String },

    #[error("line {line} of the .tiktoken file: {message}; a line is a base64 token, a space and its rank")]
    TiktokenLine { line: usize, message: String },

    #[error("special token {token:?} is not in the vocabulary; give its id as well, or add it to the vocabulary")]
    UnknownSpecial { token: String },

    #[error("a special token is empty; name at least one character")]
    EmptySpecial,

    #[error("unk_token {token:?} is not in the vocabulary; add it, or leave unk_token out if all 256 bytes are there")]
    UnknownUnk { token: String },

    #[error("unk_token {token:?} also stands in merge {line}, so an unknown byte could merge; use a token of its own")]
    UnkMerges { token: String, line: usize },

    #[error("the token with id {id} is {bytes} bytes long, more than the {limit} that a token may have; remove it")]
    TokenTooLong { id: TokenId, bytes: usize, limit: usize },

    #[error("the vocabulary holds {bytes} bytes of text, more than the {limit} that are read; is this the right file?")]
    TooLarge { bytes: usize, limit: usize },
}

fn list_bytes(missing: &[u8]) -> String {
    let mut list: Vec<String> =
        missing.iter().take(8).map(|&byte| format!("0x{byte:02x} ({:?})", alphabet::char_of(byte))).collect();
    if missing.len() > 8 {
        list.push("...".to_owned());
    }
    list.join(", ")
}
