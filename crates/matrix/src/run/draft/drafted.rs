//! Chosen flows as cases of scenarios, with their names and titles.

use std::collections::BTreeMap;

use airtight_manifest::RuleRef;
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Layer, Outcome, Reason, TokenState};
use airtight_model::world::Protocol;

use super::choose::Choices;
use super::ledger::TriedId;
use super::survey::{Ending, Survey};
use crate::scenario::CaseId;

/// What becomes of a case in a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    Allow { outcome: Outcome, by: Option<String> },
    Deny { by: Layer, outcome: Outcome, because: Option<Reason>, twin: CaseId },
}

/// A case with its names.
#[derive(Debug, Clone)]
pub(super) struct DraftedCase {
    pub(super) tried: TriedId,
    pub(super) id: CaseId,
    pub(super) title: String,
    pub(super) flow: Flow,
    pub(super) expect: Expected,
    /// What it was drafted from, in words.
    pub(super) rules: Vec<String>,
}

/// The cases of one namespace.
#[derive(Debug, Clone)]
pub(super) struct DraftedScenario {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) cases: Vec<DraftedCase>,
}

/// Everything that a file says.
#[derive(Debug, Clone)]
pub(super) struct Drafted {
    pub(super) scenarios: Vec<DraftedScenario>,
    pub(super) undrafted: Vec<(RuleRef, String)>,
    pub(super) unnoticed: Vec<RuleRef>,
}

impl Drafted {
    pub(super) fn of(
        survey: &Survey,
        choices: &Choices,
        undrafted: &[(RuleRef, String)],
        unnoticed: &[RuleRef],
    ) -> Self {
        // A denied case stands behind its twin.
        let mut order: Vec<TriedId> = choices.cases.keys().copied().collect();
        order.sort_by_key(|id| {
            let leader = choices.cases[id].twin.unwrap_or(*id);
            (home(survey, leader), survey.aim(leader).clone(), leader, choices.cases[id].twin.is_some(), *id)
        });
        let mut ids = BTreeMap::new();
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for id in &order {
            let home = home(survey, choices.cases[id].twin.unwrap_or(*id));
            let number = numbers.entry(home.clone()).or_default();
            *number += 1;
            ids.insert(*id, format!("{}-{number:02}", home.to_uppercase()));
        }
        let mut scenarios: Vec<DraftedScenario> = Vec::new();
        for id in order {
            let home = home(survey, choices.cases[&id].twin.unwrap_or(id));
            let name = format!("drafted-{}", home.to_lowercase());
            if scenarios.last().is_none_or(|scenario| scenario.name != name) {
                let title = format!("Who reaches what in {home}, and what {home} reaches");
                scenarios.push(DraftedScenario { name, title, cases: Vec::new() });
            }
            if let (Some(scenario), Some(case)) = (scenarios.last_mut(), drafted_case(survey, choices, &ids, id)) {
                scenario.cases.push(case);
            }
        }
        Self { scenarios, undrafted: undrafted.to_vec(), unnoticed: unnoticed.to_vec() }
    }
}

fn drafted_case(
    survey: &Survey,
    choices: &Choices,
    ids: &BTreeMap<TriedId, CaseId>,
    id: TriedId,
) -> Option<DraftedCase> {
    let flow = survey.flow(id);
    let choice = &choices.cases[&id];
    let (expect, verb) = match (&survey.tried[id].end, choice.twin) {
        (Ending::Denied { layer, outcome, because, .. }, Some(twin)) => {
            let twin = ids.get(&twin)?.clone();
            (Expected::Deny { by: *layer, outcome: outcome.clone(), because: *because, twin }, "does not reach")
        }
        (Ending::Through { outcome, by }, None) => {
            // Of a gateway's routes another might take the request, and answer as well.
            let by = by.clone().filter(|_| matches!(flow.to, Destination::Gateway(..)));
            (Expected::Allow { outcome: outcome.clone(), by }, "reaches")
        }
        (Ending::Denied { .. } | Ending::Through { .. } | Ending::Vacuous | Ending::Unknown(_), _) => return None,
    };
    Some(DraftedCase {
        tried: id,
        id: ids.get(&id)?.clone(),
        title: title(&flow, verb),
        expect,
        rules: choice.rules.iter().map(ToString::to_string).collect(),
        flow,
    })
}

/// The namespace that a flow is filed under: that of its target, else that of its source.
fn home(survey: &Survey, id: TriedId) -> String {
    home_of_ends(&survey.aim(id).to, survey.source(id))
}

/// The same of a flow.
pub(super) fn home_of(flow: &Flow) -> String {
    home_of_ends(&flow.to, &flow.from)
}

fn home_of_ends(to: &Destination, from: &Source) -> String {
    match (to, from) {
        (
            Destination::Service(namespace, _) | Destination::Pod(namespace, _) | Destination::Gateway(namespace, _),
            _,
        )
        | (
            Destination::Host(_)
            | Destination::Address(_)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_),
            Source::Workload(namespace, _),
        ) => namespace.clone(),
        (
            Destination::Host(_)
            | Destination::Address(_)
            | Destination::Node(_)
            | Destination::Name(_)
            | Destination::Object(_),
            Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_),
        ) => "cluster".to_owned(),
    }
}

/// One sentence.
pub(super) fn title(flow: &Flow, verb: &str) -> String {
    let from = match &flow.from {
        Source::Outside => "a user outside".to_owned(),
        Source::Kubelet => "the kubelet".to_owned(),
        source @ (Source::Workload(..) | Source::Node(_) | Source::User(_)) => source.to_string(),
    };
    let to = match &flow.to {
        Destination::Name(name) => {
            let verb = if verb == "reaches" { "resolves" } else { "does not resolve" };
            return format!("{from} {verb} {name}");
        }
        Destination::Service(namespace, name) => format!("{namespace}/{name}"),
        to @ (Destination::Pod(..)
        | Destination::Host(_)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Object(_)) => to.to_string(),
    };
    let port = match (flow.port, flow.protocol) {
        (Some(port), protocol) => format!(" on {protocol} {port}"),
        (None, protocol) => format!(" over {protocol}"),
    };
    let request = flow.request.as_ref().map_or_else(String::new, |request| {
        let token = match &request.token {
            Some(token) if token.state == TokenState::Valid => " with a token",
            Some(_) => " with a bad token",
            None => "",
        };
        let host =
            if matches!(flow.to, Destination::Gateway(..)) { format!(" at {}", request.host) } else { String::new() };
        format!(" by {} {}{host}{token}", request.method, request.path)
    });
    let plain = if flow.protocol == Protocol::Tcp && flow.tls.is_some() { " with TLS" } else { "" };
    format!("{from} {verb} {to}{port}{plain}{request}")
}
