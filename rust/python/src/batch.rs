//! Many texts, or many lists of ids, in one call: threads, ragged arrays, and the way back.

use std::borrow::Cow;

use gpt2tok_core::added::Style;
use gpt2tok_core::batch::{BatchError, Id, Ragged};
use gpt2tok_core::special::Policy;
use gpt2tok_core::{Interrupted, TokenId};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use rayon::prelude::*;

use crate::added::PyAddedTokens;
use crate::arguments::{self, OnInvalid};
use crate::encoding::PyEncoding;
use crate::errors::{from_batch, from_decode, from_encode};
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
        Some(dtype) => py.import("numpy")?.call_method1("dtype", (dtype,))?.getattr("name")?.extract()?,
    };
    match name.as_str() {
        "uint32" => {
            let Ragged { ids, row_splits } = encoded::<u32>(encoding, py, texts, policy, num_threads, errors)?;
            Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
        }
        "uint16" if encoding.0.n_vocab() > 1 << 16 => {
            let largest = encoding.0.n_vocab() - 1;
            let message = format!("ids up to {largest} do not fit in uint16; pass dtype='uint32'");
            Err(PyValueError::new_err(message))
        }
        "uint16" => {
            let Ragged { ids, row_splits } = encoded::<u16>(encoding, py, texts, policy, num_threads, errors)?;
            Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
        }
        other => Err(PyValueError::new_err(format!("dtype must be 'uint32' or 'uint16', not {other:?}"))),
    }
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
    let texts = Texts::of(&items, "strict")?;
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

/// Bytes as text; `errors` is what bytes.decode takes.
pub(crate) fn text_of<'py>(py: Python<'py>, bytes: &[u8], errors: &str) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => {
            let text = PyBytes::new(py, bytes).call_method1("decode", ("utf-8", errors))?;
            Ok(text.cast_into()?)
        }
    }
}

pub(crate) fn decoded<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    batch: Any<'_, 'py>,
    errors: &str,
    num_threads: Option<Any<'_, '_>>,
) -> PyResult<Vec<Bound<'py, PyString>>> {
    let rows = arguments::items(batch, "batch", "lists of ids")?;
    let mut unchecked = 0;
    let rows: Vec<Vec<TokenId>> = rows
        .iter()
        .enumerate()
        .map(|(row, ids)| {
            let ids = arguments::ids(ids, encoding.0.n_vocab()).map_err(|error| in_row(py, row, error))?;
            unchecked += ids.len() + 16;
            if unchecked > CHECK_EVERY / 4 {
                py.check_signals()?;
                unchecked = 0;
            }
            Ok(ids)
        })
        .collect::<PyResult<_>>()?;
    let threads = threads_for(num_threads, rows.iter().map(|ids| ids.len() * 4).sum())?;
    let decode = |ids: &Vec<TokenId>| encoding.0.decode_bytes(ids);
    let bytes: Vec<_> = match &threads {
        None => py.detach(|| rows.iter().map(decode).collect()),
        Some(threads) => py.detach(|| threads.pool().install(|| rows.par_iter().map(decode).collect())),
    };
    let text = |(row, bytes): (usize, Result<Vec<u8>, _>)| {
        bytes.map_err(from_decode).and_then(|bytes| text_of(py, &bytes, errors)).map_err(|error| in_row(py, row, error))
    };
    let mut unchecked = 0;
    let checked = bytes.into_iter().enumerate().map(|(row, bytes)| {
        unchecked += bytes.as_ref().map_or(0, Vec::len) + 64;
        if unchecked > CHECK_EVERY {
            py.check_signals()?;
            unchecked = 0;
        }
        text((row, bytes))
    });
    checked.collect()
}

/// Signals are looked at once in this many decoded bytes.
const CHECK_EVERY: usize = 1 << 22;

/// The same error, saying which row of the batch it is about. UnicodeDecodeError stays as it is: it carries its bytes.
fn in_row(py: Python<'_>, row: usize, error: PyErr) -> PyErr {
    if error.is_instance_of::<pyo3::exceptions::PyUnicodeError>(py) {
        return error;
    }
    PyErr::from_type(error.get_type(py), format!("batch[{row}]: {}", error.value(py)))
}

pub(crate) fn decoded_ragged<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    ids: Any<'_, 'py>,
    row_splits: Any<'_, 'py>,
    errors: &str,
) -> PyResult<Vec<Bound<'py, PyString>>> {
    let ids = arguments::ids(ids, encoding.0.n_vocab())?;
    let listed = if row_splits.hasattr("tolist")? { row_splits.call_method0("tolist")? } else { row_splits.clone() };
    let splits: Vec<i64> = listed.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            return PyValueError::new_err("row_splits holds a number past 64 bits; pass it as encode_ragged gave it");
        }
        let found = row_splits.get_type();
        PyTypeError::new_err(format!("row_splits must be a list or array of 64-bit integers, not this {found}"))
    })?;
    let bad =
        |message: String| Err(PyValueError::new_err(format!("row_splits {message}; pass it as encode_ragged gave it")));
    if splits.first() != Some(&0) {
        return bad("must begin with 0".to_owned());
    }
    if let Some(place) = splits.windows(2).position(|pair| pair[0] > pair[1]) {
        return bad(format!("decreases from {} to {} at position {}", splits[place], splits[place + 1], place + 1));
    }
    if splits.last().is_none_or(|&last| last != ids.len() as i64) {
        return bad(format!("must end with the number of ids, {}, not {}", ids.len(), splits.last().unwrap_or(&0)));
    }
    let row = |(row, ends): (usize, &[i64])| {
        let bytes = encoding.0.decode_bytes(&ids[ends[0] as usize..ends[1] as usize]);
        bytes.map_err(from_decode).and_then(|bytes| text_of(py, &bytes, errors)).map_err(|error| in_row(py, row, error))
    };
    let mut unchecked = 0;
    let checked = splits.windows(2).enumerate().map(|(number, ends)| {
        unchecked += 4 * (ends[1] - ends[0]) as usize + 64;
        if unchecked > CHECK_EVERY {
            py.check_signals()?;
            unchecked = 0;
        }
        row((number, ends))
    });
    checked.collect()
}
