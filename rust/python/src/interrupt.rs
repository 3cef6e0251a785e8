//! How does Ctrl-C reach long work? Runs work without the interpreter's lock and asks for signals now and then.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gpt2tok_core::Scratch;
use pyo3::prelude::*;

/// How often signals are looked at: well under the 200 ms in which Ctrl-C must answer.
const EVERY: Duration = Duration::from_millis(30);

/// Below this many bytes, giving the interpreter's lock away and taking it back costs more than it gives.
pub(crate) const WORTH_DETACHING: usize = 4096;

/// What long work asks now and then; it ends when the answer is no.
pub(crate) type KeepGoing<'a> = dyn Fn() -> bool + Sync + 'a;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's working memory.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        // A signal handler that encodes while this thread was encoding.
        Err(_) => work(&mut Scratch::default()),
    })
}

/// Runs `work` on this thread, without the interpreter's lock. The `keep_going` that it is given looks for signals; the
/// exception of a signal handler wins over the result.
pub(crate) fn run_here<T: Send>(py: Python<'_>, work: impl Send + FnOnce(&KeepGoing<'_>) -> T) -> PyResult<T> {
    let (result, raised) = py.detach(|| {
        let raised: Mutex<Option<PyErr>> = Mutex::new(None);
        let last = Mutex::new(Instant::now());
        let keep_going = || {
            let (Ok(mut last), Ok(mut raised)) = (last.lock(), raised.lock()) else {
                return false; // poisoned: the work is unwinding
            };
            if last.elapsed() >= EVERY {
                *raised = Python::attach(|py| py.check_signals()).err();
                *last = Instant::now();
            }
            raised.is_none()
        };
        let result = work(&keep_going);
        (result, raised.into_inner().unwrap_or_default())
    });
    raised.map_or(Ok(result), Err)
}

/// Runs `work`, which uses other threads, while this thread waits and looks for signals.
pub(crate) fn run_beside<T: Send>(py: Python<'_>, work: impl Send + FnOnce(&KeepGoing<'_>) -> T) -> PyResult<T> {
    let (result, raised) = py.detach(|| {
        let stop = AtomicBool::new(false);
        let keep_going = || !stop.load(Ordering::Relaxed);
        let mut raised = None;
        let result = std::thread::scope(|scope| {
            let (sender, receiver): (_, Receiver<()>) = channel();
            let worker = scope.spawn(|| {
                let result = work(&keep_going);
                drop(sender);
                result
            });
            while receiver.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if raised.is_none()
                    && let Err(error) = Python::attach(|py| py.check_signals())
                {
                    raised = Some(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
            worker.join()
        });
        (result, raised)
    });
    match (result, raised) {
        (_, Some(error)) => Err(error),
        (Ok(result), None) => Ok(result),
        (Err(panic), None) => std::panic::resume_unwind(panic),
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
