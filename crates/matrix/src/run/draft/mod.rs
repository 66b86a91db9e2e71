//! Drafts: scenarios for a policy set that has none yet.
//!
//! Every workload is tried at everything that it could aim at. For each allow rule the smallest flow that gets through
//! because of it becomes an allowed case, the nearest flow that is stopped a denied one, and for each policy that
//! nothing would miss yet a flow is sought that does. The text is read back and run before anybody gets it.

mod aim;
mod allow_rule;
mod choose;
mod document;
mod notice;
mod sample;
mod survey;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::{Diagnostic, ObjectRef, RuleRef, yaml};
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::policy::{Layer, Outcome};
use airtight_model::world::{Protocol, Role, World};
use allow_rule::{allow_rules, covers};
use choose::{Choices, Chooser};
use survey::{Ending, Survey, TriedId};

use super::judge_all;
use crate::judge::Verdict;
use crate::model::Model;
use crate::scenario::{CaseId, Catalogue};

/// A drafted scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its text.
    pub text: String,
    /// Allowed cases in it.
    pub allowed: usize,
    /// Denied cases in it.
    pub denied: usize,
    /// Allow rules of the policies.
    pub rules: usize,
    /// Allow rules without a case, each with the reason.
    pub undrafted: Vec<(RuleRef, String)>,
    /// Policies that no case would miss.
    pub unnoticed: Vec<RuleRef>,
}

/// Why nothing was drafted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// There is nobody to try anything.
    #[error("the manifests have no workloads")]
    NoWorkloads,
    /// There is nothing to draft from.
    #[error("the manifests have no rule that allows or denies traffic{}", .0.as_ref().map_or_else(String::new, |name| format!(" in namespace `{name}`")))]
    NoRules(Option<String>),
    /// No flow was found that shows what the policies do.
    #[error("none of {0} allow rules could be drafted")]
    Nothing(usize),
    /// The draft does not read back as what was meant; a fault of the program.
    #[error("the draft cannot be read back: {0}")]
    Unreadable(Diagnostic),
}

impl DraftError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoWorkloads => {
                "policies say who may reach whom, and a case needs a who: add the Deployments, StatefulSets or Pods that \
                 they select, for example from `kubectl get namespaces,deployments,statefulsets,daemonsets,services -A \
                 -o yaml`"
            }
            Self::NoRules(_) => "name the folder that holds the policies, and their namespace with --namespace",
            Self::Nothing(_) => {
                "`airtight list --workloads` shows what the policies could select; what the API server would refuse of \
                 them is said above"
            }
            Self::Unreadable(_) => "this is a fault of airtight: please report it with the policies",
        }
    }
}

/// Drafts scenarios for the policies of `world`, of one namespace or of all.
///
/// `today` is the day on which the draft is read back.
///
/// # Errors
/// When there is nothing to draft from, or nothing to try.
pub fn draft(world: &World, namespace: Option<&str>, today: jiff::civil::Date) -> Result<Draft, DraftError> {
    let is_wanted = |object: &ObjectRef| namespace.is_none_or(|wanted| object.namespace.as_deref() == Some(wanted));
    let is_workload = |pod: &airtight_model::world::Pod| pod.role == Role::Workload && !is_stand_in(&pod.origin);
    if !world.pods.iter().any(is_workload) {
        return Err(DraftError::NoWorkloads);
    }
    let rules: Vec<RuleRef> = allow_rules(world).into_iter().filter(|rule| is_wanted(&rule.object)).collect();
    let engine = Engine::compile(world);
    let survey = Survey::of(&engine);
    let mut choices = Choices::default();
    let mut undrafted = choose_for_rules(world, &survey, &rules, &mut choices);
    let mut unnoticed = notice::complete(world, &survey, &mut choices, is_wanted);
    if rules.is_empty() && choices.cases.is_empty() {
        return Err(DraftError::NoRules(namespace.map(str::to_owned)));
    }
    // What does not pass as it was read back is left out, until everything does.
    loop {
        let drafted = Drafted::of(&survey, &choices, &undrafted, &unnoticed);
        let cases: usize = drafted.scenarios.iter().map(|scenario| scenario.cases.len()).sum();
        if cases == 0 {
            return Err(DraftError::Nothing(rules.len()));
        }
        let text = document::write(&drafted, world);
        let failed = failing(&text, &drafted, &engine, today)?;
        if failed.is_empty() {
            let denied = choices.cases.values().filter(|choice| choice.twin.is_some()).count();
            return Ok(Draft { text, allowed: cases - denied, denied, rules: rules.len(), undrafted, unnoticed });
        }
        let dropped = choices.drop_all(&failed);
        let (of_rules, of_objects): (Vec<_>, Vec<_>) = dropped.into_iter().partition(|rule| rules.contains(rule));
        undrafted.extend(of_rules.into_iter().map(|rule| (rule, "the model does not confirm its case".to_owned())));
        unnoticed.extend(of_objects);
    }
}

/// Whether it was written by nobody but stands in for what every cluster has.
fn is_stand_in(origin: &RuleRef) -> bool {
    origin.at.file.starts_with("built-in/")
}

fn choose_for_rules(
    world: &World,
    survey: &Survey,
    rules: &[RuleRef],
    choices: &mut Choices,
) -> Vec<(RuleRef, String)> {
    let mut chooser = Chooser::new(survey);
    let mut undrafted = Vec::new();
    for rule in rules {
        let Some(allowed) = chooser.example(rule) else {
            undrafted.push((rule.clone(), why_not(world, survey, rule)));
            continue;
        };
        choices.allow(allowed, Some(rule.clone()));
        if let Some((_, denied)) = chooser.boundary(allowed, rule) {
            choices.deny(denied, allowed, stopping(survey, denied));
        }
        for denied in chooser.side_boundaries(allowed, rule) {
            choices.deny(denied, allowed, stopping(survey, denied));
        }
    }
    undrafted
}

/// The rules that ended a denied flow.
fn stopping(survey: &Survey, denied: TriedId) -> Vec<RuleRef> {
    survey.tried[denied].denied_by.iter().map(|rule| survey.rules[*rule].clone()).collect()
}

/// Why no flow gets through because of a rule.
fn why_not(world: &World, survey: &Survey, rule: &RuleRef) -> String {
    if let Some(policy) = world.objects.network_policies.iter().find(|policy| policy.meta.object == rule.object) {
        let selected = |pod: &&airtight_model::world::Pod| {
            *pod.namespace == *policy.meta.namespace()
                && airtight_manifest::selects(&policy.body.spec.pod_selector, &pod.labels)
        };
        if !world.pods.iter().any(|pod| selected(&pod)) {
            return "it selects no pod of the manifests".to_owned();
        }
    }
    let lets_on = |tried: &&survey::Tried| tried.allowed_by.iter().any(|(by, _)| covers(rule, &survey.rules[*by]));
    let mut stopped = survey.tried.iter().enumerate().filter(|(_, tried)| lets_on(tried)).map(|(id, _)| id);
    if let Some(id) = stopped.next() {
        let end = match &survey.tried[id].end {
            Ending::Denied { layer, .. } => format!("{layer} stops it"),
            Ending::Unknown(why) => format!("the model cannot tell: {why}"),
            Ending::Vacuous => "nothing answers there".to_owned(),
            Ending::Through { .. } => "it gets through".to_owned(),
        };
        return format!("whatever it lets on ends elsewhere, such as {}: {end}", survey.flow(id));
    }
    let is_route = matches!(&*rule.object.kind, "HTTPRoute" | "GRPCRoute");
    let answered = |tried: &survey::Tried| tried.denied_by.iter().any(|by| covers(rule, &survey.rules[*by]));
    if is_route && survey.tried.iter().any(answered) {
        return "whatever it takes, the proxy answers by itself: there is nobody to reach".to_owned();
    }
    let unknown = survey.tried.iter().find_map(|tried| match &tried.end {
        Ending::Unknown(why) if tried.met.iter().any(|met| survey.rules[*met].object == rule.object) => Some(why),
        Ending::Unknown(_) | Ending::Through { .. } | Ending::Denied { .. } | Ending::Vacuous => None,
    });
    match unknown {
        Some(why) => format!("the model cannot tell: {why}"),
        None => "no workload, host or node of the manifests and the environment is its source or its target".to_owned(),
    }
}

/// What becomes of a case in a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Allow { outcome: Outcome, by: Option<String> },
    Deny { by: Layer, outcome: Outcome, twin: CaseId },
}

/// A case with its names.
#[derive(Debug, Clone)]
struct DraftedCase {
    tried: TriedId,
    id: CaseId,
    title: String,
    flow: Flow,
    expect: Expected,
    /// What it was drafted from, in words.
    rules: Vec<String>,
}

/// The cases of one namespace.
#[derive(Debug, Clone)]
struct DraftedScenario {
    name: String,
    title: String,
    cases: Vec<DraftedCase>,
}

/// Everything that a file says.
#[derive(Debug, Clone)]
struct Drafted {
    scenarios: Vec<DraftedScenario>,
    undrafted: Vec<(RuleRef, String)>,
    unnoticed: Vec<RuleRef>,
}

impl Drafted {
    fn of(survey: &Survey, choices: &Choices, undrafted: &[(RuleRef, String)], unnoticed: &[RuleRef]) -> Self {
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
        (Ending::Denied { layer, outcome, .. }, Some(twin)) => {
            let twin = ids.get(&twin)?.clone();
            (Expected::Deny { by: *layer, outcome: outcome.clone(), twin }, "does not reach")
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
    match (&survey.aim(id).to, survey.source(id)) {
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
fn title(flow: &Flow, verb: &str) -> String {
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
            Some(token) if token.state == airtight_model::policy::TokenState::Valid => " with a token",
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

/// Reads the text back as `airtight run` will, runs it, and returns the flows whose cases do not pass.
fn failing(
    text: &str,
    drafted: &Drafted,
    engine: &Engine<'_>,
    today: jiff::civil::Date,
) -> Result<BTreeSet<TriedId>, DraftError> {
    let first = |findings: Vec<Diagnostic>| {
        let unexplained = || Diagnostic::error("draft", "no finding says why");
        DraftError::Unreadable(findings.into_iter().next().unwrap_or_else(unexplained))
    };
    let documents = yaml::parse(&Arc::from("draft.yaml"), text).map_err(|finding| first(vec![finding]))?;
    let catalogue = Catalogue::embedded().map_err(first)?;
    let plan = crate::scenario::load(&documents, engine.world(), &catalogue, today).map_err(first)?;
    let records = judge_all(&plan, &mut Model::new(engine));
    let passing: BTreeMap<&str, &Flow> = records
        .iter()
        .filter(|record| record.judgement.verdict == Verdict::Pass)
        .map(|record| (record.case.id.as_str(), &record.case.flow))
        .collect();
    let cases = drafted.scenarios.iter().flat_map(|scenario| &scenario.cases);
    // A case that reads back as another flow than the one that was traced proves nothing about it.
    let failing = cases.filter(|case| passing.get(case.id.as_str()) != Some(&&case.flow));
    Ok(failing.map(|case| case.tried).collect())
}
