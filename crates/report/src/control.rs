//! What the evidence says of each control: it supports, contradicts, or does not reach.

use std::collections::BTreeMap;

use airtight_matrix::run::RunRecord;

use super::standing::Standing;

/// What evidence says of a control; the weakest sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bearing {
    /// A case that gives evidence for it failed, waived or not.
    Contradicts,
    /// A case that should give evidence for it was not tried or came to nothing.
    DoesNotReach,
    /// Every case that gives evidence for it passed.
    Supports,
}

impl Bearing {
    /// What a case that stands like this says of its controls.
    #[must_use]
    pub fn of(standing: Standing) -> Self {
        match standing {
            Standing::Failed | Standing::Waived => Self::Contradicts,
            Standing::Inconclusive | Standing::Skipped => Self::DoesNotReach,
            Standing::Denied | Standing::Allowed => Self::Supports,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Contradicts => "evidence contradicts",
            Self::DoesNotReach => "evidence does not reach",
            Self::Supports => "evidence supports",
        }
    }
}

/// One control with the indices of the cases that give evidence for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlStanding<'a> {
    /// Its id, such as `nist-800-53/AC-4`.
    pub control: &'a str,
    /// What the evidence says as a whole: as little as the weakest of its cases.
    pub bearing: Bearing,
    /// Cases (by index in the record) with what each says.
    pub cases: Vec<(usize, Bearing)>,
}

/// Every control that a case names, in the order of their ids.
#[must_use]
pub fn controls(record: &RunRecord) -> Vec<ControlStanding<'_>> {
    let mut by_control: BTreeMap<&str, Vec<(usize, Bearing)>> = BTreeMap::new();
    for (index, case) in record.cases.iter().enumerate() {
        for control in &case.case.controls {
            by_control.entry(control).or_default().push((index, Bearing::of(Standing::of(case))));
        }
    }
    by_control
        .into_iter()
        .map(|(control, cases)| {
            let bearing = cases.iter().map(|(_, bearing)| *bearing).min().unwrap_or(Bearing::DoesNotReach);
            ControlStanding { control, bearing, cases }
        })
        .collect()
}
