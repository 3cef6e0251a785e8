//! Any text: the ids are those of the plain definition, decode gives the text back, offsets tile it, cuts change nothing.
#![no_main]

use std::sync::LazyLock;

use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::pretokenize::{cut_after, pretokens};
use gpt2tok_core::{Encoding, Method, Scratch, TokenId};
use libfuzzer_sys::fuzz_target;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let ids = GPT2.encode_ordinary(&text);

    let mut scratch = Scratch::default();
    let plain: Vec<TokenId> = pretokens(&text)
        .flat_map(|pretoken| {
            // The definition is quadratic: very long pretokens are held to the heap instead (and `merge` fuzzes that).
            let method = if pretoken.len() <= 512 { Method::Naive } else { Method::Heap };
            GPT2.merge_by(method, pretoken.as_bytes(), &mut scratch)
        })
        .collect();
    assert_eq!(ids, plain);

    assert_eq!(GPT2.decode_bytes(&ids).unwrap(), text.as_bytes());
    let spans = GPT2.byte_spans(&ids);
    let mut at = 0;
    for &(start, end) in &spans {
        assert!(start == at && end > start);
        at = end;
    }
    assert_eq!(at, text.len());
    assert_eq!(char_spans(&text, &spans).last().map_or(0, |last| last.1), text.chars().count());

    let from = data.first().map_or(0, |&byte| usize::from(byte)).min(text.len());
    let (left, right) = text.split_at(cut_after(&text, from));
    let apart = [GPT2.encode_ordinary(left), GPT2.encode_ordinary(right)].concat();
    assert_eq!(apart, ids);
});
