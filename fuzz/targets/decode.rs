//! Any ids, streamed in any portions: known ids give their bytes, unknown ones an error with its place, no half characters.
#![no_main]

use std::sync::LazyLock;

use gpt2tok_core::Encoding;
use gpt2tok_core::stream::Utf8Stream;
use libfuzzer_sys::fuzz_target;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

fuzz_target!(|ids: Vec<u32>| {
    // Most 32-bit numbers are no ids: fold them so that about one in a hundred is unknown.
    let ids: Vec<u32> = ids.into_iter().map(|id| id % 50_800).collect();
    let unknown = ids.iter().position(|&id| id > 50_256);
    match (GPT2.decode_bytes(&ids), unknown) {
        (Ok(bytes), None) => {
            let mut stream = Utf8Stream::default();
            let mut text: String = ids.iter().map(|&id| stream.push(GPT2.token_bytes(id).unwrap())).collect();
            text.push_str(&stream.finish());
            assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
        (Err(error), Some(position)) => assert_eq!((error.position, error.id), (position, ids[position])),
        (result, unknown) => panic!("{result:?} with the first unknown id at {unknown:?}"),
    }
});
