//! A run: the matrix tried on a testbed, told as a stream of events that every report consumes.

mod event;
mod record;

pub use event::{Event, Subscriber};
pub use record::{
    CanaryRecord, CaseRecord, ExitStatus, PolicyRecord, RUN_SCHEMA, RunRecord, StackRecord, Summary, ToolRecord,
};
