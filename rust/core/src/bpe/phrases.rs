//! Which ids did a pretoken of more than 15 bytes become last time? A bounded cache of one thread, a cache line or two an
//! entry.
//!
//! Such pretokens are few, but a text that has one mostly has it again, and merging it takes as long as finding fifty
//! short ones. An entry holds up to 46 bytes of text, or 110 (rulers between a program's parts), compared whole, and up to
//! 7 ids. It lies in one of two neighbouring lines; what finds both taken puts the older one out. A cache begins with 256
//! entries, doubles when five of eight are taken, and stops at 1 MiB, of the longer ones at 256 KiB.

use super::cache::Ids;
use super::keys::fold;
use crate::pages::hand_out;

/// Of 46 bytes at most.
pub(super) type Short = Phrases<6>;

/// Of 110 bytes at most.
pub(super) type Long = Phrases<14>;

const FIRST_LINES: usize = 1 << 8;

/// Text of 16 bytes and more as little-endian integers. The last byte holds the length and the one before it says whose
/// it is, so a phrase of zeros is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phrase<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Phrase<WORDS> {
    /// `text[start..end]`, which is at most [`Phrases::MAX_LEN`] bytes long; `owner` as a key has it, a half byte at the
    /// top.
    #[inline]
    pub(super) fn new(text: &[u8], start: usize, end: usize, owner: u64) -> Self {
        let len = end - start;
        let mut words = [0; WORDS];
        let rest = &text[start..];
        // More than the phrase is read where there is more, and cut off.
        let (whole, last) = rest[..rest.len().min(8 * WORDS)].as_chunks::<8>();
        for ((word, bytes), at) in words.iter_mut().zip(whole).zip((0..).step_by(8)) {
            *word = u64::from_le_bytes(*bytes) & first_bytes(len.saturating_sub(at));
        }
        if len > 8 * whole.len() {
            let mut bytes = [0; 8];
            let more = len - 8 * whole.len();
            bytes[..more].copy_from_slice(&last[..more]);
            words[whole.len()] = u64::from_le_bytes(bytes);
        }
        words[WORDS - 1] |= (len as u64) << 56 | owner >> 60 << 48;
        Phrase(words)
    }

    #[inline]
    fn hash(&self) -> u64 {
        let (pairs, _) = self.0.as_chunks::<2>();
        let mixed = pairs.iter().zip(0..).map(|(&[a, b], at)| fold(a, b).rotate_left(at));
        let mixed = mixed.fold(0, |all, word| all ^ word);
        fold(mixed, self.0[WORDS - 1])
    }
}

/// The bits of the first bytes of a word.
#[inline]
fn first_bytes(count: usize) -> u64 {
    if count >= 8 { u64::MAX } else { (1 << (8 * count)) - 1 }
}

/// An entry.
#[derive(Clone, Copy, Debug)]
struct Line<const WORDS: usize> {
    phrase: Phrase<WORDS>,
    ids: [u64; 2],
}

impl<const WORDS: usize> Line<WORDS> {
    const EMPTY: Self = Line { phrase: Phrase([0; WORDS]), ids: [0; 2] };

    fn is_empty(&self) -> bool {
        self.phrase.0[WORDS - 1] == 0
    }
}

#[derive(Debug, Default)]
pub(super) struct Phrases<const WORDS: usize> {
    lines: Vec<Line<WORDS>>,
    /// Lines that are not empty.
    count: usize,
}

impl<const WORDS: usize> Phrases<WORDS> {
    /// The longest text that a phrase holds.
    pub(super) const MAX_LEN: usize = 8 * WORDS - 2;

    const MOST_LINES: usize = if WORDS <= 6 { 1 << 14 } else { 1 << 11 };

    /// What was put in for this text, if it is there.
    #[inline]
    pub(super) fn find(&self, phrase: &Phrase<WORDS>) -> Option<Ids> {
        let home = home(phrase.hash(), self.lines.len())?;
        [home, home ^ 1].into_iter().find_map(|place| {
            let line = self.lines.get(place)?;
            (line.phrase == *phrase).then(|| unpacked(&line.ids))
        })
    }

    /// Remembers what a text became.
    pub(super) fn put(&mut self, phrase: &Phrase<WORDS>, ids: &Ids) {
        let lines = self.lines.len();
        if lines == 0 || (self.count > lines / 8 * 5 && lines < Self::MOST_LINES) {
            self.grow();
        }
        self.put_line(Line { phrase: *phrase, ids: packed(ids) });
    }

    fn put_line(&mut self, line: Line<WORDS>) {
        let lines = &mut self.lines;
        let Some(home) = home(line.phrase.hash(), lines.len()) else { return };
        let near = [home, home ^ 1].into_iter().find(|&place| lines[place].is_empty());
        self.count += usize::from(near.is_some());
        if near.is_none() {
            lines[home ^ 1] = lines[home];
        }
        lines[near.unwrap_or(home)] = line;
    }

    #[cold]
    fn grow(&mut self) {
        let lines = (2 * self.lines.len()).max(FIRST_LINES);
        let old = std::mem::replace(&mut self.lines, vec![Line::EMPTY; lines]);
        hand_out(&mut self.lines);
        self.count = 0;
        for line in old.into_iter().filter(|line| !line.is_empty()) {
            self.put_line(line);
        }
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
        of_any_length::<6>();
        of_any_length::<14>();
    }

    fn of_any_length<const WORDS: usize>() {
        let text: Vec<u8> = (0..300).map(|at| b'a' + (at % 23) as u8).collect();
        for len in 16..=Phrases::<WORDS>::MAX_LEN {
            let alone = Phrase::<WORDS>::new(&text[..len], 0, len, OWNER);
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
        let zeros = [0; 46];
        assert_ne!(Phrase::<WORDS>::new(&zeros, 0, 16, OWNER), Phrase::new(&zeros, 0, 17, OWNER));
    }

    #[test]
    fn what_is_found_was_put_in_and_the_lines_are_bounded() {
        const MOST_LINES: usize = Short::MOST_LINES;
        let mut phrases = Short::default();
        let phrase = |number: usize| {
            let text = format!("{number:020}");
            Phrase::new(text.as_bytes(), 0, text.len(), OWNER)
        };
        for number in 0..3 * MOST_LINES {
            assert_eq!(phrases.find(&phrase(number)), None);
            phrases.put(&phrase(number), &ids_of(number));
            assert_eq!(phrases.find(&phrase(number)), Some(ids_of(number)));
        }
        assert_eq!(phrases.lines.len(), MOST_LINES);
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
            .flat_map(|start| (start + 14..start + 120).map(move |end| start..end))
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
