//! Where may a text be cut that has not all been read? The same places as [`cut_after`]'s, looked for from the end.
//!
//! [`cut_after`]: crate::pretokenize::cut_after

use crate::pretokenize::may_be_cut;
use crate::unicode::{Class, utf8};

/// The last place after byte `from` where `bytes`, the beginning of a text, may be cut so that both sides, pretokenized
/// apart, give the pretokens of the whole, whatever comes after `bytes`; 0 when there is none. What follows the first
/// byte that is not UTF-8 (or not yet) is not looked at.
///
/// ```
/// use gpt2tok_core::cuts::last_cut;
/// assert_eq!(last_cut(b"one two", 0), 3);
/// assert_eq!(last_cut(b"ab12cd", 0), 4);
/// ```
#[must_use]
pub fn last_cut(bytes: &[u8], from: usize) -> usize {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.as_bytes(),
        Err(error) => &bytes[..error.valid_up_to()],
    };
    let class_at = |at: usize| Class::of(utf8::decode(text, at).0);
    if text.is_empty() {
        return 0;
    }
    let mut at = utf8::before(text, text.len());
    let mut right = class_at(at);
    while at > from {
        let left_at = utf8::before(text, at);
        let left = class_at(left_at);
        if may_be_cut(left, right) {
            return at;
        }
        (at, right) = (left_at, left);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretokenize::{cut_after, pretokens};

    #[test]
    fn cuts_are_those_of_cut_after_and_exact() {
        let text = "Isn't  it 42? ab12'll été3中文。\u{3000}\n\n x'S!!  \u{a0}y 😀 1_000\u{85}\u{301}z  ";
        let whole: Vec<&str> = pretokens(text).collect();
        let mut cuts = 0;
        for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let cut = last_cut(&text.as_bytes()[..end], 0);
            let expected =
                (1..end).rev().find(|&from| text.is_char_boundary(from) && cut_after(&text[..end], from) == from);
            assert_eq!(cut, expected.unwrap_or(0), "{end}");
            let apart: Vec<&str> = pretokens(&text[..cut]).chain(pretokens(&text[cut..])).collect();
            assert_eq!(apart, whole);
            cuts += usize::from(cut > 0);
            // A character that is only begun changes nothing, nor does a byte that can begin none.
            for tail in [&b"\xe4\xb8"[..], b"\xff", b"\xf0\x9f\x98"] {
                assert_eq!(last_cut(&[&text.as_bytes()[..end], tail].concat(), 0), cut);
            }
            assert_eq!(last_cut(&text.as_bytes()[..end], cut), 0);
        }
        assert!(cuts > 20);
        assert_eq!(last_cut(b"", 0), 0);
        assert_eq!(last_cut(b"\xff a b", 0), 0);
    }
}
