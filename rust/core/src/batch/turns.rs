//! Which thread does which portion of a batch, and with which working memory?

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{BatchError, Piece};
use crate::bpe::{Interrupted, Scratch};

/// Working memory that batches hand on from one to the next, so that each thread of one finds it warm. There are
/// about as many as threads ever worked at once, and no more than [`Scratches::MOST`].
#[derive(Debug)]
pub(crate) struct Scratches([Mutex<Option<Box<Scratch>>>; Scratches::MOST]);

impl Default for Scratches {
    fn default() -> Self {
        Scratches(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Scratches {
    /// Threads beyond these work with one of their own.
    const MOST: usize = 64;

    /// Does `work` with the first that nobody has. Waits for nobody: a fork may have left some taken for ever.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        self.lend_from(0, work)
    }

    /// The same, looking at number `first` first: a thread that asks for the same one each time knows what it has met.
    fn lend_from<R>(&self, first: usize, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let (before, after) = self.0.split_at(first % Self::MOST);
        match after.iter().chain(before).find_map(|scratch| scratch.try_lock().ok()) {
            Some(mut scratch) => work(scratch.get_or_insert_default()),
            None => work(&mut Scratch::default()),
        }
    }
}

/// A thread gets so many of its portions ahead of the others: what is done early waits in memory.
pub(super) const AHEAD: usize = 8;

/// Which thread does which portion? Of `threads`, thread `i` does the portions `i`, `i + threads` and so on, so that it
/// finds what it met in them before when the same texts come again. One that is done, or [`AHEAD`], helps the one
/// that is behind most.
struct Turns {
    /// Of each thread, how many of its portions have begun.
    begun: Mutex<Vec<usize>>,
    portions: usize,
}

impl Turns {
    fn new(threads: usize, portions: usize) -> Self {
        Turns { begun: Mutex::new(vec![0; threads]), portions }
    }

    /// The next portion for `thread`.
    fn next(&self, thread: usize) -> Option<usize> {
        let mut begun = self.begun.lock().ok()?;
        let threads = begun.len();
        let of = |begun: &[usize], thread: usize| begun[thread] * threads + thread;
        let behind = (0..threads).min_by_key(|&other| of(&begun, other))?;
        let own = of(&begun, thread);
        let taken = if own < self.portions && own < of(&begun, behind) + AHEAD * threads { thread } else { behind };
        let number = of(&begun, taken);
        begun[taken] += 1;
        (number < self.portions).then_some(number)
    }
}

/// Who waits for the other threads still asks, this often, whether to go on.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Does `work` on every portion, on this thread and on one fewer of the pool's than it has; each takes another portion when
/// it is done with its last.
///
/// The error is that of the first portion that has one; portions after it may not have been begun.
pub(super) fn in_portions(
    pool: &rayon::ThreadPool,
    scratches: &Scratches,
    pieces: &[Piece<'_>],
    portions: &[Range<usize>],
    keep_going: &(dyn Fn() -> bool + Sync),
    work: impl Fn(usize, Range<usize>, &mut Scratch) -> Result<(), BatchError> + Sync,
) -> Result<(), BatchError> {
    let threads = pool.current_num_threads().min(portions.len()).max(1);
    let (turns, failed) = (Turns::new(threads, portions.len()), AtomicBool::new(false));
    let first = Mutex::new(None);
    let run = |thread: usize, scratch: &mut Scratch| {
        while !failed.load(Ordering::Relaxed) {
            let Some((number, portion)) = turns.next(thread).and_then(|number| Some((number, portions.get(number)?)))
            else {
                break;
            };
            // A portion is too small to ask by itself.
            let done = ask(pieces, portion, keep_going).and_then(|()| work(number, portion.clone(), scratch));
            if let Err(error) = done {
                failed.store(true, Ordering::Relaxed);
                if let Ok(mut first) = first.lock() {
                    *first = first.take().filter(|&(earlier, _)| earlier < number).or(Some((number, error)));
                }
            }
        }
    };
    let run = |thread| scratches.lend_from(thread, |scratch| run(thread, scratch));
    pool.in_place_scope(|scope| {
        let (sender, others) = channel::<()>();
        for thread in 1..threads {
            let (sender, run) = (sender.clone(), &run);
            scope.spawn(move |_| {
                run(thread);
                drop(sender);
            });
        }
        drop(sender);
        run(0);
        // A thread of the pool must not sleep here, but look for what others have put off: the scope's end does.
        let may_sleep = pool.current_thread_index().is_none();
        while may_sleep && others.recv_timeout(ASK_AGAIN) == Err(RecvTimeoutError::Timeout) {
            keep_going();
        }
    });
    match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

fn ask(pieces: &[Piece<'_>], portion: &Range<usize>, keep_going: &dyn Fn() -> bool) -> Result<(), BatchError> {
    if keep_going() {
        return Ok(());
    }
    let (Piece::Text(index, _) | Piece::Special(index, _)) = pieces[portion.start];
    Err(BatchError { index, error: Interrupted.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_come_and_go_leave_no_more_scratches_than_there_were_threads() {
        let scratches = Scratches::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..20_000).for_each(|_| scratches.lend(|_| ())));
            }
        });
        let made = scratches.0.iter().filter(|scratch| scratch.lock().is_ok_and(|scratch| scratch.is_some())).count();
        // One may look at each place just when another is there, but hardly twice in a row.
        assert!((1..=5).contains(&made), "{made} scratches for 3 threads");
    }

    #[test]
    fn every_portion_has_its_turn_once_and_none_is_far_ahead() {
        // Threads of different speeds: number 0 asks most often, the last one hardly ever.
        for (threads, portions) in [(1, 5), (2, 0), (2, 1), (2, 1000), (3, 1000), (7, 100)] {
            let turns = Turns::new(threads, portions);
            let (mut taken, mut step) = (Vec::new(), 0);
            let mut done = vec![false; threads];
            while !done.iter().all(|&done| done) {
                step += 1;
                for thread in (0..threads).filter(|thread| step % (10 * thread + 1) == 0) {
                    match turns.next(thread) {
                        Some(number) => taken.push(number),
                        None => done[thread] = true,
                    }
                }
            }
            for (begun, &number) in taken.iter().enumerate() {
                assert!(number <= begun + threads * AHEAD + threads, "{number} as number {begun}");
            }
            taken.sort_unstable();
            assert!(taken.into_iter().eq(0..portions));
        }
    }

    #[test]
    fn the_same_texts_again_go_to_the_same_threads() {
        let turns = Turns::new(2, 100);
        let odd: Vec<_> = (0..8).filter_map(|_| turns.next(1)).collect();
        let even: Vec<_> = (0..8).filter_map(|_| turns.next(0)).collect();
        assert!(odd.iter().all(|number| number % 2 == 1) && even.iter().all(|number| number % 2 == 0));
    }
}
