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
        Self::of(format!("expected {}, found {}", wanted(expected), found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(format!("expected {}, found {}", wanted(expected), found(unexpected)))
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

/// What serde's visitors ask for, in the words of those who write YAML.
fn wanted(expected: &dyn Expected) -> String {
    let asked = expected.to_string();
    match asked.as_str() {
        "a sequence" => "a list".to_owned(),
        "a map" => "a map of fields".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "u8" => format!("a whole number up to {}", u8::MAX),
        "u16" => format!("a whole number up to {}", u16::MAX),
        "u32" => format!("a whole number up to {}", u32::MAX),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        name => match name.strip_prefix("struct ") {
            Some(_) => "a map of fields".to_owned(),
            None if is_type(name) => format!("a map of the fields of {name}"),
            None => asked,
        },
    }
}

/// Whether a text is the name of one of the API's types, which its reader asks for by name.
fn is_type(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean `{value}`"),
        Unexpected::Signed(number) => format!("the number `{number}`"),
        Unexpected::Unsigned(number) => format!("the number `{number}`"),
        Unexpected::Float(number) => format!("the number `{number}`"),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Unit => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map of fields".to_owned(),
        other => other.to_string(),
    }
}
