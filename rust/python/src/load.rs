//! How does Python name a vocabulary to load? Reads the files, hands their bytes to the core.

use std::fmt::Display;
use std::path::Path;

use gpt2tok_core::load::{self, Options, SpecialId, SpelledMerge};
use gpt2tok_core::{Definition, Encoding, TokenId};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString};

use crate::arguments;
use crate::encoding::PyEncoding;
use crate::errors::{TokenizerError, VocabError, from_vocab};

/// A vocabulary file larger than this is another kind of file.
const LARGEST_FILE: usize = 1 << 30;

/// A file and what is in it.
pub(crate) struct File {
    path: String,
    pub(crate) bytes: Vec<u8>,
}

impl File {
    /// Reads through Python's own `open`, so that paths, errors and Ctrl-C are what its users know. Devices and pipes
    /// are read too, but never past the limit.
    pub(crate) fn read(path: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = path.py();
        let name: String = py.import("os")?.call_method1("fsdecode", (path,))?.extract()?;
        let file = py.import("builtins")?.call_method1("open", (&name, "rb"))?;
        let read = size_of(&file).and_then(|size| match size {
            size if size > LARGEST_FILE => Ok((size, None)),
            _ => file.call_method1("read", (LARGEST_FILE + 1,)).map(|bytes| (0, Some(bytes))),
        });
        file.call_method0("close")?;
        let (size, bytes) = read?;
        let bytes = bytes.map(|bytes| bytes.cast_into::<PyBytes>()).transpose()?;
        let bytes = bytes.as_ref().map_or(&[][..], |bytes| bytes.as_bytes());
        let size = size.max(bytes.len());
        if size > LARGEST_FILE {
            let message = format!(
                "{name} has {size} bytes; vocabulary files have at most {LARGEST_FILE} bytes. Is this the right file?"
            );
            return Err(VocabError::new_err(message));
        }
        let bytes = bytes.to_vec();
        Ok(File { path: name, bytes })
    }

    /// The name of an encoding that was not given one.
    pub(crate) fn stem(&self) -> String {
        let stem = Path::new(&self.path).file_stem();
        stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    /// An error about what is in the file, with its name.
    pub(crate) fn error(&self, error: &gpt2tok_core::VocabError) -> PyErr {
        VocabError::new_err(format!("{}: {error}", self.path))
    }
}

/// What the system says of an open file's size; 0 for devices and pipes.
fn size_of(file: &Bound<'_, PyAny>) -> PyResult<usize> {
    let number = file.call_method0("fileno")?;
    file.py().import("os")?.call_method1("fstat", (number,))?.getattr("st_size")?.extract()
}

/// `None`, a collection of names, or a mapping from name to id.
pub(crate) fn special_tokens(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<(String, SpecialId)>>> {
    let Some(value) = value else {
        return Ok(None);
    };
    if value.hasattr("items")? {
        let given = mapping(value, "special_tokens")?;
        return Ok(Some(given.into_iter().map(|(name, id)| (name, SpecialId::Given(id))).collect()));
    }
    let wrong = || PyTypeError::new_err("special_tokens must be a collection of str, or a dict from str to id");
    if value.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    let names = value.try_iter().map_err(|_| wrong())?;
    let names = names.map(|name| Ok((arguments::name(&name?, &"a special token")?, SpecialId::InVocabulary)));
    names.collect::<PyResult<Vec<_>>>().map(Some)
}

/// A token as a vocabulary spells it; a `str` that is not Unicode is the vocabulary's mistake.
fn spelled(token: &Bound<'_, PyAny>, what: &dyn Display) -> PyResult<String> {
    arguments::name(token, what).map_err(|error| {
        let py = token.py();
        let is_text = error.is_instance_of::<TokenizerError>(py);
        if is_text { VocabError::new_err(error.value(py).to_string()) } else { error }
    })
}

/// A mapping from token to id. `what` names the argument in messages.
pub(crate) fn mapping(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<(String, TokenId)>> {
    let wrong = || match value.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!("{what} must be a dict from str to id, not {found}")),
        Err(error) => error,
    };
    let entry = |token: Bound<'_, PyAny>, id: Bound<'_, PyAny>| {
        let token = spelled(&token, &format_args!("a key of {what}"))?;
        let wrong = || {
            PyTypeError::new_err(format!("{what} must map str to int; it maps {token:?} to {}", arguments::shown(&id)))
        };
        let number = id.cast::<PyInt>().map_err(|_| wrong())?;
        if id.is_instance_of::<PyBool>() {
            return Err(wrong());
        }
        match number.extract::<TokenId>() {
            Ok(id) => Ok((token, id)),
            Err(_) => {
                let id = arguments::number_shown(number);
                Err(from_vocab(gpt2tok_core::VocabError::IdOutOfRange { token, id }))
            }
        }
    };
    if let Ok(dict) = value.cast::<PyDict>() {
        return dict.iter().map(|(token, id)| entry(token, id)).collect();
    }
    if !value.hasattr("items")? {
        return Err(wrong());
    }
    let items = value.call_method0("items")?;
    items
        .try_iter()?
        .map(|item| {
            let (token, id) = item?.extract().map_err(|_| wrong())?;
            entry(token, id)
        })
        .collect()
}

pub(crate) fn from_files(
    vocab_file: &Bound<'_, PyAny>,
    merges_file: &Bound<'_, PyAny>,
    special: Option<&Bound<'_, PyAny>>,
    unk_token: Option<String>,
    name: Option<String>,
) -> PyResult<Encoding> {
    let special = special_tokens(special)?;
    let (vocab, merges) = (File::read(vocab_file)?, File::read(merges_file)?);
    let entries = load::parse_vocab(&vocab.bytes).map_err(|error| vocab.error(&error))?;
    let pairs = load::parse_merges(&merges.bytes).map_err(|error| merges.error(&error))?;
    let options = Options { name: name.unwrap_or_else(|| vocab.stem()), special, unk_token };
    load::from_parts(&entries, &pairs, options)
        .map_err(|error| VocabError::new_err(format!("{} with {}: {error}", vocab.path, merges.path)))
}

pub(crate) fn from_vocab_and_merges(
    vocab: &Bound<'_, PyAny>,
    merges: &Bound<'_, PyAny>,
    special: Option<&Bound<'_, PyAny>>,
    unk_token: Option<String>,
    name: Option<String>,
) -> PyResult<Encoding> {
    let vocab = mapping(vocab, "vocab")?;
    let merge = |(place, pair): (usize, PyResult<Bound<'_, PyAny>>)| {
        let pair = pair?;
        let wrong =
            || PyTypeError::new_err(format!("merges[{place}] must be a pair of str, as ('a', 'b'), not {pair:?}"));
        let (left, right) = pair.extract::<(Bound<'_, PyString>, Bound<'_, PyString>)>().map_err(|_| wrong())?;
        let part = |part: Bound<'_, PyString>| spelled(&part, &format_args!("merges[{place}]"));
        let (left, right) = (part(left)?, part(right)?);
        Ok(SpelledMerge { line: place + 1, left, right })
    };
    let wrong = |_| PyTypeError::new_err("merges must be a list of pairs of str, in rank order");
    let merges: Vec<SpelledMerge> =
        merges.try_iter().map_err(wrong)?.enumerate().map(merge).collect::<PyResult<_>>()?;
    let options = Options { name: name.unwrap_or_default(), special: special_tokens(special)?, unk_token };
    load::from_parts(&vocab, &merges, options).map_err(from_vocab)
}

/// The dict of a vocab.json, checked: distinct tokens, ids that are whole numbers.
///
/// Raises OSError for a file that cannot be read, and VocabError, with the place, for one that is no vocabulary.
#[pyfunction]
pub(crate) fn read_vocab_json<'py>(path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let file = File::read(path)?;
    let entries = load::parse_vocab(&file.bytes).map_err(|error| file.error(&error))?;
    load::check_entries(&entries).map_err(|error| file.error(&error))?;
    let vocab = PyDict::new(path.py());
    for (token, id) in entries {
        vocab.set_item(token, id)?;
    }
    Ok(vocab)
}

/// The pairs of a merges.txt in rank order.
///
/// Raises OSError for a file that cannot be read, and VocabError, with the line, for one that holds something else.
#[pyfunction]
pub(crate) fn read_merges_txt(path: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let file = File::read(path)?;
    let merges = load::parse_merges(&file.bytes).map_err(|error| file.error(&error))?;
    Ok(merges.into_iter().map(|merge| (merge.left, merge.right)).collect())
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
