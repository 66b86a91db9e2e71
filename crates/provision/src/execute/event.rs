//! What is told while steps are carried out, and how it ended.

use std::path::PathBuf;

use crate::failure::StepFailure;

/// What happens, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step was done before, and still holds.
    Kept {
        /// Its id.
        step: String,
    },
    /// A step begins.
    Started {
        /// Its id.
        step: String,
        /// What it does.
        title: String,
    },
    /// A step waits.
    Waiting {
        /// Its id.
        step: String,
        /// For what, and how far it is.
        what: String,
        /// Seconds since it began.
        seconds: u64,
    },
    /// A step is done.
    Done {
        /// Its id.
        step: String,
        /// Seconds that it took.
        seconds: u64,
    },
    /// A step failed.
    Failed {
        /// Its id.
        step: String,
        /// Seconds that it took.
        seconds: u64,
        /// Why.
        failure: StepFailure,
    },
    /// The nodes' logs were written.
    Logs {
        /// Where.
        folder: PathBuf,
    },
    /// The nodes' logs could not be written, or not all of them.
    NoLogs {
        /// Where those are that could.
        folder: PathBuf,
        /// Why.
        failure: StepFailure,
    },
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// Steps that failed, with the reason.
    pub failures: Vec<(String, StepFailure)>,
    /// Steps that are done.
    pub done: Vec<String>,
    /// Steps that were not begun, or were left half-way.
    pub open: Vec<String>,
    /// Whether the user asked for the end.
    pub interrupted: bool,
}
