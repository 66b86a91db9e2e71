//! How a draft comes about: chosen flows become cases, the text is read back, and what does not pass is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::{Diagnostic, ObjectRef, RuleRef, yaml};
use airtight_model::path::{Engine, Flow};
use airtight_model::world::{Role, World};

use super::allow_rule::{allow_rules, covers};
use super::choose::{Choices, Chooser};
use super::drafted::Drafted;
use super::ledger::TriedId;
use super::survey::{Ending, Survey};
use super::{document, edge, neighbour, notice, survey};
use crate::judge::Verdict;
use crate::model::Model;
use crate::run::judge_all;
use crate::scenario::Catalogue;

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
            Self::NoRules(_) => {
                "name the folder that holds the policies, and their namespace with --namespace; what the API server would \
                 refuse of them, if it is said above, is no rule"
            }
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
    let mut survey = Survey::of(&engine);
    let mut choices = Choices::default();
    let (examples, mut undrafted) = choose_for_rules(world, &survey, &rules, &mut choices);
    for (rule, allowed) in &examples {
        edge::complete(&mut survey, &engine, (rule, *allowed), &mut choices);
    }
    let survey = survey;
    neighbour::complete(&survey, &mut choices, is_wanted);
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
        let text = document::write(document::HEAD, &drafted, world);
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

/// Rules with the flow that shows each, and rules that no flow shows, with the reason.
type ByRule = (Vec<(RuleRef, TriedId)>, Vec<(RuleRef, String)>);

fn choose_for_rules(world: &World, survey: &Survey, rules: &[RuleRef], choices: &mut Choices) -> ByRule {
    let mut chooser = Chooser::new(survey);
    let (mut examples, mut undrafted) = (Vec::new(), Vec::new());
    for rule in rules {
        let Some(allowed) = chooser.example(rule) else {
            undrafted.push((rule.clone(), why_not(world, survey, rule)));
            continue;
        };
        choices.allow(allowed, Some(rule.clone()));
        examples.push((rule.clone(), allowed));
        if let Some((_, denied)) = chooser.boundary(allowed, rule) {
            choices.deny(denied, allowed, survey.stopping(denied));
        }
        let around = chooser.neighbours(allowed, rule);
        for denied in around.into_iter().chain(chooser.side_boundaries(allowed, rule)) {
            choices.deny(denied, allowed, survey.stopping(denied));
        }
    }
    (examples, undrafted)
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
    if let Some((id, _)) = survey.ledger.through(rule).first().copied() {
        let end = match &survey.tried[id].end {
            Ending::Denied { layer, .. } => format!("{layer} stops it"),
            Ending::Unknown(why) => format!("the model cannot tell: {why}"),
            Ending::Vacuous => "nothing answers there".to_owned(),
            Ending::Through { .. } => "it gets through".to_owned(),
        };
        return format!("whatever it lets on ends elsewhere, such as {}: {end}", survey.flow(id));
    }
    let is_route = matches!(&*rule.object.kind, "HTTPRoute" | "GRPCRoute");
    let answered = |tried: &survey::Tried| tried.denied_by.iter().any(|by| covers(rule, survey.ledger.rule(*by)));
    if is_route && survey.tried.iter().any(answered) {
        return "whatever it takes, the proxy answers by itself: there is nobody to reach".to_owned();
    }
    let unknown = survey.ledger.met_by(&rule.object).into_iter().find_map(|id| match &survey.tried[id].end {
        Ending::Unknown(why) => Some(why),
        Ending::Through { .. } | Ending::Denied { .. } | Ending::Vacuous => None,
    });
    match unknown {
        Some(why) => format!("the model cannot tell: {why}"),
        None => "no workload, host or node of the manifests and the environment is its source or its target".to_owned(),
    }
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
    let records = judge_all(&plan, &mut Model::terse(engine));
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
