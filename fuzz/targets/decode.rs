//! Any ids, streamed in any portions: known ids give their bytes, unknown ones an error with its place, no half characters.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use gpt2tok_core::Encoding;
use gpt2tok_core::stream::Utf8Stream;
use libfuzzer_sys::fuzz_target;

static GPT2: LazyLock<Encoding> = LazyLock::new(Encoding::gpt2);

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    ids: Vec<u16>,
    /// How many bytes each portion has, over and over.
    portions: [u8; 4],
    bytes: &'a [u8],
}

/// Everything a stream gives for these portions; each must be whole characters, which `String` sees to.
fn streamed<'b>(portions: impl Iterator<Item = &'b [u8]>) -> String {
    let mut stream = Utf8Stream::default();
    let mut text: String = portions.map(|portion| stream.push(portion)).collect();
    text.push_str(&stream.finish());
    assert_eq!(stream.finish(), "", "a stream that has ended holds nothing back");
    text
}

fuzz_target!(|input: Input| {
    // Folded so that about one id in a hundred is unknown.
    let ids: Vec<u32> = input.ids.iter().map(|&id| u32::from(id) % 50_800).collect();
    let unknown = ids.iter().position(|&id| id > 50_256);
    match (GPT2.decode_bytes(&ids), unknown) {
        (Ok(bytes), None) => {
            let joined: Vec<u8> = ids.iter().flat_map(|&id| GPT2.token_bytes(id).unwrap().iter().copied()).collect();
            assert_eq!(bytes, joined);
            let portions = ids.iter().map(|&id| GPT2.token_bytes(id).unwrap());
            assert_eq!(streamed(portions), String::from_utf8_lossy(&bytes));
        }
        (Err(error), Some(position)) => assert_eq!((error.position, error.id), (position, ids[position])),
        (result, unknown) => panic!("{result:?} with the first unknown id at {unknown:?}"),
    }
    // Any bytes cut anywhere, empty portions too.
    let mut rest = input.bytes;
    let mut sizes = input.portions.iter().cycle();
    let portions = std::iter::from_fn(|| {
        let size = usize::from(sizes.next()? % 5).min(rest.len());
        let (portion, after) = rest.split_at(size);
        let more = !rest.is_empty() && input.portions.iter().any(|size| size % 5 > 0);
        rest = after;
        more.then_some(portion)
    });
    let text = streamed(portions);
    if input.portions.iter().any(|size| size % 5 > 0) {
        assert_eq!(text, String::from_utf8_lossy(input.bytes));
    }
});
