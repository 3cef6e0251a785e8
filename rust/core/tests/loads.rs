//! GPT-2's vocabulary through each of the other formats, written here and read back: the same ids.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpt2tok_core::alphabet::spell;
use gpt2tok_core::load::{from_tiktoken, from_tokenizer_json};
use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::{Encoding, TokenId};
use serde_json::{Value, json};

const TEXT: &str = "The quick  brown fox's 12 jumps\n\n<|endoftext|> naïve 日本語 😀👍🏽\0é";

fn special() -> Vec<(String, TokenId)> {
    vec![("<|endoftext|>".to_owned(), 50256)]
}

#[test]
fn a_tiktoken_file_gives_the_same_ids() {
    let gpt2 = Encoding::gpt2();
    let lines: Vec<String> = gpt2.tokens().map(|(id, token)| format!("{} {id}\n", STANDARD.encode(token))).collect();
    let loaded = from_tiktoken(lines.concat().as_bytes(), special(), "t".to_owned()).unwrap();
    assert_eq!(loaded.encode_ordinary(TEXT), gpt2.encode_ordinary(TEXT));
    // The ranks of the tokens say the whole merge list.
    assert_eq!(loaded.merges(), gpt2.merges());
}

#[test]
fn a_tokenizer_json_gives_the_same_ids_however_its_merges_are_written() {
    let gpt2 = Encoding::gpt2();
    let spelled = |id: TokenId| spell(gpt2.token_bytes(id).unwrap());
    let vocab: serde_json::Map<String, Value> = gpt2
        .tokens()
        .map(|(id, token)| (spell(token), json!(id)))
        .chain([("<|endoftext|>".to_owned(), json!(50256))])
        .collect();
    let pairs: Vec<(String, String)> =
        gpt2.merges().unwrap().iter().map(|&(left, right, _)| (spelled(left), spelled(right))).collect();
    let lines: Vec<String> = pairs.iter().map(|(left, right)| format!("{left} {right}")).collect();
    for merges in [json!(pairs), json!(lines)] {
        let file = json!({
            "added_tokens": [{"id": 50256, "content": "<|endoftext|>", "special": true}],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false}]},
            "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": merges},
        });
        let loaded = from_tokenizer_json(file.to_string().as_bytes(), "j".to_owned()).unwrap();
        assert_eq!(loaded.encode_ordinary(TEXT), gpt2.encode_ordinary(TEXT));
        assert_eq!(loaded.definition().merges, gpt2.definition().merges);
        assert_eq!(loaded.special().tokens(), special());
    }
}

#[test]
fn spans_in_characters_cover_the_characters_that_a_token_touches() {
    let gpt2 = Encoding::gpt2();
    let spans = gpt2.byte_spans(&gpt2.encode_ordinary(TEXT));
    let at: Vec<usize> = TEXT.char_indices().map(|(at, _)| at).chain([TEXT.len()]).collect();
    let plain: Vec<(usize, usize)> = spans
        .iter()
        .map(|&(start, end)| (at.partition_point(|&at| at <= start) - 1, at.partition_point(|&at| at < end)))
        .collect();
    assert_eq!(char_spans(TEXT, &spans), plain);
}
