//! The model's canary: a deny bites in a throw-away world, and stops biting without its policy.

use std::sync::Arc;

use airtight_manifest::Failure;
use airtight_manifest::stack::Stack;
use airtight_manifest::yaml::parse;
use airtight_model::path::{Destination, Engine, Flow, Source};
use airtight_model::policy::Outcome;
use airtight_model::world::{Environment, Host, Node, Protocol, build};

use crate::testbed::Canary;

const WORLD: &str = include_str!("canary.yaml");
const POLICY: &str = include_str!("canary-policy.yaml");

/// Tries a flow with and without a policy that denies it.
pub(super) fn try_out(stack: &Stack) -> Result<Canary, Failure> {
    Ok(Canary {
        without_policy: outcome(stack, WORLD)?,
        with_policy: outcome(stack, &format!("{WORLD}---\n{POLICY}"))?,
        detail: "airtight-canary/client dials server:8080 under a NetworkPolicy that allows nothing".to_owned(),
    })
}

fn outcome(stack: &Stack, manifests: &str) -> Result<Outcome, Failure> {
    let file: Arc<str> = Arc::from("canary.yaml");
    let broken = |what: String| Failure::new("canary", format!("the canary cannot be tried: {what}"));
    let documents = parse(&file, manifests).map_err(|finding| broken(finding.to_string()))?;
    let built = build(&documents, &environment(), stack.clone())
        .map_err(|findings| broken(findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let engine = Engine::compile(&built.world);
    let trace = engine.trace(&flow()).map_err(|error| broken(error.to_string()))?;
    trace.outcome().cloned().ok_or_else(|| broken("its outcome is unknown".to_owned()))
}

fn flow() -> Flow {
    Flow {
        from: Source::Workload("airtight-canary".to_owned(), "client".to_owned()),
        to: Destination::Pod("airtight-canary".to_owned(), "server".to_owned()),
        protocol: Protocol::Tcp,
        port: Some(8080),
        request: Some(airtight_model::policy::Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "server".to_owned(),
            headers: Vec::new(),
            token: None,
        }),
        tls: None,
        after: Vec::new(),
    }
}

fn environment() -> Environment {
    let node = Node {
        name: "canary".into(),
        labels: airtight_manifest::Labels::new(),
        addresses: vec![std::net::Ipv4Addr::new(192, 0, 2, 1).into()],
        control_plane: false,
    };
    Environment {
        nodes: vec![node],
        hosts: Vec::<Host>::new(),
        outside: std::net::Ipv4Addr::new(198, 51, 100, 1).into(),
        pod_cidrs: vec![ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 244, 0, 0), 16).into()],
        service_cidrs: vec![ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 96, 0, 0), 16).into()],
        policy_exceptions: None,
    }
}
