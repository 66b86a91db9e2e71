//! The comparison as data.

use std::collections::BTreeMap;

use airtight_manifest::RuleRef;
use airtight_matrix::run::ExitStatus;
use airtight_model::policy::Layer;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::objects::ObjectChanges;

/// What changes from one set of manifests, the earlier, to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moves {
    /// The set that is compared with.
    pub before: Set,
    /// The set that is compared.
    pub after: Set,
    /// How many cells of the matrix both sets have: one source (a class of pods, nodes, users outside) to one destination
    /// and port.
    pub compared: usize,
    /// How many of them changed, and how.
    pub changed: Counts,
    /// What changed, put together by the rules that make it so; the gravest first, and the largest of those.
    pub groups: Vec<Group>,
    /// What only the earlier set has; nothing is said of flows from or to it.
    pub only_before: Only,
    /// What only the later set has.
    pub only_after: Only,
    /// Policies and routes that are new, gone or changed.
    pub policies: ObjectChanges,
    /// Every other object that is new, gone or changed.
    pub others: ObjectChanges,
    /// Address ranges of senders that policies of only one set name: users outside are one address here, so it is not known
    /// what changes for others.
    pub ranges: Vec<String>,
}

/// A set of manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Set {
    /// What the user called it.
    pub name: String,
    /// Its stack.
    pub stack: String,
    /// How many policies and routes decide about flows.
    pub policies: usize,
    /// How many objects exist, those that Kyverno generates among them.
    pub objects: usize,
    /// How many pods.
    pub pods: usize,
    /// How many Services.
    pub services: usize,
    /// How many cells of the matrix end in which way.
    pub flows: BTreeMap<String, usize>,
}

/// Cells by how they changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Newly allowed, or more of their requests are.
    pub opened: usize,
    /// Newly denied, or more of their requests are.
    pub closed: usize,
    /// It is not known whether they changed.
    pub unclear: usize,
    /// They end as before, by another layer, at another checkpoint or for another reason.
    pub otherwise: usize,
}

/// How flows changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// What was denied is allowed, or some requests of it are.
    Opened,
    /// What was allowed is denied, or some requests of it are.
    Closed,
    /// It is not known whether it changed: one of the ends is unknown, or the rules about requests are others and no request
    /// that was tried tells them apart.
    Unclear,
    /// It ends as before, by another layer, at another checkpoint or for another reason.
    Otherwise,
}

/// How the flows of a group end on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct End {
    /// `allowed`, `by request`, `denied` or `unknown`.
    pub verdict: String,
    /// The layer that denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// The rules that make it so on this side and not on the other; where none is, all that decide.
    pub rules: Vec<RuleRef>,
}

/// Flows that the same rules moved in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// How they changed.
    pub change: Change,
    /// How they ended.
    pub before: End,
    /// How they end.
    pub after: End,
    /// How many cells of the matrix they are.
    pub cells: usize,
    /// Which flows.
    pub flows: Vec<Flows>,
    /// Requests that changed, where requests decide on both sides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
}

/// Flows of some sources to some destinations: each of the first to each of the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Flows {
    /// Destinations: `NAMESPACE/SERVICE:PORT`, `pod/NAMESPACE/WORKLOAD:PORT`, a host or a gateway.
    pub to: Vec<String>,
    /// Sources: `NAMESPACE/WORKLOAD`, `node`, `control-plane node` or `outside`.
    pub from: Vec<String>,
}

/// What one of the sets has and the other has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Only {
    /// Workloads.
    pub workloads: Vec<String>,
    /// Destinations of which both sets have the workload: Services, ports, gateways.
    pub destinations: Vec<String>,
}

impl Moves {
    /// How to exit: 4 if the sets have no flow in common; 1 if a denied flow became allowed or an allowed one denied; 3 if that
    /// cannot be told of some. Being strict, a flow that is decided otherwise counts too.
    #[must_use]
    pub fn status(&self, strict: bool) -> ExitStatus {
        let Counts { opened, closed, unclear, otherwise } = self.changed;
        if self.compared == 0 {
            ExitStatus::NothingSelected
        } else if opened + closed > 0 || (strict && otherwise > 0) {
            ExitStatus::Failed
        } else if unclear > 0 || !self.ranges.is_empty() {
            ExitStatus::Inconclusive
        } else {
            ExitStatus::Passed
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, change: Change, number: usize) {
        match change {
            Change::Opened => self.opened += number,
            Change::Closed => self.closed += number,
            Change::Unclear => self.unclear += number,
            Change::Otherwise => self.otherwise += number,
        }
    }
}

/// JSON Schema (2020-12) of [`Moves`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Moves>();
    schema.insert("$id".to_owned(), "https://airtight.dev/v1alpha1/diff.schema.json".into());
    schema.insert("title".to_owned(), "airtight diff of manifests".into());
    schema.to_value()
}
