//! Where does GPT-2's pattern cut a text? Owns the scanner; knows nothing of vocabularies.
//!
//! The pattern, read left to right, first alternative that matches:
//!
//! ```text
//! '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//!
//! Every character belongs to exactly one class (letter, number, white space, other), so the end of a pretoken follows
//! from its first one or two characters and the length of one run: no regex engine and no backtracking. The text left of
//! a pretoken never matters, which makes the cuts of [`cut_after`] exact.

mod blocks;
mod classes;
mod scan;

use crate::unicode::{Class, utf8};
pub(crate) use blocks::{Scanner, Starts};
#[cfg(target_arch = "x86_64")]
pub(crate) use classes::Avx2;
pub(crate) use classes::{Kernel, Swar};
pub(crate) use scan::end_of_pretoken;

/// The pretokens of `text`, in order. They tile it: joined together they are the text.
///
/// ```
/// use gpt2tok_core::pretokenize::pretokens;
/// let found: Vec<&str> = pretokens("Isn't  it 42?").collect();
/// assert_eq!(found, ["Isn", "'t", " ", " it", " 42", "?"]);
/// ```
pub fn pretokens(text: &str) -> Pretokens<'_> {
    Pretokens { text, at: 0 }
}

/// Ways to find pretokens, for tests and benchmarks that compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// One pretoken at a time, character by character.
    Scalar,
    /// 64 bytes at a time, by arithmetic on machine words.
    Words,
    /// 64 bytes at a time, by the vectors of this processor; as `Words` where it has none that are known.
    Vectors,
}

/// Where the pretokens of `text` begin, and last the end of the text: by one way of finding them.
///
/// ```
/// use gpt2tok_core::pretokenize::{Scan, boundaries};
/// assert_eq!(boundaries("It's 42", Scan::Vectors), [0, 2, 4, 7]);
/// ```
#[must_use]
pub fn boundaries(text: &str, scan: Scan) -> Vec<usize> {
    match scan {
        Scan::Scalar => {
            let mut at = 0;
            let starts = pretokens(text).map(|pretoken| {
                at += pretoken.len();
                at
            });
            std::iter::once(0).chain(starts).collect()
        }
        Scan::Words => boundaries_with(text, Swar),
        Scan::Vectors => {
            #[cfg(target_arch = "x86_64")]
            if let Some(avx2) = Avx2::new() {
                return boundaries_with(text, avx2);
            }
            boundaries_with(text, Swar)
        }
    }
}

fn boundaries_with(text: &str, kernel: impl Kernel) -> Vec<usize> {
    let (mut scanner, mut starts, mut found) = (Scanner::new(kernel), Starts::default(), vec![0]);
    while scanner.next_portion(text.as_bytes(), &mut starts) {
        found.extend_from_slice(&starts.boundaries()[1..]);
    }
    found
}

/// Iterator over pretokens, made by [`pretokens`].
#[derive(Clone, Debug)]
pub struct Pretokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Pretokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        self.at = end_of_pretoken(self.text.as_bytes(), start);
        Some(&self.text[start..self.at])
    }
}

/// Whether a cut between neighbours of these classes is exact; [`cut_after`] says why.
pub(crate) fn may_be_cut(left: Class, right: Class) -> bool {
    match left {
        Class::Space => false,
        Class::Letter | Class::Number => right != left,
        Class::Other => right == Class::Space,
    }
}

/// The first place at or after byte `from` where `text` may be cut so that both sides, pretokenized apart, give the
/// pretokens of the whole; the length of the text when there is none.
///
/// Two kinds of place are exact, whatever surrounds them: white space after something else (no alternative goes from a
/// non-space to a space, and a left side that ends in a non-space has no white space whose lookahead could change), and
/// a letter or number followed by a character of another class (only `'` and a space are ever joined to a run of
/// another class, and only in front of it).
///
/// ```
/// use gpt2tok_core::pretokenize::cut_after;
/// assert_eq!(cut_after("one two", 1), 3);
/// ```
#[must_use]
pub fn cut_after(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from.max(1);
    while at < bytes.len() && !utf8::begins_char(bytes[at]) {
        at += 1;
    }
    if at >= bytes.len() {
        return bytes.len();
    }
    let mut left = Class::of(utf8::decode(bytes, utf8::before(bytes, at)).0);
    while at < bytes.len() {
        let (code_point, width) = utf8::decode(bytes, at);
        let right = Class::of(code_point);
        if may_be_cut(left, right) {
            return at;
        }
        left = right;
        at += width;
    }
    bytes.len()
}
