//! `Encoding`: the class that Python users hold. One text or one list of ids a call; batches are in `batch`.

use std::path::PathBuf;

use gpt2tok_core::offsets::char_spans;
use gpt2tok_core::special::Policy;
use gpt2tok_core::{EncodeError, Encoding, TokenId, load};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::{PyImportError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PySet, PyString, PyType};

use crate::added::{PyAddedTokens, style};
use crate::arguments::{self, OnInvalid};
use crate::batch;
use crate::errors::{SpecialTokenError, UnknownTokenError, VocabError, from_decode, from_encode};
use crate::interrupt::{KeepGoing, WORTH_DETACHING, run_here, with_scratch};
use crate::load as files;
use crate::stream::PyDecodeStream;

/// A byte-level BPE vocabulary, ready to encode and decode. Immutable, safe to share between threads.
///
/// Get GPT-2's with gpt2tok.get_encoding("gpt2"). Text arguments take str or UTF-8 bytes.
#[pyclass(name = "Encoding", module = "gpt2tok._core", frozen)]
pub(crate) struct PyEncoding(pub(crate) Encoding, bool);

impl From<Encoding> for PyEncoding {
    fn from(encoding: Encoding) -> Self {
        PyEncoding(encoding, false)
    }
}

pub(crate) fn unknown_id(encoding: &Encoding, id: TokenId, position: usize) -> PyErr {
    from_decode(gpt2tok_core::DecodeError { id, position, n_vocab: encoding.n_vocab() })
}

/// NumPy, or how to get it.
pub(crate) fn need_numpy(py: Python<'_>) -> PyResult<()> {
    py.import("numpy").map(|_| ()).map_err(|error| {
        let help = PyImportError::new_err("this method returns NumPy arrays, and NumPy is missing: pip install numpy");
        help.set_cause(py, Some(error));
        help
    })
}

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

impl PyEncoding {
    pub(crate) fn embedded() -> Self {
        PyEncoding(Encoding::gpt2(), true)
    }

    pub(crate) fn policy(&self, allowed: Option<Any<'_, '_>>, disallowed: Option<Any<'_, '_>>) -> PyResult<Policy<'_>> {
        let allowed = arguments::choice(allowed, "allowed_special")?;
        let disallowed = match disallowed {
            None => gpt2tok_core::special::Choice::All,
            some => arguments::choice(some, "disallowed_special")?,
        };
        let policy = self.0.special().policy(&allowed, &disallowed);
        policy.map_err(|error| SpecialTokenError::new_err(error.to_string()))
    }

    fn encode_one(&self, py: Python<'_>, text: &str, policy: &Policy<'_>) -> PyResult<Vec<TokenId>> {
        let encode = |keep_going: &KeepGoing<'_>| {
            let mut ids = Vec::with_capacity(text.len() / 4 + 1);
            with_scratch(|scratch| self.0.encode_into(text, policy, scratch, &mut ids, keep_going)).map(|()| ids)
        };
        let done: Result<Vec<TokenId>, EncodeError> =
            if text.len() < WORTH_DETACHING { encode(&|| true) } else { run_here(py, encode)? };
        done.map_err(from_encode)
    }
}

#[pymethods]
impl PyEncoding {
    /// GPT-2's own encoding, from the vocabulary inside the wheel.
    #[staticmethod]
    fn gpt2() -> Self {
        Self::embedded()
    }

    /// Load vocab.json and merges.txt.
    ///
    /// special_tokens: names in the vocabulary, or a dict from name to id; by default <|endoftext|> if the vocabulary
    /// has it. unk_token: what bytes that the vocabulary lacks become; without it all 256 bytes must be there.
    /// Raises VocabError for a mistake in the files, OSError if one cannot be read.
    #[staticmethod]
    #[pyo3(signature = (vocab_file, merges_file, *, special_tokens=None, unk_token=None, name=None))]
    fn from_files(
        vocab_file: PathBuf,
        merges_file: PathBuf,
        special_tokens: Option<Any<'_, '_>>,
        unk_token: Option<String>,
        name: Option<String>,
    ) -> PyResult<Self> {
        files::from_files(&vocab_file, &merges_file, special_tokens, unk_token, name).map(Self::from)
    }

    /// Load Hugging Face's tokenizer.json. Its added tokens become special tokens.
    ///
    /// Raises VocabError for a mistake in the file, or if it is not a byte-level BPE of GPT-2's kind.
    #[staticmethod]
    #[pyo3(signature = (path, *, name=None))]
    fn from_tokenizer_json(path: PathBuf, name: Option<String>) -> PyResult<Self> {
        let bytes = files::read(&path)?;
        let name = name.unwrap_or_else(|| files::name_of(&path));
        load::from_tokenizer_json(&bytes, name).map(Self::from).map_err(files::in_file(&path))
    }

    /// Load tiktoken's ranks. The file names no special tokens: give them as a dict from name to id.
    ///
    /// Raises VocabError for a mistake in the file.
    #[staticmethod]
    #[pyo3(signature = (path, *, special_tokens=None, name=None))]
    fn from_tiktoken(path: PathBuf, special_tokens: Option<Any<'_, '_>>, name: Option<String>) -> PyResult<Self> {
        let bytes = files::read(&path)?;
        let special = special_tokens.map(files::mapping).transpose()?.unwrap_or_default();
        let name = name.unwrap_or_else(|| files::name_of(&path));
        load::from_tiktoken(&bytes, special, name).map(Self::from).map_err(files::in_file(&path))
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

    /// The ids of text, special tokens treated as ordinary text.
    ///
    /// errors: what to do with lone surrogates or invalid UTF-8: "strict" raises TokenizerError, "replace" puts U+FFFD.
    #[pyo3(signature = (text, *, errors="strict"))]
    fn encode_ordinary(&self, py: Python<'_>, text: Any<'_, '_>, errors: &str) -> PyResult<Vec<TokenId>> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        self.encode_one(py, &text, &self.0.special().ignored())
    }

    /// The ids of text under tiktoken's rules for special tokens.
    ///
    /// A special token in the text raises SpecialTokenError unless it is in allowed_special (then it becomes its id) or
    /// no longer in disallowed_special (then it is ordinary text).
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"))]
    fn encode(
        &self,
        py: Python<'_>,
        text: Any<'_, '_>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Vec<TokenId>> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        self.encode_one(py, &text, &self.policy(allowed_special, disallowed_special)?)
    }

    /// As encode_batch, special tokens treated as ordinary text.
    #[pyo3(signature = (texts, *, num_threads=None, errors="strict"))]
    fn encode_ordinary_batch(
        &self,
        py: Python<'_>,
        texts: Any<'_, '_>,
        num_threads: Option<i64>,
        errors: &str,
    ) -> PyResult<Vec<Vec<TokenId>>> {
        batch::lists(self, py, texts, &self.0.special().ignored(), num_threads, errors)
    }

    /// The ids of each text. num_threads: how many threads work; by default all cores, when there is enough to do.
    #[pyo3(signature = (texts, *, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"))]
    fn encode_batch(
        &self,
        py: Python<'_>,
        texts: Any<'_, '_>,
        num_threads: Option<i64>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Vec<Vec<TokenId>>> {
        batch::lists(self, py, texts, &self.policy(allowed_special, disallowed_special)?, num_threads, errors)
    }

    /// The ids of text as a uint32 array of shape (n,). Needs NumPy.
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"))]
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
    #[pyo3(signature = (texts, *, num_threads=None, dtype=None, allowed_special=None, disallowed_special=None, errors="strict"))]
    #[allow(clippy::too_many_arguments)]
    fn encode_ragged<'py>(
        &self,
        py: Python<'py>,
        texts: Any<'_, 'py>,
        num_threads: Option<i64>,
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
    #[pyo3(signature = (text, *, unit="char", allowed_special=None, disallowed_special=None, errors="strict"))]
    fn encode_with_offsets(
        &self,
        py: Python<'_>,
        text: Any<'_, '_>,
        unit: &str,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<(Vec<TokenId>, Vec<(usize, usize)>)> {
        let text = arguments::text(text, OnInvalid::parse(errors)?, &"text")?;
        if !matches!(unit, "char" | "byte") {
            return Err(PyValueError::new_err(format!("unit must be 'char' or 'byte', not {unit:?}")));
        }
        let ids = self.encode_one(py, &text, &self.policy(allowed_special, disallowed_special)?)?;
        let spans = self.0.byte_spans(&ids);
        let spans = if unit == "char" { char_spans(&text, &spans) } else { spans };
        Ok((ids, spans))
    }

    /// The id of the token that is exactly this text or these bytes, special tokens included.
    ///
    /// Raises UnknownTokenError if there is none.
    fn encode_single_token(&self, text_or_bytes: Any<'_, '_>) -> PyResult<TokenId> {
        let bytes = if let Ok(string) = text_or_bytes.cast::<PyString>() {
            arguments::text(string.as_any(), OnInvalid::Raise, &"text_or_bytes")?.as_bytes().to_vec()
        } else if let Ok(bytes) = text_or_bytes.cast::<PyBytes>() {
            bytes.as_bytes().to_vec()
        } else {
            let found = text_or_bytes.get_type().name()?;
            return Err(PyTypeError::new_err(format!("text_or_bytes must be str or bytes, not {found}")));
        };
        self.0.single_token(&bytes).ok_or_else(|| {
            let message = format!(
                "{} is not a single token of the encoding {:?}; encode() splits it into several",
                text_or_bytes.repr().map_or_else(|_| "it".to_owned(), |shown| shown.to_string()),
                self.0.name()
            );
            UnknownTokenError::new_err(message)
        })
    }

    /// How many ids encode would return, without building them.
    #[pyo3(signature = (text, *, allowed_special=None, disallowed_special=None, errors="strict"))]
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
    #[pyo3(signature = (texts, *, num_threads=None, allowed_special=None, disallowed_special=None, errors="strict"))]
    fn count_batch(
        &self,
        py: Python<'_>,
        texts: Any<'_, '_>,
        num_threads: Option<i64>,
        allowed_special: Option<Any<'_, '_>>,
        disallowed_special: Option<Any<'_, '_>>,
        errors: &str,
    ) -> PyResult<Vec<usize>> {
        let policy = self.policy(allowed_special, disallowed_special)?;
        batch::counts(self, py, texts, &policy, num_threads, errors)
    }

    /// The text of ids (a list, an array or any iterable of int). errors: as bytes.decode's.
    ///
    /// Raises UnknownTokenError, with the position, for an id that no token has.
    #[pyo3(signature = (ids, errors="replace"))]
    fn decode<'py>(&self, py: Python<'py>, ids: Any<'_, 'py>, errors: &str) -> PyResult<Bound<'py, PyString>> {
        let bytes = self.0.decode_bytes(&arguments::ids(ids, self.0.n_vocab())?).map_err(from_decode)?;
        batch::text_of(py, &bytes, errors)
    }

    /// The bytes of ids. They need not be UTF-8: a character may be split over tokens.
    fn decode_bytes<'py>(&self, py: Python<'py>, ids: Any<'_, 'py>) -> PyResult<Bound<'py, PyBytes>> {
        let ids = arguments::ids(ids, self.0.n_vocab())?;
        Ok(PyBytes::new(py, &self.0.decode_bytes(&ids).map_err(from_decode)?))
    }

    /// The text of each list of ids.
    #[pyo3(signature = (batch, *, errors="replace", num_threads=None))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        batch: Any<'_, 'py>,
        errors: &str,
        num_threads: Option<i64>,
    ) -> PyResult<Vec<Bound<'py, PyString>>> {
        batch::decoded(self, py, batch, errors, num_threads)
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
        batch::decoded_ragged(self, py, ids, row_splits, errors)
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
        let bytes = self.0.decode_bytes(&ids).map_err(from_decode)?;
        let text = batch::text_of(py, &bytes, "strict")?;
        let mut begun = 0usize;
        let starts = ids.iter().map(|&id| {
            let token = self.0.token_bytes(id).unwrap_or_default();
            let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
            let continues = token.first().is_some_and(|first| !begins(&first));
            let start = begun.saturating_sub(usize::from(continues));
            begun += token.iter().filter(begins).count();
            start
        });
        Ok((text, starts.collect()))
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
            let bytes = self.0.token_bytes(id).ok_or_else(|| unknown_id(&self.0, id, position))?;
            Ok(PyBytes::new(py, bytes))
        };
        ids.iter().enumerate().map(token).collect()
    }

    /// A stream that turns ids into text as they arrive, never emitting half a character.
    fn decode_stream(slf: Bound<'_, Self>) -> PyDecodeStream {
        PyDecodeStream::new(slf.unbind())
    }

    /// The base vocabulary as (id, bytes) in id order, special tokens left out.
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
        Ok(merges.iter().map(|&(left, right)| (bytes(left), bytes(right))).collect())
    }

    /// The ids of text, added tokens found by Hugging Face's rules.
    #[pyo3(signature = (text, added, *, add_prefix_space, split_special_tokens))]
    fn encode_added(
        &self,
        py: Python<'_>,
        text: Any<'_, '_>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
    ) -> PyResult<Vec<TokenId>> {
        let text = arguments::text(text, OnInvalid::Raise, &"text")?;
        let (text, style) = (&*text, style(add_prefix_space, split_special_tokens));
        let encode = |keep_going: &KeepGoing<'_>| {
            with_scratch(|scratch| self.0.encode_added(text, &added.0, style, scratch, keep_going))
        };
        let done = if text.len() < WORTH_DETACHING { encode(&|| true) } else { run_here(py, encode)? };
        done.map_err(|stop| from_encode(stop.into()))
    }

    /// The ids of each text, added tokens found by Hugging Face's rules.
    #[pyo3(signature = (texts, added, *, add_prefix_space, split_special_tokens, num_threads=None))]
    fn encode_added_batch(
        &self,
        py: Python<'_>,
        texts: Any<'_, '_>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
        num_threads: Option<i64>,
    ) -> PyResult<Vec<Vec<TokenId>>> {
        batch::added_lists(self, py, texts, added, style(add_prefix_space, split_special_tokens), num_threads)
    }

    /// As encode_added, with each id's (start, end) in characters and the index of the split it came from.
    #[pyo3(signature = (text, added, *, add_prefix_space, split_special_tokens))]
    #[allow(clippy::type_complexity)]
    fn encode_added_with_offsets(
        &self,
        py: Python<'_>,
        text: Any<'_, '_>,
        added: &PyAddedTokens,
        add_prefix_space: bool,
        split_special_tokens: bool,
    ) -> PyResult<(Vec<TokenId>, Vec<(usize, usize)>, Vec<usize>)> {
        let text = arguments::text(text, OnInvalid::Raise, &"text")?;
        let (text, style) = (&*text, style(add_prefix_space, split_special_tokens));
        let encode = |keep_going: &KeepGoing<'_>| {
            with_scratch(|scratch| self.0.encode_added_located(text, &added.0, style, scratch, keep_going))
        };
        let located = run_here(py, encode)?.map_err(|stop| from_encode(stop.into()))?;
        Ok((located.ids, located.offsets, located.words))
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
