//! Any small corpus and options: training learns what its plain definition says, streams and batches change nothing, and
//! what was learned encodes its own corpus.
#![no_main]

use arbitrary::Arbitrary;
use gpt2tok_core::train::{Cut, Options, Stream, Trainer, Watch};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    merges: u8,
    min_frequency: u8,
    max_token_length: Option<u8>,
    special: u8,
    /// Ends of blocks, in letters.
    block: u8,
    lines: bool,
    text: Vec<u8>,
}

const LETTERS: [&str; 8] = ["a", "b", "c", " ", "\n", "é", "日", "'s"];
const SPECIAL: [&[&str]; 4] = [&[], &["<|endoftext|>"], &["ab", "a"], &["abc", "日"]];

fuzz_target!(|input: Input| {
    let text: String = input.text.iter().take(400).map(|&byte| LETTERS[usize::from(byte) % LETTERS.len()]).collect();
    if text.is_empty() {
        return;
    }
    let special_tokens: Vec<String> =
        SPECIAL[usize::from(input.special) % SPECIAL.len()].iter().map(ToString::to_string).collect();
    let options = Options {
        min_frequency: u64::from(input.min_frequency % 4),
        max_token_length: input.max_token_length.map(|limit| usize::from(limit % 12)),
        ..Options::new(256 + special_tokens.len() + usize::from(input.merges))
    };
    let options = Options { special_tokens, ..options };
    let cut = if input.lines { Cut::AfterLines } else { Cut::Nowhere };
    let trainer = || {
        let mut trainer = Trainer::new(options.clone()).unwrap();
        trainer.push(&text, cut).unwrap();
        trainer
    };
    let wanted = trainer().learn_plainly().unwrap();
    assert_eq!(trainer().learn(None, Watch::default()).unwrap(), wanted, "{options:?} on {text:?}");

    let (mut streamed, mut stream) = (Trainer::new(options.clone()).unwrap(), Stream::new(cut, false));
    for block in text.as_bytes().chunks(usize::from(input.block) + 1) {
        streamed.push(&stream.push(block).unwrap(), cut).unwrap();
        streamed.count(None, &|| true).unwrap();
    }
    streamed.push(&stream.finish().unwrap(), cut).unwrap();
    assert_eq!(streamed.learn(None, Watch::default()).unwrap(), wanted, "streamed: {options:?} on {text:?}");

    let encoding = wanted.encoding("fuzz".to_owned()).unwrap();
    assert_eq!(encoding.decode_bytes(&encoding.encode_ordinary(&text)).unwrap(), text.as_bytes());
});
