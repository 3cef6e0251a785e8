//! Any special tokens, allowed or not, in any text: found leftmost first and longest first, refused where they must be.
#![no_main]

use arbitrary::Arbitrary;
use gpt2tok_core::special::{Choice, SpecialError};
use gpt2tok_core::{Definition, EncodeError, Encoding};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    names: Vec<Name>,
    /// One bit a name.
    allowed: u8,
    /// `None` is "all that are not allowed".
    disallowed: Option<u8>,
    text: Vec<u8>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Name {
    letters: [u8; 4],
    length: u8,
}

const LETTERS: [&str; 6] = ["a", "b", "<", ">", " ", "é"];

fn letters(places: &[u8]) -> String {
    places.iter().map(|&place| LETTERS[usize::from(place) % LETTERS.len()]).collect()
}

fuzz_target!(|input: Input| {
    let mut names: Vec<String> = Vec::new();
    for name in input.names.iter().take(6) {
        let name = letters(&name.letters[..1 + usize::from(name.length % 4)]);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let text = letters(&input.text[..input.text.len().min(200)]);
    let tokens = (0..=255u8).map(|byte| (vec![byte], u32::from(byte))).collect();
    let special = names.iter().enumerate().map(|(place, name)| (name.clone(), 300 + place as u32)).collect();
    let encoding = Encoding::new(Definition { tokens, special, ..Definition::default() }).unwrap();

    let chosen = |bits: u8| -> Vec<String> {
        names.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1).map(|(_, name)| name.clone()).collect()
    };
    let allowed = chosen(input.allowed);
    let disallowed = match input.disallowed {
        None => names.iter().filter(|name| !allowed.contains(name)).cloned().collect(),
        Some(bits) => chosen(bits),
    };
    let choice = input.disallowed.map_or(Choice::All, |_| Choice::Only(disallowed.clone()));
    let found = encoding.encode(&text, &Choice::Only(allowed.clone()), &choice);

    // The leftmost occurrence of any of these names; the longest of those that begin there.
    let first = |names: &[String], from: usize| {
        let starts = text[from..].char_indices().map(|(at, _)| from + at);
        starts.into_iter().find_map(|at| {
            let here = names.iter().filter(|name| text[at..].starts_with(name.as_str()));
            Some((at, here.max_by_key(|name| name.len())?.clone()))
        })
    };
    if let Some((at, name)) = first(&disallowed, 0) {
        let Err(EncodeError::Special(SpecialError::Disallowed { token, character, byte })) = found else {
            panic!("{name:?} at {at} is disallowed in {text:?}, but: {found:?}")
        };
        assert_eq!((token, byte, character), (name, at, text[..at].chars().count()));
        return;
    }
    let (mut ids, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let next = first(&allowed, at);
        let end = next.as_ref().map_or(text.len(), |(start, _)| *start);
        ids.extend(text[at..end].bytes().map(u32::from));
        at = end;
        if let Some((_, name)) = next {
            ids.push(300 + names.iter().position(|known| *known == name).unwrap() as u32);
            at += name.len();
        }
    }
    assert_eq!(found, Ok(ids), "{names:?} in {text:?}");
});
