//! How often does each pretoken occur? The table of distinct pretokens, in shards that threads fill apart.
//!
//! A shard owns the pretokens whose hash begins with its number, so no pretoken is stored twice, nothing is joined
//! afterwards, and a shard's part of the table stays in a core's own cache while it is filled. A pretoken costs its bytes,
//! an entry of 16 and about 8 of the index. Counts do not depend on who counted what.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::TrainError;

/// Shards are told apart by the first bits of the hash. More would be too small to fill quickly, fewer would leave the
/// caches.
pub(super) const SHARDS: usize = 16;

/// Bytes that a shard may hold: places in it are `u32`. This crate's own tests fill a smaller one.
const SHARD_LIMIT: usize = if cfg!(test) { 1 << 16 } else { u32::MAX as usize };

/// A pretoken met in a text: where it stands, and its hash without the bits that chose the shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    hash: u32,
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    start: u32,
    count: u64,
}

/// Hashes pretokens. Seeded anew for every trainer: the keys come from whoever wrote the corpus.
#[derive(Clone, Debug, Default)]
pub(super) struct Seed(RandomState);

impl Seed {
    /// The shard of the pretoken at `start..end` of `text`, and the record for it.
    #[inline]
    pub(super) fn find(&self, text: &[u8], start: usize, end: usize) -> (usize, Found) {
        let mut hasher = self.0.build_hasher();
        hasher.write(&text[start..end]);
        let hash = hasher.finish();
        let found = Found { hash: hash as u32, start: start as u32, len: (end - start) as u32 };
        ((hash >> 60) as usize, found)
    }
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    /// Places in `entries` plus one; 0 is free. A power of two long.
    index: Vec<u32>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The pretokens and their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        (0..self.entries.len()).map(|place| (self.pretoken(place), self.entries[place].count))
    }

    #[inline]
    fn pretoken(&self, place: usize) -> &[u8] {
        let end = self.entries.get(place + 1).map_or(self.bytes.len(), |next| next.start as usize);
        &self.bytes[self.entries[place].start as usize..end]
    }

    /// Counts `times` more of a pretoken.
    #[inline]
    pub(super) fn add(&mut self, text: &[u8], found: Found, times: u64) -> Result<(), TrainError> {
        let pretoken = &text[found.start as usize..][..found.len as usize];
        if self.entries.len() * 3 >= self.index.len() * 2 {
            self.grow();
        }
        let mask = self.index.len() - 1;
        let mut slot = found.hash as usize & mask;
        loop {
            match self.index[slot] {
                0 => break,
                place => {
                    let place = place as usize - 1;
                    if self.entries[place].hash == found.hash && self.pretoken(place) == pretoken {
                        self.entries[place].count += times;
                        return Ok(());
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
        if self.bytes.len() + pretoken.len() > SHARD_LIMIT {
            let bytes = (self.bytes.len() + pretoken.len()) as u64;
            return Err(TrainError::TooManyPretokens { bytes, limit: SHARD_LIMIT as u64 });
        }
        self.entries.push(Entry { hash: found.hash, start: self.bytes.len() as u32, count: times });
        self.index[slot] = self.entries.len() as u32;
        self.bytes.extend_from_slice(pretoken);
        Ok(())
    }

    fn grow(&mut self) {
        let size = (self.index.len() * 2).max(64);
        // The old index is of no use for the new one: free it first.
        self.index = Vec::new();
        self.index.resize(size, 0);
        self.reindex();
    }

    fn reindex(&mut self) {
        let mask = self.index.len() - 1;
        for (place, entry) in self.entries.iter().enumerate() {
            let mut slot = entry.hash as usize & mask;
            while self.index[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.index[slot] = place as u32 + 1;
        }
    }

    /// Keeps what `keep` says and returns how many pretokens and how many occurrences went.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], u64) -> bool) -> (u64, u64) {
        let mut left = Shard::default();
        let (mut pretokens, mut occurrences) = (0, 0);
        for place in 0..self.entries.len() {
            let entry = self.entries[place];
            let pretoken = self.pretoken(place);
            if keep(pretoken, entry.count) {
                left.entries.push(Entry { start: left.bytes.len() as u32, ..entry });
                left.bytes.extend_from_slice(pretoken);
            } else {
                pretokens += 1;
                occurrences += entry.count;
            }
        }
        left.index = std::mem::take(&mut self.index);
        left.index.fill(0);
        if !left.index.is_empty() {
            left.reindex();
        }
        *self = left;
        (pretokens, occurrences)
    }
}
