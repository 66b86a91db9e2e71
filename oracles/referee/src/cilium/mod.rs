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
use proptest::strategy::ValueTree;
use serde_json::Value;

use self::sketch::Sketch;
use crate::exceptions::{self, Exception};
use crate::oracle::Oracle;
use crate::question::{Answer, Cell, Question};
use crate::tally::Tally;
use crate::{Comparison, say, search};

/// What is not compared, and why.
const OUT_OF_SCOPE: &[&str] = &[
    "the datapath itself: what the agent would write into the policy map is looked up as `bpf/lib/policy.h` does",
    "`toServices`, `toGroups`, `fromNodes`, host policies and ClusterNetworkPolicy",
    "the DNS proxy's word on names, server names, and mutual authentication",
    "IPv6, and clusters of two families",
    "requests as Envoy decides them: the rules are the engine's, the match is the oracle's own regular expression",
];

/// A cell, or a document, on which model and engine differ.
#[derive(Debug)]
struct Difference {
    what: String,
    model: String,
    engine: String,
}

/// Compares as many worlds as are asked for.
///
/// # Errors
/// The oracle does not answer, or the exceptions cannot be read.
pub(crate) fn compare(comparison: &Comparison) -> Result<Tally, Failure> {
    let exceptions = exceptions::read(&comparison.exceptions, "cilium", &comparison.engine)?;
    let mut oracle = Oracle::start(&comparison.oracle)?;
    let mut total = Tally {
        name: "Cilium".to_owned(),
        engine: comparison.engine.clone(),
        stack: comparison.stack.clone(),
        seed: comparison.seed,
        out_of_scope: OUT_OF_SCOPE.iter().map(ToString::to_string).collect(),
        ..Tally::default()
    };
    let (strategy, mut runner) = (sketch::sketch(), search::runner(comparison.seed));
    let mut failed = 0;
    for _ in 0..comparison.worlds {
        let tree = search::next(&strategy, &mut runner)?;
        let (mut tally, differences) = ask(&tree.current(), &comparison.stack, &mut oracle)?;
        if !differences.is_empty() {
            let name = settle(tree, &comparison.stack, &mut oracle, &exceptions)?;
            match name {
                Some(name) => {
                    let count = std::mem::take(&mut tally.disagreed);
                    tally.excepted.insert(name, count);
                }
                None => failed += 1,
            }
        }
        total.add(&tally);
        if failed >= comparison.patience {
            say("stopped: too many worlds disagree");
            break;
        }
    }
    Ok(total)
}

/// The exception that covers a disagreement; none, and the smallest world is shown, if there is none.
fn settle(
    tree: impl ValueTree<Value = Sketch>,
    stack: &str,
    oracle: &mut Oracle,
    exceptions: &[Exception],
) -> Result<Option<String>, Failure> {
    let least = search::smallest(tree, |sketch| Ok(!ask(sketch, stack, oracle)?.1.is_empty()))?;
    let (_, differences) = ask(&least, stack, oracle)?;
    let text = format!("{least:?}");
    let covering = |difference: &Difference| {
        exceptions.iter().find(|one| one.covers(&text, &difference.model, &difference.engine))
    };
    let names: Option<Vec<&Exception>> = differences.iter().map(covering).collect();
    if let Some(name) = names.and_then(|names| names.first().map(|one| one.name.clone())) {
        return Ok(Some(name));
    }
    say(&format!("\nDISAGREEMENT, in the smallest world:\n{text}"));
    for difference in differences.iter().take(8) {
        say(&format!("# {}: the model says {}, the engine {}", difference.what, difference.model, difference.engine));
    }
    Ok(None)
}

/// What model and engine say of every cell of a world.
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
fn why(detail: &str) -> String {
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
