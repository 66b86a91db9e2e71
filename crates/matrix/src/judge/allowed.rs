//! Flows that must get through.

use std::collections::BTreeSet;

use airtight_manifest::ObjectRef;
use airtight_model::policy::{Layer, Outcome, Reason};

use super::observation::Evidence;
use super::rules::Finding;
use crate::scenario::{AllowExpectation, Case, got_through};

pub(super) fn allowed(case: &Case, expect: &AllowExpectation, outcome: &Outcome, evidence: &Evidence) -> Finding {
    if !expect.accepts(&case.flow, outcome) {
        return Finding::Broken(format!(
            "expected {}, saw {outcome}{}",
            expect.describe(&case.flow),
            ended_by(evidence)
        ));
    }
    if let Some(finding) = denied_though_accepted(expect, outcome, evidence) {
        return finding;
    }
    let conditions = [
        way(expect, evidence),
        answer(expect, evidence),
        headers(expect, evidence),
        generated(expect, evidence),
        labels(expect, evidence),
    ];
    // What is broken outweighs what is unclear.
    let (broken, rest): (Vec<_>, Vec<_>) =
        conditions.into_iter().flatten().partition(|finding| matches!(finding, Finding::Broken(_)));
    broken.into_iter().chain(rest).next().unwrap_or_else(|| Finding::Holds(holds(expect, outcome)))
}

fn ended_by(evidence: &Evidence) -> String {
    match (&evidence.denied_by, &evidence.reason) {
        (Some(layer), Some(reason)) => format!(", ended by {layer} ({reason})"),
        (Some(layer), None) => format!(", ended by {layer}"),
        (None, _) => String::new(),
    }
}

/// A client that got through while an observer saw a denial cannot both be right. A status of 400 or more may be the
/// workload's own, and a redirect that a case asks for by its status may be the gateway's own.
fn denied_though_accepted(expect: &AllowExpectation, outcome: &Outcome, evidence: &Evidence) -> Option<Finding> {
    match evidence.denied_by {
        None => None,
        Some(Layer::Gateway) if is_expected_redirect(expect, outcome, evidence) => None,
        Some(Layer::Application) if !got_through(outcome) => None,
        Some(layer @ (Layer::Admission | Layer::Cni | Layer::Ztunnel | Layer::Waypoint | Layer::Gateway))
            if !got_through(outcome) =>
        {
            Some(Finding::Broken(format!("saw {outcome}, which came from {layer} and not from the workload")))
        }
        Some(layer) => Some(Finding::Unclear(format!("saw {outcome}, and evidence says that {layer} ended the flow"))),
    }
}

fn is_expected_redirect(expect: &AllowExpectation, outcome: &Outcome, evidence: &Evidence) -> bool {
    let redirects = matches!(outcome, Outcome::Http(300..=399));
    redirects && expect.outcomes.contains(outcome) && evidence.reason == Some(Reason::DirectResponse)
}

fn way(expect: &AllowExpectation, evidence: &Evidence) -> Option<Finding> {
    let missing: Vec<_> = expect.via.difference(&evidence.passed).map(ToString::to_string).collect();
    if missing.is_empty() {
        return None;
    }
    if evidence.passed.is_empty() {
        return Some(Finding::Unclear(format!("no observer tells whether the flow passed {}", missing.join(" and "))));
    }
    let passed: Vec<_> = evidence.passed.iter().map(ToString::to_string).collect();
    Some(Finding::Broken(format!(
        "the flow got through without {}: it passed {}",
        missing.join(" and "),
        passed.join(", ")
    )))
}

fn answer(expect: &AllowExpectation, evidence: &Evidence) -> Option<Finding> {
    match (&expect.answered_by, &evidence.answered_by) {
        (None, _) => None,
        (Some(wanted), Some(seen)) if wanted == seen => None,
        (Some(wanted), Some(seen)) => {
            Some(Finding::Broken(format!("expected an answer from {wanted}, {seen} answered")))
        }
        (Some(wanted), None) => {
            Some(Finding::Unclear(format!("expected an answer from {wanted}, and no observer tells who answered")))
        }
    }
}

/// Every value of a repeated header must be the expected one: a backend may read any of them.
fn headers(expect: &AllowExpectation, evidence: &Evidence) -> Option<Finding> {
    if !expect.backend_headers.is_empty() && evidence.backend_headers.is_empty() {
        return Some(Finding::Unclear("no observer tells which headers the backend saw".to_owned()));
    }
    expect.backend_headers.iter().find_map(|(name, wanted)| {
        let seen: Vec<_> = evidence
            .backend_headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        match wanted {
            None if seen.is_empty() => None,
            Some(wanted) if !seen.is_empty() && seen.iter().all(|value| value == wanted) => None,
            None => Some(Finding::Broken(format!("the backend saw header `{name}: {}`", seen.join(", ")))),
            Some(wanted) if seen.is_empty() => {
                Some(Finding::Broken(format!("the backend did not see header `{name}: {wanted}`")))
            }
            Some(wanted) => Some(Finding::Broken(format!(
                "the backend saw header `{name}: {}`, expected `{wanted}`",
                seen.join(", ")
            ))),
        }
    })
}

/// What an accepted change brought about must be what the case says, no more and no less.
fn generated(expect: &AllowExpectation, evidence: &Evidence) -> Option<Finding> {
    let wanted = expect.generates.as_ref()?;
    let Some(made) = evidence.admitted.as_ref().and_then(|admitted| admitted.generated.as_ref()) else {
        return Some(Finding::Unclear("no observer tells which objects were generated".to_owned()));
    };
    let seen: BTreeSet<_> = made.iter().cloned().collect();
    (seen != *wanted)
        .then(|| Finding::Broken(format!("expected that {} is generated, seen {}", listed(wanted), listed(&seen))))
}

fn listed(objects: &BTreeSet<ObjectRef>) -> String {
    if objects.is_empty() {
        return "nothing".to_owned();
    }
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn labels(expect: &AllowExpectation, evidence: &Evidence) -> Option<Finding> {
    if expect.labels.is_empty() {
        return None;
    }
    let Some(stored) = evidence.admitted.as_ref().and_then(|admitted| admitted.labels.as_ref()) else {
        return Some(Finding::Unclear("no observer tells which labels were stored".to_owned()));
    };
    expect.labels.iter().find_map(|(name, wanted)| {
        let seen = stored.get(name);
        (seen != wanted.as_ref()).then(|| match seen {
            Some(value) => Finding::Broken(format!("the object was stored with label `{name}: {value}`")),
            None => Finding::Broken(format!("the object was stored without label `{name}`")),
        })
    })
}

fn holds(expect: &AllowExpectation, outcome: &Outcome) -> String {
    let mut parts = vec![format!("got through as expected: {outcome}")];
    if !expect.via.is_empty() {
        let via: Vec<_> = expect.via.iter().map(ToString::to_string).collect();
        parts.push(format!("by way of {}", via.join(" and ")));
    }
    if let Some(workload) = &expect.answered_by {
        parts.push(format!("answered by {workload}"));
    }
    if let Some(objects) = &expect.generates {
        parts.push(format!("generating {}", listed(objects)));
    }
    parts.join(", ")
}
