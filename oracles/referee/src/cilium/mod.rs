//! The CNI of the model against Cilium's policy engine, cell by cell.

mod cells;
mod policies;
mod sketch;

use std::collections::BTreeSet;

use airtight_manifest::Failure;
use airtight_model::policy::cni::CniPolicy;
use airtight_model::policy::{Decision, Effect};
use airtight_model::world::{AdmissionEvent, World};
use airtight_testkit::stack;
use proptest::strategy::{BoxedStrategy, Strategy as _};
use serde_json::Value;

use self::sketch::Sketch;
use crate::comparison::{Difference, Engine};
use crate::oracle::Oracle;
use crate::question::{Answer, Cell, Question};
use crate::tally::Tally;

/// Cilium's policy engine.
pub(crate) struct Cilium;

impl Engine for Cilium {
    const NAME: &'static str = "Cilium";
    const OUT_OF_SCOPE: &'static [&'static str] = &[
        "the datapath itself: what the agent would write into the policy map is looked up as `bpf/lib/policy.h` does",
        "`toServices`, `toGroups`, `fromNodes`, host policies and ClusterNetworkPolicy",
        "the DNS proxy's word on names, server names, and mutual authentication",
        "IPv6, and clusters of two families",
        "requests as Envoy decides them: the rules are the engine's, the match is the oracle's own regular expression",
    ];
    type Sketch = Sketch;

    fn sketches() -> BoxedStrategy<Sketch> {
        sketch::sketch().boxed()
    }

    fn ask(sketch: &Sketch, stack: &str, oracle: &mut Oracle) -> Result<(Tally, Vec<Difference>), Failure> {
        let mut stack = stack::shipped(stack);
        // The engine, without a datapath, answers of SCTP as if it were switched on.
        stack.cilium.sctp = true;
        let world = sketch.world(stack);
        let policy = CniPolicy::compile(&world);
        let documents = accepted(&sketch.policies(), &world);
        let cells = cells::of(&world, sketch);
        let answer: Answer = oracle.ask(&Question::of(&world, &documents, &cells))?;
        let mut tally = Tally::default();
        let mut differences = refusals(&documents, &answer, &policy, &mut tally);
        for (cell, engine) in cells.iter().zip(&answer.verdicts) {
            let decision = cells::decide(cell, &world, &policy);
            differences.extend(one(cell, &decision, engine, &mut tally));
        }
        tally.disagreed = differences.len() as u64;
        Ok((tally, differences))
    }
}

/// Counts one cell.
fn one(cell: &Cell, decision: &Decision, engine: &str, tally: &mut Tally) -> Option<Difference> {
    let model = match decision.effect {
        Effect::Unknown => {
            *tally.unknown.entry(why(&decision.detail)).or_default() += 1;
            return None;
        }
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    if engine != "allow" && engine != "deny" {
        *tally.unasked.entry(reason(engine)).or_default() += 1;
        return None;
    }
    if model == engine {
        tally.agreed += 1;
        return None;
    }
    let way = if cell.ingress { "ingress" } else { "egress" };
    Some(Difference {
        what: format!("{way} {} {:?} {} {} {:?}", cell.subject, cell.peer, cell.protocol, cell.port, cell.request),
        model: model.to_owned(),
        engine: engine.to_owned(),
    })
}

/// The reason of a decision without what differs between cells.
pub(crate) fn why(detail: &str) -> String {
    let words = detail.split(' ').take_while(|word| !word.contains(['/', '`'])).take(14);
    words.collect::<Vec<_>>().join(" ").trim_end_matches(':').to_owned()
}

/// An answer without what differs between worlds.
fn reason(engine: &str) -> String {
    engine.split([':', '(']).next().unwrap_or_default().to_owned()
        + engine.split(':').nth(1).filter(|rest| rest.len() < 20).unwrap_or_default()
}

/// What the API server takes: only that reaches an agent.
fn accepted(policies: &[Value], world: &World) -> Vec<Value> {
    let refused: BTreeSet<String> = world
        .admission
        .iter()
        .filter_map(|event| match event {
            AdmissionEvent::Rejected { object, .. } => Some(object.name.to_string()),
            AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => None,
        })
        .collect();
    let taken = |policy: &&Value| policy["metadata"]["name"].as_str().is_none_or(|name| !refused.contains(name));
    policies.iter().filter(taken).cloned().collect()
}

/// Documents that one takes notice of and the other does not.
fn refusals(documents: &[Value], answer: &Answer, policy: &CniPolicy, tally: &mut Tally) -> Vec<Difference> {
    let ignored: Vec<&str> =
        policy.findings().iter().filter(|finding| finding.is_error()).map(|finding| finding.message.as_str()).collect();
    let mut differences = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        let engine = answer.refused.get(&index);
        let model = ignored.iter().find(|finding| is_about(finding, name));
        match (model, engine) {
            (Some(_), Some(_)) | (None, None) => tally.agreed += 1,
            (Some(why), None) => differences.push(refusal(name, why, "taken")),
            (None, Some(why)) => differences.push(refusal(name, "taken", why)),
        }
    }
    differences
}

/// Whether a finding says that an object is ignored: `KIND NAMESPACE/NAME: …`.
fn is_about(finding: &str, name: &str) -> bool {
    let object = finding.split(':').next().unwrap_or_default();
    object.rsplit(['/', ' ']).next() == Some(name)
}

fn refusal(name: &str, model: &str, engine: &str) -> Difference {
    Difference { what: format!("document {name}"), model: model.to_owned(), engine: engine.to_owned() }
}
