//! How are `vocab.json` and `merges.txt` read? Source: OpenAI's encoder.json and vocab.bpe, and what others made of them.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::{END_OF_TEXT, SpelledMerge, resolve, text_of};
use crate::bpe::TokenId;
use crate::encoding::Encoding;
use crate::vocab::{Definition, ID_LIMIT, VocabError};

/// What the two files do not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What to call the encoding.
    pub name: String,
    /// Special tokens; `None` means `<|endoftext|>`, if the vocabulary has it.
    pub special: Option<Vec<(String, SpecialId)>>,
    /// The token that stands for bytes the vocabulary lacks.
    pub unk_token: Option<String>,
}

/// Where a special token gets its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialId {
    /// From the vocabulary, which must have it.
    InVocabulary,
    /// This one.
    Given(TokenId),
}

/// Makes an encoding from a vocabulary and its merges, as the two files spell them.
///
/// # Errors
/// [`VocabError`], naming the first mistake and its place.
pub fn from_parts(
    vocab: &[(String, TokenId)],
    merges: &[SpelledMerge],
    options: Options,
) -> Result<Encoding, VocabError> {
    let id = |name: &str| vocab.iter().find(|(token, _)| token == name).map(|&(_, id)| id);
    let special = match options.special {
        None => id(END_OF_TEXT).map(|id| (END_OF_TEXT.to_owned(), id)).into_iter().collect(),
        Some(special) => special
            .into_iter()
            .map(|(token, wanted)| match wanted {
                SpecialId::Given(id) => Ok((token, id)),
                SpecialId::InVocabulary => {
                    id(&token).map(|id| (token.clone(), id)).ok_or(VocabError::UnknownSpecial { token })
                }
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    let unknown = match options.unk_token {
        None => None,
        Some(token) => {
            let given = special.iter().find(|(name, _)| *name == token).map(|&(_, id)| id);
            Some(given.or_else(|| id(&token)).ok_or(VocabError::UnknownUnk { token })?)
        }
    };
    let mut definition = Definition { name: options.name, unknown, ..Definition::default() };
    resolve(&mut definition, vocab, merges, &special)?;
    definition.special = special;
    Encoding::new(definition)
}

/// Reads `vocab.json`: one object, token to id. A byte order mark is skipped.
///
/// # Errors
/// [`VocabError::NotUtf8`], [`VocabError::Json`], [`VocabError::DuplicateToken`], [`VocabError::IdOutOfRange`].
pub fn parse_vocab(bytes: &[u8]) -> Result<Vec<(String, TokenId)>, VocabError> {
    const WHAT: &str = "vocab.json";
    let text = text_of(WHAT, bytes)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let entries = (&mut json).deserialize_map(Entries).and_then(|entries| json.end().map(|()| entries));
    entries.map_err(|error| json_error(WHAT, &error))?.into_iter().map(checked_id).collect()
}

pub(super) fn json_error(what: &'static str, error: &serde_json::Error) -> VocabError {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    VocabError::Json { what, line: error.line(), column: error.column(), message }
}

pub(super) fn checked_id((token, id): (String, i128)) -> Result<(String, TokenId), VocabError> {
    match TokenId::try_from(id) {
        Ok(small) => Ok((token, small)),
        Err(_) => Err(VocabError::IdOutOfRange { token, id: id.to_string() }),
    }
}

/// A whole number of any size, to be judged by [`checked_id`].
struct WrittenId(i128);

impl<'de> Deserialize<'de> for WrittenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor).map(WrittenId)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = i128;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the id of a token, a whole number")
    }

    fn visit_i64<E>(self, id: i64) -> Result<i128, E> {
        Ok(id.into())
    }

    fn visit_u64<E>(self, id: u64) -> Result<i128, E> {
        Ok(id.into())
    }
}

/// Keeps every entry of an object, repeated keys too: they are a mistake to be named, not dropped.
pub(super) struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, i128)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object from token to id")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            match map.next_value() {
                Ok(WrittenId(id)) => entries.push((key, id)),
                // Its place is added by the parser.
                Err(error) => {
                    let message = error.to_string();
                    let message = message.split(" at line ").next().unwrap_or_default();
                    return Err(A::Error::custom(format_args!("token {key:?}: {message}")));
                }
            }
        }
        Ok(entries)
    }
}

/// The id of each token, when no token and no id stands twice.
///
/// # Errors
/// [`VocabError::DuplicateToken`], [`VocabError::DuplicateId`], [`VocabError::IdOutOfRange`].
pub fn check_entries(vocab: &[(String, TokenId)]) -> Result<FxHashMap<&str, TokenId>, VocabError> {
    let mut ids: FxHashMap<&str, TokenId> = FxHashMap::default();
    let mut spellings: FxHashMap<TokenId, &str> = FxHashMap::default();
    for (token, id) in vocab {
        if *id >= ID_LIMIT {
            return Err(VocabError::IdOutOfRange { token: token.clone(), id: id.to_string() });
        }
        if let Some(first) = ids.insert(token, *id) {
            return Err(VocabError::DuplicateToken { token: token.clone(), first, second: *id });
        }
        if let Some(first) = spellings.insert(*id, token) {
            return Err(VocabError::DuplicateId { id: *id, first: first.to_owned(), second: token.clone() });
        }
    }
    Ok(ids)
}

/// Reads `merges.txt`: a merge a line, lowest rank first. A byte order mark, CRLF, a missing last newline and empty
/// lines at the end are fine; a first line that begins with `#version:` (or with
/// `#version` and is no merge) is the header, and any later one is a merge.
///
/// # Errors
/// [`VocabError::NotUtf8`], [`VocabError::MergeSyntax`].
pub fn parse_merges(bytes: &[u8]) -> Result<Vec<SpelledMerge>, VocabError> {
    let text = text_of("merges.txt", bytes)?;
    let body = text.trim_end_matches(['\n', '\r']);
    let mut merges = Vec::with_capacity(body.len() / 8);
    if body.is_empty() {
        return Ok(merges);
    }
    for (place, line) in body.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // A trained vocabulary may begin with the merge of "#version" and something: that is two tokens and no colon.
        let is_header = line.starts_with("#version:") || (line.starts_with("#version") && spelled(1, line).is_err());
        if place == 0 && is_header {
            continue;
        }
        merges.push(spelled(place + 1, line)?);
    }
    Ok(merges)
}

pub(super) fn spelled(line: usize, text: &str) -> Result<SpelledMerge, VocabError> {
    match text.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok(SpelledMerge { line, left: left.to_owned(), right: right.to_owned() })
        }
        _ => Err(VocabError::MergeSyntax { line, text: text.chars().take(80).collect() }),
    }
}
