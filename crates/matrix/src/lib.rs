//! The matrix: scenarios, judgement, runs, and where flows are tried.
//!
//! In the picture it stands between the model and the reports. [`scenario`] reads files into a plan of cases, each a
//! flow with an expectation and a twin; [`testbed`] is what tries flows, and [`model`] the one of them that computes;
//! [`judge`] weighs observation against expectation, never in favour of doubt; [`run`] drives all of it as a stream of
//! events, which every report consumes.
//!
//! ```
//! use airtight_matrix::run::{RunContext, RunRecord, StackRecord, SystemClock, run};
//! use airtight_matrix::scenario::Plan;
//! use airtight_matrix::testbed::Testbed;
//!
//! /// Tries a plan, and says how to exit.
//! fn exit_code(plan: &Plan, testbed: &mut dyn Testbed) -> u8 {
//!     let clock = SystemClock::default();
//!     let stack = StackRecord { name: "reference".to_owned(), versions: Vec::new() };
//!     let record: RunRecord = run(plan, testbed, RunContext::new(stack, &clock), &mut []);
//!     record.summary.status.code()
//! }
//! ```

pub mod judge;
pub mod model;
pub mod run;
pub mod scenario;
pub mod testbed;
