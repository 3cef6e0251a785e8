//! Vocabularies broken in a few places, written as each format writes them: an error of the taxonomy, or exactly the
//! vocabulary that the file says. `load` mutates bytes and mostly meets the JSON parser; this mutates what they mean.
#![no_main]

use std::collections::HashMap;
use std::fmt::Write;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpt2tok_core::alphabet::spell;
use gpt2tok_core::load::{Options, from_parts, from_tiktoken, from_tokenizer_json, parse_merges, parse_vocab};
use gpt2tok_core::{Encoding, VocabError};
use gpt2tok_fuzz as plain;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    format: Format,
    /// All 256 bytes, or a few letters and a token for the rest.
    whole: bool,
    changes: Vec<Change>,
    /// A byte of the file to overwrite, or the place to cut it off at.
    damage: Option<(u16, Option<u8>)>,
    text: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Format {
    TwoFiles,
    TokenizerJson,
    Tiktoken,
}

#[derive(Arbitrary, Debug)]
enum Change {
    Token { token: u8, id: Id },
    Respell { at: u8, token: u8 },
    Renumber { at: u8, id: Id },
    Drop { at: u8 },
    Merge { left: u8, right: u8 },
    MergeText { at: u8, text: u8 },
    Unmerge { at: u8 },
    Exchange { first: u8, second: u8 },
    Field { field: u8, value: u8 },
    Added { id: Id, token: u8, flag: u8 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Id {
    Small(u8),
    Next,
    Any(i64),
    Odd(u8),
}

const ODD: [&str; 8] = ["-1", "70000", "16777216", "4294967296", "1.5", "null", "\"7\"", "99999999999999999999999"];
const TOKENS: [&str; 20] = [
    "a", "b", "c", "d", "Ġ", "ab", "bc", "abc", "aa", "aaaa", "Ġa", "Ġab", "abab", "cd", "<unk>", "<|endoftext|>", "",
    "日", "a b", "\u{fffd}",
];
const MERGE_TEXTS: [&str; 8] = ["#version: 0.2", "a  b", "", "a", " b", "a b c", "a\u{2003}b", "a b\r"];
const FIELDS: [&str; 12] = [
    "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "fuse_unk",
    "ignore_merges", "normalizer", "decoder", "pre_tokenizer", "comment",
];
const VALUES: [&str; 12] = [
    "null", "true", "false", "0.0", "0.1", "\"\"", "\"##\"", "\"BPE\"", "\"<unk>\"", "{\"type\":\"ByteLevel\"}",
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\",\"use_regex\":true}],\"decoders\":[]}",
    "[[[[[[[[]]]]]]]]",
];

fn pick<'t, T: ?Sized>(from: &[&'t T], at: u8) -> &'t T {
    from[usize::from(at) % from.len()]
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What a token stands for in a `.tiktoken` file.
fn bytes(token: &str) -> Vec<u8> {
    gpt2tok_core::alphabet::unspell(token).unwrap_or_else(|| token.as_bytes().to_vec())
}

/// A vocabulary as spelled in its files, right or wrong.
struct Files {
    vocab: Vec<(String, String)>,
    merges: Vec<String>,
    fields: Vec<(&'static str, &'static str)>,
    added: Vec<(String, String, u8)>,
}

impl Files {
    fn new(whole: bool) -> Self {
        let bytes: Vec<u8> = if whole { (0..=255).collect() } else { b"abcd ".to_vec() };
        let mut tokens: Vec<String> = bytes.iter().map(|&byte| spell(&[byte])).collect();
        tokens.extend(["ab", "abc", "Ġab", "<unk>", "<|endoftext|>"].map(str::to_owned));
        let vocab = tokens.into_iter().enumerate().map(|(id, token)| (token, id.to_string())).collect();
        let merges = ["a b", "ab c", "Ġ ab"].map(str::to_owned).to_vec();
        let fields = if whole { Vec::new() } else { vec![("unk_token", "\"<unk>\"")] };
        Files { vocab, merges, fields, added: Vec::new() }
    }

    fn id(&self, id: Id) -> String {
        match id {
            Id::Small(id) => id.to_string(),
            Id::Next => self.vocab.len().to_string(),
            Id::Any(id) => id.to_string(),
            Id::Odd(odd) => pick(&ODD, odd).to_owned(),
        }
    }

    fn change(&mut self, change: &Change) {
        // From the end: there stand the tokens that merges and rules name.
        let place = |at: u8, len: usize| len.checked_sub(1 + usize::from(at) % len.max(1));
        let (entries, rules) = (self.vocab.len(), self.merges.len());
        match *change {
            Change::Token { token, id } => self.vocab.push((pick(&TOKENS, token).to_owned(), self.id(id))),
            Change::Respell { at, token } => {
                if let Some(at) = place(at, entries) {
                    self.vocab[at].0 = pick(&TOKENS, token).to_owned();
                }
            }
            Change::Renumber { at, id } => {
                if let Some(at) = place(at, entries) {
                    self.vocab[at].1 = self.id(id);
                }
            }
            Change::Drop { at } => {
                if let Some(at) = place(at, entries) {
                    self.vocab.remove(at);
                }
            }
            Change::Merge { left, right } => {
                self.merges.push(format!("{} {}", pick(&TOKENS, left), pick(&TOKENS, right)));
            }
            Change::MergeText { at, text } => {
                let at = usize::from(at) % (rules + 1);
                self.merges.insert(at, pick(&MERGE_TEXTS, text).to_owned());
            }
            Change::Unmerge { at } => {
                if let Some(at) = place(at, rules) {
                    self.merges.remove(at);
                }
            }
            Change::Exchange { first, second } => {
                if let (Some(first), Some(second)) = (place(first, rules), place(second, rules)) {
                    self.merges.swap(first, second);
                }
            }
            Change::Field { field, value } => self.fields.push((pick(&FIELDS, field), pick(&VALUES, value))),
            Change::Added { id, token, flag } => self.added.push((self.id(id), pick(&TOKENS, token).to_owned(), flag)),
        }
    }

    fn vocab_json(&self) -> String {
        let entries: Vec<String> = self.vocab.iter().map(|(token, id)| format!("{}:{id}", quoted(token))).collect();
        format!("{{{}}}", entries.join(","))
    }

    fn tokenizer_json(&self) -> String {
        let (mut top, mut model) = (String::new(), String::new());
        let mut pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}";
        for &(field, value) in &self.fields {
            match field {
                "pre_tokenizer" => pre_tokenizer = value,
                "normalizer" | "decoder" | "comment" => write!(top, "\"{field}\":{value},").unwrap(),
                _ => write!(model, "\"{field}\":{value},").unwrap(),
            }
        }
        let flags = ["special", "lstrip", "rstrip", "single_word", "normalized", "special", "special", "special"];
        let added: Vec<String> = self
            .added
            .iter()
            .map(|(id, token, flag)| {
                format!("{{\"id\":{id},\"content\":{},\"{}\":true}}", quoted(token), pick(&flags, *flag))
            })
            .collect();
        let merges: Vec<String> = self.merges.iter().map(|merge| quoted(merge)).collect();
        let (added, vocab, merges) = (added.join(","), self.vocab_json(), merges.join(","));
        format!(
            "{{{top}\"added_tokens\":[{added}],\"pre_tokenizer\":{pre_tokenizer},\
             \"model\":{{{model}\"vocab\":{vocab},\"merges\":[{merges}]}}}}"
        )
    }

    fn tiktoken(&self) -> String {
        self.vocab.iter().map(|(token, id)| format!("{} {id}\n", STANDARD.encode(bytes(token)))).collect()
    }

    /// What a `.tiktoken` file says of a text: a pretoken that is a token is that one, the others merge by rank.
    fn encode_by_rank(&self, text: &str) -> Vec<u32> {
        let ranks: HashMap<Vec<u8>, u32> =
            self.vocab.iter().map(|(token, id)| (bytes(token), id.parse().unwrap())).collect();
        let mut found = Vec::new();
        for pretoken in plain::split(text) {
            let mut parts: Vec<Vec<u8>> = pretoken.bytes().map(|byte| vec![byte]).collect();
            if ranks.contains_key(pretoken.as_bytes()) {
                parts = vec![pretoken.as_bytes().to_vec()];
            }
            plain::merge(&mut parts, |left, right| {
                let both = [&left[..], right].concat();
                Some((*ranks.get(&both)? as usize, both))
            });
            found.extend(parts.iter().map(|part| ranks[part]));
        }
        found
    }

    /// What the two files (or the same in a tokenizer.json) say of a text, told by the spellings alone.
    fn encode(&self, text: &str) -> Vec<u32> {
        let ids: HashMap<&str, u32> =
            self.vocab.iter().map(|(token, id)| (token.as_str(), id.parse().unwrap())).collect();
        let lines = self.merges.iter().enumerate().filter(|(place, line)| *place > 0 || !line.starts_with("#version:"));
        let ranks: HashMap<(String, String), usize> = lines
            .filter_map(|(rank, line)| Some((line.strip_suffix('\r').unwrap_or(line).split_once(' ')?, rank)))
            .map(|((left, right), rank)| ((left.to_owned(), right.to_owned()), rank))
            .collect();
        let mut found = Vec::new();
        for pretoken in plain::split(text) {
            let mut parts: Vec<String> = pretoken.bytes().map(|byte| spell(&[byte])).collect();
            plain::merge(&mut parts, |left, right| {
                let rank = ranks.get(&(left.clone(), right.clone()))?;
                Some((*rank, format!("{left}{right}")))
            });
            found.extend(parts.iter().map(|part| ids.get(part.as_str()).unwrap_or_else(|| &ids["<unk>"])));
        }
        found
    }
}

fn load(format: Format, first: &[u8], second: &[u8], unk: bool) -> Result<Encoding, VocabError> {
    match format {
        Format::Tiktoken => from_tiktoken(first, Vec::new(), String::new()),
        Format::TokenizerJson => from_tokenizer_json(first, String::new()),
        Format::TwoFiles => {
            let unk_token = unk.then(|| "<unk>".to_owned());
            from_parts(&parse_vocab(first)?, &parse_merges(second)?, Options { unk_token, ..Options::default() })
        }
    }
}

fuzz_target!(|input: Input| {
    let mut files = Files::new(input.whole || input.format == Format::Tiktoken);
    for change in input.changes.iter().take(8) {
        files.change(change);
    }
    let (mut first, mut second) = match input.format {
        Format::TwoFiles => (files.vocab_json().into_bytes(), files.merges.join("\n").into_bytes()),
        Format::TokenizerJson => (files.tokenizer_json().into_bytes(), Vec::new()),
        Format::Tiktoken => (files.tiktoken().into_bytes(), Vec::new()),
    };
    if let Some((at, byte)) = input.damage {
        // From the end, for the same reason.
        let file = if at % 4 == 0 && !second.is_empty() { &mut second } else { &mut first };
        if let Some(at) = file.len().checked_sub(1 + usize::from(at / 4) % file.len().max(1)) {
            match byte {
                Some(byte) => file[at] = byte,
                None => file.truncate(at),
            }
        }
    }
    let encoding = match load(input.format, &first, &second, !input.whole) {
        Ok(encoding) => encoding,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let text: String = input.text.iter().take(64).map(|&at| pick(&["a", "b", "c", "d", " ", "é"], at)).collect();
    let ids = encoding.encode_ordinary(&text);
    if encoding.unknown().is_none() {
        assert_eq!(encoding.decode_bytes(&ids).unwrap(), text.as_bytes());
    }
    // A field that was written over may change what the file says: that it loads is all that is held to then.
    let as_made = input.damage.is_none() && files.fields == Files::new(input.whole).fields;
    match input.format {
        Format::TwoFiles if input.damage.is_none() => assert_eq!(ids, files.encode(&text), "{text:?}"),
        Format::TokenizerJson if as_made => assert_eq!(ids, files.encode(&text), "{text:?}"),
        Format::Tiktoken if input.damage.is_none() => assert_eq!(ids, files.encode_by_rank(&text), "{text:?}"),
        _ => {}
    }
    let again = Encoding::new(encoding.definition()).unwrap();
    assert_eq!(again.encode_ordinary(&text), ids, "taken apart and made again");
});
