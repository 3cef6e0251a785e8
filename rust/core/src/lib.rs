//! Byte-level BPE as GPT-2 does it, exactly: text to ids and back.
//!
//! The road of a text: [`special`] tokens are cut out, the rest is cut into pretokens ([`pretokenize`]), each pretoken
//! becomes ids (`bpe`), and ids become bytes again ([`Encoding::decode_bytes`], [`stream`]). [`load`] makes an
//! [`Encoding`] from the bytes of the usual files; the crate itself opens none, starts no threads of its own (a batch runs
//! on the pool it is given) and keeps no global state.
//!
//! Every fast path has a plain twin and a test that holds them equal: [`Method`] names the ways to merge a segment, and
//! the scanner is held to a regex engine.
//!
//! ```
//! let gpt2 = gpt2tok_core::Encoding::gpt2();
//! let ids = gpt2.encode_ordinary("Hello, world!");
//! assert_eq!(ids, [15496, 11, 995, 0]);
//! assert_eq!(gpt2.decode_bytes(&ids).unwrap(), b"Hello, world!");
//! ```

pub mod added;
pub mod batch;
mod bpe;
pub mod cuts;
mod encoding;
pub mod load;
mod names;
pub mod offsets;
mod pages;
pub mod pretokenize;
pub mod special;
pub mod stream;
pub mod train;
pub mod unicode;
mod vocab;

pub use bpe::{Interrupted, Method, Scratch, Sink, TokenId};
pub use encoding::{DecodeError, EncodeError, Encoding};
pub use vocab::{Definition, VocabError, alphabet};
