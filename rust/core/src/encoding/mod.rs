//! An encoding: a vocabulary with its special tokens, ready to encode and decode. The door of this crate.

mod decode;
mod encode;

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::batch::Scratches;
use crate::bpe::{Bpe, Method, Scratch, TokenId};
use crate::special::SpecialTokens;
use crate::vocab::{self, Definition, MergeIds, Slots, Table, VocabError};

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
    /// Not there yet for GPT-2's own, until somebody asks.
    merges: OnceLock<Option<Vec<MergeIds>>>,
    unknown: Option<TokenId>,
    whole_pretokens_first: bool,
    merges_by_token: bool,
    by_bytes: OnceLock<FxHashMap<Box<[u8]>, TokenId>>,
    slots: OnceLock<Option<Slots>>,
    scratches: Scratches,
}

impl Encoding {
    /// GPT-2's own encoding, from the vocabulary that this crate embeds.
    #[must_use]
    pub fn gpt2() -> Self {
        let compiled = vocab::gpt2();
        let end_of_text = "<|endoftext|>".to_owned();
        let id = compiled.table.len() as TokenId - 1;
        let special = SpecialTokens::of_names(vec![(end_of_text, id)]);
        Self::assemble(Definition { name: "gpt2".to_owned(), ..Default::default() }, compiled, special)
    }

    /// Checks and compiles a vocabulary.
    ///
    /// # Errors
    /// [`VocabError`], naming the first mistake.
    pub fn new(definition: Definition) -> Result<Self, VocabError> {
        let compiled = vocab::compile(&definition)?;
        let special = SpecialTokens::of_names(definition.special.clone());
        Ok(Self::assemble(definition, compiled, special))
    }

    fn assemble(definition: Definition, compiled: vocab::Compiled, special: SpecialTokens) -> Self {
        Encoding {
            name: definition.name,
            bpe: compiled.bpe,
            table: compiled.table,
            special,
            merges: compiled.merges,
            unknown: compiled.unknown,
            whole_pretokens_first: definition.whole_pretokens_first,
            merges_by_token: definition.merges_by_token,
            by_bytes: OnceLock::new(),
            slots: OnceLock::new(),
            scratches: Scratches::default(),
        }
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

    /// The merges in rank order as the ids of left part, right part and product, if a merge list says all (tiktoken
    /// vocabularies may have none).
    #[must_use]
    pub fn merges(&self) -> Option<&[(TokenId, TokenId, TokenId)]> {
        if let Some(merges) = self.merges.get() {
            return merges.as_deref();
        }
        // Made before anybody waits: a fork meanwhile would leave the child waiting for a thread that it does not have.
        let made = self.bpe.merges();
        self.merges.get_or_init(|| Some(made)).as_deref()
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

    /// The base vocabulary by id. Special tokens are left out, unless they are a byte or the product of a merge.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &[u8])> {
        let merging: FxHashSet<TokenId> = self.bpe.ids().iter().copied().collect();
        let special: FxHashSet<TokenId> = self.special.tokens().iter().map(|&(_, id)| id).collect();
        self.table.iter().filter(move |(id, _)| !special.contains(id) || merging.contains(id))
    }

    /// The definition that [`Encoding::new`] would make this encoding from.
    #[must_use]
    pub fn definition(&self) -> Definition {
        Definition {
            name: self.name.clone(),
            tokens: self.tokens().map(|(id, bytes)| (bytes.to_vec(), id)).collect(),
            merges: if self.merges_by_token { Vec::new() } else { self.merges().unwrap_or_default().to_vec() },
            special: self.special.tokens().to_vec(),
            unknown: self.unknown,
            whole_pretokens_first: self.whole_pretokens_first,
            merges_by_token: self.merges_by_token,
        }
    }

    /// The id of the token that is exactly these bytes; a special token's if no other is.
    #[must_use]
    pub fn single_token(&self, bytes: &[u8]) -> Option<TokenId> {
        let by_bytes = match self.by_bytes.get() {
            Some(by_bytes) => by_bytes,
            None => {
                // Made before it is set, so that nobody waits for a thread that a fork left behind. Of two ids with
                // the same bytes the one that encoding gives counts, then the smaller.
                let special = self.special.tokens().iter().map(|(name, id)| (*id, name.as_bytes()));
                let listed: Vec<(TokenId, &[u8])> = self.tokens().collect();
                let merging = self.bpe.ids().iter().filter_map(|&id| Some((id, self.table.get(id)?)));
                let made = special.chain(listed.into_iter().rev()).chain(merging);
                let made = made.map(|(id, bytes)| (Box::from(bytes), id)).collect();
                self.by_bytes.get_or_init(|| made)
            }
        };
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

    pub(crate) fn scratches(&self) -> &Scratches {
        &self.scratches
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}
