//! Which vocabulary does a corpus teach? Byte-pair encoding learned, with the merges of tokenizers' `BpeTrainer`.
//!
//! The road of a corpus: text is gathered into batches and cut into pretokens, whose distinct ones are counted
//! ([`counting`]); all are laid out in one array ([`corpus`]); the most frequent pair of neighbours is merged again and
//! again ([`learn`]); and the tokens get GPT-2's ids ([`tokens`]). [`naive`] is the plain definition of it all.
//!
//! The result depends on the corpus alone, not on threads or batches (a bounded table drops at the ends of batches, so there
//! batches count). It is what tokenizers 0.23 learns with ByteLevel
//! (no prefix space) and the whole byte alphabet: of equally frequent pairs the one with the smaller ids merges first.
//! Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units" (2016).
//!
//! ```
//! use gpt2tok_core::train::{Cut, Options, Trainer, Watch};
//! let mut trainer = Trainer::new(Options::new(258)).unwrap();
//! trainer.push("low lower lowest", Cut::Nowhere).unwrap();
//! let trained = trainer.learn(None, Watch::default()).unwrap();
//! let encoding = trained.encoding("mine".to_owned()).unwrap();
//! assert_eq!(encoding.encode_ordinary("slow"), [82, 257]);
//! ```

mod corpus;
mod counting;
mod learn;
mod naive;
mod options;
mod pairs;
mod pretokens;
mod sides;
mod stream;
mod tokens;

use crate::encoding::Encoding;
use crate::vocab::{Definition, ID_LIMIT, VocabError};
use corpus::{Corpus, Slot};
pub use counting::{BATCH, Cut, Dropped};
use counting::{Batch, Counting};
pub use options::{Options, TrainError};
pub use stream::{Stream, parts};
use tokens::{Layout, Merge, Tokens};

/// What long work asks and tells now and then.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Whether to go on.
    pub keep_going: &'a (dyn Fn() -> bool + Sync),
    /// How many merges are learned, and how many are wanted.
    pub merges: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for Watch<'_> {
    fn default() -> Self {
        Watch { keep_going: &|| true, merges: &|_, _| () }
    }
}

/// Learns a vocabulary from texts. Give it all texts, then let it learn.
#[derive(Debug)]
pub struct Trainer {
    options: Options,
    batch: Batch,
    counting: Counting,
}

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    /// The vocabulary, in GPT-2's layout: bytes, products of merges in rank order, special tokens.
    pub definition: Definition,
    /// How many merges there was room for: more than were learned if the corpus had no more pairs.
    pub wanted: usize,
    /// How many tokens were learned.
    pub learned: usize,
    /// What a bound on pretokens cost.
    pub dropped: Dropped,
    /// Bytes of text that were read.
    pub bytes: u64,
}

impl Trained {
    /// The vocabulary, ready to encode.
    ///
    /// # Errors
    /// [`VocabError`], if an encoding cannot be made of it.
    pub fn encoding(self, name: String) -> Result<Encoding, VocabError> {
        Encoding::new(Definition { name, ..self.definition })
    }
}

impl Trainer {
    /// A trainer that has seen nothing.
    ///
    /// # Errors
    /// [`TrainError`], naming the first option that cannot be.
    pub fn new(options: Options) -> Result<Self, TrainError> {
        options::check_special(&options.special_tokens)?;
        let least = Tokens::new(&options.special_tokens).len();
        let (vocab_size, limit) = (options.vocab_size, ID_LIMIT as usize);
        if vocab_size < least {
            let special = least - 256;
            return Err(TrainError::VocabSizeTooSmall { vocab_size, special, least });
        }
        if vocab_size > limit {
            return Err(TrainError::VocabSizeTooLarge { vocab_size, limit });
        }
        if options.max_pretokens == Some(0) {
            return Err(TrainError::NoPretokens);
        }
        let counting = Counting::new(options.max_pretokens);
        Ok(Trainer { options, batch: Batch::default(), counting })
    }

    /// Takes a text, or a part of one (see [`parts`] and [`Stream`]). When [`Trainer::is_full`] says so, [`count`] it.
    ///
    /// # Errors
    /// [`TrainError::TextTooLong`].
    ///
    /// [`count`]: Trainer::count
    pub fn push(&mut self, text: &str, cut: Cut) -> Result<(), TrainError> {
        self.batch.push(text, cut)
    }

    /// Whether enough text has come together to be counted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Bytes of text counted so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.counting.bytes
    }

    /// Counts the text that was pushed. With a `pool`, on its threads; the result is the same.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`], [`TrainError::TooManyPretokens`].
    pub fn count(
        &mut self,
        pool: Option<&rayon::ThreadPool>,
        keep_going: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), TrainError> {
        self.counting.count(&mut self.batch, pool, keep_going)
    }

    /// Learns the vocabulary.
    ///
    /// # Errors
    /// [`TrainError`], [`TrainError::EmptyCorpus`] among them.
    pub fn learn(mut self, pool: Option<&rayon::ThreadPool>, watch: Watch<'_>) -> Result<Trained, TrainError> {
        self.count(pool, watch.keep_going)?;
        let Trainer { options, counting, .. } = self;
        let (bytes, dropped) = (counting.bytes, counting.dropped);
        if bytes == 0 {
            return Err(TrainError::EmptyCorpus);
        }
        let mut tokens = Tokens::new(&options.special_tokens);
        let wanted = options.vocab_size - tokens.len();
        let shards = counting.into_shards();
        let merges = if options.vocab_size < <u16 as Slot>::IDS {
            let corpus = Corpus::<u16>::new(shards, &tokens.of_byte, watch.keep_going)?;
            learn::learn(corpus, &mut tokens, &options, watch)?
        } else {
            let corpus = Corpus::<u32>::new(shards, &tokens.of_byte, watch.keep_going)?;
            learn::learn(corpus, &mut tokens, &options, watch)?
        };
        let learned = tokens.len() + wanted - options.vocab_size;
        let definition = definition(tokens, &merges);
        Ok(Trained { definition, wanted, learned, dropped, bytes })
    }

    /// The same by the plain definition, slow: for tests.
    ///
    /// # Errors
    /// As [`Trainer::learn`].
    pub fn learn_plainly(mut self) -> Result<Trained, TrainError> {
        self.count(None, &|| true)?;
        let (bytes, dropped) = (self.counting.bytes, self.counting.dropped);
        if bytes == 0 {
            return Err(TrainError::EmptyCorpus);
        }
        let mut tokens = Tokens::new(&self.options.special_tokens);
        let wanted = self.options.vocab_size - tokens.len();
        let pretokens = self.counting.shards.iter().flat_map(pretokens::Shard::iter);
        let pretokens: Vec<(Vec<u8>, u64)> = pretokens.map(|(bytes, count)| (bytes.to_vec(), count)).collect();
        let merges = naive::learn(&pretokens, &mut tokens, &self.options)?;
        let learned = tokens.len() + wanted - self.options.vocab_size;
        let definition = definition(tokens, &merges);
        Ok(Trained { definition, wanted, learned, dropped, bytes })
    }
}

fn definition(tokens: Tokens, merges: &[Merge]) -> Definition {
    let Layout { tokens, merges, special } = tokens.renumbered(merges);
    Definition { tokens, merges, special, ..Definition::default() }
}
