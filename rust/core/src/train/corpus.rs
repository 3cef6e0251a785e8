//! Where does every token of the corpus stand? All distinct pretokens in one array, a slot for each byte.
//!
//! A token covers as many slots as it has bytes. Its first and its last slot hold its id, the slots between hold
//! [`Slot::VOID`], and so does one slot before and after every pretoken. So from the first slot of a token the next one is
//! its length away, the last slot of the one before is the slot before, and merging two neighbours writes four slots at
//! most and moves nothing. A place once noted as "this pair stands here" is still right if the two ids still stand there:
//! what begins at a slot only ever grows longer, and never gets an id back that it had before.
//!
//! Pretokens stand in order of their counts, the most frequent first, so a count is known from the place.

use super::TrainError;
use super::pretokens::Shard;

/// An id as a slot stores it: `u16` where the vocabulary is small enough, which halves the largest array there is.
pub(super) trait Slot: Copy + Eq + Send + Sync + 'static {
    /// No token begins or ends here.
    const VOID: Self;
    /// The largest number of ids that fit.
    const IDS: usize;
    fn of(id: u32) -> Self;
    fn id(self) -> u32;
}

impl Slot for u16 {
    const VOID: Self = u16::MAX;
    const IDS: usize = u16::MAX as usize;
    #[inline]
    fn of(id: u32) -> Self {
        id as u16
    }
    #[inline]
    fn id(self) -> u32 {
        u32::from(self)
    }
}

impl Slot for u32 {
    const VOID: Self = u32::MAX;
    const IDS: usize = u32::MAX as usize;
    #[inline]
    fn of(id: u32) -> Self {
        id
    }
    #[inline]
    fn id(self) -> u32 {
        self
    }
}

/// Places are `u32`. This crate's own tests fill a smaller one.
const LIMIT: u64 = if cfg!(test) { 1 << 15 } else { u32::MAX as u64 };

/// The counts below this are sorted by counting, the few above by comparing.
const FREQUENT: usize = 1 << 16;

pub(super) struct Corpus<S> {
    pub slots: Vec<S>,
    pub counts: Counts,
    /// How often any two bytes stand together in a pretoken.
    pub pairs: u64,
}

impl<S: Slot> Corpus<S> {
    /// Lays the pretokens out; those of one byte have nothing to merge and stay away.
    pub(super) fn new(
        shards: Vec<Shard>,
        id_of_byte: &[u32; 256],
        keep_going: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, TrainError> {
        let go_on = || if keep_going() { Ok(()) } else { Err(TrainError::Interrupted) };
        let mut starts = vec![0u64; FREQUENT];
        let mut frequent: Vec<(u64, &[u8])> = Vec::new();
        let (mut size, mut pairs) = (1, 0u64);
        for shard in &shards {
            go_on()?;
            for (bytes, count) in shard.iter().filter(|(bytes, _)| bytes.len() > 1) {
                size += bytes.len() as u64 + 1;
                pairs = pairs.saturating_add(count.saturating_mul(bytes.len() as u64 - 1));
                match usize::try_from(count) {
                    Ok(count) if count < FREQUENT => starts[count] += bytes.len() as u64 + 1,
                    _ => frequent.push((count, bytes)),
                }
            }
        }
        if size > LIMIT {
            return Err(TrainError::TooManyPretokens { bytes: size, limit: LIMIT });
        }
        frequent.sort_unstable_by_key(|&(count, _)| std::cmp::Reverse(count));
        let mut slots = vec![S::VOID; size as usize];
        let mut counts = Counts::default();
        let mut at = 1;
        let write = |slots: &mut [S], at: usize, bytes: &[u8]| {
            for (slot, &byte) in slots[at..].iter_mut().zip(bytes) {
                *slot = S::of(id_of_byte[usize::from(byte)]);
            }
            at + bytes.len() + 1
        };
        for (count, bytes) in frequent {
            counts.begin(at, count);
            at = write(&mut slots, at, bytes);
        }
        // The space that each count needs becomes the place where it begins.
        for count in (0..FREQUENT).rev() {
            let space = starts[count] as usize;
            if space > 0 {
                counts.begin(at, count as u64);
            }
            starts[count] = at as u64;
            at += space;
        }
        for shard in shards {
            go_on()?;
            for (bytes, count) in shard.iter().filter(|&(bytes, count)| bytes.len() > 1 && count < FREQUENT as u64) {
                let start = &mut starts[count as usize];
                *start = write(&mut slots, *start as usize, bytes) as u64;
            }
        }
        counts.finish(slots.len());
        Ok(Corpus { slots, counts, pairs })
    }
}

/// How often the pretoken at a place occurs.
#[derive(Default)]
pub(super) struct Counts {
    /// Where each count begins, and the count.
    runs: Vec<(u32, u64)>,
    /// The run that a block of slots begins in.
    blocks: Vec<u32>,
}

const BLOCK: u32 = 6;

impl Counts {
    fn begin(&mut self, at: usize, count: u64) {
        match self.runs.last_mut() {
            Some((_, last)) if *last == count => {}
            _ => self.runs.push((at as u32, count)),
        }
    }

    fn finish(&mut self, size: usize) {
        let mut run = 0;
        for block in 0..=(size >> BLOCK) {
            while self.runs.get(run + 1).is_some_and(|next| next.0 as usize <= block << BLOCK) {
                run += 1;
            }
            self.blocks.push(run as u32);
        }
        self.runs.push((u32::MAX, 0)); // so that there is always a next one
    }

    #[inline]
    pub(super) fn at(&self, place: u32) -> u64 {
        let mut run = self.blocks[(place >> BLOCK) as usize] as usize;
        while self.runs[run + 1].0 <= place {
            run += 1;
        }
        self.runs[run].1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // in a test, a failure is the report
mod tests {
    use crate::train::{Cut, Options, TrainError, Trainer, Watch};

    fn learned(pretokens: &[String]) -> TrainError {
        let mut trainer = Trainer::new(Options::new(300)).unwrap();
        trainer.push(&pretokens.join(" "), Cut::Nowhere).unwrap();
        trainer.learn(None, Watch::default()).map(|_| ()).unwrap_err()
    }

    /// Twice 4 GiB of distinct pretokens, in small.
    #[test]
    fn more_distinct_pretokens_than_there_are_places() {
        let in_a_shard = learned(&["a".repeat((1 << 16) + 1)]);
        assert_eq!(in_a_shard, TrainError::TooManyPretokens { bytes: 65_537, limit: 65_536 });
        // Each 10,000 letters, a space before all but the first, one place between, one at the start.
        let pretokens = ["a", "b", "c", "d"].map(|letter| letter.repeat(10_000));
        let in_all = learned(&pretokens);
        assert_eq!(in_all, TrainError::TooManyPretokens { bytes: 40_008, limit: 32_768 });
        assert!(in_all.to_string().contains("40008") && in_all.to_string().contains("32768"), "{in_all}");
    }
}
