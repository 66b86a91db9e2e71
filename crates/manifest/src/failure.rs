//! What did not work outside the manifests: a cluster, an engine, a machine.

use crate::Diagnostic;

/// Why something that was asked of a cluster or of a machine did not work.
///
/// ```
/// use airtight_manifest::{Diagnostic, Failure};
/// let failure = Failure::new("no-cluster", "there is no cluster").hint("`airtight up` makes one");
/// assert_eq!(failure.to_string(), "there is no cluster");
/// assert_eq!(Diagnostic::from(&failure).code, "no-cluster");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Stable, kebab-case name of the kind of error, such as `api-timeout`.
    pub code: &'static str,
    /// What is wrong: one sentence, lower case, without a final stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a remedy.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same failure with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&Failure> for Diagnostic {
    fn from(failure: &Failure) -> Self {
        let finding = Self::error(failure.code, failure.message.clone());
        match &failure.hint {
            Some(hint) => finding.hint(hint.clone()),
            None => finding,
        }
    }
}
