//! Where does a text hold added tokens, by Hugging Face's rules? Owns their matching and the encoding around them.
//!
//! An added token is found wherever it stands, unlike a special token of [`crate::special`]. Its flags say whether it
//! must stand alone as a word and whether it takes the white space beside it. Tokens that are not `normalized` are
//! looked for first, the others in what is left: GPT-2 normalizes nothing, but the order decides which of two wins.

use aho_corasick::AhoCorasick;

use crate::bpe::{Interrupted, Scratch, TokenId};
use crate::encoding::Encoding;
use crate::offsets::{Span, char_spans};
use crate::pretokenize::pretokens;
use crate::special::automaton;

/// An added token and how it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedToken {
    /// The text.
    pub content: String,
    /// The id.
    pub id: TokenId,
    /// Found only where no word character stands beside it.
    pub single_word: bool,
    /// Takes the white space before it.
    pub lstrip: bool,
    /// Takes the white space after it.
    pub rstrip: bool,
    /// Looked for after those that are not.
    pub normalized: bool,
    /// Left as ordinary text when special tokens are to be split.
    pub special: bool,
}

/// Added tokens, made ready to search with.
#[derive(Debug, Default)]
pub struct AddedTokens {
    raw: Group,
    normalized: Group,
    len: usize,
}

/// How to encode around added tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Put a space before every stretch of text that does not begin with one.
    pub add_prefix_space: bool,
    /// Treat special added tokens as ordinary text.
    pub split_special_tokens: bool,
}

/// Ids with the place in the text that each came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The ids.
    pub ids: Vec<TokenId>,
    /// Characters of the text, as tokenizers' ByteLevel gives them untrimmed; a prefix space adds none.
    pub offsets: Vec<Span>,
    /// Which split (pretoken or added token) each token came from.
    pub pretokens: Vec<usize>,
}

#[derive(Debug, Default)]
struct Group {
    automaton: Option<AhoCorasick>,
    tokens: Vec<AddedToken>,
}

/// A stretch of text: an added token's, or (`None`) ordinary.
type Stretch = (Option<TokenId>, usize, usize);

impl AddedTokens {
    /// Tokens with an empty text are never found.
    #[must_use]
    pub fn new(tokens: Vec<AddedToken>) -> Self {
        let len = tokens.len();
        let group = |tokens: Vec<AddedToken>| {
            let names: Vec<&str> = tokens.iter().map(|token| token.content.as_str()).collect();
            Group { automaton: automaton(&names), tokens }
        };
        let (normalized, raw) = tokens
            .into_iter()
            .filter(|token| !token.content.is_empty())
            .partition(|token: &AddedToken| token.normalized);
        AddedTokens { raw: group(raw), normalized: group(normalized), len }
    }

    /// How many tokens it was made from.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it was made from none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn stretches(&self, text: &str, style: Style) -> Vec<Stretch> {
        let mut by_raw = Vec::new();
        self.raw.cut(text, 0, text.len(), style, &mut by_raw);
        if self.normalized.automaton.is_none() {
            return by_raw;
        }
        let mut stretches = Vec::with_capacity(by_raw.len());
        for stretch in by_raw {
            match stretch {
                (None, start, end) => self.normalized.cut(text, start, end, style, &mut stretches),
                found => stretches.push(found),
            }
        }
        stretches
    }
}

impl Group {
    fn cut(&self, text: &str, from: usize, to: usize, style: Style, stretches: &mut Vec<Stretch>) {
        let part = &text[from..to];
        let mut at = 0;
        for found in self.automaton.iter().flat_map(|automaton| automaton.find_iter(part)) {
            let token = &self.tokens[found.pattern().as_usize()];
            let (mut start, mut end) = (found.start(), found.end());
            let split = token.special && style.split_special_tokens;
            let inside_word = token.single_word && touches_word(part, start, end);
            if split || inside_word {
                continue;
            }
            if token.lstrip {
                start = at.max(part[..start].trim_end().len());
            }
            if token.rstrip {
                end = part.len() - part[end..].trim_start().len();
            }
            // A token may begin in white space that the token before took with it (and stretches then overlap), as
            // tokenizers has it; what it must not be is empty.
            if start >= end {
                continue;
            }
            if at < start {
                stretches.push((None, from + at, from + start));
            }
            stretches.push((Some(token.id), from + start, from + end));
            at = end;
        }
        if at < part.len() {
            stretches.push((None, from + at, to));
        }
    }
}

fn is_word(character: char) -> bool {
    regex_syntax::try_is_word_character(character).unwrap_or(false)
}

/// Every code point of the class that `single_word` is about (regex `\w`), as inclusive ranges in ascending order.
#[must_use]
pub fn word_ranges() -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for character in ('\0'..=char::MAX).filter(|&character| is_word(character)) {
        let code_point = u32::from(character);
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == code_point => *end = code_point,
            _ => ranges.push((code_point, code_point)),
        }
    }
    ranges
}

/// Whether a word character (regex `\w`) stands right before or after.
fn touches_word(text: &str, start: usize, end: usize) -> bool {
    text[..start].chars().next_back().is_some_and(is_word) || text[end..].chars().next().is_some_and(is_word)
}

impl Encoding {
    /// The ids of `text`, added tokens found everywhere.
    ///
    /// # Errors
    /// [`Interrupted`] when `keep_going` said no.
    pub fn encode_added(
        &self,
        text: &str,
        added: &AddedTokens,
        style: Style,
        scratch: &mut Scratch,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Vec<TokenId>, Interrupted> {
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        let mut prefixed = String::new();
        for (id, start, end) in added.stretches(text, style) {
            match id {
                Some(id) => {
                    ids.push(id);
                    scratch.worked(end - start, keep_going)?;
                }
                None => {
                    let part = prefix(&text[start..end], style, &mut prefixed);
                    self.encode_ordinary_into(part, scratch, &mut ids, keep_going)?;
                }
            }
        }
        Ok(ids)
    }

    /// The ids of `text` and where each came from, added tokens found everywhere.
    ///
    /// # Errors
    /// [`Interrupted`] when `keep_going` said no.
    pub fn encode_added_located(
        &self,
        text: &str,
        added: &AddedTokens,
        style: Style,
        scratch: &mut Scratch,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Located, Interrupted> {
        let mut located = Located::default();
        let mut prefixed = String::new();
        let mut pretoken_number = 0;
        // `chars_before` characters begin before byte `at`.
        let (mut at, mut chars_before) = (0, 0);
        for (id, start, end) in added.stretches(text, style) {
            // Stretches follow each other, except where one begins in white space that the one before took.
            chars_before -= text[start.min(at)..at].chars().count();
            let chars = text[start..end].chars().count();
            if let Some(id) = id {
                located.ids.push(id);
                located.offsets.push((chars_before, chars_before + chars));
                located.pretokens.push(pretoken_number);
                pretoken_number += 1;
                scratch.worked(end - start, keep_going)?;
            } else {
                let part = prefix(&text[start..end], style, &mut prefixed);
                let prefix_len = part.len() - (end - start);
                let first = located.ids.len();
                for pretoken in pretokens(part) {
                    self.encode_ordinary_into(pretoken, scratch, &mut located.ids, keep_going)?;
                    located.pretokens.resize(located.ids.len(), pretoken_number);
                    pretoken_number += 1;
                }
                let spans = char_spans(part, &self.byte_spans(&located.ids[first..]));
                // A prefix space stands for the first character of the text: it begins and ends no later than that.
                located.offsets.extend(spans.into_iter().map(|(start, end)| {
                    let (start, end) = (start.saturating_sub(prefix_len), end.saturating_sub(prefix_len).max(1));
                    (chars_before + start, chars_before + end)
                }));
            }
            chars_before += chars;
            at = end;
        }
        Ok(located)
    }
}

fn prefix<'t>(text: &'t str, style: Style, buffer: &'t mut String) -> &'t str {
    if !style.add_prefix_space || text.starts_with(' ') {
        return text;
    }
    buffer.clear();
    buffer.push(' ');
    buffer.push_str(text);
    buffer
}
