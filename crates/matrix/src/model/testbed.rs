//! The model as a testbed: flows are not tried but computed.

use std::collections::BTreeSet;

use airtight_manifest::Failure;
use airtight_model::path::{End, Engine, Flow, Trace};
use airtight_model::policy::{Effect, Layer, Request};

use super::canary;
use crate::judge::{Evidence, Observation};
use crate::testbed::{Canary, Testbed};

/// Flows are not tried but computed, from the policies of a world.
#[derive(Debug)]
pub struct Model<'e, 'w> {
    engine: &'e Engine<'w>,
    failures: Failures<'w>,
}

/// How failures are explained.
#[derive(Debug)]
enum Failures<'w> {
    /// Nobody reads why.
    Bare,
    /// With the rules that nearly allow what was denied, by the same engine; made when it is first needed.
    Suggesting(Option<Engine<'w>>),
}

impl<'e, 'w> Model<'e, 'w> {
    /// The testbed of a compiled world.
    #[must_use]
    pub fn new(engine: &'e Engine<'w>) -> Self {
        Self { engine, failures: Failures::Suggesting(None) }
    }

    /// The same, for whoever asks whether flows pass, and not why they do not.
    #[must_use]
    pub fn terse(engine: &'e Engine<'w>) -> Self {
        Self { engine, failures: Failures::Bare }
    }

    /// What the model sees of one flow.
    #[must_use]
    pub fn observe_one(&self, flow: &Flow) -> Observation {
        match self.engine.trace(flow) {
            Ok(trace) => observation(trace),
            Err(error) => Observation {
                outcome: None,
                undecided: Some(error.to_string()),
                evidence: Evidence::default(),
                attempts: 1,
            },
        }
    }
}

impl Testbed for Model<'_, '_> {
    fn name(&self) -> &'static str {
        "model"
    }

    fn canary(&mut self) -> Result<Canary, Failure> {
        canary::try_out(&self.engine.world().stack)
    }

    fn observe(&mut self, flows: &[&Flow]) -> Vec<Observation> {
        flows.iter().map(|flow| self.observe_one(flow)).collect()
    }

    fn elaborate(&mut self, flow: &Flow, seen: &mut Observation) {
        let Failures::Suggesting(suggesting) = &mut self.failures else { return };
        let suggesting = suggesting.get_or_insert_with(|| self.engine.suggesting());
        if let (Some(trace), Ok(told)) = (&mut seen.evidence.trace, suggesting.trace(flow)) {
            *trace = told;
        }
    }

    fn is_live(&self) -> bool {
        false
    }
}

fn observation(trace: Trace) -> Observation {
    let (outcome, undecided) = match &trace.end {
        End::Outcome(outcome) => (Some(outcome.clone()), None),
        End::Unknown(why) => (None, Some(why.clone())),
    };
    let answer = trace.answer.as_ref();
    let evidence = Evidence {
        denied_by: trace.denial().map(|check| check.checkpoint.layer()),
        denying_layers: Some(trace.denying_layers()),
        foreseen_layers: None,
        reason: trace.denial().map(|check| check.decision.reason),
        passed: passed(&trace),
        answered_by: answer.map(|answer| answer.by.clone()),
        backend_headers: answer.and_then(|answer| answer.request.as_ref()).map(headers_seen).unwrap_or_default(),
        admitted: answer.and_then(|answer| answer.admitted.clone()),
        logs: trace.checks().filter_map(|check| check.decision.log.clone()).collect(),
        trace: Some(trace),
    };
    Observation { outcome, undecided, evidence, attempts: 1 }
}

/// Every request has a host, so that none without further headers looks as if nobody had observed it.
fn headers_seen(request: &Request) -> Vec<(String, String)> {
    let host = ("host".to_owned(), request.host.clone());
    let others = request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    std::iter::once(host).chain(others).collect()
}

/// Layers that let the flow on, up to where it ended.
fn passed(trace: &Trace) -> BTreeSet<Layer> {
    trace
        .checks()
        .take_while(|check| check.decision.effect == Effect::Allow)
        .map(|check| check.checkpoint.layer())
        .collect()
}
