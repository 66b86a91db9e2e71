//! What the cases cover: policy objects and controls.

use std::collections::BTreeSet;

use airtight_matrix::run::{PolicyRecord, RunRecord};
use airtight_matrix::scenario::{Catalogue, Control, Strength};

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
    /// Where it can be read on the web; else empty.
    pub(super) link: String,
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
    /// Its title, and how much a passing case says about it; empty of one that the catalogue does not know.
    pub(super) title: String,
    pub(super) strength: &'static str,
    /// What evidence from flows leaves open.
    pub(super) gaps: String,
    /// `supports`, `contradicts` or `unreached`.
    pub(super) class: &'static str,
    pub(super) words: &'static str,
    pub(super) supports: Vec<CaseLink>,
    pub(super) contradicts: Vec<CaseLink>,
    pub(super) unreached: Vec<CaseLink>,
}

/// Every policy object; uncovered ones first, else in the order of the record.
pub(super) fn policies(record: &RunRecord, targets: &Targets<'_>) -> Vec<PolicyView> {
    let mut policies: Vec<&PolicyRecord> = record.policies.iter().collect();
    policies.sort_by_key(|policy| !is_uncovered(policy));
    policies.into_iter().map(|policy| policy_view(policy, targets)).collect()
}

pub(super) fn policy_view(policy: &PolicyRecord, targets: &Targets<'_>) -> PolicyView {
    PolicyView {
        anchor: anchor::policy(&policy.rule.object),
        object: one_line(&policy.rule.object.to_string()),
        layer: one_line(&policy.layer),
        at: one_line(&policy.rule.at.to_string()),
        link: targets.source(&policy.rule.at),
        digest: one_line(&policy.digest),
        generated_by: policy.generated_by.as_ref().map(|object| one_line(&object.to_string())).unwrap_or_default(),
        uncovered: if is_uncovered(policy) { uncovered_words(policy) } else { String::new() },
        decides: targets.cases(&policy.decides),
        noticed_by: targets.cases(&policy.noticed_by),
    }
}

/// A body of controls with those that no case of the run names.
pub(super) struct FrameworkView {
    pub(super) title: String,
    /// Id and title.
    pub(super) controls: Vec<(String, String)>,
}

/// Controls of the catalogue that no case names, by framework.
pub(super) fn uncovered_controls(record: &RunRecord) -> Vec<FrameworkView> {
    let Ok(catalogue) = Catalogue::embedded() else { return Vec::new() };
    let named: BTreeSet<*const Control> = record
        .cases
        .iter()
        .flat_map(|case| &case.case.controls)
        .filter_map(|id| catalogue.control(id).map(|(_, control)| std::ptr::from_ref(control)))
        .collect();
    let views = catalogue.frameworks.iter().map(|framework| {
        let missing = framework.controls.iter().filter(|control| !named.contains(&std::ptr::from_ref(*control)));
        FrameworkView {
            title: one_line(&format!("{}, {}", framework.title, framework.version)),
            controls: missing.map(|control| (one_line(&control.id), one_line(&control.title))).collect(),
        }
    });
    views.filter(|view| !view.controls.is_empty()).collect()
}

fn strength_word(strength: Strength) -> &'static str {
    match strength {
        Strength::Supporting => "supporting",
        Strength::Partial => "partial",
        Strength::Direct => "direct",
    }
}

/// Every control that a case names.
pub(super) fn controls(record: &RunRecord, targets: &Targets<'_>) -> Vec<ControlView> {
    let catalogue = Catalogue::embedded().unwrap_or_default();
    control::controls(record)
        .into_iter()
        .map(|standing| {
            let links = |wanted| {
                let cases = standing.cases.iter().filter(move |(_, bearing)| *bearing == wanted);
                cases.map(|(index, _)| targets.case(&record.cases[*index].case.id)).collect()
            };
            let known = catalogue.control(standing.control);
            ControlView {
                id: one_line(standing.control),
                title: known.map(|(_, control)| one_line(&control.title)).unwrap_or_default(),
                strength: known.map_or("", |(_, control)| strength_word(control.strength())),
                gaps: known.and_then(|(_, control)| control.gaps.as_deref()).map(one_line).unwrap_or_default(),
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
