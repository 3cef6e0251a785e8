//! How do ids become Python lists? With one int object for each id, made once, and signals looked at on the way.
//!
//! A list of ints is most of the cost of encoding to a list when each int is allocated anew. Ids are few and immutable,
//! so an encoding makes the ints of all its ids when a long result first asks for them, and lists share them.

use gpt2tok_core::TokenId;
use gpt2tok_core::offsets::{CharCounter, Span};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyList};

/// The ints of an encoding's ids, once they are worth having.
#[derive(Default)]
pub(crate) struct Ints(PyOnceLock<Vec<Py<PyInt>>>);

/// From this many ids on, a result pays for making all ints.
const WORTH_MAKING: usize = 4096;

/// A vocabulary larger than this would cost more memory than it saves time.
const LARGEST: usize = 1 << 18;

/// Signals are looked at once in this many ids.
const CHECK_EVERY: usize = 1 << 18;

impl Ints {
    /// The ints to share in a result of `count` ids; empty when they are not worth making yet.
    fn shared(&self, py: Python<'_>, count: usize, n_vocab: usize) -> &[Py<PyInt>] {
        if let Some(ints) = self.0.get(py) {
            return ints;
        }
        if count < WORTH_MAKING || n_vocab > LARGEST {
            return &[];
        }
        self.0.get_or_init(py, || (0..n_vocab).map(|id| PyInt::new(py, id).unbind()).collect())
    }

    /// One list of ids.
    pub(crate) fn list<'py>(&self, py: Python<'py>, ids: &[TokenId], n_vocab: usize) -> PyResult<Bound<'py, PyList>> {
        let shared = self.shared(py, ids.len(), n_vocab);
        long_list(py, shared, ids)
    }

    /// A list of lists of ids: row `i` is `ids[row_splits[i]..row_splits[i + 1]]`.
    pub(crate) fn rows<'py>(
        &self,
        py: Python<'py>,
        ids: &[TokenId],
        row_splits: &[i64],
        n_vocab: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let shared = self.shared(py, ids.len(), n_vocab);
        let rows = PyList::empty(py);
        let mut unchecked = 0;
        for ends in row_splits.windows(2) {
            let row = &ids[ends[0] as usize..ends[1] as usize];
            unchecked += row.len() + 1;
            if unchecked >= CHECK_EVERY {
                py.check_signals()?;
                unchecked = 0;
            }
            rows.append(long_list(py, shared, row)?)?;
        }
        Ok(rows)
    }
}

fn long_list<'py>(py: Python<'py>, shared: &[Py<PyInt>], ids: &[TokenId]) -> PyResult<Bound<'py, PyList>> {
    let (first, rest) = ids.split_at(ids.len().min(CHECK_EVERY));
    let list = short_list(py, shared, first)?;
    for part in rest.chunks(CHECK_EVERY) {
        py.check_signals()?;
        list.call_method1("extend", (short_list(py, shared, part)?,))?;
    }
    Ok(list)
}

fn short_list<'py>(py: Python<'py>, shared: &[Py<PyInt>], ids: &[TokenId]) -> PyResult<Bound<'py, PyList>> {
    let int = |&id: &TokenId| match shared.get(id as usize) {
        Some(int) => int.bind(py).clone(),
        None => PyInt::new(py, id),
    };
    PyList::new(py, ids.iter().map(int))
}

/// A list of (start, end).
pub(crate) fn spans<'py>(py: Python<'py>, spans: &[Span]) -> PyResult<Bound<'py, PyList>> {
    span_list(py, spans, |part| PyList::new(py, part))
}

/// Ascending byte spans of `text` as a list of (start, end) in characters.
pub(crate) fn char_spans<'py>(py: Python<'py>, text: &str, spans: &[Span]) -> PyResult<Bound<'py, PyList>> {
    if text.is_ascii() {
        return self::spans(py, spans);
    }
    let mut chars = CharCounter::new(text);
    span_list(py, spans, |part| PyList::new(py, part.iter().map(|&span| chars.span(span)).collect::<Vec<_>>()))
}

fn span_list<'py>(
    py: Python<'py>,
    spans: &[Span],
    mut list_of: impl FnMut(&[Span]) -> PyResult<Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyList>> {
    let (first, rest) = spans.split_at(spans.len().min(CHECK_EVERY));
    let list = list_of(first)?;
    for part in rest.chunks(CHECK_EVERY) {
        py.check_signals()?;
        list.call_method1("extend", (list_of(part)?,))?;
    }
    Ok(list)
}
