//! Which threads does a batch run on? Private pools, one a size, made when first asked for and made anew after a fork.
//!
//! A child process inherits the memory of its parent's pools but none of their threads, so a pool is only used by the
//! process that made it; the child leaves the others alone (dropping one would wait for threads that do not exist).
//! The list is swapped without a lock, because a lock that another thread holds during a fork stays locked in the child.

use std::mem::ManuallyDrop;
use std::sync::{Arc, LazyLock};

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
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("gpt2tok-{index}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("cannot start {threads} threads: {error}")))?;
    let made = Arc::new(Pool { process, threads, pool: ManuallyDrop::new(pool) });
    POOLS.rcu(|pools| {
        let mut pools: Vec<Arc<Pool>> = pools.iter().filter(|pool| pool.process == process).cloned().collect();
        pools.push(Arc::clone(&made));
        pools
    });
    Ok(Threads(made))
}
