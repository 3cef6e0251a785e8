//! Any file: an error of the taxonomy, or a vocabulary that gives every text back. Never a panic.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpt2tok_core::load::{Options, from_parts, from_tiktoken, from_tokenizer_json, parse_merges, parse_vocab};
use gpt2tok_core::{Encoding, VocabError};
use libfuzzer_sys::fuzz_target;

const TEXT: &str = "The quick  brown fox's 12 jumps\n\n<|endoftext|> naïve 日本 😀\0";

/// The lines of a `.tiktoken` file for the 256 bytes.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=255u8).flat_map(|byte| format!("{} {byte}\n", STANDARD.encode([byte])).into_bytes()).collect()
});

fn load(kind: u8, data: &[u8]) -> Result<Encoding, VocabError> {
    match kind % 3 {
        // With the 256 bytes before it a short file is a vocabulary too.
        0 if kind >= 128 => from_tiktoken(&[&BYTES[..], data].concat(), Vec::new(), String::new()),
        0 => from_tiktoken(data, Vec::new(), String::new()),
        1 => from_tokenizer_json(data, String::new()),
        _ => {
            let middle = data.iter().position(|&byte| byte == 0xff).unwrap_or(data.len());
            let (vocab, merges) = data.split_at(middle);
            let unk_token = (kind >= 128).then(|| "<unk>".to_owned());
            let options = Options { unk_token, ..Options::default() };
            from_parts(&parse_vocab(vocab)?, &parse_merges(merges.get(1..).unwrap_or_default())?, options)
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, data)) = data.split_first() else { return };
    match load(kind, data) {
        Ok(encoding) => {
            let ids = encoding.encode_ordinary(TEXT);
            if encoding.unknown().is_none() {
                assert_eq!(encoding.decode_bytes(&ids).unwrap(), TEXT.as_bytes());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
