//! What does the trainer learn? The definition, written to be read, and the oracle for [`super::learn`].
//!
//! Every pretoken is a list of tokens with a count. In each step all pairs of neighbours are counted, and the most
//! frequent one is merged everywhere, from left to right; of equally frequent ones that with the smallest ids.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::tokens::{Merge, Tokens};
use super::{Options, TrainError};

pub(super) fn learn(
    pretokens: &[(Vec<u8>, u64)],
    tokens: &mut Tokens,
    options: &Options,
) -> Result<Vec<Merge>, TrainError> {
    let spell = |bytes: &[u8]| bytes.iter().map(|&byte| tokens.of_byte[usize::from(byte)]).collect::<Vec<u32>>();
    let mut texts: Vec<(Vec<u32>, u64)> = pretokens.iter().map(|(bytes, count)| (spell(bytes), *count)).collect();
    let mut merges = Vec::new();
    while tokens.len() < options.vocab_size {
        let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for (text, count) in &texts {
            for pair in text.windows(2) {
                let length = tokens.bytes(pair[0]).len() + tokens.bytes(pair[1]).len();
                // As tokenizers has it: two bytes may always merge, others if they stay below the limit.
                if length == 2 || options.max_token_length.is_none_or(|limit| length < limit) {
                    *counts.entry((pair[0], pair[1])).or_default() += count;
                }
            }
        }
        let best = counts.into_iter().map(|(pair, count)| (count, Reverse(pair))).max();
        let Some((count, Reverse((left, right)))) = best else { break };
        if count < options.min_frequency {
            break;
        }
        let product = tokens.join(left, right)?;
        merges.push(Merge { left, right, product });
        for (text, _) in &mut texts {
            let mut at = 0;
            while at + 1 < text.len() {
                if (text[at], text[at + 1]) == (left, right) {
                    text.splice(at..at + 2, [product]);
                }
                at += 1;
            }
        }
    }
    Ok(merges)
}
