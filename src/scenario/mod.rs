//! Scenarios: the matrix as files, expanded to cases.

mod case;

pub use case::{AllowExpectation, Case, CaseId, DenyExpectation, Expectation, Severity, Waiver};
