//! Do these two symbols merge, and when? One table from pair to rank and product, packed ([`super::packed`]) for most
//! vocabularies, hashed for the largest.

use super::held::Held;
use super::keys::{fold, slots_for};
use super::packed::{self, Packed};
use super::symbols::{Merge, Rank, Symbol};

/// A merge's rank and product in one integer that orders by rank; [`Step::NONE`] comes after all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(u64);

impl Step {
    pub(super) const NONE: Step = Step(u64::MAX);

    fn new(rank: Rank, product: Symbol) -> Self {
        Step(u64::from(rank.0) << 32 | u64::from(product.0))
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

/// Two forms of one table. `Narrow` is for vocabularies of fewer than 65,536 symbols whose products are numbered in the
/// order of their merges, as GPT-2's are: one look into a slot of 4 bytes says it all.
#[derive(Debug)]
enum Slots {
    Narrow(Packed),
    Wide(Hashed),
}

/// By left and right in 32 bits each.
#[derive(Debug)]
struct Hashed {
    slots: Box<[(u64, Step)]>,
    shift: u32,
    /// One bit for every pair in `slots`, chosen by its hash: most questions are about pairs that do not merge, and
    /// this answers four of five of those from little memory.
    maybe: Box<[u64]>,
}

/// No slot of a pair: vocabularies have far fewer than 2^32 merges and symbols.
const EMPTY: u64 = u64::MAX;

/// A product's symbol less its rank, in a table that is narrow.
const FIRST_PRODUCT: u32 = 256;

#[derive(Debug)]
pub(super) struct Pairs {
    slots: Slots,
    /// One more than the rank of each pair of bytes, 0 where they do not merge: what every merging begins with, and
    /// nearly all of it in a few lines. Empty where the table is wide.
    of_bytes: Held<[u16]>,
}

impl Pairs {
    /// If a pair is named twice, its lowest rank counts.
    pub(super) fn new(merges: impl Iterator<Item = Merge> + Clone) -> Self {
        let Some(packed) = packed(merges.clone()) else {
            return Pairs { slots: Slots::Wide(Hashed::new(merges)), of_bytes: Held::Embedded(&[]) };
        };
        let mut of_bytes = vec![0; 1 << 16];
        for left in 0..256 {
            for right in 0..256 {
                of_bytes[left << 8 | right] = packed.rank(left as u16, right as u16).wrapping_add(1);
            }
        }
        Pairs { slots: Slots::Narrow(packed), of_bytes: of_bytes.into() }
    }

    /// The step that merges two bytes, or [`Step::NONE`].
    #[inline]
    pub(super) fn get_bytes(&self, left: u8, right: u8) -> Step {
        match self.of_bytes.get(usize::from(left) << 8 | usize::from(right)) {
            Some(&one_more) => narrow_step(one_more.wrapping_sub(1)),
            None => self.get(Symbol::of_byte(left), Symbol::of_byte(right)),
        }
    }

    /// The step that merges `left` with `right`, or [`Step::NONE`].
    #[inline]
    pub(super) fn get(&self, left: Symbol, right: Symbol) -> Step {
        match &self.slots {
            Slots::Narrow(packed) => narrow_step(packed.rank(left.0 as u16, right.0 as u16)),
            Slots::Wide(hashed) => hashed.get(left, right),
        }
    }

    /// The form for vocabularies whose products are numbered by the ranks of their merges, if this is one.
    #[inline(always)]
    pub(super) fn narrow(&self) -> Option<Narrow<'_>> {
        match &self.slots {
            Slots::Narrow(packed) => Some(Narrow { packed, of_bytes: self.of_bytes.first_chunk()? }),
            Slots::Wide(_) => None,
        }
    }

    /// Every pair and the step that merges it, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ((Symbol, Symbol), Step)> {
        let (narrow, wide): (_, &[(u64, Step)]) = match &self.slots {
            Slots::Narrow(packed) => (Some(packed), &[]),
            Slots::Wide(hashed) => (None, &hashed.slots),
        };
        let narrow = narrow.into_iter().flat_map(Packed::iter);
        let wide = wide.iter().filter(|slot| slot.0 != EMPTY);
        narrow
            .map(|(left, right, rank)| ((Symbol(left.into()), Symbol(right.into())), narrow_step(rank)))
            .chain(wide.map(|slot| ((Symbol((slot.0 >> 32) as u32), Symbol(slot.0 as u32)), slot.1)))
    }
}

/// What is looked into where ranks and symbols fit 16 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Narrow<'t> {
    pub packed: &'t Packed,
    pub of_bytes: &'t [u16; 1 << 16],
}

impl Narrow<'_> {
    /// The rank at which two symbols merge, or `u16::MAX`, which no rank reaches.
    #[inline(always)]
    pub(super) fn rank_or_none(self, left: u16, right: u16) -> u16 {
        self.packed.rank(left, right)
    }
}

impl Pairs {
    /// From the tables that [`Pairs::narrow`] showed when this crate was compiled.
    #[allow(dead_code)] // build.rs makes what it takes
    pub(super) fn embedded(bases: &'static [u16], slots: &'static [u32], of_bytes: &'static [u16]) -> Self {
        let packed = Packed::from_tables(Held::Embedded(bases), Held::Embedded(slots));
        Pairs { slots: Slots::Narrow(packed), of_bytes: Held::Embedded(of_bytes) }
    }
}

/// The packed form, for a vocabulary that has one.
fn packed(merges: impl Iterator<Item = Merge>) -> Option<Packed> {
    let mut pairs = Vec::with_capacity(merges.size_hint().0);
    for Merge { left, right, product, rank } in merges {
        let narrow = |number: u32| u16::try_from(number).ok().filter(|&number| number != u16::MAX);
        if rank.0.checked_add(FIRST_PRODUCT) != Some(product.0) {
            return None;
        }
        narrow(product.0)?;
        pairs.push((narrow(left.0)?, narrow(right.0)?, narrow(rank.0)?));
    }
    pairs.sort_unstable();
    pairs.dedup_by_key(|pair| (pair.0, pair.1));
    Packed::new(&pairs)
}

#[inline]
fn narrow_step(rank: u16) -> Step {
    if rank == packed::NONE {
        return Step::NONE;
    }
    Step::new(Rank(rank.into()), Symbol(u32::from(rank) + FIRST_PRODUCT))
}

impl Hashed {
    fn new(merges: impl Iterator<Item = Merge> + Clone) -> Self {
        let count = slots_for(merges.clone().count());
        let mut hashed = Hashed {
            slots: vec![(EMPTY, Step::NONE); count].into_boxed_slice(),
            shift: u64::BITS - count.trailing_zeros(),
            maybe: vec![0; (count / 32).max(1)].into_boxed_slice(),
        };
        for merge in merges {
            let pair = key(merge.left, merge.right);
            let hash = fold(pair, 0);
            let (word, bit) = hashed.bit(hash);
            hashed.maybe[word] |= bit;
            let slot = &mut hashed.slots[place(&hashed.slots, hash, hashed.shift, pair)];
            *slot = (pair, Step::new(merge.rank, merge.product).min(slot.1));
        }
        hashed
    }

    #[inline]
    fn get(&self, left: Symbol, right: Symbol) -> Step {
        let pair = key(left, right);
        let hash = fold(pair, 0);
        let (word, bit) = self.bit(hash);
        if self.maybe[word] & bit == 0 {
            return Step::NONE;
        }
        self.slots[place(&self.slots, hash, self.shift, pair)].1
    }

    /// The bit that stands for a hash, from hash bits that do not choose the slot.
    #[inline]
    fn bit(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & (self.maybe.len() - 1), 1 << (hash & 63))
    }
}

/// Where the pair of this hash is, or where it would go.
#[inline]
fn place(slots: &[(u64, Step)], hash: u64, shift: u32, pair: u64) -> usize {
    let mask = slots.len() - 1;
    let mut place = (hash >> shift) as usize & mask;
    while slots[place].0 != pair && slots[place].0 != EMPTY {
        place = (place + 1) & mask;
    }
    place
}

#[inline]
fn key(left: Symbol, right: Symbol) -> u64 {
    u64::from(left.0) << 32 | u64::from(right.0)
}
