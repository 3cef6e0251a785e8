//! `Encoding`: the class that Python users hold. Here: where it comes from, what it is made of, how it is copied.

mod added;
mod decode;
mod encode;

use gpt2tok_core::special::{Choice, Policy};
use gpt2tok_core::{Encoding, TokenId, load};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PySet, PyType};

use crate::arguments;
use crate::errors::{SpecialTokenError, UnknownTokenError, VocabError, from_decode};
use crate::lists::Ints;
use crate::load as files;

/// A byte-level BPE vocabulary, ready to encode and decode. Immutable, safe to share between threads.
///
/// Get GPT-2's with gpt2tok.get_encoding("gpt2"). Text arguments take str or UTF-8 bytes.
#[pyclass(name = "Encoding", module = "gpt2tok._core", frozen)]
pub(crate) struct PyEncoding(pub(crate) Box<Encoding>, bool, pub(crate) Ints);

// Python's allocator aligns objects to 16 bytes, whatever the class asks for. What asks for more (a searcher holds vectors
// of 32 bytes) must be behind a pointer, as the encoding is.
const _: () = assert!(align_of::<PyEncoding>() <= 16);

impl From<Encoding> for PyEncoding {
    fn from(encoding: Encoding) -> Self {
        PyEncoding(Box::new(encoding), false, Ints::default())
    }
}

pub(crate) fn unknown_id(encoding: &Encoding, id: TokenId, position: usize) -> PyErr {
    from_decode(gpt2tok_core::DecodeError { id, position, n_vocab: encoding.n_vocab() })
}

/// A little of all that encoding does: tokens, pretokens that merge, short and long ones, indentation, other scripts, and
/// more of them than the cache waits for before it asks for its pages.
const SAMPLE: &str = "The quick brown fox can't jump over 13 lazy dogs; unbelievably, antidisestablishmentarianism!\n\
    def encode(text: str) -> list[int]:\n        return [merge_pairs(pretoken) for pretoken in self.split(text)]\n\n\
    Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Съешь же ещё этих мягких французских булок.\n\
    敏捷的棕色狐狸跳过了懒狗。 Törkylempijävongahdus, Albert osti fagotin ja töräytti puhkuvan melodian.";

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

impl PyEncoding {
    pub(crate) fn embedded() -> Self {
        PyEncoding(Box::new(Encoding::gpt2()), true, Ints::default())
    }

    /// Does once, while loading, what the first call would spend half a millisecond on: memory is handed out, the code is
    /// read from the file, and NumPy, if it is there already, is asked for its functions.
    fn get_ready(&self, py: Python<'_>) {
        self.0.get_ready(SAMPLE);
        let numpy =
            py.import("sys").and_then(|sys| sys.getattr("modules")).and_then(|modules| modules.get_item("numpy"));
        if numpy.is_ok_and(|numpy| numpy.hasattr("ndarray").unwrap_or(false)) {
            drop(Vec::<u16>::new().into_pyarray(py));
        }
    }

    pub(crate) fn policy(&self, allowed: Option<Any<'_, '_>>, disallowed: Option<Any<'_, '_>>) -> PyResult<Policy<'_>> {
        let allowed = arguments::choice(allowed, "allowed_special")?;
        let disallowed = match disallowed {
            None => Choice::All,
            some => arguments::choice(some, "disallowed_special")?,
        };
        let policy = self.0.special().policy(&allowed, &disallowed);
        policy.map_err(|error| SpecialTokenError::new_err(error.to_string()))
    }
}

#[pymethods]
impl PyEncoding {
    /// GPT-2's own encoding, from the vocabulary inside the wheel.
    #[staticmethod]
    fn gpt2(py: Python<'_>) -> Self {
        let encoding = Self::embedded();
        encoding.get_ready(py);
        encoding
    }

    /// Load vocab.json and merges.txt.
    ///
    /// special_tokens: names in the vocabulary, or a dict from name to id; by default <|endoftext|> if the vocabulary
    /// has it. unk_token: what bytes that the vocabulary lacks become; without it all 256 bytes must be there.
    /// Raises VocabError for a mistake in the files, OSError if one cannot be read.
    #[staticmethod]
    #[pyo3(signature = (vocab_file, merges_file, *, special_tokens=None, unk_token=None, name=None))]
    fn from_files(
        vocab_file: Any<'_, '_>,
        merges_file: Any<'_, '_>,
        special_tokens: Option<Any<'_, '_>>,
        unk_token: Option<String>,
        name: Option<String>,
    ) -> PyResult<Self> {
        files::from_files(vocab_file, merges_file, special_tokens, unk_token, name).map(Self::from)
    }

    /// Load Hugging Face's tokenizer.json. Its added tokens become special tokens.
    ///
    /// Raises VocabError for a mistake in the file, or if it is not a byte-level BPE of GPT-2's kind.
    #[staticmethod]
    #[pyo3(signature = (path, *, name=None))]
    fn from_tokenizer_json(path: Any<'_, '_>, name: Option<String>) -> PyResult<Self> {
        let file = files::File::read(path)?;
        let name = name.unwrap_or_else(|| file.stem());
        load::from_tokenizer_json(&file.bytes, name).map(Self::from).map_err(|error| file.error(&error))
    }

    /// Load tiktoken's ranks. The file names no special tokens: give them as a dict from name to id.
    ///
    /// Raises VocabError for a mistake in the file.
    #[staticmethod]
    #[pyo3(signature = (path, *, special_tokens=None, name=None))]
    fn from_tiktoken(path: Any<'_, '_>, special_tokens: Option<Any<'_, '_>>, name: Option<String>) -> PyResult<Self> {
        let file = files::File::read(path)?;
        let special = special_tokens.map(|special| files::mapping(special, "special_tokens")).transpose()?;
        let name = name.unwrap_or_else(|| file.stem());
        let loaded = load::from_tiktoken(&file.bytes, special.unwrap_or_default(), name);
        loaded.map(Self::from).map_err(|error| file.error(&error))
    }

    /// Make an encoding from what vocab.json and merges.txt hold.
    #[staticmethod]
    #[pyo3(signature = (vocab, merges, *, special_tokens=None, unk_token=None, name=None))]
    fn from_vocab_and_merges(
        vocab: Any<'_, '_>,
        merges: Any<'_, '_>,
        special_tokens: Option<Any<'_, '_>>,
        unk_token: Option<String>,
        name: Option<String>,
    ) -> PyResult<Self> {
        files::from_vocab_and_merges(vocab, merges, special_tokens, unk_token, name).map(Self::from)
    }

    /// What the encoding is called in messages.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// One more than the largest id.
    #[getter]
    fn n_vocab(&self) -> usize {
        self.0.n_vocab()
    }

    /// The largest id.
    #[getter]
    fn max_token_value(&self) -> usize {
        self.0.n_vocab().saturating_sub(1)
    }

    /// The id of <|endoftext|>. Raises UnknownTokenError if the vocabulary has none.
    #[getter]
    fn eot_token(&self) -> PyResult<TokenId> {
        self.0.special().id(load::END_OF_TEXT).ok_or_else(|| {
            let message = format!("{:?} is not a special token of the encoding {:?}", load::END_OF_TEXT, self.0.name());
            UnknownTokenError::new_err(message)
        })
    }

    /// The names of the special tokens.
    #[getter]
    fn special_tokens_set<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        PySet::new(py, self.0.special().tokens().iter().map(|(name, _)| name))
    }

    /// The special tokens and their ids.
    #[getter]
    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tokens = PyDict::new(py);
        for (name, id) in self.0.special().tokens() {
            tokens.set_item(name, id)?;
        }
        Ok(tokens)
    }

    /// The base vocabulary as (id, bytes) in id order, special tokens left out (but not an unk_token).
    fn token_bytes<'py>(&self, py: Python<'py>) -> Vec<(TokenId, Bound<'py, PyBytes>)> {
        self.0.tokens().map(|(id, bytes)| (id, PyBytes::new(py, bytes))).collect()
    }

    /// The merges as pairs of bytes, in rank order.
    ///
    /// Raises VocabError if no list of merges says the same as this vocabulary (some .tiktoken files).
    fn merges<'py>(&self, py: Python<'py>) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let merges = self.0.merges().ok_or_else(|| {
            let message = "this vocabulary has tokens that merging does not reach, so no list of merges says the same; \
                           save it as .tiktoken";
            VocabError::new_err(message)
        })?;
        let bytes = |id| PyBytes::new(py, self.0.token_bytes(id).unwrap_or_default());
        Ok(merges.iter().map(|&(left, right, _)| (bytes(left), bytes(right))).collect())
    }

    fn __repr__(&self) -> String {
        format!("<Encoding {:?}, {} ids>", self.0.name(), self.0.n_vocab())
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: Any<'_, 'py>) -> Bound<'py, Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Option<files::State<'py>>,))> {
        let restore = PyType::new::<Self>(py)
            .getattr("__module__")
            .and_then(|name| py.import(name.extract::<String>()?.as_str())?.getattr("_restore"))?;
        let state = if self.1 { None } else { Some(files::state(py, &self.0)) };
        Ok((restore, (state,)))
    }
}
