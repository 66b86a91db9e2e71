//! Objects for the cluster itself: PolicyReport (`wgpolicyk8s.io/v1alpha2`), and what came after it, the Report of
//! OpenReports (`openreports.io/v1alpha1`). Both have the same results, and `kubectl apply` takes them.
//!
//! Each namespace has its own, because an API server stores no large objects: at most [`MOST_RESULTS`] results and
//! [`MOST_BYTES`] bytes each, as many of them as it takes, and nothing is left out. What has no namespace stands in an
//! object of the cluster.

use std::collections::BTreeMap;

use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{CaseRecord, RunRecord};
use airtight_matrix::scenario::Expectation;
use airtight_model::path::{Destination, Source};
use serde_json::{Map, Value, json};

use super::document::{lean, yaml_stream};
use super::error::ReportError;
use super::failure::FailureKind;
use super::moment::Moments;
use super::standing::Standing;
use super::text::{clip, one_line};
use super::trouble::{Trouble, untold};
use super::wording::{expectation, observed, severity_word};

/// The most results of one object.
pub const MOST_RESULTS: usize = 500;
/// The most bytes of the results of one object, as JSON.
pub const MOST_BYTES: usize = 240 * 1024;
/// The most characters of one text.
const TEXT: usize = 1000;

/// Whose definitions the cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The policy working group's, which Kyverno installs by default.
    WorkingGroup,
    /// OpenReports.
    OpenReports,
}

impl Api {
    fn version(self) -> &'static str {
        match self {
            Self::WorkingGroup => "wgpolicyk8s.io/v1alpha2",
            Self::OpenReports => "openreports.io/v1alpha1",
        }
    }

    fn kind(self, namespaced: bool) -> &'static str {
        match (self, namespaced) {
            (Self::WorkingGroup, true) => "PolicyReport",
            (Self::WorkingGroup, false) => "ClusterPolicyReport",
            (Self::OpenReports, true) => "Report",
            (Self::OpenReports, false) => "ClusterReport",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::WorkingGroup => "PolicyReport",
            Self::OpenReports => "OpenReports",
        }
    }
}

/// The run as a stream of objects.
///
/// # Errors
/// [`ReportError::Render`] if the record's start is no time.
pub fn render(record: &RunRecord, api: Api) -> Result<String, ReportError> {
    let moments = Moments::of(record, api.name())?;
    let mut by_namespace: BTreeMap<Option<&str>, Vec<Value>> = BTreeMap::new();
    for case in &record.cases {
        by_namespace.entry(namespace(case)).or_default().push(result(record, case, moments));
    }
    let troubles = untold(record);
    if !troubles.is_empty() || record.cases.is_empty() {
        let results = troubles.iter().map(|trouble| trouble_result(record, trouble, moments));
        by_namespace.entry(None).or_default().extend(results);
    }
    let mut objects = Vec::new();
    for (namespace, results) in by_namespace {
        let parts = parts(results);
        objects.extend(parts.into_iter().enumerate().map(|(index, part)| object(record, api, namespace, index, part)));
    }
    yaml_stream(&objects, api.name())
}

/// Results in groups that an API server stores.
fn parts(results: Vec<Value>) -> Vec<Vec<Value>> {
    let (mut parts, mut bytes): (Vec<Vec<Value>>, usize) = (vec![Vec::new()], 0);
    for result in results {
        let more = result.to_string().len();
        let last = parts.len() - 1;
        if !parts[last].is_empty() && (parts[last].len() == MOST_RESULTS || bytes + more > MOST_BYTES) {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(part) = parts.last_mut() {
            part.push(result);
        }
    }
    parts
}

fn object(record: &RunRecord, api: Api, namespace: Option<&str>, index: usize, results: Vec<Value>) -> Value {
    let part = if index == 0 { String::new() } else { format!("-{}", index + 1) };
    let name = format!("airtight{}{part}", namespace.map(|namespace| format!("-{namespace}")).unwrap_or_default());
    let source = (api == Api::OpenReports).then_some("airtight");
    let scope = namespace.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "name": name}));
    let mut object = lean(json!({
        "apiVersion": api.version(),
        "kind": api.kind(namespace.is_some()),
        "metadata": {"name": name, "namespace": namespace, "labels": labels(record)},
        "source": source,
        "scope": scope,
    }));
    object["summary"] = summary(&results);
    if !results.is_empty() {
        object["results"] = Value::Array(results);
    }
    object
}

/// Without the first of them Kyverno's controllers may take the object for their own.
fn labels(record: &RunRecord) -> Value {
    json!({
        "app.kubernetes.io/managed-by": "airtight",
        "airtight.dev/run": label(&record.id),
        "airtight.dev/testbed": label(&record.testbed),
        "airtight.dev/stack": label(&record.stack.name),
    })
}

/// A text as the value of a label: at most 63 letters, digits, `-`, `_` and `.`, of which the first and the last are
/// letters or digits.
fn label(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' });
    let plain: String = plain.take(63).collect();
    plain.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// The namespace that a case is about: that of its destination, else that of its source.
fn namespace(record: &CaseRecord) -> Option<&str> {
    let flow = &record.case.flow;
    let aim = match &flow.to {
        Destination::Service(namespace, _) | Destination::Pod(namespace, _) | Destination::Gateway(namespace, _) => {
            Some(namespace.as_str())
        }
        Destination::Object(change) => change.target.namespace.as_deref(),
        Destination::Host(_) | Destination::Address(_) | Destination::Node(_) | Destination::Name(_) => None,
    };
    let from = match &flow.from {
        Source::Workload(namespace, _) => Some(namespace.as_str()),
        Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => None,
    };
    aim.or(from).filter(|name| is_label_name(name))
}

/// RFC 1123, as namespaces are named.
fn is_label_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-') && !name.ends_with('-')
}

fn summary(results: &[Value]) -> Value {
    let count = |word: &str| results.iter().filter(|result| result["result"] == word).count();
    json!({"pass": count("pass"), "fail": count("fail"), "warn": count("warn"), "error": count("error"), "skip": count("skip")})
}

fn result(run: &RunRecord, record: &CaseRecord, moments: Moments) -> Value {
    let case = &record.case;
    let standing = Standing::of(record);
    let result = match standing {
        Standing::Failed => "fail",
        Standing::Inconclusive => "error",
        Standing::Waived => "warn",
        Standing::Skipped => "skip",
        Standing::Denied | Standing::Allowed => "pass",
    };
    let scored = matches!(standing, Standing::Failed | Standing::Denied | Standing::Allowed);
    let mut out = lean(json!({
        "source": "airtight",
        "policy": text(&case.scenario),
        "rule": text(&case.id),
        "category": case.controls.first().map(|control| text(control)),
        "severity": severity_word(case.severity),
        "result": result,
        "scored": scored,
        "message": message(record),
        "resources": resource(&case.flow.to),
        "properties": properties(run, record),
    }));
    out["timestamp"] = timestamp(moments);
    out
}

fn timestamp(moments: Moments) -> Value {
    json!({"seconds": moments.end.as_second(), "nanos": 0})
}

fn text(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() { "-".to_owned() } else { clip(&line, TEXT).into_owned() }
}

fn message(record: &CaseRecord) -> String {
    let why = match &record.judgement.verdict {
        Verdict::Pass | Verdict::Inconclusive => record.judgement.why.clone(),
        Verdict::Fail => format!("{}: {}", FailureKind::of(record).words(), record.judgement.why),
        Verdict::Skipped { reason } => format!("not tried: {reason}"),
        Verdict::Waived { .. } => format!("waived, would fail: {}", FailureKind::of(record).words()),
    };
    text(&format!("{}: {why}", record.case.title))
}

/// What a flow aims at, where its kind is known.
fn resource(to: &Destination) -> Vec<Value> {
    let of = |api: &str, kind: &str, namespace: &str, name: &str| json!({"apiVersion": api, "kind": kind, "namespace": one_line(namespace), "name": one_line(name)});
    match to {
        Destination::Service(namespace, name) => vec![of("v1", "Service", namespace, name)],
        Destination::Gateway(namespace, name) => vec![of("gateway.networking.k8s.io/v1", "Gateway", namespace, name)],
        Destination::Node(name) => vec![json!({"apiVersion": "v1", "kind": "Node", "name": one_line(name)})],
        // Of a workload or an object of a case nobody knows here what it is in the cluster, or whether it is there.
        Destination::Pod(..)
        | Destination::Object(_)
        | Destination::Host(_)
        | Destination::Address(_)
        | Destination::Name(_) => Vec::new(),
    }
}

/// Texts by name, which is all that the definitions allow.
fn properties(run: &RunRecord, record: &CaseRecord) -> Map<String, Value> {
    let case = &record.case;
    let expected = match case.expect {
        Expectation::Allow(_) => "allow",
        Expectation::Deny(_) => "deny",
    };
    let mut pairs = vec![
        ("case", case.id.clone()),
        ("verdict", Standing::of(record).verdict().to_owned()),
        ("expects", expected.to_owned()),
        ("flow", case.flow.to_string()),
        ("expected", expectation(case)),
        ("observed", observed(record)),
        ("controls", case.controls.join(", ")),
        ("run", run.id.clone()),
        ("testbed", run.testbed.clone()),
        ("stack", run.stack.name.clone()),
    ];
    if let Verdict::Waived { until, why } = &record.judgement.verdict {
        pairs.extend([("waived-until", until.clone()), ("waived-because", why.clone())]);
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::String(text(&value)))).collect()
}

/// What fails the run and is no case.
fn trouble_result(run: &RunRecord, trouble: &Trouble, moments: Moments) -> Value {
    json!({
        "source": "airtight",
        "policy": "run",
        "rule": text(&trouble.name),
        "severity": "high",
        "result": if trouble.fails { "fail" } else { "error" },
        "scored": trouble.fails,
        "message": text(&trouble.message),
        "timestamp": timestamp(moments),
        "properties": {"run": text(&run.id), "kind": trouble.kind},
    })
}
