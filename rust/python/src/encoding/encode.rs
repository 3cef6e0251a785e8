//! `Encoding`: text to ids, one text or many.

use gpt2tok_core::TokenId;
use gpt2tok_core::special::Policy;
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::{Any, PyEncoding};
use crate::arguments::{self, OnInvalid};
use crate::batch;
use crate::errors::{TokenizerError, UnknownTokenError, from_encode};
use crate::interrupt::{KeepGoing, Memory, WORTH_DETACHING, run_here, with_memory, with_scratch};
use crate::lists;

/// The ids of one text.
enum Ids<'a> {
    Lent(&'a [TokenId]),
    Own(Vec<TokenId>),
}

/// Set when NumPy has been imported: asking the import system each time is a quarter of a short call.
static NUMPY: PyOnceLock<()> = PyOnceLock::new();

/// NumPy, or how to get it.
fn need_numpy(py: Python<'_>) -> PyResult<()> {
    NUMPY
        .get_or_try_init(py, || {
            py.import("numpy").map(|_| ()).map_err(|error| {
                let help =
                    PyImportError::new_err("this method returns NumPy arrays, and NumPy is missing: pip install numpy");
                help.set_cause(py, Some(error));
                help
            })
        })
        .map(|_| ())
}

impl PyEncoding {
    /// Gives the ids of a text to `take`: those of a short one from this thread's memory, where they are not kept.
    fn encode_one<T>(
        &self,
        py: Python<'_>,
        text: &str,
        policy: &Policy<'_>,
        take: impl FnOnce(Ids<'_>) -> PyResult<T>,
    ) -> PyResult<T> {
        if text.len() < WORTH_DETACHING {
            return with_memory(|memory| {
                let Memory { scratch, ids, .. } = memory;
                self.0.encode_into(text, policy, scratch, ids, &|| true).map_err(from_encode)?;
                take(Ids::Lent(ids))
            });
        }
        let encode = |keep_going: &KeepGoing<'_>| {
            let mut ids = Vec::with_capacity(text.len() / 4 + 1);
            with_scratch(|scratch| self.0.encode_into(text, policy, scratch, &mut ids, keep_going)).map(|()| ids)
        };
        take(Ids::Own(run_here(py, encode)?.map_err(from_encode)?))
    }

    fn encode_to_list<'py>(&self, py: Python<'py>, text: &str, policy: &Policy<'_>) -> PyResult<Bound<'py, PyList>> {
        self.encode_one(py, text, policy, |ids| match ids {
            Ids::Lent(ids) => self.2.list(py, ids, self.0.n_vocab()),
            Ids::Own(ids) => self.2.list(py, &ids, self.0.n_vocab()),
        })
    }

    fn no_single_token(&self, text_or_bytes: Any<'_, '_>) -> PyErr {
        let shown = text_or_bytes.repr().map_or_else(|_| "it".to_owned(), |shown| shown.to_string());
        let name = self.0.name();
        UnknownTokenError::new_err(format!(
            "{shown} is not a single token of the encoding {name:?}; encode() splits it into several"
        ))
    }
}

#[pymethods]
impl PyEncoding {
    /// The ids of text, special tokens treated as ordinary text.
    ///
    /// errors: what to do with lone surrogates or invalid UTF-8: "strict" raises TokenizerError, "replace" puts U+FFFD
    /// (offsets then refer to the text with U+FFFD in it).
    #[pyo3(signature = (text, *, errors="strict"))]
    fn encode_ordinary<'py>(&self, py: Python<'py>, text: Any<'_, 'py>, errors: &str) -> PyResult<Bound<'py, PyList>> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        self.encode_to_list(py, &text, &self.0.special().ignored())
    }

    /// The ids of text under tiktoken's rules for special tokens.
    ///
    /// A special token in the text raises SpecialTokenError unless it is in allowed_special (then it becomes its id) or
    /// no longer in disallowed_special (then it is ordinary text).
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, text, *, allowed_special=(), disallowed_special='all', errors='strict')")]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        text: Any<'_, 'py>,
        allowed_special: Option<Any<'_, 'py>>,
        disallowed_special: Option<Any<'_, 'py>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        self.encode_to_list(py, &text, &self.policy(allowed_special, disallowed_special)?)
    }

    /// As encode_batch, special tokens treated as ordinary text.
    #[pyo3(signature = (texts, *, num_threads=None, errors="strict"))]
    fn encode_ordinary_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        num_threads: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        batch::lists(self, py, texts, &self.0.special().ignored(), num_threads, errors)
    }

    /// The ids of each text. num_threads: how many threads work; by default all cores, when there is enough to do.
    #[pyo3(signature = (texts, *, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, texts, *, num_threads=None, allowed_special=(), disallowed_special='all', errors='strict')")]
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        num_threads: Option<Any<'_, '_>>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        batch::lists(self, py, texts, &self.policy(allowed_special, disallowed_special)?, num_threads, errors)
    }

    /// The ids of text as a uint32 array of shape (n,). Needs NumPy.
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, text, *, allowed_special=(), disallowed_special='all', errors='strict')")]
    fn encode_to_numpy<'py>(
        &self,
        py: Python<'py>,
        text: Any<'_, 'py>,
        allowed_special: Option<Any<'_, 'py>>,
        disallowed_special: Option<Any<'_, 'py>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyArray1<TokenId>>> {
        need_numpy(py)?;
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        self.encode_one(py, &text, &self.policy(allowed_special, disallowed_special)?, |ids| match ids {
            // An array that NumPy allocates itself is cheaper than one around memory of ours, while it is small.
            Ids::Lent(ids) => Ok(PyArray1::from_slice(py, ids)),
            Ids::Own(ids) => Ok(ids.into_pyarray(py)),
        })
    }

    /// The ids of many texts in one array, and where each text's begin: text i has ids[row_splits[i]:row_splits[i + 1]].
    ///
    /// ids: uint32 or uint16 of shape (n,); row_splits: int64 of shape (len(texts) + 1,). Needs NumPy.
    #[pyo3(signature = (texts, *, num_threads=None, dtype=None, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, texts, *, num_threads=None, dtype='uint32', allowed_special=(), disallowed_special='all', errors='strict')")]
    #[allow(clippy::too_many_arguments)]
    fn encode_ragged<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        num_threads: Option<Any<'_, '_>>,
        dtype: Option<Any<'_, 'py>>,
        allowed_special: Option<Any<'_, 'py>>,
        disallowed_special: Option<Any<'_, 'py>>,
        errors: &str,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyArray1<i64>>)> {
        need_numpy(py)?;
        let policy = self.policy(allowed_special, disallowed_special)?;
        batch::ragged(self, py, texts, &policy, num_threads, dtype, errors)
    }

    /// Encode a file of UTF-8 text of any size into a file of bare little-endian ids; return how many there are.
    ///
    /// What is in memory at a time is a few megabytes, or the longest stretch without a place to cut (one run of letters,
    /// say). dtype: "uint16" or "uint32", by default uint16 where every id of the vocabulary fits; read them with
    /// numpy.fromfile(out, "<u2"). The file at out appears when all ids are there, or stays as it was. The other arguments
    /// are those of encode_batch.
    ///
    /// Raises OSError if a file cannot be read or written, TokenizerError for text that is not UTF-8 and
    /// SpecialTokenError for a special token that is not allowed, both with the byte of the file.
    #[pyo3(signature = (path, out, *, dtype=None, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, path, out, *, dtype=None, num_threads=None, allowed_special=(), disallowed_special='all', errors='strict')")]
    #[allow(clippy::too_many_arguments)]
    fn encode_file<'py>(
        slf: &Bound<'py, Self>,
        path: Any<'_, 'py>,
        out: Any<'_, 'py>,
        dtype: Option<Any<'_, 'py>>,
        num_threads: Option<Any<'_, 'py>>,
        allowed_special: Option<Any<'_, 'py>>,
        disallowed_special: Option<Any<'_, 'py>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let options = PyDict::new(py);
        options.set_item("dtype", dtype)?;
        options.set_item("num_threads", num_threads)?;
        options.set_item("allowed_special", allowed_special)?;
        options.set_item("disallowed_special", disallowed_special)?;
        options.set_item("errors", errors)?;
        // How files are read and come to disk is the package's own Python.
        py.import("gpt2tok.file_encoding")?.call_method("encode_file", (slf, path, out), Some(&options))
    }

    /// The ids of texts, one after the other, as bare little-endian integers. What encode_file and the command line use.
    #[pyo3(signature = (texts, *, dtype=None, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"))]
    #[allow(clippy::too_many_arguments)]
    fn _encode_raw<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        dtype: Option<Any<'_, 'py>>,
        num_threads: Option<Any<'_, '_>>,
        allowed_special: Option<Any<'_, 'py>>,
        disallowed_special: Option<Any<'_, 'py>>,
        errors: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let policy = self.policy(allowed_special, disallowed_special)?;
        batch::raw(self, py, texts, &policy, num_threads, dtype, errors)
    }

    /// The ids of text, and the (start, end) of each in it: characters, or bytes of UTF-8.
    ///
    /// Untrimmed, as tokenizers' ByteLevel gives them; a character that is split over tokens belongs to each.
    #[pyo3(signature = (text, *, unit="char", allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, text, *, unit='char', allowed_special=(), disallowed_special='all', errors='strict')")]
    fn encode_with_offsets<'py>(
        &self,
        py: Python<'py>,
        text: Any<'_, 'py>,
        unit: &str,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        if !matches!(unit, "char" | "byte") {
            return Err(TokenizerError::new_err(format!("unit must be 'char' or 'byte', not {unit:?}")));
        }
        let policy = self.policy(allowed_special, disallowed_special)?;
        let encode = |keep_going: &KeepGoing<'_>| {
            with_scratch(|scratch| self.0.encode_with_byte_spans(&text, &policy, scratch, keep_going))
        };
        let done = if text.len() < WORTH_DETACHING { encode(&|| true) } else { run_here(py, encode)? };
        let (ids, spans) = done.map_err(from_encode)?;
        let spans = if unit == "char" { lists::char_spans(py, &text, &spans)? } else { lists::spans(py, &spans)? };
        Ok((self.2.list(py, &ids, self.0.n_vocab())?, spans))
    }

    /// The id of the token that is exactly this text or these bytes, special tokens included.
    ///
    /// Raises UnknownTokenError if there is none.
    fn encode_single_token(&self, text_or_bytes: Any<'_, '_>) -> PyResult<TokenId> {
        let bytes = if let Ok(string) = text_or_bytes.cast::<PyString>() {
            arguments::name(string.as_any(), &"text_or_bytes")?.into_bytes()
        } else if let Ok(bytes) = text_or_bytes.cast::<PyBytes>() {
            bytes.as_bytes().to_vec()
        } else {
            let found = text_or_bytes.get_type().name()?;
            return Err(PyTypeError::new_err(format!("text_or_bytes must be str or bytes, not {found}")));
        };
        self.0.single_token(&bytes).ok_or_else(|| self.no_single_token(text_or_bytes))
    }

    /// How many ids encode would return, without building them.
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, text, *, allowed_special=(), disallowed_special='all', errors='strict')")]
    fn count(
        &self,
        py: Python<'_>,
        text: Any<'_, '_>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<usize> {
        let policy = self.policy(allowed_special, disallowed_special)?;
        batch::count_one(self, py, text, &policy, errors)
    }

    /// How many ids each text has, without building them.
    #[pyo3(signature = (texts, *, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"), text_signature = "($self, texts, *, num_threads=None, allowed_special=(), disallowed_special='all', errors='strict')")]
    fn count_batch(
        &self,
        py: Python<'_>,
        texts: Any<'_, '_>,
        num_threads: Option<Any<'_, '_>>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Vec<usize>> {
        let policy = self.policy(allowed_special, disallowed_special)?;
        batch::counts(self, py, texts, &policy, num_threads, errors)
    }
}
