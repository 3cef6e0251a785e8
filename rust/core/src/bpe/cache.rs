//! Which ids did these few bytes become last time? A bounded cache of one thread, in sets of one cache line.
//!
//! An entry holds up to 15 bytes of text, compared whole, and up to 7 ids, so a lookup touches one line and tells a token
//! from a pretoken of several in no other way than by how far it moves on. Two entries share a set; what finds its set
//! full goes into one of the next three, and only where these are full, too, it puts the older one out of its own. The
//! cache begins small and grows when three of four entries are taken, to a large page of 2 MiB and then to two: it is
//! never wiped, and text made to collide costs a look in vain and no more.

use std::hint::select_unpredictable;
use std::sync::{Arc, Mutex};

use super::keys::Key;
use super::phrases;
use super::prefetch::prefetch;
use crate::pages::{LARGE, hand_out, make_large};

const FIRST_SETS: usize = 1 << 12;
const MOST_SETS: usize = 1 << 16;

/// So many fill a large page.
const LARGE_SETS: usize = LARGE / size_of::<Set>();

/// So many sets, one after the other, may hold an entry: those that many texts hash to would put each other out.
const REACH: usize = 4;

/// When so many entries were put into the first sets, more will come: then their pages are asked for in one call. Each
/// would else be met twice, by a look that finds nothing and by what is put in.
const WORTH_PAGES: usize = 1 << 5;

/// Vocabularies that one cache serves at a time, told apart by 4 bits of the key.
const MOST_OWNERS: usize = 15;

/// Two entries of 16 units: 8 of key, 7 of ids, and how many ids there are. A key of 0 is an empty entry.
pub(super) type Set = [u16; 32];
const ENTRY: usize = 16;

/// Ids as they lie in an entry: seven units of 16 bits, and how many ids they are.
pub(super) type Ids = [u16; 8];

/// What is looked into while nothing is put in.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'c> {
    sets: &'c [Set],
    shift: u32,
}

impl<'c> View<'c> {
    /// What was put in for this key, if it is there.
    #[inline(always)]
    pub(super) fn find(self, key: Key, hash: u64) -> Option<&'c Ids> {
        let set = self.sets.get((hash >> self.shift) as usize)?;
        let (entries, _) = set.as_chunks::<ENTRY>();
        let [first, second] = entries else { return None };
        // Which of the two is no branch: it would be guessed wrong half of the time.
        let entry = select_unpredictable(key_of(second) == key, second, first);
        let (_, ids) = entry.as_chunks::<8>().0.split_first()?;
        (key_of(entry) == key).then_some(&ids[0])
    }

    /// Has the processor fetch what [`View::find`] will look at.
    #[inline(always)]
    pub(super) fn prefetch(self, hash: u64) {
        prefetch(self.sets, (hash >> self.shift) as usize);
    }
}

/// Whether there is an empty entry: the second one is the last to be filled.
#[inline(always)]
fn has_room(set: &Set) -> bool {
    set[ENTRY + 7] == 0
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

/// Memory for a cache that grows, handed out before it does: the zeros of a large page take a tenth of a millisecond, and
/// many where the system has to look for one. At most one in a process; whoever asks first has it.
static SPARE: Mutex<Option<(Vec<u16>, usize)>> = Mutex::new(None);

/// Lays memory by for the first cache that grows.
pub(super) fn lay_by() {
    let made = empty(LARGE_SETS);
    // Nobody waits: a fork may have left it locked for ever.
    if let Ok(mut spare) = SPARE.try_lock() {
        *spare = Some(made);
    }
}

fn spare(sets: usize) -> Option<(Vec<u16>, usize)> {
    if sets == LARGE_SETS { SPARE.try_lock().ok()?.take() } else { None }
}

/// Units of so many empty sets, and where these begin.
fn empty(sets: usize) -> (Vec<u16>, usize) {
    // A cache that grew begins where a large page does: what lies before it is never touched. Over small pages,
    // prefetching would wait for their addresses.
    let align = if sets < LARGE_SETS { size_of::<Set>() } else { LARGE };
    let (unit_count, slack) = (sets * size_of::<Set>() / 2, align / 2);
    let mut units = vec![0; unit_count + slack];
    let first = units.as_ptr().align_offset(align).min(slack);
    // The first one may serve a short text, and need few of its pages.
    if sets > FIRST_SETS {
        let units = &mut units[first..][..unit_count];
        make_large(units);
        hand_out(units);
    }
    (units, first)
}

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Sets, from `first` on: so many units in that the address divides by 64.
    units: Vec<u16>,
    first: usize,
    sets: usize,
    /// Entries that are not empty.
    count: usize,
    owners: Vec<Arc<()>>,
    /// What is too long for these sets.
    pub(super) phrases: phrases::Short,
    pub(super) long_phrases: phrases::Long,
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
            self.phrases.clear();
            self.long_phrases.clear();
            self.resize(FIRST_SETS);
        }
        self.owners.push(Arc::clone(owner));
        self.owners.len() - 1
    }

    /// Empties the cache and gives it so many sets.
    fn resize(&mut self, sets: usize) {
        (self.units, self.first) = spare(sets).unwrap_or_else(|| empty(sets));
        self.sets = sets;
        self.count = 0;
    }

    #[inline(always)]
    pub(super) fn view(&self) -> View<'_> {
        let (sets, _) = self.units[self.first..].as_chunks();
        View { sets: &sets[..self.sets], shift: u64::BITS - self.sets.trailing_zeros() }
    }

    /// What was put in for this key, where [`View::find`] found nothing: further on, if its own set was full then. It
    /// changes places with the older entry of its own set, so that what is asked for often is found at once.
    #[inline(never)]
    pub(super) fn find_further(&mut self, key: Key, hash: u64) -> Option<Ids> {
        let home = (hash >> (u64::BITS - self.sets.trailing_zeros())) as usize;
        let mask = self.sets - 1;
        let (sets, _) = self.units[self.first..].as_chunks_mut::<32>();
        for step in 1..REACH {
            if has_room(sets.get((home + step - 1) & mask)?) {
                return None;
            }
            let place = (home + step) & mask;
            let (entries, _) = sets.get(place)?.as_chunks::<ENTRY>();
            if let Some(found) = entries.iter().position(|entry| key_of(entry) == key) {
                let entry = entries[found];
                let set = sets.get_mut(home)?;
                let (older, _) = set[ENTRY..].as_chunks::<ENTRY>();
                let older = older[0];
                set.copy_within(..ENTRY, ENTRY);
                set[..ENTRY].copy_from_slice(&entry);
                sets.get_mut(place)?[ENTRY * found..][..ENTRY].copy_from_slice(&older);
                return entry.as_chunks::<8>().0.last().copied();
            }
        }
        None
    }

    /// Remembers what a text became.
    pub(super) fn put(&mut self, key: Key, hash: u64, ids: &Ids) {
        let mut entry = [0; ENTRY];
        for (at, word) in [key.low, key.high].into_iter().enumerate() {
            for part in 0..4 {
                entry[4 * at + part] = (word >> (16 * part)) as u16;
            }
        }
        entry[8..].copy_from_slice(ids);
        if self.count > self.sets + self.sets / 2 && self.sets < MOST_SETS {
            self.grow();
        }
        let before = self.count;
        self.put_entry(hash, &entry);
        if self.count == WORTH_PAGES && before < WORTH_PAGES {
            hand_out(&mut self.units);
        }
    }

    /// Into the first set from its home on that has room; if none has that is near, the older one there is put out.
    fn put_entry(&mut self, hash: u64, entry: &[u16; ENTRY]) {
        let home = (hash >> (u64::BITS - self.sets.trailing_zeros())) as usize;
        let (sets, _) = self.units[self.first..].as_chunks_mut::<32>();
        let mask = self.sets - 1;
        let near = (home..home + REACH).map(|place| place & mask);
        let free = near.into_iter().find(|&place| sets.get(place).is_some_and(has_room));
        self.count += usize::from(free.is_some());
        if let Some(set) = sets.get_mut(free.unwrap_or(home)) {
            set.copy_within(..ENTRY, ENTRY);
            set[..ENTRY].copy_from_slice(entry);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.units);
        let (old_first, old_sets) = (self.first, self.sets);
        self.resize((2 * old_sets).max(LARGE_SETS));
        let (entries, _) = old[old_first..].as_chunks::<ENTRY>();
        // The second of a set is the older one: it goes in first.
        for set in entries[..2 * old_sets].chunks_exact(2) {
            for entry in set.iter().rev().filter(|entry| key_of(entry).high != 0) {
                self.put_entry(key_of(entry).hash(), entry);
            }
        }
    }
}
