//! The observers of a cluster as the witness of its rounds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use airtight_cluster::Cluster;
use airtight_cluster::read;
use airtight_cluster::read::text;
use airtight_cluster::wait::Patience;
use airtight_manifest::Failure;
use airtight_matrix::judge::Evidence;
use airtight_matrix::scenario::got_through;
use serde_json::Value;

use super::{Attempt, Attribution, Examined, Observers, Span, Ways, examine_until};
use crate::answer::outcome;
use crate::{Origin, Tried, Witness};

/// The observers of a cluster as the witness of its rounds. They are looked up anew for each round: pods move.
pub struct ClusterWitness<'c> {
    cluster: &'c dyn Cluster,
    patience: Patience,
}

/// A pod from which flows start.
#[derive(Clone, Copy)]
struct Source {
    ip: IpAddr,
    captured: bool,
}

impl<'c> ClusterWitness<'c> {
    /// A witness that gives observers so much time to write what they saw of a round.
    #[must_use]
    pub fn new(cluster: &'c dyn Cluster, patience: Patience) -> Self {
        Self { cluster, patience }
    }

    /// What observers say of a round, with the reasons why flows are not attributed; one for each flow that the
    /// client could start, by its index.
    ///
    /// # Errors
    /// When the pods or the ways between them cannot be listed: then nobody can tell whose flow a record is.
    pub fn examine(&self, round: &[Tried<'_>]) -> Result<(Vec<usize>, Examined), Failure> {
        let observers = Observers::find(self.cluster);
        let ways = Ways::read(self.cluster, &observers.proxies())?;
        let sources = sources(self.cluster)?;
        let attempts = round
            .iter()
            .enumerate()
            .filter_map(|(index, tried)| Some((index, attempt(tried, &source_of(tried, &sources)?))));
        let (indices, attempts): (Vec<usize>, Vec<Attempt>) = attempts.unzip();
        let is_enough = |index: usize, told: &Attribution| {
            let through = attempts.get(index).is_some_and(|attempt| got_through(&attempt.outcome));
            told.denied_by.is_some() || (through && told.unheard.is_empty())
        };
        let examined = examine_until(self.cluster, &observers, &ways, &attempts, self.patience, &is_enough);
        Ok((indices, examined))
    }
}

impl Witness for ClusterWitness<'_> {
    fn attribute(&self, round: &[Tried<'_>]) -> Vec<Evidence> {
        let mut told = vec![Evidence::default(); round.len()];
        match self.examine(round) {
            Ok((indices, examined)) => {
                for (index, attribution) in indices.into_iter().zip(&examined.attributions) {
                    if let Some(evidence) = told.get_mut(index) {
                        attribution.fill(evidence);
                        evidence.logs.extend(attribution.unattributed.iter().map(|why| format!("unattributed: {why}")));
                    }
                }
            }
            Err(why) => told.iter_mut().for_each(|evidence| evidence.logs.push(format!("unattributed: {why}"))),
        }
        told
    }
}

/// By namespace and name.
fn sources(cluster: &dyn Cluster) -> Result<BTreeMap<(String, String), Source>, Failure> {
    let pods = read::list(cluster, "/api/v1/pods")?;
    let source = |pod: &Value| {
        let key = (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned());
        let ip = text(pod, "/status/podIP").parse().ok()?;
        // istio-cni writes it once the pod's traffic is redirected (Istio `cni/pkg/nodeagent`).
        let captured = text(pod, "/metadata/annotations/ambient.istio.io~1redirection") == "enabled";
        Some((key, Source { ip, captured }))
    };
    Ok(pods.iter().filter_map(source).collect())
}

/// What comes from outside is seen from where its client says that it is: no mesh is there to capture it.
fn source_of(tried: &Tried<'_>, pods: &BTreeMap<(String, String), Source>) -> Option<Source> {
    match tried.from {
        Origin::Pod(container) => pods.get(&(container.namespace.clone(), container.pod.clone())).copied(),
        Origin::Outside => Some(Source { ip: tried.answer.local?.ip(), captured: false }),
    }
}

fn attempt(tried: &Tried<'_>, source: &Source) -> Attempt {
    let answer = tried.answer;
    let started = i64::try_from(answer.started_unix_us).unwrap_or(i64::MAX);
    let took = i64::try_from(answer.timing.total_us).unwrap_or(i64::MAX);
    let request = tried.flow.request.as_ref();
    Attempt {
        ip: answer.local.map_or(source.ip, |local| local.ip()),
        port: answer.local.map(|local| local.port()),
        captured: source.captured,
        to: answer.inner.or(answer.peer),
        tunnel: answer.inner.and(answer.peer),
        protocol: tried.flow.protocol,
        request: request.map(|request| (request.method.clone(), request.path.clone())),
        mark: tried.mark.map(str::to_owned),
        names: answer.lookups.iter().map(|lookup| lookup.name.clone()).collect(),
        resolvers: answer.lookups.iter().map(|lookup| lookup.server).collect(),
        span: Span::lasting(started, took),
        outcome: outcome(answer),
        answered_by: answer.answered_by.as_ref().map(|identity| format!("{}/{}", identity.namespace, identity.pod)),
    }
}
