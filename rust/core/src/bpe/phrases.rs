//! Which ids did a pretoken of more than 15 bytes become last time? A bounded cache of one thread, a cache line an entry.
//!
//! Such pretokens are few, but a text that has one mostly has it again, and merging it takes as long as finding fifty
//! short ones. An entry holds up to 46 bytes of text, compared whole, and up to 7 ids. It lies in one of two neighbouring
//! lines; what finds both taken puts the older one out. The cache begins with 16 KiB, doubles when five of
//! eight lines are taken, and stops at 1 MiB.

use super::cache::Ids;
use super::keys::fold;
use crate::pages::hand_out;

/// The longest text that a [`Phrase`] holds.
pub(super) const MAX_LEN: usize = 46;

const FIRST_LINES: usize = 1 << 8;
const MOST_LINES: usize = 1 << 14;

/// Words of text in an entry; two more hold the ids.
const WORDS: usize = 6;
type Line = [u64; WORDS + 2];

/// Text of 16 to 46 bytes as little-endian integers. The last byte holds the length and the one before it says whose it
/// is, so a phrase of zeros is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phrase([u64; WORDS]);

/// The bits of the first bytes of a phrase: those of `len` bytes begin at byte `8 * WORDS - len`.
static KEPT: [u8; 16 * WORDS] = {
    let mut kept = [0; 16 * WORDS];
    let mut at = 0;
    while at < 8 * WORDS {
        kept[at] = 0xff;
        at += 1;
    }
    kept
};

impl Phrase {
    /// `text[start..end]`, which is at most 46 bytes long; `owner` as a key has it, a half byte at the top.
    #[inline]
    pub(super) fn new(text: &[u8], start: usize, end: usize, owner: u64) -> Phrase {
        let len = end - start;
        let mut window = [0; 8 * WORDS];
        match text.get(start..).and_then(|rest| rest.first_chunk::<{ 8 * WORDS }>()) {
            Some(whole) => {
                if let Some(kept) = KEPT.get(8 * WORDS - len..).and_then(|kept| kept.first_chunk::<{ 8 * WORDS }>()) {
                    for (place, (byte, kept)) in window.iter_mut().zip(whole.iter().zip(kept)) {
                        *place = byte & kept;
                    }
                }
            }
            None => window[..len].copy_from_slice(&text[start..end]),
        }
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(window.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words[WORDS - 1] |= (len as u64) << 56 | owner >> 60 << 48;
        Phrase(words)
    }

    #[inline]
    fn hash(&self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        fold(fold(a, b) ^ fold(c, d).rotate_left(32), fold(e, f))
    }
}

#[derive(Debug, Default)]
pub(super) struct Phrases {
    lines: Vec<u64>,
    /// Lines that are not empty.
    count: usize,
}

impl Phrases {
    /// What was put in for this text, if it is there.
    #[inline]
    pub(super) fn find(&self, phrase: &Phrase) -> Option<Ids> {
        let lines = self.lines();
        let home = home(phrase.hash(), lines.len())?;
        [home, home ^ 1].into_iter().find_map(|place| {
            let line = lines.get(place)?;
            let (text, ids) = line.split_first_chunk()?;
            (*text == phrase.0).then(|| unpacked(ids))
        })
    }

    /// Remembers what a text became.
    pub(super) fn put(&mut self, phrase: &Phrase, ids: &Ids) {
        let lines = self.lines().len();
        if lines == 0 || (self.count > lines / 8 * 5 && lines < MOST_LINES) {
            self.grow();
        }
        let mut line = [0; WORDS + 2];
        line[..WORDS].copy_from_slice(&phrase.0);
        line[WORDS..].copy_from_slice(&packed(ids));
        self.put_line(phrase.hash(), line);
    }

    fn put_line(&mut self, hash: u64, line: Line) {
        let (lines, _) = self.lines.as_chunks_mut::<{ WORDS + 2 }>();
        let Some(home) = home(hash, lines.len()) else { return };
        let near = [home, home ^ 1].into_iter().find(|&place| lines[place][WORDS - 1] == 0);
        self.count += usize::from(near.is_some());
        if near.is_none() {
            lines[home ^ 1] = lines[home];
        }
        lines[near.unwrap_or(home)] = line;
    }

    #[cold]
    fn grow(&mut self) {
        let lines = (2 * self.lines().len()).max(FIRST_LINES);
        let old = std::mem::replace(&mut self.lines, vec![0; lines * (WORDS + 2)]);
        hand_out(&mut self.lines);
        self.count = 0;
        for line in old.as_chunks::<{ WORDS + 2 }>().0 {
            if let Some(words) = line.first_chunk()
                && line[WORDS - 1] != 0
            {
                self.put_line(Phrase(*words).hash(), *line);
            }
        }
    }

    #[inline]
    fn lines(&self) -> &[Line] {
        self.lines.as_chunks().0
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Phrases::default();
    }
}

/// The line to look at first, from the hash's high bits.
#[inline]
fn home(hash: u64, lines: usize) -> Option<usize> {
    (lines > 0).then(|| (hash >> (u64::BITS - lines.trailing_zeros())) as usize)
}

fn packed(ids: &Ids) -> [u64; 2] {
    let mut words = [0; 2];
    for (word, ids) in words.iter_mut().zip(ids.as_chunks::<4>().0) {
        *word = ids.iter().rev().fold(0, |word, &id| word << 16 | u64::from(id));
    }
    words
}

fn unpacked(words: &[u64]) -> Ids {
    let mut ids = [0; 8];
    for (ids, word) in ids.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        for (place, id) in ids.iter_mut().enumerate() {
            *id = (word >> (16 * place)) as u16;
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Definition, Encoding, Method, Scratch};

    const OWNER: u64 = 3 << 60;

    fn ids_of(number: usize) -> Ids {
        [number as u16, (number >> 16) as u16, 3, 4, 5, 6, 0xffff, 7]
    }

    #[test]
    fn a_phrase_is_the_same_wherever_it_stands_and_another_for_another_text_length_or_owner() {
        let text: Vec<u8> = (0..200).map(|at| b'a' + at % 23).collect();
        for len in 16..=MAX_LEN {
            let alone = Phrase::new(&text[..len], 0, len, OWNER);
            assert_eq!(alone, Phrase::new(&text, 0, len, OWNER), "{len}");
            assert_eq!(alone, Phrase::new(&text[..23 + len], 23, 23 + len, OWNER), "{len}");
            assert_ne!(alone, Phrase::new(&text, 0, len, 4 << 60), "{len}");
            assert_ne!(alone, Phrase::new(&text, 1, 1 + len, OWNER), "{len}");
            for at in 0..len {
                let mut other = text.clone();
                other[at] = 0;
                assert_ne!(alone, Phrase::new(&other, 0, len, OWNER), "{len} {at}");
            }
        }
        let zeros = [0; MAX_LEN];
        assert_ne!(Phrase::new(&zeros, 0, 16, OWNER), Phrase::new(&zeros, 0, 17, OWNER));
    }

    #[test]
    fn what_is_found_was_put_in_and_the_lines_are_bounded() {
        let mut phrases = Phrases::default();
        let phrase = |number: usize| {
            let text = format!("{number:020}");
            Phrase::new(text.as_bytes(), 0, text.len(), OWNER)
        };
        for number in 0..3 * MOST_LINES {
            assert_eq!(phrases.find(&phrase(number)), None);
            phrases.put(&phrase(number), &ids_of(number));
            assert_eq!(phrases.find(&phrase(number)), Some(ids_of(number)));
        }
        assert_eq!(phrases.lines().len(), MOST_LINES);
        let found = (0..3 * MOST_LINES).filter(|&number| {
            phrases.find(&phrase(number)).is_some_and(|ids| {
                assert_eq!(ids, ids_of(number));
                true
            })
        });
        let found = found.count();
        assert!((MOST_LINES / 2..=MOST_LINES).contains(&found), "{found}");
        phrases.clear();
        assert_eq!(phrases.find(&phrase(0)), None);
    }

    /// Twenty vocabularies, more than one cache tells apart: every other one merges nothing.
    #[test]
    fn long_pretokens_met_again_are_what_merging_gives_whosever_cache_it_is() {
        let bytes =
            || Definition { tokens: (0..=255).map(|b| (vec![b], u32::from(b))).collect(), ..Definition::default() };
        let encodings: Vec<Encoding> = (0..20)
            .map(|number| if number % 2 == 0 { Encoding::gpt2() } else { Encoding::new(bytes()).unwrap() })
            .collect();
        let letters = "antidisestablishmentarianismélectroencéphalographiquementчеловеконенавистничество";
        let texts: Vec<&str> = (0..60)
            .flat_map(|start| (start + 14..start + 50).map(move |end| start..end))
            .filter_map(|range| letters.get(range))
            .collect();
        assert!(texts.len() > 1_000);
        let (mut shared, mut alone) = (Scratch::default(), Scratch::default());
        for (number, encoding) in encodings.iter().enumerate() {
            for _ in 0..2 {
                for text in &texts {
                    let mut ids = Vec::new();
                    encoding.encode_ordinary_into(text, &mut shared, &mut ids, &|| true).unwrap();
                    let plain = encoding.merge_by(Method::Naive, text.as_bytes(), &mut alone);
                    assert_eq!(ids, plain, "{text} by vocabulary {number}");
                }
            }
        }
    }
}
