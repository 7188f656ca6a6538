//! Why a letter was not sent, and what that means for the next attempt.

use std::fmt;

/// What a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing gets through for now: the letters behind this one need not be tried.
    Service,
    /// This letter, for now.
    Letter,
    /// This letter, for good.
    Final,
}

/// A letter was not sent. The text holds neither address nor link: it is logged, and kept with the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) scope: Scope,
    pub(super) why: String,
}

impl Failure {
    /// Nothing gets through for now.
    pub(super) fn service(why: impl Into<String>) -> Self {
        Self { scope: Scope::Service, why: why.into() }
    }

    /// This letter does not, for now.
    pub(super) fn letter(why: impl Into<String>) -> Self {
        Self { scope: Scope::Letter, why: why.into() }
    }

    /// This letter never will.
    pub(super) fn last(why: impl Into<String>) -> Self {
        Self { scope: Scope::Final, why: why.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
