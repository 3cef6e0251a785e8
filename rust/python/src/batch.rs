//! Many texts, or many lists of ids, in one call: threads, ragged arrays, and the way back.

use std::borrow::Cow;

use gpt2tok_core::Interrupted;
use gpt2tok_core::added::Style;
use gpt2tok_core::batch::{BatchError, Id, Ragged};
use gpt2tok_core::special::Policy;
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use rayon::prelude::*;

use crate::added::PyAddedTokens;
use crate::arguments::{self, OnInvalid};
use crate::encoding::PyEncoding;
use crate::errors::{TokenizerError, from_batch, from_encode};
use crate::interrupt::{KeepGoing, run_beside, run_here, with_scratch};
use crate::pool::{Threads, threads_for};

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

/// The texts of a batch, held for as long as the work on them.
struct Texts<'a>(Vec<Cow<'a, str>>);

impl<'a> Texts<'a> {
    fn of(items: &'a [Bound<'_, PyAny>], errors: &str) -> PyResult<Self> {
        arguments::texts(items, OnInvalid::parse(errors)?, "texts").map(Texts)
    }

    fn strs(&self) -> Vec<&str> {
        self.0.iter().map(|text| &**text).collect()
    }

    fn threads(&self, num_threads: Option<Any<'_, '_>>) -> PyResult<Option<Threads>> {
        threads_for(num_threads, self.0.iter().map(|text| text.len()).sum())
    }
}

/// Runs batch work on the threads given, or here; either way Ctrl-C gets through.
fn run<T: Send>(
    py: Python<'_>,
    threads: Option<&Threads>,
    work: impl Send + FnOnce(Option<&rayon::ThreadPool>, &KeepGoing<'_>) -> Result<T, BatchError>,
) -> PyResult<T> {
    let done = match threads {
        Some(threads) => run_beside(py, |keep_going| work(Some(threads.pool()), keep_going))?,
        None => run_here(py, |keep_going| work(None, keep_going))?,
    };
    done.map_err(from_batch)
}

fn encoded<T: Id>(
    encoding: &PyEncoding,
    py: Python<'_>,
    texts: Any<'_, '_>,
    policy: &Policy<'_>,
    num_threads: Option<Any<'_, '_>>,
    errors: &str,
) -> PyResult<Ragged<T>> {
    let items = arguments::items(texts, "texts", "texts")?;
    let texts = Texts::of(&items, errors)?;
    let (threads, texts) = (texts.threads(num_threads)?, texts.strs());
    run(py, threads.as_ref(), |pool, keep_going| encoding.0.encode_ragged(&texts, policy, pool, keep_going))
}

pub(crate) fn lists<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    texts: Any<'_, 'py>,
    policy: &Policy<'_>,
    num_threads: Option<Any<'_, '_>>,
    errors: &str,
) -> PyResult<Bound<'py, PyList>> {
    let Ragged { ids, row_splits } = encoded(encoding, py, texts, policy, num_threads, errors)?;
    encoding.2.rows(py, &ids, &row_splits, encoding.0.n_vocab())
}

pub(crate) fn ragged<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    texts: Any<'_, 'py>,
    policy: &Policy<'_>,
    num_threads: Option<Any<'_, '_>>,
    dtype: Option<Any<'_, 'py>>,
    errors: &str,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyArray1<i64>>)> {
    let name: String = match dtype {
        None => "uint32".to_owned(),
        Some(dtype) => dtype_name(dtype)?,
    };
    match name.as_str() {
        "uint32" => {
            let Ragged { ids, row_splits } = encoded::<u32>(encoding, py, texts, policy, num_threads, errors)?;
            Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
        }
        "uint16" if encoding.0.n_vocab() > 1 << 16 => {
            let largest = encoding.0.n_vocab() - 1;
            let message = format!("ids up to {largest} do not fit in uint16; pass dtype='uint32'");
            Err(TokenizerError::new_err(message))
        }
        "uint16" => {
            let Ragged { ids, row_splits } = encoded::<u16>(encoding, py, texts, policy, num_threads, errors)?;
            Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
        }
        other => Err(TokenizerError::new_err(format!("dtype must be 'uint32' or 'uint16', not {other:?}"))),
    }
}

/// What NumPy calls this dtype.
fn dtype_name(dtype: Any<'_, '_>) -> PyResult<String> {
    let py = dtype.py();
    let known = py.import("numpy")?.call_method1("dtype", (dtype,)).map_err(|_| {
        let message = format!("dtype must be 'uint32' or 'uint16', not {}", arguments::shown(dtype));
        let names_one = dtype.is_instance_of::<PyString>();
        if names_one { TokenizerError::new_err(message) } else { PyTypeError::new_err(message) }
    })?;
    known.getattr("name")?.extract()
}

pub(crate) fn counts(
    encoding: &PyEncoding,
    py: Python<'_>,
    texts: Any<'_, '_>,
    policy: &Policy<'_>,
    num_threads: Option<Any<'_, '_>>,
    errors: &str,
) -> PyResult<Vec<usize>> {
    let items = arguments::items(texts, "texts", "texts")?;
    let texts = Texts::of(&items, errors)?;
    let (threads, texts) = (texts.threads(num_threads)?, texts.strs());
    run(py, threads.as_ref(), |pool, keep_going| encoding.0.count_batch(&texts, policy, pool, keep_going))
}

pub(crate) fn count_one(
    encoding: &PyEncoding,
    py: Python<'_>,
    text: Any<'_, '_>,
    policy: &Policy<'_>,
    errors: &str,
) -> PyResult<usize> {
    let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
    let text = &*text;
    let done = run_here(py, |keep_going| encoding.0.count(text, policy, keep_going))?;
    done.map_err(from_encode)
}

pub(crate) fn added_lists<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    texts: Any<'_, 'py>,
    added: &PyAddedTokens,
    style: Style,
    num_threads: Option<Any<'_, '_>>,
) -> PyResult<Bound<'py, PyList>> {
    let items = arguments::items(texts, "texts", "texts")?;
    let texts = Texts(arguments::texts(&items, OnInvalid::Refuse, "text")?);
    let (threads, texts) = (texts.threads(num_threads)?, texts.strs());
    let encode = |text: &str, keep_going: &dyn Fn() -> bool| {
        with_scratch(|scratch| encoding.0.encode_added(text, &added.0, style, scratch, keep_going))
    };
    let done: Result<Vec<_>, Interrupted> = match &threads {
        None => run_here(py, |keep_going| texts.iter().map(|text| encode(text, keep_going)).collect())?,
        Some(threads) => run_beside(py, |keep_going| {
            let encode = |text: &&str| encode(text, keep_going);
            threads.pool().install(|| texts.par_iter().map(encode).collect())
        })?,
    };
    let rows = done.map_err(|stop| from_encode(stop.into()))?;
    let mut row_splits = vec![0];
    row_splits.extend(rows.iter().scan(0, |total, row| {
        *total += row.len() as i64;
        Some(*total)
    }));
    encoding.2.rows(py, &rows.concat(), &row_splits, encoding.0.n_vocab())
}
