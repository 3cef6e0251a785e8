//! GPT-2's vocabulary through each of the other formats, written here and read back: the same ids.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gpt2tok_core::alphabet::spell;
use gpt2tok_core::load::{from_tiktoken, from_tokenizer_json};
use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::{Definition, Encoding, TokenId};
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

/// What is refused is named by where it stands, what it is, and what would do; JSON of other kinds by what it is.
#[test]
fn a_tokenizer_json_of_another_kind_is_refused_by_name() {
    let good = || {
        let vocab: serde_json::Map<String, Value> = (0..=255u8).map(|byte| (spell(&[byte]), json!(byte))).collect();
        json!({
            "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "use_regex": true},
            "decoder": {"type": "Sequence", "decoders": [{"type": "ByteLevel"}]},
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "dropout": 0.0, "byte_fallback": false,
                "continuing_subword_prefix": "", "end_of_word_suffix": null, "unk_token": null},
        })
    };
    let load = |file: &Value| from_tokenizer_json(file.to_string().as_bytes(), "j".to_owned());
    let loaded = load(&good()).unwrap();
    assert_eq!((loaded.encode_ordinary("é"), loaded.name()), (vec![0xc3, 0xa9], "j"));
    let refused = |change: &[(&str, Value)], needles: [&str; 2]| {
        let mut file = good();
        for (place, value) in change {
            let (parent, name) = place.rsplit_once('/').unwrap();
            file.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        let message = load(&file).unwrap_err().to_string();
        assert!(needles.iter().all(|needle| message.contains(needle)), "{message}");
    };
    let byte_level = json!({"type": "ByteLevel"});
    #[rustfmt::skip]
    let cases: Vec<(&str, Value, [&str; 2])> = vec![
        ("/model/type", json!("WordPiece"), ["model.type is \"WordPiece\"", "needs \"BPE\""]),
        ("/model/dropout", json!(0.1), ["model.dropout is 0.1", "needs null or 0"]),
        ("/model/continuing_subword_prefix", json!("##"), ["model.continuing_subword_prefix is \"##\"", "needs null or \"\""]),
        ("/model/end_of_word_suffix", json!("</w>"), ["model.end_of_word_suffix is \"</w>\"", "needs null or \"\""]),
        ("/model/byte_fallback", json!(true), ["model.byte_fallback is true", "needs false"]),
        ("/decoder", json!({"type": "WordPiece"}), ["decoder is of type \"WordPiece\"", "needs ByteLevel or null"]),
        ("/decoder", json!({"type": "Sequence", "decoders": [byte_level, byte_level]}), ["decoder is of type \"Sequence\"", "needs ByteLevel"]),
        ("/decoder", json!([1]), ["decoder is [1]", "needs ByteLevel"]),
        ("/normalizer", json!({"type": "NFC"}), ["normalizer is of type \"NFC\"", "needs null"]),
        ("/pre_tokenizer", json!({"type": "Whitespace"}), ["pre_tokenizer is of type \"Whitespace\"", "ByteLevel with use_regex"]),
        ("/pre_tokenizer", json!(null), ["pre_tokenizer is null", "ByteLevel with use_regex"]),
        ("/pre_tokenizer/use_regex", json!(false), ["pre_tokenizer is of type \"ByteLevel\"", "with use_regex"]),
        ("/pre_tokenizer/add_prefix_space", json!(true), ["add_prefix_space is true", "GPT2TokenizerFast"]),
        ("/model/vocab", json!([1]), ["expected an object from token to id", "line 1"]),
        ("/model/vocab", json!({"a": "0"}), ["token \"a\"", "expected the id of a token, a whole number"]),
        ("/model/vocab", json!({"a": 1.5}), ["token \"a\"", "expected the id of a token, a whole number"]),
        ("/model/unk_token", json!("<unk>"), ["unk_token \"<unk>\" is not in the vocabulary", "leave unk_token out"]),
        ("/model/merges", json!(["a  b"]), ["merges line 1 is \"a  b\"", "one space between"]),
    ];
    for (place, value, needles) in cases {
        refused(&[(place, value)], needles);
    }
    // Unknown bytes that melt into one token have no place of their own.
    let few = json!({"a": 0, "<unk>": 1});
    let fused = [("/model/vocab", few), ("/model/unk_token", json!("<unk>")), ("/model/fuse_unk", json!(true))];
    refused(&fused, ["model.fuse_unk is true", "all 256 bytes"]);
    #[rustfmt::skip]
    let others = [
        ("[]", "it holds a list"), ("7", "it holds a single value"), ("{}", "it has no \"model\" object"),
        (r#"{"a": 0, "b": 1}"#, "it is a vocab.json"), (r#"{"version": "1.0"}"#, "it has no \"model\" object"),
        (r#"{"model": {"type": "Unigram", "vocab": [["a", -1.0]]}}"#, "model.type is \"Unigram\""),
        (r#"{"model": {"type": "BPE", "vocab": {"a": 0}}}"#, "missing field `merges`"), ("{", "EOF while parsing"),
    ];
    for (text, needle) in others {
        let message = from_tokenizer_json(text.as_bytes(), String::new()).unwrap_err().to_string();
        assert!(message.contains(needle), "{text}: {message}");
    }
}

#[test]
fn vocabularies_whose_ids_or_tokens_meet_twice_are_refused() {
    let letters = |names: [(&str, TokenId); 2]| -> Vec<(Vec<u8>, TokenId)> {
        names.iter().map(|(token, id)| (token.as_bytes().to_vec(), *id)).collect()
    };
    let unknown = Some(9);
    #[rustfmt::skip]
    let cases = [
        (letters([("a", 0), ("b", 0)]), vec![], "id 0 is given to both \"a\" and \"b\""),
        (letters([("a", 0), ("b", 1 << 24)]), vec![], "token \"b\" has id 16777216"),
        (letters([("a", 0), ("b", 1)]), vec![("<x>", 1)], "id 1 is given to both \"b\" and \"<x>\""),
        (letters([("a", 0), ("b", 1)]), vec![("<x>", 1 << 24)], "token \"<x>\" has id 16777216"),
        (letters([("a", 0), ("b", 1)]), vec![("<x>", 2), ("<x>", 3)], "token \"<x>\" stands twice, with ids 2 and 3"),
        (letters([("a", 0), ("b", 1)]), vec![("<x>", 2), ("<y>", 2)], "id 2 is given to both \"<x>\" and \"<y>\""),
    ];
    for (tokens, special, needle) in cases {
        let special = special.into_iter().map(|(name, id)| (name.to_owned(), id)).collect();
        let made = Encoding::new(Definition { tokens, special, unknown, ..Definition::default() });
        let message = made.unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    }
    // "YQ==" is "a"; empty lines are fine.
    for (text, needle) in [
        ("YQ== 0\n\nYQ== 1\n", "token \"a\" stands twice, with ids 0 and 1"),
        ("\nY*== 0", "line 2 of the .tiktoken file: the token is not base64"),
        ("YQ== 0\nYg== -1", "line 2 of the .tiktoken file: the rank \"-1\" is not a whole number"),
        ("YQ== 0\n\n\nYg== 2", "254 of the 256 byte tokens are missing"),
    ] {
        let message = from_tiktoken(text.as_bytes(), Vec::new(), String::new()).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    }
}
