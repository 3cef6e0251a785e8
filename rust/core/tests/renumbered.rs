//! GPT-2's vocabulary under other ids, which need more than 16 bits: encoding must give the same tokens, renumbered, on
//! every road. And where texts are made to fill the cache, the roads without one must agree.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use gpt2tok_core::pretokenize::pretokens;
use gpt2tok_core::special::Choice;
use gpt2tok_core::{Definition, Encoding, Method, Scratch, TokenId};
use proptest::prelude::*;
use std::sync::LazyLock;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);
const BY: TokenId = 1 << 20;
const NONE: Choice = Choice::Only(Vec::new());

fn renumbered(whole_pretokens_first: bool) -> Encoding {
    let gpt2 = GPT2.definition();
    let more = |id: TokenId| id + BY;
    Encoding::new(Definition {
        tokens: gpt2.tokens.into_iter().map(|(token, id)| (token, more(id))).collect(),
        merges: gpt2
            .merges
            .into_iter()
            .map(|(left, right, product)| (more(left), more(right), more(product)))
            .collect(),
        special: gpt2.special.into_iter().map(|(name, id)| (name, more(id))).collect(),
        whole_pretokens_first,
        name: "renumbered".to_owned(),
        ..Definition::default()
    })
    .unwrap()
}

static WIDE: LazyLock<[Encoding; 2]> = LazyLock::new(|| [renumbered(false), renumbered(true)]);
static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());

/// Short and long pretokens, known and new, runs, and scripts whose characters do not merge.
fn text() -> impl Strategy<Value = String> {
    let some = prop_oneof![
        "[a-z]{1,30}",
        "[ \n\t]{1,40}",
        "[一-龥]{1,40}",
        "[0-9a-f]{10,60}",
        ".{0,12}",
        Just(" the quick  brown fox's ".to_owned()),
        Just("<|endoftext|>".to_owned()),
        ("[a= 山]", 1usize..3000).prop_map(|(unit, times)| unit.repeat(times)),
    ];
    prop::collection::vec(some, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn ids_past_sixteen_bits_are_the_same_tokens(text in text()) {
        let policy = GPT2.special().policy(&Choice::All, &Choice::All).unwrap();
        let ids = GPT2.encode(&text, &Choice::All, &Choice::All).unwrap();
        let wanted: Vec<TokenId> = ids.iter().map(|id| id + BY).collect();
        for wide in &*WIDE {
            prop_assert_eq!(&wide.encode(&text, &Choice::All, &Choice::All).unwrap(), &wanted);
            prop_assert_eq!(&wide.decode_bytes(&wanted).unwrap(), text.as_bytes());
            let policy = wide.special().policy(&Choice::All, &Choice::All).unwrap();
            let texts = [&text[..], "", &text];
            for pool in [None, Some(&*POOL)] {
                let ragged = wide.encode_ragged::<u32>(&texts, &policy, pool, &|| true).unwrap();
                prop_assert_eq!(&ragged.ids, &[&wanted[..], &wanted].concat());
                prop_assert_eq!(
                    wide.count_batch(&texts, &policy, pool, &|| true).unwrap(),
                    [wanted.len(), 0, wanted.len()]
                );
            }
            prop_assert_eq!(wide.count(&text, &policy, &|| true).unwrap(), wanted.len());
            let (found, spans) =
                wide.encode_with_byte_spans(&text, &policy, &mut Scratch::default(), &|| true).unwrap();
            prop_assert_eq!(&found, &wanted);
            prop_assert_eq!(&spans, &GPT2.byte_spans(&ids));
        }
        prop_assert_eq!(GPT2.count(&text, &policy, &|| true).unwrap(), ids.len());
    }

    /// Nothing is special to a policy that ignores special tokens.
    #[test]
    fn what_is_ignored_is_text(text in text()) {
        let policy = GPT2.special().ignored();
        let mut ids = Vec::new();
        GPT2.encode_into(&text, &policy, &mut Scratch::default(), &mut ids, &|| true).unwrap();
        prop_assert_eq!(ids, GPT2.encode(&text, &NONE, &NONE).unwrap());
    }
}

/// More pretokens than a cache of first size holds, and than the largest does; each comes again when others may have put
/// it out. One scratch serves both widths of ids, and then more vocabularies than a cache tells apart.
#[test]
fn a_cache_that_grows_and_fills_forgets_nothing_wrongly() {
    let [wide, _] = &*WIDE;
    let mut scratch = Scratch::default();
    let plain = |text: &str| -> Vec<TokenId> {
        let mut scratch = Scratch::default();
        pretokens(text).flat_map(|pretoken| GPT2.merge_by(Method::Short, pretoken.as_bytes(), &mut scratch)).collect()
    };
    for (count, turns) in [(20_000, 3), (300_000, 2)] {
        // Letters in the base of 26: every number another pretoken.
        let letters = |mut number: u32| {
            let mut text = String::from(" ");
            while number > 0 {
                text.push(char::from(b'a' + (number % 26) as u8));
                number /= 26;
            }
            text
        };
        let text: String = (1..count).map(letters).collect();
        let wanted = plain(&text);
        let more: Vec<TokenId> = wanted.iter().map(|id| id + BY).collect();
        for _ in 0..turns {
            for (encoding, wanted) in [(&*GPT2, &wanted), (wide, &more)] {
                let mut ids = Vec::new();
                encoding.encode_ordinary_into(&text, &mut scratch, &mut ids, &|| true).unwrap();
                assert!(ids == *wanted, "{count} pretokens");
            }
        }
    }
    // Two bytes and what they make: the same text has other ids in each of twenty vocabularies.
    let small = |first: TokenId| {
        let tokens =
            (0..=255u8).map(|byte| (vec![byte], first + TokenId::from(byte))).chain([(b"ab".to_vec(), first + 256)]);
        let (tokens, merge) = (tokens.collect(), (first + u32::from(b'a'), first + u32::from(b'b'), first + 256));
        Encoding::new(Definition { tokens, merges: vec![merge], ..Definition::default() }).unwrap()
    };
    let many: Vec<Encoding> = (0..20).map(|number| small(number * 1000)).collect();
    for _ in 0..2 {
        for (encoding, first) in many.iter().zip((0..).step_by(1000)) {
            let mut ids = Vec::new();
            encoding.encode_ordinary_into("ab b cab", &mut scratch, &mut ids, &|| true).unwrap();
            let wanted: Vec<TokenId> = [256, 32, 98, 32, 99, 256].iter().map(|id| id + first).collect();
            assert_eq!(ids, wanted);
        }
    }
}
