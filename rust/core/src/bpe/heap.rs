//! How is a long segment merged under any vocabulary? A priority queue over a linked list: O(n log n), always exact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pairs::Step;
use super::{Bpe, Interrupted, Rank, Symbol};

/// A place in the linked list of symbols that are left.
#[derive(Clone, Copy, Debug)]
struct Node {
    symbol: Symbol,
    before: usize,
    after: usize,
    /// The merge with the node after this one, or [`Step::NONE`]; a queue entry that disagrees is out of date.
    step: Step,
}

const END: usize = usize::MAX;
const CHECK_EVERY: usize = 1 << 14;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<(Step, usize)>>,
}

impl Scratch {
    /// How many symbols there is room for.
    pub(super) fn room(&self) -> usize {
        self.nodes.capacity()
    }
}

/// Merges by rank, then from the left, as the definition does, with the merges whose rank is below `limit`.
pub(super) fn merge(
    bpe: &Bpe,
    segment: &[u8],
    limit: Rank,
    scratch: &mut Scratch,
    emit: &mut impl FnMut(Symbol),
    keep_going: &dyn Fn() -> bool,
) -> Result<(), Interrupted> {
    let Scratch { nodes, queue } = scratch;
    nodes.clear();
    queue.clear();
    let last = segment.len().wrapping_sub(1);
    nodes.extend(segment.iter().enumerate().map(|(at, &byte)| Node {
        symbol: Symbol::of_byte(byte),
        before: at.wrapping_sub(1), // END for the first
        after: if at == last { END } else { at + 1 },
        step: segment.get(at + 1).map_or(Step::NONE, |&next| below(limit, bpe.pairs.get_bytes(byte, next))),
    }));
    let pairs = nodes.iter().enumerate().filter(|(_, node)| node.step != Step::NONE);
    queue.extend(pairs.map(|(at, node)| Reverse((node.step, at))));

    let mut taken = 0usize;
    while let Some(Reverse((step, at))) = queue.pop() {
        taken += 1;
        if taken.is_multiple_of(CHECK_EVERY) && !keep_going() {
            return Err(Interrupted);
        }
        if nodes[at].step != step {
            continue;
        }
        let gone = nodes[at].after;
        let after = nodes[gone].after;
        nodes[gone].step = Step::NONE;
        nodes[at].symbol = step.product();
        nodes[at].after = after;
        nodes[at].step = Step::NONE;
        if after != END {
            nodes[after].before = at;
            renew(bpe, limit, nodes, queue, at, after);
        }
        let before = nodes[at].before;
        if before != END {
            renew(bpe, limit, nodes, queue, before, at);
        }
    }
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        emit(node.symbol);
        at = node.after;
    }
    Ok(())
}

fn below(limit: Rank, step: Step) -> Step {
    if step.rank() < limit { step } else { Step::NONE }
}

fn renew(
    bpe: &Bpe,
    limit: Rank,
    nodes: &mut [Node],
    queue: &mut BinaryHeap<Reverse<(Step, usize)>>,
    left: usize,
    right: usize,
) {
    let step = below(limit, bpe.pairs.get(nodes[left].symbol, nodes[right].symbol));
    nodes[left].step = step;
    if step != Step::NONE {
        queue.push(Reverse((step, left)));
    }
}
