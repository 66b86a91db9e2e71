//! Verdicts: a closed set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// The expectation holds, and evidence says so.
    Pass,
    /// The expectation does not hold.
    Fail,
    /// Nobody can tell.
    Inconclusive,
    /// The case was not tried.
    Skipped {
        /// Why.
        reason: String,
    },
    /// The expectation does not hold, and someone answers for it until a day.
    Waived {
        /// The last day.
        until: String,
        /// Why; called `waiver` in JSON, where [`Judgement`] lies flat around it and has a `why` of its own.
        #[serde(rename = "waiver")]
        why: String,
    },
}

/// A verdict and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// One sentence for a reader, naming what was expected and what was seen.
    pub why: String,
    /// Passed only after a retry.
    pub flaky: bool,
}
