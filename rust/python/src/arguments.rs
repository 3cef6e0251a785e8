//! What did the caller pass? Texts, ids and rules for special tokens, from Python objects, with errors that say where.

use std::borrow::Cow;
use std::fmt::Display;

use gpt2tok_core::TokenId;
use gpt2tok_core::special::Choice;
use numpy::{Element, PyArray1, PyArrayMethods, PyUntypedArray};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
#[cfg(not(any(Py_LIMITED_API, Py_GIL_DISABLED)))]
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyList, PyString, PyTuple, PyType};

use crate::errors::{TokenizerError, UnknownTokenError};

/// What to do with text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    Raise,
    Replace,
    /// Raise, in a call that has no `errors` argument to offer.
    Refuse,
}

impl OnInvalid {
    pub(crate) fn parse(errors: &str) -> PyResult<Self> {
        match errors {
            "strict" => Ok(OnInvalid::Raise),
            "replace" => Ok(OnInvalid::Replace),
            other => {
                let message = format!("errors must be 'strict' or 'replace', not {other:?}");
                Err(TokenizerError::new_err(message))
            }
        }
    }
}

/// A `str` or UTF-8 `bytes`. `what` names the argument in messages.
pub(crate) fn text<'a>(
    value: &'a Bound<'_, PyAny>,
    on_invalid: OnInvalid,
    what: &dyn Display,
) -> PyResult<Cow<'a, str>> {
    if let Ok(string) = value.cast::<PyString>() {
        return string.to_str().map(Cow::Borrowed).or_else(|error| surrogates(string, on_invalid, what, &error));
    }
    let Ok(bytes) = value.cast::<PyBytes>() else {
        let found = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{what} must be str or UTF-8 bytes, not {found}")));
    };
    match (std::str::from_utf8(bytes.as_bytes()), on_invalid) {
        (Ok(text), _) => Ok(Cow::Borrowed(text)),
        (Err(_), OnInvalid::Replace) => Ok(String::from_utf8_lossy(bytes.as_bytes())),
        (Err(error), _) => {
            let offset = error.valid_up_to();
            let byte = bytes.as_bytes()[offset];
            let or = match on_invalid {
                OnInvalid::Refuse => "turn it into str with bytes.decode('utf-8', 'replace')",
                _ => "pass errors='replace' to put U+FFFD in its place",
            };
            Err(TokenizerError::new_err(format!(
                "{what} is not UTF-8: byte 0x{byte:02x} at offset {offset}; decode it with its own encoding first, or {or}"
            )))
        }
    }
}

/// A `str` that holds lone surrogates cannot be UTF-8. Pairs of surrogates become the character they spell, as tiktoken
/// has it, the others U+FFFD.
fn surrogates<'a>(
    string: &'a Bound<'_, PyString>,
    on_invalid: OnInvalid,
    what: &dyn Display,
    error: &PyErr,
) -> PyResult<Cow<'a, str>> {
    if on_invalid == OnInvalid::Replace {
        let utf16 = string.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
        let mended = utf16.call_method1("decode", ("utf-16-le", "replace"))?;
        return Ok(Cow::Owned(mended.extract::<String>()?));
    }
    let mend = match on_invalid {
        OnInvalid::Refuse => {
            "read the text with errors='replace', or put U+FFFD in its place with \
             text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        }
        _ => "read the text with errors='replace', or pass errors='replace' here to put U+FFFD in its place",
    };
    Err(lone_surrogate(string, what, error, mend))
}

/// The error for a `str` that is not UTF-8: which surrogate stands where, and how to mend it.
fn lone_surrogate(string: &Bound<'_, PyString>, what: &dyn Display, error: &PyErr, mend: &str) -> PyErr {
    let py = string.py();
    let found = || {
        let position: usize = error.value(py).getattr("start")?.extract()?;
        let code_point: u32 = py.import("builtins")?.call_method1("ord", (string.get_item(position)?,))?.extract()?;
        PyResult::Ok((position, code_point))
    };
    match found() {
        Ok((position, code_point)) => TokenizerError::new_err(format!(
            "{what} is not valid Unicode: lone surrogate U+{code_point:04X} at character {position}; {mend}"
        )),
        Err(_) => error.clone_ref(py), // not a UnicodeEncodeError: out of memory, say
    }
}

/// A `str` that must be valid Unicode, where nothing could be put in place of a surrogate: a name, a token.
pub(crate) fn name(value: &Bound<'_, PyAny>, what: &dyn Display) -> PyResult<String> {
    let Ok(string) = value.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("{what} must be str, not {}", value.get_type().name()?)));
    };
    let to_str = string.to_str().map(str::to_owned);
    to_str.map_err(|error| lone_surrogate(string, what, &error, "no token holds one; mend the text it came from"))
}

/// The elements of a collection of texts; a single text is refused, since it would be taken letter by letter.
pub(crate) fn items<'py>(values: &Bound<'py, PyAny>, what: &str, of: &str) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if values.is_instance_of::<PyString>() || values.is_instance_of::<PyBytes>() {
        let found = values.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{what} must be a list of {of}, not one {found}; put it in a list")));
    }
    let iterator = values.try_iter().map_err(|_| match values.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!("{what} must be a list of {of}, not {found}")),
        Err(error) => error,
    })?;
    iterator.collect()
}

/// Signals are looked at once in this many ids, or bytes of text.
const CHECK_EVERY: usize = 1 << 18;

/// The texts of a batch.
pub(crate) fn texts<'a>(
    values: &'a [Bound<'_, PyAny>],
    on_invalid: OnInvalid,
    what: &str,
) -> PyResult<Vec<Cow<'a, str>>> {
    let mut unchecked = 0;
    let one = |(index, value): (usize, &'a Bound<'_, PyAny>)| {
        let text = text(value, on_invalid, &format_args!("{what}[{index}]"))?;
        unchecked += text.len() + 16;
        if unchecked >= 16 * CHECK_EVERY {
            value.py().check_signals()?;
            unchecked = 0;
        }
        Ok(text)
    };
    values.iter().enumerate().map(one).collect()
}

/// `"all"` or a collection of names; `None` is the empty one.
pub(crate) fn choice(value: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Choice> {
    let Some(value) = value else {
        return Ok(Choice::Only(Vec::new()));
    };
    if let Ok(string) = value.cast::<PyString>() {
        if string.to_str().is_ok_and(|string| string == "all") {
            return Ok(Choice::All);
        }
        let message = format!("{what} must be \"all\" or a collection of special tokens, not the string {string:?}");
        return Err(PyTypeError::new_err(message));
    }
    let wrong = |found: &Bound<'_, PyAny>| match found.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!("{what} must be \"all\" or a collection of str, found {found}")),
        Err(error) => error,
    };
    let mut names = Vec::new();
    for name in value.try_iter().map_err(|_| wrong(value))? {
        let name = name?;
        if !name.is_instance_of::<PyString>() {
            return Err(wrong(&name));
        }
        names.push(self::name(&name, &format_args!("a name in {what}"))?);
    }
    Ok(Choice::Only(names))
}

/// An argument as a message shows it: short.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    let shown = value.repr().map_or_else(|_| "this".to_owned(), |shown| shown.to_string_lossy().into_owned());
    if shown.chars().count() > 60 { shown.chars().take(57).chain("...".chars()).collect() } else { shown }
}

/// Ids from a list, a NumPy array, a tensor or any iterable of integers.
pub(crate) fn ids(values: &Bound<'_, PyAny>, n_vocab: usize) -> PyResult<Vec<TokenId>> {
    let mut ids = Vec::new();
    ids_into(values, n_vocab, &mut ids)?;
    Ok(ids)
}

/// As [`ids`], appended to what is there.
pub(crate) fn ids_into(values: &Bound<'_, PyAny>, n_vocab: usize, ids: &mut Vec<TokenId>) -> PyResult<()> {
    let one = |(position, value): (usize, Bound<'_, PyAny>)| {
        if position % CHECK_EVERY == CHECK_EVERY - 1 {
            value.py().check_signals()?;
        }
        id(&value, position, n_vocab)
    };
    if let Ok(list) = values.cast::<PyList>() {
        let before = ids.len();
        plain_ints(list, ids)?;
        for found in list.iter().enumerate().skip(ids.len() - before) {
            ids.push(one(found)?);
        }
        return Ok(());
    }
    if let Ok(tuple) = values.cast::<PyTuple>() {
        for found in tuple.iter().enumerate() {
            ids.push(one(found)?);
        }
        return Ok(());
    }
    if values.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err("ids must be an iterable of int, not bytes; encode() takes text"));
    }
    if array(values, n_vocab, ids)? {
        return Ok(());
    }
    let listed = if values.hasattr("tolist")? { values.call_method0("tolist")? } else { values.clone() };
    let wrong = |_| match values.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!("ids must be an iterable of int, not {found}")),
        Err(error) => error,
    };
    for (position, value) in listed.try_iter().map_err(wrong)?.enumerate() {
        ids.push(one((position, value?))?);
    }
    Ok(())
}

/// Appends the ids at the front of a list, as far as they are nothing but ints in range: all there are in most lists, at
/// a tenth of what it costs to find out about anything else.
#[cfg(not(any(Py_LIMITED_API, Py_GIL_DISABLED)))]
fn plain_ints(list: &Bound<'_, PyList>, ids: &mut Vec<TokenId>) -> PyResult<()> {
    let count = list.len();
    ids.reserve(count);
    for first in (0..count).step_by(CHECK_EVERY) {
        if first > 0 {
            list.py().check_signals()?;
        }
        // A signal's handler may have made the list shorter.
        for place in first..list.len().min(first + CHECK_EVERY) {
            // SAFETY: `place` is in the list, which nobody changes meanwhile: the interpreter's lock is ours, and looking
            // at an int that is nothing but an int runs no code of Python's. The reference is only borrowed for that.
            let (number, overflow) = unsafe {
                let item = ffi::PyList_GET_ITEM(list.as_ptr(), place as ffi::Py_ssize_t);
                if ffi::PyLong_CheckExact(item) == 0 {
                    return Ok(());
                }
                let mut overflow = 0;
                (ffi::PyLong_AsLongAndOverflow(item, &raw mut overflow), overflow)
            };
            match TokenId::try_from(number) {
                Ok(id) if overflow == 0 => ids.push(id),
                _ => return Ok(()),
            }
        }
    }
    Ok(())
}

/// Without a look into lists, each of their items is asked for.
#[cfg(any(Py_LIMITED_API, Py_GIL_DISABLED))]
fn plain_ints(_: &Bound<'_, PyList>, _: &mut Vec<TokenId>) -> PyResult<()> {
    Ok(())
}

/// One id.
pub(crate) fn id(value: &Bound<'_, PyAny>, position: usize, n_vocab: usize) -> PyResult<TokenId> {
    match value.extract::<i64>() {
        // A mask passed for ids would otherwise decode to nonsense.
        Ok(_) if value.is_instance_of::<PyBool>() => {
            Err(PyTypeError::new_err(format!("ids must be int, not bool (at position {position})")))
        }
        Ok(number) => checked(i128::from(number), position, n_vocab),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Err(outside(&number_shown(value), position, n_vocab))
        }
        Err(_) => {
            let found = value.get_type().name()?;
            Err(PyTypeError::new_err(format!("ids must be int, not {found} (at position {position})")))
        }
    }
}

/// A number of any size; Python itself refuses to write the largest out.
pub(crate) fn number_shown(value: &Bound<'_, PyAny>) -> String {
    let shown = value.repr().map(|shown| shown.to_string()).unwrap_or_default();
    match shown.len() {
        0 => "of thousands of digits".to_owned(),
        1..=40 => shown,
        digits => format!("{}... ({digits} digits)", shown.chars().take(20).collect::<String>()),
    }
}

fn checked(number: i128, position: usize, n_vocab: usize) -> PyResult<TokenId> {
    TokenId::try_from(number).map_err(|_| outside(&number.to_string(), position, n_vocab))
}

fn outside(shown: &str, position: usize, n_vocab: usize) -> PyErr {
    UnknownTokenError::new_err(format!(
        "id {shown} at position {position} is not in the vocabulary, whose ids are 0 to {}; were these ids made by \
         another vocabulary?",
        n_vocab.saturating_sub(1)
    ))
}

/// The type of NumPy's arrays, once one has been seen.
static ARRAYS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Asking the numpy crate imports NumPy; an array can only come from a NumPy that is already there.
pub(crate) fn may_be_array(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let (py, found) = (value.py(), value.get_type());
    if ARRAYS.get(py).is_some_and(|known| found.is(known)) {
        return Ok(true);
    }
    let modules = py.import("sys")?.getattr("modules")?;
    let may_be = modules.contains("numpy")? && value.hasattr("__array_interface__")?;
    if may_be && value.cast::<PyUntypedArray>().is_ok() {
        // Subclasses go the long way: which of them comes first says nothing of the next.
        let plain = py.import("numpy")?.getattr("ndarray")?.cast_into::<PyType>()?;
        let _ = ARRAYS.set(py, plain.unbind());
    }
    Ok(may_be)
}

/// Appends the ids of a one-dimensional NumPy array of an integer type, without a Python object for each. Says whether
/// it was one.
fn array(values: &Bound<'_, PyAny>, n_vocab: usize, ids: &mut Vec<TokenId>) -> PyResult<bool> {
    if !may_be_array(values)? {
        return Ok(false);
    }
    for read in [array_of::<u32>, array_of::<u16>, array_of::<i64>, array_of::<i32>, array_of::<u8>] {
        if read(values, n_vocab, ids)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn array_of<T: Element + Copy + Into<i128> + TryInto<TokenId>>(
    values: &Bound<'_, PyAny>,
    n_vocab: usize,
    ids: &mut Vec<TokenId>,
) -> PyResult<bool> {
    let Ok(array) = values.cast::<PyArray1<T>>() else {
        return Ok(false);
    };
    let array = array.try_readonly().map_err(|_| PyValueError::new_err("ids is an array that is being written to"))?;
    let numbers = array.as_array();
    ids.reserve(numbers.len());
    let wrong = |position: usize, number: T| Err(outside(&number.into().to_string(), position, n_vocab));
    if let Some(numbers) = numbers.as_slice() {
        for (part, numbers) in numbers.chunks(CHECK_EVERY).enumerate() {
            values.py().check_signals()?;
            for (place, &number) in numbers.iter().enumerate() {
                match number.try_into() {
                    Ok(id) => ids.push(id),
                    Err(_) => return wrong(part * CHECK_EVERY + place, number),
                }
            }
        }
        return Ok(true);
    }
    for (position, &number) in numbers.iter().enumerate() {
        if position.is_multiple_of(CHECK_EVERY) {
            values.py().check_signals()?;
        }
        match number.try_into() {
            Ok(id) => ids.push(id),
            Err(_) => return wrong(position, number),
        }
    }
    Ok(true)
}
