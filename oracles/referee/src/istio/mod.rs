//! The mesh of the model against istiod's own policies, ztunnel's rules and a real Envoy, flow by flow.

mod flows;
mod policies;
mod question;
mod sketch;

use std::collections::BTreeSet;

use airtight_manifest::Failure;
use airtight_model::path::Engine as Model;
use airtight_model::policy::{Checkpoint, Decision, Effect, Outcome};
use airtight_model::world::{AdmissionEvent, World};
use airtight_testkit::stack;
use proptest::strategy::{BoxedStrategy, Strategy as _};
use serde_json::Value;

use self::question::{Asked, Question};
use self::sketch::Sketch;
use crate::comparison::{Difference, Engine};
use crate::oracle::Oracle;
use crate::question::Answer;
use crate::tally::Tally;

/// istiod, with ztunnel's rules and Envoy.
pub(crate) struct Istio;

impl Engine for Istio {
    const NAME: &'static str = "Istio";
    const OUT_OF_SCOPE: &'static [&'static str] = &[
        "Istio 1.26: the Go module of that line is not served where CI runs; of 1.30, the nearest commit that is, of \
         23 April 2026, before the release",
        "ztunnel itself: its rules over the policies that istiod sends are the oracle's own (`src/rbac.rs`, \
         `src/state.rs`)",
        "mTLS: a waypoint's peer and address come from headers of the tunnel's CONNECT instead of its certificate",
        "filters of Istio's own Envoy (telemetry, peer metadata), which decide about no request",
        "what external authorizers answer, and routes",
        "keys that are fetched: every RequestAuthentication carries its own",
    ];
    type Sketch = Sketch;

    fn sketches() -> BoxedStrategy<Sketch> {
        sketch::sketch().boxed()
    }

    fn ask(sketch: &Sketch, stack: &str, oracle: &mut Oracle) -> Result<(Tally, Vec<Difference>), Failure> {
        let world = sketch.world(stack::shipped(stack));
        let refused = refused(&world);
        let written = sketch.documents();
        let documents: Vec<Value> = written.iter().filter(|one| !refused.contains(name(one))).cloned().collect();
        let model = Model::compile(&world);
        let flows = flows::of(&world, sketch);
        let answer: Answer = oracle.ask(&Question::of(&world, &documents, &flows))?;
        let mut tally = Tally::default();
        let mut differences: Vec<Difference> = answer
            .refused
            .iter()
            .map(|(index, why)| Difference {
                what: format!("document {}", documents[*index]),
                model: "taken".to_owned(),
                engine: why.clone(),
            })
            .collect();
        for (flow, engine) in flows.iter().zip(&answer.verdicts) {
            differences.extend(one(flow, &model, engine, &mut tally));
        }
        tally.disagreed = differences.len() as u64;
        Ok((tally, differences))
    }
}

/// Names of documents that admission refuses.
fn refused(world: &World) -> BTreeSet<String> {
    let events = world.admission.iter().filter_map(|event| match event {
        AdmissionEvent::Rejected { object, .. } => Some(object.name.to_string()),
        AdmissionEvent::Mutated { .. } | AdmissionEvent::Generated { .. } => None,
    });
    events.collect()
}

fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap_or_default()
}

/// Counts one flow.
fn one(asked: &Asked, model: &Model<'_>, engine: &str, tally: &mut Tally) -> Option<Difference> {
    let Some(decision) = decide(asked, model) else {
        *tally.unasked.entry("the model passes no such checkpoint".to_owned()).or_default() += 1;
        return None;
    };
    if decision.effect == Effect::Unknown {
        *tally.unknown.entry(decision.detail).or_default() += 1;
        return None;
    }
    if engine.starts_with("unasked") {
        *tally.unasked.entry(engine.to_owned()).or_default() += 1;
        return None;
    }
    let said = said(&decision);
    // What answers bytes answers them in HTTP.
    let engine = if engine == "200" { "allow" } else { engine };
    if said == engine {
        tally.agreed += 1;
        return None;
    }
    Some(Difference { what: asked.shown(), model: format!("{said} ({})", decision.detail), engine: engine.to_owned() })
}

/// What the one checkpoint decides that is asked about.
fn decide(asked: &Asked, model: &Model<'_>) -> Option<Decision> {
    let trace = model.trace(&asked.flow).ok()?;
    let checkpoint = if asked.is_direct() { Checkpoint::ZtunnelInbound } else { Checkpoint::Waypoint };
    let mut checks = trace.checks().filter(|check| check.checkpoint == checkpoint);
    let decision = checks.next().map(|check| check.decision.clone());
    decision.filter(|_| asked.is_direct() || checks.next().is_none())
}

fn said(decision: &Decision) -> String {
    match (decision.effect, &decision.symptom) {
        (Effect::Allow, _) => "allow".to_owned(),
        (_, Some(Outcome::Http(status))) => status.to_string(),
        (Effect::Deny | Effect::Unknown, _) => "deny".to_owned(),
    }
}
