//! The hand-written scanner against a regex engine running GPT-2's pattern.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use fancy_regex::Regex;
use gpt2tok_core::pretokenize::{Scan, boundaries, cut_after, pretokens};
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

/// Long enough for several blocks: words, runs around 64 bytes, nasty characters.
fn long_text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(NASTY);
    let run = (nasty.clone(), 50usize..140).prop_map(|(c, n)| std::iter::repeat_n(c, n).collect::<String>());
    let part = prop_oneof![
        8 => "[a-z]{0,9}[ ']{0,2}(s|ll|ve|t)?",
        4 => prop::collection::vec(nasty, 0..8).prop_map(String::from_iter),
        1 => run,
        2 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..120).prop_map(|parts| parts.concat())
}

fn check_scans(text: &str) -> Result<(), TestCaseError> {
    let wanted = boundaries(text, Scan::Scalar);
    for scan in [Scan::Words, Scan::Vectors] {
        prop_assert_eq!(&boundaries(text, scan), &wanted, "{:?} on {:?}", scan, text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn blocks_are_cut_as_the_scalar_scanner_cuts(text in nasty_text()) {
        check_scans(&text)?;
    }

    #[test]
    fn many_blocks_are_cut_as_the_scalar_scanner_cuts(text in long_text()) {
        check_scans(&text)?;
    }
}

#[test]
fn every_character_is_cut_alike_at_every_place_of_a_block() {
    // Every character in sentences whose length moves them over the block's edges; and every nasty triple at each edge.
    let all: Vec<char> = (0..=0x10_ffff).filter_map(char::from_u32).collect();
    for frame in [" x", "a", " '", "0", "  "] {
        let text: String = all.iter().flat_map(|&c| frame.chars().chain([c])).collect();
        for shift in 0..3 {
            check_scans(&text[shift.min(frame.len() - 1)..]).unwrap();
        }
    }
    for &a in NASTY {
        for &b in NASTY {
            for &c in NASTY {
                for before in 58..66 {
                    let text = format!("{}{a}{b}{c}", "x".repeat(before));
                    check_scans(&text).unwrap();
                    check_scans(&format!("{text}x")).unwrap();
                }
            }
        }
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
