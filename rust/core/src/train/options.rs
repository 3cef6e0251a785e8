//! What may a caller ask of the trainer, and what is wrong with it when it is wrong?

use crate::vocab::alphabet;

/// What to learn. `vocab_size` has no default worth having, so there is no `Default`; [`Options::new`] fills in the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Ids in all: the 256 bytes, the merges and the special tokens.
    pub vocab_size: usize,
    /// Special tokens, which take the last ids. Their text in the corpus is ordinary text, as tokenizers has it.
    pub special_tokens: Vec<String>,
    /// A pair seen less often than this is not merged.
    pub min_frequency: u64,
    /// Tokens of three bytes and more stay shorter than this many bytes (a pair of bytes may always merge).
    pub max_token_length: Option<usize>,
    /// At most this many distinct pretokens are kept in memory; the rarest are dropped.
    pub max_pretokens: Option<usize>,
}

impl Options {
    /// Options for a vocabulary of this size: no special tokens and no limits.
    #[must_use]
    pub fn new(vocab_size: usize) -> Self {
        Options {
            vocab_size,
            special_tokens: Vec::new(),
            min_frequency: 0,
            max_token_length: None,
            max_pretokens: None,
        }
    }
}

/// Why no vocabulary was learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the message of each variant is its documentation
pub enum TrainError {
    #[error(
        "vocab_size {vocab_size} is too small: the 256 bytes and {special} special tokens need at least {least} ids; ask \
         for more"
    )]
    VocabSizeTooSmall { vocab_size: usize, special: usize, least: usize },

    #[error("vocab_size {vocab_size} is too large: ids must stay below {limit}; ask for fewer")]
    VocabSizeTooLarge { vocab_size: usize, limit: usize },

    #[error("special_tokens[{index}] is empty; name at least one character")]
    EmptySpecial { index: usize },

    #[error("special_tokens[{index}] is {token:?}, as is special_tokens[{first}]; name every special token once")]
    RepeatedSpecial { token: String, first: usize, index: usize },

    #[error(
        "special_tokens[{index}] is {token:?}, which is how vocab.json spells the bytes of {meaning:?}; choose another \
         text, as '<|{token}|>'"
    )]
    SpecialSpelledLikeToken { token: String, index: usize, meaning: String },

    #[error("max_pretokens must be at least 1; leave it out to keep every pretoken")]
    NoPretokens,

    #[error("the corpus is empty: there is no text to learn from; check the files or the iterator that should hold it")]
    EmptyCorpus,

    #[error(
        "not UTF-8: byte 0x{byte:02x} at offset {offset}; convert the text to UTF-8, or read it with errors='replace'"
    )]
    NotUtf8 { byte: u8, offset: u64 },

    #[error("a text of {bytes} bytes has no place where it may be cut; texts without one may have {limit} bytes")]
    TextTooLong { bytes: u64, limit: u64 },

    #[error(
        "the distinct pretokens have {bytes} bytes together, more than the {limit} that are learned from at once; \
         set max_pretokens"
    )]
    TooManyPretokens { bytes: u64, limit: u64 },

    #[error(
        "the merge of {left} and {right} bytes would make a token longer than the {limit} bytes that a token may have; \
         set max_token_length, or take the text that repeats itself out of the corpus"
    )]
    TokenTooLong { left: usize, right: usize, limit: usize },

    #[error("interrupted")]
    Interrupted,
}

impl From<crate::bpe::Interrupted> for TrainError {
    fn from(_: crate::bpe::Interrupted) -> Self {
        TrainError::Interrupted
    }
}

/// Special tokens, checked: none empty, none twice, none that `vocab.json` could not tell from a token that is learned.
pub(super) fn check_special(special: &[String]) -> Result<(), TrainError> {
    for (index, token) in special.iter().enumerate() {
        if token.is_empty() {
            return Err(TrainError::EmptySpecial { index });
        }
        if let Some(first) = special[..index].iter().position(|other| other == token) {
            return Err(TrainError::RepeatedSpecial { token: token.clone(), first, index });
        }
        if let Some(bytes) = alphabet::unspell(token)
            && bytes != token.as_bytes()
            && is_inside_utf8(&bytes)
        {
            let meaning = String::from_utf8_lossy(&bytes).into_owned();
            return Err(TrainError::SpecialSpelledLikeToken { token: token.clone(), index, meaning });
        }
    }
    Ok(())
}

/// Whether some valid UTF-8 holds these bytes, so that a token could be learned that is spelled so.
fn is_inside_utf8(bytes: &[u8]) -> bool {
    let tail = bytes.iter().take_while(|&&byte| byte & 0xc0 == 0x80).count();
    tail <= 3
        && match std::str::from_utf8(&bytes[tail..]) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(), // it only ends too early
        }
}
