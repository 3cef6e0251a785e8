//! How is Hugging Face's `tokenizer.json` read? Only a byte-level BPE that cuts and merges as GPT-2 does; anything that
//! would make other ids is refused by name.

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
    added_tokens: Vec<Added>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
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
    byte_fallback: bool,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    ignore_merges: bool,
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
    let file: File = serde_json::from_str(text).map_err(|error| json_error(WHAT, &error))?;
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
    let special: Vec<(String, u32)> = file.added_tokens.into_iter().map(|added| (added.content, added.id)).collect();
    let unknown = match file.model.unk_token {
        None => None,
        Some(token) => {
            let entries = vocab.iter().chain(&special);
            let id = entries.into_iter().find(|(name, _)| *name == token).map(|&(_, id)| id);
            Some(id.ok_or(VocabError::UnknownUnk { token })?)
        }
    };
    let whole_pretokens_first = file.model.ignore_merges;
    let mut definition = Definition { name, unknown, whole_pretokens_first, ..Definition::default() };
    resolve(&mut definition, &vocab, &merges, &special)?;
    definition.special = special;
    let encoding = Encoding::new(definition)?;
    if file.model.fuse_unk && encoding.unknown().is_some() {
        let (path, wanted) = ("model.fuse_unk", "false, or a vocabulary with all 256 bytes");
        return Err(VocabError::Unsupported { path, found: "true".to_owned(), wanted });
    }
    Ok(encoding)
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
    if model.byte_fallback {
        return refuse("model.byte_fallback", "true".to_owned(), "false");
    }
    if !file.normalizer.is_null() {
        return refuse("normalizer", shown(&file.normalizer), "null");
    }
    let prefix = only_pre_tokenizer(&file.pre_tokenizer).and_then(|byte_level| byte_level.get("add_prefix_space"));
    if prefix == Some(&Value::Bool(true)) {
        let wanted = "false (GPT2TokenizerFast(tokenizer_file=...) takes such a file and adds the space)";
        return refuse("pre_tokenizer.add_prefix_space", "true".to_owned(), wanted);
    }
    match only_pre_tokenizer(&file.pre_tokenizer) {
        Some(byte_level) if byte_level.get("use_regex") != Some(&Value::Bool(false)) => Ok(()),
        _ => refuse("pre_tokenizer", shown(&file.pre_tokenizer), "ByteLevel with use_regex"),
    }
}

/// The pre-tokenizer if it is ByteLevel, alone or as the only one of a sequence.
fn only_pre_tokenizer(value: &Value) -> Option<&Value> {
    match value.get("type")?.as_str()? {
        "ByteLevel" => Some(value),
        "Sequence" => match &value.get("pretokenizers")?.as_array()?[..] {
            [only] => only_pre_tokenizer(only),
            _ => None,
        },
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    let kind = value.get("type").and_then(Value::as_str);
    kind.map_or_else(|| value.to_string().chars().take(80).collect(), |kind| format!("of type {kind:?}"))
}
