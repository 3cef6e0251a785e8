//! How is Hugging Face's `tokenizer.json` read? Only a byte-level BPE that cuts and merges as GPT-2 does; anything that
//! would make other ids is refused by name.

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::Value;

use super::files::{Entries, checked_id, json_error, spelled};
use super::{SpelledMerge, resolve, text_of};
use crate::encoding::Encoding;
use crate::vocab::{Definition, VocabError};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    /// Without a normalizer it makes no difference.
    #[serde(default, rename = "normalized")]
    _normalized: bool,
    #[serde(default, rename = "special")]
    _special: bool,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    vocab: Vocab,
    merges: Vec<Merge>,
}

struct Vocab(Vec<(String, i128)>);

impl<'de> Deserialize<'de> for Vocab {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries).map(Vocab)
    }
}

/// Written as `"a b"` until tokenizers 0.20, as `["a", "b"]` since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

/// Makes an encoding from a `tokenizer.json`. Every added token becomes a special token of the encoding.
///
/// # Errors
/// [`VocabError::Unsupported`] for a tokenizer that is not GPT-2's kind, else the mistake and its place.
pub fn from_tokenizer_json(bytes: &[u8], name: String) -> Result<Encoding, VocabError> {
    const WHAT: &str = "tokenizer.json";
    let text = text_of(WHAT, bytes)?;
    let file: File =
        serde_json::from_str(text).map_err(|error| another_kind(text).unwrap_or_else(|| json_error(WHAT, &error)))?;
    check_kind(&file)?;
    let vocab: Vec<(String, u32)> = file.model.vocab.0.into_iter().map(checked_id).collect::<Result<_, _>>()?;
    let merges: Vec<SpelledMerge> = file
        .model
        .merges
        .into_iter()
        .enumerate()
        .map(|(place, merge)| match merge {
            Merge::Line(line) => spelled(place + 1, &line),
            Merge::Pair(left, right) => Ok(SpelledMerge { line: place + 1, left, right }),
        })
        .collect::<Result<_, _>>()?;
    let special: Vec<(String, u32)> = file.added_tokens.iter().map(|added| (added.content.clone(), added.id)).collect();
    let unknown = match file.model.unk_token {
        None => None,
        Some(token) => {
            let entries = vocab.iter().chain(&special);
            let id = entries.into_iter().find(|(name, _)| *name == token).map(|&(_, id)| id);
            Some(id.ok_or(VocabError::UnknownUnk { token })?)
        }
    };
    let whole_pretokens_first = file.model.ignore_merges == Some(true);
    let mut definition = Definition { name, unknown, whole_pretokens_first, ..Definition::default() };
    resolve(&mut definition, &vocab, &merges, &special)?;
    definition.special = special;
    let encoding = Encoding::new(definition)?;
    check_added(&vocab, &file.added_tokens)?;
    if file.model.fuse_unk == Some(true) && encoding.unknown().is_some() {
        let (path, wanted) = ("model.fuse_unk", "false, or a vocabulary with all 256 bytes");
        return Err(VocabError::Unsupported { path, found: "true".to_owned(), wanted });
    }
    Ok(encoding)
}

/// What a JSON file is that is no `tokenizer.json` at all; `None` if it looks like one with a mistake in it.
fn another_kind(text: &str) -> Option<VocabError> {
    let is = |found: &str, mend| Some(VocabError::NotTokenizerJson { found: found.to_owned(), mend });
    let fields = match serde_json::from_str(text).ok()? {
        Value::Object(fields) => fields,
        Value::Array(_) => return is("it holds a list, not an object", SAVED_BY_TOKENIZERS),
        _ => return is("it holds a single value, not an object", SAVED_BY_TOKENIZERS),
    };
    match fields.get("model") {
        Some(Value::Object(model)) => match model.get("type") {
            Some(Value::String(kind)) if kind != "BPE" => {
                Some(VocabError::Unsupported { path: "model.type", found: format!("{kind:?}"), wanted: "\"BPE\"" })
            }
            _ => None,
        },
        _ if !fields.is_empty() && fields.values().all(Value::is_u64) => is(
            "it is a vocab.json",
            "load it with its merges.txt, by Encoding.from_files(vocab, merges); on the command line put it beside \
             merges.txt under the name vocab.json and give their directory",
        ),
        _ => is("it has no \"model\" object", SAVED_BY_TOKENIZERS),
    }
}

const SAVED_BY_TOKENIZERS: &str = "give the file that the tokenizers library saves";

/// The format states the ids of added tokens, but the tokenizers library counts them itself: a token of the vocabulary
/// has its id there, the others go on after the vocabulary. Where the two differ, no ids would be everybody's. Nor does
/// an encoding know the flags by which such a token takes white space along or stands alone.
fn check_added(vocab: &[(String, u32)], added: &[Added]) -> Result<(), VocabError> {
    let known: FxHashMap<&str, u32> = vocab.iter().map(|(token, id)| (token.as_str(), *id)).collect();
    let size = u32::try_from(vocab.len()).unwrap_or(u32::MAX);
    let mut largest: Option<u32> = None;
    let mut seen: FxHashMap<&str, u32> = FxHashMap::default();
    for token in added {
        let next = || largest.map_or(size, |largest| if largest >= size { largest.saturating_add(1) } else { size });
        let content = token.content.as_str();
        let given = known.get(content).or_else(|| seen.get(content)).copied().unwrap_or_else(next);
        for (flag, set) in [("lstrip", token.lstrip), ("rstrip", token.rstrip), ("single_word", token.single_word)] {
            if set {
                return Err(VocabError::AddedFlag { token: token.content.clone(), flag });
            }
        }
        if given != token.id {
            return Err(VocabError::AddedId { token: token.content.clone(), stated: token.id, given });
        }
        seen.insert(content, given);
        largest = largest.max(Some(given));
    }
    Ok(())
}

fn check_kind(file: &File) -> Result<(), VocabError> {
    let refuse = |path, found: String, wanted| Err(VocabError::Unsupported { path, found, wanted });
    let model = &file.model;
    if model.kind.as_deref().is_some_and(|kind| kind != "BPE") {
        return refuse("model.type", format!("{:?}", model.kind.as_deref().unwrap_or_default()), "\"BPE\"");
    }
    if model.dropout.is_some_and(|dropout| dropout != 0.0) {
        return refuse("model.dropout", format!("{}", model.dropout.unwrap_or_default()), "null or 0");
    }
    for (path, affix) in [
        ("model.continuing_subword_prefix", &model.continuing_subword_prefix),
        ("model.end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if let Some(affix) = affix.as_deref().filter(|affix| !affix.is_empty()) {
            return refuse(path, format!("{affix:?}"), "null or \"\"");
        }
    }
    if model.byte_fallback == Some(true) {
        return refuse("model.byte_fallback", "true".to_owned(), "false");
    }
    if !file.decoder.is_null() && only_byte_level(&file.decoder, "decoders").is_none() {
        return refuse("decoder", shown(&file.decoder), "ByteLevel or null");
    }
    if !file.normalizer.is_null() {
        return refuse("normalizer", shown(&file.normalizer), "null");
    }
    let prefix =
        only_byte_level(&file.pre_tokenizer, "pretokenizers").and_then(|byte_level| byte_level.get("add_prefix_space"));
    if prefix == Some(&Value::Bool(true)) {
        let wanted = "false (GPT2TokenizerFast(tokenizer_file=...) takes such a file and adds the space)";
        return refuse("pre_tokenizer.add_prefix_space", "true".to_owned(), wanted);
    }
    match only_byte_level(&file.pre_tokenizer, "pretokenizers") {
        Some(byte_level) if matches!(byte_level.get("use_regex"), None | Some(Value::Bool(true))) => Ok(()),
        _ => refuse("pre_tokenizer", shown(&file.pre_tokenizer), "ByteLevel with use_regex"),
    }
}

/// A pre-tokenizer or decoder if it is ByteLevel, alone or as the only one of a sequence, which lists its `parts`.
fn only_byte_level<'v>(value: &'v Value, parts: &str) -> Option<&'v Value> {
    match value.get("type")?.as_str()? {
        "ByteLevel" => Some(value),
        "Sequence" => match &value.get(parts)?.as_array()?[..] {
            [only] => only_byte_level(only, parts),
            _ => None,
        },
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    let kind = value.get("type").and_then(Value::as_str);
    kind.map_or_else(|| value.to_string().chars().take(80).collect(), |kind| format!("of type {kind:?}"))
}
