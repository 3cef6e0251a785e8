//! Any text: the ids are those of the plain definition, decode gives the text back, offsets tile it, cuts change nothing.
#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::pretokenize::{cut_after, pretokens};
use gpt2tok_core::stream::Utf8Stream;
use gpt2tok_core::{Encoding, Method, Scratch, TokenId};
use gpt2tok_fuzz as plain;
use libfuzzer_sys::fuzz_target;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

/// The definition is quadratic: longer pretokens are held to the heap instead (and `merge` fuzzes that).
const LONGEST: usize = 512;

thread_local! {
    static MERGES: RefCell<plain::Merges> = RefCell::new(plain::Merges::gpt2(GPT2.merges().unwrap()));
    /// Kept from input to input, as a thread of a batch keeps it: nothing of one text may reach the next.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut ids = Vec::new();
    let encode = |text: &str, ids: &mut Vec<TokenId>| {
        SCRATCH.with_borrow_mut(|scratch| GPT2.encode_ordinary_into(text, scratch, ids, &|| true)).unwrap();
    };
    encode(&text, &mut ids);

    let split = plain::split(&text);
    let mut at = 0;
    MERGES.with_borrow_mut(|merges| {
        for pretoken in &split {
            let heap;
            let wanted = if pretoken.len() <= LONGEST {
                merges.encode(pretoken)
            } else {
                heap = GPT2.merge_by(Method::Heap, pretoken.as_bytes(), &mut Scratch::default());
                &heap
            };
            assert_eq!(ids.get(at..at + wanted.len()), Some(wanted), "{pretoken:?} in {text:?}");
            at += wanted.len();
        }
    });
    assert_eq!(at, ids.len());
    assert_eq!(GPT2.decode_bytes(&ids).unwrap(), text.as_bytes());

    // The rest by turns, so that an input is quick; the length decides, and mutation changes it all the time.
    match data.len() % 8 {
        0 => {
            let spans = GPT2.byte_spans(&ids);
            let mut at = 0;
            for &(start, end) in &spans {
                assert!(start == at && end > start);
                at = end;
            }
            assert_eq!(at, text.len());
            assert_eq!(char_spans(&text, &spans).last().map_or(0, |last| last.1), text.chars().count());
        }
        1 | 5 => {
            let from = data.first().map_or(0, |&byte| usize::from(byte)).min(text.len());
            let (left, right) = text.split_at(cut_after(&text, from));
            let mut joined = Vec::new();
            encode(left, &mut joined);
            encode(right, &mut joined);
            assert_eq!(joined, ids);
        }
        2 => {
            let mut stream = Utf8Stream::default();
            let mut streamed: String = ids.iter().map(|&id| stream.push(GPT2.token_bytes(id).unwrap())).collect();
            streamed.push_str(&stream.finish());
            assert_eq!(streamed, text);
        }
        3 => assert_eq!(pretokens(&text).collect::<Vec<_>>(), split),
        4 => assert_eq!(GPT2.encode_ordinary(&text), ids),
        6 if text.len() <= 256 => assert_eq!(plain::split_by_engine(&text), split),
        _ => {}
    }
});
