//! An encoding: a vocabulary with its special tokens, ready to encode and decode. The door of this crate.

mod decode;
mod encode;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::bpe::{Bpe, Method, Scratch, TokenId};
use crate::special::SpecialTokens;
use crate::vocab::{self, Definition, Table, VocabError};

pub use decode::DecodeError;
pub use encode::EncodeError;

/// A byte-level BPE vocabulary, compiled. Immutable; share one between threads.
///
/// ```
/// let gpt2 = gpt2tok_core::Encoding::gpt2();
/// assert_eq!(gpt2.n_vocab(), 50257);
/// assert_eq!(gpt2.encode_ordinary("tokens"), [83, 482, 641]);
/// ```
#[derive(Debug)]
pub struct Encoding {
    name: String,
    bpe: Bpe,
    table: Table,
    special: SpecialTokens,
    merges: Option<Vec<(TokenId, TokenId)>>,
    unknown: Option<TokenId>,
    whole_pretokens_first: bool,
    merges_by_token: bool,
    by_bytes: OnceLock<FxHashMap<Box<[u8]>, TokenId>>,
}

impl Encoding {
    /// GPT-2's own encoding, from the vocabulary that this crate embeds.
    #[must_use]
    pub fn gpt2() -> Self {
        let compiled = vocab::gpt2();
        let end_of_text = "<|endoftext|>".to_owned();
        let id = compiled.table.len() as TokenId;
        let definition = Definition { name: "gpt2".to_owned(), special: vec![(end_of_text, id)], ..Default::default() };
        Self::assemble(definition, compiled).unwrap_or_else(|error| unreachable!("the embedded vocabulary: {error}"))
    }

    /// Checks and compiles a vocabulary.
    ///
    /// # Errors
    /// [`VocabError`], naming the first mistake.
    pub fn new(definition: Definition) -> Result<Self, VocabError> {
        let compiled = vocab::compile(&definition)?;
        Self::assemble(definition, compiled)
    }

    fn assemble(definition: Definition, compiled: vocab::Compiled) -> Result<Self, VocabError> {
        let mut table = compiled.table;
        for (name, id) in &definition.special {
            table.insert(*id, name.as_bytes());
        }
        Ok(Encoding {
            name: definition.name,
            bpe: compiled.bpe,
            table,
            special: SpecialTokens::new(definition.special)?,
            merges: compiled.merges,
            unknown: compiled.unknown,
            whole_pretokens_first: definition.whole_pretokens_first,
            merges_by_token: definition.merges_by_token,
            by_bytes: OnceLock::new(),
        })
    }

    /// What to call it in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One more than the largest id.
    #[must_use]
    pub fn n_vocab(&self) -> usize {
        self.table.len()
    }

    /// The special tokens.
    #[must_use]
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The id that bytes outside the vocabulary get, if it was given one.
    #[must_use]
    pub fn unknown(&self) -> Option<TokenId> {
        self.unknown
    }

    /// The merges in rank order as ids, if a merge list says all (tiktoken vocabularies may have none).
    #[must_use]
    pub fn merges(&self) -> Option<&[(TokenId, TokenId)]> {
        self.merges.as_deref()
    }

    /// Whether a pretoken that is a token becomes it even where merging would not.
    #[must_use]
    pub fn whole_pretokens_first(&self) -> bool {
        self.whole_pretokens_first
    }

    /// Whether every token that a merge produces comes out when its own bytes are encoded, and from one pair only. GPT-2
    /// and everything trained by byte-pair encoding is proper; only then does the linear method apply.
    #[must_use]
    pub fn is_proper(&self) -> bool {
        self.bpe.is_proper()
    }

    /// The base vocabulary by id, special tokens left out.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &[u8])> {
        self.table.iter().filter(|(id, _)| self.special.tokens().iter().all(|(_, special)| special != id))
    }

    /// The definition that [`Encoding::new`] would make this encoding from.
    #[must_use]
    pub fn definition(&self) -> Definition {
        let tokens: Vec<(Vec<u8>, TokenId)> = self.tokens().map(|(id, bytes)| (bytes.to_vec(), id)).collect();
        let by_bytes: FxHashMap<&[u8], TokenId> = tokens.iter().rev().map(|(bytes, id)| (&bytes[..], *id)).collect();
        let merges = if self.merges_by_token { None } else { self.merges.as_deref() };
        let merges = merges.unwrap_or_default().iter().filter_map(|&(left, right)| {
            let product = [self.table.get(left)?, self.table.get(right)?].concat();
            Some((left, right, *by_bytes.get(&product[..])?))
        });
        Definition {
            name: self.name.clone(),
            merges: merges.collect(),
            special: self.special.tokens().to_vec(),
            unknown: self.unknown,
            whole_pretokens_first: self.whole_pretokens_first,
            merges_by_token: self.merges_by_token,
            tokens,
        }
    }

    /// The id of the token that is exactly these bytes, special tokens included.
    #[must_use]
    pub fn single_token(&self, bytes: &[u8]) -> Option<TokenId> {
        let by_bytes = self.by_bytes.get_or_init(|| {
            // Where two ids share bytes the smaller one counts, except that special tokens come first.
            let ordinary = self.table.iter().collect::<Vec<_>>().into_iter().rev();
            let special = self.special.tokens().iter().map(|(name, id)| (*id, name.as_bytes()));
            ordinary.chain(special).map(|(id, bytes)| (Box::from(bytes), id)).collect()
        });
        by_bytes.get(bytes).copied()
    }

    /// Encodes one segment by one method alone, without lookups, barriers or pretokens: for tests and benchmarks.
    #[must_use]
    pub fn merge_by(&self, method: Method, segment: &[u8], scratch: &mut Scratch) -> Vec<TokenId> {
        self.bpe.merge_by(method, segment, scratch)
    }

    pub(crate) fn bpe(&self) -> &Bpe {
        &self.bpe
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}
