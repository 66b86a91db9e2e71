//! What coverage came to.

use std::collections::BTreeMap;

use airtight_manifest::{Location, ObjectRef};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::mutant::Operator;
use super::risk::Risk;
use crate::scenario::CaseId;

/// The `schema` of a [`CoverageRecord`]; its number rises when a field changes its meaning or goes away.
pub const COVERAGE_SCHEMA: &str = "airtight.dev/coverage/v1";

/// What a matrix notices of changes to a policy set.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageRecord {
    /// [`COVERAGE_SCHEMA`].
    pub schema: &'static str,
    /// The stack that the model computes for.
    pub stack: String,
    /// Cases of the matrix.
    pub cases: usize,
    /// Cases that pass: the others notice nothing.
    pub passing: usize,
    /// Only every so many-th mutant was tried; 1: all.
    pub every: usize,
    /// Mutants of which whole objects were removed.
    pub objects_removed: Counts,
    /// All other mutants: rules, items, fields, labels.
    pub rules: Counts,
    /// Every object that was looked at, in the order of files.
    pub objects: Vec<ObjectCoverage>,
    /// Mutants that no case notices and of which it is not proved that they change nothing: what opens flows first.
    pub survivors: Vec<MutantRecord>,
    /// What can be removed without any flow changing.
    pub excess: Vec<MutantRecord>,
    /// Mutants that cases notice.
    pub killed: Vec<MutantRecord>,
    /// Allowed flows that no case asserts, the riskiest first.
    pub unasserted: Vec<OpenFlow>,
    /// Cases in whose trace no policy decided anything.
    pub undecided: Vec<CaseId>,
    /// By layer, control and claim.
    pub shares: Shares,
}

/// What became of mutants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// A case notices.
    pub killed: usize,
    /// No case notices, but an error that a run ends with names it.
    pub named: usize,
    /// Nothing notices.
    pub survived: usize,
    /// Nothing could notice: no flow changes.
    pub equivalent: usize,
    /// The API server would refuse it; it counts nowhere.
    pub stillborn: usize,
}

impl Counts {
    /// The share that is noticed of those that could be, in percent; 100 of none.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let noticed = self.killed + self.named;
        let all = noticed + self.survived;
        #[expect(clippy::cast_precision_loss, reason = "there are no 2^52 mutants")]
        let share = |part: usize, whole: usize| part as f64 * 100.0 / whole as f64;
        if all == 0 { 100.0 } else { share(noticed, all) }
    }

    pub(super) fn add(&mut self, fate: &Fate) {
        match fate {
            Fate::Killed { .. } => self.killed += 1,
            Fate::Named { .. } => self.named += 1,
            Fate::Survived { .. } => self.survived += 1,
            Fate::Equivalent => self.equivalent += 1,
            Fate::Stillborn { .. } => self.stillborn += 1,
        }
    }
}

/// One object and what became of its mutants.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCoverage {
    /// The object.
    pub object: ObjectRef,
    /// Where it begins.
    pub at: Location,
    /// The layer that enforces it; `binding` for a Namespace or Service, `none` for what no flow depends on.
    pub layer: String,
    /// What became of its removal; none if it is no policy, or was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<Fate>,
    /// What became of the mutants of its rules.
    pub rules: Counts,
}

/// One mutant and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutantRecord {
    /// What tells it from all others, whatever lines it stands on.
    pub id: String,
    /// The object.
    pub object: ObjectRef,
    /// Where what is changed was written.
    pub at: Location,
    /// What was done.
    pub operator: Operator,
    /// What was changed, in words.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Fate {
    /// These cases no longer pass.
    Killed {
        /// The cases.
        by: Vec<CaseId>,
    },
    /// Every case passes, and the run ends with an error that was not there before.
    Named {
        /// What the error says.
        why: String,
    },
    /// Every case passes.
    Survived {
        /// How many cells of the full reachability it opens.
        opens: usize,
        /// How many it closes, or ends by another layer.
        closes: usize,
        /// Some of those that it opens, or else closes.
        examples: Vec<String>,
        /// Why the full reachability, which sees no change, proves nothing here.
        #[serde(skip_serializing_if = "Option::is_none")]
        unproved: Option<String>,
    },
    /// Every case passes, and no flow between anything that exists changes.
    Equivalent,
    /// The API server would refuse it.
    Stillborn {
        /// What it says.
        why: String,
    },
}

/// An allowed flow that no case asserts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenFlow {
    /// The source.
    pub from: String,
    /// The destination and its port.
    pub to: String,
    /// Whether rules about requests decide; one that passes is in the draft.
    pub by_request: bool,
    /// Why it is worth a case, the worst first.
    pub risks: Vec<Risk>,
    /// The flow of the drafted case.
    #[serde(skip)]
    pub flow: airtight_model::path::Flow,
    /// The rules that let it through.
    #[serde(skip)]
    pub rules: Vec<String>,
}

/// Coverage by what cases stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// By the layer that enforces the object of a mutant.
    pub layers: BTreeMap<String, Counts>,
    /// By the controls of cases.
    pub controls: BTreeMap<String, Share>,
    /// By the claims of cases.
    pub claims: BTreeMap<String, Share>,
}

/// What the cases of one control or claim notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Its cases.
    pub cases: usize,
    /// Mutants that at least one of them notices.
    pub kills: usize,
}

/// JSON Schema (2020-12) of a [`CoverageRecord`].
#[must_use]
pub fn coverage_schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<CoverageRecord>();
    schema.insert("$id".to_owned(), format!("https://{COVERAGE_SCHEMA}/coverage.schema.json").into());
    schema.insert("title".to_owned(), "airtight coverage".into());
    schema.to_value()
}
