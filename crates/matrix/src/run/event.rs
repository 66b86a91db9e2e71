//! Events: what happens during a run, in order.

use std::io;

use airtight_manifest::Diagnostic;

use super::record::{CanaryRecord, CaseRecord, RunRecord, StackRecord};

/// One thing that happened during a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The run begins.
    Started {
        /// Where flows are tried.
        testbed: &'a str,
        /// On which versions.
        stack: &'a StackRecord,
        /// How many cases were selected.
        cases: usize,
        /// How many objects were loaded, and from where.
        manifests: &'a str,
    },
    /// Something was found about an input.
    Finding(&'a Diagnostic),
    /// The canary was tried.
    Canary(&'a CanaryRecord),
    /// A case was judged.
    CaseFinished(&'a CaseRecord),
    /// The run is over.
    Finished(&'a RunRecord),
    /// The user ended it, with so many cases judged before: it proves nothing.
    Stopped(usize),
}

/// One consumer of the event stream.
pub trait Subscriber {
    /// Takes one event.
    ///
    /// # Errors
    /// When the consumer cannot write; a closed pipe is an error of kind `BrokenPipe`.
    fn event(&mut self, event: &Event<'_>) -> io::Result<()>;
}
