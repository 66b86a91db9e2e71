//! How a case stands: the six marks that every report uses.

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::CaseRecord;
use airtight_matrix::scenario::Expectation;

/// How a case stands; the worst sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The expectation does not hold.
    Failed,
    /// Nobody can tell.
    Inconclusive,
    /// The expectation does not hold, and someone answers for it.
    Waived,
    /// The case was not tried.
    Skipped,
    /// Denied, as expected.
    Denied,
    /// Allowed, as expected.
    Allowed,
}

impl Standing {
    /// Every standing, the worst first.
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Inconclusive, Self::Waived, Self::Skipped, Self::Denied, Self::Allowed];

    /// How a case stands.
    #[must_use]
    pub fn of(record: &CaseRecord) -> Self {
        match (&record.judgement.verdict, &record.case.expect) {
            (Verdict::Pass, Expectation::Allow(_)) => Self::Allowed,
            (Verdict::Pass, Expectation::Deny(_)) => Self::Denied,
            (Verdict::Fail, _) => Self::Failed,
            (Verdict::Inconclusive, _) => Self::Inconclusive,
            (Verdict::Skipped { .. }, _) => Self::Skipped,
            (Verdict::Waived { .. }, _) => Self::Waived,
        }
    }

    /// One word for a reader; also the class in the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Waived => "waived",
            Self::Skipped => "skipped",
            Self::Denied => "denied",
            Self::Allowed => "allowed",
        }
    }

    /// The verdict, as the record names it.
    #[must_use]
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Failed => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Waived => "waived",
            Self::Skipped => "skipped",
            Self::Denied | Self::Allowed => "pass",
        }
    }

    /// One character that is told from the others without colour.
    #[must_use]
    pub fn glyph(self) -> &'static str {
        match self {
            Self::Failed => "✗",
            Self::Inconclusive => "?",
            Self::Waived => "~",
            Self::Skipped => "-",
            Self::Denied => "⊘",
            Self::Allowed => "✓",
        }
    }
}
