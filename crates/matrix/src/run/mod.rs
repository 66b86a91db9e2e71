//! A run: the matrix tried on a testbed, told as a stream of events that every report consumes.

pub mod ablation;
mod affected;
mod clock;
mod context;
pub mod coverage;
mod denials;
pub mod draft;
mod event;
mod guarded_testbed;
mod predictions;
mod record;
mod redact;
mod rounds;
mod runner;
mod schema;
mod subscribers;
mod tally;
mod waivers;

pub use clock::{Clock, FixedClock, SystemClock, now, today};
pub use context::{Coverage, RunContext};
pub use event::{Event, Subscriber};
pub use predictions::Predictions;
pub use record::{
    CanaryRecord, CaseRecord, EvidenceRecord, ExitStatus, PolicyRecord, RUN_SCHEMA, RunRecord, StackRecord, Summary,
    ToolRecord, WaiverRecord, WaiverState,
};
pub use redact::{REDACTED, is_named_secret, redacted_trace, shown_flow};
pub use runner::{judge_all, run};
pub use schema::schema;
