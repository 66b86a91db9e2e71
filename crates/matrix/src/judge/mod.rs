//! Judging: expectation × observation × twin × evidence → verdict.

mod allowed;
mod denied;

mod observation;
mod prediction;
mod rules;
mod usable;
mod verdict;

pub use denied::{ends_anyway, got_past};
pub use observation::{Evidence, Observation};
pub use prediction::{Agreement, Prediction, Wrong, agree};
pub use rules::{Judged, judge};
pub use verdict::{Judgement, Verdict};
