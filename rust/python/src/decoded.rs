//! Ids back to text: one list, many lists, ragged arrays; errors say which row, and signals are looked at on the way.

use std::borrow::Cow;
use std::ffi::{CStr, CString};

use gpt2tok_core::{DecodeError, Encoding, TokenId};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::{PyLookupError, PyOverflowError, PyTypeError, PyUnicodeDecodeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use rayon::prelude::*;

use crate::arguments;
use crate::encoding::PyEncoding;
use crate::errors::{TokenizerError, from_decode};
use crate::interrupt::{KeepGoing, WORTH_DETACHING, run_beside, run_here};
use crate::pool::{Threads, threads_for};

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

/// Ids are decoded so many at a time.
const PIECE: usize = 1 << 18;

/// Signals are looked at once in this many decoded bytes.
const CHECK_EVERY: usize = 1 << 22;

/// How many bytes ids decode to; too few when work is told to stop.
fn len_of(encoding: &Encoding, ids: &[TokenId], keep_going: &KeepGoing<'_>) -> Result<usize, DecodeError> {
    let mut len = 0;
    for (number, piece) in ids.chunks(PIECE).enumerate() {
        if number > 0 && !keep_going() {
            break;
        }
        let whole = |error: DecodeError| DecodeError { position: number * PIECE + error.position, ..error };
        len += encoding.decoded_len(piece).map_err(whole)?;
    }
    Ok(len)
}

/// Writes the bytes of ids, of which `len_of` has said how many they are; some of them when work is told to stop.
fn fill(encoding: &Encoding, ids: &[TokenId], bytes: &mut [u8], keep_going: &KeepGoing<'_>) {
    let mut at = 0;
    for (number, piece) in ids.chunks(PIECE).enumerate() {
        if number > 0 && !keep_going() {
            break;
        }
        at += encoding.decode_to(piece, &mut bytes[at..]);
    }
}

/// Appends the bytes of ids; some of them when work is told to stop.
pub(crate) fn append(
    encoding: &Encoding,
    ids: &[TokenId],
    bytes: &mut Vec<u8>,
    keep_going: &KeepGoing<'_>,
) -> Result<(), DecodeError> {
    for (number, piece) in ids.chunks(PIECE).enumerate() {
        if number > 0 && !keep_going() {
            break;
        }
        let whole = |error: DecodeError| DecodeError { position: number * PIECE + error.position, ..error };
        let before = bytes.len();
        bytes.resize(before + encoding.decoded_len(piece).map_err(whole)?, 0);
        encoding.decode_to(piece, &mut bytes[before..]);
    }
    Ok(())
}

/// One bytes object of ids, written to where it stays.
pub(crate) fn bytes_object<'py>(
    encoding: &Encoding,
    py: Python<'py>,
    ids: &[TokenId],
) -> PyResult<Bound<'py, PyBytes>> {
    if ids.len() < WORTH_DETACHING {
        let len = encoding.decoded_len(ids).map_err(from_decode)?;
        return PyBytes::new_with(py, len, |bytes| {
            encoding.decode_to(ids, bytes);
            Ok(())
        });
    }
    let len = run_here(py, |keep_going| len_of(encoding, ids, keep_going))?.map_err(from_decode)?;
    // Nobody else knows of the object yet, so it may be filled without the interpreter's lock.
    PyBytes::new_with(py, len, |bytes| run_here(py, |keep_going| fill(encoding, ids, bytes, keep_going)))
}

/// The name of an error handler of `bytes.decode`.
#[derive(Clone, Debug)]
pub(crate) struct DecodeErrors<'a>(Cow<'a, CStr>);

impl DecodeErrors<'_> {
    pub(crate) const STRICT: DecodeErrors<'static> = DecodeErrors(Cow::Borrowed(c"strict"));

    /// Raises TokenizerError if Python has no handler of this name, whether or not the text will need one.
    pub(crate) fn parse(py: Python<'_>, errors: &str) -> PyResult<Self> {
        let known = match errors {
            "replace" => c"replace",
            "strict" => c"strict",
            "ignore" => c"ignore",
            other => return Self::looked_up(py, other),
        };
        Ok(DecodeErrors(Cow::Borrowed(known)))
    }

    fn looked_up(py: Python<'_>, errors: &str) -> PyResult<Self> {
        let wrong = || {
            TokenizerError::new_err(format!(
                "errors must be 'replace', 'strict' or another error handler of Python's codecs, not {errors:?}"
            ))
        };
        py.import("codecs")?
            .call_method1("lookup_error", (errors,))
            .map_err(|error| if error.is_instance_of::<PyLookupError>(py) { wrong() } else { error })?;
        CString::new(errors).map(|name| DecodeErrors(Cow::Owned(name))).map_err(|_| wrong())
    }

    /// Bytes as text, as `bytes.decode` has it.
    pub(crate) fn text_of<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        let (first, len) = (bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t);
        // SAFETY: Python reads `len` bytes at `first`, and the handler's name up to its zero; it gives a new str, or null
        // with an exception set.
        let text = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyUnicode_DecodeUTF8(first, len, self.0.as_ptr()))? };
        Ok(text.cast_into()?)
    }

    /// The text of ids, by way of `bytes`, which is empty; long work gives the interpreter's lock away.
    pub(crate) fn text_of_ids<'py>(
        &self,
        encoding: &Encoding,
        py: Python<'py>,
        ids: &[TokenId],
        bytes: &mut Vec<u8>,
    ) -> PyResult<Bound<'py, PyString>> {
        let done = if ids.len() < WORTH_DETACHING {
            append(encoding, ids, bytes, &|| true)
        } else {
            run_here(py, |keep_going| append(encoding, ids, bytes, keep_going))?
        };
        done.map_err(from_decode)?;
        self.text_of(py, bytes)
    }
}

/// Rows are read, decoded and made into text in groups of this many ids: each step finds them in the cache.
const GROUP: usize = 1 << 16;

pub(crate) fn batch<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    batch: Any<'_, 'py>,
    errors: &str,
    num_threads: Option<Any<'_, '_>>,
) -> PyResult<Bound<'py, PyList>> {
    let handler = DecodeErrors::parse(py, errors)?;
    let rows = arguments::items(batch, "batch", "lists of ids")?;
    let expected = rows.iter().map(|ids| ids.len().unwrap_or(0) * 4).sum();
    let threads = threads_for(num_threads, expected)?;
    let group = if threads.is_some() { 64 * GROUP } else { GROUP };
    let texts = PyList::empty(py);
    let (mut ids, mut bytes): (Vec<TokenId>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut ends = vec![0];
    let (mut first, mut unchecked) = (0, 0);
    for (row, values) in rows.iter().enumerate() {
        arguments::ids_into(values, encoding.0.n_vocab(), &mut ids).map_err(|error| in_row(py, "batch", row, error))?;
        looked_at(py, &mut unchecked, 4 * (ids.len() - ends[ends.len() - 1]))?;
        ends.push(ids.len());
        // A row is as much work as sixteen ids, even an empty one.
        if ids.len() + 16 * ends.len() < group && row + 1 < rows.len() {
            continue;
        }
        let group: Vec<&[TokenId]> = ends.windows(2).map(|ends| &ids[ends[0]..ends[1]]).collect();
        match &threads {
            None => {
                // After a signal, nothing more is decoded.
                let lens = run_here(py, |keep_going| {
                    bytes.clear();
                    lens_of(&encoding.0, &group, &mut bytes, keep_going)
                })?;
                let lens = lens.map_err(|(row, error)| in_row(py, "batch", first + row, from_decode(error)))?;
                let mut at = 0;
                for (row, len) in lens.into_iter().enumerate() {
                    let text = handler.text_of(py, &bytes[at..at + len]);
                    texts.append(text.map_err(|error| in_row(py, "batch", first + row, error))?)?;
                    at += len;
                }
            }
            Some(threads) => texts_beside(encoding, py, (first, &group), &handler, threads, &texts)?,
        }
        first = row + 1;
        ids.clear();
        ends.truncate(1);
    }
    Ok(texts)
}

/// Decodes rows one after the other, and says how many bytes each has.
fn lens_of(
    encoding: &Encoding,
    rows: &[&[TokenId]],
    bytes: &mut Vec<u8>,
    keep_going: &KeepGoing<'_>,
) -> Result<Vec<usize>, (usize, DecodeError)> {
    let mut lens = Vec::with_capacity(rows.len());
    for (row, ids) in rows.iter().enumerate() {
        let before = bytes.len();
        append(encoding, ids, bytes, keep_going).map_err(|error| (row, error))?;
        lens.push(bytes.len() - before);
    }
    Ok(lens)
}

/// The threads decode rows, of which the first is row `first` of the batch, before this one makes texts of them.
fn texts_beside(
    encoding: &PyEncoding,
    py: Python<'_>,
    (first, rows): (usize, &[&[TokenId]]),
    handler: &DecodeErrors<'_>,
    threads: &Threads,
    texts: &Bound<'_, PyList>,
) -> PyResult<()> {
    let decode = |(row, ids): (usize, &&[TokenId]), keep_going: &KeepGoing<'_>| {
        let mut bytes = Vec::new();
        if keep_going() {
            append(&encoding.0, ids, &mut bytes, keep_going).map_err(|error| (row, error))?;
        }
        Ok(bytes)
    };
    let decoded: Result<Vec<Vec<u8>>, (usize, DecodeError)> = run_beside(py, threads.pool(), |keep_going| {
        let decoded: Vec<_> =
            threads.pool().install(|| rows.par_iter().enumerate().map(|row| decode(row, keep_going)).collect());
        decoded.into_iter().collect() // the first error in order
    })?;
    let decoded = decoded.map_err(|(row, error)| in_row(py, "batch", first + row, from_decode(error)))?;
    let mut unchecked = 0;
    for (row, bytes) in decoded.into_iter().enumerate() {
        looked_at(py, &mut unchecked, bytes.len())?;
        texts.append(handler.text_of(py, &bytes).map_err(|error| in_row(py, "batch", first + row, error))?)?;
    }
    Ok(())
}

/// Counts what was done since signals were looked at last, and looks at them when it was enough.
fn looked_at(py: Python<'_>, unchecked: &mut usize, bytes: usize) -> PyResult<()> {
    *unchecked += bytes + 64;
    if *unchecked > CHECK_EVERY {
        py.check_signals()?;
        *unchecked = 0;
    }
    Ok(())
}

/// The same error, saying which row of the batch it is about.
fn in_row(py: Python<'_>, what: &str, row: usize, error: PyErr) -> PyErr {
    let value = error.value(py);
    if error.is_instance_of::<PyUnicodeDecodeError>(py) {
        // Its message is made of parts; the reason comes last.
        let reason = value.getattr("reason").map_or_else(|_| String::new(), |reason| reason.to_string());
        return match value.setattr("reason", format!("{reason} (in {what}[{row}])")) {
            Ok(()) => error,
            Err(other) => other,
        };
    }
    if !error.is_instance_of::<TokenizerError>(py) && !error.is_instance_of::<PyTypeError>(py) {
        return error; // a signal's, or the iterator's own
    }
    PyErr::from_type(error.get_type(py), format!("{what}[{row}]: {value}"))
}

pub(crate) fn ragged<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    ids: Any<'_, 'py>,
    row_splits: Any<'_, 'py>,
    errors: &str,
) -> PyResult<Vec<Bound<'py, PyString>>> {
    let handler = DecodeErrors::parse(py, errors)?;
    let ids = arguments::ids(ids, encoding.0.n_vocab())?;
    let splits = row_splits_of(row_splits)?;
    let bad = |message: String| {
        Err(TokenizerError::new_err(format!("row_splits {message}; pass it as encode_ragged gave it")))
    };
    if splits.first() != Some(&0) {
        return bad("must begin with 0".to_owned());
    }
    if let Some(place) = splits.windows(2).position(|pair| pair[0] > pair[1]) {
        return bad(format!("decreases from {} to {} at position {}", splits[place], splits[place + 1], place + 1));
    }
    if splits.last().is_none_or(|&last| last != ids.len() as i64) {
        return bad(format!("must end with the number of ids, {}, not {}", ids.len(), splits.last().unwrap_or(&0)));
    }
    let (mut unchecked, mut bytes) = (0, Vec::new());
    let row = |(row, ends): (usize, &[i64])| {
        let ids = &ids[ends[0] as usize..ends[1] as usize];
        looked_at(py, &mut unchecked, 4 * ids.len())?;
        bytes.clear();
        let text = handler.text_of_ids(&encoding.0, py, ids, &mut bytes);
        text.map_err(|error| in_row(py, "row", row, error))
    };
    splits.windows(2).enumerate().map(row).collect()
}

fn row_splits_of(row_splits: Any<'_, '_>) -> PyResult<Vec<i64>> {
    let py = row_splits.py();
    if arguments::may_be_array(row_splits)?
        && let Ok(array) = row_splits.cast::<PyArray1<i64>>()
        && let Ok(array) = array.try_readonly()
    {
        return Ok(array.as_array().to_vec());
    }
    let listed = if row_splits.hasattr("tolist")? { row_splits.call_method0("tolist")? } else { row_splits.clone() };
    listed.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            return TokenizerError::new_err("row_splits holds a number past 64 bits; pass it as encode_ragged gave it");
        }
        let found = arguments::shown(row_splits);
        PyTypeError::new_err(format!("row_splits must be a list or array of 64-bit integers, not {found}"))
    })
}
