//! Any text, several ways: the three scanners cut it alike, and a scratch whose cache remembers all inputs before this one
//! gives the ids of a new one, of lists of portions, and of merging each pretoken by the slow and by the linear method.
#![no_main]

use std::cell::RefCell;
use std::sync::LazyLock;

use gpt2tok_core::pretokenize::{Scan, boundaries};
use gpt2tok_core::{Encoding, Method, Scratch, TokenId};
use libfuzzer_sys::fuzz_target;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

thread_local! {
    static KEPT: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let cuts = boundaries(&text, Scan::Scalar);
    assert_eq!(boundaries(&text, Scan::Words), cuts, "words: {text:?}");
    assert_eq!(boundaries(&text, Scan::Vectors), cuts, "vectors: {text:?}");

    let mut kept: Vec<TokenId> = Vec::new();
    KEPT.with_borrow_mut(|scratch| GPT2.encode_ordinary_into(&text, scratch, &mut kept, &|| true)).unwrap();
    assert_eq!(GPT2.encode_ordinary(&text), kept, "without what the cache remembers: {text:?}");

    let mut scratch = Scratch::default();
    for method in [Method::Heap, Method::Windows, Method::Linear] {
        let merged: Vec<TokenId> = cuts
            .windows(2)
            .flat_map(|ends| GPT2.merge_by(method, &text.as_bytes()[ends[0]..ends[1]], &mut scratch))
            .collect();
        assert_eq!(merged, kept, "{method:?}: {text:?}");
    }
});
