//! `Encoding`: text to ids around Hugging Face's added tokens; what `GPT2TokenizerFast` stands on.

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::{Any, PyEncoding};
use crate::added::{PyAddedTokens, style};
use crate::arguments::{self, OnInvalid};
use crate::batch;
use crate::errors::from_encode;
use crate::interrupt::{KeepGoing, WORTH_DETACHING, run_here, with_scratch};
use crate::lists;

#[pymethods]
impl PyEncoding {
    /// The ids of text, added tokens found by Hugging Face's rules.
    #[pyo3(signature = (text, added, *, add_prefix_space, split_special_tokens))]
    fn encode_added<'py>(
        &self,
        py: Python<'py>,
        text: Any<'_, 'py>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let text = arguments::text(text, OnInvalid::Refuse, &"text")?;
        let (text, style) = (&*text, style(add_prefix_space, split_special_tokens));
        let encode = |keep_going: &KeepGoing<'_>| {
            with_scratch(|scratch| self.0.encode_added(text, &added.0, style, scratch, keep_going))
        };
        let done = if text.len() < WORTH_DETACHING { encode(&|| true) } else { run_here(py, encode)? };
        let ids = done.map_err(|stop| from_encode(stop.into()))?;
        self.2.list(py, &ids, self.0.n_vocab())
    }

    /// The ids of each text, added tokens found by Hugging Face's rules.
    #[pyo3(signature = (texts, added, *, add_prefix_space, split_special_tokens, num_threads=None))]
    fn encode_added_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
        num_threads: Option<Any<'_, '_>>,
    ) -> PyResult<Bound<'py, PyList>> {
        batch::added_lists(self, py, texts, added, style(add_prefix_space, split_special_tokens), num_threads)
    }

    /// As encode_added, with each id's (start, end) in characters and the index of the split it came from.
    #[pyo3(signature = (text, added, *, add_prefix_space, split_special_tokens))]
    fn encode_added_with_offsets<'py>(
        &self,
        py: Python<'py>,
        text: Any<'_, 'py>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>, Bound<'py, PyList>)> {
        let text = arguments::text(text, OnInvalid::Refuse, &"text")?;
        let (text, style) = (&*text, style(add_prefix_space, split_special_tokens));
        let encode = |keep_going: &KeepGoing<'_>| {
            with_scratch(|scratch| self.0.encode_added_located(text, &added.0, style, scratch, keep_going))
        };
        let located = run_here(py, encode)?.map_err(|stop| from_encode(stop.into()))?;
        let ids = self.2.list(py, &located.ids, self.0.n_vocab())?;
        Ok((ids, lists::spans(py, &located.offsets)?, lists::numbers(py, &located.pretokens)?))
    }
}
