//! How does Python name a vocabulary to load? Reads the files, hands their bytes to the core.

use std::path::Path;

use gpt2tok_core::load::{self, Options, SpecialId, SpelledMerge};
use gpt2tok_core::{Definition, Encoding, TokenId};
use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::encoding::PyEncoding;
use crate::errors::{VocabError, from_vocab};

/// A vocabulary file larger than this is another kind of file.
const LARGEST_FILE: u64 = 1 << 30;

pub(crate) fn read(path: &Path) -> PyResult<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(|error| os_error(&error, path))?.len();
    if size > LARGEST_FILE {
        let message = format!(
            "{} has {size} bytes; vocabulary files are at most {LARGEST_FILE} bytes. Is this the right file?",
            path.display()
        );
        return Err(VocabError::new_err(message));
    }
    std::fs::read(path).map_err(|error| os_error(&error, path))
}

/// The OSError subclass that Python itself would raise, with the file name in its place.
fn os_error(error: &std::io::Error, path: &Path) -> PyErr {
    match error.raw_os_error() {
        Some(code) => Python::attach(|py| {
            let strerror = py.import("os").and_then(|os| os.call_method1("strerror", (code,)));
            match strerror.and_then(|message| message.extract::<String>()) {
                Ok(message) => PyOSError::new_err((code, message, path.display().to_string())),
                Err(other) => other,
            }
        }),
        None => PyOSError::new_err(format!("{}: {error}", path.display())),
    }
}

/// Adds the file's name to an error about what is in it.
pub(crate) fn in_file(path: &Path) -> impl Fn(gpt2tok_core::VocabError) -> PyErr + '_ {
    move |error| VocabError::new_err(format!("{}: {error}", path.display()))
}

/// The name of an encoding that was not given one: that of the file's folder or of the file.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// `None`, a collection of names, or a mapping from name to id.
pub(crate) fn special_tokens(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<(String, SpecialId)>>> {
    let Some(value) = value else {
        return Ok(None);
    };
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("special_tokens must be a collection of names or a dict, not one str"));
    }
    if value.hasattr("items")? {
        let given = mapping(value)?;
        return Ok(Some(given.into_iter().map(|(name, id)| (name, SpecialId::Given(id))).collect()));
    }
    let names = value.try_iter()?.map(|name| Ok((name?.extract::<String>()?, SpecialId::InVocabulary)));
    names.collect::<PyResult<Vec<_>>>().map(Some)
}

/// A mapping from token to id.
pub(crate) fn mapping(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, TokenId)>> {
    let entry = |token: String, id: Bound<'_, PyAny>| match id.extract::<i64>() {
        Ok(id) => match TokenId::try_from(id) {
            Ok(id) => Ok((token, id)),
            Err(_) => Err(from_vocab(gpt2tok_core::VocabError::IdOutOfRange { token, id: i128::from(id) })),
        },
        Err(error) => Err(error),
    };
    if let Ok(dict) = value.cast::<PyDict>() {
        return dict.iter().map(|(token, id)| entry(token.extract()?, id)).collect();
    }
    let items = value.call_method0("items")?;
    items
        .try_iter()?
        .map(|item| {
            let (token, id): (String, Bound<'_, PyAny>) = item?.extract()?;
            entry(token, id)
        })
        .collect()
}

pub(crate) fn from_files(
    vocab_file: &Path,
    merges_file: &Path,
    special: Option<&Bound<'_, PyAny>>,
    unk_token: Option<String>,
    name: Option<String>,
) -> PyResult<Encoding> {
    let vocab = load::parse_vocab(&read(vocab_file)?).map_err(in_file(vocab_file))?;
    let merges = load::parse_merges(&read(merges_file)?).map_err(in_file(merges_file))?;
    let name = name.unwrap_or_else(|| name_of(vocab_file));
    let options = Options { name, special: special_tokens(special)?, unk_token };
    load::from_parts(&vocab, &merges, options).map_err(from_vocab)
}

pub(crate) fn from_vocab_and_merges(
    vocab: &Bound<'_, PyAny>,
    merges: &Bound<'_, PyAny>,
    special: Option<&Bound<'_, PyAny>>,
    unk_token: Option<String>,
    name: Option<String>,
) -> PyResult<Encoding> {
    let vocab = mapping(vocab)?;
    let merge = |(place, pair): (usize, PyResult<Bound<'_, PyAny>>)| {
        let (left, right) = pair?.extract::<(String, String)>()?;
        Ok(SpelledMerge { line: place + 1, left, right })
    };
    let merges: Vec<SpelledMerge> = merges.try_iter()?.enumerate().map(merge).collect::<PyResult<_>>()?;
    let options = Options { name: name.unwrap_or_default(), special: special_tokens(special)?, unk_token };
    load::from_parts(&vocab, &merges, options).map_err(from_vocab)
}

type Tokens<'py> = Vec<(Bound<'py, PyBytes>, TokenId)>;
type Merges = Vec<(TokenId, TokenId, TokenId)>;
/// What an encoding is pickled as.
pub(crate) type State<'py> = (String, Tokens<'py>, Merges, Vec<(String, TokenId)>, Option<TokenId>, bool, bool);

pub(crate) fn state<'py>(py: Python<'py>, encoding: &Encoding) -> State<'py> {
    let definition = encoding.definition();
    let tokens = definition.tokens.iter().map(|(bytes, id)| (PyBytes::new(py, bytes), *id)).collect();
    let Definition { name, merges, special, unknown, whole_pretokens_first, merges_by_token, .. } = definition;
    (name, tokens, merges, special, unknown, whole_pretokens_first, merges_by_token)
}

/// Rebuilds a pickled encoding; without a state, GPT-2's.
#[pyfunction]
#[pyo3(signature = (state=None))]
pub(crate) fn _restore(state: Option<State<'_>>) -> PyResult<PyEncoding> {
    let Some((name, tokens, merges, special, unknown, whole_pretokens_first, merges_by_token)) = state else {
        return Ok(PyEncoding::embedded());
    };
    let tokens = tokens.into_iter().map(|(bytes, id)| (bytes.as_bytes().to_vec(), id)).collect();
    let definition = Definition { name, tokens, merges, special, unknown, whole_pretokens_first, merges_by_token };
    Encoding::new(definition).map(PyEncoding::from).map_err(from_vocab)
}
