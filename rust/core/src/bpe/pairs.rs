//! Do these two symbols merge, and when? One open-addressing table from pair to rank and product.

use super::held::Held;
use super::keys::{fold, slots_for};
use super::symbols::{Merge, Rank, Symbol};

/// A merge's rank and product in one integer that orders by rank; [`Step::NONE`] comes after all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u64);

impl Step {
    pub(super) const NONE: Step = Step(u64::MAX);

    fn new(rank: Rank, product: Symbol) -> Self {
        Step(u64::from(rank.0) << 32 | u64::from(product.0))
    }

    /// The step of this rank in a narrow table.
    #[inline]
    fn of_narrow(rank: u32) -> Self {
        Step::new(Rank(rank), Symbol(rank.wrapping_add(FIRST_PRODUCT)))
    }

    #[inline]
    pub(super) fn rank(self) -> Rank {
        Rank((self.0 >> 32) as u32)
    }

    #[inline]
    pub(super) fn product(self) -> Symbol {
        Symbol(self.0 as u32)
    }
}

/// Two forms of one table. `Narrow` is for vocabularies of at most 65,536 symbols whose products are numbered in the order
/// of their merges, as GPT-2's are: a slot of 8 bytes says it all, and what is looked into stays in half the memory.
#[derive(Debug)]
enum Slots {
    /// Left and right in 16 bits each, the rank in 32 above them.
    Narrow(Held<[u64]>),
    Wide(Box<[(u64, Step)]>),
}

/// No slot of a pair: vocabularies have far fewer than 2^32 merges and symbols.
const EMPTY: u64 = u64::MAX;

/// A product's symbol less its rank, in a table that is narrow.
const FIRST_PRODUCT: u32 = 256;

#[derive(Debug)]
pub(super) struct Pairs {
    slots: Slots,
    shift: u32,
    /// One bit for every pair in `slots`, chosen by its hash: most questions are about pairs that do not merge, and
    /// this answers four of five of those from 32 KB.
    maybe: Held<[u64]>,
    /// One more than the rank of each pair of bytes, 0 where they do not merge: what every merging begins with, and
    /// nearly all of it in a few lines. Empty where a rank does not fit, or the table is wide.
    of_bytes: Held<[u16]>,
}

impl Pairs {
    /// If a pair is named twice, its lowest rank counts.
    pub(super) fn new(merges: impl Iterator<Item = Merge> + Clone) -> Self {
        let count = slots_for(merges.clone().count());
        let small = |symbol: Symbol| u16::try_from(symbol.0).is_ok();
        let fits = |merge: Merge| {
            small(merge.left) && small(merge.right) && merge.rank.0.checked_add(FIRST_PRODUCT) == Some(merge.product.0)
        };
        let slots = if merges.clone().all(fits) {
            Slots::Narrow(vec![EMPTY; count].into())
        } else {
            Slots::Wide(vec![(EMPTY, Step::NONE); count].into_boxed_slice())
        };
        let shift = u64::BITS - count.trailing_zeros();
        let maybe = vec![0; (count / 32).max(1)].into();
        let mut pairs = Pairs { slots, shift, maybe, of_bytes: Held::Embedded(&[]) };
        for merge in merges.clone() {
            let hash = fold(key(merge.left, merge.right), 0);
            let (word, bit) = pairs.bit(hash);
            pairs.maybe.to_mut()[word] |= bit;
            match &mut pairs.slots {
                Slots::Narrow(slots) => {
                    let slots = slots.to_mut();
                    let pair = narrow_key(merge.left, merge.right);
                    let slot = &mut slots[place(slots, hash, shift, |slot| is_narrow(slot, pair))];
                    *slot = (*slot).min(u64::from(merge.rank.0) << 32 | u64::from(pair));
                }
                Slots::Wide(slots) => {
                    let pair = key(merge.left, merge.right);
                    let slot = &mut slots[place(slots, hash, shift, |slot| is_wide(slot, pair))];
                    *slot = (pair, Step::new(merge.rank, merge.product).min(slot.1));
                }
            }
        }
        let bytes = merges.filter(|merge| merge.left.is_byte() && merge.right.is_byte());
        if matches!(pairs.slots, Slots::Narrow(_)) && bytes.clone().all(|merge| merge.rank.0 < u32::from(u16::MAX)) {
            let mut of_bytes = vec![0; 1 << 16];
            for merge in bytes {
                let place = &mut of_bytes[merge.left.place() << 8 | merge.right.place()];
                let rank = merge.rank.0 as u16 + 1;
                *place = if *place == 0 { rank } else { rank.min(*place) };
            }
            pairs.of_bytes = of_bytes.into();
        }
        pairs
    }

    /// The step that merges two bytes, or [`Step::NONE`].
    #[inline]
    pub(super) fn get_bytes(&self, left: u8, right: u8) -> Step {
        match self.of_bytes.get(usize::from(left) << 8 | usize::from(right)) {
            Some(0) => Step::NONE,
            Some(&one_more) => Step::of_narrow(u32::from(one_more) - 1),
            None => self.get(Symbol::of_byte(left), Symbol::of_byte(right)),
        }
    }

    /// The step that merges `left` with `right`, or [`Step::NONE`].
    #[inline]
    pub(super) fn get(&self, left: Symbol, right: Symbol) -> Step {
        let hash = fold(key(left, right), 0);
        let (word, bit) = self.bit(hash);
        if self.maybe[word] & bit == 0 {
            return Step::NONE;
        }
        match &self.slots {
            Slots::Narrow(slots) => {
                let pair = narrow_key(left, right);
                narrow_step(slots[place(slots, hash, self.shift, |slot| is_narrow(slot, pair))])
            }
            Slots::Wide(slots) => {
                let pair = key(left, right);
                slots[place(slots, hash, self.shift, |slot| is_wide(slot, pair))].1
            }
        }
    }

    /// Whether products are numbered by the ranks of their merges, and all symbols fit 16 bits.
    pub(super) fn is_narrow(&self) -> bool {
        matches!(self.slots, Slots::Narrow(_))
    }

    /// The rank at which two symbols of a narrow table merge, or `u16::MAX`, which ranks must not reach.
    #[inline(always)]
    pub(super) fn rank_or_none(&self, left: u16, right: u16) -> u16 {
        // `Step::NONE` has all bits set.
        self.get(Symbol(left.into()), Symbol(right.into())).rank().0 as u16
    }

    /// Every pair and the step that merges it, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ((Symbol, Symbol), Step)> {
        let (narrow, wide): (&[u64], &[(u64, Step)]) = match &self.slots {
            Slots::Narrow(slots) => (slots, &[]),
            Slots::Wide(slots) => (&[], slots),
        };
        let symbols = |left: u64, right: u64| (Symbol(left as u32), Symbol(right as u32));
        let narrow = narrow.iter().filter(|&&slot| slot != EMPTY);
        let wide = wide.iter().filter(|slot| slot.0 != EMPTY);
        narrow
            .map(move |&slot| (symbols(slot >> 16 & 0xffff, slot & 0xffff), narrow_step(slot)))
            .chain(wide.map(move |slot| (symbols(slot.0 >> 32, slot.0), slot.1)))
    }

    /// The bit that stands for a hash, from hash bits that do not choose the slot.
    #[inline]
    fn bit(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & (self.maybe.len() - 1), 1 << (hash & 63))
    }
}

/// The tables of a vocabulary that is narrow, as the binary holds GPT-2's.
#[derive(Debug, PartialEq)]
pub(super) struct Narrow<'t> {
    pub slots: &'t [u64],
    pub maybe: &'t [u64],
    pub of_bytes: &'t [u16],
}

impl Pairs {
    /// From the tables that [`Pairs::tables`] gave when this crate was compiled.
    pub(super) fn embedded(tables: Narrow<'static>) -> Self {
        Pairs {
            shift: u64::BITS - tables.slots.len().trailing_zeros(),
            slots: Slots::Narrow(Held::Embedded(tables.slots)),
            maybe: Held::Embedded(tables.maybe),
            of_bytes: Held::Embedded(tables.of_bytes),
        }
    }

    /// What to embed; `None` if the vocabulary is not narrow.
    #[allow(dead_code)] // build.rs asks, and a test
    pub(super) fn tables(&self) -> Option<Narrow<'_>> {
        match &self.slots {
            Slots::Narrow(slots) => Some(Narrow { slots, maybe: &self.maybe, of_bytes: &self.of_bytes }),
            Slots::Wide(_) => None,
        }
    }
}

/// Where the pair of this hash is, or where it would go; `here` is true of its slot and of an empty one.
#[inline]
fn place<T>(slots: &[T], hash: u64, shift: u32, here: impl Fn(&T) -> bool) -> usize {
    let mask = slots.len() - 1;
    let mut place = (hash >> shift) as usize & mask;
    while !here(&slots[place]) {
        place = (place + 1) & mask;
    }
    place
}

#[inline]
fn is_narrow(slot: &u64, pair: u32) -> bool {
    *slot as u32 == pair || *slot == EMPTY
}

#[inline]
fn is_wide(slot: &(u64, Step), pair: u64) -> bool {
    slot.0 == pair || slot.0 == EMPTY
}

#[inline]
fn narrow_step(slot: u64) -> Step {
    if slot == EMPTY {
        return Step::NONE;
    }
    Step::of_narrow((slot >> 32) as u32)
}

#[inline]
fn key(left: Symbol, right: Symbol) -> u64 {
    u64::from(left.0) << 32 | u64::from(right.0)
}

/// For symbols of 16 bits.
#[inline]
fn narrow_key(left: Symbol, right: Symbol) -> u32 {
    left.0 << 16 | right.0
}
