//! The catalogue of controls that cases give evidence for.

use std::collections::BTreeSet;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, Document, Located, Node, decode_object, yaml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::form::API_VERSION;

/// `kind` of a catalogue file.
const KIND: &str = "ControlFramework";

/// Embedded catalogue files: `(name, text)`.
const FILES: &[(&str, &str)] = &[
    ("controls/nist-800-207.yaml", include_str!("../../../../controls/nist-800-207.yaml")),
    ("controls/nist-800-53.yaml", include_str!("../../../../controls/nist-800-53.yaml")),
    ("controls/nsa-k8s.yaml", include_str!("../../../../controls/nsa-k8s.yaml")),
    ("controls/cis-k8s.yaml", include_str!("../../../../controls/cis-k8s.yaml")),
    ("controls/cisa-ztmm.yaml", include_str!("../../../../controls/cisa-ztmm.yaml")),
    ("controls/soc2.yaml", include_str!("../../../../controls/soc2.yaml")),
    ("controls/iso-27001.yaml", include_str!("../../../../controls/iso-27001.yaml")),
    ("controls/gdpr.yaml", include_str!("../../../../controls/gdpr.yaml")),
    ("controls/nis2.yaml", include_str!("../../../../controls/nis2.yaml")),
    ("controls/pci-dss.yaml", include_str!("../../../../controls/pci-dss.yaml")),
    ("controls/owasp-llm.yaml", include_str!("../../../../controls/owasp-llm.yaml")),
    ("controls/owasp-mcp.yaml", include_str!("../../../../controls/owasp-mcp.yaml")),
    ("controls/owasp-asi.yaml", include_str!("../../../../controls/owasp-asi.yaml")),
    ("controls/mitre-attack.yaml", include_str!("../../../../controls/mitre-attack.yaml")),
];

/// Frameworks and their controls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// The frameworks in a fixed order.
    pub frameworks: Vec<Framework>,
}

/// One body of controls, in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Framework {
    /// Name in control ids, such as `nist-800-53`.
    pub name: String,
    /// Title in our own words.
    pub title: String,
    /// The version that the ids belong to.
    pub version: String,
    /// Where the ids were read.
    pub source: String,
    /// What evidence from flows leaves open for every control of it.
    pub gaps: String,
    /// Its controls in its own order.
    pub controls: Vec<Control>,
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Id inside the framework, such as `AC-4`.
    pub id: String,
    /// Title in our own words.
    pub title: String,
    /// Ids of the same control in other editions.
    pub aliases: Vec<String>,
    /// What kind of evidence each topic of flows gives for it, strongest first.
    pub evidence: Vec<(Strength, BTreeSet<Topic>)>,
    /// What evidence from flows leaves open.
    pub gaps: Option<String>,
}

/// How much a passing flow says about a control. It never satisfies one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Something about its surroundings.
    Supporting,
    /// A part of the behaviour that it asks for is exercised.
    Partial,
    /// The behaviour that it asks for is exercised.
    Direct,
}

/// What flows are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Every allowed and denied flow.
    Any,
    /// Users entering through a gateway.
    UserIngress,
    /// Model providers reached through a waypoint or gateway.
    LlmEgress,
    /// MCP servers reached across namespaces.
    Mcp,
    /// The cloud metadata service.
    Metadata,
    /// Isolation of environments and teams.
    Environments,
    /// Default deny.
    DefaultDeny,
    /// Name resolution.
    Dns,
    /// Strict mutual TLS.
    Mtls,
    /// Authorization by method, path, header and principal.
    L7,
    /// Databases.
    Database,
    /// Scraping of metrics.
    Monitoring,
    /// Egress by name.
    FqdnEgress,
    /// Tokens.
    Jwt,
    /// Rate limits.
    RateLimit,
    /// TLS versions and suites.
    Tls13,
    /// The control plane: API server, etcd, kubelet.
    ControlPlane,
    /// Admission of objects.
    Admission,
    /// Probes found in logs and alerts.
    Audit,
    /// Behaviour while a component is down or changes.
    Fault,
    /// The harness itself: regular, versioned runs.
    Harness,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FrameworkForm {
    spec: SpecForm,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecForm {
    title: String,
    version: String,
    source: String,
    gaps: String,
    controls: Vec<Located<ControlForm>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ControlForm {
    id: String,
    title: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    direct: BTreeSet<Topic>,
    #[serde(default)]
    partial: BTreeSet<Topic>,
    #[serde(default)]
    supporting: BTreeSet<Topic>,
    #[serde(default)]
    gaps: Option<String>,
}

impl Catalogue {
    /// The catalogue that is part of the program.
    ///
    /// # Errors
    /// The findings about its files; a test keeps the shipped ones free of any.
    pub fn embedded() -> Result<Self, Vec<Diagnostic>> {
        let mut documents = Vec::new();
        for (name, text) in FILES {
            documents.extend(yaml::parse(&Arc::from(*name), text).map_err(|finding| vec![finding])?);
        }
        Self::load(&documents)
    }

    /// A catalogue from documents of `kind: ControlFramework`.
    ///
    /// # Errors
    /// All findings: unknown fields and topics, frameworks and control ids written twice, and controls for which
    /// no flow gives evidence.
    pub fn load(documents: &[Document]) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let mut catalogue = Self::default();
        for document in documents {
            match framework(document) {
                Ok(framework) if catalogue.frameworks.iter().any(|other| other.name == framework.name) => {
                    findings.push(problem(
                        document,
                        document.root.at,
                        format!("framework `{}` is written twice", framework.name),
                    ));
                }
                Ok(framework) => catalogue.frameworks.push(framework),
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() { Ok(catalogue) } else { Err(findings) }
    }

    /// Framework and control of an id such as `nist-800-53/AC-4`; aliases are found too.
    #[must_use]
    pub fn control(&self, id: &str) -> Option<(&Framework, &Control)> {
        let (name, id) = id.split_once('/')?;
        let framework = self.frameworks.iter().find(|framework| framework.name == name)?;
        let control = framework
            .controls
            .iter()
            .find(|control| control.id == id || control.aliases.iter().any(|alias| alias == id))?;
        Some((framework, control))
    }

    /// All controls with their full ids.
    pub fn controls(&self) -> impl Iterator<Item = (String, &Framework, &Control)> {
        self.frameworks.iter().flat_map(|framework| {
            framework
                .controls
                .iter()
                .map(move |control| (format!("{}/{}", framework.name, control.id), framework, control))
        })
    }
}

impl Control {
    /// The strongest evidence that any flow gives for it.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.evidence.iter().map(|(strength, _)| *strength).max().unwrap_or(Strength::Supporting)
    }
}

fn framework(document: &Document) -> Result<Framework, Vec<Diagnostic>> {
    let text = |key: &str| document.root.get(key).and_then(Node::as_str);
    if (text("apiVersion"), text("kind")) != (Some(API_VERSION), Some(KIND)) {
        return Err(vec![problem(document, document.root.at, format!("expected `{KIND}` of `{API_VERSION}`"))]);
    }
    let object = decode_object::<FrameworkForm>(document)?;
    let name = object.meta.name().to_owned();
    let spec = object.into_body().spec;
    let mut ids = BTreeSet::new();
    let mut findings = Vec::new();
    for form in &spec.controls {
        for id in std::iter::once(&form.id).chain(&form.aliases) {
            if !ids.insert(id.clone()) {
                findings.push(problem(document, form.at, format!("control id `{id}` is written twice")));
            }
        }
        if form.direct.is_empty() && form.partial.is_empty() && form.supporting.is_empty() {
            findings.push(problem(document, form.at, format!("no flow gives evidence for `{}`", form.id)));
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let controls = spec.controls.into_iter().map(|form| control(form.value)).collect();
    Ok(Framework { name, title: spec.title, version: spec.version, source: spec.source, gaps: spec.gaps, controls })
}

fn problem(document: &Document, at: airtight_manifest::Position, message: String) -> Diagnostic {
    Diagnostic::error("control-catalogue", message)
        .at(document.location(at))
        .hint("each framework and each control is written once, with the topics of flows that give evidence")
}

fn control(form: ControlForm) -> Control {
    let evidence =
        [(Strength::Direct, form.direct), (Strength::Partial, form.partial), (Strength::Supporting, form.supporting)];
    Control {
        id: form.id,
        title: form.title,
        aliases: form.aliases,
        evidence: evidence.into_iter().filter(|(_, topics)| !topics.is_empty()).collect(),
        gaps: form.gaps,
    }
}
