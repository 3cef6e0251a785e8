//! How do ids become Python lists? With one int object for each id, made once, and signals looked at on the way.
//!
//! A list of ints is most of the cost of encoding to a list when each int is allocated anew. Ids are few and immutable,
//! so an encoding keeps the int of every id that it has ever given, and lists share them. Those of frequent ids are made
//! early and so lie close together.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use gpt2tok_core::TokenId;
use gpt2tok_core::offsets::{CharCounter, Span};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// The ints of an encoding's ids: null until an id is first given, then a reference of our own.
#[derive(Default)]
pub(crate) struct Ints(OnceLock<Box<[AtomicPtr<ffi::PyObject>]>>);

/// A vocabulary larger than this would cost more memory than it saves time.
const LARGEST: usize = 1 << 18;

/// Signals are looked at once in this many ids.
const CHECK_EVERY: usize = 1 << 18;

impl Ints {
    /// The places of the ints; none where the vocabulary is too large to keep them.
    fn places(&self, n_vocab: usize) -> Shared<'_> {
        let places = self.0.get_or_init(|| {
            let count = if n_vocab > LARGEST { 0 } else { n_vocab };
            (0..count).map(|_| AtomicPtr::default()).collect()
        });
        Shared(places)
    }

    /// One list of ids.
    pub(crate) fn list<'py>(&self, py: Python<'py>, ids: &[TokenId], n_vocab: usize) -> PyResult<Bound<'py, PyList>> {
        self.places(n_vocab).long_list(py, ids)
    }

    /// A list of lists that is filled as ids arrive.
    pub(crate) fn rows<'py>(&self, py: Python<'py>, n_vocab: usize) -> Rows<'_, 'py> {
        Rows { shared: self.places(n_vocab), rows: PyList::empty(py), unchecked: 0, open: None }
    }
}

impl Drop for Ints {
    fn drop(&mut self) {
        let Some(places) = self.0.take() else {
            return;
        };
        // Without an interpreter there is nobody left to give the ints back to.
        Python::try_attach(|_| {
            for place in places {
                let int = place.into_inner();
                // SAFETY: a pointer that is not null is a reference of ours, given up here and never looked at again.
                unsafe { ffi::Py_XDECREF(int) };
            }
        });
    }
}

/// A list of lists of ids under way: row after row, each in one part or several.
pub(crate) struct Rows<'i, 'py> {
    shared: Shared<'i>,
    rows: Bound<'py, PyList>,
    unchecked: usize,
    /// The row that the last part was of.
    open: Option<Bound<'py, PyList>>,
}

impl<'py> Rows<'_, 'py> {
    /// Begins a row with its first ids.
    pub(crate) fn begin(&mut self, ids: &[TokenId]) -> PyResult<()> {
        let py = self.rows.py();
        self.unchecked += ids.len() + 1;
        if self.unchecked >= CHECK_EVERY {
            py.check_signals()?;
            self.unchecked = 0;
        }
        let row = self.shared.long_list(py, ids)?;
        self.rows.append(&row)?;
        self.open = Some(row);
        Ok(())
    }

    /// Adds ids to the row that was begun last.
    pub(crate) fn go_on(&mut self, ids: &[TokenId]) -> PyResult<()> {
        match &self.open {
            None => self.begin(ids),
            Some(row) => {
                let py = self.rows.py();
                for part in ids.chunks(CHECK_EVERY) {
                    py.check_signals()?;
                    row.call_method1("extend", (self.shared.short_list(py, part)?,))?;
                }
                Ok(())
            }
        }
    }

    /// Adds whole rows: row `i` is `ids[row_splits[i]..row_splits[i + 1]]`.
    pub(crate) fn extend(&mut self, ids: &[TokenId], row_splits: &[i64]) -> PyResult<()> {
        for ends in row_splits.windows(2) {
            self.begin(&ids[ends[0] as usize..ends[1] as usize])?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Bound<'py, PyList> {
        self.rows
    }
}

#[derive(Clone, Copy)]
struct Shared<'i>(&'i [AtomicPtr<ffi::PyObject>]);

impl Shared<'_> {
    fn long_list<'py>(self, py: Python<'py>, ids: &[TokenId]) -> PyResult<Bound<'py, PyList>> {
        let (first, rest) = ids.split_at(ids.len().min(CHECK_EVERY));
        let list = self.short_list(py, first)?;
        for part in rest.chunks(CHECK_EVERY) {
            py.check_signals()?;
            list.call_method1("extend", (self.short_list(py, part)?,))?;
        }
        Ok(list)
    }

    fn short_list<'py>(self, py: Python<'py>, ids: &[TokenId]) -> PyResult<Bound<'py, PyList>> {
        // SAFETY: PyList_New gives a new list, or null with an exception set.
        let list = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyList_New(ids.len() as ffi::Py_ssize_t))? };
        for (place, &id) in ids.iter().enumerate() {
            let int = self.int(py, id)?;
            // SAFETY: the list is new, has `ids.len()` empty places, and nobody else holds it; `int` is a reference
            // that this place takes over. Where an int could not be made, the list is freed with places still empty,
            // which Python allows.
            unsafe { set_item(list.as_ptr(), place as ffi::Py_ssize_t, int) };
        }
        Ok(list.cast_into()?)
    }

    /// A new reference to the int of this id.
    #[inline]
    fn int(self, py: Python<'_>, id: TokenId) -> PyResult<*mut ffi::PyObject> {
        if let Some(place) = self.0.get(id as usize) {
            let int = place.load(Ordering::Acquire);
            if !int.is_null() {
                // SAFETY: an int that has come to its place stays there until `Ints` is dropped, which `self` borrows.
                unsafe { ffi::Py_INCREF(int) };
                return Ok(int);
            }
        }
        self.made(py, id)
    }

    #[cold]
    #[inline(never)]
    fn made(self, py: Python<'_>, id: TokenId) -> PyResult<*mut ffi::PyObject> {
        // SAFETY: the interpreter is attached, as `py` proves.
        let made = unsafe { ffi::PyLong_FromUnsignedLongLong(id.into()) };
        if made.is_null() {
            return Err(PyErr::fetch(py));
        }
        if let Some(place) = self.0.get(id as usize)
            && place.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            // SAFETY: `made` is alive: its first reference went to its place, this one is the caller's.
            unsafe { ffi::Py_INCREF(made) };
        }
        Ok(made) // where another thread was quicker, an int of the same value
    }
}

/// Puts `item` into an empty place of a new list.
///
/// # Safety
/// `list` is a list that nobody else holds, `place` is one of its places, and `item` is a reference to give away.
#[inline]
unsafe fn set_item(list: *mut ffi::PyObject, place: ffi::Py_ssize_t, item: *mut ffi::PyObject) {
    // SAFETY: the caller's promise is what both ask for.
    #[cfg(not(Py_LIMITED_API))]
    unsafe {
        ffi::PyList_SET_ITEM(list, place, item);
    }
    // SAFETY: the same; it cannot fail, for the place exists.
    #[cfg(Py_LIMITED_API)]
    unsafe {
        ffi::PyList_SetItem(list, place, item);
    }
}

/// A list of numbers that are not ids.
pub(crate) fn numbers<'py>(py: Python<'py>, numbers: &[usize]) -> PyResult<Bound<'py, PyList>> {
    list_by_parts(py, numbers, |part| PyList::new(py, part))
}

/// A list of (start, end).
pub(crate) fn spans<'py>(py: Python<'py>, spans: &[Span]) -> PyResult<Bound<'py, PyList>> {
    list_by_parts(py, spans, |part| PyList::new(py, part))
}

/// Ascending byte spans of `text` as a list of (start, end) in characters.
pub(crate) fn char_spans<'py>(py: Python<'py>, text: &str, spans: &[Span]) -> PyResult<Bound<'py, PyList>> {
    if text.is_ascii() {
        return self::spans(py, spans);
    }
    let mut chars = CharCounter::new(text);
    list_by_parts(py, spans, |part| PyList::new(py, part.iter().map(|&span| chars.span(span)).collect::<Vec<_>>()))
}

fn list_by_parts<'py, T>(
    py: Python<'py>,
    items: &[T],
    mut list_of: impl FnMut(&[T]) -> PyResult<Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyList>> {
    let (first, rest) = items.split_at(items.len().min(CHECK_EVERY));
    let list = list_of(first)?;
    for part in rest.chunks(CHECK_EVERY) {
        py.check_signals()?;
        list.call_method1("extend", (list_of(part)?,))?;
    }
    Ok(list)
}
