//! How does text become counts? Gathers text into batches, cuts them into pretokens and fills the table, on many threads.
//!
//! Tried, and gained nothing (31 MB of Python sources, 2 threads, processor time and peak memory of the counting): 64 shards
//! and portions of 32 KB, 0.32 s and 38 MB; 16 shards and portions of 128 KB with batches of 1 MB, 0.25 s and 28 MB; 16 shards,
//! portions of 64 KB and batches of 512 KB, as here, 0.24 s and 19 MB.

use std::ops::Range;

use rayon::prelude::*;

use super::TrainError;
use super::pretokens::{Found, SHARDS, Seed, Shard};
use crate::bpe::Interrupted;
use crate::pretokenize::{cut_after, end_of_pretoken};

/// A batch is counted when it holds so many bytes: enough for many threads, and nothing beside the table.
pub const BATCH: usize = 1 << 19;

/// A thread takes about this many bytes of a batch at a time.
const PORTION: usize = 1 << 16;

/// Places in a batch are `u32`.
const LONGEST_TEXT: usize = u32::MAX as usize - BATCH;

/// Where a text is cut before the pattern of pretokens is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere: a text is pretokenized as it would be encoded.
    Nowhere,
    /// After each line feed: as tokenizers reads files to train from.
    AfterLines,
}

/// Text that is not counted yet, and where it may be cut into texts of their own.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: String,
    ends: Vec<u32>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= BATCH
    }

    /// Adds a text, or a part of one that ends where cutting is exact.
    pub(super) fn push(&mut self, text: &str, cut: Cut) -> Result<(), TrainError> {
        if text.len() > LONGEST_TEXT {
            return Err(TrainError::TextTooLong { bytes: text.len() as u64, limit: LONGEST_TEXT as u64 });
        }
        let start = self.text.len();
        self.text.push_str(text);
        let mut at = 0;
        let end_of_line = |from: usize| match memchr::memchr(b'\n', &text.as_bytes()[from..]) {
            Some(feed) => from + feed + 1,
            None => text.len(),
        };
        while at < text.len() {
            let line = if cut == Cut::AfterLines { &text[at..end_of_line(at)] } else { &text[at..] };
            // Threads share a long text or line out where that changes nothing.
            at += if line.len() > PORTION { cut_after(line, PORTION) } else { line.len() };
            self.ends.push((start + at) as u32);
        }
        Ok(())
    }

    /// The texts in groups of about [`PORTION`] bytes, each as a range of `ends`.
    fn portions(&self) -> Vec<Range<usize>> {
        let mut portions = Vec::with_capacity(self.text.len() / PORTION + 1);
        let (mut first, mut start) = (0, 0);
        for (place, &end) in self.ends.iter().enumerate() {
            if (end - start) as usize >= PORTION || place + 1 == self.ends.len() {
                portions.push(first..place + 1);
                (first, start) = (place + 1, end);
            }
        }
        portions
    }

    fn for_each_pretoken(&self, portion: &Range<usize>, mut each: impl FnMut(usize, usize)) {
        let before = portion.start.checked_sub(1);
        let mut start = before.map_or(0, |before| self.ends[before] as usize);
        for &end in &self.ends[portion.clone()] {
            let text = &self.text.as_bytes()[..end as usize];
            while start < text.len() {
                let end = end_of_pretoken(text, start);
                each(start, end);
                start = end;
            }
        }
    }

    fn clear(&mut self) {
        if self.text.capacity() > 2 * BATCH {
            *self = Batch::default();
        }
        self.text.clear();
        self.ends.clear();
    }
}

/// What fell out of a bounded table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Distinct pretokens (one that came back and was dropped again counts twice).
    pub pretokens: u64,
    /// How often they had been seen.
    pub occurrences: u64,
}

/// Counts of all pretokens so far.
#[derive(Debug)]
pub(super) struct Counting {
    seed: Seed,
    pub shards: Vec<Shard>,
    most: usize,
    pub dropped: Dropped,
    /// Bytes counted so far.
    pub bytes: u64,
    /// What each portion of a batch found for each shard; kept between batches.
    found: Vec<Vec<Vec<Found>>>,
}

impl Counting {
    pub(super) fn new(most: Option<usize>) -> Self {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, Shard::default);
        let most = most.unwrap_or(usize::MAX);
        Counting { seed: Seed::default(), shards, most, dropped: Dropped::default(), bytes: 0, found: Vec::new() }
    }

    /// Counts a batch and empties it.
    pub(super) fn count(
        &mut self,
        batch: &mut Batch,
        pool: Option<&rayon::ThreadPool>,
        keep_going: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), TrainError> {
        if !keep_going() {
            return Err(Interrupted.into());
        }
        match pool {
            None => self.count_here(batch)?,
            Some(pool) => pool.install(|| self.count_beside(batch, keep_going))?,
        }
        self.bytes += batch.text.len() as u64;
        batch.clear();
        self.bound(self.most);
        Ok(())
    }

    fn count_here(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let text = batch.text.as_bytes();
        let mut done = Ok(());
        batch.for_each_pretoken(&(0..batch.ends.len()), |start, end| {
            let (shard, found) = self.seed.find(text, start, end);
            if let Err(error) = self.shards[shard].add(text, found, 1) {
                done = Err(error);
            }
        });
        done
    }

    /// Two rounds: threads look for pretokens in portions of the text, then each shard takes those that are its own.
    fn count_beside(&mut self, batch: &Batch, keep_going: &(dyn Fn() -> bool + Sync)) -> Result<(), TrainError> {
        let (text, seed) = (batch.text.as_bytes(), &self.seed);
        let portions = batch.portions();
        if self.found.len() < portions.len() {
            self.found.resize_with(portions.len(), || vec![Vec::new(); SHARDS]);
        }
        let found = &mut self.found[..portions.len()];
        found.par_iter_mut().zip(&portions).for_each(|(found, portion)| {
            found.iter_mut().for_each(Vec::clear);
            if keep_going() {
                batch.for_each_pretoken(portion, |start, end| {
                    let (shard, pretoken) = seed.find(text, start, end);
                    found[shard].push(pretoken);
                });
            }
        });
        let found = &*found;
        self.shards.par_iter_mut().enumerate().try_for_each(|(number, shard)| {
            found.iter().flat_map(|found| &found[number]).try_for_each(|&pretoken| shard.add(text, pretoken, 1))
        })?;
        if keep_going() { Ok(()) } else { Err(Interrupted.into()) }
    }

    /// Drops pretokens, the rarest first and of equals the last in byte order, until `most` are left. Called at the ends
    /// of batches, so that what is dropped depends on the corpus alone.
    fn bound(&mut self, most: usize) {
        let held: usize = self.shards.iter().map(Shard::len).sum();
        if held <= most {
            return;
        }
        let every = self.shards.iter().flat_map(Shard::iter);
        let mut counts: Vec<u64> = every.map(|(_, count)| count).collect();
        // Dropping a quarter more at once makes dropping rare.
        let keep = most - most / 4;
        let (_, &mut least, _) = counts.select_nth_unstable_by(keep - 1, |a, b| b.cmp(a));
        drop(counts);
        let above = self.shards.iter().flat_map(Shard::iter).filter(|&(_, count)| count > least).count();
        let mut equals: Vec<&[u8]> = Vec::new();
        for (pretoken, _) in self.shards.iter().flat_map(Shard::iter).filter(|&(_, count)| count == least) {
            equals.push(pretoken);
        }
        let (_, last, _) = equals.select_nth_unstable(keep - above - 1);
        let last = last.to_vec();
        for shard in &mut self.shards {
            let (pretokens, occurrences) =
                shard.retain(|pretoken, count| count > least || count == least && pretoken <= &last[..]);
            self.dropped.pretokens += pretokens;
            self.dropped.occurrences += occurrences;
        }
    }

    pub(super) fn into_shards(self) -> Vec<Shard> {
        self.shards
    }
}
