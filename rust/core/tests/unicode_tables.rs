//! The generated class tables against regex-syntax, every scalar.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use gpt2tok_core::added::word_ranges;
use gpt2tok_core::unicode::Class;
use regex_syntax::hir::{Class as Found, HirKind};

fn ranges(pattern: &str) -> Vec<(u32, u32)> {
    match regex_syntax::parse(pattern).unwrap().into_kind() {
        HirKind::Class(Found::Unicode(class)) => {
            class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()
        }
        other => panic!("not a class: {other:?}"),
    }
}

#[test]
fn every_scalar_has_the_class_of_regex_syntax() {
    let mut wanted = vec![Class::Other; 0x11_0000];
    for (class, pattern) in [(Class::Letter, r"\p{L}"), (Class::Number, r"\p{N}"), (Class::Space, r"\s")] {
        for (start, end) in ranges(pattern) {
            wanted[start as usize..=end as usize].fill(class);
        }
    }
    for code_point in 0..=0x10_ffff {
        assert_eq!(Class::of(code_point), wanted[code_point as usize], "U+{code_point:04X}");
    }
    for byte in 0..0x80 {
        assert_eq!(Class::of_ascii(byte), Class::of(u32::from(byte)), "0x{byte:02x}");
    }
}

#[test]
fn code_points_past_unicode_are_other() {
    assert_eq!(Class::of(0x11_0000), Class::Other);
    assert_eq!(Class::of(u32::MAX), Class::Other);
}

#[test]
fn white_space_is_the_property_not_ascii_separators() {
    // Traps named by other tokenizers' bug trackers: U+001C..1F are not white space, U+0085 and U+00A0 are.
    for (code_point, is_space) in
        [(0x1c, false), (0x1f, false), (0x85, true), (0xa0, true), (0x2003, true), (0x200b, false)]
    {
        assert_eq!(Class::of(code_point) == Class::Space, is_space, "U+{code_point:04X}");
    }
    assert_eq!(Class::Space.ranges().len(), ranges(r"\s").len());
}

#[test]
fn the_ranges_of_words_are_those_of_regex_syntax() {
    assert_eq!(word_ranges(), ranges(r"\w"));
}
