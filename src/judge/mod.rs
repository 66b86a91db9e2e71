//! Judging: expectation × observation × twin × evidence → verdict.

mod observation;
mod verdict;

pub use observation::{Evidence, Observation};
pub use verdict::{Judgement, Verdict};
