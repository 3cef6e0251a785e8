//! Is this pretoken a token? Three open-addressing tables by length, read-only once built.
//!
//! GPT-2 has 34,278 tokens of at most 7 bytes and 50,126 of at most 15 of its 50,257, so almost every lookup compares
//! one integer. A table's probe sequences are bounded by what the vocabulary put in, whatever text is looked up.

use super::TokenId;
use super::held::Held;
use super::keys::{Key, MAX_LEN, hash_bytes, slots_for};

/// A key of zeros is an empty slot: real keys hold a length, which is at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Slot<K> {
    pub key: K,
    pub id: TokenId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LongSlot {
    pub hash: u64,
    pub start: u32,
    pub len: u32,
    pub id: TokenId,
}

#[derive(Debug)]
pub(super) struct Whole {
    pub to_7: Held<[Slot<u64>]>,
    pub to_15: Held<[Slot<Key>]>,
    pub longer: Held<[LongSlot]>,
    pub longer_bytes: Held<[u8]>,
    /// How long tokens are at most that begin with each byte: most Chinese phrases are longer than any Chinese token,
    /// and need no look into a table.
    pub longest: [u32; 256],
}

/// A token to find: the first `len` bytes of `text`. More may follow, which makes short ones quick to load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    pub text: &'t [u8],
    pub len: usize,
    pub id: TokenId,
}

impl Whole {
    /// Tokens must differ and be at least one byte long.
    pub(super) fn new<'t>(tokens: impl Iterator<Item = Entry<'t>> + Clone) -> Self {
        let (mut count, mut short, mut middling) = (0, 0, 0);
        // Closures, for a loop over a chain asks at each step which of its parts it is in.
        tokens.clone().for_each(|token| {
            count += 1;
            short += usize::from(token.len <= 7);
            middling += usize::from((8..=15).contains(&token.len));
        });
        let mut to_7 = vec![Slot { key: 0, id: 0 }; slots_for(short)];
        let mut to_15 = vec![Slot { key: Key::default(), id: 0 }; slots_for(middling)];
        let mut longer = vec![LongSlot::default(); slots_for(count - short - middling)];
        let mut longer_bytes = Vec::new();
        let mut longest = [0; 256];
        tokens.for_each(|Entry { text, len, id }| {
            if let Some(&first) = text.first() {
                let longest = &mut longest[usize::from(first)];
                *longest = (len as u32).max(*longest);
            }
            match len {
                0 => {}
                1..=7 => {
                    let key = Key::new(text, 0, len);
                    let place = free_place(&to_7, key.hash(), |slot| slot.key == 0);
                    to_7[place] = Slot { key: in_one(key), id };
                }
                8..=15 => {
                    let key = Key::new(text, 0, len);
                    let place = free_place(&to_15, key.hash(), |slot| slot.key == Key::default());
                    to_15[place] = Slot { key, id };
                }
                _ => {
                    let bytes = &text[..len];
                    let hash = hash_bytes(bytes);
                    let place = free_place(&longer, hash, |slot| slot.len == 0);
                    longer[place] = LongSlot { hash, start: longer_bytes.len() as u32, len: len as u32, id };
                    longer_bytes.extend_from_slice(bytes);
                }
            }
        });
        Whole {
            to_7: to_7.into(),
            to_15: to_15.into(),
            longer: longer.into(),
            longer_bytes: longer_bytes.into(),
            longest,
        }
    }

    /// The id of `text[start..end]`, at least one byte, if it is in the table.
    #[inline]
    pub(super) fn get(&self, text: &[u8], start: usize, end: usize) -> Option<TokenId> {
        let len = end - start;
        if !self.may_hold(text[start], len) {
            return None;
        }
        if len <= MAX_LEN {
            let key = Key::new(text, start, len);
            return self.get_key(key, key.hash());
        }
        let bytes = &text[start..end];
        let hash = hash_bytes(bytes);
        let same = |slot: &LongSlot| {
            let token = slot.start as usize..slot.start as usize + slot.len as usize;
            slot.hash == hash && &self.longer_bytes[token] == bytes
        };
        find(&self.longer, hash, |slot| slot.len == 0, same).map(|slot| slot.id)
    }

    /// The id of a text of at most 15 bytes; its key has no owner.
    #[inline]
    pub(super) fn get_key(&self, key: Key, hash: u64) -> Option<TokenId> {
        if !self.may_hold(key.low as u8, key.len()) {
            return None;
        }
        if key.len() <= SHORT {
            let key = in_one(key);
            return find(&self.to_7, hash, |slot| slot.key == 0, |slot| slot.key == key).map(|slot| slot.id);
        }
        find(&self.to_15, hash, |slot| slot.key == Key::default(), |slot| slot.key == key).map(|slot| slot.id)
    }

    #[inline(always)]
    fn may_hold(&self, first: u8, len: usize) -> bool {
        len <= self.longest[usize::from(first)] as usize
    }
}

/// The longest text that fits one integer beside its length.
const SHORT: usize = 7;

/// The key of a text of at most 7 bytes in one integer.
#[inline(always)]
fn in_one(key: Key) -> u64 {
    key.low | key.high
}

/// The slot that the search of `hash` begins at: the hash's high bits, which depend on all of the key.
#[inline]
fn home(hash: u64, slots: usize) -> usize {
    (hash >> (u64::BITS - slots.trailing_zeros())) as usize
}

#[inline]
fn find<T>(table: &[T], hash: u64, is_empty: impl Fn(&T) -> bool, is_it: impl Fn(&T) -> bool) -> Option<&T> {
    if table.is_empty() {
        return None;
    }
    let mask = table.len() - 1;
    let mut place = home(hash, table.len());
    loop {
        let slot = &table[place & mask];
        if is_it(slot) {
            return Some(slot);
        }
        if is_empty(slot) {
            return None;
        }
        place += 1;
    }
}

fn free_place<T>(table: &[T], hash: u64, is_empty: impl Fn(&T) -> bool) -> usize {
    let mask = table.len() - 1;
    let mut place = home(hash, table.len());
    while !is_empty(&table[place & mask]) {
        place += 1;
    }
    place & mask
}
