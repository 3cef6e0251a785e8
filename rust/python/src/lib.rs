//! `gpt2tok._core`: the Rust core as Python sees it. Translates types and errors, decides nothing.

mod added;
mod arguments;
mod batch;
mod decoded;
mod encoding;
mod errors;
mod interrupt;
mod lists;
mod load;
mod pool;
mod stream;
mod tables;
mod train;

use pyo3::prelude::*;

/// The compiled core of gpt2tok.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::added::PyAddedTokens;
    #[pymodule_export]
    use super::encoding::PyEncoding;
    #[pymodule_export]
    use super::errors::{SpecialTokenError, TokenizerError, UnknownTokenError, VocabError};
    #[pymodule_export]
    use super::load::{_restore, read_merges_txt, read_vocab_json};
    #[pymodule_export]
    use super::pool::_before_fork;
    #[pymodule_export]
    use super::stream::PyDecodeStream;
    #[pymodule_export]
    use super::tables::{gpt2_vocabulary, last_cut, unicode_ranges};
    #[pymodule_export]
    use super::train::PyTrainer;
    use pyo3::prelude::*;
    use pyo3::types::IntoPyDict;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        // Systems that cannot fork have no such function.
        if let Some(register) = module.py().import("os")?.getattr_opt("register_at_fork")? {
            let hooks = [("before", module.getattr("_before_fork")?)].into_py_dict(module.py())?;
            register.call((), Some(&hooks))?;
        }
        Ok(())
    }
}
