//! What the full reachability says of a mutant that no case notices: which flows it opens and closes, or that none
//! changes. Where flows could change that it does not see, it proves nothing.

use std::collections::BTreeMap;

use airtight_manifest::{Document, Enforcer, Node, NodeValue, Resource, kind_info};
use airtight_model::path::Engine;
use airtight_model::path::reach::{CellVerdict, Place, Reachability, Scope, View};
use airtight_model::world::Role;

use super::edit::{Edit, Path, Step};
use super::mutant::Mutant;
use super::record::Fate;
use super::subject::Subject;

const ADMITS: &str = "what the API server admits is no flow";

/// How many flows are named as examples.
const EXAMPLES: usize = 3;

/// Who reaches whom without any mutant.
#[derive(Debug)]
pub(super) struct Census<'a> {
    base: Reachability<'a, 'a>,
    /// Admission's rules, as they are written.
    admission: Vec<String>,
}

/// Cells that say otherwise, each by its ends.
#[derive(Debug, Default)]
struct Moved {
    opened: Vec<(usize, usize)>,
    closed: Vec<(usize, usize)>,
}

impl<'a> Census<'a> {
    pub(super) fn of(engine: &'a Engine<'a>, documents: &[Document]) -> Self {
        let kind = |document: &&Document| document.root.get("kind").and_then(Node::as_str).and_then(kind_info);
        let admission =
            documents.iter().filter(|document| kind(document).is_some_and(|kind| kind.enforcer == Enforcer::Admission));
        Self {
            base: Reachability::compute(engine, &scope()),
            admission: admission.map(|document| document.root.to_json().to_string()).collect(),
        }
    }

    /// What becomes of a mutant that no case notices.
    pub(super) fn fate(&self, subject: &Subject<'_>, mutant: &Mutant, engine: &Engine<'_>) -> Fate {
        if self.admits_the_same(subject, engine) {
            return survived((0, 0), Vec::new(), Some(ADMITS.to_owned()));
        }
        let now = Reachability::compute(engine, &scope());
        let is_same_grid = self.base.rows() == now.rows()
            && self.base.targets() == now.targets()
            && self.base.classes() == now.classes();
        if !is_same_grid {
            return by_names(&self.base, &now);
        }
        let moved = self.moved(&now);
        if moved.opened.is_empty() && moved.closed.is_empty() {
            return match self.blind_to(subject, mutant, &now) {
                Some(why) => survived((0, 0), Vec::new(), Some(why.to_owned())),
                None => Fate::Equivalent,
            };
        }
        let shown = if moved.opened.is_empty() { &moved.closed } else { &moved.opened };
        let example = |(row, target): &(usize, usize)| format!("{} → {}", now.row_name(*row), now.target_name(*target));
        let examples = shown.iter().take(EXAMPLES).map(example).collect();
        survived((moved.opened.len(), moved.closed.len()), examples, None)
    }

    /// Whether admission says something else, and made the same objects of the manifests all the same.
    fn admits_the_same(&self, subject: &Subject<'_>, engine: &Engine<'_>) -> bool {
        subject.resource.enforcer() == Some(Enforcer::Admission)
            && self.base.world().admission == engine.world().admission
            && self.base.world().doubts == engine.world().doubts
    }

    fn moved(&self, now: &Reachability<'_, '_>) -> Moved {
        let mut moved = Moved::default();
        for row in 0..now.rows().len() {
            for target in 0..now.targets().len() {
                let (before, after) = (self.base.cell(row, target).verdict, now.cell(row, target).verdict);
                if before == after {
                    continue;
                }
                let list = if openness(after) > openness(before) { &mut moved.opened } else { &mut moved.closed };
                list.push((row, target));
            }
        }
        moved
    }

    /// Why no change in any cell does not mean that no flow changes.
    fn blind_to(&self, subject: &Subject<'_>, mutant: &Mutant, now: &Reachability<'_, '_>) -> Option<&'static str> {
        if subject.resource.enforcer() == Some(Enforcer::Admission) {
            return Some(ADMITS);
        }
        if matches!(subject.resource, Resource::Service(_)) && is_about_publishing(&mutant.path) {
            return Some("how clients outside come to a node's port is no part of it");
        }
        if matches!(subject.resource, Resource::Namespace(_)) && self.admission_looks_at(&mutant.path) {
            return Some("admission may look at labels of namespaces");
        }
        if is_about_addresses(subject, mutant) {
            return Some("addresses without a name and nodes have no cell");
        }
        let home = subject.object().namespace.as_deref();
        let has = |verdicts: &[CellVerdict]| [&self.base, now].iter().any(|reach| has_cell(reach, home, verdicts));
        if reads_requests(&subject.resource, subject.document) && has(&[CellVerdict::ByRequest]) {
            return Some("rules about requests decide here, and a cell says nothing of each request");
        }
        has(&[CellVerdict::Unknown]).then_some("how some flows end here is not known")
    }

    /// Whether a rule of admission names the label that a path leads to, or might mean any.
    fn admission_looks_at(&self, path: &Path) -> bool {
        let Some(Step::Key(label)) = path.last() else { return true };
        self.admission.iter().any(|text| text.contains(label.as_str()) || text.contains("labels.keys"))
    }
}

fn scope() -> Scope {
    Scope { view: View::Everything, ..Scope::default() }
}

fn survived((opens, closes): (usize, usize), examples: Vec<String>, unproved: Option<String>) -> Fate {
    Fate::Survived { opens, closes, examples, unproved }
}

/// How much gets through: what nobody knows counts like what requests decide.
fn openness(verdict: CellVerdict) -> u8 {
    match verdict {
        CellVerdict::Absent | CellVerdict::Denied(_) => 0,
        CellVerdict::Unknown | CellVerdict::ByRequest => 1,
        CellVerdict::Allowed => 2,
    }
}

/// The comparison of worlds in which not the same pods are told apart.
fn by_names(base: &Reachability<'_, '_>, now: &Reachability<'_, '_>) -> Fate {
    let named = |reach: &Reachability<'_, '_>| -> BTreeMap<(String, String), CellVerdict> {
        let cells = reach.cells();
        cells.map(|cell| ((reach.row_name(cell.row), reach.target_name(cell.target)), cell.verdict)).collect()
    };
    let (before, after) = (named(base), named(now));
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    let ends: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for end in ends {
        let verdict = |cells: &BTreeMap<_, CellVerdict>| cells.get(end).copied().unwrap_or(CellVerdict::Absent);
        let (before, after) = (verdict(&before), verdict(&after));
        if before != after {
            let list = if openness(after) > openness(before) { &mut opened } else { &mut closed };
            list.push(format!("{} → {}", end.0, end.1));
        }
    }
    let numbers = (opened.len(), closed.len());
    let unproved = (numbers == (0, 0)).then(|| "pods are told apart otherwise than before".to_owned());
    let shown = if opened.is_empty() { closed } else { opened };
    survived(numbers, shown.into_iter().take(EXAMPLES).collect(), unproved)
}

fn is_about_publishing(path: &Path) -> bool {
    matches!(path.get(1), Some(Step::Key(key)) if matches!(key.as_str(),
        "externalTrafficPolicy" | "internalTrafficPolicy" | "loadBalancerSourceRanges" | "type" | "ports"))
}

/// Fields of rules whose peers are no pods.
const NO_PODS: &[&str] = &[
    "fromEntities",
    "toEntities",
    "fromCIDR",
    "toCIDR",
    "fromCIDRSet",
    "toCIDRSet",
    "fromNodes",
    "toNodes",
    "toFQDNs",
    "toServices",
    "icmps",
    "ipBlock",
    "ipBlocks",
    "notIpBlocks",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
];

/// Fields of rules whose peers are pods and nobody else.
const PODS: &[&str] = &["fromEndpoints", "toEndpoints", "from", "to"];

/// Whether what a mutant changes could match a peer that has no cell: an address, a node, an ICMP message.
fn is_about_addresses(subject: &Subject<'_>, mutant: &Mutant) -> bool {
    if subject.resource.enforcer() != Some(Enforcer::Cni) {
        return says_any(&subject.document.root, &["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"]);
    }
    let introduced = match &mutant.edit {
        Some(Edit::Rename(key, _)) => NO_PODS.contains(key),
        Some(Edit::Drop | Edit::Set(_) | Edit::Move(_)) | None => false,
    };
    if introduced {
        return true;
    }
    match rule_of(&subject.document.root, &mutant.path) {
        // The peers of one rule are all that it can match.
        Some(rule) => says_any(rule, NO_PODS) || !says_any(rule, PODS) || drops_peers(mutant),
        None => says_any(&subject.document.root, NO_PODS) || has_rule_without_peers(&subject.document.root),
    }
}

/// Whether a rule has no peers left, and so matches everybody.
fn drops_peers(mutant: &Mutant) -> bool {
    let last = mutant.path.last();
    mutant.edit == Some(Edit::Drop) && matches!(last, Some(Step::Key(key)) if PODS.contains(&key.as_str()))
}

/// The rule in which a path leads: the item of a list of the spec.
fn rule_of<'n>(root: &'n Node, path: &[Step]) -> Option<&'n Node> {
    let index = path.iter().position(|step| matches!(step, Step::Index(_)))?;
    path[..=index].iter().try_fold(root, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.as_list()?.get(*index),
    })
}

fn says_any(node: &Node, keys: &[&str]) -> bool {
    match &node.value {
        NodeValue::Map(entries) => {
            entries.iter().any(|(key, value)| keys.contains(&key.name.as_str()) || says_any(value, keys))
        }
        NodeValue::List(items) => items.iter().any(|item| says_any(item, keys)),
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::String(_) => {
            false
        }
    }
}

fn has_rule_without_peers(root: &Node) -> bool {
    let lists = ["ingress", "egress", "ingressDeny", "egressDeny"];
    let spec = root.get("spec");
    let rules = lists.iter().filter_map(|list| spec?.get(list)?.as_list()).flatten();
    rules.into_iter().any(|rule| !says_any(rule, PODS))
}

/// Fields of Istio's rules that speak of requests.
const REQUESTS: &[&str] = &[
    "methods",
    "notMethods",
    "paths",
    "notPaths",
    "hosts",
    "notHosts",
    "requestPrincipals",
    "notRequestPrincipals",
    "when",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
];

/// Whether an object decides by more than the ends and the port of a connection.
fn reads_requests(resource: &Resource, document: &Document) -> bool {
    match resource.enforcer() {
        Some(Enforcer::Cni) => {
            says_any(&document.root, &["rules", "serverNames", "toFQDNs", "terminatingTLS", "authentication"])
        }
        Some(Enforcer::Cluster) => matches!(resource, Resource::Namespace(_)),
        // ztunnel leaves out what it does not see of a connection, or denies by it; a rule without has nothing of the kind.
        Some(Enforcer::Ztunnel) => says_any(&document.root, REQUESTS),
        Some(Enforcer::Waypoint | Enforcer::Gateway | Enforcer::ProxyController | Enforcer::Admission) | None => true,
    }
}

/// Whether a cell ends so of those that an object of a namespace could be asked about. What stands in a namespace of
/// proxies, or for all namespaces, is asked about flows of any other.
fn has_cell(reach: &Reachability<'_, '_>, home: Option<&str>, verdicts: &[CellVerdict]) -> bool {
    let world = reach.world();
    let has_proxy = |home: &str| world.pods.iter().any(|pod| &*pod.namespace == home && pod.role != Role::Workload);
    let home = home.filter(|home| !has_proxy(home) && *home != world.stack.istio.root_namespace);
    reach.cells().any(|cell| {
        let is_open = verdicts.contains(&cell.verdict);
        let is_near = home.is_none_or(|home| {
            reach.row_namespace(cell.row) == Some(home)
                || reach.target_namespace(cell.target) == Some(home)
                || matches!(reach.targets()[cell.target].place, Place::Gateway(_))
        });
        is_open && is_near
    })
}
