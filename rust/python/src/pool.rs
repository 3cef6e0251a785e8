//! Which threads does a batch run on? Private pools, one a size, made when first asked for and made anew after a fork.
//!
//! A child process inherits the memory of its parent's pools but none of their threads, so a pool is only used by the
//! process that made it; the child leaves the others alone (dropping one would touch threads that do not exist).
//! The list is swapped without a lock, because a lock that another thread holds during a fork stays locked in the child.
//!
//! Before a fork, pools that nobody uses end, threads and all: a process of one thread forks safely whatever its child
//! does, and Python 3.12 and later warn of forks of any other.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use crate::arguments;
use crate::errors::TokenizerError;

struct Pool {
    process: u32,
    threads: usize,
    pool: ManuallyDrop<rayon::ThreadPool>,
    workers: ManuallyDrop<Vec<Worker>>,
}

struct Worker {
    handle: JoinHandle<()>,
    /// Where the system tells of the thread, if it does: `/proc/PROCESS/task/THREAD`.
    seen_at: Option<PathBuf>,
}

/// A pool of the asked size.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Pool>);

impl Threads {
    pub(crate) fn pool(&self) -> &rayon::ThreadPool {
        &self.0.pool
    }
}

static POOLS: LazyLock<ArcSwap<Vec<Arc<Pool>>>> = LazyLock::new(|| ArcSwap::from_pointee(Vec::new()));

/// More threads than this help nobody.
const MOST_THREADS: usize = 256;

/// A batch smaller than this is done before other threads have woken up.
const WORTH_THREADS: usize = 1 << 18;

/// The pool for a batch of `bytes`; `None` means the calling thread alone.
pub(crate) fn threads_for(num_threads: Option<&Bound<'_, PyAny>>, bytes: usize) -> PyResult<Option<Threads>> {
    let wanted = match num_threads {
        Some(number) => {
            let wrong =
                || PyTypeError::new_err(format!("num_threads must be int or None, not {}", arguments::shown(number)));
            let number = number.cast::<PyInt>().map_err(|_| wrong())?;
            if number.is_instance_of::<PyBool>() {
                return Err(wrong());
            }
            if number.lt(1)? {
                let message = format!("num_threads must be at least 1, not {number}; leave it out to use every core");
                return Err(TokenizerError::new_err(message));
            }
            number.extract().unwrap_or(MOST_THREADS).min(MOST_THREADS)
        }
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    if wanted == 1 || bytes < WORTH_THREADS {
        return Ok(None);
    }
    of_size(wanted).map(Some)
}

fn of_size(threads: usize) -> PyResult<Threads> {
    let process = std::process::id();
    let is_it = |pool: &&Arc<Pool>| pool.process == process && pool.threads == threads;
    if let Some(pool) = POOLS.load().iter().find(is_it) {
        return Ok(Threads(Arc::clone(pool)));
    }
    let (started, starting) = channel();
    let mut handles = Vec::with_capacity(threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .spawn_handler(|thread| {
            let started = started.clone();
            let named = std::thread::Builder::new().name(format!("gpt2tok-{}", thread.index()));
            handles.push(named.spawn(move || work(thread, &started))?);
            Ok(())
        })
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("cannot start {threads} threads: {error}")))?;
    drop(started);
    let workers = ManuallyDrop::new(with_places(handles, &starting));
    let made = Arc::new(Pool { process, threads, pool: ManuallyDrop::new(pool), workers });
    POOLS.rcu(|pools| {
        let mut pools: Vec<Arc<Pool>> = pools.iter().filter(|pool| pool.process == process).cloned().collect();
        pools.push(Arc::clone(&made));
        pools
    });
    Ok(Threads(made))
}

fn work(thread: rayon::ThreadBuilder, started: &Sender<(usize, Option<PathBuf>)>) {
    let place = std::fs::read_link("/proc/thread-self").ok().map(|place| PathBuf::from("/proc").join(place));
    // Nobody listens when another thread of the pool could not be started; then this one ends at once.
    let _ = started.send((thread.index(), place));
    thread.run();
}

fn with_places(handles: Vec<JoinHandle<()>>, starting: &Receiver<(usize, Option<PathBuf>)>) -> Vec<Worker> {
    let mut workers: Vec<Worker> = handles.into_iter().map(|handle| Worker { handle, seen_at: None }).collect();
    for (index, place) in starting.iter().take(workers.len()) {
        if let Some(worker) = workers.get_mut(index) {
            worker.seen_at = place;
        }
    }
    workers
}

/// A joined thread is still counted by the system for some microseconds; nobody waits longer than this for that.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Ends the pools of this process that no call is using, and waits until their threads are gone. Runs before a fork,
/// with the interpreter's lock, which a call must hold to take a pool.
#[pyfunction]
pub(crate) fn _before_fork() {
    let process = std::process::id();
    let mut busy = Vec::new();
    let pools = POOLS.swap(Arc::default());
    let pools = Arc::try_unwrap(pools).unwrap_or_else(|shared| Vec::clone(&shared));
    for pool in pools.into_iter().filter(|pool| pool.process == process) {
        match Arc::try_unwrap(pool) {
            Ok(idle) => end(idle),
            Err(used) => busy.push(used),
        }
    }
    POOLS.store(Arc::new(busy));
}

fn end(idle: Pool) {
    drop(ManuallyDrop::into_inner(idle.pool));
    let until = Instant::now() + LONGEST_WAIT;
    for worker in ManuallyDrop::into_inner(idle.workers) {
        // A worker's panic was its batch's; here it only matters that the thread has ended.
        let _ = worker.handle.join();
        while worker.seen_at.as_ref().is_some_and(|place| place.exists()) && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}
