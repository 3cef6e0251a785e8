//! Where in the text does each token stand? Byte spans from token lengths, and characters from bytes.

use crate::bpe::{Interrupted, Scratch, TokenId};
use crate::encoding::{EncodeError, Encoding};
use crate::special::{Part, Policy};
use crate::unicode::utf8::begins_char;

/// Whether to go on is asked once in this many ids.
const CHECK_EVERY: usize = 1 << 18;

/// A stretch of text, start included, end not.
pub type Span = (usize, usize);

impl Encoding {
    /// The ids of `text` and the byte span of each.
    ///
    /// # Errors
    /// As [`Encoding::encode_into`].
    pub fn encode_with_byte_spans(
        &self,
        text: &str,
        policy: &Policy<'_>,
        scratch: &mut Scratch,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(Vec<TokenId>, Vec<Span>), EncodeError> {
        policy.check(text, keep_going)?;
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        let mut spans = Vec::with_capacity(text.len() / 4 + 1);
        let mut at = 0;
        for part in policy.parts(text, keep_going) {
            let end = match part? {
                Part::Special(special, id) => {
                    ids.push(id);
                    spans.push((at, at + special.len()));
                    scratch.worked(special.len(), keep_going)?;
                    at + special.len()
                }
                Part::Ordinary(ordinary) => {
                    let first = ids.len();
                    self.encode_ordinary_into(ordinary, scratch, &mut ids, keep_going)?;
                    let mut start = at;
                    for some in ids[first..].chunks(CHECK_EVERY) {
                        if !keep_going() {
                            return Err(Interrupted.into());
                        }
                        spans.extend(some.iter().map(|&id| {
                            let end = start + self.text_len(id);
                            (std::mem::replace(&mut start, end), end)
                        }));
                    }
                    at + ordinary.len()
                }
            };
            at = end;
        }
        Ok((ids, spans))
    }

    /// The byte span of each token of a text without special tokens, given its ids: tokens tile the text, so their
    /// lengths say it all.
    #[must_use]
    pub fn byte_spans(&self, ids: &[TokenId]) -> Vec<Span> {
        let mut start = 0;
        ids.iter()
            .map(|&id| {
                let end = start + self.text_len(id);
                (std::mem::replace(&mut start, end), end)
            })
            .collect()
    }

    /// How many bytes of text this id stands for: one where it stands for a byte that the vocabulary lacks.
    pub(crate) fn text_len(&self, id: TokenId) -> usize {
        if self.unknown() == Some(id) { 1 } else { self.token_bytes(id).map_or(0, <[u8]>::len) }
    }
}

/// Turns ascending byte spans of `text` into spans in characters. A character that is split over tokens belongs to each.
#[must_use]
pub fn char_spans(text: &str, byte_spans: &[Span]) -> Vec<Span> {
    if text.is_ascii() {
        return byte_spans.to_vec();
    }
    let mut chars = CharCounter::new(text);
    byte_spans.iter().map(|&span| chars.span(span)).collect()
}

/// Turns byte spans into spans in characters one after another: [`char_spans`] for who cannot wait for all of them.
#[derive(Clone, Debug)]
pub struct CharCounter<'t> {
    bytes: &'t [u8],
    /// This many characters begin before byte `at`.
    begun: usize,
    at: usize,
}

impl<'t> CharCounter<'t> {
    /// Stands at the start of `text`.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        CharCounter { bytes: text.as_bytes(), begun: 0, at: 0 }
    }

    /// The characters of a span that does not begin before the last one's end.
    pub fn span(&mut self, (start, end): Span) -> Span {
        self.begun += count_begun(self.bytes, self.at, start);
        let inside = self.bytes.get(start).is_some_and(|&byte| !begins_char(byte));
        let first = self.begun - usize::from(inside);
        self.begun += count_begun(self.bytes, start, end);
        self.at = end;
        (first, self.begun)
    }
}

fn count_begun(bytes: &[u8], from: usize, to: usize) -> usize {
    bytes.get(from..to).map_or(0, |stretch| stretch.iter().filter(|&&byte| begins_char(byte)).count())
}
