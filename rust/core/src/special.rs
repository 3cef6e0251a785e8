//! Where does a text hold special tokens, and may it? Owns tiktoken's rules; knows nothing of merging.
//!
//! A special token is found only if the caller allows it. If it stands in the text without being allowed, that is an
//! error, unless the caller no longer disallows it: then it is text like any other. Overlapping names: the leftmost
//! match counts, and of those the longest.

use std::borrow::Cow;

use crate::bpe::{Interrupted, TokenId};
use crate::encoding::EncodeError;
use crate::names::{Finding, Names};

/// The special tokens of a vocabulary.
#[derive(Debug, Default)]
pub struct SpecialTokens {
    tokens: Vec<(String, TokenId)>,
    all: Matcher,
}

/// Stands for the id of text that is disallowed without being a special token.
const NOT_SPECIAL: TokenId = TokenId::MAX;

/// Which special tokens a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Every special token of the vocabulary (when disallowing: every one that is not allowed).
    All,
    /// Those named. Allowed names must be special tokens of the vocabulary; any text may be disallowed.
    Only(Vec<String>),
}

/// Why a rule or a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecialError {
    /// A name was allowed that is no special token.
    #[error(
        "{token:?} is not a special token of this encoding (it has {known}); allow only those, or load a vocabulary that has it"
    )]
    Unknown {
        /// The name.
        token: String,
        /// The names there are.
        known: String,
    },
    /// An empty name was disallowed.
    #[error("an empty string cannot be disallowed as a special token; remove it")]
    Empty,
    /// The text holds a special token that was not allowed.
    #[error(
        "the text holds the special token {token:?} at character {character} (byte {byte}); pass allowed_special={{{token:?}}} to encode it as \
         one token, or disallowed_special=() to encode it as ordinary text"
    )]
    Disallowed {
        /// The name found.
        token: String,
        /// Where it begins, in characters.
        character: usize,
        /// The same in bytes of UTF-8.
        byte: usize,
    },
    /// The text holds what the caller disallowed by name, though it is no special token.
    #[error(
        "the text holds {token:?} at character {character} (byte {byte}), which disallowed_special names; leave it out \
         of disallowed_special to encode it as ordinary text"
    )]
    Unwanted {
        /// The name found.
        token: String,
        /// Where it begins, in characters.
        character: usize,
        /// The same in bytes of UTF-8.
        byte: usize,
    },
}

/// A choice of allowed and disallowed special tokens, made ready to search with.
#[derive(Debug)]
pub struct Policy<'s> {
    allowed: Cow<'s, Matcher>,
    disallowed: Cow<'s, Matcher>,
}

/// A stretch of text as a [`Policy`] cuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// Text to be encoded as such; never empty.
    Ordinary(&'t str),
    /// The text and the id of a special token.
    Special(&'t str, TokenId),
}

#[derive(Clone, Debug, Default)]
struct Matcher {
    search: Names,
    ids: Vec<TokenId>,
    names: Vec<String>,
}

impl Matcher {
    fn new(tokens: Vec<(String, TokenId)>) -> Self {
        let (names, ids): (Vec<_>, Vec<_>) = tokens.into_iter().unzip();
        Matcher { search: Names::new(&names), ids, names }
    }
}

impl SpecialTokens {
    /// Tokens and their ids, checked before: names differ and are not empty.
    pub(crate) fn of_names(mut tokens: Vec<(String, TokenId)>) -> Self {
        tokens.sort_by_key(|&(_, id)| id);
        SpecialTokens { all: Matcher::new(tokens.clone()), tokens }
    }

    /// Names and ids, by id.
    #[must_use]
    pub fn tokens(&self) -> &[(String, TokenId)] {
        &self.tokens
    }

    /// The id of a special token.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<TokenId> {
        self.tokens.iter().find(|(token, _)| token == name).map(|&(_, id)| id)
    }

    /// Nothing is special: what `encode_ordinary` does.
    #[must_use]
    pub fn ignored(&self) -> Policy<'_> {
        Policy { allowed: Cow::Owned(Matcher::default()), disallowed: Cow::Owned(Matcher::default()) }
    }

    /// Makes a rule ready to search with.
    ///
    /// # Errors
    /// [`SpecialError::Unknown`] if a name is allowed that is no special token here, [`SpecialError::Empty`].
    pub fn policy(&self, allowed: &Choice, disallowed: &Choice) -> Result<Policy<'_>, SpecialError> {
        if matches!((allowed, disallowed), (Choice::Only(names), Choice::All) if names.is_empty()) {
            // The usual call, worth not building anything for.
            return Ok(Policy { allowed: Cow::Owned(Matcher::default()), disallowed: Cow::Borrowed(&self.all) });
        }
        let is_allowed = |name: &str| match allowed {
            Choice::All => true,
            Choice::Only(names) => names.iter().any(|allowed| allowed == name),
        };
        if let Choice::Only(names) = allowed
            && let Some(token) = names.iter().find(|name| self.id(name).is_none())
        {
            let known = self.tokens.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(SpecialError::Unknown { token: token.clone(), known });
        }
        let kept = |want: bool| -> Cow<'_, Matcher> {
            let chosen: Vec<_> = self.tokens.iter().filter(|(name, _)| is_allowed(name) == want).cloned().collect();
            if chosen.len() == self.tokens.len() { Cow::Borrowed(&self.all) } else { Cow::Owned(Matcher::new(chosen)) }
        };
        let disallowed = match disallowed {
            Choice::All => kept(false),
            Choice::Only(names) if names.iter().any(String::is_empty) => {
                return Err(SpecialError::Empty);
            }
            Choice::Only(names) => {
                let id = |name: &String| self.id(name).unwrap_or(NOT_SPECIAL);
                Cow::Owned(Matcher::new(names.iter().map(|name| (name.clone(), id(name))).collect()))
            }
        };
        Ok(Policy { allowed: kept(true), disallowed })
    }
}

impl Policy<'_> {
    /// Refuses a text that holds a disallowed special token.
    ///
    /// # Errors
    /// [`SpecialError::Disallowed`] or [`SpecialError::Unwanted`], naming the first one; [`EncodeError::Interrupted`]
    /// when `keep_going` said no.
    #[inline]
    pub fn check(&self, text: &str, keep_going: &dyn Fn() -> bool) -> Result<(), EncodeError> {
        match self.disallowed.search.find_in(text, keep_going).next()? {
            None => Ok(()),
            Some(found) => Err(self.refusal(text, found.number, found.start).into()),
        }
    }

    #[cold]
    fn refusal(&self, text: &str, number: usize, byte: usize) -> SpecialError {
        let token = self.disallowed.names[number].clone();
        let character = text[..byte].chars().count();
        if self.disallowed.ids[number] == NOT_SPECIAL {
            SpecialError::Unwanted { token, character, byte }
        } else {
            SpecialError::Disallowed { token, character, byte }
        }
    }

    /// Whether any special token could be found at all.
    pub(crate) fn allows_none(&self) -> bool {
        self.allowed.search.is_empty()
    }

    /// Cuts the text into ordinary stretches and allowed special tokens, in order.
    pub fn parts<'a, 't>(&'a self, text: &'t str, keep_going: &'a dyn Fn() -> bool) -> Parts<'a, 't> {
        let finding = self.allowed.search.find_in(text, keep_going);
        Parts { finding, text, ids: &self.allowed.ids, at: 0, pending: None, ended: false }
    }
}

/// What [`Policy::parts`] gives; after the first [`Interrupted`], nothing more.
pub struct Parts<'a, 't> {
    finding: Finding<'a, 't>,
    text: &'t str,
    ids: &'a [TokenId],
    at: usize,
    pending: Option<Part<'t>>,
    ended: bool,
}

impl<'t> Iterator for Parts<'_, 't> {
    type Item = Result<Part<'t>, Interrupted>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(special) = self.pending.take() {
            return Some(Ok(special));
        }
        if self.ended {
            return None;
        }
        let found = match self.finding.next() {
            Ok(found) => found,
            Err(stop) => {
                self.ended = true;
                return Some(Err(stop));
            }
        };
        let (start, end) = found.map_or((self.text.len(), self.text.len()), |found| (found.start, found.end));
        let ordinary = &self.text[self.at..start];
        self.at = end;
        match found {
            None => self.ended = true,
            Some(found) => {
                let special = Part::Special(&self.text[start..end], self.ids[found.number]);
                if ordinary.is_empty() {
                    return Some(Ok(special));
                }
                self.pending = Some(special);
            }
        }
        (!ordinary.is_empty()).then_some(Ok(Part::Ordinary(ordinary)))
    }
}
