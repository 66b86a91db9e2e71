//! What is wrong with an input, where, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::object::ObjectRef;
use super::source::Location;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FindingSeverity")]
pub enum Severity {
    /// Something that the reader should know; nothing is refused for it.
    Note,
    /// The input is used, but probably does not mean what its author thinks.
    Warning,
    /// The input is refused.
    Error,
}

/// One finding about an input, with its place and a remedy.
///
/// ```
/// use airtight_manifest::{Diagnostic, Severity};
/// let finding = Diagnostic::error("unknown-field", "unknown field `podSelector`")
///     .hint("a CiliumNetworkPolicy selects its pods with `endpointSelector`");
/// assert_eq!(finding.severity, Severity::Error);
/// assert_eq!(finding.to_string(), "error[unknown-field]: unknown field `podSelector`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diagnostic {
    /// Stable, kebab-case name of the kind of finding.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence, lower case, without a final stop.
    pub message: String,
    /// Where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Box<str>>,
    /// The objects that it is about; none for a finding about a whole input.
    #[serde(default, skip_serializing_if = "nothing")]
    pub about: Box<[ObjectRef]>,
}

/// Whether a finding is about no object.
fn nothing(about: &[ObjectRef]) -> bool {
    about.is_empty()
}

impl Diagnostic {
    /// A finding for which the input is refused.
    #[must_use]
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A finding that does not refuse the input.
    #[must_use]
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A finding of the given severity.
    #[must_use]
    pub fn new(severity: Severity, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            message: message.into(),
            location: None,
            hint: None,
            about: Box::default(),
        }
    }

    /// The same finding at a place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The same finding with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }

    /// The same finding, about one more object.
    #[must_use]
    pub fn about(mut self, object: &ObjectRef) -> Self {
        let others = std::mem::take(&mut self.about).into_vec().into_iter();
        self.about = others.chain([object.clone()]).collect();
        self
    }

    /// Whether the input is refused because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)
    }
}

/// From which likeness on (Jaro and Winkler's) a word may be a slip of the pen.
const SLIP: f64 = 0.84;

/// How alike two words are. One letter weighs so much in a short word that its slips are counted and not weighed.
fn likeness(word: &str, candidate: &str) -> f64 {
    let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
    let weighed = strsim::jaro_winkler(&word, &candidate);
    let begins_alike = word.chars().next() == candidate.chars().next();
    let counted_alike = digits(&word).eq(digits(&candidate));
    let one_slip = begins_alike
        && counted_alike
        && word.chars().count() >= 3
        && strsim::damerau_levenshtein(&word, &candidate) == 1;
    if one_slip { weighed.max(SLIP) } else { weighed }
}

/// Another number is seldom a slip: it names another thing.
fn digits(word: &str) -> impl Iterator<Item = char> + '_ {
    word.chars().filter(char::is_ascii_digit)
}

/// The candidate closest to `word`, if it is close enough to be a slip of the pen.
///
/// ```
/// use airtight_manifest::closest;
/// assert_eq!(closest("wep", ["db", "web"]), Some("web"));
/// assert_eq!(closest("get", ["set"]), None);
/// assert_eq!(closest("A-1", ["A-2"]), None);
/// ```
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(word, candidate), candidate))
        .filter(|(score, _)| *score >= SLIP)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
