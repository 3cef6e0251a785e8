//! Ids back to text: one list, many lists, ragged arrays; errors say which row, and signals are looked at on the way.

use gpt2tok_core::{DecodeError, Encoding, TokenId};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::exceptions::{PyLookupError, PyOverflowError, PyTypeError, PyUnicodeDecodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use rayon::prelude::*;

use crate::arguments;
use crate::encoding::PyEncoding;
use crate::errors::{TokenizerError, from_decode};
use crate::interrupt::{KeepGoing, run_beside, run_here};
use crate::pool::threads_for;

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

/// Ids are decoded so many at a time.
const PIECE: usize = 1 << 18;

/// Signals are looked at once in this many decoded bytes.
const CHECK_EVERY: usize = 1 << 22;

/// The bytes of ids; some of them when work is told to stop.
pub(crate) fn bytes_of(
    encoding: &Encoding,
    ids: &[TokenId],
    keep_going: &KeepGoing<'_>,
) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::with_capacity(ids.len() * 4);
    for (number, piece) in ids.chunks(PIECE).enumerate() {
        if number > 0 && !keep_going() {
            break;
        }
        let whole = |error: DecodeError| DecodeError { position: number * PIECE + error.position, ..error };
        encoding.decode_into(piece, &mut bytes).map_err(whole)?;
    }
    Ok(bytes)
}

/// An error handler of `bytes.decode`.
#[derive(Clone, Copy)]
pub(crate) struct DecodeErrors<'a>(&'a str);

impl<'a> DecodeErrors<'a> {
    pub(crate) const STRICT: DecodeErrors<'static> = DecodeErrors("strict");

    /// Raises TokenizerError if Python has no handler of this name, whether or not the text will need one.
    pub(crate) fn parse(py: Python<'_>, errors: &'a str) -> PyResult<Self> {
        if !matches!(errors, "replace" | "strict" | "ignore") {
            py.import("codecs")?.call_method1("lookup_error", (errors,)).map_err(|error| {
                if !error.is_instance_of::<PyLookupError>(py) {
                    return error;
                }
                TokenizerError::new_err(format!(
                    "errors must be 'replace', 'strict' or another error handler of Python's codecs, not {errors:?}"
                ))
            })?;
        }
        Ok(DecodeErrors(errors))
    }

    /// Bytes as text.
    pub(crate) fn text_of<'py>(self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(PyString::new(py, text)),
            Err(_) => {
                let text = PyBytes::new(py, bytes).call_method1("decode", ("utf-8", self.0))?;
                Ok(text.cast_into()?)
            }
        }
    }
}

pub(crate) fn batch<'py>(
    encoding: &PyEncoding,
    py: Python<'py>,
    batch: Any<'_, 'py>,
    errors: &str,
    num_threads: Option<Any<'_, '_>>,
) -> PyResult<Vec<Bound<'py, PyString>>> {
    let handler = DecodeErrors::parse(py, errors)?;
    let rows = arguments::items(batch, "batch", "lists of ids")?;
    let mut unchecked = 0;
    let rows: Vec<Vec<TokenId>> = rows
        .iter()
        .enumerate()
        .map(|(row, ids)| {
            let ids = arguments::ids(ids, encoding.0.n_vocab()).map_err(|error| in_row(py, "batch", row, error))?;
            looked_at(py, &mut unchecked, 4 * ids.len())?;
            Ok(ids)
        })
        .collect::<PyResult<_>>()?;
    let threads = threads_for(num_threads, rows.iter().map(|ids| ids.len() * 4).sum())?;
    // After a row that failed, or a signal, nothing more is decoded.
    let decode = |(row, ids): (usize, &Vec<TokenId>), keep_going: &KeepGoing<'_>| {
        if keep_going() { bytes_of(&encoding.0, ids, keep_going).map_err(|error| (row, error)) } else { Ok(Vec::new()) }
    };
    let decoded: Result<Vec<_>, (usize, DecodeError)> = match &threads {
        None => run_here(py, |keep_going| rows.iter().enumerate().map(|row| decode(row, keep_going)).collect())?,
        Some(threads) => run_beside(py, |keep_going| {
            let decoded: Vec<_> =
                threads.pool().install(|| rows.par_iter().enumerate().map(|row| decode(row, keep_going)).collect());
            decoded.into_iter().collect() // the first error in order
        })?,
    };
    let decoded = decoded.map_err(|(row, error)| in_row(py, "batch", row, from_decode(error)))?;
    let mut unchecked = 0;
    let text = |(row, bytes): (usize, Vec<u8>)| {
        looked_at(py, &mut unchecked, bytes.len())?;
        handler.text_of(py, &bytes).map_err(|error| in_row(py, "batch", row, error))
    };
    decoded.into_iter().enumerate().map(text).collect()
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
    let mut unchecked = 0;
    let row = |(row, ends): (usize, &[i64])| {
        let ids = &ids[ends[0] as usize..ends[1] as usize];
        looked_at(py, &mut unchecked, 4 * ids.len())?;
        let text = || handler.text_of(py, &encoding.bytes_of(py, ids)?);
        text().map_err(|error| in_row(py, "row", row, error))
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
