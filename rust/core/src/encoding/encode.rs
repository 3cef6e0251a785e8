//! How does a text become ids? The walk over special tokens and pretokens; merging itself is `bpe`'s.

use super::Encoding;
use crate::bpe::{Interrupted, Scratch, Sink, TokenId};
#[cfg(target_arch = "x86_64")]
use crate::pretokenize::Avx2;
use crate::pretokenize::{Kernel, Scanner, Swar};
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
        policy.check(text, keep_going)?;
        if policy.allows_none() {
            return Ok(self.encode_ordinary_into(text, scratch, sink, keep_going)?);
        }
        for part in policy.parts(text, keep_going) {
            match part? {
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
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            // SAFETY: an `Avx2` exists only where the processor was found to have all of these.
            return unsafe { self.encode_by_avx2(avx2, text, scratch, sink, keep_going) };
        }
        self.encode_by(Swar, text, scratch, sink, keep_going)
    }

    /// The same loop, compiled for processors that have more.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn encode_by_avx2(
        &self,
        avx2: Avx2,
        text: &str,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        self.encode_by(avx2, text, scratch, sink, keep_going)
    }

    #[inline(always)]
    fn encode_by(
        &self,
        kernel: impl Kernel,
        text: &str,
        scratch: &mut Scratch,
        sink: &mut impl Sink,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Interrupted> {
        let bytes = text.as_bytes();
        let mut scanner = Scanner::new(kernel);
        let mut starts = std::mem::take(&mut scratch.starts);
        let mut done = Ok(());
        let mut scanned = 0;
        while done.is_ok() && scanner.next_portion(bytes, &mut starts) {
            done = self.bpe().encode_portion(bytes, starts.boundaries(), scratch, sink, keep_going);
            done = done.and_then(|()| scratch.worked(scanner.at() - scanned, keep_going));
            scanned = scanner.at();
        }
        scratch.starts = starts;
        scratch.trim();
        done
    }
}
