//! How are many texts encoded on many cores? Cuts the work by bytes, not by text, and keeps the order.
//!
//! A long text is cut where cutting is exact (see [`cut_after`]), so one huge document
//! uses all threads as well as a million short ones.

use std::ops::Range;

use rayon::prelude::*;

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

/// Work is handed to threads in portions of about this many bytes.
const PORTION: usize = 1 << 17;

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
pub trait Id: Copy + Send + 'static {
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

struct Collect<'v, T>(&'v mut Vec<T>);

impl<T: Id> Sink for Collect<'_, T> {
    #[inline]
    fn push(&mut self, id: TokenId) {
        self.0.push(T::from_token_id(id));
    }
}

struct Count(usize);

impl Sink for Count {
    #[inline]
    fn push(&mut self, _: TokenId) {
        self.0 += 1;
    }
}

/// A piece of one text that can be encoded by itself.
#[derive(Clone, Copy)]
enum Piece<'t> {
    Text(usize, &'t str),
    Special(usize, TokenId),
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
        let (pieces, portions) = self.portions(texts, policy, keep_going)?;
        let run = |portion: Range<usize>| {
            // A portion is too small to ask by itself.
            ask(&pieces, &portion, keep_going)?;
            let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
            let mut counts = Vec::with_capacity(portion.len());
            for piece in &pieces[portion] {
                let before = ids.len();
                let text = self.encode_piece(piece, &mut scratch, &mut Collect(&mut ids), keep_going)?;
                counts.push((text, ids.len() - before));
            }
            Ok((ids, counts))
        };
        type Done<T> = (Vec<T>, Vec<(usize, usize)>);
        let done: Vec<Done<T>> =
            pool.install(|| portions.into_par_iter().map(run).collect::<Result<_, BatchError>>())?;
        let mut lengths = vec![0i64; texts.len()];
        let mut ids = Vec::with_capacity(done.iter().map(|(ids, _)| ids.len()).sum());
        for (part, counts) in done {
            ids.extend_from_slice(&part);
            for (text, count) in counts {
                lengths[text] += count as i64;
            }
        }
        Ok(Ragged { ids, row_splits: running_sum(lengths) })
    }

    fn encode_ragged_here<T: Id>(
        &self,
        texts: &[&str],
        policy: &Policy<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Ragged<T>, BatchError> {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let mut ids = Vec::with_capacity(bytes / 4 + texts.len());
        let mut row_splits = Vec::with_capacity(texts.len() + 1);
        row_splits.push(0);
        let mut scratch = Scratch::default();
        for (index, text) in texts.iter().enumerate() {
            // Even an empty text is some work.
            scratch
                .worked(TEXT_COST, keep_going)
                .map_err(EncodeError::from)
                .and_then(|()| self.encode_into(text, policy, &mut scratch, &mut Collect(&mut ids), keep_going))
                .map_err(|error| BatchError { index, error })?;
            row_splits.push(ids.len() as i64);
        }
        Ok(Ragged { ids, row_splits })
    }

    /// How many ids a text has, without building them.
    ///
    /// # Errors
    /// As [`Encoding::encode_into`].
    pub fn count(&self, text: &str, policy: &Policy<'_>, keep_going: &dyn Fn() -> bool) -> Result<usize, EncodeError> {
        let mut count = Count(0);
        self.encode_into(text, policy, &mut Scratch::default(), &mut count, keep_going)?;
        Ok(count.0)
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
        let mut totals = vec![0; texts.len()];
        let Some(pool) = pool else {
            let mut scratch = Scratch::default();
            for (index, (text, total)) in texts.iter().zip(&mut totals).enumerate() {
                let mut count = Count(0);
                scratch
                    .worked(TEXT_COST, keep_going)
                    .map_err(EncodeError::from)
                    .and_then(|()| self.encode_into(text, policy, &mut scratch, &mut count, keep_going))
                    .map_err(|error| BatchError { index, error })?;
                *total = count.0;
            }
            return Ok(totals);
        };
        let (pieces, portions) = self.portions(texts, policy, keep_going)?;
        let run = |portion: Range<usize>| {
            ask(&pieces, &portion, keep_going)?;
            let mut scratch = Scratch::default();
            let count = |piece| {
                let mut count = Count(0);
                let text = self.encode_piece(piece, &mut scratch, &mut count, keep_going)?;
                Ok((text, count.0))
            };
            pieces[portion].iter().map(count).collect::<Result<Vec<_>, BatchError>>()
        };
        let done: Vec<Vec<(usize, usize)>> =
            pool.install(|| portions.into_par_iter().map(run).collect::<Result<_, BatchError>>())?;
        for (text, count) in done.into_iter().flatten() {
            totals[text] += count;
        }
        Ok(totals)
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
            policy.check(text).map_err(|error| BatchError { index, error: error.into() })?;
            let looked_at = scratch.worked(text.len() / 8 + TEXT_COST, keep_going);
            looked_at.map_err(|stop| BatchError { index, error: stop.into() })?;
            for part in policy.parts(text) {
                match part {
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

fn ask(pieces: &[Piece<'_>], portion: &Range<usize>, keep_going: &dyn Fn() -> bool) -> Result<(), BatchError> {
    if keep_going() {
        return Ok(());
    }
    let (Piece::Text(index, _) | Piece::Special(index, _)) = pieces[portion.start];
    Err(BatchError { index, error: Interrupted.into() })
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
