//! Where may a stream be cut? Takes the bytes of one text block by block and gives back text that is counted by itself.

use super::TrainError;
use super::counting::{BATCH, Cut};
use crate::pretokenize::cut_after;

/// One text that comes in blocks, as a file is read.
#[derive(Debug)]
pub struct Stream {
    cut: Cut,
    /// Whether bytes that are not UTF-8 become U+FFFD.
    replace: bool,
    bytes: Vec<u8>,
    /// `bytes[..searched]` has no place to cut at.
    searched: usize,
    /// Where `bytes` begins in the text.
    offset: u64,
}

impl Stream {
    /// The beginning of a text.
    #[must_use]
    pub fn new(cut: Cut, replace: bool) -> Self {
        Stream { cut, replace, bytes: Vec::new(), searched: 0, offset: 0 }
    }

    /// Takes the next block, of any size; gives the text up to the last place where it may be cut (maybe none).
    ///
    /// # Errors
    /// [`TrainError::NotUtf8`], with the offset in the whole text.
    pub fn push(&mut self, block: &[u8]) -> Result<String, TrainError> {
        self.bytes.extend_from_slice(block);
        let valid = self.valid()?;
        let Ok(text) = std::str::from_utf8(&self.bytes[..valid]) else { return Ok(String::new()) };
        let cut = match self.cut {
            Cut::AfterLines => {
                memchr::memrchr(b'\n', &text.as_bytes()[self.searched..]).map(|at| self.searched + at + 1)
            }
            Cut::Nowhere => last_cut(text, self.searched),
        };
        // The last character may be one side of a place to cut at.
        self.searched = boundary_before(text, text.len().saturating_sub(1));
        Ok(cut.map_or_else(String::new, |cut| self.take(cut)))
    }

    /// Ends the text: what is left of it.
    ///
    /// # Errors
    /// [`TrainError::NotUtf8`], if the text ends within a character.
    pub fn finish(mut self) -> Result<String, TrainError> {
        let valid = self.valid()?;
        if valid < self.bytes.len() {
            if !self.replace {
                return Err(self.invalid(valid));
            }
            self.bytes.truncate(valid);
            self.bytes.extend_from_slice("\u{fffd}".as_bytes());
        }
        let all = self.bytes.len();
        Ok(self.take(all))
    }

    /// How much is UTF-8: all of it, but for a character that has only begun.
    fn valid(&mut self) -> Result<usize, TrainError> {
        // What was looked at before is valid.
        let from = self.searched;
        match std::str::from_utf8(&self.bytes[from..]) {
            Ok(_) => Ok(self.bytes.len()),
            Err(error) if error.error_len().is_none() => Ok(from + error.valid_up_to()),
            Err(error) if !self.replace => Err(self.invalid(from + error.valid_up_to())),
            Err(_) => {
                let tail = begun(&self.bytes[from..]);
                let whole = self.bytes.len() - tail;
                let mended = String::from_utf8_lossy(&self.bytes[from..whole]).into_owned();
                let begun = self.bytes.split_off(whole);
                self.bytes.truncate(from);
                self.bytes.extend_from_slice(mended.as_bytes());
                let valid = self.bytes.len();
                self.bytes.extend_from_slice(&begun);
                Ok(valid)
            }
        }
    }

    fn invalid(&self, at: usize) -> TrainError {
        TrainError::NotUtf8 { byte: self.bytes[at], offset: self.offset + at as u64 }
    }

    /// Takes `end` bytes, known to be UTF-8, out of the front.
    fn take(&mut self, end: usize) -> String {
        let rest = self.bytes.split_off(end);
        let taken = std::mem::replace(&mut self.bytes, rest);
        self.offset += end as u64;
        self.searched = self.searched.saturating_sub(end);
        String::from_utf8(taken).unwrap_or_default()
    }
}

/// How many bytes at the end may be the beginning of a character.
fn begun(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - back..];
        if tail[0] & 0xc0 != 0x80 {
            let unfinished = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
            return if unfinished { back } else { 0 };
        }
    }
    0
}

/// The last exact cut after `from`, or nearly the last: looks back in growing windows.
fn last_cut(text: &str, from: usize) -> Option<usize> {
    let mut window = 256;
    let mut end = text.len();
    while end > from {
        let start = boundary_before(text, end.saturating_sub(window).max(from));
        let mut found = None;
        let mut at = start;
        loop {
            let cut = cut_after(&text[..end], at + 1);
            if cut >= end {
                break;
            }
            found = Some(cut);
            at = cut;
        }
        if found.is_some() {
            return found;
        }
        end = match start {
            start if start <= from => return None,
            // A cut needs the character on either side.
            start => start + text[start..].chars().next().map_or(1, char::len_utf8),
        };
        window *= 8;
    }
    None
}

/// `at`, or the beginning of the character that it is within.
fn boundary_before(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A text in parts of about a batch that are counted apart with the same result.
pub fn parts(mut text: &str, cut: Cut) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let end = match cut {
            _ if text.len() <= BATCH => text.len(),
            Cut::Nowhere => cut_after(text, BATCH),
            Cut::AfterLines => memchr::memchr(b'\n', &text.as_bytes()[BATCH..]).map_or(text.len(), |at| BATCH + at + 1),
        };
        let (part, rest) = text.split_at(end);
        text = rest;
        Some(part)
    })
}
