//! Many texts, or many lists of ids, in one call: threads, ragged arrays, and the way back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use gpt2tok_core::added::Style;
use gpt2tok_core::batch::{BatchError, Id, Portion, Ragged};
use gpt2tok_core::special::Policy;
use gpt2tok_core::{Interrupted, TokenId};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use rayon::prelude::*;

use crate::added::PyAddedTokens;
use crate::arguments::{self, OnInvalid};
use crate::encoding::PyEncoding;
use crate::errors::{TokenizerError, from_batch, from_encode};
use crate::interrupt::{KeepGoing, WORTH_DETACHING, run_beside, run_feeding, run_here, with_memory, with_scratch};
use crate::lists::Rows;
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

/// Runs batch work here, and on the threads given besides; either way Ctrl-C gets through.
fn run<T: Send>(
    py: Python<'_>,
    threads: Option<&Threads>,
    work: impl Send + FnOnce(Option<&rayon::ThreadPool>, &KeepGoing<'_>) -> Result<T, BatchError>,
) -> PyResult<T> {
    run_here(py, |keep_going| work(threads.map(Threads::pool), keep_going))?.map_err(from_batch)
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
    let items = arguments::items(texts, "texts", "texts")?;
    let texts = Texts::of(&items, errors)?;
    let (threads, texts) = (texts.threads(num_threads)?, texts.strs());
    let mut rows = encoding.2.rows(py, encoding.0.n_vocab());
    match &threads {
        None => lists_here(encoding, py, &texts, policy, &mut rows)?,
        Some(threads) => lists_beside(encoding, py, &texts, policy, threads, &mut rows)?,
    }
    Ok(rows.finish())
}

/// Texts are encoded and become lists in groups of this many bytes: their ids are still in the cache then.
const GROUP: usize = 1 << 18;

fn lists_here(
    encoding: &PyEncoding,
    py: Python<'_>,
    texts: &[&str],
    policy: &Policy<'_>,
    rows: &mut Rows<'_, '_>,
) -> PyResult<()> {
    let mut ragged = Ragged::default();
    let (mut first, mut bytes) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        bytes += text.len() + 16;
        if bytes < GROUP && index + 1 < texts.len() {
            continue;
        }
        ragged.ids.clear();
        ragged.row_splits.clear();
        ragged.row_splits.push(0);
        let group = &texts[first..=index];
        let encode = |keep_going: &KeepGoing<'_>| {
            with_memory(|memory| {
                encoding.0.encode_ragged_into(group, policy, &mut memory.scratch, &mut ragged, keep_going)
            })
        };
        let done = run_here(py, encode)?;
        done.map_err(|error| from_batch(BatchError { index: first + error.index, ..error }))?;
        rows.extend(&ragged.ids, &ragged.row_splits)?;
        (first, bytes) = (index + 1, 0);
    }
    Ok(())
}

/// The threads encode, and this one makes lists of what they have done meanwhile.
fn lists_beside(
    encoding: &PyEncoding,
    py: Python<'_>,
    texts: &[&str],
    policy: &Policy<'_>,
    threads: &Threads,
    rows: &mut Rows<'_, '_>,
) -> PyResult<()> {
    let work = |keep_going: &KeepGoing<'_>, sender: Sender<(usize, Portion<TokenId>)>| {
        // Nobody receives any more when an error is on its way, and then it does not matter.
        let take = |number, portion| drop(sender.send((number, portion)));
        encoding.0.encode_portions(texts, policy, threads.pool(), keep_going, take)
    };
    let mut early: BTreeMap<usize, Portion<TokenId>> = BTreeMap::new();
    let (mut next, mut begun) = (0, 0);
    let take = |(number, portion): (usize, Portion<TokenId>)| {
        early.insert(number, portion);
        while let Some(Portion { ids, counts }) = early.remove(&next) {
            let mut at = 0;
            for (text, count) in counts {
                let ids = &ids[at..at + count];
                if text < begun {
                    rows.go_on(ids)?;
                } else {
                    for _ in begun..text {
                        rows.begin(&[])?; // texts without any ids
                    }
                    rows.begin(ids)?;
                    begun = text + 1;
                }
                at += count;
            }
            next += 1;
        }
        Ok(())
    };
    run_feeding(py, threads.pool(), work, take)?.map_err(from_batch)?;
    for _ in begun..texts.len() {
        rows.begin(&[])?;
    }
    Ok(())
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
    if dtype.is_some() && is_uint16(encoding, dtype)? {
        let Ragged { ids, row_splits } = encoded::<u16>(encoding, py, texts, policy, num_threads, errors)?;
        Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
    } else {
        let Ragged { ids, row_splits } = encoded::<u32>(encoding, py, texts, policy, num_threads, errors)?;
        Ok((ids.into_pyarray(py).into_any(), row_splits.into_pyarray(py)))
    }
}

/// All ids as little-endian integers, without NumPy.
pub(crate) fn raw<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    texts: Any<'_, 'py>,
    policy: &Policy<'_>,
    num_threads: Option<Any<'_, '_>>,
    dtype: Option<Any<'_, 'py>>,
    errors: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    if is_uint16(encoding, dtype)? {
        let ids = encoded::<u16>(encoding, py, texts, policy, num_threads, errors)?.ids;
        little_endian(py, &ids, u16::to_le_bytes)
    } else {
        let ids = encoded::<u32>(encoding, py, texts, policy, num_threads, errors)?.ids;
        little_endian(py, &ids, u32::to_le_bytes)
    }
}

fn little_endian<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    ids: &[T],
    bytes_of: impl Fn(T) -> [u8; N],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, N * ids.len(), |bytes| {
        for (place, &id) in bytes.as_chunks_mut::<N>().0.iter_mut().zip(ids) {
            *place = bytes_of(id);
        }
        Ok(())
    })
}

/// Whether ids are to be 16 bits wide rather than 32; without a dtype, whether they fit.
fn is_uint16(encoding: &PyEncoding, dtype: Option<Any<'_, '_>>) -> PyResult<bool> {
    let fits = encoding.0.n_vocab() <= 1 << 16;
    let Some(dtype) = dtype else {
        return Ok(fits);
    };
    let name: String = match dtype.cast::<PyString>() {
        Ok(name) if name == "uint16" || name == "uint32" => name.extract()?, // as nearly always, and without NumPy
        _ => dtype_name(dtype)?,
    };
    match name.as_str() {
        "uint32" => Ok(false),
        "uint16" if fits => Ok(true),
        "uint16" => {
            let largest = encoding.0.n_vocab() - 1;
            let message = format!("ids up to {largest} do not fit in uint16; pass dtype='uint32'");
            Err(TokenizerError::new_err(message))
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
    let count = |keep_going: &KeepGoing<'_>| encoding.0.count(text, policy, keep_going);
    let done = if text.len() < WORTH_DETACHING { count(&|| true) } else { run_here(py, count)? };
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
        Some(threads) => run_beside(py, threads.pool(), |keep_going| {
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
    let mut lists = encoding.2.rows(py, encoding.0.n_vocab());
    lists.extend(&rows.concat(), &row_splits)?;
    Ok(lists.finish())
}
