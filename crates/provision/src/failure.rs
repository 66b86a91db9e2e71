//! Why a step failed: a name, one sentence, a remedy, and what the program said.

use std::time::Duration;

use serde::Serialize;

use super::program::{Ending, ProgramError};
#[cfg(feature = "live")]
use super::symptom::SYMPTOMS;
use super::symptom::{Speaker, Symptom, recognise};

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct StepFailure {
    /// Stable, kebab-case name.
    pub code: &'static str,
    /// What is wrong: one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The program with its arguments, and the end of what it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
    /// Whether the same again may well succeed.
    pub transient: bool,
}

impl StepFailure {
    /// A failure that no program reported.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), detail: Vec::new(), transient: false }
    }

    /// The user asked for it.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(
            "interrupted",
            "interrupted",
            "`airtight up` goes on from here, `airtight down` removes what is there",
        )
    }

    /// A gate that did not hold in time.
    #[must_use]
    pub fn overdue(awaited: &str, state: &str, limit: Duration) -> Self {
        let message = format!("waited {} s for {awaited}; last seen: {state}", limit.as_secs());
        match recognise(Speaker::Kubernetes, state) {
            Some(symptom) => Self { message: format!("{}: {message}", symptom.cause), ..Self::of(symptom) },
            None => Self::new(
                "not-ready",
                message,
                "the exported logs show the pods; `airtight up` tries again from this step, with as much time again",
            ),
        }
    }

    /// What did not end in time.
    #[must_use]
    pub(super) fn timed_out(what: &str, after: Duration) -> Self {
        Self::new(
            "timed-out",
            // What was begun late has a part of a second left, and that is not none.
            format!("{what} did not end within {} s", after.as_secs_f64().round().max(1.0)),
            "run `airtight up` again: it goes on from this step; a slow line needs --registry-mirror or --image-archive",
        )
    }

    /// A failure whose cause is known by what was said.
    #[cfg(feature = "live")]
    #[must_use]
    pub(super) fn recognised(speaker: Speaker, said: &str) -> Option<Self> {
        recognise(speaker, said).map(Self::of)
    }

    /// The failure of a cause that shows in another way than by words.
    #[cfg(feature = "live")]
    #[must_use]
    pub(super) fn known(code: &'static str) -> Self {
        let symptom = SYMPTOMS.iter().find(|symptom| symptom.code == code);
        symptom.map_or_else(|| Self::new(code, code, "see what the program says above"), Self::of)
    }

    fn of(symptom: &'static Symptom) -> Self {
        Self { transient: symptom.transient, ..Self::new(symptom.code, symptom.cause, symptom.remedy) }
    }
}

impl From<ProgramError> for StepFailure {
    fn from(error: ProgramError) -> Self {
        let program = error.call.program;
        let mut detail = vec![format!("$ {}", error.call)];
        detail.extend(error.tail());
        let failure = match &error.ending {
            Ending::NotFound => Self::new(
                "program-missing",
                format!("`{}` is not installed, or not on the search path", program.name()),
                "`airtight preflight` names everything that is needed, and how to get it",
            ),
            Ending::Interrupted => Self::interrupted(),
            Ending::TimedOut(limit) => Self::timed_out(&format!("`{}`", program.name()), *limit),
            Ending::NotStarted(_) | Ending::Exit(_) | Ending::Signal(_) => by_output(&error),
        };
        Self { detail, ..failure }
    }
}

fn by_output(error: &ProgramError) -> StepFailure {
    let said = format!("{}\n{}", error.output.stdout, error.output.stderr);
    match recognise(error.call.program.into(), &said) {
        Some(symptom) => StepFailure::of(symptom),
        None => StepFailure::new(
            "program-failed",
            format!("`{}` {}", error.call.program.name(), error.ending),
            "its output is above; `airtight up` tries again from this step",
        ),
    }
}
