//! Laws over whole texts: batches, counts, offsets, special tokens, streams and interruption.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use gpt2tok_core::added::{AddedToken, AddedTokens, Style};
use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::special::{Choice, SpecialError};
use gpt2tok_core::stream::Utf8Stream;
use gpt2tok_core::{Definition, EncodeError, Encoding, Interrupted, Scratch};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::LazyLock;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);
static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());

const NONE: Choice = Choice::Only(Vec::new());

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        ".{0,12}",
        Just("<|endoftext|>".to_owned()),
        Just("<|endoftext|".to_owned()),
        Just("  \n\n  ".to_owned()),
        Just("Hello world's 😀 日本語 naïve".to_owned()),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn batches_are_the_texts_one_by_one(texts in prop::collection::vec(text(), 0..12), repeat in 1usize..2000) {
        // Long enough, sometimes, that texts are cut and portions spread over threads.
        let texts: Vec<String> = texts.iter().map(|text| text.repeat(if text.len() > 20 { repeat } else { 1 })).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let policy = GPT2.special().policy(&Choice::All, &Choice::All).unwrap();
        let alone: Vec<Vec<u32>> =
            texts.iter().map(|text| GPT2.encode(text, &Choice::All, &Choice::All).unwrap()).collect();
        for pool in [None, Some(&*POOL)] {
            let ragged = GPT2.encode_ragged::<u16>(&texts, &policy, pool, &|| true).unwrap();
            let rows: Vec<Vec<u32>> = ragged
                .row_splits
                .windows(2)
                .map(|ends| ragged.ids[ends[0] as usize..ends[1] as usize].iter().map(|&id| u32::from(id)).collect())
                .collect();
            prop_assert_eq!(&rows, &alone);
            let counts = GPT2.count_batch(&texts, &policy, pool, &|| true).unwrap();
            prop_assert_eq!(counts, alone.iter().map(Vec::len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn offsets_tile_the_text(text in text()) {
        let ids = GPT2.encode(&text, &Choice::All, &Choice::All).unwrap();
        let spans = GPT2.byte_spans(&ids);
        let mut at = 0;
        for (&id, &(start, end)) in ids.iter().zip(&spans) {
            prop_assert_eq!(start, at);
            prop_assert_eq!(&text.as_bytes()[start..end], GPT2.token_bytes(id).unwrap());
            at = end;
        }
        prop_assert_eq!(at, text.len());
        let chars: Vec<char> = text.chars().collect();
        for (&(start, end), &(first, last)) in spans.iter().zip(&char_spans(&text, &spans)) {
            let before: usize = chars[..first].iter().map(|c| c.len_utf8()).sum();
            let after: usize = chars[..last].iter().map(|c| c.len_utf8()).sum();
            // The span in characters is the smallest that covers the bytes.
            prop_assert!(before <= start && end <= after);
            prop_assert!(before + chars[first].len_utf8() > start && after - chars[last - 1].len_utf8() < end);
        }
    }

    #[test]
    fn without_added_tokens_both_encodings_agree(text in text(), add_prefix_space: bool) {
        let style = Style { add_prefix_space, split_special_tokens: false };
        let none = AddedTokens::default();
        let mut scratch = Scratch::default();
        let ids = GPT2.encode_added(&text, &none, style, &mut scratch, &|| true).unwrap();
        let prefix = add_prefix_space && !text.is_empty() && !text.starts_with(' ');
        let prefixed = if prefix { format!(" {text}") } else { text.clone() };
        prop_assert_eq!(&ids, &GPT2.encode_ordinary(&prefixed));
        let located = GPT2.encode_added_located(&text, &none, style, &mut scratch, &|| true).unwrap();
        prop_assert_eq!(&located.ids, &ids);
        if !prefix {
            prop_assert_eq!(located.offsets, char_spans(&text, &GPT2.byte_spans(&ids)));
        }
    }

    #[test]
    fn a_stream_gives_whole_characters_and_the_whole_text(bytes: Vec<u8>, valid in ".{0,20}", cuts: Vec<prop::sample::Index>) {
        let bytes = [&bytes[..], valid.as_bytes(), &bytes[..bytes.len() / 2]].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut stream = Utf8Stream::default();
        let mut joined = String::new();
        for ends in cuts.windows(2) {
            joined.push_str(&stream.push(&bytes[ends[0]..ends[1]]));
        }
        joined.push_str(&stream.finish());
        prop_assert_eq!(joined, String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn special_tokens_follow_tiktokens_rules() {
    let text = "a<|endoftext|>b";
    let name = "<|endoftext|>".to_owned();
    let some = Choice::Only(vec![name.clone()]);
    assert_eq!(GPT2.encode(text, &some, &Choice::All).unwrap(), [64, 50256, 65]);
    assert_eq!(GPT2.encode(text, &NONE, &NONE).unwrap(), GPT2.encode_ordinary(text));
    let disallowed = SpecialError::Disallowed { token: name, character: 1, byte: 1 };
    assert_eq!(GPT2.encode(text, &NONE, &Choice::All), Err(EncodeError::Special(disallowed)));
    let unknown = GPT2.encode(text, &Choice::Only(vec!["<pad>".to_owned()]), &Choice::All).unwrap_err();
    assert!(unknown.to_string().contains("<pad>") && unknown.to_string().contains("<|endoftext|>"));
    let other = Choice::Only(vec!["b".to_owned()]);
    assert!(matches!(
        GPT2.encode(text, &NONE, &other),
        Err(EncodeError::Special(SpecialError::Unwanted { byte: 14, .. }))
    ));
    assert_eq!(
        GPT2.encode("", &NONE, &Choice::Only(vec![String::new()])),
        Err(EncodeError::Special(SpecialError::Empty))
    );
}

#[test]
fn a_name_is_found_wherever_a_long_text_holds_it() {
    let names = ["ab", "abab", "b ", "\u{e9}\u{e9}"];
    let special = names.iter().zip(60_000..).map(|(name, id)| ((*name).to_owned(), id)).collect();
    let encoding = Encoding::new(Definition { special, ..GPT2.definition() }).unwrap();
    // Leftmost first, of those the longest, told by hand; and one alone, which is looked for in another way.
    let cases: [(&[&str], &str, &[u32]); 5] = [
        (&names, "abab", &[60_001]),
        (&names, "ababab ", &[60_001, 60_000, 220]),
        (&names, "ab b ", &[60_000, 220, 60_002]),
        (&names, "b\u{e9}\u{e9}", &[65, 60_003]),
        (&names[1..2], "ababab", &[60_001, 397]),
    ];
    let filler = "x".repeat((1 << 20) - 16);
    for (allowed, middle, wanted) in cases {
        let allowed = Choice::Only(allowed.iter().map(ToString::to_string).collect());
        for shift in 0..24 {
            let (before, after) = (format!("{filler}{:shift$}", ""), "y".repeat(9));
            let text = format!("{before}\n{middle}{after}");
            let mut ids = encoding.encode_ordinary(&format!("{before}\n"));
            ids.extend(wanted);
            // What follows the last name is a text of its own.
            let last = *ids.last().unwrap();
            if last < 60_000 {
                let rest = encoding.decode_bytes(&[ids.pop().unwrap()]).unwrap();
                ids.extend(encoding.encode_ordinary(&format!("{}{after}", String::from_utf8(rest).unwrap())));
            } else {
                ids.extend(encoding.encode_ordinary(&after));
            }
            assert_eq!(
                encoding.encode(&text, &allowed, &NONE).unwrap(),
                ids,
                "{middle:?} after {} bytes",
                before.len()
            );
            let found = encoding.encode(&text, &NONE, &allowed).unwrap_err();
            let EncodeError::Special(SpecialError::Disallowed { byte, .. }) = found else { panic!("{found:?}") };
            assert_eq!(
                byte,
                text.find(|c| "ab\u{e9}".contains(c)).unwrap() + usize::from(middle.starts_with("b\u{e9}"))
            );
        }
    }
}

#[test]
fn added_tokens_take_space_and_stand_alone_as_told() {
    let token = |content: &str, id, flags: [bool; 4]| AddedToken {
        content: content.to_owned(),
        id,
        single_word: flags[0],
        lstrip: flags[1],
        rstrip: flags[2],
        normalized: flags[3],
        special: true,
    };
    let encode = |tokens: Vec<AddedToken>, text: &str, split| {
        let style = Style { add_prefix_space: false, split_special_tokens: split };
        let added = AddedTokens::new(tokens);
        GPT2.encode_added_located(text, &added, style, &mut Scratch::default(), &|| true).unwrap()
    };
    let wide = encode(vec![token("<x>", 60000, [false, true, true, false])], "a  <x>\n b", false);
    assert_eq!(
        (wide.ids, wide.offsets, wide.pretokens),
        (vec![64, 60000, 65], vec![(0, 1), (1, 8), (8, 9)], vec![0, 1, 2])
    );
    let word = |text| encode(vec![token("cat", 60000, [true, false, false, false])], text, false).ids.contains(&60000);
    assert!(word("a cat!") && word("cat") && !word("concatenate") && !word("cat_") && !word("cat\u{301}"));
    assert!(!encode(vec![token("<x>", 60000, [false; 4])], "<x>", true).ids.contains(&60000));
    // Tokens that are not normalized are looked for first, wherever the others begin.
    let both = vec![token("ab", 60000, [false, false, false, true]), token("bc", 60001, [false; 4])];
    assert_eq!(encode(both, "abc", false).ids, [64, 60001]);
}

#[test]
fn long_work_stops_when_told() {
    let asked = Cell::new(0);
    let stop_at = |limit: usize| {
        let asked = &asked;
        move || {
            asked.set(asked.get() + 1);
            asked.get() < limit
        }
    };
    for text in ["word ".repeat(1 << 20), "x".repeat(1 << 22), " ".repeat(1 << 23), "山x".repeat(1 << 21)] {
        asked.set(0);
        let done = GPT2.encode_ordinary_into(&text, &mut Scratch::default(), &mut Vec::new(), &stop_at(3));
        assert_eq!((done, asked.get()), (Err(Interrupted), 3));
    }
}

#[test]
fn unknown_ids_are_named_with_their_place() {
    let error = GPT2.decode_bytes(&[64, 50257]).unwrap_err();
    assert_eq!((error.id, error.position, error.n_vocab), (50257, 1, 50257));
}
