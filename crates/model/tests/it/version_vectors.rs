//! Flows whose end, and objects whose fate, depend on a component's version, through the whole engine.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use airtight_manifest::stack::{CiliumOptions, IstioOptions, Stack};
use airtight_manifest::{Document, yaml};
use airtight_model::path::{Destination, End, Engine, Flow, Source};
use airtight_model::policy::Request;
use airtight_model::world::{Built, Environment, Protocol, build};
use airtight_testkit::{stack, vectors};
use serde::Deserialize;

const FOLDER: &str = "tests/vectors/versions";

/// One row of a version table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Vector {
    /// Component and version, and what changed.
    row: String,
    component: Component,
    /// The stack of the other components' versions.
    #[serde(default = "reference")]
    stack: String,
    #[serde(default)]
    cilium: CiliumOptions,
    #[serde(default)]
    istio: IstioOptions,
    /// Objects beside those of `_base.yaml`.
    #[serde(default)]
    manifests: String,
    #[serde(default)]
    flows: Vec<Case>,
    /// For each version the codes of findings that are there; a code named for one version is absent in the others.
    #[serde(default)]
    findings: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Component {
    Cilium,
    Istio,
    GatewayApi,
    Kgateway,
    Kyverno,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    from: String,
    to: String,
    #[serde(default)]
    request: Option<RequestText>,
    #[serde(default)]
    tls: Option<String>,
    /// Version → outcome, or `unknown`.
    ends: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestText {
    #[serde(default = "get")]
    method: String,
    #[serde(default = "root")]
    path: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

fn reference() -> String {
    "reference".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn documents(name: &str, text: &str) -> Vec<Document> {
    yaml::parse(&Arc::from(name), text).unwrap_or_else(|finding| panic!("{name}: {finding}"))
}

fn base() -> (Vec<Document>, Environment) {
    let mut all = vectors::File::at(format!("{FOLDER}/_base.yaml")).documents();
    let environment = Environment::read(&all.remove(0)).unwrap();
    (all, environment)
}

impl Vector {
    fn stack(&self, version: &str) -> Stack {
        let mut stack = stack::shipped(&self.stack);
        (stack.cilium, stack.istio) = (self.cilium.clone(), self.istio.clone());
        let versions = &mut stack.versions;
        let place = match self.component {
            Component::Cilium => &mut versions.cilium,
            Component::Istio => &mut versions.istio,
            Component::GatewayApi => &mut versions.gateway_api,
            Component::Kgateway => &mut versions.kgateway,
            Component::Kyverno => &mut versions.kyverno,
        };
        *place = version.parse().unwrap();
        stack
    }

    fn versions(&self) -> BTreeSet<&String> {
        self.flows.iter().flat_map(|case| case.ends.keys()).chain(self.findings.keys()).collect()
    }

    /// The world under a version; the codes of an input that cannot be read at all otherwise.
    fn build(&self, version: &str) -> Result<Built, Vec<String>> {
        let (mut all, environment) = base();
        all.extend(documents("vector.yaml", &self.manifests));
        build(&all, &environment, self.stack(version))
            .map_err(|findings| findings.into_iter().map(|finding| finding.code).collect())
    }

    fn differences(&self, version: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let built = match self.build(version) {
            Ok(built) => built,
            Err(codes) => {
                let expected = self.findings.get(version);
                return if expected == Some(&codes) { wrong } else { vec![format!("{version}: {codes:?}")] };
            }
        };
        let engine = Engine::compile(&built.world);
        for case in &self.flows {
            let Some(expected) = case.ends.get(version) else { continue };
            let trace = engine.trace(&case.flow(&built)).unwrap();
            let end = match &trace.end {
                End::Outcome(outcome) => outcome.to_string(),
                End::Unknown(_) => "unknown".to_owned(),
            };
            if end != *expected {
                wrong.push(format!("{version}: {} → {}: {end}, expected {expected}\n{trace:#?}", case.from, case.to));
            }
        }
        if let Some(expected) = self.findings.get(version) {
            let named: BTreeSet<&String> = self.findings.values().flatten().collect();
            let seen: BTreeSet<String> =
                built.findings.iter().chain(&engine.findings()).map(|finding| finding.code.clone()).collect();
            let there: BTreeSet<&String> = named.into_iter().filter(|code| seen.contains(*code)).collect();
            if there != expected.iter().collect() {
                wrong.push(format!("{version}: findings {seen:?}, expected {expected:?}"));
            }
        }
        wrong
    }
}

impl Case {
    fn flow(&self, built: &Built) -> Flow {
        let (kind, place) = self.to.split_once(' ').unwrap();
        let (place, port) = place.rsplit_once(':').unwrap();
        let (namespace, name) = place.split_once('/').unwrap_or(("", place));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let to = match kind {
            "pod" => Destination::Pod(namespace, name),
            "service" => Destination::Service(namespace, name),
            "gateway" => Destination::Gateway(namespace, name),
            "node" => Destination::Node(name),
            "host" => Destination::Host(name),
            "address" => Destination::Address(place.parse().unwrap()),
            other => panic!("no kind of target: {other}"),
        };
        let from = match self.from.split_once('/') {
            None if self.from == "outside" => Source::Outside,
            None if self.from == "kubelet" => Source::Kubelet,
            Some(("node", name)) => Source::Node(name.to_owned()),
            Some((namespace, name)) => {
                assert!(built.world.workload(namespace, name).next().is_some(), "no workload {}", self.from);
                Source::Workload(namespace.to_owned(), name.to_owned())
            }
            None => panic!("no source: {}", self.from),
        };
        let request = self.request.as_ref().map(|request| Request {
            method: request.method.clone(),
            path: request.path.clone(),
            host: if request.host.is_empty() { place.to_owned() } else { request.host.clone() },
            headers: request.headers.clone(),
            token: None,
        });
        Flow {
            from,
            to,
            protocol: Protocol::Tcp,
            port: Some(port.parse().unwrap()),
            request,
            tls: self.tls.clone(),
            after: Vec::new(),
        }
    }
}

/// What does not hold of a file's vectors.
fn differences(vectors: &[Vector]) -> Vec<String> {
    let mut wrong = Vec::new();
    for vector in vectors {
        for version in vector.versions() {
            wrong.extend(vector.differences(version).into_iter().map(|text| format!("{}\n  {text}", vector.row)));
        }
    }
    wrong
}

/// Checks a file; each vector must tell two versions apart.
fn check(name: &str) {
    let vectors: Vec<Vector> = vectors::File::at(format!("{FOLDER}/{name}.yaml")).read();
    let wrong = differences(&vectors);
    for vector in &vectors {
        let ends = vector.flows.iter().any(|case| case.ends.values().collect::<BTreeSet<_>>().len() > 1);
        let findings = vector.findings.values().collect::<BTreeSet<_>>().len() > 1;
        assert!(ends || findings, "{}: no two versions differ", vector.row);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cilium() {
    check("cilium");
}

#[test]
fn istio() {
    check("istio");
}

#[test]
fn gateway_api() {
    check("gateway-api");
}

#[test]
fn kgateway() {
    check("kgateway");
}

#[test]
fn kyverno() {
    check("kyverno");
}

/// Flows through several layers, which need not end otherwise in another version.
#[test]
fn path() {
    let files = vectors::files("tests/vectors/path");
    let wrong: Vec<String> = files.iter().flat_map(|file| differences(&file.read::<Vec<Vector>>())).collect();
    assert!(!files.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}
