//! The matrix as data in few words: names are written once, and cells that end alike stand together.

use std::collections::{BTreeMap, HashMap};

use airtight_manifest::RuleRef;
use airtight_matrix::run::draft::PassingRequests;
use airtight_model::path::reach::{Cell, Class, Reachability};
use airtight_model::policy::Layer;
use airtight_model::world::{Enrolment, World};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::exposure::Exposure;
use super::summary::Summary;
use super::{layer, word};

/// The matrix by class: for a thousand Deployments some megabytes, where [`Document`](super::Document) has a hundred.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Matrix")]
pub struct Grouped {
    /// Cells by how they end.
    summary: BTreeMap<&'static str, usize>,
    /// What is reachable from outside, and from every namespace.
    exposure: Exposure,
    /// Pods that no policy can tell apart.
    classes: Vec<Members>,
    /// Sources: a class by its name, `node`, `outside`.
    sources: Vec<String>,
    /// Destinations with their ports.
    targets: Vec<String>,
    /// Cells that end alike; a pair of source and target that is in no group has no two ends.
    groups: Vec<Group>,
    /// Rules, to which groups refer by index.
    rules: Vec<RuleRef>,
}

/// Pods that no policy can tell apart.
#[derive(Debug, Serialize, JsonSchema)]
struct Members {
    /// `NAMESPACE/WORKLOAD`, with a number where pods of the workload differ.
    name: String,
    /// `NAMESPACE/NAME` of each pod.
    pods: Vec<String>,
    /// How the mesh sees them.
    enrolment: Enrolment,
}

/// Ranges of indices: the first and the last of each.
type Ranges = Vec<(usize, usize)>;

/// Cells of each of some sources with each of some targets, which all end alike.
#[derive(Debug, Serialize, JsonSchema)]
struct Group {
    /// The sources, as ranges of indices: the first and the last of each.
    from: Ranges,
    /// The targets, likewise.
    to: Ranges,
    #[serde(flatten)]
    end: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
struct Ending {
    /// `allowed`, `by request`, `denied` or `unknown`.
    verdict: &'static str,
    /// Who denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<Layer>,
    /// The rules that decide, as indices.
    rules: Vec<usize>,
    /// Requests that pass, where requests decide and some were tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Vec<String>>,
}

impl Grouped {
    /// The matrix by class.
    #[must_use]
    pub fn of(reach: &Reachability<'_, '_>, requests: &PassingRequests) -> Self {
        let mut rules = Rules::default();
        let mut by_basis = HashMap::new();
        let mut ends: Vec<BTreeMap<Ending, Ranges>> = vec![BTreeMap::new(); reach.rows().len()];
        for cell in reach.cells() {
            let mut known: Vec<usize> = Vec::new();
            for basis in cell.deciding() {
                // Cells share what decides them, by the thousand.
                let ids = by_basis
                    .entry(std::ptr::from_ref(basis))
                    .or_insert_with(|| basis.rules.iter().map(|rule| rules.id(rule)).collect::<Vec<_>>());
                known.extend_from_slice(ids);
            }
            let end = Ending::of(&cell, requests, known);
            append(ends[cell.row].entry(end).or_default(), cell.target);
        }
        let mut alike: BTreeMap<(Ending, Ranges), Ranges> = BTreeMap::new();
        for (from, ends) in ends.into_iter().enumerate() {
            for end in ends {
                append(alike.entry(end).or_default(), from);
            }
        }
        let groups = alike.into_iter().map(|((end, to), from)| Group { from, to, end });
        let summary = Summary::of(reach);
        Self {
            summary: [("cells", summary.total())].into_iter().chain(summary.words()).collect(),
            exposure: Exposure::of(reach),
            classes: reach.classes().iter().map(|class| Members::of(class, reach.world())).collect(),
            sources: (0..reach.rows().len()).map(|row| reach.row_name(row)).collect(),
            targets: (0..reach.targets().len()).map(|target| reach.target_name(target)).collect(),
            groups: groups.collect(),
            rules: rules.list,
        }
    }
}

/// JSON Schema (2020-12) of the matrix by class.
#[must_use]
pub fn grouped_schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Grouped>();
    schema.insert("$id".to_owned(), "https://airtight.dev/v1alpha1/matrix.schema.json".into());
    schema.insert("title".to_owned(), "airtight matrix by class".into());
    schema.to_value()
}

impl Members {
    fn of(class: &Class, world: &World) -> Self {
        let name = |id: &airtight_model::world::PodId| {
            let pod = world.pod(*id);
            format!("{}/{}", pod.namespace, pod.name)
        };
        Self { name: class.name.clone(), pods: class.pods.iter().map(name).collect(), enrolment: class.enrolment }
    }
}

impl Ending {
    fn of(cell: &Cell<'_>, requests: &PassingRequests, mut rules: Vec<usize>) -> Self {
        rules.sort_unstable();
        rules.dedup();
        Self {
            verdict: word(cell.verdict),
            layer: layer(cell.verdict),
            rules,
            requests: requests.at(cell.row, cell.target).map(<[String]>::to_vec),
        }
    }
}

/// Rules by index, in the order in which cells name them.
#[derive(Default)]
struct Rules {
    ids: HashMap<RuleRef, usize>,
    list: Vec<RuleRef>,
}

impl Rules {
    fn id(&mut self, rule: &RuleRef) -> usize {
        if let Some(id) = self.ids.get(rule) {
            return *id;
        }
        let id = self.list.len();
        self.ids.insert(rule.clone(), id);
        self.list.push(rule.clone());
        id
    }
}

/// Adds an index behind all others to ranges.
fn append(ranges: &mut Ranges, index: usize) {
    match ranges.last_mut() {
        Some((_, last)) if *last + 1 == index => *last = index,
        Some(_) | None => ranges.push((index, index)),
    }
}
