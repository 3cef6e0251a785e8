//! Which ids did these few bytes become last time? A bounded cache of one thread, in sets of one cache line.
//!
//! An entry holds up to 15 bytes of text, compared whole, and up to 7 ids, so a lookup touches one line and tells a token
//! from a pretoken of several in no other way than by how far it moves on. Two entries share a set; a third puts the
//! older one out. The cache begins small, doubles while it is filled, and stops at 4 MiB: it is never wiped, and text
//! made to collide costs a look in vain and no more.

use std::sync::Arc;

use super::TokenId;
use super::keys::fold;

/// The longest text that an entry holds.
pub(super) const MAX_LEN: usize = 15;

/// How many 16-bit ids fit.
const MAX_NARROW: usize = 7;
/// How many 32-bit ids fit.
const MAX_WIDE: usize = 3;

/// How many ids an entry holds.
pub(super) const fn most_ids<const NARROW: bool>() -> usize {
    if NARROW { MAX_NARROW } else { MAX_WIDE }
}

const FIRST_SETS: usize = 1 << 12;
const MOST_SETS: usize = 1 << 16;

/// Vocabularies that one cache serves at a time, told apart by 4 bits of the key.
const MOST_OWNERS: usize = 15;

/// Two entries of 16 units: 8 of key, 7 of ids, and how many ids there are. A key of 0 is an empty entry.
pub(super) type Set = [u16; 32];
const ENTRY: usize = 16;

/// Text of 1 to 15 bytes, its length in the low half of the top byte, its owner in the high half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    low: u64,
    high: u64,
}

impl Key {
    /// `text[start..start + len]`; `owner` as [`Cache::serve`] gave it. `len` is 1 to 15.
    #[inline(always)]
    pub(super) fn new(text: &[u8], start: usize, len: usize, owner: u64) -> Key {
        let window = match text.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
            Some(window) => u128::from_le_bytes(*window),
            None => near_the_end(text, start),
        };
        let (low, high) = KEPT[len & 15];
        let high = (window >> 64) as u64 & high | (len as u64) << 56 | owner;
        Key { low: window as u64 & low, high }
    }

    #[inline(always)]
    fn hash(self) -> u64 {
        fold(self.low, self.high)
    }
}

/// The bits of the first 1 to 15 bytes of 16.
static KEPT: [(u64, u64); 16] = {
    let mut kept = [(0, 0); 16];
    let mut len = 1;
    while len < 16 {
        kept[len] = if len < 8 { ((1 << (8 * len)) - 1, 0) } else { (u64::MAX, (1 << (8 * (len - 8))) - 1) };
        len += 1;
    }
    kept
};

/// The last bytes of the text as an integer, from `start` on, which is fewer than 16 bytes before the end.
#[inline(never)]
fn near_the_end(text: &[u8], start: usize) -> u128 {
    let rest = &text[start..];
    match text.last_chunk::<16>() {
        Some(last) => u128::from_le_bytes(*last) >> (8 * (16 - rest.len())),
        None => {
            let mut window = [0; 16];
            window[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(window)
        }
    }
}

/// Ids found for a key: as they lie in the entry, the last unit is their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'c>(&'c [u16; 8]);

impl Found<'_> {
    /// Writes more ids than there are into `room`, and says how many count.
    #[inline(always)]
    pub(super) fn write<const NARROW: bool>(self, room: &mut [TokenId; 8]) -> usize {
        if NARROW {
            for (place, &unit) in room.iter_mut().zip(self.0) {
                *place = TokenId::from(unit);
            }
        } else {
            let (pairs, _) = self.0.as_chunks::<2>();
            for (place, &[low, high]) in room.iter_mut().zip(pairs) {
                *place = TokenId::from(low) | TokenId::from(high) << 16;
            }
        }
        usize::from(self.0[7])
    }
}

/// What is looked into while nothing is put in.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'c> {
    sets: &'c [Set],
    shift: u32,
}

impl<'c> View<'c> {
    #[inline(always)]
    pub(super) fn find(self, key: Key) -> Option<Found<'c>> {
        let set = self.sets.get((key.hash() >> self.shift) as usize)?;
        let (entries, _) = set.as_chunks::<ENTRY>();
        let [first, second] = entries else { return None };
        // Which of the two is no branch: it would be guessed wrong half of the time.
        let entry = if key_of(second) == key { second } else { first };
        let (_, ids) = entry.as_chunks::<8>().0.split_first()?;
        (key_of(entry) == key).then_some(Found(&ids[0]))
    }
}

#[inline(always)]
fn key_of(entry: &[u16; ENTRY]) -> Key {
    let word = |at: usize| {
        u64::from(entry[at])
            | u64::from(entry[at + 1]) << 16
            | u64::from(entry[at + 2]) << 32
            | u64::from(entry[at + 3]) << 48
    };
    Key { low: word(0), high: word(4) }
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Sets, from `first` on: so many units in that the address divides by 64.
    units: Vec<u16>,
    first: usize,
    sets: usize,
    /// Entries put in since the cache last grew.
    news: usize,
    owners: Vec<Arc<()>>,
}

impl Cache {
    /// Gets ready for a vocabulary, and gives the bits that mark its keys.
    #[inline]
    pub(super) fn serve(&mut self, owner: &Arc<()>) -> u64 {
        let known = self.owners.iter().position(|known| Arc::ptr_eq(known, owner));
        let place = known.unwrap_or_else(|| self.adopt(owner));
        (place as u64 + 1) << 60
    }

    #[cold]
    fn adopt(&mut self, owner: &Arc<()>) -> usize {
        if self.sets == 0 || self.owners.len() == MOST_OWNERS {
            self.owners.clear();
            self.resize(FIRST_SETS);
        }
        self.owners.push(Arc::clone(owner));
        self.owners.len() - 1
    }

    /// Empties the cache and gives it so many sets.
    fn resize(&mut self, sets: usize) {
        let unit_count = size_of::<Set>() / 2;
        self.units = vec![0; (sets + 1) * unit_count];
        self.first = self.units.as_ptr().align_offset(size_of::<Set>()).min(unit_count);
        self.sets = sets;
        self.news = 0;
    }

    #[inline(always)]
    pub(super) fn view(&self) -> View<'_> {
        let (sets, _) = self.units[self.first..].as_chunks();
        View { sets: &sets[..self.sets], shift: u64::BITS - self.sets.trailing_zeros() }
    }

    /// Remembers what a text became, if it fits.
    pub(super) fn put<const NARROW: bool>(&mut self, key: Key, ids: &[TokenId]) {
        let mut entry = [0; ENTRY];
        if ids.is_empty() || ids.len() > most_ids::<NARROW>() {
            return;
        }
        for (at, word) in [key.low, key.high].into_iter().enumerate() {
            for part in 0..4 {
                entry[4 * at + part] = (word >> (16 * part)) as u16;
            }
        }
        for (at, &id) in ids.iter().enumerate() {
            if NARROW {
                entry[8 + at] = id as u16;
            } else {
                entry[8 + 2 * at] = id as u16;
                entry[9 + 2 * at] = (id >> 16) as u16;
            }
        }
        entry[ENTRY - 1] = ids.len() as u16;
        if self.news > 2 * self.sets && self.sets < MOST_SETS {
            self.grow();
        }
        self.news += 1;
        self.put_entry(&entry);
    }

    fn put_entry(&mut self, entry: &[u16; ENTRY]) {
        let home = (key_of(entry).hash() >> (u64::BITS - self.sets.trailing_zeros())) as usize;
        let (sets, _) = self.units[self.first..].as_chunks_mut::<32>();
        if let Some(set) = sets.get_mut(home) {
            set.copy_within(..ENTRY, ENTRY);
            set[..ENTRY].copy_from_slice(entry);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.units);
        let (old_first, old_sets) = (self.first, self.sets);
        self.resize(2 * old_sets);
        let (entries, _) = old[old_first..].as_chunks::<ENTRY>();
        // The second of a set is the older one: it goes in first.
        for set in entries[..2 * old_sets].chunks_exact(2) {
            for entry in set.iter().rev().filter(|entry| key_of(entry).high != 0) {
                self.news += 1;
                self.put_entry(entry);
            }
        }
    }
}
