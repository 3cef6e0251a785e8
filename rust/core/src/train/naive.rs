//! What does the trainer learn? The definition, written to be read, and the oracle for [`super::learn`].
//!
//! Every pretoken is a list of tokens with a count. In each step the most frequent waiting pair is merged everywhere, of
//! equals the one with the smallest ids; the counts of the pairs around it change; pairs that were gained begin to wait.
//! Two habits of tokenizers' trainer show only where one token is made in two ways, and are kept: the count of a merged
//! pair is not taken back, and a pair that comes back is merged again, under its last rank.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Merge, Tokens};
use super::{Options, TrainError};

pub(super) fn learn(
    pretokens: &[(Vec<u8>, u64)],
    tokens: &mut Tokens,
    options: &Options,
) -> Result<Vec<Merge>, TrainError> {
    let spell = |bytes: &[u8]| bytes.iter().map(|&byte| tokens.of_byte[usize::from(byte)]).collect::<Vec<u32>>();
    let mut texts: Vec<(Vec<u32>, u64)> = pretokens.iter().map(|(bytes, count)| (spell(bytes), *count)).collect();
    let mut counts: BTreeMap<(u32, u32), i128> = BTreeMap::new();
    for (text, count) in &texts {
        for pair in text.windows(2) {
            *counts.entry((pair[0], pair[1])).or_default() += i128::from(*count);
        }
    }
    let mut waiting: BTreeSet<(u32, u32)> = counts.keys().copied().collect();
    let mut merges = Vec::new();
    while tokens.len() < options.vocab_size {
        let best = waiting.iter().map(|pair| (counts[pair], std::cmp::Reverse(*pair))).max();
        let Some((count, std::cmp::Reverse((left, right)))) = best else { break };
        if count < i128::from(options.min_frequency.max(1)) {
            break;
        }
        waiting.remove(&(left, right));
        let (product, _) = tokens.join(left, right)?;
        merges.push(Merge { left, right, product });
        let fits = |a: u32, b: u32| {
            options.max_token_length.is_none_or(|limit| tokens.bytes(a).len() + tokens.bytes(b).len() < limit)
        };
        let mut gained = BTreeSet::new();
        for (text, count) in &mut texts {
            let count = i128::from(*count);
            let mut at = 0;
            while at + 1 < text.len() {
                if (text[at], text[at + 1]) == (left, right) {
                    text.splice(at..at + 2, [product]);
                    if at > 0 {
                        *counts.entry((text[at - 1], left)).or_default() -= count;
                        if fits(text[at - 1], product) {
                            *counts.entry((text[at - 1], product)).or_default() += count;
                            gained.insert((text[at - 1], product));
                        }
                    }
                    if at + 1 < text.len() {
                        *counts.entry((right, text[at + 1])).or_default() -= count;
                        if fits(product, text[at + 1]) {
                            *counts.entry((product, text[at + 1])).or_default() += count;
                            gained.insert((product, text[at + 1]));
                        }
                    }
                }
                at += 1;
            }
        }
        waiting.extend(gained.into_iter().filter(|pair| counts[pair] > 0));
    }
    Ok(merges)
}
