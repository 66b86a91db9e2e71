//! Which requests two worlds treat differently, of those that the policies of either speak of.

use std::collections::{BTreeMap, BTreeSet};

use airtight_model::path::reach::Reachability;
use airtight_model::path::{Destination, Engine, Source};

use super::aim::Aim;
use super::passing::{Site, by_site, ends, shown};
use super::survey::{Ending, ending};
use super::wanted::UNLISTED;
use crate::model::Model;

/// How many flows are tried in all.
const PATIENCE: usize = 20_000;

/// A world and who reaches whom in it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its policies.
    pub engine: &'a Engine<'a>,
    /// Its matrix.
    pub reach: &'a Reachability<'a, 'a>,
}

/// Requests of one source to one destination that end otherwise in the later world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovedRequests {
    /// They were denied, and get through.
    pub opened: Vec<String>,
    /// They got through, and are denied.
    pub closed: Vec<String>,
    /// Some end in one of the worlds in a way that the model cannot tell.
    pub unclear: bool,
}

/// A row and a target of a matrix.
pub type At = (usize, usize);

/// Tries, for each pair of cells of one flow, the requests that the policies of either world speak of, and their
/// neighbours, in both. Nothing is said of a pair at which no request was tried, or before which patience ended.
#[must_use]
pub fn moved_requests(before: Seen<'_>, after: Seen<'_>, pairs: &[[At; 2]]) -> Vec<Option<MovedRequests>> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let sites = of_both(before.engine, after.engine);
    let mut left = PATIENCE;
    pairs.iter().map(|pair| moved(before, after, *pair, &sites, &mut left)).collect()
}

fn of_both(before: &Engine<'_>, after: &Engine<'_>) -> BTreeMap<Site, BTreeSet<Aim>> {
    let mut sites: BTreeMap<Site, BTreeSet<Aim>> = BTreeMap::new();
    for (site, aims) in [before, after].into_iter().flat_map(|engine| by_site(engine, |_| true)) {
        sites.entry(site).or_default().extend(aims);
    }
    sites
}

fn moved(
    before: Seen<'_>,
    after: Seen<'_>,
    [was, is]: [At; 2],
    sites: &BTreeMap<Site, BTreeSet<Aim>>,
    left: &mut usize,
) -> Option<MovedRequests> {
    let (source, site) = ends(before.engine, before.reach, &before.reach.cell(was.0, was.1))?;
    let (source_after, site_after) = ends(after.engine, after.reach, &after.reach.cell(is.0, is.1))?;
    if site != site_after {
        return None;
    }
    let aims = aims_at(&site, sites);
    let suited: Vec<&Aim> = aims.iter().filter(|aim| asks(aim) && aim.suits(&source, after.engine.world())).collect();
    *left = left.checked_sub(suited.len())?;
    let mut found = (!suited.is_empty()).then(MovedRequests::default)?;
    for aim in suited {
        found.add(aim, &tried(before.engine, aim, &source), &tried(after.engine, aim, &source_after));
    }
    Some(found)
}

/// What is tried there; at a pod's own address also what is asked of the Services of its namespace.
fn aims_at(site: &Site, sites: &BTreeMap<Site, BTreeSet<Aim>>) -> BTreeSet<Aim> {
    let mut aims = sites.get(site).cloned().unwrap_or_default();
    let (to, protocol, port) = site;
    if let Destination::Pod(home, _) = to {
        let is_there = |to: &Destination| matches!(to, Destination::Service(namespace, _) if namespace == home);
        let others = sites.iter().filter(|((to, ..), _)| is_there(to)).flat_map(|(_, aims)| aims);
        aims.extend(others.map(|aim| Aim { to: to.clone(), protocol: *protocol, port: *port, ..aim.clone() }));
    }
    aims
}

/// Whether more than a bare connection is tried.
fn asks(aim: &Aim) -> bool {
    aim.request.is_some() || aim.tls.is_some()
}

fn tried(engine: &Engine<'_>, aim: &Aim, source: &Source) -> Ending {
    ending(&Model::new(engine).observe_one(&aim.flow(source)), false)
}

impl MovedRequests {
    fn add(&mut self, aim: &Aim, was: &Ending, is: &Ending) {
        let list = match (was, is) {
            (Ending::Denied { .. } | Ending::Vacuous, Ending::Through { .. }) => &mut self.opened,
            (Ending::Through { .. }, Ending::Denied { .. } | Ending::Vacuous) => &mut self.closed,
            (Ending::Unknown(_), Ending::Unknown(_))
            | (Ending::Through { .. }, Ending::Through { .. })
            | (Ending::Denied { .. } | Ending::Vacuous, Ending::Denied { .. } | Ending::Vacuous) => return,
            (Ending::Unknown(_), _) | (_, Ending::Unknown(_)) => {
                self.unclear = true;
                return;
            }
        };
        list.extend(shown(aim).map(|text| text.replace(UNLISTED, " (any path that no policy names)")));
        list.sort();
        list.dedup();
    }
}
