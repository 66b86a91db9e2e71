//! Expectations: which outcomes count as getting through, which as being denied, and by whom.

use std::collections::BTreeSet;

use airtight_manifest::{Diagnostic, Document, Located, Position, closest};
use airtight_model::path::{Destination, Flow};
use airtight_model::policy::{Layer, Outcome, Rcode};

use super::case::{AllowExpectation, DenyExpectation, Expectation};
use super::change::object;
use super::form::{AllowForm, DenyForm, ExpectForm};

/// Whether the client reached something: a connection, or an HTTP status below 400.
///
/// ```
/// use airtight_model::policy::Outcome;
/// use airtight_matrix::scenario::got_through;
/// assert!(got_through(&Outcome::Http(302)));
/// assert!(!got_through(&Outcome::ProbeError("exec failed".to_owned())));
/// ```
#[must_use]
pub fn got_through(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Connected => true,
        Outcome::Http(status) => *status < 400,
        Outcome::Refused
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure
        | Outcome::ProbeError(_) => false,
    }
}

/// The outcomes by which `layer` shows that it denied `flow`, for a case that names none:
///
/// | layer | always | with a request | also |
/// |---|---|---|---|
/// | `cni` | `timeout` (a silent drop) | `http(403)` (its L7 proxy) | `dns-failure(refused)` if a name is resolved (its DNS proxy), `reset` with TLS (server names) |
/// | `ztunnel` | `reset` (closed after the connection was accepted) | | |
/// | `waypoint` | `reset` | `http(401)`, `http(403)` | |
/// | `gateway` | `refused` (no listener) | `http(401)`, `http(403)`, `http(404)`, `http(500)`, `http(503)` | `tls-failure` with TLS (no certificate for the name) |
/// | `admission` | `http(400)` (a webhook; Kubernetes pull request 77022), `http(403)`, `http(422)` (a schema) | | |
/// | `application` | `refused` (nothing listens) | `http(401)`, `http(403)`, `http(404)`, `http(405)` | |
///
/// For `cni` and `ztunnel` a request to a Service or Gateway also accepts `http(503)`: where a proxy stands
/// in the way, this is how it reports that the hop behind it was dropped or refused.
#[must_use]
pub fn default_denials(layer: Layer, flow: &Flow) -> BTreeSet<Outcome> {
    if layer == Layer::Admission {
        return [400, 403, 422].map(Outcome::Http).into();
    }
    let statuses: &[u16] = match (layer, behind_a_proxy(flow)) {
        (Layer::Cni, true) => &[403, 503],
        (Layer::Cni, false) => &[403],
        (Layer::Ztunnel, true) => &[503],
        (Layer::Ztunnel, false) | (Layer::Admission, _) => &[],
        (Layer::Waypoint, _) => &[401, 403],
        (Layer::Gateway, _) => &[401, 403, 404, 500, 503],
        (Layer::Application, _) => &[401, 403, 404, 405],
    };
    let signal = match layer {
        Layer::Cni => Outcome::Timeout,
        Layer::Ztunnel | Layer::Waypoint => Outcome::Reset,
        Layer::Gateway | Layer::Application | Layer::Admission => Outcome::Refused,
    };
    let mut outcomes = BTreeSet::from([signal]);
    if flow.request.is_some() {
        outcomes.extend(statuses.iter().copied().map(Outcome::Http));
    }
    if layer == Layer::Cni && resolves_a_name(flow) {
        outcomes.insert(Outcome::DnsFailure(Rcode::Refused));
    }
    if flow.tls.is_some() && layer == Layer::Cni {
        outcomes.insert(Outcome::Reset);
    }
    if flow.tls.is_some() && layer == Layer::Gateway {
        outcomes.insert(Outcome::TlsFailure);
    }
    outcomes
}

fn behind_a_proxy(flow: &Flow) -> bool {
    match flow.to {
        Destination::Service(..) | Destination::Gateway(..) => true,
        Destination::Pod(..)
        | Destination::Host(_)
        | Destination::Address(_)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => false,
    }
}

fn resolves_a_name(flow: &Flow) -> bool {
    match flow.to {
        Destination::Service(..) | Destination::Host(_) | Destination::Name(_) => true,
        Destination::Pod(..)
        | Destination::Address(_)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Object(_) => false,
    }
}

impl AllowExpectation {
    /// Whether an outcome of `flow` counts as getting through.
    ///
    /// Without outcomes of its own an HTTP request must end in a 2xx, anything else in a connection.
    #[must_use]
    pub fn accepts(&self, flow: &Flow, outcome: &Outcome) -> bool {
        if self.outcomes.is_empty() {
            return match outcome {
                Outcome::Http(status) => flow.speaks_http() && (200..300).contains(status),
                Outcome::Connected => !flow.speaks_http(),
                Outcome::Refused
                | Outcome::Reset
                | Outcome::Timeout
                | Outcome::DnsFailure(_)
                | Outcome::TlsFailure
                | Outcome::ProbeError(_) => false,
            };
        }
        self.outcomes.contains(outcome) && !matches!(outcome, Outcome::ProbeError(_))
    }

    /// The accepted outcomes in words.
    #[must_use]
    pub fn describe(&self, flow: &Flow) -> String {
        match (self.outcomes.is_empty(), flow.speaks_http()) {
            (true, true) => "http(2xx)".to_owned(),
            (true, false) => Outcome::Connected.to_string(),
            (false, _) => either(&self.outcomes),
        }
    }
}

impl DenyExpectation {
    /// Whether an outcome counts as being denied. One that got through, or a probe error, never does.
    #[must_use]
    pub fn accepts(&self, outcome: &Outcome) -> bool {
        self.outcomes.contains(outcome) && !got_through(outcome) && !matches!(outcome, Outcome::ProbeError(_))
    }

    /// The accepted outcomes in words.
    #[must_use]
    pub fn describe(&self) -> String {
        either(&self.outcomes)
    }
}

fn either(outcomes: &BTreeSet<Outcome>) -> String {
    outcomes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// The expectation that `form` means for `flow`.
pub(super) fn resolve(
    document: &Document,
    form: &Located<ExpectForm>,
    flow: &Flow,
) -> Result<Expectation, Vec<Diagnostic>> {
    match (&form.allow, &form.deny) {
        (Some(allow), None) => resolve_allow(document, allow, flow).map(Expectation::Allow),
        (None, Some(deny)) => resolve_deny(document, deny, flow).map(Expectation::Deny),
        (Some(_), Some(_)) => Err(vec![one_of_two(document, form.at, "expects both `allow` and `deny`")]),
        (None, None) => Err(vec![one_of_two(document, form.at, "expects neither `allow` nor `deny`")]),
    }
}

fn one_of_two(document: &Document, at: Position, what: &str) -> Diagnostic {
    Diagnostic::error("expectation", format!("the case {what}"))
        .at(document.location(at))
        .hint("write `expect: {allow: {}}` or `expect: {deny: {by: cni}}`")
}

fn resolve_allow(
    document: &Document,
    form: &Located<AllowForm>,
    flow: &Flow,
) -> Result<AllowExpectation, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut outcomes = BTreeSet::new();
    for outcome in read_outcomes(document, &form.outcome, &form.status, flow, &mut findings) {
        match allow_problem(&outcome.value, flow, form.answered_by.is_some()) {
            Some(finding) => findings.push(finding.at(document.location(outcome.at))),
            None => _ = outcomes.insert(outcome.value),
        }
    }
    if flow.request.is_none() && !form.backend_headers.is_empty() {
        findings.push(
            Diagnostic::error("expectation", "a bare connection carries no headers that a backend could see")
                .at(document.location(form.at))
                .hint("give the case a `request`, or leave out `backendHeaders`"),
        );
    }
    findings.extend(effects_problem(document, form, flow));
    let generates = form.generates.as_ref().map(|objects| {
        let mut found = BTreeSet::new();
        for named in objects {
            match object(named) {
                Ok(object) => _ = found.insert(object),
                Err((finding, at)) => findings.push(finding.at(document.location(at))),
            }
        }
        found
    });
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(AllowExpectation {
        generates,
        labels: form.mutates.iter().flat_map(|stored| stored.labels.clone()).collect(),
        outcomes,
        via: form.via.iter().copied().collect(),
        answered_by: form.answered_by.as_ref().map(|name| name.value.clone()),
        backend_headers: form.backend_headers.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect(),
    })
}

/// Only an attempt to change an object has effects that admission makes.
fn effects_problem(document: &Document, form: &Located<AllowForm>, flow: &Flow) -> Option<Diagnostic> {
    let written = form.generates.is_some() || form.mutates.is_some();
    (written && flow.attempt().is_none()).then(|| {
        Diagnostic::error("expectation", "only an attempt to change an object generates or mutates anything")
            .at(document.location(form.at))
            .hint("aim at an object with `to: {apply: …}`, or leave `generates` and `mutates` out")
    })
}

fn allow_problem(outcome: &Outcome, flow: &Flow, answered: bool) -> Option<Diagnostic> {
    match outcome {
        Outcome::Connected if !flow.speaks_http() => None,
        Outcome::Connected => Some(
            Diagnostic::error("expectation", "an HTTP request that gets through ends in a status, not in `connected`")
                .hint("write `status: 200`, or leave it out to accept any 2xx"),
        ),
        Outcome::Http(status) if *status < 400 || answered => None,
        Outcome::Http(status) => Some(
            Diagnostic::error("expectation", format!("a status of {status} does not show that the flow got through"))
                .hint("name the workload that must answer with `answeredBy`, or expect a denial with `deny`"),
        ),
        Outcome::Refused
        | Outcome::Reset
        | Outcome::Timeout
        | Outcome::DnsFailure(_)
        | Outcome::TlsFailure
        | Outcome::ProbeError(_) => Some(
            Diagnostic::error("expectation", format!("an allowed flow cannot be expected to end in `{outcome}`"))
                .hint("expect a denial with `deny`"),
        ),
    }
}

fn resolve_deny(
    document: &Document,
    form: &Located<DenyForm>,
    flow: &Flow,
) -> Result<DenyExpectation, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut outcomes = BTreeSet::new();
    for outcome in read_outcomes(document, &form.outcome, &form.status, flow, &mut findings) {
        if got_through(&outcome.value) {
            findings.push(
                Diagnostic::error("expectation", format!("a denied flow cannot be expected to end in `{}`", *outcome))
                    .at(document.location(outcome.at))
                    .hint("a denial is a status of 400 or more, a timeout, a reset or a refusal"),
            );
        } else {
            outcomes.insert(outcome.value);
        }
    }
    findings.extend(layer_problem(document, form, flow));
    if !findings.is_empty() {
        return Err(findings);
    }
    if form.outcome.is_empty() && form.status.is_empty() {
        outcomes = default_denials(*form.by, flow);
    }
    Ok(DenyExpectation {
        by: *form.by,
        outcomes,
        layers: form.layers.as_deref().copied().map_or(1, usize::from),
        reason: form.reason,
    })
}

fn layer_problem(document: &Document, form: &Located<DenyForm>, flow: &Flow) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if flow.attempt().is_some() && *form.by != Layer::Admission {
        findings.push(
            Diagnostic::error("expectation", format!("a change to an object never meets {}", *form.by))
                .at(document.location(form.by.at))
                .hint("only admission refuses it: write `by: admission`"),
        );
    }
    if flow.attempt().is_none() && *form.by == Layer::Admission {
        findings.push(
            Diagnostic::error("expectation", "admission acts before any flow and denies none")
                .at(document.location(form.by.at))
                .hint("name the layer on the flow's way: cni, ztunnel, waypoint, gateway or application"),
        );
    }
    if let Some(layers) = &form.layers
        && !(1..=5).contains(&layers.value)
    {
        findings.push(
            Diagnostic::error("expectation", format!("a flow cannot be denied by {} layers", **layers))
                .at(document.location(layers.at))
                .hint("a flow meets at most five layers; write a number from 1 to 5"),
        );
    }
    findings
}

fn read_outcomes(
    document: &Document,
    texts: &[Located<String>],
    statuses: &[Located<u16>],
    flow: &Flow,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Located<Outcome>> {
    let mut outcomes = Vec::new();
    for text in texts {
        match parse_outcome(text) {
            Ok(outcome) => outcomes.push(Located { value: outcome, at: text.at }),
            Err(finding) => findings.push(finding.at(document.location(text.at))),
        }
    }
    for status in statuses {
        match status_problem(status.value) {
            Some(finding) => findings.push(finding.at(document.location(status.at))),
            None => outcomes.push(Located { value: Outcome::Http(status.value), at: status.at }),
        }
    }
    for outcome in &outcomes {
        findings.extend(kind_problem(&outcome.value, flow).map(|finding| finding.at(document.location(outcome.at))));
    }
    outcomes
}

fn status_problem(status: u16) -> Option<Diagnostic> {
    (!(100..600).contains(&status)).then(|| {
        Diagnostic::error("expectation", format!("{status} is not an HTTP status"))
            .hint("write a number from 100 to 599")
    })
}

fn kind_problem(outcome: &Outcome, flow: &Flow) -> Option<Diagnostic> {
    match (outcome, flow.speaks_http()) {
        (Outcome::Http(_), false) => Some(
            Diagnostic::error("expectation", format!("a bare connection never ends in `{outcome}`"))
                .hint("give the case a `request`, or expect `connected`, `timeout`, `reset` or `refused`"),
        ),
        (
            Outcome::Http(_)
            | Outcome::Connected
            | Outcome::Refused
            | Outcome::Reset
            | Outcome::Timeout
            | Outcome::DnsFailure(_)
            | Outcome::TlsFailure
            | Outcome::ProbeError(_),
            _,
        ) => None,
    }
}

/// The outcomes as a scenario writes them; a status in parentheses is any number.
const OUTCOMES: &[&str] = &[
    "connected",
    "http(403)",
    "refused",
    "reset",
    "timeout",
    "dns-failure(refused)",
    "dns-failure(nxdomain)",
    "dns-failure(servfail)",
    "dns-failure(timeout)",
    "tls-failure",
];

fn parse_outcome(text: &str) -> Result<Outcome, Diagnostic> {
    let argument = |prefix: &str| text.strip_prefix(prefix)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(status) = argument("http").and_then(|status| status.parse().ok()) {
        return status_problem(status).map_or(Ok(Outcome::Http(status)), Err);
    }
    match text {
        "connected" => Ok(Outcome::Connected),
        "refused" => Ok(Outcome::Refused),
        "reset" => Ok(Outcome::Reset),
        "timeout" => Ok(Outcome::Timeout),
        "tls-failure" => Ok(Outcome::TlsFailure),
        "dns-failure(refused)" => Ok(Outcome::DnsFailure(Rcode::Refused)),
        "dns-failure(nxdomain)" => Ok(Outcome::DnsFailure(Rcode::Nxdomain)),
        "dns-failure(servfail)" => Ok(Outcome::DnsFailure(Rcode::Servfail)),
        "dns-failure(timeout)" => Ok(Outcome::DnsFailure(Rcode::Timeout)),
        _ => Err(unknown_outcome(text)),
    }
}

fn unknown_outcome(text: &str) -> Diagnostic {
    let finding = Diagnostic::error("unknown-outcome", format!("there is no outcome `{text}`"));
    if text.starts_with("probe-error") {
        return finding.hint("a failed probe satisfies no expectation");
    }
    if text == "dns-failure" {
        return finding.hint("write why: dns-failure(refused), (nxdomain), (servfail) or (timeout)");
    }
    match closest(text, OUTCOMES.iter().copied()) {
        Some(outcome) => finding.hint(format!("did you mean `{outcome}`?")),
        None => finding.hint(format!("the outcomes are: {}", OUTCOMES.join(", "))),
    }
}
