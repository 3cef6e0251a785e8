//! `AddedTokens`: Hugging Face's added tokens, compiled for matching.

use gpt2tok_core::added::{AddedToken, AddedTokens, Style};
use pyo3::prelude::*;

/// An ordered set of added tokens, compiled for matching by Hugging Face's rules.
///
/// Each is (content, id, single_word, lstrip, rstrip, normalized, special).
#[pyclass(name = "AddedTokens", module = "gpt2tok._core", frozen)]
pub(crate) struct PyAddedTokens(pub(crate) Box<AddedTokens>);

const _: () = assert!(align_of::<PyAddedTokens>() <= 16); // as for `PyEncoding`

type Flags = (String, u32, bool, bool, bool, bool, bool);

#[pymethods]
impl PyAddedTokens {
    #[new]
    fn new(tokens: Vec<Flags>) -> Self {
        let token = |(content, id, single_word, lstrip, rstrip, normalized, special): Flags| AddedToken {
            content,
            id,
            single_word,
            lstrip,
            rstrip,
            normalized,
            special,
        };
        PyAddedTokens(Box::new(AddedTokens::new(tokens.into_iter().map(token).collect())))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

pub(crate) fn style(add_prefix_space: bool, split_special_tokens: bool) -> Style {
    Style { add_prefix_space, split_special_tokens }
}
