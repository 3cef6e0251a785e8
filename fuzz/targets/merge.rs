//! Any vocabulary of a few letters and any segment: naive, short, heap, windows' and linear merging agree, and so does the encoder.
#![no_main]

use arbitrary::Arbitrary;
use gpt2tok_core::pretokenize::pretokens;
use gpt2tok_core::{Definition, Encoding, Method, Scratch, TokenId};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Which two tokens each merge joins, modulo how many there are.
    merges: Vec<(u8, u8)>,
    /// Multiplies ids, so that they are not in rank order.
    stride: u8,
    by_token: bool,
    text: Vec<u8>,
}

const LETTERS: &[u8] = b"abcd e";

fn vocabulary(input: &Input) -> Option<Encoding> {
    let stride = if input.by_token { 1 } else { 2 * u32::from(input.stride) + 1 };
    let id = |place: usize| (place as u32).wrapping_mul(stride) % 4096;
    let mut tokens: Vec<(Vec<u8>, TokenId)> = (0..=255u8).map(|byte| (vec![byte], id(usize::from(byte)))).collect();
    let mut usable: Vec<usize> = LETTERS.iter().map(|&letter| usize::from(letter)).collect();
    let mut merges = Vec::new();
    for &(left, right) in input.merges.iter().take(64) {
        let (left, right) = (usable[usize::from(left) % usable.len()], usable[usize::from(right) % usable.len()]);
        let product = [&tokens[left].0[..], &tokens[right].0[..]].concat();
        if product.len() > 40 {
            continue;
        }
        let place = tokens.iter().position(|(token, _)| *token == product).unwrap_or(tokens.len());
        if place == tokens.len() {
            tokens.push((product, id(place)));
            usable.push(place);
        }
        let merge = (tokens[left].1, tokens[right].1, tokens[place].1);
        if !input.by_token && !merges.contains(&merge) {
            merges.push(merge);
        }
    }
    let (merges_by_token, whole_pretokens_first) = (input.by_token, input.by_token);
    Encoding::new(Definition { tokens, merges, merges_by_token, whole_pretokens_first, ..Definition::default() }).ok()
}

fuzz_target!(|input: Input| {
    let Some(encoding) = vocabulary(&input) else { return };
    let text: String =
        input.text.iter().take(400).map(|&byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).collect();
    let mut scratch = Scratch::default();
    let wanted = encoding.merge_by(Method::Naive, text.as_bytes(), &mut scratch);
    for method in [Method::Short, Method::Heap, Method::Windows, Method::Linear] {
        assert_eq!(encoding.merge_by(method, text.as_bytes(), &mut scratch), wanted, "{method:?} on {text:?}");
    }
    let plain: Vec<TokenId> = pretokens(&text)
        .flat_map(|pretoken| match encoding.single_token(pretoken.as_bytes()) {
            Some(id) if input.by_token => vec![id],
            _ => encoding.merge_by(Method::Naive, pretoken.as_bytes(), &mut scratch),
        })
        .collect();
    assert_eq!(encoding.encode_ordinary(&text), plain, "{text:?}");
});
