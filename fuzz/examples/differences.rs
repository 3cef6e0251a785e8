//! Do all ways of encoding agree, counted in millions? Random texts by a grammar, or every character in every context,
//! by the three scanners and by the quick, the heap's, the windows' and the linear method, judged by the plain definition (`plain.rs`)
//! and by a regex engine running GPT-2's pattern. Ends with 101 on the first difference, after showing it.
//!
//! ```text
//! cargo run --release --manifest-path fuzz/Cargo.toml --example differences -- texts 10000000 [SEED]
//! cargo run --release --manifest-path fuzz/Cargo.toml --example differences -- scalars
//! ```
//! `print N [SEED]` writes the same texts instead, a JSON string a line, for `fuzz/beside_tiktoken.py`.

use std::io::{BufWriter, Write};

use gpt2tok_core::pretokenize::{Scan, boundaries};
use gpt2tok_core::{Encoding, Method, Scratch, TokenId};
use gpt2tok_fuzz as plain;

const USAGE: &str = "usage: differences texts N [SEED] | print N [SEED] | scalars";

/// Splitmix64: the same texts for the same seed, everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}

/// Letters, digits, signs and marks of many scripts.
const RANGES: [(char, char); 28] = [
    ('a', 'z'), ('a', 'z'), ('a', 'z'), ('A', 'Z'), ('0', '9'), ('0', '9'), ('!', '/'), (':', '@'), ('[', '`'),
    ('{', '~'), ('\0', '\u{1f}'), ('à', 'ÿ'), ('¡', '¿'), ('α', 'ω'), ('а', 'я'), ('א', 'ת'), ('ا', 'ي'), ('٠', '٩'),
    ('अ', 'ह'), ('\u{93a}', '\u{94d}'), ('ก', '๛'), ('ぁ', 'ん'), ('一', '丂'), ('一', '龥'), ('가', '힣'),
    ('Ⅰ', 'ↈ'), ('\u{300}', '\u{36f}'), ('😀', '😿'),
];
const SPACES: [char; 14] = [
    ' ', ' ', ' ', '\n', '\t', '\r', '\u{b}', '\u{85}', '\u{a0}', '\u{2003}', '\u{3000}', '\u{1c}', '\u{200b}',
    '\u{feff}',
];
const ENDINGS: [&str; 14] =
    ["'s", "'d", "'m", "'t", "'ll", "'ve", "'re", "'S", "'lL", "'x", "''s", "\u{2019}s", "'l", "'v"];

struct Grammar {
    chance: Chance,
    /// Characters whose neighbour is of another class, and those neighbours.
    borders: Vec<char>,
    tokens: Vec<String>,
}

impl Grammar {
    fn new(seed: u64, gpt2: &Encoding) -> Self {
        let class = |code: u32| char::from_u32(code).map(plain::class);
        let at_border = |&code: &u32| class(code) != class(code + 1) || (code > 0 && class(code - 1) != class(code));
        let borders = (0..0x10_ffff).filter(at_border).filter_map(char::from_u32).collect();
        let tokens = gpt2.tokens().filter_map(|(_, bytes)| String::from_utf8(bytes.to_vec()).ok()).collect();
        Grammar { chance: Chance(seed), borders, tokens }
    }

    fn part(&mut self, text: &mut String) {
        let chance = &mut self.chance;
        match chance.below(20) {
            0..=6 => {
                let &(first, last) = chance.of(&RANGES);
                let span = last as usize - first as usize + 1;
                for _ in 0..=chance.below(9) {
                    text.extend(char::from_u32(first as u32 + chance.below(span) as u32));
                }
            }
            7..=9 => {
                for _ in 0..=chance.below(4) {
                    text.push(*chance.of(&SPACES));
                }
            }
            10 => text.push_str(chance.of::<&str>(&ENDINGS)),
            11 | 12 => text.push(*chance.of(&self.borders)),
            13 => text.extend(char::from_u32(chance.below(0x11_0000) as u32)),
            14..=16 => text.push_str(chance.of::<String>(&self.tokens)),
            17 => {
                // A token cut short: the longest match is then often the wrong one.
                let token = chance.of::<String>(&self.tokens);
                text.extend(token.chars().take(1 + chance.below(6)));
            }
            18 => text.push(' '),
            _ if chance.below(4) == 0 => {
                // A run that goes on past the edges of the scanner's blocks and the methods' limits.
                let unit: String = (0..=chance.below(2)).map(|_| *chance.of(&self.borders)).collect();
                let token = chance.of::<String>(&self.tokens);
                let unit = if chance.below(2) == 0 { &unit } else { token };
                text.push_str(&unit.repeat(1 + chance.below(140) / unit.len().max(1)));
            }
            _ => text.extend(std::iter::repeat_n(*chance.of(&SPACES), 1 + chance.below(70))),
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.chance.below(10) {
            self.part(&mut text);
        }
        text
    }
}

/// Everything that must agree, with what is kept from text to text.
struct Judge<'e> {
    gpt2: &'e Encoding,
    merges: plain::Merges,
    kept: Scratch,
    other: Scratch,
    ids: Vec<TokenId>,
}

impl<'e> Judge<'e> {
    fn new(gpt2: &'e Encoding) -> Self {
        let merges = plain::Merges::gpt2(gpt2.merges().unwrap_or_default());
        Judge { gpt2, merges, kept: Scratch::default(), other: Scratch::default(), ids: Vec::new() }
    }

    fn check(&mut self, text: &str) {
        let split = plain::split_by_engine(text);
        assert_eq!(plain::split(text), split, "the plain split and the regex engine");
        let mut ends = vec![0];
        ends.extend(split.iter().scan(0, |end, pretoken| {
            *end += pretoken.len();
            Some(*end)
        }));
        for scan in [Scan::Scalar, Scan::Words, Scan::Vectors] {
            assert_eq!(boundaries(text, scan), ends, "{scan:?} on {text:?}");
        }
        self.ids.clear();
        let done = self.gpt2.encode_ordinary_into(text, &mut self.kept, &mut self.ids, &|| true);
        assert_eq!(done, Ok(()));
        let mut at = 0;
        for pretoken in &split {
            // The definition is quadratic; the heap and the linear method do not share what they rest on.
            let heap = self.gpt2.merge_by(Method::Heap, pretoken.as_bytes(), &mut self.other);
            for method in [Method::Windows, Method::Linear] {
                let found = self.gpt2.merge_by(method, pretoken.as_bytes(), &mut self.other);
                assert_eq!(found, heap, "{method:?}, {pretoken:?} in {text:?}");
            }
            if pretoken.len() <= 512 {
                assert_eq!(self.merges.encode(pretoken), heap, "{pretoken:?} in {text:?}");
            }
            assert_eq!(self.ids.get(at..at + heap.len()), Some(&heap[..]), "{pretoken:?} in {text:?}");
            at += heap.len();
        }
        assert_eq!(at, self.ids.len(), "{text:?}");
        assert_eq!(self.gpt2.decode_bytes(&self.ids).as_deref(), Ok(text.as_bytes()));
    }
}

/// Each beside every character: nothing, each class, white space of one and of more, and parts of contractions.
const BEFORE: [&str; 10] = ["", "a", "1", "!", " ", "  ", "\n", "\u{a0}", "'", "x'"];
const AFTER: [&str; 12] = ["", "a", "1", "!", " ", "  x", "\n", "\u{a0}y", "'s", "s", "ll", "\u{301}"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok());
    let gpt2 = Encoding::gpt2();
    let (kind, seed) = (arguments.first().map(String::as_str), number(2).unwrap_or(0));
    match (kind, number(1)) {
        (Some("texts"), Some(count)) => {
            let (mut grammar, mut judge, mut bytes) = (Grammar::new(seed, &gpt2), Judge::new(&gpt2), 0);
            for done in 1..=count {
                let text = grammar.text();
                judge.check(&text);
                bytes += text.len();
                if done % 1_000_000 == 0 || done == count {
                    println!("differences: {done} texts of seed {seed}, {bytes} bytes, 0 differences");
                }
            }
        }
        (Some("print"), Some(count)) => {
            let (mut grammar, mut out) = (Grammar::new(seed, &gpt2), BufWriter::new(std::io::stdout().lock()));
            for _ in 0..count {
                // A reader that has enough ends this.
                if serde_json::to_writer(&mut out, &grammar.text()).is_err() || out.write_all(b"\n").is_err() {
                    return;
                }
            }
        }
        (Some("scalars"), None) => {
            let (mut judge, mut texts, mut text) = (Judge::new(&gpt2), 0, String::new());
            for character in (0..=0x10_ffff).filter_map(char::from_u32) {
                for before in BEFORE {
                    for after in AFTER {
                        text.clear();
                        text.push_str(before);
                        text.push(character);
                        text.push_str(after);
                        judge.check(&text);
                        texts += 1;
                    }
                }
                if character as u32 % 0x1_0000 == 0xffff {
                    println!("differences: to {:x}, {texts} texts, 0 differences", character as u32);
                }
            }
        }
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}
