//! The cluster's own observers as a witness: Hubble, ztunnel, waypoints and gateways.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use airtight_probe::wire;
use serde_json::Value;

use super::answer;
use super::cluster::Cluster;
use super::convergence::Patience;
use super::evidence::{Attempt, Attribution, Gap, Observers, Span, Ways, examine_until};
use super::read::{self, Unread};
use super::witness::{Tried, Witness};
use crate::judge::Evidence;
use crate::scenario::got_through;

/// Istio's mark of a pod whose traffic goes through ztunnel (Istio `pkg/config/constants/constants.go`).
const REDIRECTION: &str = "/metadata/annotations/ambient.istio.io~1redirection";

/// How long observers are given to write what they saw: Envoy holds its access log back for up to ten seconds
/// (Envoy `config.bootstrap.v3.Bootstrap`, `--file-flush-interval-msec`).
const PATIENCE: Patience = Patience {
    within: Duration::from_secs(15),
    first_pause: Duration::from_millis(300),
    longest_pause: Duration::from_secs(3),
};

/// The observers of a cluster.
pub struct Observer<'c> {
    cluster: &'c dyn Cluster,
    observers: Observers,
    ways: Ways,
    /// By namespace and name: the pod's address, and whether ztunnel has its traffic.
    pods: BTreeMap<(String, String), (IpAddr, bool)>,
}

impl<'c> Observer<'c> {
    /// Finds the observers, and what lies between the addresses of Services and their pods.
    ///
    /// # Errors
    /// When that cannot be read: nobody could tell then whose a record is.
    pub fn find(cluster: &'c dyn Cluster) -> Result<Self, Unread> {
        let observers = Observers::find(cluster);
        let ways = Ways::read(cluster, &observers.proxies())?;
        let pods = read::list(cluster, "/api/v1/pods")?.iter().filter_map(pod).collect();
        Ok(Self { cluster, observers, ways, pods })
    }

    /// Observers that should be there and cannot be asked.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.observers.gaps
    }

    fn attempt(&self, tried: &Tried<'_>) -> Option<Attempt> {
        let answer = tried.answer;
        let pod = (tried.from.namespace.clone(), tried.from.pod.clone());
        let (ip, captured) = *self.pods.get(&pod)?;
        let request = tried.flow.request.as_ref().map(|asked| (asked.method.clone(), asked.path.clone()));
        Some(Attempt {
            ip,
            port: answer.local.map(|local| local.port()),
            captured,
            to: answer.peer,
            protocol: tried.flow.protocol,
            request,
            mark: None,
            names: answer.lookups.iter().map(|lookup| lookup.name.clone()).collect(),
            resolvers: answer.lookups.iter().map(|lookup| lookup.server).collect(),
            span: span(answer),
            outcome: answer::outcome(answer),
            answered_by: answer.answered_by.as_ref().map(|identity| format!("{}/{}", identity.namespace, identity.pod)),
        })
    }

    /// Whether there is more to come: a denial without a name, or a request on whose way a proxy stands that has not
    /// told of it yet.
    fn is_enough(&self, attempt: &Attempt, told: &Attribution) -> bool {
        if !got_through(&attempt.outcome) {
            return told.denied_by.is_some();
        }
        let through_proxy = attempt.to.is_some_and(|to| attempt.captured && self.ways.waypoints.contains_key(&to.ip()));
        !through_proxy || told.passed.contains(&crate::policy::Layer::Waypoint)
    }
}

impl Witness for Observer<'_> {
    fn attribute(&self, round: &[Tried<'_>]) -> Vec<Evidence> {
        let attempts: Vec<Option<Attempt>> = round.iter().map(|tried| self.attempt(tried)).collect();
        let known: Vec<Attempt> = attempts.iter().flatten().cloned().collect();
        let examined = examine_until(self.cluster, &self.observers, &self.ways, &known, PATIENCE, &|index, told| {
            known.get(index).is_some_and(|attempt| self.is_enough(attempt, told))
        });
        let mut told = examined.attributions.iter();
        attempts
            .iter()
            .map(|attempt| match attempt {
                Some(_) => told.next().map(evidence).unwrap_or_default(),
                None => {
                    Evidence { logs: vec!["no observer knows the pod it came from".to_owned()], ..Evidence::default() }
                }
            })
            .collect()
    }
}

fn evidence(told: &Attribution) -> Evidence {
    let mut evidence = Evidence::default();
    told.fill(&mut evidence);
    evidence.logs.extend(told.unattributed.iter().map(|why| format!("unattributed: {why}")));
    evidence
}

fn span(answer: &wire::Answer) -> Span {
    let micros = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Span::lasting(micros(answer.started_unix_us), micros(answer.timing.total_us))
}

fn pod(object: &Value) -> Option<((String, String), (IpAddr, bool))> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let name = (text("/metadata/namespace")?.to_owned(), text("/metadata/name")?.to_owned());
    let captured = text(REDIRECTION) == Some("enabled");
    Some((name, (text("/status/podIP")?.parse().ok()?, captured)))
}
