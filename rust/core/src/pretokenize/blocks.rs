//! Where do pretokens begin, many at a time? The block scanner: 64 bytes become masks of classes, and starts follow by
//! arithmetic on bits. Equal to the scalar scanner of [`super::scan`], which tests and fuzzing hold it to.
//!
//! A character that is no white space begins a pretoken when the byte before it is of another class and no blank
//! (U+0020), for a blank is always taken by the run after it. White space begins one when nothing but white space
//! follows from something else, or when it is the last of its run and the text goes on: `\s+(?!\S)` leaves that one
//! behind. Contractions are mended afterwards, one apostrophe at a time.

use super::classes::{BLOCK, Kernel};
use super::scan::contraction;

/// A scan stops to hand over its starts after about this many bytes: what is looked up next is still in L1.
const PORTION: usize = 1 << 11;

/// And after this many where no pretoken ends: whoever scans wants to be asked whether to go on.
const LONG_PORTION: usize = 1 << 18;

/// Room for a portion of starts and those of one block more.
const ROOM: usize = PORTION + 2 * BLOCK;

/// Where pretokens begin; the last one may not have ended yet.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// Empty until the first scan, then of [`ROOM`] places.
    places: Vec<usize>,
    count: usize,
}

impl Starts {
    /// The boundaries found: each two neighbours are a pretoken.
    #[inline(always)]
    pub(crate) fn boundaries(&self) -> &[usize] {
        &self.places[..self.count]
    }

    #[inline(always)]
    fn push_block(&mut self, at: usize, mut starts: u64) {
        let found = starts.count_ones() as usize;
        if let Some(room) = self.places.get_mut(self.count..).and_then(|rest| rest.first_chunk_mut::<BLOCK>()) {
            // Most blocks of prose hold 12 to 16 starts: a fixed count costs less than guessing where the bits end.
            let (some, rest) = room.split_at_mut(16);
            for place in some {
                *place = at + starts.trailing_zeros() as usize;
                starts &= starts.wrapping_sub(1);
            }
            if starts != 0 {
                for place in rest {
                    *place = at + starts.trailing_zeros() as usize;
                    starts &= starts.wrapping_sub(1);
                    if starts == 0 {
                        break;
                    }
                }
            }
            self.count += found;
        }
    }
}

/// What the byte before a block was, one bit each: all 0 at a pretoken boundary, left of which nothing matters.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    letter: u64,
    number: u64,
    space: u64,
    other: u64,
    blank: u64,
}

/// The way through one text.
#[derive(Debug)]
pub(crate) struct Scanner<K> {
    kernel: K,
    at: usize,
    before: Before,
}

impl<K: Kernel> Scanner<K> {
    pub(crate) fn new(kernel: K) -> Self {
        Scanner { kernel, at: 0, before: Before::default() }
    }

    /// How far the text is scanned.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Finds more boundaries: begins with the last one found before, ends with that of an unfinished pretoken or with the
    /// end of the text; in the middle of a very long pretoken these are one. False when there are no more. `starts` must
    /// be the same from the first call to the last.
    #[inline(always)]
    pub(crate) fn next_portion(&mut self, bytes: &[u8], starts: &mut Starts) -> bool {
        if self.at >= bytes.len() {
            return false;
        }
        if self.at == 0 {
            starts.places.resize(ROOM, 0);
            starts.count = 0;
        } else {
            // The last place is where the unfinished pretoken began.
            starts.places[0] = starts.places[starts.count - 1];
            starts.count = 1;
        }
        let (pause, long_pause) = (self.at.saturating_add(PORTION), self.at.saturating_add(LONG_PORTION));
        while self.at < bytes.len() && (self.at < pause || (starts.count < 2 && self.at < long_pause)) {
            self.block(bytes, starts);
        }
        if self.at >= bytes.len()
            && let Some(place) = starts.places.get_mut(starts.count)
        {
            *place = bytes.len();
            starts.count += 1;
        }
        true
    }

    #[inline(always)]
    fn block(&mut self, bytes: &[u8], starts: &mut Starts) {
        let rest = &bytes[self.at..];
        let mut padded = [0; BLOCK];
        let (block, count) = match rest.first_chunk::<BLOCK>() {
            Some(block) => (block, BLOCK),
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                (&padded, rest.len())
            }
        };
        let text_ends = rest.len() <= BLOCK;
        let mut masks = self.kernel.classify(block);
        let (mut whole, mut wide_space, mut wide_first) = (count, 0, 0);
        // What the next character is decides the last one's case, so it is left to the next block.
        let mut settled = if text_ends { count } else { BLOCK - 1 };
        if masks.high != 0 {
            let wide = masks.settle(self.kernel.leads(block), block, count);
            // A character that the block cuts off is the next block's.
            (whole, wide_space, wide_first) = (wide.whole, wide.space, wide.space_first & below(wide.whole));
            if !text_ends {
                settled = whole - 1;
                while settled > 0 && block[settled] & 0xc0 == 0x80 {
                    settled -= 1;
                }
            }
        }
        let valid = below(whole);
        let (letter, number, space) = (masks.letter & valid, masks.number & valid, masks.space & valid);
        let other = valid & !(letter | number | space);
        let not_space = valid & !space;

        let before = self.before;
        let same = letter & (letter << 1 | before.letter)
            | number & (number << 1 | before.number)
            | other & (other << 1 | before.other);
        let after_blank = masks.blank << 1 | before.blank;
        let after_space = space << 1 | before.space;
        let last_of_run = not_space >> 1;
        let mut space_starts = space & !wide_space & (!after_space | last_of_run);
        if wide_first != 0 {
            space_starts |= wide_first & !after_space | first_bytes(block, wide_first, not_space);
        }
        let first = u64::from(self.at == 0);
        let mut found = not_space & !same & !after_blank | space_starts | first;

        let mut apostrophes = found & masks.apostrophe;
        while apostrophes != 0 {
            let at = apostrophes.trailing_zeros() as usize;
            apostrophes &= apostrophes - 1;
            let len = contraction(rest, at);
            if len == 0 {
                continue;
            }
            if at + len >= settled && !text_ends {
                // It may end in the next block: begin that block with it.
                settled = settled.min(at);
                break;
            }
            found &= !(1 << (at + 1));
            found |= (1u64 << (at + len - 1)) << 1;
        }
        found &= below(settled);
        starts.push_block(self.at, found);
        self.at += settled;
        let last = |mask: u64| mask >> (settled - 1) & 1;
        self.before = Before {
            letter: last(letter),
            number: last(number),
            space: last(space),
            other: last(other),
            blank: last(masks.blank),
        };
    }
}

/// The first bytes of those white space characters beyond ASCII that something else follows.
#[inline(never)]
fn first_bytes(block: &[u8; BLOCK], mut wide_first: u64, not_space: u64) -> u64 {
    let mut found = 0;
    while wide_first != 0 {
        let at = wide_first.trailing_zeros() as usize;
        wide_first &= wide_first - 1;
        let width = if block[at] < 0xe0 { 2 } else { 3 };
        found |= ((not_space >> (at + width - 1)) >> 1 & 1) << at;
    }
    found
}

/// The lowest `count` bits, of 64.
#[inline(always)]
fn below(count: usize) -> u64 {
    if count >= BLOCK { !0 } else { (1 << count) - 1 }
}
