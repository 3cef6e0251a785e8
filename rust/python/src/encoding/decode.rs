//! `Encoding`: ids to text and bytes.

use gpt2tok_core::TokenId;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::{Any, PyEncoding, unknown_id};
use crate::arguments;
use crate::decoded::{self, DecodeErrors};
use crate::interrupt::with_memory;
use crate::stream::PyDecodeStream;

/// Signals are looked at once in this many tokens.
const CHECK_EVERY: usize = 1 << 18;

#[pymethods]
impl PyEncoding {
    /// The text of ids (a list, an array or any iterable of int). errors: as bytes.decode's.
    ///
    /// Raises UnknownTokenError, with the position, for an id that no token has.
    #[pyo3(signature = (ids, errors="replace"))]
    fn decode<'py>(&self, py: Python<'py>, ids: Any<'_, 'py>, errors: &str) -> PyResult<Bound<'py, PyString>> {
        let handler = DecodeErrors::parse(py, errors)?;
        with_memory(|memory| {
            arguments::ids_into(ids, self.0.n_vocab(), &mut memory.ids)?;
            handler.text_of_ids(&self.0, py, &memory.ids, &mut memory.bytes)
        })
    }

    /// The bytes of ids. They need not be UTF-8: a character may be split over tokens.
    fn decode_bytes<'py>(&self, py: Python<'py>, ids: Any<'_, 'py>) -> PyResult<Bound<'py, PyBytes>> {
        with_memory(|memory| {
            arguments::ids_into(ids, self.0.n_vocab(), &mut memory.ids)?;
            decoded::bytes_object(&self.0, py, &memory.ids)
        })
    }

    /// The text of each list of ids.
    #[pyo3(signature = (batch, *, errors="replace", num_threads=None))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        batch: Any<'_, 'py>,
        errors: &str,
        num_threads: Option<Any<'_, '_>>,
    ) -> PyResult<Bound<'py, PyList>> {
        decoded::batch(self, py, batch, errors, num_threads)
    }

    /// The texts that encode_ragged was given: the inverse of its result.
    #[pyo3(signature = (ids, row_splits, *, errors="replace"))]
    fn decode_ragged<'py>(
        &self,
        py: Python<'py>,
        ids: Any<'_, 'py>,
        row_splits: Any<'_, 'py>,
        errors: &str,
    ) -> PyResult<Vec<Bound<'py, PyString>>> {
        decoded::ragged(self, py, ids, row_splits, errors)
    }

    /// The text of ids, and the character that each begins at (or that it continues, as tiktoken has it).
    ///
    /// Raises UnicodeDecodeError if the ids do not make whole characters.
    fn decode_with_offsets<'py>(
        &self,
        py: Python<'py>,
        ids: Any<'_, 'py>,
    ) -> PyResult<(Bound<'py, PyString>, Vec<usize>)> {
        let ids = arguments::ids(ids, self.0.n_vocab())?;
        let text = DecodeErrors::STRICT.text_of_ids(&self.0, py, &ids, &mut Vec::new())?;
        let mut begun = 0usize;
        let starts = ids.iter().enumerate().map(|(position, &id)| {
            if position % CHECK_EVERY == CHECK_EVERY - 1 {
                py.check_signals()?;
            }
            let token = self.0.token_bytes(id).unwrap_or_default();
            let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
            let continues = token.first().is_some_and(|first| !begins(&first));
            let start = begun.saturating_sub(usize::from(continues));
            begun += token.iter().filter(begins).count();
            Ok(start)
        });
        Ok((text, starts.collect::<PyResult<_>>()?))
    }

    /// The bytes of one token.
    fn decode_single_token_bytes<'py>(&self, py: Python<'py>, id: Any<'_, 'py>) -> PyResult<Bound<'py, PyBytes>> {
        let id = arguments::id(id, 0, self.0.n_vocab())?;
        let bytes = self.0.token_bytes(id).ok_or_else(|| unknown_id(&self.0, id, 0))?;
        Ok(PyBytes::new(py, bytes))
    }

    /// The bytes of each token.
    fn decode_tokens_bytes<'py>(&self, py: Python<'py>, ids: Any<'_, 'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let ids = arguments::ids(ids, self.0.n_vocab())?;
        let token = |(position, &id): (usize, &TokenId)| {
            if position % CHECK_EVERY == CHECK_EVERY - 1 {
                py.check_signals()?;
            }
            let bytes = self.0.token_bytes(id).ok_or_else(|| unknown_id(&self.0, id, position))?;
            Ok(PyBytes::new(py, bytes))
        };
        ids.iter().enumerate().map(token).collect()
    }

    /// A stream that turns ids into text as they arrive, never emitting half a character.
    fn decode_stream(slf: Bound<'_, Self>) -> PyDecodeStream {
        PyDecodeStream::new(slf.unbind())
    }
}
