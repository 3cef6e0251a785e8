//! How is a short segment merged? The definition over two small arrays on the stack; ranks are kept, not looked up again.

use super::keys::{self, Key};
use super::pairs::Step;
use super::row::Window;
use super::{Bpe, Rank, Symbol, heap};
#[cfg(target_arch = "x86_64")]
use crate::pretokenize::Avx2;

/// Past this many bytes a scan for every merge loses to the methods for long segments.
pub(super) const MAX_LEN: usize = 32;

/// Longer segments go to the heap.
pub(super) fn merge(bpe: &Bpe, segment: &[u8], scratch: &mut heap::Scratch, emit: &mut impl FnMut(Symbol)) {
    let count = segment.len();
    if count > MAX_LEN {
        // Never interrupted: this door is for tests and for the tokens of a vocabulary, which are bounded.
        let _ = heap::merge(bpe, segment, Rank::LAST, scratch, emit, &|| true);
        return;
    }
    if count <= keys::MAX_LEN
        && let Some(window) = window(bpe, Key::new(segment, 0, count))
    {
        window.tokens().for_each(|(symbol, _)| emit(Symbol(symbol.into())));
        return;
    }
    // Most are shorter, and to fill the arrays takes its time.
    if count < 16 {
        merge_within::<16>(bpe, segment, emit)
    } else {
        merge_within::<{ MAX_LEN + 1 }>(bpe, segment, emit)
    }
}

/// The text of a key merged as one window, where processor and vocabulary allow it.
#[inline]
pub(super) fn window(bpe: &Bpe, key: Key) -> Option<Window> {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::new()
        && let Some(pairs) = bpe.pairs.narrow()
    {
        // SAFETY: an `Avx2` exists only where the processor was found to have all of these.
        return Some(unsafe { Window::of_key(avx2, pairs, key) });
    }
    let _ = (bpe, key);
    None
}

/// A segment of fewer bytes than `ROOM`.
#[inline(always)]
fn merge_within<const ROOM: usize>(bpe: &Bpe, segment: &[u8], emit: &mut impl FnMut(Symbol)) {
    let mut count = segment.len();
    let mut symbols = [Symbol(0); ROOM];
    // steps[i] merges symbols[i] with symbols[i + 1]; the last one has no neighbour.
    let mut steps = [Step::NONE; ROOM];
    for (symbol, &byte) in symbols.iter_mut().zip(segment) {
        *symbol = Symbol::of_byte(byte);
    }
    for at in 1..count {
        steps[at - 1] = bpe.pairs.get_bytes(segment[at - 1], segment[at]);
    }
    while count > 1 {
        let (mut best, mut at) = (Step::NONE, 0);
        for (place, &step) in steps[..count - 1].iter().enumerate() {
            if step < best {
                (best, at) = (step, place);
            }
        }
        if best == Step::NONE {
            break;
        }
        symbols[at] = best.product();
        count -= 1;
        for place in at + 1..count {
            symbols[place] = symbols[place + 1];
            steps[place] = steps[place + 1];
        }
        steps[at] = if at + 1 < count { bpe.pairs.get(symbols[at], symbols[at + 1]) } else { Step::NONE };
        if at > 0 {
            steps[at - 1] = bpe.pairs.get(symbols[at - 1], symbols[at]);
        }
    }
    symbols[..count].iter().copied().for_each(emit);
}
