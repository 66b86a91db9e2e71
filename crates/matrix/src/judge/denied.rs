//! Flows that must not get through.

use std::collections::BTreeSet;

use airtight_model::path::Trace;
use airtight_model::policy::{Effect, Layer, Outcome, Reason};

use super::observation::{Evidence, Observation};
use super::rules::{Finding, Judged};
use super::verdict::Verdict;
use crate::scenario::{Case, DenyExpectation, Expectation, got_through};

pub(super) fn denied(
    case: &Case,
    expect: &DenyExpectation,
    outcome: &Outcome,
    evidence: &Evidence,
    twin: Option<&Judged<'_>>,
) -> Finding {
    if reached(expect, outcome, evidence) {
        return Finding::Broken(through(expect, outcome, evidence));
    }
    unproven(case, twin)
        .or_else(|| misaddressed(case, expect, (outcome, evidence), twin))
        .or_else(|| contradictory(expect, evidence))
        .or_else(|| vacuous(expect, evidence))
        .or_else(|| wrong_layer(expect, outcome, evidence))
        .or_else(|| wrong_reason(expect, evidence))
        .or_else(|| wrong_outcome(expect, outcome))
        .or_else(|| too_few_layers(expect, evidence))
        .unwrap_or_else(|| Finding::Holds(holds(case, expect, outcome, evidence)))
}

/// Whether a denied flow was seen to get through: no retry may whitewash this.
#[must_use]
pub fn got_past(case: &Case, observation: &Observation) -> bool {
    match (&case.expect, &observation.outcome) {
        (Expectation::Deny(expect), Some(outcome)) => reached(expect, outcome, &observation.evidence),
        (Expectation::Deny(_), None) | (Expectation::Allow(_), _) => false,
    }
}

/// A workload that answers by itself was reached, whatever status it chose, unless the workload is to refuse.
fn reached(expect: &DenyExpectation, outcome: &Outcome, evidence: &Evidence) -> bool {
    let own = evidence.denied_by.is_none_or(|layer| layer == Layer::Application);
    let answered = evidence.answered_by.is_some() && own && expect.by != Layer::Application;
    got_through(outcome) || answered
}

fn through(expect: &DenyExpectation, outcome: &Outcome, evidence: &Evidence) -> String {
    let answered = match &evidence.answered_by {
        Some(workload) => format!(", answered by {workload}"),
        None => String::new(),
    };
    format!("expected a denial by {}, and the flow got through: {outcome}{answered}", expect.by)
}

fn unproven(case: &Case, twin: Option<&Judged<'_>>) -> Option<Finding> {
    let Some(id) = &case.twin else {
        return Some(Finding::Unclear("the case has no twin, so nothing shows that the target answers".to_owned()));
    };
    let Some(twin) = twin else {
        return Some(Finding::Unclear(format!("its twin {id} was not tried in the same round")));
    };
    if twin.case.id != *id || !matches!(twin.case.expect, Expectation::Allow(_)) {
        return Some(Finding::Unclear(format!("{} is not its twin {id}", twin.case.id)));
    }
    let state = match &twin.judgement.verdict {
        Verdict::Pass => return None,
        Verdict::Fail => "failed",
        Verdict::Inconclusive => "is inconclusive",
        Verdict::Skipped { .. } => "was skipped",
        Verdict::Waived { .. } => "is waived",
    };
    Some(Finding::Unclear(format!("its twin {id} {state}: {}", twin.judgement.why)))
}

/// A host that no listener or route takes is the most that a slip of the pen leads to: that it is meant the case must say.
fn misaddressed(
    case: &Case,
    expect: &DenyExpectation,
    (outcome, evidence): (&Outcome, &Evidence),
    twin: Option<&Judged<'_>>,
) -> Option<Finding> {
    let answered = matches!(outcome, Outcome::Http(_));
    let reason = evidence.reason.filter(|reason| answered && is_unserved(*reason))?;
    let own = case.flow.request.as_ref()?.host.as_str();
    let twins = twin?.case.flow.request.as_ref()?.host.as_str();
    (expect.reason.is_none() && !own.eq_ignore_ascii_case(twins)).then(|| {
        Finding::Unclear(format!(
            "nothing at the gateway takes host `{own}`, so that a mistyped host would end like this as well; if that is \
             what the case shows, it says so with `reason: {reason}`"
        ))
    })
}

/// A layer on the way cannot have ended a flow that the workload answered.
fn contradictory(expect: &DenyExpectation, evidence: &Evidence) -> Option<Finding> {
    match (&evidence.answered_by, evidence.denied_by) {
        (Some(workload), Some(layer)) if expect.by != Layer::Application || layer != Layer::Application => Some(
            Finding::Unclear(format!("evidence says both that {layer} ended the flow and that {workload} answered")),
        ),
        (Some(_) | None, _) => None,
    }
}

/// Where nothing answers, a denial says nothing about policy.
fn vacuous(expect: &DenyExpectation, evidence: &Evidence) -> Option<Finding> {
    let meant = |reason: &Reason| {
        let is_application = *reason == Reason::NotListening && expect.by == Layer::Application;
        is_application || (*reason == Reason::InvalidObject && expect.reason == Some(Reason::InvalidObject))
    };
    // Who names the reason of a layer before the workload says that the layer must end the flow, whoever listens; that
    // nobody did is then what comes of a flow that the layer let on.
    let named = matches!(expect.by, Layer::Cni | Layer::Ztunnel) && expect.reason.is_some();
    let told = expect.reason == evidence.reason || evidence.denied_by == Some(Layer::Application);
    let unheard = |reason: &Reason| named && told && *reason == Reason::NotListening;
    let reasons = evidence.trace.iter().flat_map(denials).chain(evidence.reason).filter(|reason| !unheard(reason));
    let nothing = reasons.filter(|reason| !meant(reason)).find_map(nothing_there);
    nothing.map(|what| Finding::Unclear(format!("the flow would have ended without any policy: {what}")))
}

fn denials(trace: &Trace) -> impl Iterator<Item = Reason> {
    let ends = trace.checks().filter(|check| check.decision.effect == Effect::Deny);
    ends.map(|check| check.decision.reason)
}

/// Why a flow ends without any policy, whatever denies it besides: nothing is there that would answer.
///
/// ```
/// use airtight_matrix::judge::ends_anyway;
/// use airtight_model::path::{Destination, End, Flow, Source, Trace};
/// use airtight_model::policy::Outcome;
/// use airtight_model::world::Protocol;
/// let flow = Flow {
///     from: Source::Outside, to: Destination::Host("a.example".into()), protocol: Protocol::Tcp, port: Some(443),
///     request: None, tls: None, after: Vec::new(),
/// };
/// let trace = Trace { flow, hops: Vec::new(), end: End::Outcome(Outcome::Connected), answer: None };
/// assert_eq!(ends_anyway(&trace), None);
/// ```
#[must_use]
pub fn ends_anyway(trace: &Trace) -> Option<&'static str> {
    denials(trace).find_map(nothing_there)
}

fn nothing_there(reason: Reason) -> Option<&'static str> {
    let known = [
        (Reason::InvalidObject, "the API server refuses the object itself"),
        (Reason::NotListening, "nothing listens on the port"),
        (Reason::NoHealthyUpstream, "no backend is ready"),
        (Reason::ProtocolMismatch, "one end speaks TLS and the other does not"),
        (Reason::NoSuchName, "the name does not exist"),
    ];
    known.into_iter().find(|(vacuous, _)| *vacuous == reason).map(|(_, what)| what)
}

fn wrong_layer(expect: &DenyExpectation, outcome: &Outcome, evidence: &Evidence) -> Option<Finding> {
    match evidence.denied_by {
        None => Some(Finding::Unclear(format!("saw {outcome}, and no observer names the layer that ended the flow"))),
        Some(layer) if layer == expect.by => None,
        Some(layer) => {
            let reason = evidence.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            Some(Finding::Broken(format!("expected a denial by {}, {layer} denied{reason}: {outcome}", expect.by)))
        }
    }
}

fn wrong_reason(expect: &DenyExpectation, evidence: &Evidence) -> Option<Finding> {
    let wanted = expect.reason?;
    match evidence.reason {
        None => Some(Finding::Unclear(format!("expected a denial for {wanted}, and no observer tells the reason"))),
        Some(reason) if reason == wanted || (is_unserved(reason) && is_unserved(wanted)) => None,
        Some(reason) => Some(Finding::Broken(format!("expected a denial for {wanted}, seen {reason}"))),
    }
}

/// That nothing takes a host is the listeners' doing or the routes', which is one to whoever asks: Envoy says the same
/// of both.
fn is_unserved(reason: Reason) -> bool {
    matches!(reason, Reason::NoListener | Reason::NoRoute)
}

fn wrong_outcome(expect: &DenyExpectation, outcome: &Outcome) -> Option<Finding> {
    (!expect.accepts(outcome)).then(|| {
        Finding::Broken(format!(
            "denied by {}, and the client saw {outcome}, expected {}",
            expect.by,
            expect.describe()
        ))
    })
}

fn too_few_layers(expect: &DenyExpectation, evidence: &Evidence) -> Option<Finding> {
    let Some(denying) = evidence.denying_layers.as_ref().or(evidence.foreseen_layers.as_ref()) else {
        return (expect.layers > 1).then(|| {
            Finding::Unclear(format!(
                "expected {} layers that each deny alone, and no observer tells how many do",
                expect.layers
            ))
        });
    };
    if !denying.contains(&expect.by) {
        return Some(Finding::Unclear(format!("{} denied, and is not among the layers that would", expect.by)));
    }
    // A workload that does not take the flow is no line of defence.
    let counted: BTreeSet<_> =
        denying.iter().filter(|layer| **layer != Layer::Application || expect.by == Layer::Application).collect();
    (counted.len() < expect.layers).then(|| {
        let names: Vec<_> = counted.iter().map(ToString::to_string).collect();
        Finding::Broken(format!(
            "expected {} layers that each deny alone, only {} would: {}",
            expect.layers,
            counted.len(),
            names.join(", ")
        ))
    })
}

fn holds(case: &Case, expect: &DenyExpectation, outcome: &Outcome, evidence: &Evidence) -> String {
    let mut text = format!("denied by {} as expected: {outcome}", expect.by);
    if expect.layers > 1 {
        let account = if evidence.denying_layers.is_some() { "" } else { " by the model's account" };
        text = format!("{text}, {} layers or more would each deny{account}", expect.layers);
    }
    match &case.twin {
        Some(twin) => format!("{text}; twin {twin} got through"),
        None => text,
    }
}
