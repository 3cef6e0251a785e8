//! How does Ctrl-C reach long work? Runs work without the interpreter's lock and asks for signals now and then.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gpt2tok_core::{Scratch, TokenId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often signals are looked at: well under the 200 ms in which Ctrl-C must answer.
const EVERY: Duration = Duration::from_millis(30);

/// Below this many bytes, giving the interpreter's lock away and taking it back costs more than it gives.
pub(crate) const WORTH_DETACHING: usize = 4096;

/// What long work asks now and then; it ends when the answer is no.
pub(crate) type KeepGoing<'a> = dyn Fn() -> bool + Sync + 'a;

/// What a thread keeps between calls, so that short ones allocate nothing but their result.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) scratch: Scratch,
    pub(crate) ids: Vec<TokenId>,
    pub(crate) bytes: Vec<u8>,
}

impl Memory {
    /// More than this is given back to the system after a call.
    const KEPT: usize = 1 << 20;

    fn forget(&mut self) {
        self.ids.clear();
        self.ids.shrink_to(Self::KEPT / size_of::<TokenId>());
        self.bytes.clear();
        self.bytes.shrink_to(Self::KEPT);
    }
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Runs `work` with this thread's memory, its buffers empty.
#[inline]
pub(crate) fn with_memory<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with(|memory| match memory.try_borrow_mut() {
        Ok(mut memory) => {
            let result = work(&mut memory);
            memory.forget();
            result
        }
        // A signal handler that encodes while this thread was encoding.
        Err(_) => work(&mut Memory::default()),
    })
}

/// Runs `work` with this thread's working memory.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    with_memory(|memory| work(&mut memory.scratch))
}

/// Runs `work` on this thread, without the interpreter's lock. The `keep_going` that it is given looks for signals when
/// this thread asks, and tells what it found to any other; the exception of a signal handler wins over the result.
pub(crate) fn run_here<T: Send>(py: Python<'_>, work: impl Send + FnOnce(&KeepGoing<'_>) -> T) -> PyResult<T> {
    let (result, raised) = py.detach(|| {
        let raised: Mutex<Option<PyErr>> = Mutex::new(None);
        let last = Mutex::new(Instant::now());
        let stop = AtomicBool::new(false);
        let here = std::thread::current().id();
        let keep_going = || {
            if std::thread::current().id() == here {
                let (Ok(mut last), Ok(mut raised)) = (last.lock(), raised.lock()) else {
                    return false; // poisoned: the work is unwinding
                };
                if raised.is_none() && last.elapsed() >= EVERY {
                    *raised = Python::attach(|py| py.check_signals()).err();
                    *last = Instant::now();
                    stop.store(raised.is_some(), Ordering::Relaxed);
                }
            }
            !stop.load(Ordering::Relaxed)
        };
        let result = work(&keep_going);
        (result, raised.into_inner().unwrap_or_default())
    });
    raised.map_or(Ok(result), Err)
}

/// Runs `work` on the threads of `pool`, while this thread waits and looks for signals.
pub(crate) fn run_beside<T: Send>(
    py: Python<'_>,
    pool: &rayon::ThreadPool,
    work: impl Send + FnOnce(&KeepGoing<'_>) -> T,
) -> PyResult<T> {
    run_feeding(py, pool, |keep_going, _: Sender<()>| work(keep_going), |()| Ok(()))
}

/// As [`run_beside`]; what `work` sends, this thread gives to `take` as it comes, with the interpreter attached. The
/// first error of `take` tells `work` to stop, and is raised.
pub(crate) fn run_feeding<T: Send, I: Send>(
    py: Python<'_>,
    pool: &rayon::ThreadPool,
    work: impl Send + FnOnce(&KeepGoing<'_>, Sender<I>) -> T,
    mut take: impl FnMut(I) -> PyResult<()>,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    let keep_going = || !stop.load(Ordering::Relaxed);
    let mut result = None;
    let mut raised = None;
    let (sender, mut receiver): (_, Receiver<I>) = channel();
    pool.in_place_scope(|scope| {
        let (result, keep_going) = (&mut result, &keep_going);
        scope.spawn(move |_| *result = Some(work(keep_going, sender)));
        loop {
            // Whoever is done with a receiver hands it back: it may be moved to a place without the interpreter's lock,
            // but not shared with it.
            let waiting = receiver;
            let (came, waited) = py.detach(move || (waiting.recv_timeout(EVERY), waiting));
            receiver = waited;
            let handled = match came {
                Err(RecvTimeoutError::Disconnected) => break,
                _ if raised.is_some() => continue,
                Ok(item) => take(item),
                Err(RecvTimeoutError::Timeout) => py.check_signals(),
            };
            if let Err(error) = handled {
                raised = Some(error);
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    match (result, raised) {
        (_, Some(error)) => Err(error),
        (Some(result), None) => Ok(result),
        // Not reached: a scope ends when its work has, or goes on with its panic.
        (None, None) => Err(PyRuntimeError::new_err("a thread ended without its result")),
    }
}

/// Runs `work`, which owns all that it touches, on a thread of its own; this thread looks for signals and calls `tick`.
///
/// What either raises is raised at once, wherever the work is: it is told to stop, its result is dropped, and its thread
/// ends by itself. So steps that cannot be stopped (a large table built or freed) do not keep Ctrl-C waiting.
pub(crate) fn run_apart<T: Send + 'static>(
    py: Python<'_>,
    tick: impl Send + Sync + Fn(Python<'_>) -> PyResult<()>,
    work: impl Send + 'static + FnOnce(&KeepGoing<'_>) -> T,
) -> PyResult<T> {
    let going = Arc::new(AtomicBool::new(true));
    let (sender, receiver): (_, Receiver<()>) = channel();
    let worker = std::thread::spawn({
        let going = Arc::clone(&going);
        move || {
            let result = work(&|| going.load(Ordering::Relaxed));
            drop(sender);
            result
        }
    });
    let result = py.detach(move || -> PyResult<_> {
        while receiver.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            Python::attach(|py| py.check_signals().and_then(|()| tick(py)))
                .inspect_err(|_| going.store(false, Ordering::Relaxed))?;
        }
        Ok(worker.join())
    })?;
    result.map_err(|panic| std::panic::resume_unwind(panic))
}
