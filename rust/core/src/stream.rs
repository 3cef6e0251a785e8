//! How are ids shown as text while they arrive? Holds back the bytes of an unfinished character, and nothing else.

/// Turns bytes that arrive in pieces into text: whole characters only, invalid bytes as U+FFFD.
///
/// Joined, everything [`push`](Utf8Stream::push) and [`finish`](Utf8Stream::finish) return equals
/// [`String::from_utf8_lossy`] over all the bytes, wherever they were cut.
///
/// ```
/// let mut stream = gpt2tok_core::stream::Utf8Stream::default();
/// assert_eq!(stream.push(b"caf\xc3"), "caf");
/// assert_eq!(stream.push(b"\xa9"), "é");
/// assert_eq!(stream.finish(), "");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    /// At most three bytes: the valid beginning of a character.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Takes bytes, gives the characters that are now whole.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let kept = unfinished(&self.pending);
        let whole = self.pending.len() - kept;
        let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
        self.pending.drain(..whole);
        text
    }

    /// Ends the text: U+FFFD if it stops inside a character, else nothing. The stream can be used again.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// How many bytes at the end are the beginning of a character that may still become whole.
fn unfinished(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(3);
    (1..=longest)
        .find(|&len| {
            let tail = &bytes[bytes.len() - len..];
            matches!(std::str::from_utf8(tail), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}
