//! The hand-written scanner against a regex engine running GPT-2's pattern.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use fancy_regex::Regex;
use gpt2tok_core::pretokenize::{cut_after, pretokens};
use proptest::prelude::*;
use std::sync::LazyLock;

static PATTERN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+").unwrap());

fn by_regex(text: &str) -> Vec<&str> {
    PATTERN.find_iter(text).map(|found| found.unwrap().as_str()).collect()
}

/// Characters that meet every branch of the scanner.
const NASTY: &[char] = &[
    ' ', '\n', '\t', '\'', 's', 'l', 'v', 'e', 'Z', '7', '!', '\0', '\u{1c}', '\u{85}', '\u{a0}', '\u{2003}', 'é', 'ß',
    '中', '\u{300}', '²', 'Ⅷ', '𝟗', '😀', '\u{ad}', '\u{200b}', '@', '[', '`', '{',
];

fn nasty_text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(NASTY);
    let run = (nasty.clone(), 1usize..12).prop_map(|(c, n)| std::iter::repeat_n(c, n).collect::<String>());
    let one = prop_oneof![6 => nasty.prop_map(String::from), 2 => run, 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(one, 0..40).prop_map(|parts| parts.concat())
}

#[test]
fn every_short_string_over_the_nasty_alphabet() {
    let mut texts = vec![String::new()];
    for _ in 0..3 {
        let longer: Vec<String> =
            texts.iter().flat_map(|text| NASTY.iter().map(move |&c| format!("{text}{c}"))).collect();
        for text in &longer {
            assert_eq!(pretokens(text).collect::<Vec<_>>(), by_regex(text), "{text:?}");
        }
        texts = longer;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_scanner_cuts_where_the_pattern_does(text in nasty_text()) {
        prop_assert_eq!(pretokens(&text).collect::<Vec<_>>(), by_regex(&text));
    }

    #[test]
    fn a_cut_changes_no_pretoken(text in nasty_text(), from in 0usize..200) {
        let from = from.min(text.len());
        let cut = cut_after(&text, from);
        prop_assert!(cut >= from && cut <= text.len());
        let (left, right) = text.split_at(cut);
        let apart: Vec<_> = by_regex(left).into_iter().chain(by_regex(right)).collect();
        prop_assert_eq!(apart, by_regex(&text));
    }
}

#[test]
fn cuts_are_found_in_ordinary_text() {
    assert_eq!(cut_after("one two", 0), 3);
    assert_eq!(cut_after("one two", 4), 7);
    assert_eq!(cut_after("a1", 0), 1);
    assert_eq!(cut_after("    ", 1), 4);
    assert_eq!(cut_after("", 0), 0);
}
