//! Why a node is not an object of the wanted type.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::source::Position;

/// Why a node is not an object of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub at: Option<Position>,
    /// The path of the value at fault.
    pub path: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { write!(f, "{}", self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for DecodeError {}

/// A [`DecodeError`] on its way out of serde: every function that a type's own code is made of returns one, and a
/// pointer is the least to hand on.
#[derive(Debug)]
pub(super) struct Fault(pub(super) Box<DecodeError>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(message.to_string())
    }

    // The library's own forms of these are made anew for each type of visitor.
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(format!("invalid type: {unexpected}, expected {expected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(format!("invalid value: {unexpected}, expected {expected}"))
    }
}

impl Fault {
    pub(super) fn of(message: String) -> Self {
        Self(Box::new(DecodeError { message, at: None, path: String::new() }))
    }

    pub(super) fn at(mut self, at: Position, path: String) -> Self {
        (self.0.at, self.0.path) = (Some(at), path);
        self
    }
}
