//! Which Python exception is this error? The taxonomy, and the translations into it.

use gpt2tok_core::batch::BatchError;
use gpt2tok_core::{DecodeError, EncodeError};
use pyo3::exceptions::PyValueError;
use pyo3::{PyErr, create_exception};

create_exception!(
    gpt2tok,
    TokenizerError,
    PyValueError,
    "Something that a tokenizer was given is wrong; the root of gpt2tok's errors."
);
create_exception!(gpt2tok, VocabError, TokenizerError, "A vocabulary, or a file that should hold one, is wrong.");
create_exception!(
    gpt2tok,
    SpecialTokenError,
    TokenizerError,
    "A special token stands where none is allowed, or does not exist."
);
create_exception!(gpt2tok, UnknownTokenError, TokenizerError, "An id or a token is not in the vocabulary.");

pub(crate) fn from_encode(error: EncodeError) -> PyErr {
    match error {
        EncodeError::Special(error) => SpecialTokenError::new_err(error.to_string()),
        EncodeError::Interrupted(error) => TokenizerError::new_err(error.to_string()),
    }
}

pub(crate) fn from_batch(error: BatchError) -> PyErr {
    match error.error {
        EncodeError::Special(special) => SpecialTokenError::new_err(format!("texts[{}]: {special}", error.index)),
        other => from_encode(other),
    }
}

pub(crate) fn from_vocab(error: gpt2tok_core::VocabError) -> PyErr {
    VocabError::new_err(error.to_string())
}

pub(crate) fn from_decode(error: DecodeError) -> PyErr {
    UnknownTokenError::new_err(error.to_string())
}
