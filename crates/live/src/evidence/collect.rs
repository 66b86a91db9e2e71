//! Gathers what the observers of a cluster wrote of a round.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_cluster::{Cluster, Container, Ended};
use airtight_manifest::Failure;
use airtight_model::policy::Checkpoint;
use airtight_model::world::GATEWAY_NAME;
use jiff::Timestamp;
use serde_json::Value;

use super::attribute::Gap;
use super::proxy::{self, ProxyPod};
use super::record::{Line, Record, Span};
use super::{hubble, ztunnel};

/// How many observers are read at the same moment.
const SIDE_BY_SIDE: usize = 8;

/// How long `hubble observe` may take over flows of the past.
const HUBBLE_DEADLINE: Duration = Duration::from_secs(20);

/// Containers that write the access log of a Gateway's pod: Istio's, Kgateway's, agentgateway's.
const PROXY_CONTAINERS: &[&str] = &["istio-proxy", "kgateway-proxy", "agentgateway"];

/// Who observes on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observers {
    watched: Vec<Watched>,
    /// Observers that should be there and cannot be asked.
    pub gaps: Vec<Gap>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Watched {
    container: Container,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Hubble,
    Ztunnel,
    Proxy(ProxyPod),
}

/// What observers wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Collected {
    /// What they say.
    pub records: Vec<Record>,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

impl Observers {
    /// Finds Cilium's agents, ztunnels, and the pods of waypoints and gateways, by their labels.
    #[must_use]
    pub fn find(cluster: &dyn Cluster) -> Self {
        let mut found = Self::default();
        let labelled = [("k8s-app%3Dcilium", "Hubble"), ("app%3Dztunnel", "ztunnel")];
        for (selector, name) in labelled {
            match read::list(cluster, &format!("/api/v1/pods?labelSelector={selector}")) {
                Ok(pods) => pods.iter().for_each(|pod| found.add_agent(pod, name)),
                Err(error) => found.gaps.push(gap(name, &error)),
            }
        }
        if let Err(error) = found.add_proxies(cluster) {
            found.gaps.push(gap("waypoints and gateways", &error));
        }
        found
    }

    /// The pods of all waypoints and gateways.
    #[must_use]
    pub fn proxies(&self) -> Vec<ProxyPod> {
        let proxy = |watched: &Watched| match &watched.kind {
            Kind::Proxy(pod) => Some(pod.clone()),
            Kind::Hubble | Kind::Ztunnel => None,
        };
        self.watched.iter().filter_map(proxy).collect()
    }

    /// Reads all observers side by side: what they wrote from `span.from` on of flows of these clients. Every read is
    /// bounded in time; an observer that cannot be read is a gap.
    #[must_use]
    pub fn read(&self, cluster: &dyn Cluster, span: Span, clients: &BTreeSet<IpAddr>) -> Collected {
        let mut sources: BTreeSet<IpAddr> = clients.clone();
        sources.extend(self.proxies().iter().map(|pod| pod.ip));
        let next = AtomicUsize::new(0);
        let all = Mutex::new(Collected { records: Vec::new(), gaps: self.gaps.clone() });
        thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE.min(self.watched.len()) {
                scope.spawn(|| {
                    while let Some(watched) = self.watched.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let one = watched.read(cluster, span, &sources);
                        let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        all.records.extend(one.records);
                        all.gaps.extend(one.gaps);
                    }
                });
            }
        });
        let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.records.sort_by(|one, other| (one.span, &one.line, one).cmp(&(other.span, &other.line, other)));
        all.gaps.sort();
        all
    }

    fn add_agent(&mut self, pod: &Value, name: &str) {
        let (container, kind) = match name {
            "Hubble" => ("cilium-agent", Kind::Hubble),
            _ => ("istio-proxy", Kind::Ztunnel),
        };
        let container = container_of(pod, container);
        if is_running(pod) {
            self.watched.push(Watched { container, kind });
        } else {
            let why = format!("the pod is not running ({})", text(pod, "/status/phase"));
            self.gaps.push(Gap { observer: format!("{name} in {container}"), why });
        }
    }

    fn add_proxies(&mut self, cluster: &dyn Cluster) -> Result<(), Failure> {
        let gateways =
            read::list_if_served(cluster, "/apis/gateway.networking.k8s.io/v1/gateways")?.unwrap_or_default();
        let pods = read::list(cluster, &format!("/api/v1/pods?labelSelector={}", read::escaped(GATEWAY_NAME)))?;
        for pod in &pods {
            let (Some(proxy), true) = (proxy_of(pod, &gateways), is_running(pod)) else { continue };
            let names: Vec<&str> = items(pod, "/spec/containers").iter().map(|each| text(each, "/name")).collect();
            let known = PROXY_CONTAINERS.iter().copied().find(|name| names.contains(name));
            if let Some(name) = known.or_else(|| names.first().copied()) {
                self.watched.push(Watched { container: container_of(pod, name), kind: Kind::Proxy(proxy) });
            }
        }
        Ok(())
    }
}

fn gap(observer: &str, error: &Failure) -> Gap {
    Gap { observer: observer.to_owned(), why: error.to_string() }
}

fn container_of(pod: &Value, container: &str) -> Container {
    Container {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: text(pod, "/metadata/name").to_owned(),
        container: container.to_owned(),
    }
}

fn is_running(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running"
}

/// None for a pod that has no address yet: nothing reaches it.
fn proxy_of(pod: &Value, gateways: &[Value]) -> Option<ProxyPod> {
    let name = pod.get("metadata")?.get("labels")?.get(GATEWAY_NAME)?.as_str()?;
    let namespace = text(pod, "/metadata/namespace");
    let gateway = gateways
        .iter()
        .find(|gateway| text(gateway, "/metadata/name") == name && text(gateway, "/metadata/namespace") == namespace);
    Some(ProxyPod {
        gateway: (namespace.to_owned(), name.to_owned()),
        checkpoint: if gateway.is_some_and(is_waypoint) { Checkpoint::Waypoint } else { Checkpoint::Gateway },
        ip: text(pod, "/status/podIP").parse().ok()?,
    })
}

/// A waypoint listens for HBONE, or for the PROXY protocol behind a ztunnel (Istio
/// `pilot/pkg/serviceregistry/ambient/waypoints.go`).
fn is_waypoint(gateway: &Value) -> bool {
    let class = text(gateway, "/spec/gatewayClassName");
    let mut protocols = items(gateway, "/spec/listeners").iter().map(|listener| text(listener, "/protocol"));
    class.ends_with("-waypoint") || protocols.any(|protocol| matches!(protocol, "HBONE" | "istio.io/PROXY"))
}

impl Watched {
    fn name(&self) -> String {
        match &self.kind {
            Kind::Hubble => format!("Hubble in {}", self.container),
            Kind::Ztunnel => format!("ztunnel in {}", self.container),
            Kind::Proxy(pod) => {
                let (namespace, name) = &pod.gateway;
                format!("{} {namespace}/{name} in {}", pod.checkpoint, self.container)
            }
        }
    }

    fn read(&self, cluster: &dyn Cluster, span: Span, sources: &BTreeSet<IpAddr>) -> Collected {
        let text = match &self.kind {
            Kind::Hubble => self.observe(cluster, span, sources),
            Kind::Ztunnel | Kind::Proxy(_) => self.logs(cluster, span),
        };
        let mut found = Collected::default();
        let observer = self.name();
        let lines = match text {
            Ok(text) => text,
            Err(why) => {
                found.gaps.push(Gap { observer, why });
                return found;
            }
        };
        let mut lost = BTreeSet::new();
        for line in lines.lines() {
            match self.line(line) {
                Line::Record(record) => found.records.push(*record),
                Line::Other => {}
                Line::Lost(why) => {
                    lost.insert(why);
                }
            }
        }
        found.gaps.extend(lost.into_iter().map(|why| Gap { observer: observer.clone(), why }));
        found
    }

    fn line(&self, line: &str) -> Line {
        match &self.kind {
            Kind::Hubble => hubble::read(line),
            Kind::Ztunnel => ztunnel::read(line),
            Kind::Proxy(pod) => proxy::read(line, pod),
        }
    }

    fn logs(&self, cluster: &dyn Cluster, span: Span) -> Result<String, String> {
        let since = Timestamp::from_microsecond(span.from).map_err(|error| error.to_string())?;
        cluster.logs(&self.container, since).map_err(|error| error.to_string())
    }

    /// Several `--from-ip` are alternatives (Cilium `hubble/cmd/observe/flows_filter.go`).
    fn observe(&self, cluster: &dyn Cluster, span: Span, sources: &BTreeSet<IpAddr>) -> Result<String, String> {
        let mut command = vec!["hubble".to_owned(), "observe".to_owned(), "-o".to_owned(), "jsonpb".to_owned()];
        command.extend(["--since".to_owned(), time(span.from)?, "--until".to_owned(), time(span.to)?]);
        command.extend(sources.iter().flat_map(|ip| ["--from-ip".to_owned(), ip.to_string()]));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let run = cluster.exec(&self.container, &command, &[], HUBBLE_DEADLINE).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&run.stderr);
        match &run.ended {
            Ended::Status(0) => Ok(String::from_utf8_lossy(&run.stdout).into_owned()),
            Ended::Status(status) => {
                Err(format!("`hubble observe` ended with {status}: {}", said.lines().next().unwrap_or_default().trim()))
            }
            Ended::Cut(why) => Err(format!("`hubble observe` was cut off: {why}")),
        }
    }
}

fn time(microseconds: i64) -> Result<String, String> {
    let moment = Timestamp::from_microsecond(microseconds).map_err(|error| error.to_string())?;
    Ok(format!("{moment:.6}"))
}
