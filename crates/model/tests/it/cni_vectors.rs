//! Semantic vectors of the CNI layer: policies, hops and what Cilium does with them, by version.

use std::fmt::Write as _;

use airtight_manifest::Diagnostic;
use airtight_manifest::decode::decode;
use airtight_manifest::stack::CiliumOptions;
use airtight_model::policy::cni::{CniHop, CniPolicy, Payload};
use airtight_model::policy::{Decision, Request};
use airtight_model::world::{Protocol, World};
use airtight_testkit::vectors;
use serde::Deserialize;

use crate::cni_world::{self, Fixture};

/// A vector file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    title: String,
    /// Version of Cilium unless a case names its own.
    cilium: String,
    #[serde(default)]
    options: CiliumOptions,
    #[serde(default)]
    manifests: String,
    cases: Vec<Case>,
}

/// One expectation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: Option<String>,
    cilium: Option<Vec<String>>,
    options: Option<CiliumOptions>,
    /// Policies of this case alone, beside those of the file.
    #[serde(default)]
    manifests: String,
    hop: Option<HopText>,
    /// Who looks up which name.
    lookup: Option<Lookup>,
    egress: Option<String>,
    ingress: Option<String>,
    dns: Option<String>,
    /// A part of the path of the deciding rule.
    by: Option<String>,
    /// A part of the line that an observer would log.
    log: Option<String>,
    /// Parts of findings, each of which must be there.
    #[serde(default)]
    findings: Vec<String>,
    /// Parts of findings, none of which may be there.
    #[serde(default)]
    no_findings: Vec<String>,
    /// Parts of the reasons for which the API server refuses an object; an empty list: it refuses none.
    refused: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HopText {
    from: String,
    to: String,
    #[serde(default)]
    protocol: Protocol,
    port: Option<u16>,
    icmp_type: Option<u8>,
    request: Option<Request>,
    sni: Option<String>,
    payload: Option<PayloadName>,
    resolved: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PayloadName {
    Tls,
    Hbone,
    Opaque,
}

#[derive(Debug, Deserialize)]
struct Lookup {
    from: String,
    name: String,
}

impl HopText {
    fn payload(&self) -> Payload<'_> {
        match (&self.request, &self.sni, self.payload) {
            (Some(request), _, _) => Payload::Http(request),
            (None, Some(sni), _) => Payload::Tls { sni: Some(sni) },
            (None, None, Some(PayloadName::Tls)) => Payload::Tls { sni: None },
            (None, None, Some(PayloadName::Hbone)) => Payload::Hbone,
            (None, None, Some(PayloadName::Opaque) | None) => Payload::Opaque,
        }
    }

    fn hop(&self, world: &World) -> CniHop<'_> {
        CniHop {
            source: cni_world::endpoint(world, &self.from),
            destination: cni_world::endpoint(world, &self.to),
            protocol: self.protocol,
            port: self.port,
            icmp_type: self.icmp_type,
            payload: self.payload(),
            resolved: self.resolved.as_deref(),
        }
    }
}

/// `effect reason [symptom]`.
fn shown(decision: &Decision) -> String {
    match &decision.symptom {
        Some(symptom) => format!("{} {} {symptom}", decision.effect, decision.reason),
        None => format!("{} {}", decision.effect, decision.reason),
    }
}

fn compare(what: &str, expected: Option<&String>, decision: impl FnOnce() -> Decision, case: &Case, out: &mut String) {
    let Some(expected) = expected else { return };
    let decision = decision();
    let got = shown(&decision);
    let fits = got == *expected || got.strip_prefix(expected.as_str()).is_some_and(|rest| rest.starts_with(' '));
    let paths: Vec<String> = decision.rules.iter().map(ToString::to_string).collect();
    let by = case.by.as_ref().is_none_or(|part| paths.iter().any(|path| path.contains(part.as_str())));
    let log = case.log.as_ref().is_none_or(|part| decision.log.as_ref().is_some_and(|log| log.contains(part.as_str())));
    if !(fits && by && log) {
        let _ = writeln!(
            out,
            "  {what}: expected `{expected}`, got `{got}`\n    {}\n    {paths:?} {:?}",
            decision.detail, decision.log
        );
    }
}

fn compare_findings(what: &str, expected: &[String], found: &[Diagnostic], out: &mut String) {
    for part in expected {
        if !found.iter().any(|finding| finding.to_string().contains(part.as_str())) {
            let all: Vec<String> = found.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "  {what}: expected `{part}` among {all:#?}");
        }
    }
}

fn run_case(vector: &Vector, case: &Case, version: &str, out: &mut String) {
    let options = case.options.as_ref().unwrap_or(&vector.options);
    let policies = format!("{}\n---\n{}", vector.manifests, case.manifests);
    let Fixture { world, refused } = cni_world::build_world(&policies, version, options.clone());
    let policy = CniPolicy::compile(&world);
    if let Some(hop) = &case.hop {
        let hop = hop.hop(&world);
        compare("egress", case.egress.as_ref(), || policy.egress(&world, &hop), case, out);
        compare("ingress", case.ingress.as_ref(), || policy.ingress(&world, &hop), case, out);
    }
    if let Some(lookup) = &case.lookup {
        let source = cni_world::endpoint(&world, &lookup.from);
        compare("dns", case.dns.as_ref(), || policy.dns(&world, source, &lookup.name), case, out);
    }
    let found: Vec<Diagnostic> = policy.findings().iter().cloned().chain(policy.lint(&world)).collect();
    compare_findings("findings", &case.findings, &found, out);
    for part in &case.no_findings {
        if let Some(finding) = found.iter().find(|finding| finding.to_string().contains(part.as_str())) {
            let _ = writeln!(out, "  unexpected finding: {finding}");
        }
    }
    match case.refused.as_deref() {
        Some([]) | None if !refused.is_empty() => {
            let _ = writeln!(out, "  the API server refuses: {refused:#?}");
        }
        Some(expected) => compare_findings("refused", expected, &refused, out),
        None => {}
    }
}

fn run_file(file: &vectors::File) -> String {
    let document = file.documents().remove(0);
    let file = file.path.display();
    let decoded = decode::<Vector>(&document.root).unwrap_or_else(|error| panic!("{file}: {error} {:?}", error.at));
    assert!(decoded.unknown.is_empty(), "{file}: unknown fields {:?}", decoded.unknown);
    let vector = decoded.value;
    let mut out = String::new();
    for (index, case) in vector.cases.iter().enumerate() {
        let asserted = [&case.egress, &case.ingress, &case.dns].iter().any(|text| text.is_some());
        assert!(
            asserted || !case.findings.is_empty() || !case.no_findings.is_empty() || case.refused.is_some(),
            "{file}: case {index} asserts nothing"
        );
        let default = vec![vector.cilium.clone()];
        for version in case.cilium.as_ref().unwrap_or(&default) {
            let before = out.len();
            run_case(&vector, case, version, &mut out);
            if out.len() > before {
                let name = case.name.clone().unwrap_or_else(|| index.to_string());
                out.insert_str(before, &format!("{file} ({}), case {name}, Cilium {version}:\n", vector.title));
            }
        }
    }
    out
}

#[test]
fn every_vector_holds() {
    let files = vectors::files("tests/vectors/cni");
    assert!(files.len() >= 10, "vectors are missing");
    let failures: String = files.iter().map(run_file).collect();
    assert!(failures.is_empty(), "\n{failures}");
}
