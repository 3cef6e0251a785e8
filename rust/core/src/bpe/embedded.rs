//! Where are GPT-2's own tables? In the binary, as `build.rs` made them: read-only, shared by all processes, with nothing to
//! build. Owns how they are read from what that wrote, little-endian for every machine, while this crate is compiled, and
//! that a process reads through them once.

#![allow(long_running_const_eval)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::joins::Joins;
use super::keys::Key;
use super::pairs::Pairs;
use super::whole::{LongSlot, Slot, Whole};
use super::{Bpe, Held, TokenId, cache};

/// Begins on a cache line, so that no slot of 8 or 16 bytes lies in two.
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub T);

macro_rules! made {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}
pub(crate) use made;

/// A function that reads so many items, each from the arrays of bytes that the file consists of.
macro_rules! reader {
    ($reader:ident, $item:ty, $empty:expr, |$file:ident, $place:ident| $read:expr) => {
        const fn $reader<const COUNT: usize>(file: &[u8]) -> Aligned<[$item; COUNT]> {
            let $file = file.as_chunks().0;
            let mut items = [$empty; COUNT];
            let mut $place = 0;
            while $place < COUNT {
                items[$place] = $read;
                $place += 1;
            }
            Aligned(items)
        }
    };
}

reader!(u16s, u16, 0, |file, place| u16::from_le_bytes(file[place]));
reader!(u32s, u32, 0, |file, place| u32::from_le_bytes(file[place]));
reader!(u64s, u64, 0, |file, place| u64::from_le_bytes(file[place]));
reader!(short, Slot<u64>, Slot { key: 0, id: 0 }, |file, place| Slot {
    key: u64::from_le_bytes(file[2 * place]),
    id: u64::from_le_bytes(file[2 * place + 1]) as TokenId,
});
reader!(middling, Slot<Key>, Slot { key: Key { low: 0, high: 0 }, id: 0 }, |file, place| Slot {
    key: Key { low: u64::from_le_bytes(file[3 * place]), high: u64::from_le_bytes(file[3 * place + 1]) },
    id: u64::from_le_bytes(file[3 * place + 2]) as TokenId,
});
reader!(longer, LongSlot, LongSlot { hash: 0, start: 0, len: 0, id: 0 }, |file, place| LongSlot {
    hash: u64::from_le_bytes(file[3 * place]),
    start: u64::from_le_bytes(file[3 * place + 1]) as u32,
    len: (u64::from_le_bytes(file[3 * place + 1]) >> 32) as u32,
    id: u64::from_le_bytes(file[3 * place + 2]) as TokenId,
});

static TO_7: Aligned<[Slot<u64>; made!("whole_to_7").len() / 16]> = short(made!("whole_to_7"));
static TO_15: Aligned<[Slot<Key>; made!("whole_to_15").len() / 24]> = middling(made!("whole_to_15"));
static LONGER: Aligned<[LongSlot; made!("whole_longer").len() / 24]> = longer(made!("whole_longer"));
static LONGEST: Aligned<[u32; 256]> = u32s(made!("whole_longest"));
static BASES: Aligned<[u16; made!("pairs_bases").len() / 2]> = u16s(made!("pairs_bases"));
static SLOTS: Aligned<[u32; made!("pairs_slots").len() / 4]> = u32s(made!("pairs_slots"));
static OF_BYTES: Aligned<[u16; 1 << 16]> = u16s(made!("pairs_of_bytes"));
static JOINS: Aligned<[u64; 1024]> = u64s(made!("joins"));
static IDS: Aligned<[TokenId; made!("ids").len() / 4]> = u32s(made!("ids"));

static IS_READ: AtomicBool = AtomicBool::new(false);

/// Reads a number of each cache line of what encoding looks into: 0.3 ms, all in order, which the first text would
/// otherwise spend three times over, here and there.
fn read_once() {
    fn read<T: Copy>(table: &[T], number: impl Fn(T) -> u64) -> u64 {
        let lines = table.iter().step_by(64 / size_of::<T>());
        lines.fold(0, |sum, &item| sum ^ number(item))
    }
    let read = [
        read(&TO_7.0, |slot| slot.key),
        read(&TO_15.0, |slot| slot.key.low),
        read(&SLOTS.0, u64::from),
        read(&BASES.0, u64::from),
        read(&OF_BYTES.0, u64::from),
        read(&IDS.0, u64::from),
    ];
    std::hint::black_box(read);
}

impl Bpe {
    /// GPT-2's own.
    pub(crate) fn gpt2() -> Self {
        if !IS_READ.swap(true, Ordering::Relaxed) {
            read_once();
            cache::lay_by();
        }
        Bpe {
            ids: Held::Embedded(&IDS.0),
            pairs: Pairs::embedded(&BASES.0, &SLOTS.0, &OF_BYTES.0),
            joins: Joins { bits: Held::Embedded(&JOINS.0) },
            whole: Whole {
                to_7: Held::Embedded(&TO_7.0),
                to_15: Held::Embedded(&TO_15.0),
                longer: Held::Embedded(&LONGER.0),
                longer_bytes: Held::Embedded(made!("whole_longer_bytes")),
                longest: LONGEST.0,
            },
            whole_is_merged: true,
            proper: true,
            narrow: true,
            identity: Arc::default(),
            bounds: OnceLock::new(),
            linear: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Encoding;
    use crate::bpe::{Bpe, Held};
    use crate::vocab::embedded::tests::loaded;

    #[test]
    fn the_embedded_tables_are_what_loading_the_same_merges_makes() {
        let (embedded, built) = (Encoding::gpt2(), loaded());
        let (embedded, built) = (embedded.bpe(), built.bpe());
        assert!(matches!((&embedded.ids, &built.ids), (Held::Embedded(_), Held::Built(_))));
        assert_eq!(*embedded.ids, *built.ids);
        assert!(embedded.pairs.narrow().is_some());
        assert_eq!(embedded.pairs.narrow(), built.pairs.narrow());
        assert_eq!(*embedded.joins.bits, *built.joins.bits);
        assert_eq!(*embedded.whole.to_7, *built.whole.to_7);
        assert_eq!(*embedded.whole.to_15, *built.whole.to_15);
        assert_eq!(*embedded.whole.longer, *built.whole.longer);
        assert_eq!(*embedded.whole.longer_bytes, *built.whole.longer_bytes);
        assert_eq!(embedded.whole.longest, built.whole.longest);
        assert_eq!(embedded.merges(), built.merges());
        let told = |bpe: &Bpe| (bpe.whole_is_merged, bpe.proper, bpe.narrow);
        assert_eq!(told(embedded), told(built));
    }
}
