//! Where in the text does each token stand? Byte spans from token lengths, and characters from bytes.

use crate::bpe::TokenId;
use crate::encoding::Encoding;
use crate::unicode::utf8::begins_char;

/// A stretch of text, start included, end not.
pub type Span = (usize, usize);

impl Encoding {
    /// The byte span of each token of a text, given its ids: tokens tile the text, so their lengths say it all.
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
    let bytes = text.as_bytes();
    // `begun` characters begin before byte `at`.
    let (mut at, mut begun) = (0, 0);
    byte_spans
        .iter()
        .map(|&(start, end)| {
            begun += count_begun(bytes, at, start);
            let inside = bytes.get(start).is_some_and(|&byte| !begins_char(byte));
            let first = begun - usize::from(inside);
            begun += count_begun(bytes, start, end);
            at = end;
            (first, begun)
        })
        .collect()
}

fn count_begun(bytes: &[u8], from: usize, to: usize) -> usize {
    bytes.get(from..to).map_or(0, |stretch| stretch.iter().filter(|&&byte| begins_char(byte)).count())
}
