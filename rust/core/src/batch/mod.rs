//! How are many texts encoded on many cores? Cuts the work by bytes, not by text, and keeps the order.
//!
//! A long text is cut where cutting is exact (see [`cut_after`]), so one huge document
//! uses all threads as well as a million short ones.

mod collect;
mod turns;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use self::collect::{Collect, Count, Joined};
pub(crate) use self::turns::Scratches;
use self::turns::in_portions;
use crate::bpe::{Interrupted, Scratch, Sink, TokenId};
use crate::encoding::{EncodeError, Encoding};
use crate::pretokenize::cut_after;
use crate::special::{Part, Policy};

/// Ids of many texts in one list: text `i` has `ids[row_splits[i]..row_splits[i + 1]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ragged<T> {
    /// All ids, text after text.
    pub ids: Vec<T>,
    /// One more than there are texts; begins with 0.
    pub row_splits: Vec<i64>,
}

/// The ids of some neighbouring texts, or of a part of one: what a thread encodes at a time.
#[derive(Debug)]
pub struct Portion<T> {
    /// All ids, text after text.
    pub ids: Vec<T>,
    /// Which texts they are of, and how many each has here. A text may stand here more than once, and go on in the next
    /// portion; one without any ids may be left out.
    pub counts: Vec<(usize, usize)>,
}

/// Work is handed to threads in portions of about this many bytes: a third of a millisecond or less, so that no thread
/// waits long for the last one.
const PORTION: usize = 1 << 16;

/// What a text costs beside its bytes, in bytes.
const TEXT_COST: usize = 16;

/// Why a batch was not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text {index} of the batch: {error}")]
pub struct BatchError {
    /// Which text.
    pub index: usize,
    /// What was wrong with it.
    #[source]
    pub error: EncodeError,
}

/// An id type that a batch can be stored in.
pub trait Id: Copy + Default + Send + Sync + 'static {
    /// The id, which the caller knows to fit.
    fn from_token_id(id: TokenId) -> Self;
}

impl Id for u32 {
    #[inline]
    fn from_token_id(id: TokenId) -> Self {
        id
    }
}

impl Id for u16 {
    #[inline]
    fn from_token_id(id: TokenId) -> Self {
        id as u16
    }
}

/// A piece of one text that can be encoded by itself.
#[derive(Clone, Copy)]
enum Piece<'t> {
    Text(usize, &'t str),
    Special(usize, TokenId),
}

impl Piece<'_> {
    fn len(&self) -> usize {
        match self {
            Piece::Text(_, text) => text.len(),
            Piece::Special(..) => 1,
        }
    }
}

impl Encoding {
    /// Encodes many texts into one list. With a `pool`, on its threads; the result is the same.
    ///
    /// `T` must hold every id: check [`Encoding::n_vocab`] before asking for `u16`.
    ///
    /// # Errors
    /// [`BatchError`] for the first text that holds a disallowed special token, or when `keep_going` said no.
    pub fn encode_ragged<T: Id>(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        pool: Option<&rayon::ThreadPool>,
        keep_going: &(dyn Fn() -> bool + Sync),
    ) -> Result<Ragged<T>, BatchError> {
        let Some(pool) = pool else {
            return self.encode_ragged_here(texts, policy, keep_going);
        };
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let joined = Mutex::new(Joined::new(bytes, texts.len()));
        self.encode_portions(texts, policy, pool, keep_going, |number, portion| {
            if let Ok(mut joined) = joined.lock() {
                joined.add(number, portion);
            }
        })?;
        let Joined { ids, lengths, .. } = joined.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Ragged { ids, row_splits: running_sum(lengths) })
    }

    /// Encodes many texts on the threads of `pool`, which hand each portion to `take` when it is done, with its number.
    /// Says how many portions there were. They come in nearly the order of their numbers: one begins only when all but
    /// eight for each thread of those before it have begun.
    ///
    /// # Errors
    /// As [`Encoding::encode_ragged`]; any portions may have been handed out by then.
    pub fn encode_portions<T: Id>(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        pool: &rayon::ThreadPool,
        keep_going: &(dyn Fn() -> bool + Sync),
        take: impl Fn(usize, Portion<T>) + Sync,
    ) -> Result<usize, BatchError> {
        let (pieces, portions) = self.portions(texts, policy, keep_going)?;
        let encode = |portion: Range<usize>, scratch: &mut Scratch| {
            let bytes: usize = pieces[portion.clone()].iter().map(Piece::len).sum();
            let mut ids = Vec::with_capacity(bytes / 3 + 16);
            let mut counts = Vec::with_capacity(portion.len());
            let mut collect = Collect::new(&mut ids);
            for piece in &pieces[portion] {
                let before = collect.ids.len();
                let text = self.encode_piece(piece, scratch, &mut collect, keep_going)?;
                counts.push((text, collect.ids.len() - before));
            }
            Ok(Portion { ids, counts })
        };
        in_portions(pool, self.scratches(), &pieces, &portions, keep_going, |number, portion, scratch| {
            take(number, encode(portion, scratch)?);
            Ok(())
        })?;
        Ok(portions.len())
    }

    /// Encodes many texts on this thread, ids and row splits appended to `ragged`, whose row splits are not empty.
    ///
    /// # Errors
    /// As [`Encoding::encode_ragged`].
    pub fn encode_ragged_into<T: Id>(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        scratch: &mut Scratch,
        ragged: &mut Ragged<T>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), BatchError> {
        let mut collect = Collect::new(&mut ragged.ids);
        for (index, text) in texts.iter().enumerate() {
            // Even an empty text is some work.
            scratch
                .worked(TEXT_COST, keep_going)
                .map_err(EncodeError::from)
                .and_then(|()| self.encode_into(text, policy, scratch, &mut collect, keep_going))
                .map_err(|error| BatchError { index, error })?;
            ragged.row_splits.push(collect.ids.len() as i64);
        }
        Ok(())
    }

    fn encode_ragged_here<T: Id>(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Ragged<T>, BatchError> {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let mut row_splits = Vec::with_capacity(texts.len() + 1);
        row_splits.push(0);
        let mut ragged = Ragged { ids: Vec::with_capacity(bytes / 4 + texts.len()), row_splits };
        self.scratches()
            .lend(|scratch| self.encode_ragged_into(texts, policy, scratch, &mut ragged, keep_going))
            .map(|()| ragged)
    }

    /// How many ids a text has, without building them.
    ///
    /// # Errors
    /// As [`Encoding::encode_into`].
    pub fn count(&self, text: &str, policy: &Policy<'_>, keep_going: &dyn Fn() -> bool) -> Result<usize, EncodeError> {
        let mut count = Count(0);
        let done = self.scratches().lend(|scratch| self.encode_into(text, policy, scratch, &mut count, keep_going));
        done.map(|()| count.0)
    }

    /// How many ids each text has, without building them.
    ///
    /// # Errors
    /// As [`Encoding::encode_ragged`].
    pub fn count_batch(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        pool: Option<&rayon::ThreadPool>,
        keep_going: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<usize>, BatchError> {
        let Some(pool) = pool else {
            let count = |scratch: &mut Scratch, (index, text): (usize, &&str)| {
                let mut count = Count(0);
                scratch
                    .worked(TEXT_COST, keep_going)
                    .map_err(EncodeError::from)
                    .and_then(|()| self.encode_into(text, policy, scratch, &mut count, keep_going))
                    .map_err(|error| BatchError { index, error })?;
                Ok(count.0)
            };
            return self
                .scratches()
                .lend(|scratch| texts.iter().enumerate().map(|text| count(scratch, text)).collect());
        };
        let (pieces, portions) = self.portions(texts, policy, keep_going)?;
        let sums: Vec<AtomicUsize> = texts.iter().map(|_| AtomicUsize::new(0)).collect();
        in_portions(pool, self.scratches(), &pieces, &portions, keep_going, |_, portion, scratch| {
            for piece in &pieces[portion] {
                let mut count = Count(0);
                let text = self.encode_piece(piece, scratch, &mut count, keep_going)?;
                sums[text].fetch_add(count.0, Ordering::Relaxed);
            }
            Ok(())
        })?;
        Ok(sums.into_iter().map(AtomicUsize::into_inner).collect())
    }

    /// Does what the first batch would have to: encodes `sample`, so that code is read from the file and the cache's
    /// memory handed out.
    pub fn get_ready(&self, sample: &str) {
        self.scratches().lend(|scratch| {
            let done = self.encode_ordinary_into(sample, scratch, &mut Count(0), &|| true);
            debug_assert!(done.is_ok());
        });
    }

    /// Cuts the texts into pieces, and the list of pieces into portions of about equal bytes.
    fn portions<'t>(
        &self,
        texts: &[&'t str],
        policy: &Policy<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(Vec<Piece<'t>>, Vec<Range<usize>>), BatchError> {
        let mut scratch = Scratch::default();
        let mut pieces = Vec::with_capacity(texts.len());
        let mut portions = Vec::new();
        let (mut first, mut bytes) = (0, 0);
        for (index, text) in texts.iter().enumerate() {
            let stopped = |stop: Interrupted| BatchError { index, error: stop.into() };
            policy.check(text, keep_going).map_err(|error| BatchError { index, error })?;
            scratch.worked(text.len() / 8 + TEXT_COST, keep_going).map_err(stopped)?;
            for part in policy.parts(text, keep_going) {
                match part.map_err(stopped)? {
                    Part::Special(text, id) => {
                        pieces.push(Piece::Special(index, id));
                        bytes += text.len();
                    }
                    Part::Ordinary(mut rest) => {
                        while !rest.is_empty() {
                            let (piece, after) = rest.split_at(cut_after(rest, PORTION));
                            pieces.push(Piece::Text(index, piece));
                            bytes += piece.len();
                            if bytes >= PORTION {
                                portions.push(first..pieces.len());
                                (first, bytes) = (pieces.len(), 0);
                            }
                            rest = after;
                        }
                    }
                }
            }
        }
        if first < pieces.len() {
            portions.push(first..pieces.len());
        }
        Ok((pieces, portions))
    }

    /// Encodes a piece and says which text it belongs to.
    fn encode_piece(
        &self,
        piece: &Piece<'_>,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<usize, BatchError> {
        let (index, done) = match *piece {
            Piece::Special(index, id) => {
                sink.push(id);
                (index, scratch.worked(TEXT_COST, keep_going))
            }
            Piece::Text(index, text) => {
                let done = scratch.worked(TEXT_COST, keep_going);
                (index, done.and_then(|()| self.encode_ordinary_into(text, scratch, sink, keep_going)))
            }
        };
        done.map(|()| index).map_err(|stop| BatchError { index, error: stop.into() })
    }
}

fn running_sum(lengths: Vec<i64>) -> Vec<i64> {
    let mut total = 0;
    std::iter::once(0)
        .chain(lengths.into_iter().map(|length| {
            total += length;
            total
        }))
        .collect()
}
