//! What the cases cover: policy objects and controls.

use airtight_matrix::run::{PolicyRecord, RunRecord};

use super::anchor::{self, CaseLink, Targets};
use crate::control::{self, Bearing};
use crate::text::one_line;
use crate::wording::{is_uncovered, uncovered_words};

/// A policy object with the cases that exercise it.
pub(super) struct PolicyView {
    pub(super) anchor: String,
    pub(super) object: String,
    pub(super) layer: String,
    pub(super) at: String,
    pub(super) digest: String,
    pub(super) generated_by: String,
    /// Why it counts as uncovered; empty if it does not.
    pub(super) uncovered: String,
    pub(super) decides: Vec<CaseLink>,
    pub(super) noticed_by: Vec<CaseLink>,
}

/// A control with what the evidence says of it.
pub(super) struct ControlView {
    pub(super) id: String,
    /// `supports`, `contradicts` or `unreached`.
    pub(super) class: &'static str,
    pub(super) words: &'static str,
    pub(super) supports: Vec<CaseLink>,
    pub(super) contradicts: Vec<CaseLink>,
    pub(super) unreached: Vec<CaseLink>,
}

/// Every policy object; uncovered ones first, else in the order of the record.
pub(super) fn policies(record: &RunRecord) -> Vec<PolicyView> {
    let mut policies: Vec<&PolicyRecord> = record.policies.iter().collect();
    policies.sort_by_key(|policy| !is_uncovered(policy));
    let targets = Targets::of(record);
    policies.into_iter().map(|policy| policy_view(policy, &targets)).collect()
}

pub(super) fn policy_view(policy: &PolicyRecord, targets: &Targets<'_>) -> PolicyView {
    PolicyView {
        anchor: anchor::policy(&policy.rule.object),
        object: one_line(&policy.rule.object.to_string()),
        layer: one_line(&policy.layer),
        at: one_line(&policy.rule.at.to_string()),
        digest: one_line(&policy.digest),
        generated_by: policy.generated_by.as_ref().map(|object| one_line(&object.to_string())).unwrap_or_default(),
        uncovered: if is_uncovered(policy) { uncovered_words(policy) } else { String::new() },
        decides: targets.cases(&policy.decides),
        noticed_by: targets.cases(&policy.noticed_by),
    }
}

/// Every control that a case names.
pub(super) fn controls(record: &RunRecord) -> Vec<ControlView> {
    let targets = Targets::of(record);
    control::controls(record)
        .into_iter()
        .map(|standing| {
            let links = |wanted| {
                let cases = standing.cases.iter().filter(move |(_, bearing)| *bearing == wanted);
                cases.map(|(index, _)| targets.case(&record.cases[*index].case.id)).collect()
            };
            ControlView {
                id: one_line(standing.control),
                class: class(standing.bearing),
                words: standing.bearing.words(),
                supports: links(Bearing::Supports),
                contradicts: links(Bearing::Contradicts),
                unreached: links(Bearing::DoesNotReach),
            }
        })
        .collect()
}

fn class(bearing: Bearing) -> &'static str {
    match bearing {
        Bearing::Contradicts => "contradicts",
        Bearing::DoesNotReach => "unreached",
        Bearing::Supports => "supports",
    }
}
