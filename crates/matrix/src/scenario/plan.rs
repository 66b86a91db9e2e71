//! Plans: the cases of a run in their order, and the choice of some of them.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, CaseId};
use super::filter::Filter;
use super::waiver::FileWaiver;

/// Cases in the order of the matrix, each denied one together with its twin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The scenarios in the order of loading.
    pub scenarios: Vec<ScenarioInfo>,
    /// The cases.
    pub cases: Vec<PlannedCase>,
    /// Waivers that stand in files of their own.
    pub waivers: Vec<FileWaiver>,
    /// Whether cases were left out by a selection.
    pub partial: bool,
}

/// A scenario without its cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioInfo {
    /// Name.
    pub name: String,
    /// One sentence: what it shows.
    pub title: String,
    /// The suite that its cases belong to.
    pub suite: Option<String>,
}

/// A case of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCase {
    /// The case.
    pub case: Case,
    /// The suite that it belongs to.
    pub suite: Option<String>,
    /// Not selected itself: it is tried as the twin of a case that is.
    pub support: bool,
}

/// Which cases of a plan to run; empty selects all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// A case must satisfy one of them, if there are any.
    pub filters: Vec<Filter>,
    /// A case must belong to one of them, if there are any.
    pub suites: Vec<String>,
    /// A case must be one of them; none: it may be any.
    pub ids: Option<BTreeSet<CaseId>>,
}

impl Selection {
    fn takes(&self, case: &PlannedCase) -> bool {
        let by_filter = self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(case));
        let by_suite = self.suites.is_empty() || case.suite.as_ref().is_some_and(|suite| self.suites.contains(suite));
        by_filter && by_suite && self.ids.as_ref().is_none_or(|ids| ids.contains(&case.case.id))
    }
}

impl Plan {
    /// A case by its id.
    #[must_use]
    pub fn case(&self, id: &str) -> Option<&PlannedCase> {
        self.cases.iter().find(|planned| planned.case.id == id)
    }

    /// Names of all suites.
    #[must_use]
    pub fn suites(&self) -> BTreeSet<&str> {
        self.cases.iter().filter_map(|planned| planned.suite.as_deref()).collect()
    }

    /// Titles of the scenarios by name.
    #[must_use]
    pub fn titles(&self) -> BTreeMap<String, String> {
        self.scenarios.iter().map(|scenario| (scenario.name.clone(), scenario.title.clone())).collect()
    }

    /// The selected cases in the order of the matrix; the twin of a selected case is taken along as its support.
    #[must_use]
    pub fn select(&self, selection: &Selection) -> Self {
        let selected: BTreeSet<&CaseId> =
            self.cases.iter().filter(|planned| selection.takes(planned)).map(|planned| &planned.case.id).collect();
        let twins: BTreeSet<&CaseId> = self
            .cases
            .iter()
            .filter(|planned| selected.contains(&planned.case.id))
            .filter_map(|planned| planned.case.twin.as_ref())
            .collect();
        let cases: Vec<_> = self
            .cases
            .iter()
            .filter(|planned| selected.contains(&planned.case.id) || twins.contains(&planned.case.id))
            .map(|planned| PlannedCase { support: !selected.contains(&planned.case.id), ..planned.clone() })
            .collect();
        let used: BTreeSet<&str> = cases.iter().map(|planned| planned.case.scenario.as_str()).collect();
        let scenarios = self.scenarios.iter().filter(|scenario| used.contains(scenario.name.as_str())).cloned();
        let partial = self.partial || cases.len() < self.cases.len();
        Self { scenarios: scenarios.collect(), cases, waivers: self.waivers.clone(), partial }
    }
}
