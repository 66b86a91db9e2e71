//! What differs between two runs beside their cases' results: the platform, the policies, the matrix.

use std::collections::BTreeMap;

use airtight_manifest::ObjectRef;
use airtight_matrix::run::{PolicyRecord, RunRecord};
use airtight_matrix::scenario::Case;
use serde::Serialize;

/// Another version of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionChange {
    /// Which component.
    pub component: String,
    /// Its version in the baseline; none if it had none.
    pub before: Option<String>,
    /// Its version now; none if it is gone.
    pub now: Option<String>,
}

/// What differs around the cases of two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Around {
    /// The testbed is another: outcomes may differ without anything being wrong.
    pub other_testbed: bool,
    /// The platform.
    pub versions: Vec<VersionChange>,
    /// Policy objects that are new, with their places.
    pub policies_added: Vec<String>,
    /// Policy objects that are gone.
    pub policies_removed: Vec<String>,
    /// Policy objects whose content changed, with their places.
    pub policies_changed: Vec<String>,
    /// Cases whose definition changed.
    pub cases_changed: Vec<String>,
}

impl Around {
    pub(super) fn between(baseline: &RunRecord, current: &RunRecord) -> Self {
        let (before, now) = (policies(baseline), policies(current));
        let place = |policy: &PolicyRecord| policy.rule.to_string();
        let absent = |policy: &&PolicyRecord| !before.contains_key(&*policy.rule.object);
        let changed = |policy: &&PolicyRecord| {
            before.get(&*policy.rule.object).is_some_and(|before| before.digest != policy.digest)
        };
        Self {
            other_testbed: baseline.testbed != current.testbed,
            versions: versions(baseline, current),
            policies_added: now.values().copied().filter(absent).map(place).collect(),
            policies_changed: now.values().copied().filter(changed).map(place).collect(),
            policies_removed: before
                .keys()
                .filter(|object| !now.contains_key(*object))
                .map(ToString::to_string)
                .collect(),
            cases_changed: cases_changed(baseline, current),
        }
    }
}

fn policies(record: &RunRecord) -> BTreeMap<&ObjectRef, &PolicyRecord> {
    record.policies.iter().map(|policy| (&*policy.rule.object, policy)).collect()
}

/// In the order of the current run; what is gone comes last.
fn versions(baseline: &RunRecord, current: &RunRecord) -> Vec<VersionChange> {
    let version = |record: &RunRecord, component: &str| {
        record.stack.versions.iter().find(|(name, _)| name == component).map(|(_, version)| version.clone())
    };
    let mut components: Vec<&String> = current.stack.versions.iter().map(|(name, _)| name).collect();
    let gone = baseline.stack.versions.iter().map(|(name, _)| name);
    components.extend(gone.filter(|name| version(current, name).is_none()));
    let change = |component: &String| VersionChange {
        component: component.clone(),
        before: version(baseline, component),
        now: version(current, component),
    };
    components.into_iter().map(change).filter(|change| change.before != change.now).collect()
}

fn cases_changed(baseline: &RunRecord, current: &RunRecord) -> Vec<String> {
    let before: BTreeMap<&str, &Case> = baseline.cases.iter().map(|each| (each.case.id.as_str(), &each.case)).collect();
    let changed = |case: &&Case| before.get(case.id.as_str()).is_some_and(|before| !same(before, case));
    current.cases.iter().map(|each| &each.case).filter(changed).map(|case| case.id.clone()).collect()
}

/// Whether two cases say the same, wherever they are written.
fn same(before: &Case, now: &Case) -> bool {
    Case { at: now.at.clone(), ..before.clone() } == *now
}
