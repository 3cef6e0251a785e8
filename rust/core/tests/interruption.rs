//! Wherever long work is told to stop, it stops there and then, says so, and leaves its working memory good for the next.

#![allow(clippy::unwrap_used, clippy::panic)] // in a test, a failure is the report

use gpt2tok_core::added::{AddedToken, AddedTokens, Style};
use gpt2tok_core::batch::BatchError;
use gpt2tok_core::special::{Choice, Policy};
use gpt2tok_core::{Definition, EncodeError, Encoding, Interrupted, Scratch, TokenId};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);
static POOL: LazyLock<rayon::ThreadPool> =
    LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());

/// "abc" comes out as "a" and "bc", so "abc" the token is never reached: the linear method does not apply.
fn improper() -> Encoding {
    let tokens = (0..=255u8).map(|byte| (vec![byte], TokenId::from(byte)));
    let more = [(b"bc".to_vec(), 256), (b"ab".to_vec(), 257), (b"abc".to_vec(), 258), (b"ca".to_vec(), 259)];
    let merges = vec![(98, 99, 256), (97, 98, 257), (257, 99, 258), (99, 97, 259)];
    let tokens = tokens.chain(more).collect();
    Encoding::new(Definition { tokens, merges, ..Definition::default() }).unwrap()
}

/// Says yes so many times.
struct Patience {
    asked: AtomicUsize,
    most: usize,
}

impl Patience {
    fn of(most: usize) -> Self {
        Patience { asked: AtomicUsize::new(0), most }
    }

    fn keep_going(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) < self.most
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// What does long work on a text, and how many ids it found.
type Road = fn(&Encoding, &str, &Policy<'_>, &mut Scratch, &Patience) -> Result<usize, EncodeError>;

/// The special tokens of an encoding, as the tokens that Hugging Face's surface adds.
fn added(encoding: &Encoding) -> AddedTokens {
    let token = |(content, id): &(String, TokenId)| AddedToken {
        content: content.clone(),
        id: *id,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
    };
    AddedTokens::new(encoding.special().tokens().iter().map(token).collect())
}

const PLAIN: Style = Style { add_prefix_space: false, split_special_tokens: false };

const ROADS: [(&str, Road); 6] = [
    ("ids", |encoding, text, policy, scratch, patience| {
        let mut ids = Vec::new();
        encoding.encode_into(text, policy, scratch, &mut ids, &|| patience.keep_going()).map(|()| ids.len())
    }),
    ("spans", |encoding, text, policy, scratch, patience| {
        let found = encoding.encode_with_byte_spans(text, policy, scratch, &|| patience.keep_going());
        found.map(|(ids, spans)| ids.len().min(spans.len()))
    }),
    ("added", |encoding, text, _, scratch, patience| {
        let found = encoding.encode_added(text, &added(encoding), PLAIN, scratch, &|| patience.keep_going());
        Ok(found?.len())
    }),
    ("located", |encoding, text, _, scratch, patience| {
        let found = encoding.encode_added_located(text, &added(encoding), PLAIN, scratch, &|| patience.keep_going());
        Ok(found?.ids.len())
    }),
    ("count", |encoding, text, policy, _, patience| encoding.count(text, policy, &|| patience.keep_going())),
    ("batch", |encoding, text, policy, _, patience| {
        let found = encoding.count_batch(&["", text], policy, None, &|| patience.keep_going());
        found.map(|counts| counts[1]).map_err(|BatchError { error, .. }| error)
    }),
];

#[test]
fn work_on_a_text_stops_at_every_question() {
    let improper = improper();
    let encodings = [("GPT-2", &*GPT2), ("improper", &improper)];
    let texts = [
        "low lower ".repeat(1 << 16),
        "abc".repeat(1 << 17),
        "a".repeat(3 << 18),
        " ".repeat(3 << 18),
        "山".repeat(1 << 17),
        "山x".repeat(1 << 17),
        "<|endoftext|>".repeat(1 << 16),
    ];
    for (name, encoding) in encodings {
        let policy = encoding.special().policy(&Choice::All, &Choice::All).unwrap();
        let mut scratch = Scratch::default();
        for text in &texts {
            let start: String = text.chars().take(9).collect();
            for (road, work) in ROADS {
                let patient = Patience::of(usize::MAX);
                let whole = work(encoding, text, &policy, &mut Scratch::default(), &patient).unwrap();
                assert_eq!(whole, encoding.encode(text, &Choice::All, &Choice::All).unwrap().len());
                assert!(patient.asked() >= 2, "{road} of {start:?} by {name} asks {} times", patient.asked());
                // The last turn may have left a question nearly due, or just asked: one more or less.
                for most in [0, patient.asked() / 2 - 1, patient.asked() - 2] {
                    let patience = Patience::of(most);
                    let stopped = work(encoding, text, &policy, &mut scratch, &patience);
                    assert_eq!(stopped, Err(EncodeError::Interrupted(Interrupted)), "{road} of {start:?} by {name}");
                    assert_eq!(patience.asked(), most + 1, "{road} of {start:?} by {name}");
                    let mut ids = Vec::new();
                    encoding.encode_into(&start, &policy, &mut scratch, &mut ids, &|| true).unwrap();
                    assert_eq!(encoding.decode_bytes(&ids).unwrap(), start.as_bytes());
                }
            }
        }
    }
}

/// So many names that they are looked for byte by byte.
fn names() -> impl Iterator<Item = String> {
    (0..300).map(|number| format!("{}z{number}", char::from(b'a' + (number % 26) as u8)))
}

#[test]
fn looking_for_names_is_interrupted_too() {
    let special = names().zip(1000..).collect();
    let tokens = (0..=255u8).map(|byte| (vec![byte], TokenId::from(byte))).collect();
    let encoding = Encoding::new(Definition { tokens, special, ..Definition::default() }).unwrap();
    let text = "low lower ".repeat(1 << 19);
    let asked = |work: &dyn Fn(&Patience)| {
        let patience = Patience::of(usize::MAX);
        work(&patience);
        patience.asked()
    };
    let ordinary = asked(&|patience| {
        let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
        encoding.encode_ordinary_into(&text, &mut scratch, &mut ids, &|| patience.keep_going()).unwrap();
    });
    // Once for every MiB or so; disallowed and allowed names are looked for one after the other.
    let search = text.len() / (1 << 20) - 1;
    let (allowed, disallowed) = (Choice::Only(names().take(150).collect()), Choice::All);
    for (name, (allowed, disallowed), searches) in
        [("disallowed", (&Choice::Only(Vec::new()), &disallowed), 1), ("both", (&allowed, &disallowed), 2)]
    {
        let policy = encoding.special().policy(allowed, disallowed).unwrap();
        for (road, work) in ROADS.iter().filter(|(road, _)| !["added", "located"].contains(road)) {
            let asked = asked(&|patience| {
                work(&encoding, &text, &policy, &mut Scratch::default(), patience).unwrap();
            });
            assert!(asked >= ordinary + searches * search, "{name}, {road}: {asked} times, {ordinary} without names");
            for most in [0, search, 2 * search + 1, asked - 2] {
                let patience = Patience::of(most);
                let stopped = work(&encoding, &text, &policy, &mut Scratch::default(), &patience);
                let found = (stopped, patience.asked());
                assert_eq!(found, (Err(EncodeError::Interrupted(Interrupted)), most + 1), "{name}, {road}");
            }
        }
    }
    let nothing = encoding.special().ignored();
    for (road, work) in ROADS.iter().filter(|(road, _)| ["added", "located"].contains(road)) {
        let asked = asked(&|patience| {
            work(&encoding, &text, &nothing, &mut Scratch::default(), patience).unwrap();
        });
        assert!(asked >= ordinary + search, "{road}: {asked} times, {ordinary} without names");
    }
}

#[test]
fn names_that_no_rule_lets_pass_and_white_space_are_interrupted_too() {
    let token = |content: &str, single_word, strip| AddedToken {
        content: content.to_owned(),
        id: 1000,
        single_word,
        lstrip: strip,
        rstrip: strip,
        normalized: false,
        special: false,
    };
    let letters = "a".repeat(3 << 20);
    let space = " ".repeat(3 << 20);
    for (token, text) in [
        (token("a", true, false), letters),
        (token("<x>", false, true), format!("<x>{space}.")),
        (token("<x>", false, true), format!(".{space}<x>")),
    ] {
        let added = AddedTokens::new(vec![token]);
        let run = |most, locate| {
            let patience = Patience::of(most);
            let keep_going = || patience.keep_going();
            let scratch = &mut Scratch::default();
            let ids = if locate {
                GPT2.encode_added_located(&text, &added, PLAIN, scratch, &keep_going).map(|found| found.ids)
            } else {
                GPT2.encode_added(&text, &added, PLAIN, scratch, &keep_going)
            };
            (ids, patience.asked())
        };
        for locate in [false, true] {
            let (whole, asked) = run(usize::MAX, locate);
            assert!(whole.is_ok() && asked >= 2, "{:?}: {asked}", &text[..9]);
            assert_eq!(run(1, locate), (Err(Interrupted), 2));
        }
    }
}

#[test]
fn a_batch_on_threads_stops_and_names_a_text() {
    let long = "low lower ".repeat(1 << 14);
    let texts: Vec<&str> = std::iter::repeat_n(&long[..], 40).chain(["<|endoftext|>"; 40]).collect();
    let policy = GPT2.special().policy(&Choice::All, &Choice::All).unwrap();
    let patient = Patience::of(usize::MAX);
    let whole = GPT2.count_batch(&texts, &policy, Some(&POOL), &|| patient.keep_going()).unwrap();
    assert_eq!(whole[0], GPT2.encode_ordinary(&long).len());
    assert!(patient.asked() >= 10, "{}", patient.asked());
    for most in [0, 1, 2, 5, patient.asked() / 2] {
        let patience = Patience::of(most);
        let keep_going = || patience.keep_going();
        let stopped = GPT2.encode_ragged::<u16>(&texts, &policy, Some(&POOL), &keep_going).unwrap_err();
        assert!(stopped.error == EncodeError::Interrupted(Interrupted) && stopped.index < texts.len(), "{stopped}");
        // Each of two threads may be at a question of its own.
        assert!(patience.asked() <= most + 2, "{} after {most}", patience.asked());
        let patience = Patience::of(most);
        let stopped = GPT2.count_batch(&texts, &policy, Some(&POOL), &|| patience.keep_going()).unwrap_err();
        assert!(stopped.error == EncodeError::Interrupted(Interrupted) && stopped.index < texts.len(), "{stopped}");
    }
    // The scratches that were lent meanwhile are good.
    assert_eq!(GPT2.count_batch(&texts, &policy, Some(&POOL), &|| true).unwrap(), whole);
}
