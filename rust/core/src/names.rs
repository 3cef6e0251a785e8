//! Where does a text hold one of some names? Owns the search for special and for added tokens, leftmost first and of
//! those the longest, and that whoever waits for it is asked meanwhile; knows nothing of what a name means.

use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use memchr::memmem;

use crate::bpe::Interrupted;

/// Whether to go on is asked once in so many bytes: at worst some ten milliseconds.
const WINDOW: usize = 1 << 20;

/// Names, made ready to search with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// `None` when there is nothing to find.
    automaton: Option<AhoCorasick>,
    /// Finds the name where there is but one, as in GPT-2: in half the time that the automaton takes for a short text.
    single: Option<memmem::Finder<'static>>,
    /// Bytes of the longest name.
    longest: usize,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which of the names it is.
    pub(crate) number: usize,
    /// Its first byte.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
}

impl Names {
    /// The names must not be empty.
    pub(crate) fn new<S: AsRef<str>>(names: &[S]) -> Self {
        let bytes = names.iter().map(|name| name.as_ref().as_bytes());
        let longest = bytes.clone().map(<[u8]>::len).max().unwrap_or(0);
        let single = match names {
            [name] => Some(memmem::Finder::new(name.as_ref()).into_owned()),
            _ => None,
        };
        // Fails only past 2^31 states, and the caller's list is far smaller; then nothing is found rather than a panic.
        let automaton = || AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(bytes).ok();
        Names { automaton: if longest > 0 { automaton() } else { None }, single, longest }
    }

    /// Whether there is nothing to find.
    pub(crate) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// The names in a text, one after another; none begins before the one before has ended.
    #[inline]
    pub(crate) fn find_in<'a, 't>(&'a self, text: &'t str, keep_going: &'a dyn Fn() -> bool) -> Finding<'a, 't> {
        Finding { names: self, text, at: 0, asked: 0, keep_going }
    }

    #[inline]
    fn first(&self, text: &str, range: Range<usize>) -> Option<Found> {
        if let Some(single) = &self.single {
            let start = range.start + single.find(&text.as_bytes()[range])?;
            return Some(Found { number: 0, start, end: start + self.longest });
        }
        let found = self.automaton.as_ref()?.find(Input::new(text).range(range))?;
        Some(Found { number: found.pattern().as_usize(), start: found.start(), end: found.end() })
    }
}

/// A search under way.
pub(crate) struct Finding<'a, 't> {
    names: &'a Names,
    text: &'t str,
    at: usize,
    asked: usize,
    keep_going: &'a dyn Fn() -> bool,
}

impl Finding<'_, '_> {
    /// The next name.
    ///
    /// # Errors
    /// [`Interrupted`] when `keep_going` said no.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Found>, Interrupted> {
        if self.names.is_empty() {
            return Ok(None);
        }
        loop {
            if self.at - self.asked >= WINDOW {
                self.asked = self.at;
                if !(self.keep_going)() {
                    return Err(Interrupted);
                }
            }
            let len = self.text.len();
            let to = len.min(self.at.saturating_add(WINDOW + self.names.longest));
            match self.names.first(self.text, self.at..to) {
                // One that begins later could be the start of a longer one that goes on after the window.
                Some(found) if to == len || found.start + self.names.longest <= to => {
                    self.at = found.end;
                    return Ok(Some(found));
                }
                _ if to == len => {
                    self.at = len;
                    return Ok(None);
                }
                // Whatever begins before this place would have been found.
                _ => self.at = to - self.names.longest + 1,
            }
        }
    }
}
