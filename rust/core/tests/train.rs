//! The trainer against its plain definition, threads against none, streams against whole texts, bounded against unbounded.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use gpt2tok_core::pretokenize::pretokens;
use gpt2tok_core::train::{Cut, Options, Stream, TrainError, Trained, Trainer, Watch, parts};
use proptest::prelude::*;

static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());

fn fed(options: &Options, texts: &[String]) -> Trainer {
    let mut trainer = Trainer::new(options.clone()).unwrap();
    for text in texts {
        trainer.push(text, Cut::Nowhere).unwrap();
    }
    trainer
}

/// Texts of few letters, with the runs, repetitions and ties in which training goes wrong.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let letters = prop_oneof![
        3 => Just("ab"),
        3 => Just("abc"),
        2 => Just("ab c"),
        1 => Just("aé日 b"),
        1 => Just("abcdefgh '\n1"),
    ];
    letters.prop_flat_map(|letters| {
        let letter = prop::sample::select(letters.chars().collect::<Vec<char>>());
        let text = prop::collection::vec(letter, 0..24).prop_map(String::from_iter);
        let repeated = (text, 1usize..4).prop_map(|(text, times)| text.repeat(times));
        prop::collection::vec(repeated, 1..12)
    })
}

fn options() -> impl Strategy<Value = Options> {
    let special = prop::sample::select(vec![
        vec![],
        vec!["<|endoftext|>"],
        vec!["ab"],
        vec!["b", "<|x|>", "abab"],
        vec!["abc", "bc", "日"],
    ]);
    let longest = prop_oneof![6 => Just(None), 1 => (0usize..8).prop_map(Some)];
    let least = prop_oneof![4 => Just(0u64), 1 => 1u64..6];
    (special, longest, least, 0usize..80).prop_map(|(special, max_token_length, min_frequency, merges)| {
        let special_tokens: Vec<String> = special.iter().map(ToString::to_string).collect();
        let vocab_size = 256 + special_tokens.len() + merges;
        Options { special_tokens, max_token_length, min_frequency, ..Options::new(vocab_size) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn learns_what_the_plain_definition_says((options, texts) in (options(), texts())) {
        prop_assume!(texts.iter().any(|text| !text.is_empty()));
        let wanted = fed(&options, &texts).learn_plainly().unwrap();
        let found = fed(&options, &texts).learn(None, Watch::default()).unwrap();
        prop_assert_eq!(found, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_stream_in_any_blocks_has_the_pretokens_of_the_whole(
        texts in texts(),
        blocks in prop::collection::vec(1usize..40, 1..20),
        lines in any::<bool>(),
    ) {
        let text = texts.concat();
        let cut = if lines { Cut::AfterLines } else { Cut::Nowhere };
        let wanted: Vec<&str> = match cut {
            Cut::Nowhere => pretokens(&text).collect(),
            Cut::AfterLines => text.split_inclusive('\n').flat_map(pretokens).collect(),
        };
        let mut stream = Stream::new(cut, false);
        let mut found: Vec<String> = Vec::new();
        let mut take = |part: String| match cut {
            Cut::Nowhere => found.extend(pretokens(&part).map(str::to_owned)),
            Cut::AfterLines => found.extend(part.split_inclusive('\n').flat_map(pretokens).map(str::to_owned)),
        };
        let (mut rest, mut sizes) = (text.as_bytes(), blocks.iter().cycle());
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            take(stream.push(block).unwrap());
            rest = after;
        }
        take(stream.finish().unwrap());
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_stream_replaces_as_the_whole_is_replaced(
        bytes in prop::collection::vec(prop::sample::select(b"a \n\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xff".to_vec()), 0..60),
        size in 1usize..7,
    ) {
        let mut stream = Stream::new(Cut::Nowhere, true);
        let mut found = String::new();
        for block in bytes.chunks(size) {
            found += &stream.push(block).unwrap();
        }
        found += &stream.finish().unwrap();
        prop_assert_eq!(&found, &String::from_utf8_lossy(&bytes));
        let mut stream = Stream::new(Cut::AfterLines, false);
        let pushed: Result<Vec<String>, TrainError> = bytes.chunks(size).map(|block| stream.push(block)).collect();
        let strict = pushed.and_then(|_| stream.finish());
        match std::str::from_utf8(&bytes) {
            Ok(_) => prop_assert!(strict.is_ok()),
            Err(error) => {
                let (byte, offset) = (bytes[error.valid_up_to()], error.valid_up_to() as u64);
                prop_assert_eq!(strict, Err(TrainError::NotUtf8 { byte, offset }));
            }
        }
    }
}

/// Letters in many scripts, in pretokens that a thousand lines repeat more or less often.
fn corpus(lines: u32) -> String {
    let letter = |n: u32| char::from_u32([0x61, 0x430, 0x4e00][n as usize % 3] + n % 23).unwrap();
    let mut state = 1u32;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut text = String::new();
    for _ in 0..lines {
        for _ in 0..next(12) {
            let (first, length) = (next(60), 1 + next(6));
            text.extend((0..length).map(|place| letter(first * 7 + place * (first % 5))));
            text.push(' ');
        }
        text.push('\n');
    }
    text
}

fn learned(text: &str, options: &Options, cut: Cut, pool: Option<&rayon::ThreadPool>) -> Trained {
    let mut trainer = Trainer::new(options.clone()).unwrap();
    for part in parts(text, cut) {
        trainer.push(part, cut).unwrap();
        if trainer.is_full() {
            trainer.count(pool, &|| true).unwrap();
        }
    }
    trainer.learn(pool, Watch::default()).unwrap()
}

#[test]
fn threads_change_nothing() {
    let text = corpus(60_000);
    for cut in [Cut::Nowhere, Cut::AfterLines] {
        for options in [Options::new(2000), Options { max_pretokens: Some(500), ..Options::new(600) }] {
            let alone = learned(&text, &options, cut, None);
            assert_eq!(learned(&text, &options, cut, Some(&POOL)), alone);
            assert!(alone.learned > 300);
            assert_eq!(alone.bytes, text.len() as u64);
        }
    }
}

#[test]
fn ids_past_sixteen_bits_learn_the_same() {
    let text = corpus(3000);
    let narrow = learned(&text, &Options::new(65_534), Cut::Nowhere, None);
    let wide = learned(&text, &Options::new(70_000), Cut::Nowhere, None);
    assert!(narrow.learned < narrow.wanted);
    assert_eq!(narrow.definition, wide.definition);
}

#[test]
fn a_bound_drops_the_rarest_and_says_so() {
    let text: String = (0..100).map(|n| format!("w{n:02} ").repeat(n + 1)).collect();
    // "w" and the number are pretokens of their own, and each number but the first follows a space.
    let all = learned(&text, &Options::new(400), Cut::Nowhere, None);
    assert_eq!(all.dropped, Default::default());
    let some = learned(&text, &Options { max_pretokens: Some(40), ..Options::new(400) }, Cut::Nowhere, None);
    assert!(some.dropped.pretokens > 60 && some.dropped.occurrences > some.dropped.pretokens);
    let tokens =
        |trained: &Trained| trained.definition.tokens.iter().map(|(token, _)| token.clone()).collect::<Vec<_>>();
    assert!(tokens(&some).contains(&b"99".to_vec()) && !tokens(&some).contains(&b"05".to_vec()));
}

#[test]
fn bad_options_and_corpora_are_named() {
    let special = |tokens: &[&str]| Options {
        special_tokens: tokens.iter().map(ToString::to_string).collect(),
        ..Options::new(300)
    };
    let wrong = |options: Options| Trainer::new(options).unwrap_err();
    assert_eq!(wrong(Options::new(255)), TrainError::VocabSizeTooSmall { vocab_size: 255, special: 0, least: 256 });
    let two = Options { vocab_size: 257, ..special(&["<a>", "<b>"]) };
    assert_eq!(wrong(two), TrainError::VocabSizeTooSmall { vocab_size: 257, special: 2, least: 258 });
    assert!(matches!(wrong(Options::new(usize::MAX)), TrainError::VocabSizeTooLarge { .. }));
    assert_eq!(wrong(special(&["<a>", ""])), TrainError::EmptySpecial { index: 1 });
    assert!(matches!(wrong(special(&["<a>", "<b>", "<a>"])), TrainError::RepeatedSpecial { first: 0, index: 2, .. }));
    for spelled in ["Ġthe", "é", "Ã©", "âĢ"] {
        assert!(
            matches!(wrong(special(&[spelled])), TrainError::SpecialSpelledLikeToken { index: 0, .. }),
            "{spelled}"
        );
    }
    for plain in ["<début>", "日", "the", "<|é|>", " the"] {
        assert!(Trainer::new(special(&[plain])).is_ok(), "{plain}");
    }
    assert_eq!(wrong(Options { max_pretokens: Some(0), ..Options::new(300) }), TrainError::NoPretokens);
    let empty = fed(&Options::new(300), &[String::new()]).learn(None, Watch::default());
    assert_eq!(empty, Err(TrainError::EmptyCorpus));
}

#[test]
fn a_token_that_no_encoding_takes_is_refused_while_learning() {
    let texts = ["a".repeat(40_000)];
    let found = fed(&Options::new(300), &texts).learn(None, Watch::default());
    assert!(matches!(found, Err(TrainError::TokenTooLong { left: 8192, right: 8192, .. })), "{found:?}");
    let bounded = Options { max_token_length: Some(100), ..Options::new(300) };
    assert!(fed(&bounded, &texts).learn(None, Watch::default()).is_ok());
}

#[test]
fn work_ends_when_it_is_told_to() {
    let text = corpus(20_000);
    let learn = |most: usize| {
        let asked = AtomicUsize::new(0);
        let keep_going = || asked.fetch_add(1, Ordering::Relaxed) < most;
        let watch = Watch { keep_going: &keep_going, merges: &|_, _| () };
        let done = fed(&Options::new(1000), std::slice::from_ref(&text)).learn(None, watch);
        (done.map(|trained| trained.learned), asked.into_inner())
    };
    let (learned, all) = learn(usize::MAX);
    assert_eq!(learned, Ok(744));
    for most in [0, 1, all / 2, all - 1] {
        assert_eq!(learn(most), (Err(TrainError::Interrupted), most + 1));
    }
}

#[test]
fn what_is_learned_is_a_vocabulary_that_encodes() {
    let text = corpus(2000);
    let options = Options { special_tokens: vec!["<|endoftext|>".to_owned()], ..Options::new(1000) };
    let encoding = learned(&text, &options, Cut::Nowhere, None).encoding("mine".to_owned()).unwrap();
    assert_eq!((encoding.n_vocab(), encoding.special().id("<|endoftext|>")), (1000, Some(999)));
    assert!(encoding.is_proper());
    let ids = encoding.encode_ordinary(&text);
    assert_eq!(encoding.decode_bytes(&ids).unwrap(), text.as_bytes());
    assert!(ids.len() * 2 < text.len());
}
