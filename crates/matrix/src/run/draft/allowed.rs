//! Allowed flows as cases: those that nobody asserts yet.

use std::collections::BTreeMap;

use airtight_model::path::{Destination, Engine, Flow};

use super::document;
use super::drafted::{Drafted, DraftedCase, DraftedScenario, Expected, home_of, title};
use super::survey::{Ending, ending};
use crate::model::Model;

/// An allowed flow that nobody asserts, and the rules that let it through.
#[derive(Debug, Clone)]
pub(in crate::run) struct Unasserted {
    pub(in crate::run) flow: Flow,
    pub(in crate::run) rules: Vec<String>,
}

const HEAD: &str = "Drafted by `airtight coverage`: flows that are allowed, and that no case asserts. It says what the \
                    policies do, not what they should do. Of each, ask whether it is meant: if it is, keep the case and \
                    name its controls; if not, close the flow and turn the case into a denied one.";

/// Whether a flow gets through.
pub(in crate::run) fn gets_through(engine: &Engine<'_>, flow: &Flow) -> bool {
    matches!(ending(&Model::terse(engine).observe_one(flow), false), Ending::Through { .. })
}

/// A scenario file with a case for each flow that the model confirms; none if it confirms none.
pub(in crate::run) fn draft_allowed(engine: &Engine<'_>, flows: Vec<Unasserted>) -> Option<String> {
    let mut scenarios: BTreeMap<String, Vec<DraftedCase>> = BTreeMap::new();
    for (number, Unasserted { flow, rules }) in flows.into_iter().enumerate() {
        let seen = ending(&Model::terse(engine).observe_one(&flow), false);
        let Ending::Through { outcome, by } = seen else { continue };
        let by = by.filter(|_| matches!(flow.to, Destination::Gateway(..)));
        let cases = scenarios.entry(home_of(&flow)).or_default();
        cases.push(DraftedCase {
            tried: number,
            id: format!("OPEN-{:03}", number + 1),
            title: title(&flow, "reaches"),
            expect: Expected::Allow { outcome, by },
            rules,
            flow,
        });
    }
    if scenarios.is_empty() {
        return None;
    }
    let scenario = |(home, cases): (String, Vec<DraftedCase>)| DraftedScenario {
        name: format!("open-{}", home.to_lowercase()),
        title: format!("Allowed flows to {home} that no other case asserts"),
        cases,
    };
    let scenarios = scenarios.into_iter().map(scenario).collect();
    let drafted = Drafted { scenarios, undrafted: Vec::new(), unnoticed: Vec::new() };
    Some(document::write(HEAD, &drafted, engine.world()))
}
