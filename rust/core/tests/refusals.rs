//! Every error of the core, raised and read. The lists of variants are made by exhaustive `match`es: a new variant does
//! not compile until it is named here, and once named fails until a case raises it.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use std::collections::BTreeSet;

use gpt2tok_core::load::{
    Options, SpecialId, from_parts, from_tiktoken, from_tokenizer_json, parse_merges, parse_vocab,
};
use gpt2tok_core::special::{Choice, SpecialError};
use gpt2tok_core::train::{self, Cut, Stream, TrainError, Trainer, Watch};
use gpt2tok_core::{Definition, EncodeError, Encoding, Interrupted, Scratch, VocabError};

/// The names of an enum's variants, and which one a value is.
macro_rules! variants {
    ($all:ident, $name_of:ident, $error:ident, $($variant:ident),+ $(,)?) => {
        const $all: &[&str] = &[$(stringify!($variant)),+];
        fn $name_of(error: &$error) -> &'static str {
            match error { $($error::$variant { .. } => stringify!($variant)),+ }
        }
    };
}

#[rustfmt::skip]
variants!(
    VOCAB, vocab_name, VocabError, NotUtf8, Json, Unsupported, NotTokenizerJson, AddedId, AddedFlag, DuplicateToken,
    DuplicateId, IdOutOfRange, EmptyToken, MissingBytes, MergeSyntax, MergeUnknownToken, DuplicateMerge, TiktokenLine,
    UnknownSpecial, EmptySpecial, UnknownUnk, UnkMerges, TokenTooLong, TooLarge,
);
variants!(SPECIAL, special_name, SpecialError, Unknown, Empty, Disallowed, Unwanted);
variants!(ENCODE, encode_name, EncodeError, Special, Interrupted);
#[rustfmt::skip]
variants!(
    TRAIN, train_name, TrainError, VocabSizeTooSmall, VocabSizeTooLarge, EmptySpecial, RepeatedSpecial,
    SpecialSpelledLikeToken, NoPretokens, EmptyCorpus, NotUtf8, TextTooLong, TooManyPretokens, TokenTooLong, Interrupted,
);

/// Each case gives its variant and all of its message; together they are all variants but those `not_here`.
fn check<E: std::fmt::Display>(
    all: &[&str],
    not_here: &[&str],
    name: fn(&E) -> &'static str,
    cases: Vec<(&str, E, &str)>,
) {
    let mut raised = BTreeSet::new();
    for (variant, error, message) in cases {
        assert_eq!((name(&error), error.to_string().as_str()), (variant, message));
        raised.insert(variant);
    }
    let wanted: BTreeSet<&str> = all.iter().filter(|variant| !not_here.contains(variant)).copied().collect();
    assert_eq!(raised, wanted);
}

const VOCABULARY: &str = r#"{"a": 0, "b": 1, "ab": 2, "<unk>": 3}"#;

fn files(vocab: &[u8], merges: &[u8], options: Options) -> VocabError {
    let load = || from_parts(&parse_vocab(vocab)?, &parse_merges(merges)?, options);
    load().unwrap_err()
}

fn two(vocab: &str, merges: &str) -> VocabError {
    files(vocab.as_bytes(), merges.as_bytes(), Options { unk_token: Some("<unk>".to_owned()), ..Options::default() })
}

fn json(text: &str) -> VocabError {
    from_tokenizer_json(text.as_bytes(), String::new()).unwrap_err()
}

/// A tokenizer.json with these fields before the good ones, at the top and in the model.
fn tokenizer(top: &str, model: &str) -> VocabError {
    json(&format!(
        r#"{{{top} "pre_tokenizer": {{"type": "ByteLevel"}},
        "model": {{{model} "unk_token": "<unk>", "vocab": {VOCABULARY}, "merges": ["a b"]}}}}"#
    ))
}

#[test]
fn every_error_of_a_vocabulary() {
    let special = |token: &str, id| Options { special: Some(vec![(token.to_owned(), id)]), ..Options::default() };
    let huge = Definition { tokens: vec![(vec![0; (1 << 30) + 1], 0)], ..Definition::default() };
    #[rustfmt::skip]
    let cases = vec![
        ("NotUtf8", files(b"{\"a\xff", b"", Options::default()),
            "vocab.json is not UTF-8: invalid byte at offset 3; save the file as UTF-8"),
        ("NotUtf8", files(b"{}", b"\xff", Options::default()),
            "merges.txt is not UTF-8: invalid byte at offset 0; save the file as UTF-8"),
        ("Json", two("{\"a\": 0", ""),
            "not the JSON of a vocab.json: EOF while parsing an object at line 1, column 7; is the file truncated or \
             another kind of file?"),
        ("Unsupported", tokenizer(r#""normalizer": {"type": "NFC"},"#, ""),
            "tokenizer.json: normalizer is of type \"NFC\", but an exact GPT-2 encoding needs null; use the tokenizers \
             library for this file"),
        ("NotTokenizerJson", json("[]"),
            "this is no tokenizer.json: it holds a list, not an object; give the file that the tokenizers library saves"),
        ("AddedId", tokenizer(r#""added_tokens": [{"id": 9, "content": "<x>"}],"#, ""),
            "tokenizer.json: added token \"<x>\" says it has id 9, but readers of this format give it 4; write that id, or \
             put the token into model.vocab"),
        ("AddedFlag", tokenizer(r#""added_tokens": [{"id": 4, "content": "<x>", "lstrip": true}],"#, ""),
            "tokenizer.json: added token \"<x>\" has lstrip, which an Encoding's special tokens do not know; load the file \
             with GPT2TokenizerFast(tokenizer_file=...), or take the flag away"),
        ("DuplicateToken", two(r#"{"a": 0, "a": 1, "<unk>": 2}"#, ""),
            "token \"a\" stands twice, with ids 0 and 1; remove one of the two entries"),
        ("DuplicateId", two(r#"{"a": 0, "b": 0, "<unk>": 1}"#, ""),
            "id 0 is given to both \"a\" and \"b\"; every token needs an id of its own"),
        ("IdOutOfRange", two(r#"{"a": -1}"#, ""),
            "token \"a\" has id -1, but ids must be whole numbers below 16777216; renumber the vocabulary"),
        ("EmptyToken", two(r#"{"": 0, "<unk>": 1}"#, ""), "the token with id 0 is empty; remove it"),
        ("MissingBytes", files(VOCABULARY.as_bytes(), b"", Options::default()),
            "254 of the 256 byte tokens are missing: 0x00 ('Ā'), 0x01 ('ā'), 0x02 ('Ă'), 0x03 ('ă'), 0x04 ('Ą'), 0x05 \
             ('ą'), 0x06 ('Ć'), 0x07 ('ć'), ...; add them to the vocabulary, or name an unk_token"),
        ("MergeSyntax", two(VOCABULARY, "a b\nab"),
            "merges line 2 is \"ab\", but a merge is two tokens with one space between; mend or remove the line"),
        ("MergeUnknownToken", two(VOCABULARY, "a zz"),
            "merges line 1 names \"zz\", which the vocabulary lacks; are the two files of one model?"),
        ("DuplicateMerge", two(VOCABULARY, "#version: 0.2\na b\na b"),
            "merges line 3 repeats the merge of \"a\" and \"b\" on line 2; remove one of the two lines"),
        ("TiktokenLine", from_tiktoken(b"YQ==", Vec::new(), String::new()).unwrap_err(),
            "line 1 of the .tiktoken file: there is no space; a line is a base64 token, a space and its rank"),
        ("UnknownSpecial", files(VOCABULARY.as_bytes(), b"", special("<x>", SpecialId::InVocabulary)),
            "special token \"<x>\" is not in the vocabulary; give its id as well, or add it to the vocabulary"),
        ("EmptySpecial", files(VOCABULARY.as_bytes(), b"", special("", SpecialId::Given(9))),
            "a special token is empty; name at least one character"),
        ("UnknownUnk", two(r#"{"a": 0}"#, ""),
            "unk_token \"<unk>\" is not in the vocabulary; add it, or leave unk_token out if all 256 bytes are there"),
        ("UnkMerges", two(r#"{"<": 0, "unk>": 1, "<unk>": 2}"#, "< unk>"),
            "unk_token \"<unk>\" also stands in merge 1, so an unknown byte could merge; use a token of its own"),
        ("TokenTooLong", two(&format!(r#"{{"<unk>": 0, "{}": 1}}"#, "a".repeat(8193)), ""),
            "the token with id 1 is 8193 bytes long, more than the 8192 that a token may have; remove it"),
        ("TooLarge", Encoding::new(huge).unwrap_err(),
            "the vocabulary holds 1073741825 bytes of text, more than the 1073741824 that are read; is this the right file?"),
    ];
    check(VOCAB, &[], vocab_name, cases);
}

#[test]
fn every_error_of_special_tokens_and_of_encoding() {
    let gpt2 = Encoding::gpt2();
    let only = |names: &[&str]| Choice::Only(names.iter().map(ToString::to_string).collect());
    let special = |text, allowed, disallowed| match gpt2.encode(text, &allowed, &disallowed) {
        Err(EncodeError::Special(error)) => error,
        other => panic!("{other:?}"),
    };
    #[rustfmt::skip]
    let cases = vec![
        ("Unknown", special("a", only(&["<x>"]), Choice::All),
            "\"<x>\" is not a special token of this encoding (it has <|endoftext|>); allow only those, or load a \
             vocabulary that has it"),
        ("Empty", special("a", only(&[]), only(&[""])),
            "an empty string cannot be disallowed as a special token; remove it"),
        ("Disallowed", special("é<|endoftext|>", only(&[]), Choice::All),
            "the text holds the special token \"<|endoftext|>\" at character 1 (byte 2); pass \
             allowed_special={\"<|endoftext|>\"} to encode it as one token, or disallowed_special=() to encode it as \
             ordinary text"),
        ("Unwanted", special("éxyz", only(&[]), only(&["yz"])),
            "the text holds \"yz\" at character 2 (byte 3), which disallowed_special names; leave it out of \
             disallowed_special to encode it as ordinary text"),
    ];
    let all = cases.iter().map(|(_, error, message)| ("Special", EncodeError::from(error.clone()), *message));
    let long = "a b ".repeat(1 << 18);
    let stopped = gpt2.encode_ordinary_into(&long, &mut Scratch::default(), &mut Vec::new(), &|| false);
    assert_eq!(stopped, Err(Interrupted));
    let policy = gpt2.special().policy(&only(&[]), &Choice::All).unwrap();
    let stopped = gpt2.encode_into(&long, &policy, &mut Scratch::default(), &mut Vec::new(), &|| false);
    let interrupted = ("Interrupted", stopped.unwrap_err(), "interrupted");
    check(ENCODE, &[], encode_name, all.chain([interrupted]).collect());
    check(SPECIAL, &[], special_name, cases);
}

#[test]
fn the_errors_of_decoding_and_of_a_batch() {
    let gpt2 = Encoding::gpt2();
    let error = gpt2.decode_bytes(&[0, 50257]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "id 50257 at position 1 is not in the vocabulary, whose ids are 0 to 50256; were these ids made by another \
         vocabulary?"
    );
    let policy = gpt2.special().policy(&Choice::Only(Vec::new()), &Choice::All).unwrap();
    let error = gpt2.encode_ragged::<u32>(&["a", "<|endoftext|>"], &policy, None, &|| true).unwrap_err();
    assert!(error.to_string().starts_with("text 1 of the batch: the text holds the special token"), "{error}");
}

#[test]
fn every_error_of_training() {
    let options = |size, special: &[&str]| train::Options {
        special_tokens: special.iter().map(ToString::to_string).collect(),
        ..train::Options::new(size)
    };
    let made = |options| Trainer::new(options).map(|_| ()).unwrap_err();
    let learned = |text: &str, size, go_on: bool| {
        let mut trainer = Trainer::new(options(size, &[])).unwrap();
        trainer.push(text, Cut::Nowhere).unwrap();
        trainer.learn(None, Watch { keep_going: &move || go_on, ..Watch::default() }).map(|_| ()).unwrap_err()
    };
    // Zeros that nobody has written take no memory.
    let long = String::from_utf8(vec![0; u32::MAX as usize]).unwrap();
    #[rustfmt::skip]
    let cases = vec![
        ("VocabSizeTooSmall", made(options(256, &["<x>"])),
            "vocab_size 256 is too small: the 256 bytes and 1 special tokens need at least 257 ids; ask for more"),
        ("VocabSizeTooLarge", made(options((1 << 24) + 1, &[])),
            "vocab_size 16777217 is too large: ids must stay below 16777216; ask for fewer"),
        ("EmptySpecial", made(options(300, &["<x>", ""])), "special_tokens[1] is empty; name at least one character"),
        ("RepeatedSpecial", made(options(300, &["<x>", "<y>", "<x>"])),
            "special_tokens[2] is \"<x>\", as is special_tokens[0]; name every special token once"),
        ("SpecialSpelledLikeToken", made(options(300, &["Ġthe"])),
            "special_tokens[0] is \"Ġthe\", which is how vocab.json spells the bytes of \" the\"; choose another text, as \
             '<|Ġthe|>'"),
        ("NoPretokens", made(train::Options { max_pretokens: Some(0), ..options(300, &[]) }),
            "max_pretokens must be at least 1; leave it out to keep every pretoken"),
        ("EmptyCorpus", learned("", 300, true),
            "the corpus is empty: there is no text to learn from; check the files or the iterator that should hold it"),
        ("NotUtf8", Stream::new(Cut::Nowhere, false).push(b"ab\xffc").unwrap_err(),
            "not UTF-8: byte 0xff at offset 2; convert the text to UTF-8, or read it with errors='replace'"),
        ("TextTooLong", Trainer::new(options(300, &[])).unwrap().push(&long, Cut::Nowhere).unwrap_err(),
            "a text of 4294967295 bytes has no place where it may be cut; texts without one may have 4294443007 bytes"),
        ("TokenTooLong", learned(&"a".repeat(1 << 14), 300, true),
            "the merge of 8192 and 8192 bytes would make a token longer than the 8192 bytes that a token may have; set \
             max_token_length, or take the text that repeats itself out of the corpus"),
        ("Interrupted", learned("low lower", 300, false), "interrupted"),
    ];
    // `TooManyPretokens` needs 4 GiB of distinct pretokens: `src/train/corpus.rs` raises it where less is enough.
    check(TRAIN, &["TooManyPretokens"], train_name, cases);
}
