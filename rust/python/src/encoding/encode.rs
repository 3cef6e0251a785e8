//! `Encoding`: text to ids, one text or many.

use gpt2tok_core::special::Policy;
use gpt2tok_core::{EncodeError, TokenId};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::{Any, PyEncoding};
use crate::arguments::{self, OnInvalid};
use crate::batch;
use crate::errors::{TokenizerError, UnknownTokenError, from_encode};
use crate::interrupt::{KeepGoing, WORTH_DETACHING, run_here, with_scratch};
use crate::lists;

/// NumPy, or how to get it.
fn need_numpy(py: Python<'_>) -> PyResult<()> {
    py.import("numpy").map(|_| ()).map_err(|error| {
        let help = PyImportError::new_err("this method returns NumPy arrays, and NumPy is missing: pip install numpy");
        help.set_cause(py, Some(error));
        help
    })
}

impl PyEncoding {
    fn encode_one(&self, py: Python<'_>, text: &str, policy: &Policy<'_>) -> PyResult<Vec<TokenId>> {
        let encode = |keep_going: &KeepGoing<'_>| {
            let mut ids = Vec::with_capacity(text.len() / 4 + 1);
            with_scratch(|scratch| self.0.encode_into(text, policy, scratch, &mut ids, keep_going)).map(|()| ids)
        };
        let done: Result<Vec<TokenId>, EncodeError> =
            if text.len() < WORTH_DETACHING { encode(&|| true) } else { run_here(py, encode)? };
        done.map_err(from_encode)
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
        let ids = self.encode_one(py, &text, &self.0.special().ignored())?;
        self.2.list(py, &ids, self.0.n_vocab())
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
        let ids = self.encode_one(py, &text, &self.policy(allowed_special, disallowed_special)?)?;
        self.2.list(py, &ids, self.0.n_vocab())
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
        Ok(self.encode_one(py, &text, &self.policy(allowed_special, disallowed_special)?)?.into_pyarray(py))
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
