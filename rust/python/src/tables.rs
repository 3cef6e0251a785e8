//! What the Python side reads from the core instead of keeping twice: the embedded vocabulary and the Unicode classes.

use gpt2tok_core::unicode::Class;
use gpt2tok_core::{Encoding, alphabet};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

type SpelledPairs = Vec<(String, String)>;

/// GPT-2's vocabulary as its two files spell it: the dict of vocab.json, and the pairs of merges.txt.
#[pyfunction]
pub(crate) fn gpt2_vocabulary(py: Python<'_>) -> PyResult<(Bound<'_, PyDict>, SpelledPairs)> {
    let gpt2 = Encoding::gpt2();
    let vocab = PyDict::new(py);
    for (id, bytes) in gpt2.tokens() {
        vocab.set_item(alphabet::spell(bytes), id)?;
    }
    for (name, id) in gpt2.special().tokens() {
        vocab.set_item(name, id)?;
    }
    let spelled = |id| alphabet::spell(gpt2.token_bytes(id).unwrap_or_default());
    let merges = gpt2.merges().unwrap_or_default();
    Ok((vocab, merges.iter().map(|&(left, right, _)| (spelled(left), spelled(right))).collect()))
}

/// The code points of "letter" (\p{L}), "number" (\p{N}), "space" (White_Space) or "word" (\w), as inclusive ranges in order.
#[pyfunction]
pub(crate) fn unicode_ranges(name: &str) -> PyResult<Vec<(u32, u32)>> {
    let class = match name {
        "word" => return Ok(gpt2tok_core::added::word_ranges()),
        "letter" => Class::Letter,
        "number" => Class::Number,
        "space" => Class::Space,
        other => {
            let message = format!("there is no class {other:?}; ask for 'letter', 'number', 'space' or 'word'");
            return Err(PyValueError::new_err(message));
        }
    };
    Ok(class.ranges())
}

/// The last place after byte `start` where a text that begins with `data` may be cut without changing its tokens; 0 if
/// there is none.
#[pyfunction]
pub(crate) fn last_cut(data: &[u8], start: usize) -> usize {
    gpt2tok_core::cuts::last_cut(data, start)
}
