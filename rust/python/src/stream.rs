//! `DecodeStream`: text from ids as they arrive.

use gpt2tok_core::stream::Utf8Stream;
use pyo3::prelude::*;

use crate::arguments;
use crate::encoding::{PyEncoding, unknown_id};

/// Turns ids into text one at a time, never emitting half a character.
///
/// Made by `Encoding.decode_stream()`. Joined, what `step` and `finish` return is `decode(ids)`.
#[pyclass(name = "DecodeStream", module = "gpt2tok._core")]
pub(crate) struct PyDecodeStream {
    encoding: Py<PyEncoding>,
    stream: Utf8Stream,
    position: usize,
}

impl PyDecodeStream {
    pub(crate) fn new(encoding: Py<PyEncoding>) -> Self {
        PyDecodeStream { encoding, stream: Utf8Stream::default(), position: 0 }
    }
}

#[pymethods]
impl PyDecodeStream {
    /// Take the next id; return the characters that are now whole (possibly none).
    ///
    /// Raises UnknownTokenError if no token has this id; the stream then goes on as if it had not been given.
    fn step(&mut self, id: &Bound<'_, PyAny>) -> PyResult<String> {
        let encoding = &self.encoding.get().0;
        let id = arguments::id(id, self.position, encoding.n_vocab())?;
        let bytes = encoding.token_bytes(id).ok_or_else(|| unknown_id(encoding, id, self.position))?;
        self.position += 1;
        Ok(self.stream.push(bytes))
    }

    /// End the text: U+FFFD if it stops inside a character, else nothing. The stream can be used again.
    fn finish(&mut self) -> String {
        self.position = 0;
        self.stream.finish()
    }
}
