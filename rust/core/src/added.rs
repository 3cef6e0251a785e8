//! Where does a text hold added tokens, by Hugging Face's rules? Owns their matching and the encoding around them.
//!
//! An added token is found wherever it stands, unlike a special token of [`crate::special`]. Its flags say whether it
//! must stand alone as a word and whether it takes the white space beside it. Tokens that are not `normalized` are
//! looked for first, the others in what is left: GPT-2 normalizes nothing, but the order decides which of two wins.

use std::ops::Range;

use crate::bpe::{Interrupted, Scratch, TokenId};
use crate::encoding::Encoding;
use crate::names::Names;
use crate::offsets::{CharCounter, Span};
use crate::pretokenize::pretokens;

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
    names: Names,
    tokens: Vec<AddedToken>,
}

/// A stretch of text: an added token's, or (`None`) ordinary.
type Stretch = (Option<TokenId>, usize, usize);

type Done = Result<(), Interrupted>;

/// What becomes of each stretch.
trait Take: FnMut(Stretch) -> Done {}
impl<F: FnMut(Stretch) -> Done> Take for F {}

impl AddedTokens {
    /// Tokens with an empty text are never found.
    #[must_use]
    pub fn new(tokens: Vec<AddedToken>) -> Self {
        let len = tokens.len();
        let group = |tokens: Vec<AddedToken>| {
            let names: Vec<&str> = tokens.iter().map(|token| token.content.as_str()).collect();
            Group { names: Names::new(&names), tokens }
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

    /// Gives the stretches of a text to `take`, in order.
    fn cut(&self, text: &str, style: Style, keep_going: &dyn Fn() -> bool, mut take: impl Take) -> Done {
        self.raw.cut(text, 0..text.len(), style, keep_going, &mut |stretch| match stretch {
            (None, start, end) => self.normalized.cut(text, start..end, style, keep_going, &mut take),
            found => take(found),
        })
    }
}

impl Group {
    fn cut(
        &self,
        text: &str,
        range: Range<usize>,
        style: Style,
        keep_going: &dyn Fn() -> bool,
        take: &mut impl Take,
    ) -> Done {
        let (from, part) = (range.start, &text[range]);
        let mut finding = self.names.find_in(part, keep_going);
        let mut at = 0;
        // White space that is known to go from one place to another: a run of it is walked through once, however many
        // tokens stand in it.
        let mut space = 0..0;
        while let Some(found) = finding.next()? {
            let token = &self.tokens[found.number];
            let (mut start, mut end) = (found.start, found.end);
            let split = token.special && style.split_special_tokens;
            let inside_word = token.single_word && touches_word(part, start, end);
            if split || inside_word {
                continue;
            }
            if token.lstrip {
                start = if at < start { space_before(part, at, start, keep_going)? } else { at };
            }
            if token.rstrip {
                if !(space.start <= end && end <= space.end) {
                    space = end..space_after(part, end, keep_going)?;
                }
                end = space.end;
            }
            // A token may begin in white space that the token before took with it (and stretches then overlap), as
            // tokenizers has it; what it must not be is empty.
            if start >= end {
                continue;
            }
            if at < start {
                take((None, from + at, from + start))?;
            }
            take((Some(token.id), from + start, from + end))?;
            at = end;
        }
        if at < part.len() { take((None, from + at, from + part.len())) } else { Ok(()) }
    }
}

/// White space is walked through in blocks of so many bytes.
const BLOCK: usize = 1 << 20;

/// Where the white space begins that ends at `to`, if not before `from`.
fn space_before(text: &str, from: usize, mut to: usize, keep_going: &dyn Fn() -> bool) -> Result<usize, Interrupted> {
    loop {
        let mut start = from.max(to.saturating_sub(BLOCK));
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        to = start + text[start..to].trim_end().len();
        if to > start || start == from {
            return Ok(to);
        }
        ask(keep_going)?;
    }
}

/// Where the white space ends that begins at `from`.
fn space_after(text: &str, mut from: usize, keep_going: &dyn Fn() -> bool) -> Result<usize, Interrupted> {
    loop {
        let mut end = text.len().min(from + BLOCK);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        from = end - text[from..end].trim_start().len();
        if from < end || end == text.len() {
            return Ok(from);
        }
        ask(keep_going)?;
    }
}

fn ask(keep_going: &dyn Fn() -> bool) -> Done {
    if keep_going() { Ok(()) } else { Err(Interrupted) }
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
        added.cut(text, style, keep_going, |(id, start, end)| match id {
            Some(id) => {
                ids.push(id);
                scratch.worked(end - start, keep_going)
            }
            None => {
                let part = prefix(&text[start..end], style, &mut prefixed);
                self.encode_ordinary_into(part, scratch, &mut ids, keep_going)
            }
        })?;
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
        // Stretches follow each other, except where one begins in white space that the one before took.
        let (mut starts, mut ends) = (CharsBefore::new(text), CharsBefore::new(text));
        added.cut(text, style, keep_going, |(id, start, end)| {
            if start == ends.at {
                starts = ends;
            }
            let chars_before = starts.place(start);
            let chars_after = ends.place(end);
            if let Some(id) = id {
                located.ids.push(id);
                located.offsets.push((chars_before, chars_after));
                located.pretokens.push(pretoken_number);
                pretoken_number += 1;
                return scratch.worked(end - start, keep_going);
            }
            let part = prefix(&text[start..end], style, &mut prefixed);
            let prefix_len = part.len() - (end - start);
            let (ascii, mut chars, mut at) = (part.is_ascii(), CharCounter::new(part), 0);
            for pretoken in pretokens(part) {
                let first = located.ids.len();
                self.encode_ordinary_into(pretoken, scratch, &mut located.ids, keep_going)?;
                located.pretokens.resize(located.ids.len(), pretoken_number);
                pretoken_number += 1;
                for some in located.ids[first..].chunks(BLOCK) {
                    if some.len() == BLOCK {
                        ask(keep_going)?;
                    }
                    located.offsets.extend(some.iter().map(|&id| {
                        let bytes = (at, at + self.text_len(id));
                        at = bytes.1;
                        let (start, end) = if ascii { bytes } else { chars.span(bytes) };
                        // A prefix space stands for the first character of the text: it begins and ends no later than that.
                        let (start, end) = (start.saturating_sub(prefix_len), end.saturating_sub(prefix_len).max(1));
                        (chars_before + start, chars_before + end)
                    }));
                }
            }
            Ok(())
        })?;
        Ok(located)
    }
}

/// How many characters begin before a byte; quick for places near the last one that was asked for.
#[derive(Clone, Copy)]
struct CharsBefore<'t> {
    text: &'t str,
    at: usize,
    chars: usize,
}

impl<'t> CharsBefore<'t> {
    fn new(text: &'t str) -> Self {
        CharsBefore { text, at: 0, chars: 0 }
    }

    fn place(&mut self, at: usize) -> usize {
        let between = self.text[self.at.min(at)..self.at.max(at)].chars().count();
        self.chars = if at < self.at { self.chars - between } else { self.chars + between };
        self.at = at;
        self.chars
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
