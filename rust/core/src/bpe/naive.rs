//! What is byte-pair merging? The definition, written to be read: quadratic, and the oracle for every other method.

use super::pairs::Step;
use super::{Bpe, Symbol};

/// Merges the leftmost pair of the lowest rank, again and again, until no two neighbours merge.
pub(super) fn merge(bpe: &Bpe, segment: &[u8], emit: &mut impl FnMut(Symbol)) {
    let mut symbols: Vec<Symbol> = segment.iter().map(|&byte| Symbol::of_byte(byte)).collect();
    loop {
        let mut best = (Step::NONE, 0);
        for (at, pair) in symbols.windows(2).enumerate() {
            let step = bpe.pairs.get(pair[0], pair[1]);
            if step < best.0 {
                best = (step, at);
            }
        }
        let (step, at) = best;
        if step == Step::NONE {
            break;
        }
        symbols[at] = step.product();
        symbols.remove(at + 1);
    }
    symbols.into_iter().for_each(emit);
}
