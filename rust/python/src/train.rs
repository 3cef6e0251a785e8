//! `Trainer`: learning a vocabulary, from Python objects that hold text.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gpt2tok_core::train::{self, Cut, Options, Stream, TrainError, Watch};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyString, PyTuple};

use crate::arguments::{self, OnInvalid};
use crate::encoding::PyEncoding;
use crate::errors::{SpecialTokenError, TokenizerError, from_vocab};
use crate::interrupt::{run_apart, run_beside, run_here};
use crate::pool::{Threads, threads_for};

/// Batches larger than this (one long text that cannot be cut) are counted with an eye on signals.
const LONG: usize = 8 * train::BATCH;

/// Counts pretokens and learns merges from them; what `gpt2tok.train` stands on.
#[pyclass(name = "Trainer", module = "gpt2tok._core")]
pub(crate) struct PyTrainer {
    trainer: Option<train::Trainer>,
    threads: Option<Threads>,
    stream: Option<(Stream, Cut)>,
    /// How many texts the iterators have yielded.
    items: usize,
}

fn from_train(error: TrainError) -> PyErr {
    match error {
        TrainError::EmptySpecial { .. }
        | TrainError::RepeatedSpecial { .. }
        | TrainError::SpecialSpelledLikeToken { .. } => SpecialTokenError::new_err(error.to_string()),
        error => TokenizerError::new_err(error.to_string()),
    }
}

fn cut(lines: bool) -> Cut {
    if lines { Cut::AfterLines } else { Cut::Nowhere }
}

impl PyTrainer {
    fn trainer(&mut self) -> PyResult<&mut train::Trainer> {
        self.trainer
            .as_mut()
            .ok_or_else(|| PyRuntimeError::new_err("this Trainer has learned, or was interrupted; make a new one"))
    }

    fn push(&mut self, py: Python<'_>, text: &str, cut: Cut) -> PyResult<()> {
        for part in train::parts(text, cut) {
            self.trainer()?.push(part, cut).map_err(from_train)?;
            self.count_if_full(py, part.len())?;
        }
        Ok(())
    }

    fn count_if_full(&mut self, py: Python<'_>, pushed: usize) -> PyResult<()> {
        let mut trainer = match self.trainer.take() {
            Some(trainer) if trainer.is_full() => trainer,
            other => {
                self.trainer = other;
                return Ok(());
            }
        };
        let pool = self.threads.as_ref().map(Threads::pool);
        let done = if pushed > LONG {
            match pool {
                Some(pool) => run_beside(py, pool, |keep_going| trainer.count(Some(pool), keep_going))?,
                None => run_here(py, |keep_going| trainer.count(None, keep_going))?,
            }
        } else {
            let done = py.detach(|| trainer.count(pool, &|| true));
            py.check_signals()?;
            done
        };
        done.map_err(from_train)?;
        self.trainer = Some(trainer);
        Ok(())
    }

    /// Takes one item of an iterator, if it is text or a list of texts.
    fn take(&mut self, item: &Bound<'_, PyAny>, lines: bool, errors: OnInvalid) -> PyResult<bool> {
        let py = item.py();
        if let Ok(string) = item.cast::<PyString>()
            && !item.call_method0("isascii")?.is_truthy()?
        {
            // Asking for its UTF-8 directly would leave a copy inside every str that the caller holds.
            if let Ok(utf8) = string.encode_utf8() {
                self.push_bytes(py, utf8.as_bytes(), lines)?;
                return Ok(true);
            }
        }
        if item.is_instance_of::<PyString>() || item.is_instance_of::<PyBytes>() {
            let text = arguments::text(item, errors, &format_args!("text {} of the corpus", self.items))?;
            self.push(py, &text, cut(lines))?;
            return Ok(true);
        }
        Ok(false)
    }

    fn push_bytes(&mut self, py: Python<'_>, utf8: &[u8], lines: bool) -> PyResult<()> {
        let text = std::str::from_utf8(utf8).map_err(|error| TokenizerError::new_err(error.to_string()))?;
        self.push(py, text, cut(lines))
    }
}

#[pymethods]
impl PyTrainer {
    #[new]
    #[pyo3(signature = (vocab_size, special_tokens, *, min_frequency=0, max_token_length=None, max_pretokens=None, num_threads=None))]
    fn new(
        vocab_size: usize,
        special_tokens: Vec<Bound<'_, PyAny>>,
        min_frequency: u64,
        max_token_length: Option<usize>,
        max_pretokens: Option<usize>,
        num_threads: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let name = |(index, token)| arguments::name(token, &format_args!("special_tokens[{index}]"));
        let special_tokens = special_tokens.iter().enumerate().map(name).collect::<PyResult<_>>()?;
        let options = Options { vocab_size, special_tokens, min_frequency, max_token_length, max_pretokens };
        let trainer = train::Trainer::new(options).map_err(from_train)?;
        Ok(PyTrainer { trainer: Some(trainer), threads: threads_for(num_threads, usize::MAX)?, stream: None, items: 0 })
    }

    /// Take texts from an iterator: str, UTF-8 bytes, or lists of these.
    ///
    /// Returns None at its end; (item,) as soon as it yields something else; and True when a batch of text has been
    /// counted, so that the caller may look up. Call it again to go on. What else stands in a list is a TypeError.
    #[pyo3(signature = (texts, *, lines=false, errors="strict"))]
    fn feed<'py>(
        &mut self,
        texts: &Bound<'py, PyIterator>,
        lines: bool,
        errors: &str,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (py, on_invalid) = (texts.py(), OnInvalid::parse(errors)?);
        let before = self.bytes();
        for (turn, item) in texts.clone().enumerate() {
            let item = item?;
            if !self.take(&item, lines, on_invalid)? {
                let inner: Vec<Bound<'py, PyAny>> = if let Ok(list) = item.cast::<PyList>() {
                    list.iter().collect()
                } else if let Ok(tuple) = item.cast::<PyTuple>() {
                    tuple.iter().collect()
                } else {
                    return Ok(Some(PyTuple::new(py, [item])?.into_any()));
                };
                for (place, text) in inner.iter().enumerate() {
                    if !self.take(text, lines, on_invalid)? {
                        return Err(PyTypeError::new_err(format!(
                            "item {} of the corpus is a list, and {place} in it is of type {}; lists hold str and UTF-8 \
                             bytes only (a path object may stand beside them, not within)",
                            self.items,
                            text.get_type().name()?
                        )));
                    }
                }
            }
            self.items += 1;
            if self.bytes() != before {
                return Ok(Some(true.into_pyobject(py)?.to_owned().into_any()));
            }
            if turn % 4096 == 4095 {
                py.check_signals()?;
            }
        }
        Ok(None)
    }

    /// Begin a text that comes in blocks.
    #[pyo3(signature = (*, lines, errors="strict"))]
    fn begin(&mut self, lines: bool, errors: &str) -> PyResult<()> {
        let replace = OnInvalid::parse(errors)? == OnInvalid::Replace;
        self.stream = Some((Stream::new(cut(lines), replace), cut(lines)));
        Ok(())
    }

    /// Take the next block of the text that was begun.
    fn block(&mut self, py: Python<'_>, block: &Bound<'_, PyBytes>) -> PyResult<()> {
        let Some((stream, cut)) = &mut self.stream else {
            return Err(PyRuntimeError::new_err("block() needs a text that was begun; call begin() first"));
        };
        let (text, cut) = (stream.push(block.as_bytes()).map_err(from_train)?, *cut);
        self.push(py, &text, cut)
    }

    /// End the text that was begun.
    fn end(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.stream.take() {
            Some((stream, cut)) => {
                let text = stream.finish().map_err(from_train)?;
                self.items += 1;
                self.push(py, &text, cut)
            }
            None => Ok(()),
        }
    }

    /// How many texts were taken.
    #[getter]
    fn items(&self) -> usize {
        self.items
    }

    /// How many bytes of text were counted.
    #[getter]
    fn bytes(&self) -> u64 {
        self.trainer.as_ref().map_or(0, train::Trainer::bytes)
    }

    /// Learn the vocabulary: the encoding, tokens learned, tokens wanted, pretokens dropped, how often those were seen.
    ///
    /// progress(merges, wanted) is called a few times a second; what it raises ends the work.
    #[pyo3(signature = (name, *, progress=None))]
    fn learn(
        &mut self,
        py: Python<'_>,
        name: String,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(PyEncoding, usize, usize, u64, u64)> {
        self.trainer()?;
        let Some(trainer) = self.trainer.take() else {
            return Err(PyRuntimeError::new_err("this Trainer has learned already"));
        };
        let threads = self.threads.clone();
        let so_far = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let merges = {
            let so_far = Arc::clone(&so_far);
            move |learned: usize, wanted: usize| {
                so_far.0.store(learned, Ordering::Relaxed);
                so_far.1.store(wanted, Ordering::Relaxed);
            }
        };
        let progress = progress.map(Bound::unbind);
        let tick = |py: Python<'_>| match &progress {
            Some(progress) => {
                let numbers = (so_far.0.load(Ordering::Relaxed), so_far.1.load(Ordering::Relaxed));
                progress.call1(py, numbers).map(drop)
            }
            None => Ok(()),
        };
        let done = run_apart(py, tick, move |keep_going| {
            let pool = threads.as_ref().map(Threads::pool);
            let trained = trainer.learn(pool, Watch { keep_going, merges: &merges })?;
            let numbers = (trained.learned, trained.wanted, trained.dropped.pretokens, trained.dropped.occurrences);
            Ok((trained.encoding(name), numbers))
        })?;
        let (encoding, (learned, wanted, pretokens, occurrences)) = done.map_err(from_train)?;
        Ok((PyEncoding::from(encoding.map_err(from_vocab)?), learned, wanted, pretokens, occurrences))
    }
}
