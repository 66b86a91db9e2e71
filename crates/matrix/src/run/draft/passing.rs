//! Which requests pass, of those that policies speak of: what "by request" means for one source and one destination.

use std::collections::BTreeMap;

use airtight_model::path::reach::{Cell, CellVerdict, Place, Reachability, Who};
use airtight_model::path::{Destination, Engine, Source};
use airtight_model::world::Protocol;

use super::aim::{Aim, aims};
use super::survey::{Ending, ending};
use super::wanted::UNLISTED;
use crate::model::Model;

/// How many requests are named for one cell.
const NAMED: usize = 3;

/// How many flows are tried in all: a matrix of many thousands of such cells says no more of the last of them.
const PATIENCE: usize = 20_000;

/// What is aimed at, and on which port.
pub(in crate::run) type Site = (Destination, Protocol, Option<u16>);

/// Requests that pass, by row and target; a cell of which nothing was tried is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassingRequests {
    cells: BTreeMap<(usize, usize), Vec<String>>,
}

impl PassingRequests {
    /// Tries the requests that policies speak of in each cell that they decide.
    #[must_use]
    pub fn of(engine: &Engine<'_>, reach: &Reachability<'_, '_>) -> Self {
        let mut found = Self::default();
        let mut sites: Option<BTreeMap<Site, Vec<Aim>>> = None;
        let mut tried = 0;
        for cell in reach.cells().filter(|cell| cell.verdict == CellVerdict::ByRequest) {
            let sites = sites.get_or_insert_with(|| by_site(engine, is_named));
            let Some((source, site)) = ends(engine, reach, &cell) else { continue };
            let Some(known) = sites.get(&site) else { continue };
            let requests = known.iter().filter(|aim| aim.suits(&source, engine.world()));
            let mut passing: Vec<String> = Vec::new();
            for aim in requests {
                tried += 1;
                let end = ending(&Model::new(engine).observe_one(&aim.flow(&source)), false);
                if matches!(end, Ending::Through { .. }) {
                    passing.extend(shown(aim).filter(|text| !passing.contains(text)).collect::<Vec<_>>());
                }
                if passing.len() == NAMED || tried >= PATIENCE {
                    break;
                }
            }
            if tried < PATIENCE {
                found.cells.insert((cell.row, cell.target), passing);
            }
        }
        found
    }

    /// Requests that pass in a cell; none if nothing was tried there.
    #[must_use]
    pub fn at(&self, row: usize, target: usize) -> Option<&[String]> {
        self.cells.get(&(row, target)).map(Vec::as_slice)
    }
}

/// A path that no policy names stands for all others, and tells a reader nothing.
pub(in crate::run) fn is_named(aim: &Aim) -> bool {
    aim.request.as_ref().map_or(aim.tls.is_some(), |request| request.path != UNLISTED)
}

/// The aims that `wanted` takes, by what they aim at.
pub(in crate::run) fn by_site(engine: &Engine<'_>, wanted: fn(&Aim) -> bool) -> BTreeMap<Site, Vec<Aim>> {
    let mut sites: BTreeMap<Site, Vec<Aim>> = BTreeMap::new();
    for aim in aims(engine.world()).into_iter().filter(wanted) {
        sites.entry((aim.to.clone(), aim.protocol, aim.port)).or_default().push(aim);
    }
    sites
}

/// The source and the target of a cell, by names.
pub(in crate::run) fn ends(
    engine: &Engine<'_>,
    reach: &Reachability<'_, '_>,
    cell: &Cell<'_>,
) -> Option<(Source, Site)> {
    let world = engine.world();
    let workload = |class: usize| {
        let pod = world.pod(*reach.classes()[class].pods.first()?);
        Some((pod.namespace.to_string(), pod.workload.to_string()))
    };
    let source = match reach.rows()[cell.row].who {
        Who::Class(class) => workload(class.0 as usize).map(|(namespace, name)| Source::Workload(namespace, name))?,
        Who::Outside => Source::Outside,
        Who::Node { control_plane } => {
            let node = world.nodes.iter().find(|node| node.control_plane == control_plane)?;
            Source::Node(node.name.to_string())
        }
    };
    let target = &reach.targets()[cell.target];
    let to = match &target.place {
        Place::Class(class) => workload(class.0 as usize).map(|(namespace, name)| Destination::Pod(namespace, name))?,
        Place::Service(index) => {
            let service = &world.services[*index];
            Destination::Service(service.namespace.to_string(), service.name.to_string())
        }
        Place::Host(host) => Destination::Host(world.host(*host).names.first()?.to_string()),
        Place::Gateway((namespace, name)) => Destination::Gateway(namespace.to_string(), name.to_string()),
    };
    Some((source, (to, target.protocol, Some(target.port))))
}

/// A request in words.
pub(super) fn shown(aim: &Aim) -> impl Iterator<Item = String> + use<> {
    let request = aim.request.as_ref().map(|request| {
        let host = if matches!(aim.to, Destination::Gateway(..)) { request.host.as_str() } else { "" };
        let token = if request.token.is_some() { " with a token" } else { "" };
        format!("{} {host}{}{token}", request.method, request.path)
    });
    request.or_else(|| aim.tls.as_ref().map(|name| format!("TLS for {name}"))).into_iter()
}
