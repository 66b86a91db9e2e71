//! Cases, one field after the other only where a test cares.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Location, Position};
use airtight_matrix::scenario::{
    AllowExpectation, Case, DenyExpectation, Expectation, Plan, PlannedCase, ScenarioInfo, Severity,
};
use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Layer, Request};
use airtight_model::world::Protocol;

/// The only scenario of [`plan`].
const SCENARIO: &str = "s";

/// A connection from the pod `n/a` to port 8080 of `n/b`.
#[must_use]
pub fn flow() -> Flow {
    Flow {
        from: Source::Workload("n".to_owned(), "a".to_owned()),
        to: Destination::Pod("n".to_owned(), "b".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(8080),
        request: None,
        tls: None,
        after: Vec::new(),
    }
}

/// A request to `n/b`.
#[must_use]
pub fn request() -> Request {
    Request { method: "GET".to_owned(), path: "/".to_owned(), host: "b.n".to_owned(), headers: Vec::new(), token: None }
}

/// Anything that gets through.
#[must_use]
pub fn allow() -> AllowExpectation {
    AllowExpectation {
        outcomes: BTreeSet::new(),
        via: BTreeSet::new(),
        answered_by: None,
        backend_headers: Vec::new(),
        generates: None,
        labels: Vec::new(),
    }
}

/// Any denial by this layer.
#[must_use]
pub fn deny(by: Layer) -> DenyExpectation {
    DenyExpectation { by, outcomes: BTreeSet::new(), layers: 1, reason: None }
}

/// A case without a twin.
#[must_use]
pub fn case(id: &str, flow: Flow, expect: Expectation) -> Case {
    Case {
        id: id.to_owned(),
        scenario: SCENARIO.to_owned(),
        title: format!("case {id}"),
        flow,
        expect,
        twin: None,
        controls: Vec::new(),
        claims: Vec::new(),
        severity: Severity::Medium,
        waiver: None,
        at: Location::new(&Arc::from("s.yaml"), Position { line: 1, column: 1 }),
    }
}

/// These cases, each for its own sake.
#[must_use]
pub fn plan(cases: Vec<Case>) -> Plan {
    let scenario = ScenarioInfo { name: SCENARIO.to_owned(), title: "a scenario".to_owned(), suite: None };
    let planned = |case| PlannedCase { case, suite: None, support: false };
    Plan { scenarios: vec![scenario], cases: cases.into_iter().map(planned).collect(), ..Plan::default() }
}
