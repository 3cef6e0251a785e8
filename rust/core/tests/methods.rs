//! Every way to merge a segment against the plain definition, on GPT-2 and on random vocabularies.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use gpt2tok_core::pretokenize::pretokens;
use gpt2tok_core::{Definition, Encoding, Method, Scratch, TokenId};
use proptest::prelude::*;
use std::sync::LazyLock;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

const FAST: [Method; 4] = [Method::Short, Method::Heap, Method::Windows, Method::Linear];

fn check(encoding: &Encoding, segment: &[u8]) -> Result<(), TestCaseError> {
    let mut scratch = Scratch::default();
    let wanted = encoding.merge_by(Method::Naive, segment, &mut scratch);
    for method in FAST {
        let found = encoding.merge_by(method, segment, &mut scratch);
        prop_assert_eq!(&found, &wanted, "{:?} on {:?}", method, String::from_utf8_lossy(segment));
    }
    Ok(())
}

/// Bytes with the runs and repetitions in which merging methods go wrong.
fn segment() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop::sample::select(b"aetoin sh\n=-\xc3\xa9\xe4\xb8".to_vec());
    let part = prop_oneof![
        4 => prop::collection::vec(letter, 1..8),
        2 => (any::<u8>(), 1usize..40).prop_map(|(byte, n)| vec![byte; n]),
        2 => prop::collection::vec(any::<u8>(), 1..8),
        3 => prop::sample::select(vec![" the", "ation", "ing", " Trump", "aaaa", "        ", "----", "ÃÂ"])
            .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 1..16).prop_map(|parts| parts.concat())
}

/// A vocabulary of a few letters with random merges, as training might leave them or not: merges of merges, two ways to
/// the same token, tokens that nothing produces, ids in any order.
fn vocabulary() -> impl Strategy<Value = (Encoding, bool)> {
    (
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..24),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(picks, seed, by_token)| {
            let shuffle = |id: u32| (u64::from(id).wrapping_mul(2 * (seed % 1000) + 1) % 4096) as TokenId;
            let mut tokens: Vec<(Vec<u8>, TokenId)> = (0..=255u8).map(|b| (vec![b], shuffle(u32::from(b)))).collect();
            let mut usable: Vec<usize> = (b'a'..=b'd').map(usize::from).collect();
            let mut merges = Vec::new();
            for (left, right) in picks {
                let (left, right) = (usable[left.index(usable.len())], usable[right.index(usable.len())]);
                let product = [&tokens[left].0[..], &tokens[right].0[..]].concat();
                let place = tokens.iter().position(|(token, _)| *token == product).unwrap_or(tokens.len());
                if place == tokens.len() {
                    if product.len() > 24 {
                        continue;
                    }
                    let id = if by_token { 256 + place as TokenId } else { shuffle(place as u32) };
                    tokens.push((product, id));
                    usable.push(place);
                }
                let merge = (tokens[left].1, tokens[right].1, tokens[place].1);
                if !merges.contains(&merge) {
                    merges.push(merge);
                }
            }
            if by_token {
                merges.clear();
                for (place, (_, id)) in tokens.iter_mut().enumerate() {
                    *id = place as TokenId;
                }
            }
            let definition = Definition {
                name: "random".to_owned(),
                tokens,
                merges,
                merges_by_token: by_token,
                whole_pretokens_first: by_token,
                ..Definition::default()
            };
            (Encoding::new(definition).unwrap(), by_token)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn all_methods_agree_on_gpt2(segment in segment()) {
        check(&GPT2, &segment)?;
    }

    #[test]
    fn all_methods_agree_on_random_vocabularies((encoding, _) in vocabulary(), text in "[a-e]{1,80}") {
        check(&encoding, text.as_bytes())?;
    }

    /// The whole road, lookups and barriers included, against the definition pretoken by pretoken.
    #[test]
    fn encoding_is_the_definition((encoding, by_token) in vocabulary(), text in "[a-e ]{0,80}") {
        let mut scratch = Scratch::default();
        let wanted: Vec<TokenId> = pretokens(&text)
            .flat_map(|pretoken| match encoding.single_token(pretoken.as_bytes()) {
                Some(id) if by_token => vec![id],
                _ => encoding.merge_by(Method::Naive, pretoken.as_bytes(), &mut scratch),
            })
            .collect();
        prop_assert_eq!(encoding.encode_ordinary(&text), wanted);
        prop_assert_eq!(encoding.decode_bytes(&encoding.encode_ordinary(&text)).unwrap(), text.as_bytes());
    }

    /// Taking a vocabulary apart and making it again changes nothing.
    #[test]
    fn a_definition_makes_the_same_encoding_again((encoding, _) in vocabulary(), text in "[a-e ]{0,80}") {
        let again = Encoding::new(encoding.definition()).unwrap();
        prop_assert_eq!(again.definition(), encoding.definition());
        prop_assert_eq!(again.encode_ordinary(&text), encoding.encode_ordinary(&text));
    }
}

#[test]
fn random_vocabularies_meet_both_kinds() {
    // A proper vocabulary is what makes the linear method run at all: the random ones must not all fall to the heap.
    let proper = |merges: &[(&str, &str)]| {
        let mut tokens: Vec<(Vec<u8>, TokenId)> = (0..=255u8).map(|b| (vec![b], u32::from(b))).collect();
        let mut ids = Vec::new();
        for (left, right) in merges {
            let id = |tokens: &[(Vec<u8>, TokenId)], token: &str| {
                tokens.iter().find(|(known, _)| known == token.as_bytes()).map(|&(_, id)| id).unwrap()
            };
            let product = 256 + ids.len() as TokenId;
            ids.push((id(&tokens, left), id(&tokens, right), product));
            tokens.push((format!("{left}{right}").into_bytes(), product));
        }
        let definition = Definition { tokens, merges: ids, ..Definition::default() };
        Encoding::new(definition).unwrap().is_proper()
    };
    assert!(proper(&[("a", "b"), ("ab", "c")]));
    // "abc" comes out as "a" + "bc": the product of the last merge never encodes to itself.
    assert!(!proper(&[("b", "c"), ("a", "b"), ("ab", "c")]));
}

#[test]
fn the_embedded_vocabulary_needs_no_check() {
    // `Encoding::gpt2` trusts that every token encodes to itself; the checked way finds the same.
    let checked = Encoding::new(GPT2.definition()).unwrap();
    assert!(GPT2.is_proper() && checked.is_proper());
    assert_eq!(checked.definition(), GPT2.definition());
    let mut scratch = Scratch::default();
    for (id, token) in GPT2.tokens() {
        for method in [Method::Naive, Method::Windows, Method::Linear] {
            assert_eq!(GPT2.merge_by(method, token, &mut scratch), [id], "{:?}", String::from_utf8_lossy(token));
        }
        assert_eq!(checked.single_token(token), Some(id));
    }
}

#[test]
fn long_runs_agree() {
    let mut scratch = Scratch::default();
    for unit in ["a", " ", "ab", "Ġ", "é", "-=", "abcabd", "0", "aA"] {
        for len in [0, 1, 2, 16, 17, 31, 32, 33, 127, 128, 129, 1000, 3001] {
            let segment = unit.repeat(len).into_bytes();
            let wanted = GPT2.merge_by(Method::Heap, &segment, &mut scratch);
            for method in [Method::Windows, Method::Linear] {
                assert_eq!(GPT2.merge_by(method, &segment, &mut scratch), wanted, "{method:?}, {unit} x {len}");
            }
            if len < 200 {
                assert_eq!(GPT2.merge_by(Method::Naive, &segment, &mut scratch), wanted, "{unit} x {len}");
            }
        }
    }
}

/// Pretokens of many blocks and windows, with places that one window cannot tell and tokens longer than windows.
#[test]
fn long_texts_agree() {
    let mut scratch = Scratch::default();
    let mut state = 1u64;
    let mut chance = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let tokens: Vec<&[u8]> = GPT2.tokens().map(|(_, bytes)| bytes).collect();
    let alphabets: [&[u8]; 7] =
        [b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ACGT", b"ab", b"=-", b"-_=*. ", b"aeinorst"];
    for turn in 0..60 {
        let alphabet = alphabets[turn % alphabets.len()];
        let mut segment = Vec::new();
        while segment.len() < 9000 {
            match (turn / 7 % 3, chance(40)) {
                (1, 0) => segment.extend(std::iter::repeat_n(alphabet[chance(alphabet.len())], chance(600))),
                (2, _) | (_, 1) => segment.extend(tokens[chance(tokens.len())]),
                _ => segment.push(alphabet[chance(alphabet.len())]),
            }
        }
        let wanted = GPT2.merge_by(Method::Heap, &segment, &mut scratch);
        for method in [Method::Windows, Method::Linear] {
            let found = GPT2.merge_by(method, &segment, &mut scratch);
            assert!(found == wanted, "{method:?} on {:?}", String::from_utf8_lossy(&segment));
        }
    }
}
