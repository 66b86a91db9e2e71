//! Why an expression has no value.

use std::fmt;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A key on the path does not exist; `||`, functions and comparisons take it as null.
    NotFound(String),
    /// Kyverno fails to evaluate it: the rule errors.
    Error(String),
    /// The engine does not know what Kyverno would find.
    Unknown(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(key) => write!(f, "Unknown key \"{key}\" in path"),
            Self::Error(message) | Self::Unknown(message) => f.write_str(message),
        }
    }
}

impl Fault {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self::Error(message.into())
    }

    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(message.into())
    }
}
