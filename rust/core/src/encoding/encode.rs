//! How does a text become ids? The walk over special tokens and pretokens; merging itself is `bpe`'s.

use super::Encoding;
use crate::bpe::{Interrupted, Scratch, Sink, TokenId};
use crate::pretokenize::end_of_pretoken;
use crate::special::{Choice, Part, Policy, SpecialError};

/// Why a text was not encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A special token where none is allowed, or a rule that names none.
    #[error(transparent)]
    Special(#[from] SpecialError),
    /// `keep_going` said no.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Work is noted after this many bytes of text (and as often inside one long pretoken).
const PORTION: usize = 1 << 16;

impl Encoding {
    /// The ids of `text`, special tokens treated as ordinary text.
    ///
    /// ```
    /// let gpt2 = gpt2tok_core::Encoding::gpt2();
    /// assert_eq!(gpt2.encode_ordinary("<|endoftext|>"), [27, 91, 437, 1659, 5239, 91, 29]);
    /// ```
    #[must_use]
    pub fn encode_ordinary(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        let done = self.encode_ordinary_into(text, &mut Scratch::default(), &mut ids, &|| true);
        debug_assert_eq!(done, Ok(()));
        ids
    }

    /// The ids of `text` under tiktoken's rules for special tokens.
    ///
    /// ```
    /// use gpt2tok_core::special::Choice;
    /// let gpt2 = gpt2tok_core::Encoding::gpt2();
    /// assert_eq!(gpt2.encode("<|endoftext|>", &Choice::All, &Choice::All).unwrap(), [50256]);
    /// assert!(gpt2.encode("<|endoftext|>", &Choice::Only(vec![]), &Choice::All).is_err());
    /// ```
    ///
    /// # Errors
    /// [`EncodeError::Special`] if the text holds a disallowed special token or an unknown one is allowed.
    pub fn encode(&self, text: &str, allowed: &Choice, disallowed: &Choice) -> Result<Vec<TokenId>, EncodeError> {
        let policy = self.special().policy(allowed, disallowed)?;
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        self.encode_into(text, &policy, &mut Scratch::default(), &mut ids, &|| true)?;
        Ok(ids)
    }

    /// Sends the ids of `text` to `sink`, under a rule made ready before.
    ///
    /// `keep_going` is asked now and then in long work; when it says no, the work ends.
    ///
    /// # Errors
    /// [`EncodeError::Special`] before anything was sent; [`EncodeError::Interrupted`] after any number of ids.
    pub fn encode_into(
        &self,
        text: &str,
        policy: &Policy<'_>,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), EncodeError> {
        policy.check(text)?;
        if policy.allows_none() {
            return Ok(self.encode_ordinary_into(text, scratch, sink, keep_going)?);
        }
        for part in policy.parts(text) {
            match part {
                Part::Ordinary(text) => self.encode_ordinary_into(text, scratch, sink, keep_going)?,
                Part::Special(text, id) => {
                    sink.push(id);
                    scratch.worked(text.len(), keep_going)?;
                }
            }
        }
        Ok(())
    }

    /// Sends the ids of `text` to `sink`, special tokens treated as ordinary text.
    ///
    /// # Errors
    /// [`Interrupted`] when `keep_going` said no.
    pub fn encode_ordinary_into(
        &self,
        text: &str,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            let pause = bytes.len().min(at.saturating_add(PORTION));
            while at < pause {
                let end = end_of_pretoken(bytes, at);
                self.bpe().encode_pretoken(bytes, at, end, scratch, sink, keep_going)?;
                at = end;
            }
            scratch.worked(at - from, keep_going)?;
        }
        Ok(())
    }
}
