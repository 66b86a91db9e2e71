//! What surrounds a run: versions, inputs, the clock, and how often to try.

use std::collections::BTreeMap;

use airtight_manifest::Diagnostic;
use airtight_manifest::stack::{Stack, Versions};

use super::clock::Clock;
use super::predictions::Predictions;
use super::record::{CaseRecord, PolicyRecord, StackRecord, ToolRecord};

/// Computes the coverage of policies from the judged cases.
pub type Coverage<'a> = Box<dyn FnOnce(&[CaseRecord]) -> Vec<PolicyRecord> + 'a>;

/// What surrounds a run.
pub struct RunContext<'a> {
    /// Component versions.
    pub stack: StackRecord,
    /// How many objects were loaded and from where: one phrase for readers.
    pub manifests: String,
    /// Findings about the inputs; an error among them fails the run.
    pub findings: Vec<Diagnostic>,
    /// SHA-256 of every input file, by name.
    pub inputs: BTreeMap<String, String>,
    /// Coverage of policies, asked for once all cases are judged.
    pub coverage: Coverage<'a>,
    /// What the model says of the cases, on a testbed that is not the model.
    pub predictions: Predictions,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Id of the run; none makes one of the time and the inputs.
    pub id: Option<String>,
    /// How often a case that did not pass is tried again, on a live testbed.
    pub retries: u32,
    /// How many flows are tried at the same moment; a denied case and its twin are never parted.
    pub round: usize,
    /// Whether the user wants the end. Nothing is tried from then on, and what was seen of flows meanwhile says nothing
    /// about them.
    pub stopped: &'a dyn Fn() -> bool,
}

impl<'a> RunContext<'a> {
    /// A context without findings, inputs, coverage and retries, in rounds of 100 flows.
    #[must_use]
    pub fn new(stack: StackRecord, clock: &'a dyn Clock) -> Self {
        Self {
            stack,
            manifests: String::new(),
            findings: Vec::new(),
            inputs: BTreeMap::new(),
            coverage: Box::new(|_| Vec::new()),
            predictions: Predictions::default(),
            clock,
            id: None,
            retries: 0,
            round: 100,
            stopped: &|| false,
        }
    }
}

impl From<&Stack> for StackRecord {
    fn from(stack: &Stack) -> Self {
        let Versions { kubernetes, cilium, istio, gateway_api, kgateway, agentgateway, kyverno } = &stack.versions;
        let versions = [
            ("Kubernetes", Some(kubernetes)),
            ("Cilium", Some(cilium)),
            ("Istio", Some(istio)),
            ("Gateway API", Some(gateway_api)),
            ("Kgateway", Some(kgateway)),
            ("agentgateway", agentgateway.as_ref()),
            ("Kyverno", Some(kyverno)),
        ];
        let present = versions.into_iter().filter_map(|(name, version)| Some((name.to_owned(), version?.to_string())));
        Self { name: stack.name.clone(), versions: present.collect() }
    }
}

impl ToolRecord {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self { name: "airtight".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}
